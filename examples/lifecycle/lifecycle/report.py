"""The report of a check, as an HTML file of its own."""

import base64
import html
import io

import pandas as pd

from lifecycle import plots
from lifecycle.drift import Drift

PLOTS = 6
STYLE = (
    "body{font:15px sans-serif;max-width:60em;margin:2em auto}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}tr.drifted{background:#fdd}img{max-width:100%}"
)


def distributions(found: list[Drift], columns: dict[str, tuple[pd.Series, pd.Series]]) -> str:
    """A picture of the most telling columns."""
    shown = found[:PLOTS]
    made, axes = plots.figure(len(shown))
    made.set_size_inches(4 * len(shown), 3)
    for axis, drift in zip(axes, shown, strict=True):
        plots.draw_distributions(axis, *columns[drift.column], drift.column)
    image = io.BytesIO()
    made.savefig(image, format="png", dpi=70)
    return f'<img alt="distributions" src="data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}">'


def render(
    title: str,
    verdict: str,
    facts: dict[str, object],
    found: list[Drift],
    columns: dict[str, tuple[pd.Series, pd.Series]],
) -> str:
    """The whole page."""
    facts_rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>" for name, value in facts.items()
    )
    drift_rows = "".join(
        f"<tr{' class=drifted' if drift.drifted else ''}><td>{html.escape(drift.column)}</td><td>{drift.test}</td>"
        f"<td>{drift.p_value:.2g}</td><td>{drift.psi:.3f}</td><td>{'yes' if drift.drifted else 'no'}</td></tr>"
        for drift in found
    )
    drift = (
        f"<h2>Against the training data</h2>{distributions(found, columns)}<table><tr><th>column</th><th>test</th>"
        f"<th>p (corrected)</th><th>PSI</th><th>drifted</th></tr>{drift_rows}</table>"
        if found
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
        f"<h1>{html.escape(title)}</h1><p><b>{html.escape(verdict)}</b></p><table>{facts_rows}</table>{drift}</html>"
    )
