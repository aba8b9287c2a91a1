"""Box 3, train: a model with its learning curve, its plots and the data it comes from.

The default hyper-parameters are a quick first attempt that the thresholds refuse; `tune` finds better ones.
"""

import argparse
import time
from itertools import batched

import mlflow
from mlflow.entities import Metric
from mlflow.models import infer_signature
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from lifecycle import command, learner, plots, splits, tracking


def log_curves(run_id: str, curves: dict[str, list[dict[str, float]]]) -> None:
    """Scores of each table after each iteration, in as few requests as MLflow allows."""
    now = int(time.time() * 1000)
    values = [
        Metric(f"{name}_{metric}", value, now, step)
        for name, stages in curves.items()
        for step, scores in enumerate(stages, start=1)
        for metric, value in scores.items()
    ]
    for some in batched(values, MAX_METRICS_PER_BATCH, strict=False):
        tracking.client.log_batch(run_id, metrics=some)


def train(data_run: str, experiment: str, hyperparameters: dict[str, object], parameters_from: str = "") -> str:
    """Trains. Returns the run's id."""
    parts = splits.read(data_run)
    if parameters_from:
        hyperparameters = tracking.hyperparameters_of(tracking.find_run(parameters_from, "tune"))
    chosen = learner.complete(hyperparameters)
    with tracking.step_run("train", experiment, {"data": data_run}) as run:
        run_id = run.info.run_id
        tracking.log_parameters(run_id, {f"{tracking.HYPERPARAMETER}{name}": value for name, value in chosen.items()})
        tags = {"data_run": data_run, "dataset": parts.dataset, "seed": parts.seed, "parameters_from": parameters_from}
        mlflow.set_tags({**tags, **{f"sha256_{name}": value for name, value in parts.digests.items()}})
        inputs, target = parts.inputs("training"), parts.target("training")
        mlflow.log_input(
            mlflow.data.from_pandas(parts.tables["training"], targets="target", name=f"{parts.dataset}-training"),
            context="training",
        )
        made = learner.learn(parts.task, chosen, inputs, target, parts.seed)
        curves = {
            name: list(learner.curve(parts.task, made, parts.inputs(name), parts.target(name)))
            for name in ("training", "validation")
        }
        log_curves(run_id, curves)
        plots.log_learning_curve({name: [scores["loss"] for scores in stages] for name, stages in curves.items()})
        validation = parts.inputs("validation")
        predicted = made.predict(validation)
        plots.log_predictions(parts.task, parts.target("validation"), predicted)
        mlflow.sklearn.log_model(
            made,
            name="model",
            signature=infer_signature(validation, predicted),
            input_example=validation.head(3),
            skops_trusted_types=learner.TRUSTED_TYPES,
        )
        final = ", ".join(f"{metric} {value:.3f}" for metric, value in curves["validation"][-1].items())
        tracking.say("train", run_id, f"validation: {final}")
        return run_id


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    given = {name: value for name, value in vars(args).items() if name in learner.DEFAULTS}
    train(args.data, args.experiment, given, args.params_from)


if __name__ == "__main__":
    parser = command.parser(__doc__, "experiment")
    parser.add_argument("--data", required=True, help="id of a run of prepare")
    parser.add_argument("--params_from", default="", help="id of a run of tune, whose best hyper-parameters it takes")
    for hyperparameter, default in learner.DEFAULTS.items():
        parser.add_argument(f"--{hyperparameter}", type=type(default), default=default, help="hyper-parameter")
    command.run(main, parser)
