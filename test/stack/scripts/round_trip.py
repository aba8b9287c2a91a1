"""Everything a client does with a tracking server, once; prints what it made as one line of JSON.

Usage: round_trip.py <tracking URI> <experiment>
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import ViewType
from sklearn.linear_model import LinearRegression

MEBIBYTE = 1 << 20


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(tracking_uri: str, experiment: str) -> dict:
    mlflow.set_tracking_uri(tracking_uri)
    client = MlflowClient()
    experiment_id = mlflow.create_experiment(experiment, tags={"purpose": "round trip"})
    mlflow.set_experiment(experiment)

    with tempfile.TemporaryDirectory() as work, mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"alpha": 0.1, "depth": 3})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.set_tag("colour", "green")

        big = Path(work, "big.bin")
        big.write_bytes(np.random.default_rng(7).bytes(50 * MEBIBYTE))
        sent = digest(big)
        mlflow.log_artifact(str(big), "data")

        model = LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            input_example=np.array([[1.0]]),
            registered_model_name=f"{experiment}-model",
        )

    back = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="data/big.bin"))
    received = digest(back)
    listed = [item.path for item in client.list_artifacts(run.info.run_id, "data")]

    name = f"{experiment}-model"
    client.set_registered_model_alias(name, "champion", 1)
    by_alias = client.get_model_version_by_alias(name, "champion")
    loaded = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    prediction = float(loaded.predict(np.array([[3.0]]))[0])

    with mlflow.start_span("question") as span:
        span.set_inputs({"text": "how are you"})
        span.set_outputs({"text": "well"})
    mlflow.flush_trace_async_logging()
    traces = mlflow.search_traces(locations=[experiment_id], return_type="list", max_results=10)

    found = mlflow.search_runs(
        [experiment_id],
        filter_string="params.depth = '3' and metrics.loss < 0.5",
        output_format="list",
    )
    client.delete_run(run.info.run_id)
    active = [r.info.run_id for r in client.search_runs([experiment_id])]
    deleted = [r.info.run_id for r in client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)]
    client.restore_run(run.info.run_id)
    client.delete_experiment(experiment_id)
    stage = client.get_experiment(experiment_id).lifecycle_stage
    client.restore_experiment(experiment_id)

    data = client.get_run(run.info.run_id).data
    return {
        "experimentId": experiment_id,
        "runId": run.info.run_id,
        "artifactUri": run.info.artifact_uri,
        "modelId": logged.model_id,
        "params": data.params,
        "tag": data.tags["colour"],
        "lossHistory": [m.value for m in client.get_metric_history(run.info.run_id, "loss")],
        "sent": sent,
        "received": received,
        "listed": listed,
        "version": by_alias.version,
        "prediction": prediction,
        "spans": [s.name for t in traces for s in t.data.spans],
        "found": [r.info.run_id for r in found],
        "activeAfterDelete": active,
        "deletedAfterDelete": deleted,
        "experimentAfterDelete": stage,
        "experimentAfterRestore": client.get_experiment(experiment_id).lifecycle_stage,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
