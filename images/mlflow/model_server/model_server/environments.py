"""Python environments of models, made by uv from a model's own requirements and kept on the volume."""

import hashlib
import json
import re
import shutil
import sys

import yaml

from model_server.processes import Failed, run
from model_server.settings import STATE, install_environment

DIRECTORY = STATE / "environments"
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
INSTALL_SECONDS = 1800
FETCH_SECONDS = 300


class Refused(Exception):
    """A model that can never be served as it is; the text says why."""


def described(model):
    """What a model's directory says it needs: minor version of Python, and its requirements, sorted."""
    python = OWN
    if (path := model / "python_env.yaml").exists():
        wanted = str((yaml.safe_load(path.read_text()) or {}).get("python", OWN))
        python = ".".join(wanted.split(".")[:2])
    requirements = []
    if (path := model / "requirements.txt").exists():
        lines = (line.split(" #")[0].strip() for line in path.read_text().splitlines())
        requirements = sorted({line for line in lines if line and not line.startswith("#")})
    if not any(re.match(r"mlflow(-skinny)?\s*([=<>~!;\[]|$)", line, re.IGNORECASE) for line in requirements):
        settings = yaml.safe_load((model / "MLmodel").read_text())
        requirements.append(f"mlflow=={settings['mlflow_version']}")
    return python, requirements


def key(python, requirements):
    return hashlib.sha256(json.dumps([python, requirements]).encode()).hexdigest()[:16]


async def ensure(model):
    """The directory of a model's environment, made if it is not there."""
    python, requirements = described(model)
    place = DIRECTORY / key(python, requirements)
    if (place / "complete").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    environment = install_environment()
    interpreter = sys.executable if python == OWN else await fetch(python, environment)
    wanted = place.with_suffix(".txt")
    DIRECTORY.mkdir(exist_ok=True)
    wanted.write_text("\n".join(requirements) + "\n")
    try:
        await run("uv", "venv", "--quiet", "--python", interpreter, str(place), env=environment, seconds=60)
        await run(
            *("uv", "pip", "install", "--quiet", "--only-binary", ":all:", "--python", str(place)),
            *("--requirements", str(wanted)),
            env=environment,
            seconds=INSTALL_SECONDS,
        )
    except Failed as error:
        raise Failed(f"its requirements cannot be installed: {error}") from error
    finally:
        wanted.unlink()
    (place / "complete").touch()
    return place


async def fetch(python, environment):
    """The interpreter of another minor version than this server's."""
    try:
        await run("uv", "python", "install", "--quiet", python, env=environment, seconds=FETCH_SECONDS)
        return (await run("uv", "python", "find", python, env=environment, seconds=30)).strip()
    except Failed as error:
        raise Refused(
            f"it wants Python {python}, this server has {OWN}, and {python} cannot be fetched: {error}"
        ) from error


def prune(kept):
    """Removes environments that none of these models needs, and what was left unfinished."""
    names = {key(*described(model)) for model in kept}
    for place in DIRECTORY.glob("*") if DIRECTORY.exists() else ():
        if place.name not in names:
            shutil.rmtree(place, ignore_errors=True)
