"""Registers a version of a model that is of one kind, in the model image: `log_model.py <kind> <registered model> [setting]`.

Prints the version as JSON. A kind other than `good` and `hostile` is a version that cannot be served.
"""

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
import yaml
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel

REQUIREMENTS = ["mlflow==3.17.2", "cloudpickle==3.1.2"]
EXAMPLE = pd.DataFrame({"x": [1.0, 2.0]})


class Good(PythonModel):
    """Multiplies x by the factor; a negative x takes so many seconds."""

    def __init__(self, factor):
        self.factor = factor

    def predict(self, context, model_input, params=None):
        import time

        time.sleep(max(0.0, -float(model_input["x"].min())))
        return (model_input["x"] * self.factor).tolist()


class ImportError_(Good):
    def load_context(self, context):
        import a_module_that_is_not_there  # noqa: F401


class OutOfMemory(Good):
    def load_context(self, context):
        self.hoard = [bytearray(64 * 1024 * 1024) for _ in range(1000)]


class Hostile(PythonModel):
    """Tries what the test tells it to, with whatever it finds, and answers with what came of it."""

    def __init__(self, targets):
        self.targets = targets

    def predict(self, context, model_input, params=None):
        from hostile_model import attempts

        report = json.dumps(attempts(self.targets))
        return [report] * len(model_input)


def save(kind, directory, setting):
    if kind == "hostile":
        model = Hostile(json.loads(setting))
    else:
        model = {"import": ImportError_, "memory": OutOfMemory}.get(kind, Good)(float(setting or 2))
    predictions = ["text"] * 2 if kind == "hostile" else [1.0, 2.0]
    mlflow.pyfunc.save_model(
        directory,
        python_model=model,
        code_paths=[str(Path(__file__).parent / "hostile_model.py")] if kind == "hostile" else None,
        signature=None if kind == "unsigned" else infer_signature(EXAMPLE, predictions),
        pip_requirements=REQUIREMENTS + (["numpy<1"] if kind == "conflict" else []),
    )
    example = {"y": [1.0]} if kind == "signature" else EXAMPLE.to_dict(orient="list")
    frame = pd.DataFrame(example).to_dict(orient="split", index=False)
    (directory / "serving_input_example.json").write_text(json.dumps({"dataframe_split": frame}))
    if kind == "minor":
        path = directory / "python_env.yaml"
        settings = yaml.safe_load(path.read_text()) | {"python": "3.9.7"}
        path.write_text(yaml.safe_dump(settings))


def main(kind, name, setting=None):
    client = mlflow.MlflowClient()
    mlflow.set_experiment(f"{name} by hand")
    with tempfile.TemporaryDirectory() as place, mlflow.start_run() as run:
        save(kind, Path(place) / "model", setting)
        mlflow.log_artifacts(str(Path(place) / "model"), "model")
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    print(json.dumps(str(version.version)))


main(*sys.argv[1:])
