"""Follows the alias: brings a version, tries it, lets it take over; keeps the one that serves alive."""

import asyncio
import contextlib
import hashlib
import json
import re
import shutil
import sys
import time

import yaml

from model_server import environments
from model_server.environments import Refused
from model_server.processes import Failed, run
from model_server.registry import Absent, Unreachable
from model_server.scoring import SERVING, Scoring
from model_server.settings import STATE, download_environment

DOWNLOAD_SECONDS = 3600
DOWNLOAD = "import sys, mlflow.artifacts as a; a.download_artifacts(sys.argv[1], dst_path=sys.argv[2])"
# What may pass by itself is tried again soon; another try of what is broken is for what was mended without a word.
PASSING = re.compile(
    r"connect|dns|network|timed? ?out|unreachable|resolve|temporar|50[0234]|request failed", re.IGNORECASE
)
SOON, LATE = 15, 3600


class Supervisor:
    def __init__(self, session, settings, registry):
        self.session, self.settings, self.registry = session, settings, registry
        self.directory = STATE / "models" / hashlib.sha256(settings.model.encode()).hexdigest()[:16]
        self.record = self.directory / "current.json"
        self.active = None
        self.candidate = None
        self.reason = None
        self.failures = {}
        self.decided = asyncio.Event()
        # Set while the active process answers.
        self.ready = asyncio.Event()
        self.tasks = set()

    def status(self):
        state = "serving" if self.ready.is_set() else "waiting" if self.decided.is_set() else "starting"
        return {
            "model": self.settings.model,
            "alias": self.settings.alias,
            "state": state,
            "version": self.active.version.number if self.active else None,
            "reason": self.reason,
            "candidate": self.candidate,
        }

    def spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def run(self):
        await self.resume()
        while True:
            await self.look()
            await asyncio.sleep(self.settings.poll_seconds)

    async def look(self):
        """One look at the alias, and what follows from it."""
        try:
            version = await self.registry.version()
            self.say(None)
        except (Absent, Unreachable) as error:
            self.say(str(error))
            self.decided.set()
            return
        if self.active and version == self.active.version:
            self.candidate = None
            self.failures.clear()
            return
        failure = self.failures.get(version)
        if failure and time.monotonic() < failure["until"]:
            self.candidate = failure["shown"]
        else:
            await self.bring(version)
        self.decided.set()

    def say(self, reason):
        if reason != self.reason:
            self.reason = reason
            print(f"status: {reason or 'MLflow answers'}", flush=True)

    def progress(self, version, state, reason=None):
        self.candidate = {"version": version.number, "state": state, "reason": reason}
        print(f"status: version {version.number}: {state}{f': {reason}' if reason else ''}", flush=True)

    async def bring(self, version):
        scoring = None
        try:
            scoring = await self.prepare(version)
            # Meanwhile the alias may have moved on.
            if await self.registry.version() == version:
                self.take_over(scoring)
                scoring = None
        except (Failed, Refused, Absent, Unreachable, OSError, yaml.YAMLError, KeyError) as error:
            passing = not isinstance(error, Refused) and PASSING.search(str(error))
            before = self.failures.get(version, {"pause": SOON / 2})["pause"]
            pause = min(before * 2, 300) if passing else LATE
            self.progress(version, "failed", str(error) or type(error).__name__)
            self.failures[version] = {"until": time.monotonic() + pause, "pause": pause, "shown": self.candidate}
        finally:
            if scoring:
                await scoring.stop()

    async def prepare(self, version):
        """A scoring process of a version that answers its own input example."""
        model = self.directory / version.identity
        if not model.exists():
            self.progress(version, "downloading")
            await self.download(version, model)
        self.check(model)
        self.progress(version, "installing")
        environment = await environments.ensure(model)
        self.progress(version, "starting")
        scoring = Scoring(self.session, version, model, environment, self.settings.request_seconds)
        try:
            await scoring.start()
            await scoring.try_example()
        except BaseException:
            await scoring.stop()
            raise
        return scoring

    async def download(self, version, model):
        partial = model.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        uri = f"models:/{self.settings.model}/{version.number}"
        try:
            await run(
                *(sys.executable, "-c", DOWNLOAD, uri, str(partial)),
                env=download_environment(self.settings),
                seconds=DOWNLOAD_SECONDS,
            )
        except Failed as error:
            raise Failed(f"it cannot be downloaded: {error}") from error
        partial.rename(model)

    def check(self, model):
        settings = yaml.safe_load((model / "MLmodel").read_text())
        if not (settings.get("signature") or {}).get("inputs"):
            raise Refused("it has no signature: log the model with signature= or input_example=")

    def take_over(self, scoring):
        earlier, self.active = self.active, scoring
        self.ready.set()
        scoring.weigh(SERVING)
        self.candidate = None
        self.failures.clear()
        print(f"status: serves version {scoring.version.number}", flush=True)
        self.record.write_text(json.dumps(scoring.version._asdict()))
        self.spawn(self.keep_alive(scoring))
        if earlier:
            self.spawn(earlier.stop())
        self.prune([scoring.model] + ([earlier.model] if earlier else []))

    def prune(self, kept):
        for place in self.directory.iterdir():
            if place.is_dir() and place not in kept:
                shutil.rmtree(place, ignore_errors=True)
        environments.prune(kept)

    async def resume(self):
        """Starts what served last, from the volume alone."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.record.exists():
            return
        from model_server.registry import Version

        version = Version(**json.loads(self.record.read_text()))
        try:
            self.take_over(await self.prepare(version))
        except (Failed, Refused, OSError) as error:
            self.progress(version, "failed", str(error))

    async def keep_alive(self, scoring):
        """Starts the process again whenever it ends while it is the one that serves."""
        pause = 0
        while True:
            await scoring.process.wait()
            if scoring is not self.active:
                return
            self.ready.clear()
            started = time.monotonic()
            print(f"status: version {scoring.version.number} ended: {await scoring.why()}", flush=True)
            await asyncio.sleep(pause)
            with contextlib.suppress(Failed):
                await scoring.start()
                scoring.weigh(SERVING)
                if scoring is self.active:
                    self.ready.set()
            pause = 0 if time.monotonic() - started > 60 else min(pause * 2 + 1, 30)

    async def stop(self):
        for task in list(self.tasks):
            task.cancel()
        if self.active:
            active, self.active = self.active, None
            await active.stop(5)
