"""The S3 endpoint that URLs for the sender of the current request name: containers call the server by other hosts."""

from contextvars import ContextVar

current = ContextVar("endpoint", default=None)


def name_of(host):
    """A Host header without its port."""
    name = host.lower()
    return name.partition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]


class Endpoints:
    def __init__(self, app, settings):
        self.app, self.hosts = app, settings.inside_hosts
        self.inside, self.public = settings.inside_endpoint, settings.public_endpoint

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        token = current.set(self.inside if name_of(host) in self.hosts else self.public)
        try:
            await self.app(scope, receive, send)
        finally:
            current.reset(token)
