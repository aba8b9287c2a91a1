"""Predictions on the volume: files of JSON lines, limited by size and age. What cannot be written is dropped, never a request."""

import asyncio
import contextlib
import csv
import io
import json
import random
import time
from datetime import UTC, datetime

import yaml

from model_server.settings import MEBIBYTE, RECORDS

# What may wait to be written, and one record of it: taken apart it occupies some fifty times as much.
WAITING, WAITING_BYTES, RECORD_BYTES = 1000, 16 * MEBIBYTE, MEBIBYTE
FILE_SECONDS = 3600
SHARES = 16


def stamp():
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S-%f")


def column_names(model):
    """The columns of a model's signature, in order; none for a tensor's."""
    settings = yaml.safe_load((model / "MLmodel").read_text())
    return [column["name"] for column in json.loads(settings["signature"]["inputs"]) if column.get("name")]


def number(text):
    with contextlib.suppress(ValueError):
        return float(text)
    return text or None


def named(values, names):
    """A row as a dictionary; columns without a name are numbered, as pandas has it."""
    if isinstance(values, dict):
        return values
    values = values if isinstance(values, list) else [values]
    return dict(zip(names if len(names) == len(values) else map(str, range(len(values))), values, strict=False))


def rows_of(content_type, body, names):
    """A request's rows as dictionaries, whichever of MLflow's formats it has; raises ValueError where it has none of them."""
    if content_type.split(";")[0].strip().lower() == "text/csv":
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")))
        return [{name: number(value) for name, value in row.items()} for row in rows]
    data = json.loads(body)
    if "dataframe_split" in data:
        frame = data["dataframe_split"]
        return [named(row, frame.get("columns") or names) for row in frame["data"]]
    if "dataframe_records" in data:
        return data["dataframe_records"]
    values = data.get("instances", data.get("inputs"))
    if isinstance(values, dict):
        columns = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not isinstance(values, list):
        raise ValueError("the request has no rows")  # noqa: TRY004
    return [named(row, names) for row in values]


class Recorder:
    def __init__(self, settings):
        self.settings = settings
        self.queue = asyncio.Queue(WAITING)
        self.pending = self.written = self.dropped = 0
        self.names = {}
        self.file, self.opened = None, 0.0

    def status(self):
        return {"rate": self.settings.record_rate, "written": self.written, "dropped": self.dropped}

    def offer(self, prediction, scoring, content_type, body, answer):
        if random.random() >= self.settings.record_rate:
            return
        size = len(body) + len(answer)
        if size > RECORD_BYTES:
            self.drop(f"request and answer have more than {RECORD_BYTES} bytes")
            return
        if self.queue.full() or self.pending + size > WAITING_BYTES:
            self.drop("too much waits to be written")
            return
        self.pending += size
        self.queue.put_nowait((prediction, datetime.now(UTC), scoring, content_type, body, answer))

    def drop(self, reason):
        self.dropped += 1
        if self.dropped in (1, 10, 100) or self.dropped % 1000 == 0:
            print(f"records: {self.dropped} dropped, the last one because {reason}", flush=True)

    async def run(self):
        """Writes what is offered. Whatever a body or the volume brings, it goes on."""
        while True:
            try:
                async with asyncio.timeout(FILE_SECONDS):
                    item = await self.queue.get()
            except TimeoutError:
                item = None
            try:
                await asyncio.to_thread(self.write, item)
                self.written += item is not None
            except Exception as error:  # noqa: BLE001
                self.drop(f"of {error!r}")
            if item:
                self.pending -= len(item[4]) + len(item[5])
                self.queue.task_done()

    async def finish(self, seconds):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.queue.join()

    def line(self, prediction, moment, scoring, content_type, body, answer):
        names = self.names.get(scoring.model)
        if names is None:
            names = self.names[scoring.model] = column_names(scoring.model)
        rows = rows_of(content_type, body, names)
        predictions = json.loads(answer)["predictions"]
        if not isinstance(predictions, list) or len(predictions) != len(rows):
            raise ValueError("there is not one prediction for each row")
        record = {
            "prediction_id": prediction,
            "time": moment.isoformat(),
            "model": self.settings.model,
            "version": scoring.version.number,
            "inputs": rows,
            "predictions": predictions,
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def write(self, item):
        """Appends a record; without one looks only whether files are too old."""
        line = self.line(*item) if item else b""
        share = self.settings.record_bytes // SHARES
        if len(line) > share:
            raise ValueError(f"it is larger than 1/{SHARES} of all records")
        if self.file and (self.file.tell() + len(line) > share or time.monotonic() - self.opened > FILE_SECONDS):
            self.file.close()
            self.file = None
        if self.file is None:
            self.make_room(share)
            if not item:
                return
            self.file = (RECORDS / f"predictions-{stamp()}.jsonl").open("ab", buffering=0)
            self.opened = time.monotonic()
        before = self.file.tell()
        try:
            if self.file.write(line) != len(line):
                raise OSError("the volume is full")
        except OSError:
            # No half line, which nobody could read.
            self.file.truncate(before)
            self.file.seek(before)
            raise

    def make_room(self, wanted):
        """Removes what is too old, and the oldest until there is room for that many bytes."""
        oldest = time.time() - self.settings.record_days * 86400
        found = [
            (path, path.stat()) for pattern in ("predictions-*.jsonl", "labels-*.csv") for path in RECORDS.glob(pattern)
        ]
        total = sum(status.st_size for _, status in found)
        for path, status in sorted(found, key=lambda entry: entry[1].st_mtime):
            if status.st_mtime < oldest or total + wanted > self.settings.record_bytes:
                total -= status.st_size
                path.unlink(missing_ok=True)
