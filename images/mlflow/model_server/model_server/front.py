"""What callers talk to. It never restarts, whatever becomes of versions."""

import asyncio
import uuid

import aiohttp
from aiohttp import web

from model_server.scoring import reason_of

PASSED_ON = ("Content-Type", "Accept")
CONNECTION = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


def problem(status, message, **headers):
    return web.json_response({"error_code": status, "message": message}, status=status, headers=headers)


class Front:
    def __init__(self, session, settings, supervisor, recorder):
        self.session, self.settings, self.supervisor, self.recorder = session, settings, supervisor, recorder
        self.places = asyncio.Semaphore(settings.request_concurrency)
        self.waiting = 0

    def application(self):
        # A body of that size and not more; aiohttp answers 413.
        application = web.Application(client_max_size=self.settings.request_bytes, middlewares=[self.in_json])
        application.router.add_get("/status", self.status)
        for path in ("/ping", "/health", "/version"):
            application.router.add_get(path, self.pass_on)
        application.router.add_post("/invocations", self.invocations)
        return application

    @web.middleware
    async def in_json(self, request, handler):
        try:
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return problem(413, f"A request may have {self.settings.request_bytes} bytes.", Connection="close")
        except web.HTTPException as error:
            return problem(
                error.status, error.reason, **({"Allow": allow} if (allow := error.headers.get("Allow")) else {})
            )

    async def status(self, request):
        return web.json_response(self.supervisor.status() | {"recording": self.recorder.status()})

    async def pass_on(self, request):
        if not self.supervisor.active:
            return self.nothing_yet()
        return await self.ask(request.method, request.path, None, {})

    def nothing_yet(self):
        status = self.supervisor.status()
        why = status["reason"] or (status["candidate"] or {}).get("reason") or "the first version is being made ready"
        return problem(503, f"No version is served yet: {why}", **{"Retry-After": "10"})

    async def invocations(self, request):
        if not self.supervisor.active:
            return self.nothing_yet()
        if self.waiting >= 4 * self.settings.request_concurrency:
            return problem(503, "Too many requests wait already.", **{"Retry-After": "1"})
        try:
            async with asyncio.timeout(self.settings.request_seconds):
                body = await request.read()
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
        except TimeoutError:
            return problem(504, f"A request may take {self.settings.request_seconds:g} s.", Connection="close")

    async def ask(self, method, path, body, headers):
        """An answer of the active process; one that ends meanwhile is waited for and asked once more."""
        for last in (False, True):
            await self.supervisor.ready.wait()
            scoring = self.supervisor.active
            scoring.under_way += 1
            try:
                async with self.session.request(method, scoring.url + path, data=body, headers=headers) as response:
                    text = await response.read()
                    return self.answer(scoring, response, path, body, headers, text)
            except CONNECTION as error:
                if last:
                    return problem(502, f"Version {scoring.version.number} did not answer: {error}")
                await asyncio.sleep(0.2)
            finally:
                scoring.under_way -= 1

    def answer(self, scoring, response, path, body, headers, text):
        prediction = str(uuid.uuid4())
        named = {"X-Model-Version": scoring.version.number, "X-Prediction-Id": prediction}
        if response.status >= 400:
            # Without the trace that MLflow adds.
            return problem(response.status, reason_of(text.decode(errors="replace")), **named)
        if path == "/invocations":
            self.recorder.offer(prediction, scoring, headers.get("Content-Type", ""), body, text)
        return web.Response(status=response.status, body=text, content_type=response.content_type, headers=named)
