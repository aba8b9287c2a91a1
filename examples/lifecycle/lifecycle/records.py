"""Recorded predictions and their labels, as the model server writes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lifecycle.errors import UserError

# Columns beside the inputs; the prefix keeps them apart from those.
ID, ROW, TIME, PREDICTION, LABEL = "__id", "__row", "__time", "__prediction", "__label"
OWN = [ID, ROW, TIME, PREDICTION, LABEL]


def newest_first(directory: Path) -> Iterator[dict]:
    """Recorded requests. A line that is not whole, because it is being written, is left out."""
    for path in sorted(directory.glob("predictions-*.jsonl"), reverse=True):
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:  # too old in the meantime
            continue
        for line in reversed(lines):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def read_labels(directory: Path) -> pd.DataFrame:
    """The labels; the last one told of a row counts."""
    tables = [
        pd.read_csv(path, dtype={"prediction_id": str, "row": int}) for path in sorted(directory.glob("labels-*.csv"))
    ]
    labels = pd.concat([pd.DataFrame({"prediction_id": [], "row": [], "label": []}), *tables], ignore_index=True)
    renamed = labels.rename(columns={"prediction_id": ID, "row": ROW, "label": LABEL})
    return renamed.astype({ID: str, ROW: int}).drop_duplicates([ID, ROW], keep="last")


def read(directory: str, model: str, version: str, columns: list[str], window: int) -> pd.DataFrame:
    """The latest predicted rows of a version, oldest first: inputs, prediction, and label where there is one."""
    place = Path(directory)
    if not place.is_dir():
        raise UserError(f"records: there is no directory {directory}")
    rows = []
    try:
        for record in newest_first(place):
            if record["model"] != model or str(record["version"]) != version:
                continue
            rows += [
                {**inputs, ID: record["prediction_id"], ROW: number, TIME: record["time"], PREDICTION: prediction}
                for number, (inputs, prediction) in enumerate(zip(record["inputs"], record["predictions"], strict=True))
            ]
            if len(rows) >= window:
                break
        table = pd.DataFrame(rows, columns=[*columns, *OWN[:-1]]).astype({ID: str, ROW: int})
        return table.sort_values(TIME, kind="stable").tail(window).merge(read_labels(place), on=[ID, ROW], how="left")
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"records: {directory} is not what the model server writes: {error!r}") from None
