"""The prepared data: three tables and their digests, as artifacts of a run of prepare."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from lifecycle import data, tracking
from lifecycle.errors import UserError

DIRECTORY = "data"
DIGESTS = "digests.json"
NAMES = ("training", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """What a run of prepare made."""

    run_id: str
    dataset: str
    seed: int
    resample: int
    digests: dict[str, str]
    tables: dict[str, pd.DataFrame]

    @property
    def task(self) -> str:
        """What is to be learned."""
        return data.find(self.dataset).task

    def inputs(self, name: str) -> pd.DataFrame:
        """A table without its target."""
        return self.tables[name].drop(columns=data.TARGET)

    def target(self, name: str) -> pd.Series:
        """A table's target."""
        return self.tables[name][data.TARGET]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def log(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Logs tables to the active run. Returns their digests."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        for name, table in tables.items():
            table.to_parquet(directory / f"{name}.parquet", index=False)
        digests = {name: digest(directory / f"{name}.parquet") for name in tables}
        (directory / DIGESTS).write_text(json.dumps(digests, indent=2))
        mlflow.log_artifacts(place, DIRECTORY)
    return digests


def read(run_id: str) -> Splits:
    """The data of a run of prepare, which is still what that run made."""
    run = tracking.find_run(run_id, "prepare")
    try:
        with tempfile.TemporaryDirectory() as place:
            directory = Path(
                mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=DIRECTORY, dst_path=place)
            )
            digests = json.loads((directory / DIGESTS).read_text())
            for name in NAMES:
                if digest(directory / f"{name}.parquet") != digests[name]:
                    raise UserError(
                        f"{name}.parquet of run {run_id} is not what prepare made: its digest is another; prepare again"
                    )
            tables = {name: pd.read_parquet(directory / f"{name}.parquet") for name in NAMES}
    except (MlflowException, OSError, KeyError, ValueError) as error:
        raise UserError(f"the data of run {run_id} cannot be read ({error}); prepare again") from None
    tags = run.data.tags
    return Splits(run_id, tags["dataset"], int(tags["seed"]), int(tags["resample"]), digests, tables)
