"""Predictions on the volume: files of JSON lines, limited by size and age. What cannot be written is dropped, never a request."""

import contextlib
import csv
import io
import json
import os
import queue
import random
import threading
import time
from datetime import UTC, datetime

import yaml

from model_server.settings import MEBIBYTE, RECORDS

# What may wait to be written.
WAITING, WAITING_BYTES = 1000, 64 * MEBIBYTE
FILE_SECONDS = 3600


def stamp():
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")


def column_names(model):
    """The columns of a model's signature, in order."""
    settings = yaml.safe_load((model / "MLmodel").read_text())
    inputs = json.loads(settings["signature"]["inputs"])
    return [column.get("name") or str(index) for index, column in enumerate(inputs)]


def number(text):
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def rows_of(content_type, body, names):
    """A request's rows as dictionaries, whichever of MLflow's formats it has; raises ValueError where it has none of them."""
    if content_type.split(";")[0].strip() == "text/csv":
        return [
            {name: number(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(body.decode()))
        ]
    data = json.loads(body)
    if "dataframe_split" in data:
        frame = data["dataframe_split"]
        return [dict(zip(frame.get("columns") or names, row, strict=False)) for row in frame["data"]]
    if "dataframe_records" in data:
        return data["dataframe_records"]
    values = data.get("instances", data.get("inputs"))
    if isinstance(values, dict):
        columns = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if not isinstance(values, list):
        raise ValueError("no rows")  # noqa: TRY004
    return [
        row if isinstance(row, dict) else dict(zip(names, row if isinstance(row, list) else [row], strict=False))
        for row in values
    ]


class Recorder:
    def __init__(self, settings):
        self.settings = settings
        self.queue = queue.Queue(WAITING)
        self.pending = self.written = self.dropped = 0
        self.names = {}
        self.file, self.opened = None, 0.0
        if settings.record_rate > 0:
            threading.Thread(target=self.work, daemon=True).start()

    def status(self):
        return {"rate": self.settings.record_rate, "written": self.written, "dropped": self.dropped}

    def offer(self, prediction, scoring, content_type, body, answer):
        if random.random() >= self.settings.record_rate:
            return
        size = len(body) + len(answer)
        if self.pending + size > WAITING_BYTES:
            self.dropped += 1
            return
        try:
            self.queue.put_nowait((prediction, datetime.now(UTC), scoring, content_type, body, answer))
            self.pending += size
        except queue.Full:
            self.dropped += 1

    def work(self):
        while True:
            item = self.queue.get()
            try:
                self.write(self.line(*item))
                self.written += 1
            # Whatever a body or the volume brings: nobody waits for this thread, and it has to go on.
            except Exception as error:  # noqa: BLE001
                self.dropped += 1
                if self.dropped in (1, 10, 100) or self.dropped % 1000 == 0:
                    print(f"records: {self.dropped} dropped, the last one because of {error!r}", flush=True)
            finally:
                self.pending -= len(item[4]) + len(item[5])

    def line(self, prediction, moment, scoring, content_type, body, answer):
        names = self.names.get(scoring.model)
        if names is None:
            names = self.names[scoring.model] = column_names(scoring.model)
        rows = rows_of(content_type, body, names)
        predictions = json.loads(answer)["predictions"]
        if not isinstance(predictions, list) or len(predictions) != len(rows):
            raise ValueError("not one prediction for each row")
        record = {
            "prediction_id": prediction,
            "time": moment.isoformat(),
            "model": self.settings.model,
            "version": scoring.version.number,
            "inputs": rows,
            "predictions": predictions,
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def write(self, line):
        share = self.settings.record_bytes // 16
        if self.file and (self.file.tell() + len(line) > share or time.monotonic() - self.opened > FILE_SECONDS):
            self.file.close()
            self.file = None
        if self.file is None:
            self.make_room(len(line) + share)
            path = RECORDS / f"predictions-{stamp()}-{os.getpid()}.jsonl"
            self.file = path.open("ab", buffering=0)
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
        files = sorted(RECORDS.glob("predictions-*.jsonl"))
        oldest = time.time() - self.settings.record_days * 86400
        sizes = {path: path.stat().st_size for path in files}
        total = sum(sizes.values())
        for path in files:
            if path.stat().st_mtime < oldest or total + wanted > self.settings.record_bytes:
                total -= sizes[path]
                path.unlink()
        for path in RECORDS.glob("labels-*.csv"):
            if path.stat().st_mtime < oldest:
                path.unlink()
