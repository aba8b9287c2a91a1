"""Plots, as artifacts of the active run."""

import matplotlib

matplotlib.use("Agg")

import mlflow
import numpy as np
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay


def figure(columns: int = 1) -> tuple[Figure, np.ndarray]:
    """An empty figure, and its axes in a row."""
    made = Figure(figsize=(5 * columns, 4), layout="constrained")
    return made, made.subplots(1, columns, squeeze=False)[0]


def log_learning_curve(curves: dict[str, list[float]]) -> None:
    """Loss over iterations, a line for each table."""
    made, (axes,) = figure()
    for name, losses in curves.items():
        axes.plot(range(1, len(losses) + 1), losses, label=name)
    axes.set(title="Learning curve", xlabel="iteration", ylabel="loss")
    axes.legend()
    mlflow.log_figure(made, "plots/learning_curve.png")


def log_predictions(task: str, target: pd.Series, predicted: np.ndarray) -> None:
    """Confusion matrix, or residuals."""
    made, (axes,) = figure()
    if task == "classification":
        ConfusionMatrixDisplay.from_predictions(target, predicted, ax=axes, colorbar=False)
        mlflow.log_figure(made, "plots/confusion_matrix.png")
    else:
        PredictionErrorDisplay.from_predictions(target, predicted, kind="residual_vs_predicted", ax=axes)
        mlflow.log_figure(made, "plots/residuals.png")


def log_trials(study: optuna.Study) -> None:
    """Loss of each trial, and the best so far."""
    made, (axes,) = figure()
    losses = [trial.value for trial in study.trials]
    axes.plot(losses, "o", label="trial")
    axes.plot(np.minimum.accumulate(losses), label="best so far")
    axes.set(title="Trials", xlabel="trial", ylabel="validation loss")
    axes.legend()
    mlflow.log_figure(made, "plots/trials.png")


def draw_distributions(axes: Axes, reference: pd.Series, current: pd.Series, title: str) -> None:
    """How often values occur in the training data and in production."""
    edges = np.histogram_bin_edges(pd.concat([reference, current]), 20)
    for values, label in ((reference, "training"), (current, "production")):
        axes.hist(values, edges, density=True, alpha=0.5, label=label)
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7)
