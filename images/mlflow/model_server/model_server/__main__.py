"""`python -m model_server`."""

import asyncio
import contextlib
import signal
import sys

import aiohttp

from model_server import settings
from model_server.front import Front
from model_server.records import Recorder
from model_server.registry import Registry
from model_server.supervisor import Supervisor

PORT = 8080


async def serve(chosen):
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # Less than the 5 s after which uvicorn closes a connection: a request would meet one that is just being closed.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector) as session:
        supervisor = Supervisor(session, chosen, Registry(session, chosen))
        recorder = Recorder(chosen)
        async with Front(session, chosen, supervisor, recorder).listen(PORT):
            work = [asyncio.create_task(part) for part in (supervisor.run(), recorder.run(), ended.wait())]
            # The first two end only by an error of this program; the engine starts the container again.
            finished, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        await recorder.finish(2)
        for task in work:
            task.cancel()
        await supervisor.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*finished)


def main():
    try:
        chosen = settings.read()
    except (KeyError, ValueError) as error:
        print(f"model_server: the environment has no usable value: {error}", file=sys.stderr)
        return 78
    asyncio.run(serve(chosen))
    return 0


sys.exit(main())
