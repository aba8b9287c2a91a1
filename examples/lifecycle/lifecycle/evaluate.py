"""Box 4, satisfactory? The test table by MLflow's evaluation, against thresholds.yaml. Exit code 3 if not."""

import argparse
from dataclasses import dataclass

import mlflow
from mlflow.models.evaluation.validation import ModelValidationFailedException

from lifecycle import command, data, splits, thresholds, tracking
from lifecycle.errors import Refused, UserError


@dataclass(frozen=True)
class Verdict:
    """Whether a training run is satisfactory, and why not."""

    run_id: str
    reason: str | None


def refusals(wanted: thresholds.Thresholds, result: mlflow.models.EvaluationResult) -> str | None:
    """What misses its threshold."""
    unknown = set(wanted.evaluation) - set(result.metrics)
    if unknown:
        raise UserError(
            f"thresholds for {', '.join(sorted(unknown))}, which the evaluation does not have; "
            f"it has {', '.join(sorted(result.metrics))}"
        )
    try:
        mlflow.validate_evaluation_results(wanted.evaluation, result)
    except ModelValidationFailedException:
        return "; ".join(
            f"{name} {result.metrics[name]:.3f} is not {'at least' if limit.greater_is_better else 'at most'} "
            f"{limit.threshold:g}"
            for name, limit in wanted.evaluation.items()
            if (result.metrics[name] < limit.threshold) == limit.greater_is_better
            and result.metrics[name] != limit.threshold
        )
    return None


def evaluate(training_run: str, experiment: str, thresholds_file: str) -> Verdict:
    """Evaluates the model of a training run, and says so in tags of both runs."""
    trained = tracking.find_run(training_run, "train")
    parts = splits.read(trained.data.tags["data_run"])
    wanted = thresholds.load(thresholds_file, parts.dataset)
    with tracking.step_run("evaluate", experiment, {"run": training_run}) as run:
        mlflow.set_tag("training_run", training_run)
        result = mlflow.models.evaluate(
            f"runs:/{training_run}/model",
            mlflow.data.from_pandas(parts.tables["test"], targets=data.TARGET, name=f"{parts.dataset}-test"),
            model_type="classifier" if parts.task == "classification" else "regressor",
            evaluators="default",
            evaluator_config={"log_explainer": False},
        )
        reason = refusals(wanted, result)
        mlflow.log_dict(
            {
                name: {"threshold": limit.threshold, "is": result.metrics[name]}
                for name, limit in wanted.evaluation.items()
            },
            "thresholds.json",
        )
        for run_id in (training_run, run.info.run_id):
            tracking.client.set_tag(run_id, "satisfactory", str(reason is None).lower())
            tracking.client.set_tag(run_id, "refusal_reason", reason or "")
        measured = ", ".join(f"{name} {result.metrics[name]:.3f}" for name in wanted.evaluation)
        tracking.say(
            "evaluate", run.info.run_id, f"satisfactory: {measured}" if reason is None else f"refused: {reason}"
        )
        return Verdict(run.info.run_id, reason)


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    verdict = evaluate(args.run, args.experiment, args.thresholds)
    if verdict.reason is not None:
        raise Refused(verdict.reason)


if __name__ == "__main__":
    parser = command.parser(__doc__, "experiment", "thresholds")
    parser.add_argument("--run", required=True, help="id of a run of train")
    command.run(main, parser)
