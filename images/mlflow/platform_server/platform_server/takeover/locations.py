"""Which location of this server stands for one in the earlier bucket.

`s3://bucket/path` becomes `mlflow-artifacts:/path`, but only where every reader of the new location ends at exactly the
objects of the old one: MLflow decodes and cuts paths in other places than the S3 client does, so some names (with %20
in them, with //) mean something else to it.
"""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import requests
from mlflow.exceptions import MlflowException
from mlflow.server.handlers import _get_proxied_run_artifact_destination_path
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.utils.uri import validate_path_is_safe

SERVER = "http://server"
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


class Earlier(NamedTuple):
    """Where the earlier installation had its artifacts."""

    bucket: str
    # Path in the bucket behind its own `mlflow-artifacts:/`, where it had a server that passed artifacts on.
    prefix: str = ""


def as_requested(url):
    """The path that arrives at the server: the client escapes it, the server's gateway undoes that once."""
    return unquote(urlsplit(requests.Request("GET", url).prepare().url).path)


def keys_read(location):
    """The object prefixes that a client and the server itself use for a location of this server: as a set, so one is right."""
    url = MlflowArtifactsRepository.resolve_uri(location, SERVER)
    transferred = as_requested(url + "/").partition(ROUTE)[2]
    listed = url.partition(ROUTE)[2]
    own = _get_proxied_run_artifact_destination_path(location)
    return {validate_path_is_safe(path.lstrip("/").rstrip("/")) for path in (transferred, listed, own)}


def key_of(location):
    """The object prefix that MLflow's S3 client uses for a location."""
    return S3ArtifactRepository.parse_s3_compliant_uri(None, location)[1].rstrip("/")


def is_in(location, bucket):
    return location == f"s3://{bucket}" or location.startswith(f"s3://{bucket}/")


def is_passed_on(location):
    """Whether it is one of the server that has the database, which passes the artifacts on."""
    return location.startswith("mlflow-artifacts:/") and not location.startswith("mlflow-artifacts://")


def proxied(location, earlier):
    """The location of this server, or None where there is none that means the same objects."""
    if is_in(location, earlier.bucket):
        path = location.removeprefix(f"s3://{earlier.bucket}")
        key = key_of(location)
    elif earlier.prefix and is_passed_on(location):
        path = f"/{earlier.prefix}{location.removeprefix('mlflow-artifacts:')}"
        key = path.strip("/")
    else:
        return None
    new = f"mlflow-artifacts:{path or '/'}"
    # A key that begins with a slash would begin a host's name here.
    if path.startswith("//"):
        return None
    try:
        return new if keys_read(new) == {key} else None
    except (MlflowException, ValueError):
        return None


def is_reachable(key):
    """Whether a client can ask this server for an object by its key."""
    path = f"/{key}"
    try:
        return as_requested(f"{SERVER}{ROUTE}{path}") == f"{ROUTE}{path}" and validate_path_is_safe(key) == key
    except (MlflowException, ValueError):
        return False
