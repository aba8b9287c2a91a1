"""Box 6, to production: the candidate, if it is better than what is there, on the same test table. Exit code 3 if not.

The test table is that of the candidate's data. A production version that learned from another seed's data has seen a part of
it: that is to its advantage, so that the candidate has to be better all the more.
"""

import argparse

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from lifecycle import command, data, splits, thresholds, tracking
from lifecycle.errors import Refused, UserError


def score(version: ModelVersion, parts: splits.Splits, wanted: thresholds.Thresholds) -> float:
    """Main metric of a version on the test table."""
    try:
        model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
        return float(wanted.metric.score(parts.target("test"), model.predict(parts.inputs("test"))))
    except (MlflowException, ValueError, TypeError) as error:
        raise UserError(
            f'version {version.version} of "{version.name}" cannot predict the test table of run {parts.run_id}: '
            f"{str(error).splitlines()[0]}"
        ) from None


def promote(dataset: str, experiment: str, model: str, thresholds_file: str) -> str | None:
    """Gives the candidate the alias production. Returns why not, if it is refused."""
    name = model or data.model_name(dataset)
    candidate = tracking.require_version(name, tracking.CANDIDATE, "the entry point register gives it to a version")
    production = tracking.find_version(name, tracking.PRODUCTION)
    for tag in ("data_run", "dataset"):
        if tag not in candidate.tags:
            raise UserError(f'version {candidate.version} of "{name}" has no tag {tag}: register has not made it')
    parts = splits.read(candidate.tags["data_run"])
    wanted = thresholds.load(thresholds_file, parts.dataset)
    with tracking.step_run("promote", experiment, {"model": name}) as run:
        mlflow.set_tags({"model": name, "version": candidate.version})
        new = score(candidate, parts, wanted)
        mlflow.log_metric(f"candidate_{wanted.main_metric}", new)
        compared = f"{wanted.main_metric} {new:.4f}"
        reason = None
        if production is not None:
            old = score(production, parts, wanted)
            mlflow.log_metric(f"production_{wanted.main_metric}", old)
            compared += f", version {production.version} in production {old:.4f}"
            if production.version == candidate.version:
                reason = f"version {candidate.version} is in production already"
            elif not wanted.metric.is_better(new, old):
                reason = f"version {candidate.version} is not better: {compared}"
        result = {"promotion": "promoted" if reason is None else "refused", "promotion_reason": reason or compared}
        for tag, value in result.items():
            tracking.client.set_model_version_tag(name, candidate.version, tag, value)
        mlflow.set_tags(result)
        if reason is None:
            # In this order something is in production all the time, and the way back is there before the way forth.
            if production is not None:
                tracking.client.set_registered_model_alias(name, tracking.PREVIOUS, production.version)
            tracking.client.set_registered_model_alias(name, tracking.PRODUCTION, candidate.version)
            tracking.client.delete_registered_model_alias(name, tracking.CANDIDATE)
        said = (
            f'version {candidate.version} of "{name}" is in production: {compared}'
            if reason is None
            else f"refused: {reason}"
        )
        tracking.say("promote", run.info.run_id, said)
        return reason


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    reason = promote(args.dataset, args.experiment, args.model, args.thresholds)
    if reason is not None:
        raise Refused(reason)


if __name__ == "__main__":
    command.run(main, command.parser(__doc__, "dataset", "experiment", "model", "thresholds"))
