"""Box 7, monitor: is the version in production still adequate? If not, a candidate to take its place is trained.

With enough labels the quality of the predictions decides; else whether inputs or predictions have drifted away from the data
that the version comes from. Each check is a run in the experiment `<experiment>-monitoring`, nested in the run of the version,
which has the same metrics over time. Exit code 3: not adequate, and no candidate to take its place.
"""

import argparse
from dataclasses import dataclass

import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from lifecycle import command, data, drift, records, report, splits, thresholds, tracking
from lifecycle.errors import Refused, UserError
from lifecycle.loop import finish, until_satisfactory
from lifecycle.prepare import prepare

INSUFFICIENT, ADEQUATE, INADEQUATE = "insufficient data", "adequate", "not adequate"
# With fewer labelled rows that the version has not learned from, retraining takes the data that there was.
FEWEST_NEW_ROWS = 20


@dataclass(frozen=True)
class Check:
    """What was found."""

    verdict: str
    reason: str
    metrics: dict[str, float]
    drifts: list[drift.Drift]
    columns: dict[str, tuple[pd.Series, pd.Series]]


def typed_labels(window: pd.DataFrame, target: pd.Series) -> pd.Series:
    """The labels as the target has them; what cannot be one is missing."""
    labels = window[records.LABEL]
    return pd.to_numeric(labels, errors="coerce") if pd.api.types.is_numeric_dtype(target) else labels


def compared_columns(
    parts: splits.Splits, version: ModelVersion, window: pd.DataFrame
) -> dict[str, tuple[pd.Series, pd.Series]]:
    """Inputs beside those of the training data, and predictions beside those for data that the version did not learn from."""
    reference = parts.inputs("training")
    names = list(reference.columns)
    current = window.loc[drift.distinct(reference, window[names]).index]
    columns = {name: (reference[name], current[name]) for name in names}
    unseen = pd.concat([parts.inputs("validation"), parts.inputs("test")])
    expected = pd.Series(mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}").predict(unseen))
    predicted = current[records.PREDICTION]
    if parts.task == "classification":
        expected, predicted = expected.astype(str), predicted.astype(str)
    return {**columns, "(prediction)": (expected, predicted)}


def check(
    parts: splits.Splits, version: ModelVersion, window: pd.DataFrame, wanted: thresholds.Thresholds, minimum: int
) -> Check:
    """The verdict on a window of predictions."""
    labelled = window.dropna(subset=records.LABEL)
    recent = window[window[records.RECENT]]
    metrics = {"rows": len(recent), "labelled_rows": len(labelled)}
    if len(recent) < minimum:
        return Check(INSUFFICIENT, f"{len(recent)} predictions of at least {minimum}", metrics, [], {})
    columns = compared_columns(parts, version, recent)
    found = drift.find_drift(columns, wanted.significance, wanted.psi)
    drifted = [one.column for one in found if one.drifted]
    metrics |= {
        "drifted_columns": len(drifted),
        "smallest_p_value": min(one.p_value for one in found),
        "largest_psi": max(one.psi for one in found),
    }
    if len(labelled) >= minimum:
        labels = labelled[records.LABEL].astype(parts.target("training").dtype)
        quality = float(wanted.metric.score(labels, labelled[records.PREDICTION]))
        metrics[wanted.main_metric] = quality
        reason = (
            f"{wanted.main_metric} {quality:.3f} of {len(labelled)} labelled predictions, threshold {wanted.quality:g}"
        )
        worse = wanted.metric.is_better(wanted.quality, quality)
    else:
        reason = f"drift of {', '.join(drifted)}" if drifted else "no drift"
        reason += f" in {len(recent)} predictions"
        worse = bool(drifted)
    return Check(INADEQUATE if worse else ADEQUATE, reason, metrics, found, columns)


def series_run(experiment: str, version: ModelVersion) -> str:
    """The run that has the metrics of a version's checks over time."""
    experiment_id = tracking.find_experiment(experiment).experiment_id
    tags = {"step": "monitor-series", "model": version.name, "version": version.version}
    wanted = " and ".join(f"tags.{tag} = '{value}'" for tag, value in tags.items())
    found = tracking.client.search_runs([experiment_id], wanted, max_results=1)
    if found:
        return found[0].info.run_id
    made = tracking.client.create_run(experiment_id, tags=tags, run_name=f"{version.name} version {version.version}")
    tracking.client.set_terminated(made.info.run_id)
    return made.info.run_id


def log_check(series: str, made: Check, title: str, facts: dict[str, object]) -> None:
    """Logs a check to the active run, and its metrics to the series."""
    metrics = {**made.metrics, "adequate": {ADEQUATE: 1, INADEQUATE: 0}.get(made.verdict)}
    known = {name: value for name, value in metrics.items() if value is not None}
    mlflow.log_metrics(known)
    mlflow.set_tags({"verdict": made.verdict, "reason": made.reason})
    mlflow.log_text(
        report.render(title, f"{made.verdict}: {made.reason}", {**facts, **known}, made.drifts, made.columns),
        "report.html",
    )
    number = int(tracking.client.get_run(series).data.tags.get("checks", 0)) + 1
    for name, value in known.items():
        tracking.client.log_metric(series, name, value, step=number)
    tracking.client.set_tag(series, "checks", number)


def new_rows(parts: splits.Splits, window: pd.DataFrame) -> pd.DataFrame | None:
    """Labelled rows that the version has not learned from, or None where they are too few."""
    labelled = window.dropna(subset=records.LABEL).rename(columns={records.LABEL: data.TARGET})
    known = pd.concat(parts.tables.values(), ignore_index=True)
    rows = labelled[list(known.columns)].astype(known.dtypes.to_dict())
    rows = rows[~pd.concat([known, rows]).duplicated().iloc[len(known) :].to_numpy()]
    return rows if len(rows) >= FEWEST_NEW_ROWS else None


def retrain(
    args: argparse.Namespace, experiment: str, version: ModelVersion, parts: splits.Splits, window: pd.DataFrame
) -> str | None:
    """Trains a candidate. Returns why there is none, if there is none."""
    more = new_rows(parts, window)
    resample = parts.resample + 1
    print(
        f"Retraining with the data of version {version.version}, other rows of it for training (resample {resample}), and "
        + ("no new rows: too few labels" if more is None else f"{len(more)} labelled rows from production")
    )
    data_run = prepare(parts.dataset, experiment, parts.seed, resample, parts, more)
    hyperparameters = tracking.hyperparameters_of(tracking.find_run(version.run_id, "train"))
    training_run, reason = until_satisfactory(
        data_run, experiment, hyperparameters, args.thresholds, args.trials, parts.seed
    )
    if reason is not None:
        return reason
    return finish(
        training_run,
        parts.dataset,
        experiment,
        version.name,
        args.thresholds,
        args.promote,
        retrained_for=version.version,
    )


def act(
    args: argparse.Namespace,
    experiment: str,
    version: ModelVersion,
    parts: splits.Splits,
    window: pd.DataFrame,
    series: str,
) -> str | None:
    """What follows from a version that is not adequate. Returns why there is no candidate, if there is none."""
    if args.retrain == "false":
        return "retraining is switched off"
    waiting = tracking.find_version(version.name, tracking.CANDIDATE)
    if waiting is not None and waiting.tags.get("retrained_for") == version.version:
        print(f"Version {waiting.version} waits for its promotion already: nothing is trained again.")
        return None
    # A schedule goes on while nobody sends requests; the same data would end the same way.
    evidence = f"{window[records.TIME].iloc[-1]}, {window[records.LABEL].notna().sum()} labels"
    if tracking.client.get_run(series).data.tags.get("retrained_at") == evidence:
        return "nothing was predicted or labelled since the last retraining"
    reason = retrain(args, experiment, version, parts, window)
    tracking.client.set_tag(series, "retrained_at", evidence)
    return reason


def monitor(args: argparse.Namespace) -> str | None:
    """Checks, and acts on it. Returns why a version that is not adequate gets no candidate, if that is so."""
    if args.minimum_samples < 1 or args.window < args.minimum_samples:
        raise UserError("--minimum_samples is at least 1, and --window at least that")
    model = args.model or data.model_name(args.dataset)
    version = tracking.require_version(model, args.alias, "the entry point promote gives it to a version")
    if "data_run" not in version.tags:
        raise UserError(f'version {version.version} of "{model}" has no tag data_run: register has not made it')
    parts = splits.read(version.tags["data_run"])
    wanted = thresholds.load(args.thresholds, parts.dataset)
    names = list(parts.inputs("training").columns)
    window = records.read(args.records, model, version.version, names, args.window)
    window[records.LABEL] = typed_labels(window, parts.target("training"))
    trained = tracking.find_run(version.run_id, "train")
    experiment = args.experiment or tracking.client.get_experiment(trained.info.experiment_id).name
    monitoring = f"{experiment}-monitoring"
    series = series_run(monitoring, version)
    reason = None
    with tracking.step_run("monitor", monitoring, vars(args), separate=True, parent=series) as run:
        mlflow.set_tags({"model": model, "version": version.version})
        made = check(parts, version, window, wanted, args.minimum_samples)
        times = f"{window[records.TIME].iloc[0]} to {window[records.TIME].iloc[-1]}" if len(window) else "none"
        facts = {"version": version.version, "predictions": times, "training data": f"run {parts.run_id}"}
        log_check(series, made, f"{model}, version {version.version}", facts)
        tracking.say("monitor", run.info.run_id, f"version {version.version} is {made.verdict}: {made.reason}")
        if made.verdict == INADEQUATE:
            reason = act(args, experiment, version, parts, window, series)
            mlflow.set_tag("retraining", reason or "there is a candidate")
    return reason


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    reason = monitor(args)
    if reason is not None:
        raise Refused(f"not adequate, and no candidate: {reason}")


if __name__ == "__main__":
    parser = command.parser(__doc__, "dataset", "model", "experiment", "thresholds", "trials", "promote")
    parser.add_argument("--alias", default=tracking.PRODUCTION, help="alias of the version to look at")
    parser.add_argument("--records", default="/var/lib/records", help="directory of recorded predictions and labels")
    parser.add_argument("--minimum_samples", type=int, default=100, help="predictions without which it decides nothing")
    parser.add_argument("--window", type=int, default=500, help="latest predictions, and latest labelled ones, at most")
    parser.add_argument("--retrain", choices=["true", "false"], default="true", help="false: report only")
    command.run(main, parser)
