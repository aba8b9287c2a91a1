"""Back to the previous version: the aliases production and previous change places."""

import argparse

import mlflow

from lifecycle import command, data, tracking


def rollback(dataset: str, experiment: str, model: str) -> None:
    """Swaps the two."""
    name = model or data.model_name(dataset)
    production = tracking.require_version(name, tracking.PRODUCTION, "there is nothing to go back from")
    previous = tracking.require_version(name, tracking.PREVIOUS, "there is nothing to go back to")
    with tracking.step_run("rollback", experiment, {"model": name}) as run:
        tracking.client.set_registered_model_alias(name, tracking.PRODUCTION, previous.version)
        tracking.client.set_registered_model_alias(name, tracking.PREVIOUS, production.version)
        mlflow.set_tags({"model": name, "version": previous.version, "rolled_back": production.version})
        tracking.say(
            "rollback",
            run.info.run_id,
            f'version {previous.version} of "{name}" is in production again, instead of {production.version}',
        )


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    rollback(args.dataset, args.experiment, args.model)


if __name__ == "__main__":
    command.run(main, command.parser(__doc__, "dataset", "experiment", "model"))
