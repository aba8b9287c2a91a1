"""Box 2, prepare the data: training, validation and test tables with digests. `train` takes the id of this run."""

import argparse

import mlflow
import pandas as pd
from sklearn.model_selection import train_test_split

from lifecycle import command, data, splits, tracking


def part(table: pd.DataFrame, task: str, size: float, seed: int) -> list[pd.DataFrame]:
    """Takes a part away from a table, with as much of each class as the table has."""
    classes = table[data.TARGET] if task == "classification" else None
    # A class of one row cannot be in both parts.
    stratify = classes if classes is not None and classes.value_counts().min() > 1 else None
    return train_test_split(table, test_size=size, random_state=seed, stratify=stratify)


def divide(table: pd.DataFrame, task: str, seed: int, resample: int) -> dict[str, pd.DataFrame]:
    """60 % training, 20 % validation, 20 % test. `resample` changes the first two, while the test stays the same."""
    rest, test = part(table, task, 0.2, seed)
    training, validation = part(rest, task, 0.25, seed + resample)
    return {"training": training, "validation": validation, "test": test}


def divide_again(base: splits.Splits, more: pd.DataFrame | None, seed: int, resample: int) -> dict[str, pd.DataFrame]:
    """Other training and validation rows of data that was prepared before, and the same test.

    `more` rows, from production, are divided like the others, so that the test knows them, too.
    """
    rest = pd.concat([base.tables["training"], base.tables["validation"]], ignore_index=True)
    training, validation = part(rest, base.task, 0.25, seed + resample)
    tables = {"training": training, "validation": validation, "test": base.tables["test"]}
    if more is None:
        return tables
    added = divide(more, base.task, seed, resample)
    return {name: pd.concat([table, added[name]], ignore_index=True) for name, table in tables.items()}


def prepare(
    dataset: str,
    experiment: str,
    seed: int,
    resample: int = 0,
    base: splits.Splits | None = None,
    more: pd.DataFrame | None = None,
) -> str:
    """Makes the tables, from the dataset or from data that was prepared before. Returns the run's id."""
    if base is None:
        tables = divide(data.load(dataset), data.find(dataset).task, seed, resample)
    else:
        tables = divide_again(base, more, seed, resample)
    parameters = {"dataset": dataset, "seed": seed, "resample": resample}
    with tracking.step_run("prepare", experiment, parameters) as run:
        digests = splits.log(tables)
        for name, table in tables.items():
            logged = mlflow.data.from_pandas(table, targets=data.TARGET, name=f"{dataset}-{name}")
            mlflow.log_input(logged, context=name)
        mlflow.log_metrics({f"rows_{name}": len(table) for name, table in tables.items()})
        mlflow.set_tags({**parameters, **{f"sha256_{name}": value for name, value in digests.items()}})
        rows = ", ".join(f"{name} {len(table)}" for name, table in tables.items())
        added = "" if more is None else f" ({len(more)} rows of them from production)"
        tracking.say("prepare", run.info.run_id, f"{dataset}, seed {seed}: {rows}{added}")
        return run.info.run_id


def main(args: argparse.Namespace) -> None:
    """The step by its parameters."""
    prepare(args.dataset, args.experiment, args.seed, args.resample)


if __name__ == "__main__":
    parser = command.parser(__doc__, "dataset", "experiment", "seed")
    parser.add_argument("--resample", type=int, default=0, help="another number: other training and validation rows")
    command.run(main, parser)
