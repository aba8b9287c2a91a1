"""Follows the alias: brings a version, tries it, lets it take over; keeps the one that serves alive."""

import asyncio
import hashlib
import json
import shutil
import sys
import time
import uuid

import yaml

from model_server import environments
from model_server.processes import Failed, Passing, run, weigh
from model_server.registry import Absent, Unreachable, Version
from model_server.scoring import CANDIDATE, SERVING, Scoring
from model_server.settings import STATE, download_environment

TRASH = STATE / "trash"
DOWNLOAD_SECONDS = 3600
DOWNLOAD = "import sys, mlflow.artifacts as a; a.download_artifacts(sys.argv[1], dst_path=sys.argv[2])"
# What may pass by itself is tried again soon, then ever later; what is broken after an hour, or when the alias moves.
SOON, LATER, LATE = 15, 300, 3600
# A process that ran that long ends for another reason than one that cannot run.
STEADY_SECONDS = 60


class Supervisor:
    def __init__(self, session, settings, registry):
        self.session, self.settings, self.registry = session, settings, registry
        self.directory = STATE / "models" / hashlib.sha256(settings.model.encode()).hexdigest()[:16]
        self.record = self.directory / "current.json"
        self.active = None
        # Directory of the version that served before.
        self.previous = None
        self.wanted = None
        self.candidate = None
        # What is the matter with MLflow, and with the process that serves.
        self.reason = self.trouble = None
        self.pause, self.next_try = 0, 0.0
        self.attempt = self.keeper = None
        self.decided = False
        # Set while the active process answers.
        self.ready = asyncio.Event()
        self.tasks = set()

    def status(self):
        reason = self.trouble or self.reason
        if not reason and not self.active and self.decided:
            reason = "no version can be served yet"
        return {
            "model": self.settings.model,
            "alias": self.settings.alias,
            "state": "serving" if self.ready.is_set() else "waiting" if self.decided else "starting",
            "version": self.active.version.number if self.active else None,
            "reason": reason,
            "candidate": self.candidate,
        }

    def spawn(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def run(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        # What served last serves again whether MLflow answers or not, and is not given up for what comes next.
        await self.want(self.recorded())
        resuming = self.attempt
        while True:
            version = await self.look()
            if resuming:
                await asyncio.wait((resuming,))
                resuming = None
            await self.want(version)
            if self.reason and not self.attempt:
                self.decided = True
            await asyncio.sleep(self.settings.poll_seconds)

    def recorded(self):
        """The version that served last by this alias."""
        try:
            record = json.loads(self.record.read_text())
            self.previous = self.directory / record["previous"] if record["previous"] else None
            return Version(*record["version"]) if record["alias"] == self.settings.alias else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"status: {self.record} cannot be read: {error!r}", flush=True)
            return None

    async def look(self):
        """The version that has the alias, or None; of an MLflow that does not answer, the one it had last."""
        try:
            version, reason = await self.registry.version(), None
        except Absent as error:
            version, reason = None, str(error)
        except Unreachable as error:
            version, reason = self.wanted, str(error)
        if reason != self.reason:
            self.reason = reason
            print(f"status: {reason or 'MLflow answers'}", flush=True)
        return version

    async def want(self, version):
        if version != self.wanted:
            await self.give_up()
            self.wanted, self.pause, self.next_try = version, 0, 0.0
        if self.attempt:
            return
        if version is None or (self.active and version == self.active.version):
            self.candidate = None
        elif time.monotonic() >= self.next_try:
            self.attempt = asyncio.create_task(self.bring(version))

    async def give_up(self):
        if self.attempt:
            self.attempt.cancel()
            await asyncio.wait((self.attempt,))
            self.attempt = None

    def progress(self, version, state, reason=None):
        self.candidate = {"version": version.number, "state": state, "reason": reason}
        print(f"status: version {version.number}: {state}{f': {reason}' if reason else ''}", flush=True)

    async def bring(self, version):
        try:
            self.take_over(await self.prepare(version))
        # Whatever is wrong with a model must not end what serves.
        except Exception as error:  # noqa: BLE001
            reason = str(error) if isinstance(error, Failed) else f"its files cannot be used: {error!r}"
            self.pause = min(2 * self.pause or SOON, LATER) if isinstance(error, Passing) else LATE
            self.next_try = time.monotonic() + self.pause
            self.progress(version, "failed", reason)
        self.decided = True
        self.attempt = None

    async def prepare(self, version):
        """A scoring process of a version that answers its own input example."""
        model = self.directory / version.identity
        if not model.exists():
            self.progress(version, "downloading")
            await self.download(version, model)
        self.check(model)
        self.progress(version, "installing")
        environment = await environments.ensure(model, self.discard)
        self.progress(version, "starting")
        scoring = Scoring(self.session, version, model, environment, self.settings.request_seconds)
        try:
            await scoring.start(CANDIDATE)
            await scoring.try_example()
        except BaseException:
            await scoring.stop()
            raise
        return scoring

    async def download(self, version, model):
        partial = model.with_suffix(".partial")
        self.discard(partial)
        partial.mkdir()
        uri = f"models:/{self.settings.model}/{version.number}"
        try:
            await run(
                *(sys.executable, "-I", "-c", DOWNLOAD, uri, str(partial)),
                env=download_environment(self.settings),
                seconds=DOWNLOAD_SECONDS,
            )
        except Failed as error:
            raise type(error)(f"it cannot be downloaded: {error}") from error
        partial.rename(model)

    def check(self, model):
        settings = yaml.safe_load((model / "MLmodel").read_text())
        if not (settings.get("signature") or {}).get("inputs"):
            raise Failed("it has no signature: log the model with signature= or input_example=")

    def take_over(self, scoring):
        earlier, keeper, self.active = self.active, self.keeper, scoring
        weigh(scoring.process, SERVING)
        self.ready.set()
        self.keeper = asyncio.create_task(self.keep_alive(scoring))
        self.candidate = self.trouble = None
        print(f"status: serves version {scoring.version.number}", flush=True)
        if earlier:
            self.previous = earlier.model
            self.spawn(self.retire(earlier, keeper))
        try:
            self.remember()
            self.prune()
        except OSError as error:
            print(f"status: the volume cannot be written: {error}", flush=True)

    async def retire(self, earlier, keeper):
        keeper.cancel()
        await asyncio.wait((keeper,))
        await earlier.stop()

    def remember(self):
        record = {
            "alias": self.settings.alias,
            "version": self.active.version,
            "previous": self.previous.name if self.previous else None,
        }
        written = self.record.with_suffix(".new")
        written.write_text(json.dumps(record))
        written.rename(self.record)

    def prune(self):
        """Removes what neither the version that serves nor the one before needs."""
        models = [place for place in (self.active.model, self.previous) if place and place.exists()]
        needed = {*models, *map(environments.directory_of, models)}
        for place in [*self.directory.iterdir(), *environments.DIRECTORY.iterdir()]:
            if place.is_dir() and place not in needed:
                self.discard(place)
        self.spawn(asyncio.to_thread(self.empty_trash))

    def discard(self, place):
        """Takes a directory out of the way at once; removing its files takes longer."""
        if place.exists():
            TRASH.mkdir(exist_ok=True)
            place.rename(TRASH / uuid.uuid4().hex)

    def empty_trash(self):
        for place in TRASH.glob("*"):
            shutil.rmtree(place, ignore_errors=True)

    async def keep_alive(self, scoring):
        """Starts the process again whenever it ends while it is the one that serves."""
        number, pause = scoring.version.number, 0
        while True:
            started = time.monotonic()
            await scoring.process.wait()
            if self.active is not scoring:
                return
            self.ready.clear()
            if time.monotonic() - started > STEADY_SECONDS:
                pause = 0
            self.trouble = f"version {number} ended and is started again: {await scoring.why()}"
            print(f"status: {self.trouble}", flush=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause + 1, 30)
            try:
                await scoring.start(SERVING)
            except Failed:
                continue
            self.trouble = None
            self.ready.set()

    async def stop(self):
        """Ends all processes."""
        await self.give_up()
        ending = [task for task in (self.keeper, *self.tasks) if task]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self.active:
            await self.active.stop(5)
