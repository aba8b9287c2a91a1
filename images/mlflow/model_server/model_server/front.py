"""What callers talk to. It never restarts, whatever becomes of versions."""

import asyncio
import contextlib
import uuid

import aiohttp
from aiohttp import web

from model_server.scoring import reason_of
from model_server.settings import MEBIBYTE

PASSED_ON = ("Content-Type", "Accept")
CONNECTION = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
NO_LIMIT = aiohttp.ClientTimeout(total=None)
CONNECTIONS = 1000
# For the headers of a first request, and between requests.
IDLE_SECONDS = 15
# Of all requests together; callers that send slowly hold what they have sent.
BODIES_BYTES = 128 * MEBIBYTE


def problem(status, message, **headers):
    return web.json_response({"error_code": status, "message": message}, status=status, headers=headers)


class TooMany(asyncio.Protocol):
    def connection_made(self, transport):
        transport.abort()


class Front:
    def __init__(self, session, settings, supervisor, recorder):
        self.session, self.settings, self.supervisor, self.recorder = session, settings, supervisor, recorder
        self.places = asyncio.Semaphore(settings.request_concurrency)
        self.waiting = self.held = 0
        self.silent = set()

    @contextlib.asynccontextmanager
    async def listen(self, port):
        """Takes requests; at the end finishes those under way."""
        runner = web.AppRunner(self.application(), access_log=None, keepalive_timeout=IDLE_SECONDS, shutdown_timeout=15)
        await runner.setup()
        loop = asyncio.get_running_loop()

        def accept():
            if len(runner.server.connections) >= CONNECTIONS:
                return TooMany()
            connection = runner.server()
            self.silent.add(connection)
            loop.call_later(IDLE_SECONDS, self.drop_silent, connection)
            return connection

        listener = await loop.create_server(accept, "0.0.0.0", port)
        try:
            yield
        finally:
            listener.close()
            await runner.cleanup()

    def drop_silent(self, connection):
        if connection in self.silent:
            self.silent.discard(connection)
            connection.force_close()

    def application(self):
        application = web.Application(middlewares=[self.in_json])
        application.router.add_get("/status", self.status, allow_head=False)
        for path in ("/ping", "/health", "/version"):
            application.router.add_get(path, self.pass_on, allow_head=False)
        application.router.add_post("/invocations", self.invocations)
        return application

    @web.middleware
    async def in_json(self, request, handler):
        self.silent.discard(request.protocol)
        try:
            return await handler(request)
        except web.HTTPException as error:
            allow = error.headers.get("Allow")
            return problem(error.status, error.reason, **({"Allow": allow} if allow else {}))
        except web.RequestPayloadError:
            return problem(400, "The body ends early, or is not of its Content-Encoding.", Connection="close")

    async def status(self, request):
        return web.json_response(self.supervisor.status() | {"recording": self.recorder.status()})

    async def pass_on(self, request):
        if not self.supervisor.active:
            return self.nothing_yet()
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                return await self.ask("GET", request.path, None, {})
        except TimeoutError:
            return self.too_long()

    def nothing_yet(self):
        reasons = [self.supervisor.reason, (self.supervisor.candidate or {}).get("reason")]
        why = "; ".join(filter(None, reasons)) or "the first version is being made ready"
        return problem(503, f"No version is served yet: {why}", **{"Retry-After": "10"})

    def too_long(self):
        return problem(504, f"A request may take {self.settings.request_seconds:g} s.", Connection="close")

    def too_large(self):
        return problem(413, f"A request may have {self.settings.request_bytes} bytes.", Connection="close")

    def too_many(self):
        return problem(503, "Too many requests wait already.", **{"Retry-After": "1", "Connection": "close"})

    async def invocations(self, request):
        limit = self.settings.request_bytes
        if not self.supervisor.active:
            return self.nothing_yet()
        if "Content-Type" not in request.headers:
            return problem(415, "Content-Type has to say what the body is, application/json or text/csv.")
        if (request.content_length or 0) > limit:
            return self.too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                async for chunk in request.content.iter_any():
                    self.held += len(chunk)
                    body += chunk
                    if len(body) > limit:
                        return self.too_large()
                    if self.held > max(BODIES_BYTES, 2 * limit):
                        return self.too_many()
                return await self.in_turn(request, bytes(body))
        except TimeoutError:
            return self.too_long()
        finally:
            self.held -= len(body)

    async def in_turn(self, request, body):
        if self.waiting >= 4 * self.settings.request_concurrency:
            return self.too_many()
        self.waiting += 1
        try:
            await self.places.acquire()
        finally:
            self.waiting -= 1
        try:
            headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
            return await self.ask("POST", "/invocations", body, headers)
        finally:
            self.places.release()

    async def ask(self, method, path, body, headers):
        """An answer of the active process; one that ends meanwhile is waited for and asked once more."""
        for last in (False, True):
            await self.supervisor.ready.wait()
            scoring = self.supervisor.active
            scoring.under_way += 1
            try:
                async with self.session.request(
                    method, scoring.url + path, data=body, headers=headers, timeout=NO_LIMIT
                ) as response:
                    text = await response.read()
                    return self.answer(scoring, response, path, body, headers, text)
            except CONNECTION as error:
                if last:
                    return problem(502, f"Version {scoring.version.number} did not answer: {error}")
                # Its end shows a little later than on its connections.
                await asyncio.sleep(0.5)
            finally:
                scoring.under_way -= 1

    def answer(self, scoring, response, path, body, headers, text):
        prediction = str(uuid.uuid4())
        named = {"X-Model-Version": scoring.version.number, "X-Prediction-Id": prediction}
        if response.status == 500 and response.content_type == "text/plain":
            # MLflow answers what it finds wrong, and errors of the model, with 400; this is what it did not expect.
            return problem(400, "MLflow can not read this request, or not write its answer; see the log.", **named)
        if response.status >= 400:
            # Without the trace that MLflow adds.
            return problem(response.status, reason_of(text.decode(errors="replace")), **named)
        if path == "/invocations" and response.status == 200:
            self.recorder.offer(prediction, scoring, headers["Content-Type"], body, text)
        return web.Response(status=response.status, body=text, content_type=response.content_type, headers=named)
