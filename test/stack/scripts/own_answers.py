"""Rows of the test table of a version of a model, and the version's own answers, as JSON; in the model image with the project."""

import json
import sys

import mlflow
from lifecycle import splits, tracking

name, version = sys.argv[1:]
found = tracking.client.get_model_version(name, version)
rows = splits.read(found.tags["data_run"]).inputs("test").head(20)
answers = mlflow.pyfunc.load_model(f"models:/{name}/{version}").predict(rows)
print(json.dumps({"columns": list(rows.columns), "data": rows.to_numpy().tolist(), "answers": answers.tolist()}))
