"""The whole flow: define, prepare, train, evaluate, if refused tune and train again, register, promote."""

import argparse

import mlflow

from lifecycle import command, data, learner, thresholds, tracking
from lifecycle.define import define, restore
from lifecycle.errors import Refused
from lifecycle.evaluate import evaluate
from lifecycle.prepare import prepare
from lifecycle.promote import promote
from lifecycle.register import register
from lifecycle.train import train
from lifecycle.tune import tune


def until_satisfactory(
    data_run: str, experiment: str, hyperparameters: dict[str, object], thresholds_file: str, trials: int, seed: int
) -> tuple[str, str | None]:
    """Trains, and if that is refused tunes and trains again. Returns the training run, and why it is refused, if it is."""
    training_run = train(data_run, experiment, hyperparameters)
    if evaluate(training_run, experiment, thresholds_file).reason is None:
        return training_run, None
    training_run = train(data_run, experiment, {}, tune(data_run, experiment, trials, seed))
    return training_run, evaluate(training_run, experiment, thresholds_file).reason


def finish(
    training_run: str, dataset: str, experiment: str, model: str, thresholds_file: str, promotion: str, **tags: str
) -> str | None:
    """Registers, and promotes by itself or says how. Returns why the promotion is refused, if it is."""
    version = register(training_run, experiment, model, tags)
    if promotion == "auto":
        return promote(dataset, experiment, model, thresholds_file)
    print(
        f"Version {version} waits for its promotion: "
        f"mlflow run … --entry-point promote -P dataset={dataset} -P model={model}, "
        f"or python -m lifecycle.promote --dataset {dataset} --model {model}"
    )
    return None


def loop(args: argparse.Namespace) -> str | None:
    """Runs the flow. Returns why it ended before its end, if it did."""
    model = args.model or data.model_name(args.dataset)
    # What is wrong in the file comes out before the work.
    thresholds.load(args.thresholds, args.dataset)
    data.find(args.dataset)
    done = restore(tracking.experiment_name(args.experiment))
    with tracking.step_run("loop", args.experiment, vars(args), separate=True) as run:
        experiment = tracking.experiment_name("")
        define(args.dataset, experiment, done=done)
        data_run = prepare(args.dataset, experiment, args.seed)
        training_run, reason = until_satisfactory(
            data_run, experiment, learner.DEFAULTS, args.thresholds, args.trials, args.seed
        )
        if reason is None:
            reason = finish(training_run, args.dataset, experiment, model, args.thresholds, args.promote)
        mlflow.set_tags({"model": model, "refusal_reason": reason or ""})
        tracking.say("loop", run.info.run_id, "done" if reason is None else f"refused: {reason}")
    return reason


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    reason = loop(args)
    if reason is not None:
        raise Refused(reason)


if __name__ == "__main__":
    command.run(
        main,
        command.parser(__doc__, "dataset", "model", "experiment", "seed", "thresholds", "trials", "promote"),
    )
