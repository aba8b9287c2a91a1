"""The command line of the steps: parameters that several have, and exit codes.

0: done. 1: MLflow could not be used. 2: something given cannot be used. 3: refused, which is a verdict and no failure.
`mlflow run` makes 1 of each of them; the environment variable LIFECYCLE_EXIT_FILE names a file that gets the code itself.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from mlflow.exceptions import MlflowException

from lifecycle.data import DATASETS
from lifecycle.errors import Refused, UserError

THRESHOLDS = Path(__file__).parent.parent / "thresholds.yaml"

COMMON = {
    "dataset": {"default": "breast_cancer", "help": f"one of {', '.join(DATASETS)}"},
    "model": {"default": "", "help": "registered model; the dataset's name with - for _ if empty"},
    "experiment": {
        "default": "",
        "help": "experiment; if empty that of the run that `mlflow run` made, MLFLOW_EXPERIMENT_NAME, or lifecycle",
    },
    "seed": {"type": int, "default": 42, "help": "seed of all that is random"},
    "thresholds": {"default": str(THRESHOLDS), "help": "YAML file of what is good enough"},
    "trials": {"type": int, "default": 25, "help": "trials of the tuning"},
    "promote": {
        "choices": ["manual", "auto"],
        "default": "manual",
        "help": "auto: a better candidate goes into production by itself; manual: the entry point promote does it",
    },
}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, like those of the steps."""

    def error(self, message: str) -> NoReturn:
        """Ends the step."""
        raise UserError(f"{message}; --help lists the parameters")


def parser(description: str, *common: str) -> argparse.ArgumentParser:
    """A parser with some of the common parameters."""
    made = Parser(
        description=description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for name in common:
        made.add_argument(f"--{name}", **COMMON[name])
    return made


def exit_code(step: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> int:
    """Runs a step; says in one line what went wrong."""
    try:
        step(arguments.parse_args())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return 3
    except MlflowException as error:
        print(f"error: MLflow: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


def run(step: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    """Runs a step as the program."""
    code = exit_code(step, arguments)
    if "LIFECYCLE_EXIT_FILE" in os.environ:
        Path(os.environ["LIFECYCLE_EXIT_FILE"]).write_text(f"{code}\n")
    sys.exit(code)
