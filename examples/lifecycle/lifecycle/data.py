"""The example's data. For a project of your own this is the module to replace, with its section in thresholds.yaml."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from sklearn import datasets

from lifecycle.errors import UserError

TARGET = "target"


@dataclass(frozen=True)
class Dataset:
    """A table with a target, and what is to be learned from it."""

    task: Literal["classification", "regression"]
    description: str
    load: Callable


DATASETS = {
    "breast_cancer": Dataset(
        "classification",
        "Is a breast tumour malignant (0) or benign (1)? 30 measurements of cell nuclei, 569 patients.",
        datasets.load_breast_cancer,
    ),
    "wine": Dataset(
        "classification",
        "Which of three growers made a wine? 13 chemical measurements, 178 wines.",
        datasets.load_wine,
    ),
    "diabetes": Dataset(
        "regression",
        "How far does diabetes progress in a year? 10 measurements, 442 patients.",
        datasets.load_diabetes,
    ),
}


def find(name: str) -> Dataset:
    """A dataset by its name."""
    if name not in DATASETS:
        raise UserError(f'there is no dataset "{name}"; there are {", ".join(DATASETS)}')
    return DATASETS[name]


def load(name: str) -> pd.DataFrame:
    """A dataset's table, the target in the column `target`. All of it comes with scikit-learn."""
    return find(name).load(as_frame=True).frame


def model_name(dataset: str) -> str:
    """Registered model of a dataset, where no other is named."""
    return dataset.replace("_", "-")
