"""Everything that a client reads of an installation, in a form that is the same for the same content wherever it is.

Arguments: tracking URI, number of runs to add to each experiment that can be written first; prints JSON.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

try:
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:
    # A client without the S3 library.
    BotoCoreError = ClientError = OSError

uri, added = sys.argv[1], int(sys.argv[2])
mlflow.set_tracking_uri(uri)
client = MlflowClient()
# It names the place of the model, which is another one.
MOVED = "mlflow.log-model.history"


def artifacts_of(run):
    with tempfile.TemporaryDirectory() as directory:
        try:
            found = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=directory)
        except (MlflowException, BotoCoreError, ClientError, ImportError, OSError):
            return "unreadable"
        files = sorted(path for path in Path(found).rglob("*") if path.is_file())
        return {str(path.relative_to(found)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def describe(run):
    return {
        "run": run.info.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "stage": run.info.lifecycle_stage,
        "start": run.info.start_time,
        "params": run.data.params,
        "metrics": {
            key: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, key)]
            for key in sorted(run.data.metrics)
        },
        "tags": {key: value for key, value in sorted(run.data.tags.items()) if key != MOVED},
        "datasets": [[d.dataset.name, d.dataset.digest, d.dataset.source] for d in run.inputs.dataset_inputs],
        "artifacts": artifacts_of(run),
    }


def add_runs(experiment_id):
    made = []
    for number in range(added):
        with mlflow.start_run(experiment_id=experiment_id) as run:
            mlflow.log_param("number", number)
            mlflow.log_text(f"added {number}", "notes/ü.txt")
        made.append(run.info.run_id)
    return [mlflow.artifacts.load_text(f"runs:/{run}/notes/ü.txt") for run in made]


experiments = client.search_experiments(view_type=ViewType.ALL, order_by=["experiment_id ASC"])
answers = {
    experiment.name: add_runs(experiment.experiment_id)
    for experiment in experiments
    if added and experiment.name in ("Default", "prefixed")
}
content = {}
for experiment in experiments:
    if experiment.name == "platform-check":
        continue
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL, order_by=["start_time ASC"])
    content[experiment.name] = {
        "id": experiment.experiment_id,
        "stage": experiment.lifecycle_stage,
        "runs": [describe(run) for run in runs if "number" not in run.data.params],
    }
versions = {
    version.version: [version.run_id, version.current_stage, version.tags, list(version.aliases)]
    for version in client.search_model_versions("name = 'doubles'")
}
model = mlflow.pyfunc.load_model("models:/doubles@champion")
(trace,) = client.search_traces(["0"])
print(
    json.dumps(
        {
            "content": content,
            "versions": versions,
            "prediction": list(model.predict(pd.DataFrame({"x": [1.5, 4.0]}))),
            "spans": [[span.name, span.inputs, span.outputs] for span in trace.data.spans],
            "added": answers,
        },
        sort_keys=True,
    )
)
