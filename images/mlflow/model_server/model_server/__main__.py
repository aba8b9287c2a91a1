"""`python -m model_server`."""

import asyncio
import contextlib
import signal

import aiohttp
from aiohttp import web

from model_server import settings
from model_server.front import Front
from model_server.records import Recorder
from model_server.registry import Registry
from model_server.supervisor import Supervisor

PORT = 8080


async def main():
    chosen = settings.read()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # Less than the 5 s after which uvicorn closes a connection: a request would meet one that is just being closed.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector) as session:
        supervisor = Supervisor(session, chosen, Registry(session, chosen))
        front = Front(session, chosen, supervisor, Recorder(chosen))
        runner = web.AppRunner(front.application(), access_log=None, shutdown_timeout=10)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", PORT).start()
        following = asyncio.create_task(supervisor.run())
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait((following, waiting), return_when=asyncio.FIRST_COMPLETED)
        await runner.cleanup()
        await supervisor.stop()
        if following.done():
            # It never ends but by an error of its own; the engine starts the container again.
            following.result()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


asyncio.run(main())
