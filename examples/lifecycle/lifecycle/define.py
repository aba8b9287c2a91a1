"""Box 1, define the experiment: its name, what it is for, whose it is. A second time adds what is missing."""

import argparse
import getpass
import os

from lifecycle import command, data, tracking


def restore(name: str) -> str:
    """Sees to it that there is the experiment. Returns what had to be done."""
    found = tracking.client.get_experiment_by_name(name)
    if found is None:
        tracking.find_experiment(name)
        return "made"
    if found.lifecycle_stage == "active":
        return "was there"
    tracking.client.restore_experiment(found.experiment_id)
    return "restored: it had been deleted"


def define(dataset: str, experiment: str, description: str = "", owner: str = "", done: str = "") -> None:
    """Makes the experiment, or brings its description and tags up to date."""
    about = description or data.find(dataset).description
    name = tracking.experiment_name(experiment)
    done = done or restore(name)
    found = tracking.find_experiment(name)
    datasets = {*found.tags.get("datasets", "").split(), dataset}
    note = found.tags.get("mlflow.note.content", "")
    tags = {
        # What somebody has written stays.
        "mlflow.note.content": note if about in note else f"{note}\n\n{about}".strip(),
        "datasets": " ".join(sorted(datasets)),
        "owner": owner or found.tags.get("owner") or os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser(),
    }
    with tracking.step_run("define", name, {"dataset": dataset}) as run:
        for tag, value in tags.items():
            tracking.client.set_experiment_tag(found.experiment_id, tag, value)
        tracking.say("define", run.info.run_id, f'experiment "{name}" {done}; owner {tags["owner"]}')


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    define(args.dataset, args.experiment, args.description, args.owner)


if __name__ == "__main__":
    parser = command.parser(__doc__, "dataset", "experiment")
    parser.add_argument("--description", default="", help="what it is for; that of the dataset if empty")
    parser.add_argument("--owner", default="", help="whose it is; who runs this if empty")
    command.run(main, parser)
