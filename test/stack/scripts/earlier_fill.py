"""Fills an earlier installation, inside its server's container. Arguments: bucket, text."""

import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient

bucket, text = sys.argv[1:]
client = MlflowClient()
directory = Path(tempfile.mkdtemp())

MODEL = """
import mlflow


class Doubles(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["x"] * 2


mlflow.models.set_model(Doubles())
"""
FILES = {
    "plain.txt": text,
    "empty": "",
    "deep/er/still deeper/ü + & = ,;'!.txt": f"{text} ü",
    "deep/100% [x] {y} ~$@.json": "{}",
    # More than MinIO keeps beside the metadata; and more than one part of an upload.
    "big.bin": text * 40_000,
    "bigger.bin": text * 1_600_000,
}


def log(experiment_id, number):
    with mlflow.start_run(experiment_id=experiment_id, run_name=f"run {number}") as run:
        mlflow.log_params({"alpha": number, "text": text})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + number), step=step)
        mlflow.set_tag("team", "ü & co")
        root = directory / run.info.run_id
        for name, content in FILES.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        mlflow.log_artifacts(str(root))
        return run.info.run_id


places = {
    "prefixed": f"s3://{bucket}/team ü/a+b=c & d/100%",
    "deleted": None,
    "unnameable": f"s3://{bucket}/with%20escape",
    "elsewhere": "s3://another-bucket/somewhere",
    "on disk": "file:///tmp/on-disk",
}
ids = {name: client.create_experiment(name, artifact_location=place) for name, place in places.items()}
for name in ("prefixed", "deleted", "unnameable", "on disk"):
    log(ids[name], 1)
runs = [log("0", number) for number in (1, 2, 3)]
client.delete_run(runs[2])
client.delete_experiment(ids["deleted"])

code = directory / "doubles.py"
code.write_text(MODEL)
frame = pd.DataFrame({"x": [1.0, 2.0]})
for _ in range(2):
    with mlflow.start_run(experiment_id="0"):
        mlflow.log_input(mlflow.data.from_pandas(frame, source=f"s3://{bucket}/data/x.csv", name="x"), "training")
        mlflow.pyfunc.log_model("model", python_model=str(code), registered_model_name="doubles", pip_requirements=[])
client.set_registered_model_alias("doubles", "champion", "1")
client.set_model_version_tag("doubles", "1", "checked", text)

mlflow.set_experiment(experiment_id="0")
with mlflow.start_span("question") as span:
    span.set_inputs({"q": text})
    span.set_outputs({"a": 42})
