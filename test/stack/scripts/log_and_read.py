"""Logs one run with an artifact, or reads it back; prints one line of JSON.

Usage: log_and_read.py <tracking URI> log <text> | read <run id>
"""

import json
import sys

import mlflow


def main(tracking_uri: str, action: str, what: str) -> dict:
    mlflow.set_tracking_uri(tracking_uri)
    if action == "log":
        with mlflow.start_run() as run:
            mlflow.log_param("text", what)
            mlflow.log_text(what, "note.txt")
        return {"runId": run.info.run_id}
    run = mlflow.get_run(what)
    return {
        "param": run.data.params["text"],
        "artifact": mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt"),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
