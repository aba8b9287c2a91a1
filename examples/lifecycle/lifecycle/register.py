"""Box 5, register: a satisfactory model becomes a version of the registered model, with the alias candidate."""

import argparse

import mlflow

from lifecycle import command, data, tracking
from lifecycle.errors import Refused


def register(training_run: str, experiment: str, model: str, tags: dict[str, str] | None = None) -> str:
    """Registers the model of a training run. Returns the version."""
    trained = tracking.find_run(training_run, "train")
    about = trained.data.tags
    if about.get("satisfactory") != "true":
        raise Refused(
            f"run {training_run} is not satisfactory: "
            f"{about.get('refusal_reason') or 'it has not been evaluated; the entry point evaluate does that'}"
        )
    name = model or data.model_name(about["dataset"])
    with tracking.step_run("register", experiment, {"run": training_run, "model": name}) as run:
        copied = {
            key: value
            for key, value in about.items()
            if key in ("dataset", "seed", "data_run") or key.startswith("sha256_")
        }
        earlier = tracking.client.search_model_versions(f"run_id = '{training_run}' and name = '{name}'")
        # A second time gives the same version.
        version = (
            earlier[0]
            if earlier
            else mlflow.register_model(f"runs:/{training_run}/model", name, tags={**copied, **(tags or {})})
        )
        tracking.client.update_registered_model(name, data.find(about["dataset"]).description)
        tracking.client.update_model_version(
            name, version.version, f"Trained on {about['dataset']}, seed {about['seed']}, by run {training_run}."
        )
        tracking.client.set_registered_model_alias(name, tracking.CANDIDATE, version.version)
        mlflow.set_tags({"model": name, "version": version.version, "training_run": training_run})
        tracking.say("register", run.info.run_id, f'version {version.version} of "{name}" is the {tracking.CANDIDATE}')
        return version.version


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    register(args.run, args.experiment, args.model)


if __name__ == "__main__":
    parser = command.parser(__doc__, "experiment", "model")
    parser.add_argument("--run", required=True, help="id of a run of train that evaluate has found satisfactory")
    command.run(main, parser)
