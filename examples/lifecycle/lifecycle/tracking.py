"""Runs, experiments and versions in MLflow."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.entities import Experiment, Param, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from lifecycle.errors import UserError

# Each run's address, progress bars, and a hint that integers cannot be missing: too much between the lines of the steps.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
warnings.filterwarnings("ignore", message="(?s).*Inferred schema contains integer column")
logging.getLogger("mlflow").setLevel(logging.ERROR)

DEFAULT_EXPERIMENT = "lifecycle"
CANDIDATE = "candidate"
PRODUCTION = "production"
PREVIOUS = "previous"
# Prefix of the parameters that the model was made with. `mlflow run` has logged its own ones under their bare names.
HYPERPARAMETER = "hyper_"

client = mlflow.MlflowClient()


def say(step: str, run_id: str, result: str) -> None:
    """A step's one line."""
    print(f"{step:<9} {run_id:<32} {result}", flush=True)


def is_missing(error: MlflowException) -> bool:
    """Whether an error says that something is not there; an id or name that cannot be is not there either."""
    return error.error_code in (
        ErrorCode.Name(RESOURCE_DOES_NOT_EXIST),
        ErrorCode.Name(INVALID_PARAMETER_VALUE),
    )


def find_run(run_id: str, step: str) -> Run:
    """A run by its id, which has to be one of the step."""
    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if not is_missing(error):
            raise
        raise UserError(f'there is no run "{run_id}"') from None
    actual = found.data.tags.get("step", "another program")
    if actual != step:
        raise UserError(f"run {run_id} is one of {actual}; the id of a run of {step} is wanted")
    return found


def find_experiment(name: str) -> Experiment:
    """An experiment by its name; made if there is none yet."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return client.get_experiment(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise UserError(f'experiment "{name}" is deleted; the entry point define restores it')
    return found


def project_run() -> Run | None:
    """The run that `mlflow run` made for this process and that no step has taken yet."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client.get_run(run_id) if run_id else None


def experiment_name(given: str) -> str:
    """Name of the experiment that a step's runs belong to."""
    outer = mlflow.active_run() or project_run()
    # "0" is where `mlflow run` puts a run that nobody named an experiment for.
    if not given and outer is not None and outer.info.experiment_id != "0":
        return client.get_experiment(outer.info.experiment_id).name
    return given or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT


@contextmanager
def step_run(
    step: str, experiment: str, parameters: dict[str, object], *, separate: bool = False, parent: str | None = None
) -> Iterator[Run]:
    """The run of a step.

    It is the one that `mlflow run` made, if there is one; a `separate` step leaves that one as a pointer if it is in
    another experiment. Inside another step's run it is nested in that.
    """
    wanted = find_experiment(experiment_name(experiment))
    outer = mlflow.active_run()
    project = None if outer else project_run()
    tags = {"step": step}
    if outer:
        tags["loop"] = outer.data.tags.get("loop", outer.info.run_id)
    if parent:
        tags[MLFLOW_PARENT_RUN_ID] = parent
    if project and separate and project.info.experiment_id != wanted.experiment_id:
        del os.environ["MLFLOW_RUN_ID"]
    else:
        separate = False
    with mlflow.start_run(
        # MLflow takes MLFLOW_RUN_ID by itself; that run keeps its experiment.
        experiment_id=None if project and not separate else wanted.experiment_id,
        run_name=None if project and not separate else step,
        nested=outer is not None,
        tags=tags,
    ) as run:
        if project and separate:
            client.set_tag(project.info.run_id, "separate_run", run.info.run_id)
        elif project:
            mlflow.set_tags(tags)
            if not project.info.run_name or project.data.tags.get("mlflow.project.entryPoint"):
                mlflow.set_tag("mlflow.runName", step)
        log_parameters(run.info.run_id, parameters)
        yield run


def log_parameters(run_id: str, parameters: dict[str, object]) -> None:
    """Logs parameters, but for those that `mlflow run` has logged."""
    known = client.get_run(run_id).data.params
    client.log_batch(
        run_id, params=[Param(name, str(value)) for name, value in parameters.items() if name not in known]
    )


def hyperparameters_of(run: Run) -> dict[str, str]:
    """What a run's model was made with."""
    return {
        name.removeprefix(HYPERPARAMETER): value
        for name, value in run.data.params.items()
        if name.startswith(HYPERPARAMETER)
    }


def find_version(model: str, alias: str) -> ModelVersion | None:
    """The version that has an alias, if there is one."""
    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if not is_missing(error):
            raise
        return None


def require_version(model: str, alias: str, advice: str) -> ModelVersion:
    """The version that has an alias."""
    found = find_version(model, alias)
    if found is None:
        raise UserError(f'registered model "{model}" has no alias "{alias}"; {advice}')
    return found
