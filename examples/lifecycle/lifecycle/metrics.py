"""Metrics that need nothing but predictions and labels: the main ones, by which versions are compared and monitored."""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn import metrics


@dataclass(frozen=True)
class Metric:
    """How a metric is computed, and which way is up."""

    score: Callable
    greater_is_better: bool

    def is_better(self, one: float, other: float) -> bool:
        """Whether one score is better than another; an equal one is not."""
        return one > other if self.greater_is_better else one < other


# The names are those of MLflow's evaluation.
METRICS = {
    "accuracy_score": Metric(metrics.accuracy_score, True),
    "r2_score": Metric(metrics.r2_score, True),
    "mean_absolute_error": Metric(metrics.mean_absolute_error, False),
    "root_mean_squared_error": Metric(metrics.root_mean_squared_error, False),
}
