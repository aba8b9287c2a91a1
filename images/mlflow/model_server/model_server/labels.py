"""`python -m model_server.labels < labels.csv`: what came true, joined with recorded predictions by their ids.

Columns: prediction_id, label, and row (counted from 0) where a request had several.
"""

import contextlib
import csv
import json
import sys

from model_server.records import stamp
from model_server.settings import RECORDS


class Unusable(Exception):
    """The file cannot be taken; the text names the line."""


def read(source):
    """(prediction id, row) → label, in the order of the file."""
    reader = csv.DictReader(source)
    columns = reader.fieldnames or []
    for column in ("prediction_id", "label"):
        if column not in columns:
            found = ", ".join(columns) or "none"
            raise Unusable(f"line 1: there is no column {column}: it needs prediction_id and label; it has {found}")
    labels = {}
    for values in reader:
        line = reader.line_num
        prediction, label = (values["prediction_id"] or "").strip(), (values["label"] or "").strip()
        row = (values.get("row") or "0").strip()
        if not prediction or not label:
            raise Unusable(f"line {line}: prediction_id or label is empty")
        if not row.isdecimal():
            raise Unusable(f'line {line}: row is "{row}": it has to be a number, counted from 0')
        if (prediction, int(row)) in labels:
            raise Unusable(f"line {line}: there is a label of {prediction}, row {row}, already")
        labels[prediction, int(row)] = label
    if not labels:
        raise Unusable("there is no label in it")
    return labels


def recorded(predictions):
    """Prediction id → number of rows, of those of these predictions that are recorded."""
    rows = {}
    for path in RECORDS.glob("predictions-*.jsonl"):
        # A file that has just been removed for its age, a line that is just being written.
        with contextlib.suppress(FileNotFoundError), path.open() as file:
            for line in filter(lambda line: line.endswith("\n"), file):
                record = json.loads(line)
                if record["prediction_id"] in predictions:
                    rows[record["prediction_id"]] = len(record["predictions"])
    return rows


def main():
    # As spreadsheets write it.
    sys.stdin.reconfigure(encoding="utf-8-sig", newline="")
    try:
        labels = read(sys.stdin)
    except (Unusable, csv.Error, UnicodeDecodeError) as error:
        print(f"labels: {error}", file=sys.stderr)
        return 1
    rows = recorded({prediction for prediction, _ in labels})
    known = {key: label for key, label in labels.items() if key[1] < rows.get(key[0], 0)}
    unknown = [key for key in labels if key not in known]
    if known:
        path = RECORDS / f"labels-{stamp()}.csv"
        unfinished = path.with_suffix(".new")
        with unfinished.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["prediction_id", "row", "label"])
            writer.writerows([*key, label] for key, label in known.items())
        unfinished.rename(path)
    print(f"{len(known)} labels joined, {len(unknown)} unknown prediction ids{':' if unknown else ''}")
    for prediction, row in unknown[:20]:
        print(f"  {prediction}, row {row}")
    if len(unknown) > 20:
        print(f"  and {len(unknown) - 20} more")
    return 0 if known else 1


if __name__ == "__main__":
    sys.exit(main())
