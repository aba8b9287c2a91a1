"""The bridge from ASGI to Flask with bounds: MLflow's own holds a whole answer in memory when its client is slow."""

import anyio
from mlflow.server import fastapi_app

from platform_server.problems import TransferError, answer
from platform_server.settings import MEBIBYTE

# Flask's routes get their body as a whole. Artifacts do not come that way: theirs are FastAPI's.
LARGEST_BODY = 256 * MEBIBYTE


class BoundedResponder(fastapi_app._EfficientWSGIResponder):
    def __init__(self, app, scope):
        super().__init__(app, scope)
        self.stream_send, self.stream_receive = anyio.create_memory_object_stream(1)

    async def __call__(self, receive, send):
        received = 0

        async def receive_bounded():
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise TransferError(413, f"The body is larger than {LARGEST_BODY // MEBIBYTE} MiB")
            return message

        try:
            await super().__call__(receive_bounded, send)
        except TransferError as error:
            await answer(send, error)

    def wsgi(self, environ, start_response):
        chunks = self.app(environ, start_response)
        try:
            for chunk in chunks:
                body = {"type": "http.response.body", "body": chunk, "more_body": True}
                anyio.from_thread.run(self.stream_send.send, body)
            anyio.from_thread.run(self.stream_send.send, {"type": "http.response.body", "body": b""})
        finally:
            # As WSGI has it: this removes the temporary files of the answer.
            if hasattr(chunks, "close"):
                chunks.close()


def bound():
    fastapi_app._EfficientWSGIResponder = BoundedResponder
