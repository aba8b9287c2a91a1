"""Recorded predictions and their labels, as the model server writes them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from lifecycle.errors import UserError

# Columns beside the inputs; the prefix keeps them apart from those.
ID, ROW, TIME, PREDICTION, RECENT, LABEL = "__id", "__row", "__time", "__prediction", "__recent", "__label"
OWN = [ID, ROW, TIME, PREDICTION, RECENT, LABEL]


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
    """Predicted rows of a version, oldest first: inputs, prediction, and label where there is one.

    They are the latest (`RECENT`), and beside them the latest that have labels: what comes true comes true later.
    """
    place = Path(directory)
    if not place.is_dir():
        raise UserError(f"records: there is no directory {directory}")
    rows = []
    recent = labelled = 0
    try:
        labels = read_labels(place)
        known = set(zip(labels[ID], labels[ROW], strict=True))
        for record in newest_first(place):
            if record["model"] != model or str(record["version"]) != version:
                continue
            pairs = list(enumerate(zip(record["inputs"], record["predictions"], strict=True)))
            for number, (inputs, prediction) in reversed(pairs):
                own = {ID: record["prediction_id"], ROW: number, TIME: record["time"], PREDICTION: prediction}
                is_recent = recent < window
                is_labelled = (own[ID], number) in known and labelled < window
                if is_recent or is_labelled:
                    rows.append({**inputs, **own, RECENT: is_recent})
                recent += is_recent
                labelled += is_labelled
            if recent >= window and labelled >= min(window, len(known)):
                break
        table = pd.DataFrame(rows, columns=[*columns, *OWN[:-1]]).astype({ID: str, ROW: int, RECENT: bool})
        return table.iloc[::-1].merge(labels, on=[ID, ROW], how="left")
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"records: {directory} is not what the model server writes: {error!r}") from None
