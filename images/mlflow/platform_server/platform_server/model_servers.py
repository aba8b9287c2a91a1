"""Lets the account of a model server read its registered model, and where its versions come from; all else is 403.

A model is code, so such an account may be in hostile hands, and MLflow lets everybody create things and gives everybody
the default permission. What is allowed here still passes MLflow's own checks; the account is given the READ that these
ask for when it first needs it.
"""

import re
from urllib.parse import parse_qsl

import anyio
import sqlalchemy
from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.server import auth, handlers
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.utils.uri import validate_path_is_safe

from platform_server.accounts import PREFIX
from platform_server.login import USER
from platform_server.problems import answer

# Path → its parameters, each of them exactly once.
REGISTRY = {
    "/api/2.0/mlflow/registered-models/get": {"name"},
    "/api/2.0/mlflow/registered-models/alias": {"name", "alias"},
    "/api/2.0/mlflow/model-versions/get": {"name", "version"},
    "/api/2.0/mlflow/model-versions/get-download-uri": {"name", "version"},
}
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
LOGGED_MODEL = "/api/2.0/mlflow/logged-models/"
# The artifacts of one run or of one logged model, or some of them, never more.
SOURCE = re.compile(
    r"mlflow-artifacts:(?://[^/]*)?/+((?:.+/)?(?:[0-9a-f]{32}|models/(m-[0-9a-f]{32}))/artifacts(?:/.*)?)"
)
# No row: the user has been removed. No model: an ordinary user who is called so.
RECORD = """
SELECT model FROM users LEFT JOIN platform_model_servers ON user_id = id WHERE username = :name
"""


def record_of(username):
    with auth.store.ManagedSessionMaker(read_only=True) as session:
        return session.execute(sqlalchemy.text(RECORD), {"name": username}).one_or_none()


def sources(model):
    """Where the model's versions come from: paths below the root of all artifacts, each with its logged model or None."""
    version = SqlModelVersion
    with handlers._get_model_registry_store().ManagedSessionMaker(read_only=True) as session:
        rows = session.query(version.storage_location, version.source).filter(
            version.name == model, version.current_stage != STAGE_DELETED_INTERNAL
        )
        # As MLflow answers get-download-uri.
        uris = [location or source or "" for location, source in rows]
    return [(match[1].rstrip("/"), match[2]) for match in map(SOURCE.fullmatch, uris) if match]


def parameters(scope):
    """The query, or None with a name that comes twice: of several values not everybody takes the same."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        return None
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None


def is_plain(path):
    """Whether it names the same to all who take it apart: MLflow decodes a path that the server has decoded already."""
    try:
        return validate_path_is_safe(path) == path and not {"", ".", ".."} & set(path.split("/"))
    except (MlflowException, ValueError):
        return False


def experiment_of(path):
    experiment = auth._experiment_id_from_canonical_proxy_path(path)
    return [("experiment", experiment)] if experiment else []


def needed_for_artifact(path, model):
    places = [place for place, _ in sources(model)] if is_plain(path) else []
    return experiment_of(path) if any(f"{path}/".startswith(f"{place}/") for place in places) else None


def needed(path, query, model):
    """What MLflow wants the account to have READ for; None if the request is not allowed."""
    if path in REGISTRY:
        return [("registered_model", model)] if query.keys() == REGISTRY[path] and query["name"] == model else None
    if path == ARTIFACTS and query.keys() == {"path"}:
        return needed_for_artifact(query["path"], model)
    if query:
        return None
    if path == "/version":
        return []
    if path.startswith(f"{ARTIFACTS}/"):
        return needed_for_artifact(path.removeprefix(f"{ARTIFACTS}/"), model)
    if path.startswith(LOGGED_MODEL):
        asked = path.removeprefix(LOGGED_MODEL)
        return next((experiment_of(place) for place, model_id in sources(model) if model_id == asked), None)
    return None


def give_read(username, resources):
    for resource in resources:
        try:
            auth.store.grant_user_resource_permission(username, *resource, "READ")
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise


def judge(scope, prefix, model):
    """`needed`, of requests that nobody can take for another one."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    has_body = {b"content-length", b"transfer-encoding"} & {name for name, _ in scope["headers"]}
    encoded = re.search(rb"%2[ef]", scope["raw_path"], re.IGNORECASE)
    query = parameters(scope)
    if has_body or encoded or query is None:
        return None
    return needed(scope["path"].removeprefix(prefix), query, model)


class ModelServers:
    def __init__(self, app, static_prefix):
        self.app, self.prefix = app, static_prefix

    async def __call__(self, scope, receive, send):
        username = scope.get(USER, "")
        if username.startswith(PREFIX):
            try:
                await anyio.to_thread.run_sync(self.admit, username, scope)
            except MlflowException as error:
                if scope["type"] == "websocket":
                    return await send({"type": "websocket.close", "code": 1008})
                return await answer(send, error)
        await self.app(scope, receive, send)

    def admit(self, username, scope):
        record = record_of(username)
        if record is None:
            raise MlflowException(f"There is no user {username} any more", PERMISSION_DENIED)
        if record.model is None:
            return
        resources = judge(scope, self.prefix, record.model)
        if resources is None:
            raise MlflowException(
                f'{username} is the account of a model server: it may read the registered model "{record.model}" and what '
                "its versions come from, and nothing else",
                PERMISSION_DENIED,
            )
        give_read(username, resources)
