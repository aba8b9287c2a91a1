"""Errors of transfers, for routes of FastAPI and of Flask: the status is that of the answer, the text says what to do.

MLflow's clients repeat a request for minutes after 500, 502, 503 and 504, and give up at once after 413, 501 and 507.
"""

import errno
import json

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, NOT_IMPLEMENTED, TEMPORARILY_UNAVAILABLE

CODES = {400: BAD_REQUEST, 413: BAD_REQUEST, 501: NOT_IMPLEMENTED, 503: TEMPORARILY_UNAVAILABLE}


class TransferError(MlflowException):
    def __init__(self, status, message):
        super().__init__(message, CODES.get(status, INTERNAL_ERROR))
        self.status = status

    def get_http_status_code(self):
        return self.status


def of_system(error):
    """The error to show instead of one of the operating system, or None if that is not about an artifact."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransferError(
            507, "The server's disk for artifacts in transfer is full. Its administrator has to free space there"
        )
    if error.errno in (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR):
        return TransferError(400, f"An artifact cannot have this path ({error.strerror})")
    return None


async def answer(send, error, headers=()):
    """Sends the error as MLflow sends its own."""
    body = error.serialize_as_json().encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": error.get_http_status_code(), "headers": fields})
    await send({"type": "http.response.body", "body": body})


def register(fastapi_app, flask_app):
    """Lets both frameworks answer them as what they are, instead of by 500."""
    from fastapi.responses import JSONResponse
    from flask import Response

    async def for_fastapi(_request, error):
        if not (shown := of_system(error)):
            raise error
        return JSONResponse(json.loads(shown.serialize_as_json()), shown.status)

    def for_flask(error):
        if not (shown := of_system(error)):
            raise error
        return Response(shown.serialize_as_json(), shown.status, mimetype="application/json")

    fastapi_app.add_exception_handler(OSError, for_fastapi)
    flask_app.register_error_handler(OSError, for_flask)
