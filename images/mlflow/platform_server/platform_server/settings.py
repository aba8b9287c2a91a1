"""The server container's environment, as `start` has checked it."""

import os
from typing import NamedTuple

MEBIBYTE = 1024 * 1024


class Settings(NamedTuple):
    host: str
    port: int
    workers: int
    login: bool
    presigned: bool
    inside_endpoint: str | None
    public_endpoint: str | None
    inside_hosts: frozenset[str]
    # None for no limit, where nobody has set one.
    temp_bytes: int | None
    static_prefix: str


def read():
    environment = os.environ.get
    size = environment("ARTIFACT_TEMP_SIZE")
    return Settings(
        host=environment("MLFLOW_HOST", "127.0.0.1"),
        port=int(environment("MLFLOW_PORT", "5000")),
        workers=int(environment("MLFLOW_WORKERS", "2")),
        login=environment("LOGIN") == "true",
        presigned=environment("ARTIFACT_TRANSFER") == "presigned",
        inside_endpoint=environment("MLFLOW_S3_ENDPOINT_URL") or None,
        public_endpoint=environment("S3_PUBLIC_ENDPOINT") or None,
        inside_hosts=frozenset(filter(None, environment("INSIDE_HOSTS", "").lower().replace(" ", "").split(","))),
        temp_bytes=int(size) * MEBIBYTE if size else None,
        static_prefix=environment("_MLFLOW_STATIC_PREFIX", "").rstrip("/"),
    )
