"""Which version has the alias, by MLflow's REST API."""

import hashlib
import ssl
from typing import NamedTuple

import aiohttp


class Version(NamedTuple):
    """A version: its number, and what tells it from another that got the same number after it was deleted."""

    number: str
    origin: str

    @property
    def identity(self):
        return f"{self.number}-{hashlib.sha256(self.origin.encode()).hexdigest()[:8]}"


class Unreachable(Exception):
    """MLflow does not answer, or not as it should."""


class Absent(Exception):
    """MLflow answers that there is no such model or alias, or that it may not be read."""


class Registry:
    def __init__(self, session, settings):
        self.session, self.settings = session, settings
        given = settings.username and settings.password is not None
        self.auth = aiohttp.BasicAuth(settings.username, settings.password, "utf-8") if given else None
        self.tls = ssl.create_default_context(cafile=settings.authority) if settings.authority else True

    async def get(self, path, **parameters):
        """An answer; None where there is no such thing."""
        url = f"{self.settings.tracking_uri}/api/2.0/mlflow/{path}"
        timeout = aiohttp.ClientTimeout(total=20)
        try:
            async with self.session.get(
                url, params=parameters, auth=self.auth, ssl=self.tls, timeout=timeout
            ) as response:
                if response.status == 404:
                    return None
                if response.status == 200:
                    return await response.json()
                if response.status in (401, 403):
                    raise Absent(f"MLflow refuses this model server's account ({response.status})")
                raise Unreachable(f"MLflow answers {response.status}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(
                f"MLflow cannot be reached at {self.settings.tracking_uri}: {error or 'no answer'}"
            ) from error

    async def version(self):
        """The version that has the alias."""
        name, alias = self.settings.model, self.settings.alias
        model = await self.get("registered-models/get", name=name)
        if model is None:
            raise Absent(f'there is no registered model "{name}"')
        aliases = {entry["alias"]: entry["version"] for entry in model["registered_model"].get("aliases", [])}
        if alias not in aliases:
            raise Absent(f'registered model "{name}" has no alias "{alias}"')
        found = await self.get("model-versions/get", name=name, version=aliases[alias])
        if found is None:
            raise Absent(f'the alias "{alias}" of registered model "{name}" names a version that there is not')
        version = found["model_version"]
        return Version(str(version["version"]), f"{version.get('source')} {version.get('creation_timestamp')}")
