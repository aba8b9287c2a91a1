"""The learner: gradient boosting on histograms, its hyper-parameters, and how tuning looks for better ones."""

from collections.abc import Iterator

import numpy as np
import optuna
import pandas as pd
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from lifecycle.errors import UserError

# A quick first attempt, too weak for the thresholds: few and small steps.
DEFAULTS = {
    "learning_rate": 0.02,
    "max_iter": 10,
    "max_leaf_nodes": 4,
    "min_samples_leaf": 20,
    "l2_regularization": 0.0,
}

# What MLflow's format for scikit-learn models has to be told that it may load.
TRUSTED_TYPES = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]

Learner = HistGradientBoostingClassifier | HistGradientBoostingRegressor


def suggest(trial: optuna.Trial) -> dict[str, float]:
    """Hyper-parameters of a trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "max_iter": trial.suggest_int("max_iter", 40, 160),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 16),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, 30),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 10, log=True),
    }


def complete(hyperparameters: dict[str, object]) -> dict[str, float]:
    """Hyper-parameters as numbers, with the default for those that are not given."""
    try:
        return {name: type(value)(hyperparameters.get(name, value)) for name, value in DEFAULTS.items()}
    except ValueError as error:
        raise UserError(f"a hyper-parameter is not a number: {error}") from None


def learn(task: str, hyperparameters: dict[str, float], inputs: pd.DataFrame, target: pd.Series, seed: int) -> Learner:
    """A learner that has learned."""
    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    try:
        return kind(random_state=seed, early_stopping=False, **hyperparameters).fit(inputs, target)
    except ValueError as error:
        raise UserError(f"the learner refuses this: {str(error).splitlines()[0]}") from None


def scores(task: str, learner: Learner, prediction: np.ndarray, target: pd.Series) -> dict[str, float]:
    """What a prediction (of probabilities, for classes) is worth: `loss`, the less the better, and a score to read."""
    if task == "regression":
        return {
            "loss": metrics.root_mean_squared_error(target, prediction),
            "r2_score": metrics.r2_score(target, prediction),
        }
    return {
        "loss": metrics.log_loss(target, prediction, labels=learner.classes_),
        "accuracy_score": metrics.accuracy_score(target, learner.classes_[prediction.argmax(axis=1)]),
    }


def curve(task: str, learner: Learner, inputs: pd.DataFrame, target: pd.Series) -> Iterator[dict[str, float]]:
    """Scores after each iteration."""
    stages = learner.staged_predict_proba if task == "classification" else learner.staged_predict
    for prediction in stages(inputs):
        yield scores(task, learner, prediction, target)


def final_scores(task: str, learner: Learner, inputs: pd.DataFrame, target: pd.Series) -> dict[str, float]:
    """Scores of the finished learner."""
    predict = learner.predict_proba if task == "classification" else learner.predict
    return scores(task, learner, predict(inputs), target)
