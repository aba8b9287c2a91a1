"""The container's environment and secrets, as the platform gives them."""

import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

SECRETS = Path("/run/secrets/platform")
STATE = Path("/var/lib/model-server")
RECORDS = Path("/var/lib/records")
MEBIBYTE = 1024 * 1024
PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class Settings(NamedTuple):
    model: str
    alias: str
    poll_seconds: float
    tracking_uri: str
    username: str | None
    password: str | None
    authority: Path | None
    request_bytes: int
    request_seconds: float
    request_concurrency: int
    record_rate: float
    record_bytes: int
    record_days: float


def secret(name):
    path = SECRETS / name
    return path.read_text().removesuffix("\n") if path.exists() else None


def read():
    env = os.environ.get
    return Settings(
        model=os.environ["MODEL_NAME"],
        alias=os.environ["MODEL_ALIAS"],
        poll_seconds=float(env("ALIAS_POLL_SECONDS", "10")),
        tracking_uri=os.environ["MLFLOW_TRACKING_URI"].rstrip("/"),
        username=env("MLFLOW_TRACKING_USERNAME"),
        password=secret("mlflow_password"),
        authority=path if (path := SECRETS / "mlflow_ca").exists() else None,
        request_bytes=int(env("REQUEST_SIZE", "16")) * MEBIBYTE,
        request_seconds=float(env("REQUEST_SECONDS", "60")),
        request_concurrency=int(env("REQUEST_CONCURRENCY", "8")),
        record_rate=float(env("RECORD_SAMPLE_RATE", "0")),
        record_bytes=int(env("RECORD_SIZE", "256")) * MEBIBYTE,
        record_days=float(env("RECORD_DAYS", "30")),
    )


def plain_environment():
    """The environment of every child: this one's without what is MLflow's or this program's."""
    kept = re.compile(r"PATH|LANG|LC_\w+|TZ|MPLCONFIGDIR|GIT_PYTHON_REFRESH|MLFLOW_DISABLE_TELEMETRY")
    return {name: value for name, value in os.environ.items() if kept.fullmatch(name)} | {"HOME": "/tmp"}


def download_environment(settings):
    """For MLflow's client in a child."""
    environment = plain_environment() | {
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        # Signed URLs name the store, which is not on this network.
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    if settings.authority:
        environment["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(settings.authority)
    if settings.username and settings.password is not None:
        environment |= {"MLFLOW_TRACKING_USERNAME": settings.username, "MLFLOW_TRACKING_PASSWORD": settings.password}
    return environment


def install_environment():
    """For uv: proxies and indexes as the platform was told, and authorities beside the public ones."""
    environment = plain_environment()
    for line in (secret("packages.env") or "").splitlines():
        for word in shlex.split(line.removeprefix("export ")):
            name, _, value = word.partition("=")
            environment[name] = value
    if index := environment.get("PIP_INDEX_URL"):
        # uv does not read pip's variables.
        environment.setdefault("UV_DEFAULT_INDEX", index)
    if extra := environment.get("PIP_EXTRA_INDEX_URL"):
        environment.setdefault("UV_INDEX", extra)
    bundle = PUBLIC_AUTHORITIES
    if authorities := secret("package_ca"):
        bundle = Path("/tmp/package-authorities.pem")
        bundle.write_text(f"{PUBLIC_AUTHORITIES.read_text()}\n{authorities}")
    return environment | {
        "SSL_CERT_FILE": str(bundle),
        "UV_CACHE_DIR": str(STATE / "uv-cache"),
        "UV_PYTHON_INSTALL_DIR": str(STATE / "python"),
        "UV_NO_PROGRESS": "1",
        "UV_NO_CONFIG": "1",
        "UV_COMPILE_BYTECODE": "1",
    }
