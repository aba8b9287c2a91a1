"""A version's scoring process: MLflow's own server, in the version's environment."""

import asyncio
import contextlib
import json
import math
import socket

import aiohttp

from model_server.processes import Failed, ending, last_lines, terminate, weigh
from model_server.settings import plain_environment

START_SECONDS = 300
# Of what has to go, the kernel takes the candidate first and never the front.
CANDIDATE, SERVING = 1000, 500
SAID = 16384


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Scoring:
    """The process of one version, and the next one when it is started again."""

    def __init__(self, session, version, model, environment, seconds):
        self.session, self.version, self.model, self.environment = session, version, model, environment
        self.seconds = seconds
        self.under_way = 0
        self.process = None
        self.listener = None
        self.url = None
        self.said = b""

    async def start(self, score):
        """Starts it and waits for its /ping; raises Failed with the reason."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.said = b""
        binaries = self.environment / "bin"
        environment = plain_environment() | {
            "PATH": f"{binaries}:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.environment),
            # How mlflow/pyfunc/scoring_server tells its application which model it is.
            "__pyfunc_model_path__": str(self.model),
            "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": str(math.ceil(self.seconds)),
        }
        self.process = await asyncio.create_subprocess_exec(
            *(str(binaries / "python"), "-m", "uvicorn", "mlflow.pyfunc.scoring_server.app:app"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "5"),
            env=environment,
            cwd="/tmp",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        weigh(self.process, score)
        self.listener = asyncio.create_task(self.listen(self.process.stdout))
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.answers():
                    if self.process.returncode is not None:
                        raise Failed(await self.why())
                    await asyncio.sleep(0.2)
        except TimeoutError:
            await terminate(self.process, 0)
            raise Failed(f"it did not answer /ping within {START_SECONDS} s: {self.last_words()}") from None

    async def listen(self, output):
        """Passes on what it prints. By chunks: a process whose output is not read stands still, however long its lines are."""
        while chunk := await output.read(65536):
            self.said = (self.said + chunk)[-SAID:]
            for line in chunk.decode(errors="replace").splitlines():
                print(f"version {self.version.number}: {line}", flush=True)

    def last_words(self):
        return last_lines(self.said.decode(errors="replace"))

    async def why(self):
        """Why the process ended."""
        code = await self.process.wait()
        # A child of its own may hold its output open.
        await asyncio.wait((self.listener,), timeout=2)
        return ending(code) if code < 0 else f"{self.last_words()} ({ending(code)})"

    async def answers(self):
        try:
            async with self.session.get(f"{self.url}/ping", timeout=aiohttp.ClientTimeout(total=5)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def try_example(self):
        """Asks it what its own input example asks; raises Failed with what it answers."""
        path = self.model / "serving_input_example.json"
        if not path.exists():
            return
        try:
            async with self.session.post(
                f"{self.url}/invocations",
                data=path.read_bytes(),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self.seconds),
            ) as response:
                if response.status != 200:
                    text = reason_of(await response.text(errors="replace"))
                    raise Failed(f"it answers its own input example with {response.status}: {text}")
        except TimeoutError:
            raise Failed(f"it does not answer its own input example within {self.seconds:g} s") from None
        except aiohttp.ClientError as error:
            why = await self.why() if await self.ended() else error
            raise Failed(f"it does not answer its own input example: {why}") from error

    async def ended(self):
        """Whether it is at its end, which shows a little later than on its connections."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), 1)
        return self.process.returncode is not None

    async def stop(self, seconds=10):
        """Ends it once the requests that it is at are answered."""
        if self.process is None:
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    while self.under_way and self.process.returncode is None:
                        await asyncio.sleep(0.05)
        finally:
            await terminate(self.process, seconds)


def reason_of(text):
    """MLflow's message in an answer, without its trace."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["message"])[:600]
    return text[:600]
