"""Admits transfers of artifacts as far as there is room for their temporary files, artifactTempSize.

An upload's size is known from its header, or counted as it grows; a download's becomes known in the repository, where
`hold` takes room for it. Either waits some seconds for others to finish. What is taken is given back after the answer,
when the files are removed.
"""

import os
import shutil
import time
from contextvars import ContextVar

import anyio

from platform_server.problems import TransferError, answer
from platform_server.settings import MEBIBYTE

WAIT = 10
RETRY_AFTER = 10
# Chunks of an upload of unknown size are counted by so many bytes.
STEP = 16 * MEBIBYTE

current = ContextVar("transfer", default=None)


def mebibytes(size):
    return f"{-(-size // MEBIBYTE)} MiB"


def full(size, limit):
    return TransferError(
        503,
        f"Other transfers occupy the server's room for artifacts in transfer (artifactTempSize, {mebibytes(limit)}): "
        f"there is no room for {mebibytes(size)} now. Try again later",
    )


def too_large(size, limit, status):
    return TransferError(
        status,
        f"An artifact of {mebibytes(size)} does not fit into the server's room for artifacts in transfer, which is "
        f"{mebibytes(limit)}. A larger artifactTempSize lets it pass, and so does artifactTransfer presigned",
    )


class Hold:
    """What one request occupies, and what stood in its way."""

    def __init__(self, room):
        self.room, self.size = room, 0
        self.problem, self.wanted = None, None
        self.directories = []

    def take(self, size):
        """For threads of a download: raises when there is no room now, and the layer below repeats the request."""
        if self.room is None or self.room.take(size):
            self.size += size if self.room else 0
            return
        larger = self.size + size > self.room.limit
        self.wanted = None if larger else self.size + size
        raise self.fail(too_large(size, self.room.limit, 507) if larger else full(size, self.room.limit))

    def fail(self, problem):
        self.problem = problem
        return problem

    async def wait(self, size):
        """For uploads: takes the room as soon as it is there."""
        deadline = time.monotonic() + WAIT
        if self.size + size > self.room.limit:
            raise too_large(self.size + size, self.room.limit, 413)
        while not self.room.take(size):
            if time.monotonic() > deadline:
                raise full(size, self.room.limit)
            await anyio.sleep(0.25)
        self.size += size

    async def wait_for_wanted(self, deadline):
        while not self.room.has(self.wanted) and time.monotonic() < deadline:
            await anyio.sleep(0.25)

    def remove_files(self):
        """Of a download that its client has left. MLflow keeps them open until Python happens to collect garbage."""
        for directory in self.directories:
            for place, _, names in os.walk(directory):
                for name in names:
                    os.truncate(os.path.join(place, name), 0)
            shutil.rmtree(directory, ignore_errors=True)

    def release(self):
        if self.size:
            self.room.give_back(self.size)
        self.size, self.problem, self.wanted = 0, None, None


def counted(receive, hold):
    """Takes room as the body comes in. Where there is none, it ends as if the client had left."""
    pending = 0

    async def receive_counted():
        nonlocal pending
        message = await receive()
        pending -= len(message.get("body", b""))
        if pending < 0:
            try:
                await hold.wait(STEP)
            except TransferError as problem:
                hold.fail(problem)
                return {"type": "http.disconnect"}
            pending += STEP
        return message

    return receive_counted


def again(receive):
    """The empty body of a GET, as often as the request is repeated."""
    first = True

    async def receive_again():
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        # What the first run has left unread; then it is the end of the connection.
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return receive_again


class Transfers:
    def __init__(self, app, room):
        self.app, self.room = app, room

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if "\0" in scope["path"]:
            return await answer(send, TransferError(400, "A path with a NUL"))
        hold = Hold(self.room)
        token = current.set(hold)
        try:
            if self.room is None:
                await self.app(scope, receive, send)
            elif scope["method"] == "PUT" and "/mlflow-artifacts/artifacts/" in scope["path"]:
                await self.upload(scope, receive, send, hold)
            elif scope["method"] == "GET":
                await self.download(scope, receive, send, hold)
            else:
                await self.app(scope, receive, send)
        finally:
            current.reset(token)
            if any(map(os.path.exists, hold.directories)):
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(hold.remove_files)
            hold.release()

    async def upload(self, scope, receive, send, hold):
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            return await self.upload_of_unknown_size(scope, receive, send, hold)
        try:
            await hold.wait(int(length))
        except TransferError as problem:
            return await answer(send, problem, retry_after(problem.status))
        await self.app(scope, receive, send)

    async def upload_of_unknown_size(self, scope, receive, send, hold):
        async def send_unless_refused(message):
            if hold.problem is None:
                await send(message)

        try:
            await self.app(scope, counted(receive, hold), send_unless_refused)
        except Exception:
            if hold.problem is None:
                raise
        if hold.problem is not None:
            await answer(send, hold.problem, retry_after(hold.problem.status))

    async def download(self, scope, receive, send, hold):
        deadline = time.monotonic() + WAIT

        async def send_unless_repeated(message):
            if hold.wanted is None:
                return await send(message)
            if time.monotonic() < deadline:
                return None
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *retry_after(message["status"])]
            return await send(message)

        original = dict(scope)
        await self.app(dict(original), receive, send_unless_repeated)
        while hold.wanted is not None and time.monotonic() < deadline:
            await hold.wait_for_wanted(deadline)
            hold.release()
            await self.app(dict(original), again(receive), send_unless_repeated)


def retry_after(status):
    return [(b"retry-after", str(RETRY_AFTER).encode())] if status == 503 else []
