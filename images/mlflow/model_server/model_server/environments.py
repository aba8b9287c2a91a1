"""Python environments of models, made by uv from a model's own requirements and kept on the volume."""

import functools
import hashlib
import json
import re
import sys

import yaml

from model_server.processes import Failed, run
from model_server.settings import STATE, install_environment

DIRECTORY = STATE / "environments"
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
VENV_SECONDS = 120
INSTALL_SECONDS = 1800
FETCH_SECONDS = 300
MLFLOW = re.compile(r"mlflow(-skinny)?\s*([\[(=<>~!;@]|$)", re.IGNORECASE)


def described(model):
    """What a model's directory says it needs: minor version of Python, its requirements, sorted, and its constraints."""
    python = OWN
    if (path := model / "python_env.yaml").exists():
        # A number where it is not quoted.
        wanted = str((yaml.safe_load(path.read_text()) or {}).get("python", OWN))
        python = ".".join(wanted.split(".")[:2])
    lines = []
    if (path := model / "requirements.txt").exists():
        lines = [line.split(" #")[0].strip() for line in path.read_text().splitlines()]
    requirements = sorted({line for line in lines if line and not line.startswith("#")})
    if not any(MLFLOW.match(line) for line in requirements):
        settings = yaml.safe_load((model / "MLmodel").read_text())
        requirements.append(f"mlflow=={settings['mlflow_version']}")
    path = model / "constraints.txt"
    return python, requirements, path.read_text() if path.exists() else ""


def directory_of(model):
    return DIRECTORY / hashlib.sha256(json.dumps(described(model)).encode()).hexdigest()[:16]


async def ensure(model, discard):
    """The directory of a model's environment, made if it is not there."""
    place = directory_of(model)
    if (place / "complete").exists():
        return place
    discard(place)
    python, requirements, _ = described(model)
    environment = install_environment()
    interpreter = sys.executable if python == OWN else await fetch(python, environment)
    DIRECTORY.mkdir(exist_ok=True)
    # Beside the model's own files, which it may name.
    wanted = model / "requirements.serving.txt"
    wanted.write_text("\n".join(requirements) + "\n")
    install = functools.partial(
        run,
        *("uv", "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(place)),
        *("--requirements", str(wanted)),
        env=environment,
        seconds=INSTALL_SECONDS,
        cwd=model,
    )
    try:
        await run("uv", "venv", "--quiet", "--python", interpreter, str(place), env=environment, seconds=VENV_SECONDS)
        await install()
        server = next(place.glob("lib/python*/site-packages/mlflow/pyfunc/scoring_server"), place)
        if not (server / "app.py").exists():
            raise Failed("the MLflow among them is too old to be served here; log the model with a later one")
        # A decorator of Starlette's that version 1 no longer has; these releases of MLflow do not say so.
        if "@app.route(" in (server / "__init__.py").read_text():
            await install("starlette<1")
    except Failed as error:
        raise type(error)(f"its requirements cannot be installed: {error}") from error
    (place / "complete").touch()
    return place


async def fetch(python, environment):
    """The interpreter of another minor version than this server's."""
    try:
        await run("uv", "python", "install", "--no-bin", python, env=environment, seconds=FETCH_SECONDS)
        return (await run("uv", "python", "find", python, env=environment, seconds=30)).strip()
    except Failed as error:
        raise type(error)(
            f"it wants Python {python}, this server has {OWN}, and {python} cannot be fetched: {error}"
        ) from error
