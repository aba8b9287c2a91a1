"""Tune: looks for better hyper-parameters, each trial a nested run. `train` takes the id of this run.

The study is an artifact, up to date after each trial. `--resume` takes it over from a run that did not get to its end, with
the trials that this one had.
"""

import argparse
import tempfile
import time
from pathlib import Path

import mlflow
import optuna
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lifecycle import command, learner, plots, splits, tracking
from lifecycle.errors import UserError

STUDY = "study.log"
NAME = "tuning"


def take_over(run_id: str, earlier: str, data_run: str, directory: str) -> None:
    """Fetches the study of an earlier run, and makes its trials those of this run."""
    run = tracking.find_run(earlier, "tune")
    if run.data.tags.get("data_run") != data_run:
        raise UserError(
            f"run {earlier} tuned on the data of run {run.data.tags.get('data_run')}: --data has to be that"
        )
    try:
        mlflow.artifacts.download_artifacts(run_id=earlier, artifact_path=STUDY, dst_path=directory)
    except (MlflowException, OSError):
        raise UserError(f"run {earlier} has no study: it finished no trial; tune without --resume") from None
    trials = mlflow.search_runs(
        experiment_ids=[run.info.experiment_id],
        filter_string=f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{earlier}' and tags.step = 'trial'",
        output_format="list",
    )
    for trial in trials:
        tracking.client.set_tag(trial.info.run_id, MLFLOW_PARENT_RUN_ID, run_id)
        if trial.info.status == "RUNNING":
            tracking.client.set_terminated(trial.info.run_id, "KILLED")
    if run.info.status == "RUNNING":
        tracking.client.set_terminated(earlier, "KILLED")
    tracking.client.set_tag(earlier, "resumed_by", run_id)
    mlflow.set_tag("resumes", earlier)


def tune(data_run: str, experiment: str, trials: int, seed: int, resume: str = "") -> str:
    """Tunes until there are so many trials. Returns the run's id."""
    if trials < 1:
        raise UserError("--trials is at least 1")
    parts = splits.read(data_run)
    if resume:
        tracking.find_run(resume, "tune")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    parameters = {"data": data_run, "trials": trials, "seed": seed}
    with tracking.step_run("tune", experiment, parameters) as run, tempfile.TemporaryDirectory() as directory:
        run_id, experiment_id = run.info.run_id, run.info.experiment_id
        mlflow.set_tags({"data_run": data_run, "dataset": parts.dataset})
        if resume:
            take_over(run_id, resume, data_run, directory)
        journal = str(Path(directory) / STUDY)
        study = optuna.create_study(
            study_name=NAME, storage=JournalStorage(JournalFileBackend(journal)), load_if_exists=True
        )
        done = len(study.trials)
        # The sampler starts afresh on each resumption: with the same seed it would repeat itself.
        study.sampler = optuna.samplers.TPESampler(seed=seed + done)

        def attempt(trial: optuna.Trial) -> float:
            nested = tracking.client.create_run(
                experiment_id,
                tags={MLFLOW_PARENT_RUN_ID: run_id, "step": "trial"},
                run_name=f"trial {trial.number}",
            )
            chosen = learner.suggest(trial)
            made = learner.learn(parts.task, chosen, parts.inputs("training"), parts.target("training"), parts.seed)
            scores = learner.final_scores(parts.task, made, parts.inputs("validation"), parts.target("validation"))
            now = int(time.time() * 1000)
            tracking.client.log_batch(
                nested.info.run_id,
                metrics=[Metric(f"validation_{name}", value, now, 0) for name, value in scores.items()],
                params=[Param(f"{tracking.HYPERPARAMETER}{name}", str(value)) for name, value in chosen.items()],
            )
            tracking.client.set_terminated(nested.info.run_id)
            return scores["loss"]

        def save(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            mlflow.log_artifact(journal)
            mlflow.log_metrics({"validation_loss": trial.value, "best_validation_loss": study.best_value}, trial.number)

        study.optimize(attempt, max(0, trials - done), callbacks=[save])
        mlflow.log_artifact(journal)
        mlflow.log_params({f"{tracking.HYPERPARAMETER}{name}": value for name, value in study.best_params.items()})
        mlflow.log_metric("best_validation_loss", study.best_value, step=len(study.trials) - 1)
        mlflow.log_dict(study.best_params, "best_hyperparameters.json")
        plots.log_trials(study)
        taken = f" ({done} of them from run {resume})" if resume else ""
        tracking.say("tune", run_id, f"{len(study.trials)} trials{taken}, best validation loss {study.best_value:.3f}")
        return run_id


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    tune(args.data, args.experiment, args.trials, args.seed, args.resume)


if __name__ == "__main__":
    parser = command.parser(__doc__, "experiment", "seed", "trials")
    parser.add_argument("--data", required=True, help="id of a run of prepare")
    parser.add_argument("--resume", default="", help="id of a run of tune that goes on here")
    command.run(main, parser)
