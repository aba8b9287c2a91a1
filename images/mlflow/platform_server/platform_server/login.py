"""Refuses every request without valid credentials, before MLflow sees it.

MLflow decides route by route whether it authenticates, and lets through what it has no rule for. Here the rule is the
other way round: four places are public, all else is 401. MLflow's own checks follow, and can only refuse more. They
do not hash the password again, because both ask the same cache.
"""

import logging

import anyio
from mlflow.exceptions import MlflowException
from mlflow.gateway.constants import MLFLOW_GATEWAY_AUTH_HEADER
from mlflow.server import auth
from werkzeug.datastructures import Authorization
from werkzeug.security import check_password_hash, generate_password_hash

from platform_server.problems import answer

INFO = "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"
# Key of the scope: who has sent the request.
USER = "platform_server.user"
# A hash takes 32 MiB for as long as it lasts.
HASHES_AT_A_TIME = 4
# What the password of a user that does not exist is compared with, so that the time does not tell.
DECOY = generate_password_hash("a user that does not exist")
TEXT = b"You are not authenticated: this server wants a user name and a password (MLFLOW_TRACKING_USERNAME, _PASSWORD)."
HEADERS = [
    (b"www-authenticate", b'Basic realm="mlflow"'),
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", str(len(TEXT)).encode()),
]

_logger = logging.getLogger(__name__)


def remembered(username, password):
    """Whether these were valid some seconds ago. Such requests do not queue behind those that guess passwords."""
    with auth._USER_AUTH_CACHE_LOCK:
        return auth._auth_cache_key(username, password) in auth._USER_AUTH_CACHE


def valid(username, password):
    try:
        if auth._authenticate_cached(username, password) is not None:
            return True
        if not auth.store.has_user(username):
            check_password_hash(DECOY, password)
    except ValueError:
        # A NUL, which PostgreSQL has no text with.
        pass
    return False


class Login:
    def __init__(self, app, static_prefix):
        self.app, self.prefix = app, static_prefix
        self.public = {static_prefix + path for path in ("/health", *INFO)}
        self.hashes = anyio.CapacityLimiter(HASHES_AT_A_TIME)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan" and not self.is_public(scope):
            try:
                username = await self.authenticated(scope)
            except MlflowException as error:
                # The database does not answer: not the user's fault, and worth another try.
                _logger.warning("login: %s", error)
                return await answer(send, error)
            if username is None:
                return await self.refuse(scope, send)
            scope = scope | {USER: username}
        await self.app(scope, receive, send)

    def is_public(self, scope):
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return False
        return scope["path"] in self.public or scope["path"].startswith(f"{self.prefix}/static-files/")

    async def authenticated(self, scope):
        """The user's name, or None without valid credentials."""
        names = [b"authorization"]
        if scope["path"].startswith(f"{self.prefix}/gateway/"):
            # There a provider's key may have the usual header.
            names.insert(0, MLFLOW_GATEWAY_AUTH_HEADER.lower().encode())
        for name in names:
            values = [value for field, value in scope["headers"] if field == name and value]
            if values:
                break
        # Of several Flask and FastAPI would take different ones.
        if len(values) != 1:
            return None
        given = Authorization.from_header(values[0].decode("latin-1"))
        if given is None or given.type != "basic" or given.username is None or given.password is None:
            return None
        credentials = given.username, given.password
        if remembered(*credentials) or await anyio.to_thread.run_sync(valid, *credentials, limiter=self.hashes):
            return given.username
        return None

    async def refuse(self, scope, send):
        if scope["type"] == "websocket":
            # Before it is accepted this is a refusal, 403 to the client.
            return await send({"type": "websocket.close", "code": 1008})
        await send({"type": "http.response.start", "status": 401, "headers": HEADERS})
        await send({"type": "http.response.body", "body": TEXT})
