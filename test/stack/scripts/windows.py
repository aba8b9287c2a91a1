"""Sends windows of 200 rows of the example's data to a model server, in a container of the model image with the project.

`windows.py calm <url> <number>` sends windows without drift, and lets the monitor look at each.
`windows.py drifted <url>` sends one whose measurements have moved; prints the id of the prediction and what came true, as JSON.
"""

import argparse
import json
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from lifecycle import command, data
from lifecycle.monitor import monitor

DATASET, ROWS, RECORDS = "breast_cancer", 200, Path("/var/lib/records")


def send(url, rows):
    frame = {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}
    request = urllib.request.Request(
        f"{url}/invocations",
        data=json.dumps({"dataframe_split": frame}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        prediction = answer.headers["X-Prediction-Id"]
    deadline = time.monotonic() + 60
    while not any(prediction in path.read_text() for path in RECORDS.glob("predictions-*.jsonl")):
        if time.monotonic() > deadline:
            sys.exit(f"{prediction} is not recorded")
        time.sleep(0.1)
    return prediction


def look():
    parser = command.parser("monitor", "dataset", "model", "experiment", "thresholds", "trials", "promote")
    args = parser.parse_args([])
    monitor(
        argparse.Namespace(
            **vars(args),
            alias="production",
            records=str(RECORDS),
            minimum_samples=100,
            window=ROWS,
            retrain="false",
        )
    )


def main(kind, url, number="1"):
    table = data.load(DATASET)
    inputs, target = table.drop(columns=data.TARGET), table[data.TARGET]
    if kind == "calm":
        for seed in range(int(number)):
            send(url, inputs.sample(ROWS, random_state=seed))
            look()
        return
    rows = inputs.sample(ROWS, random_state=1000)
    # Another device, which measures everything larger: what was benign looks malignant.
    moved = rows + 1.5 * inputs.std()
    print(json.dumps({"id": send(url, moved), "labels": np.asarray(target[rows.index]).tolist()}))


main(*sys.argv[1:])
