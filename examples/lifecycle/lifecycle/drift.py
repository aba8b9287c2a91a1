"""Have the inputs, or the predictions, of a model moved away from the data it learned from?

Two things have to be true of a column before it counts as drifted: a two-sample test says that chance does not explain
the difference (its p-value is corrected for the number of tests), and the population stability index (PSI) says that the
difference is large enough to matter. The first alone alarms at trifles when there are many rows, the second alone at
chance when there are few.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

BINS = 10


@dataclass(frozen=True)
class Drift:
    """What is known of one column."""

    column: str
    test: str
    p_value: float
    psi: float
    drifted: bool


def is_numeric(values: pd.Series) -> bool:
    """Whether a column holds quantities; of the others only how often each value occurs is compared."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def stability_index(reference: np.ndarray, current: np.ndarray) -> float:
    """PSI of two arrays of counts of the same bins. Half a row more in every bin: none is empty."""
    expected = (reference + 0.5) / (reference + 0.5).sum()
    actual = (current + 0.5) / (current + 0.5).sum()
    return float(((actual - expected) * np.log(actual / expected)).sum())


def compare_numbers(reference: np.ndarray, current: np.ndarray) -> tuple[dict[str, float], float]:
    """p-value of each test, and PSI, of a numeric column."""
    if not len(current):
        return {"no value": 0.0}, float("inf")
    # Kolmogorov-Smirnov sees little of a spread that has changed around the same middle; Brown-Forsythe does.
    tests = {
        "Kolmogorov-Smirnov": stats.ks_2samp(reference, current).pvalue,
        "Brown-Forsythe": stats.levene(reference, current, center="median").pvalue,
    }
    inner_edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
    edges = np.concatenate([[-np.inf], inner_edges, [np.inf]])
    psi = stability_index(np.histogram(reference, edges)[0], np.histogram(current, edges)[0])
    # Where no value varies, there is nothing to test.
    return {name: 1.0 if np.isnan(p) else float(p) for name, p in tests.items()}, psi


def compare_values(reference: pd.Series, current: pd.Series) -> tuple[dict[str, float], float]:
    """p-value of the test, and PSI, of a column of categories."""
    counts = pd.concat([reference.astype(str).value_counts(), current.astype(str).value_counts()], axis=1).fillna(0)
    table = counts.to_numpy().T
    p_value = stats.chi2_contingency(table).pvalue if table.shape[1] > 1 else 1.0
    return {"chi-square": float(p_value)}, stability_index(table[0], table[1])


def distinct(reference: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """Rows that tell something new: a request that is sent again does not."""
    # Where rows are alike by nature, as with a few categories, they are so in the reference, too.
    return current if reference.duplicated().any() else current.drop_duplicates()


def find_drift(columns: dict[str, tuple[pd.Series, pd.Series]], significance: float, psi: float) -> list[Drift]:
    """What is known of each column, given its values in the reference and now; the most telling first."""
    compared = {
        column: compare_numbers(reference.dropna().to_numpy(float), current.dropna().to_numpy(float))
        if is_numeric(reference)
        else compare_values(reference, current)
        for column, (reference, current) in columns.items()
    }
    # Bonferroni: it holds however the columns depend on each other.
    number = sum(len(tests) for tests, _ in compared.values())
    found = []
    for column, (tests, index) in compared.items():
        test = min(tests, key=tests.get)
        p_value = min(1.0, tests[test] * number)
        found.append(Drift(column, test, p_value, index, p_value < significance and index > psi))
    return sorted(found, key=lambda drift: (not drift.drifted, drift.p_value, -drift.psi))
