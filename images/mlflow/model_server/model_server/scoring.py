"""A version's scoring process: MLflow's own server, in the version's environment."""

import asyncio
import collections
import contextlib
import json
import socket

import aiohttp

from model_server.processes import Failed, ending, last_lines, terminate
from model_server.settings import plain_environment

START_SECONDS = 300
# Of a process that has to go, the kernel takes the candidate first and never the front.
CANDIDATE, SERVING = 1000, 500


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Scoring:
    """One process; `version` is the registry's number of what it serves."""

    def __init__(self, session, version, model, environment, seconds):
        self.session, self.version, self.model, self.environment = session, version, model, environment
        self.seconds = seconds
        self.under_way = 0
        self.process = None
        self.url = None
        self.said = collections.deque(maxlen=40)

    async def start(self):
        """Starts it and waits for its /ping; raises Failed with the reason."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        binaries = self.environment / "bin"
        environment = plain_environment() | {
            "PATH": f"{binaries}:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.environment),
            # How mlflow/pyfunc/scoring_server tells its application which model it is.
            "__pyfunc_model_path__": str(self.model),
            "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": str(int(self.seconds)),
        }
        self.said.clear()
        self.process = await asyncio.create_subprocess_exec(
            *(str(binaries / "python"), "-m", "uvicorn", "mlflow.pyfunc.scoring_server.app:app"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "5"),
            env=environment,
            cwd="/tmp",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.weigh(CANDIDATE)
        self.listener = asyncio.create_task(self.listen())
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self.answers():
                    if self.process.returncode is not None:
                        raise Failed(await self.why())
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise Failed(f"it did not answer /ping within {START_SECONDS} s: {last_lines(self.text())}") from None

    async def listen(self):
        async for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.said.append(text)
            print(f"version {self.version}: {text}", flush=True)

    def text(self):
        return "\n".join(self.said)

    async def why(self):
        """Why the process ended."""
        await self.process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.listener), 2)
        code = self.process.returncode
        return ending(code) if code < 0 else f"{last_lines(self.text())} ({ending(code)})"

    def weigh(self, score):
        with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/oom_score_adj", "w") as file:
            file.write(str(score))

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
                    text = reason_of(await response.text())
                    raise Failed(f"it answers its own input example with {response.status}: {text}")
        except (aiohttp.ClientError, TimeoutError) as error:
            why = await self.why() if await self.has_ended() else str(error) or "no answer"
            raise Failed(f"it does not answer its own input example: {why}") from error

    async def has_ended(self):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.process.wait()), 1)
        return self.process.returncode is not None

    async def stop(self, seconds=10):
        """Ends it once the requests that it is at are answered."""
        if self.process is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                while self.under_way and self.process.returncode is None:
                    await asyncio.sleep(0.05)
        await terminate(self.process, seconds)


def reason_of(text):
    """MLflow's message in an answer, without its trace."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["message"])[:600]
    return text[:600]
