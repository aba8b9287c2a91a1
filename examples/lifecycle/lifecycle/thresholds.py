"""What is good enough: thresholds.yaml."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from mlflow.models import MetricThreshold

from lifecycle.errors import UserError
from lifecycle.metrics import METRICS, Metric


@dataclass(frozen=True)
class Thresholds:
    """A dataset's section."""

    main_metric: str
    # Metric of MLflow's evaluation → its threshold.
    evaluation: dict[str, MetricThreshold]
    # Worst main metric of labelled predictions.
    quality: float
    # Of the corrected p-value, and of the population stability index: a drift passes both.
    significance: float
    psi: float

    @property
    def metric(self) -> Metric:
        """The main metric."""
        return METRICS[self.main_metric]


def number(value: object, place: str) -> float:
    """A number of the file."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{place}: {value!r} is not a number")
    return float(value)


def fields(value: object, names: set[str], place: str) -> dict:
    """A mapping of the file with just these keys."""
    if not isinstance(value, dict) or set(value) != names:
        raise UserError(f"{place}: wants the keys {', '.join(sorted(names))}")
    return value


def metric_threshold(value: object, place: str) -> MetricThreshold:
    """`at_least: number` or `at_most: number`."""
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= {"at_least", "at_most"}:
        raise UserError(f"{place}: wants at_least or at_most, and a number")
    ((bound, limit),) = value.items()
    return MetricThreshold(threshold=number(limit, place), greater_is_better=bound == "at_least")


def load(path: str, dataset: str) -> Thresholds:
    """The section of a dataset."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise UserError(f"thresholds {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"thresholds {path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or dataset not in content:
        raise UserError(f"thresholds {path}: there is no section {dataset}")
    place = f"thresholds {path}, {dataset}"
    section = fields(content[dataset], {"main_metric", "evaluation", "monitoring"}, place)
    if section["main_metric"] not in METRICS:
        raise UserError(f"{place}: main_metric is one of {', '.join(METRICS)}")
    if not isinstance(section["evaluation"], dict) or not section["evaluation"]:
        raise UserError(f"{place}, evaluation: wants metrics, each with at_least or at_most")
    monitoring = fields(section["monitoring"], {"quality", "significance", "psi"}, f"{place}, monitoring")
    return Thresholds(
        section["main_metric"],
        {
            name: metric_threshold(value, f"{place}, evaluation, {name}")
            for name, value in section["evaluation"].items()
        },
        **{name: number(value, f"{place}, monitoring, {name}") for name, value in monitoring.items()},
    )
