"""Scores as a short table on standard output."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Rows of the table, beyond which only some are shown.
_MOST_ROWS: Final = 16
_QUANTITIES: Final = {
    "noise_corrected": "noise-corrected r",
    "score": "r, not noise-corrected,",
}


def say(scores: "xr.Dataset", out: Path) -> None:
    """Print medians, intervals, ceilings and the control, what they are of, and the file."""
    from rich.console import Console

    from neurorec.figures import encoding_over_time_table

    cells = encoding_over_time_table(scores)
    rows, left_out = _thinned(_rows(cells))
    console = Console()
    console.print(_table(rows))
    if "to" in rows[0]["median"]:
        console.print("medians from the worst to the best timestep", highlight=False)
    quantity = _QUANTITIES[str(cells["quantity"].iloc[0])]
    for line in _facts(scores, quantity, left_out):
        console.print(line, highlight=False, markup=False)
    print(out)


def _rows(cells: "pd.DataFrame") -> list[dict[str, str]]:
    """One row for each time bin, or, where there is one bin, for each model timestep."""
    chosen = bool(cells["chosen_in_training"].notna().any())
    bins = cells.groupby(["time_bin_start", "time_bin_end"], sort=False)
    if len(bins) > 1:
        return [{"time (ms)": _bin(rows)} | _row(rows, chosen) for _, rows in bins]
    steps = cells.groupby("timestep", sort=False)
    return [{"timestep": f"{step:g}"} | _row(rows, chosen) for step, rows in steps]


def _row(rows: "pd.DataFrame", chosen: bool) -> dict[str, str]:
    """Of several timesteps the range, and that which was chosen on training stimuli."""
    column = {name: [float(x) for x in rows[name]] for name in rows if rows[name].dtype == float}
    low, high = min(column["median"]), max(column["median"])
    row = {"median": _text(low) if len(rows) == 1 else _span(low, high)}
    limits = (min(column["ci_low"]), max(column["ci_high"]))
    if chosen:
        row["chosen in training"] = _text(column["chosen_in_training"][0])
        limits = (column["chosen_ci_low"][0], column["chosen_ci_high"][0])
    return row | {
        "interval": _span(*limits),
        "static control": _text(column["static_control"][0]),
        "ceiling": _text(column["ceiling_median"][0]),
    }


def _bin(rows: "pd.DataFrame") -> str:
    start, end = rows[["time_bin_start", "time_bin_end"]].to_numpy()[0]
    return f"{start:g}–{end:g}"


def _thinned(rows: list[Any]) -> tuple[list[Any], int]:
    """Every so many rows where there are too many, and how many were left out."""
    step = -(-len(rows) // _MOST_ROWS)
    kept = rows[::step]
    return kept, len(rows) - len(kept)


def _table(rows: list[dict[str, str]]) -> Any:
    from rich.table import Column, Table

    table = Table(*(Column(title, justify="right", overflow="fold") for title in rows[0]))
    for row in rows:
        table.add_row(*row.values())
    return table


def _facts(scores: "xr.Dataset", quantity: str, left_out: int) -> list[str]:
    attrs = scores.attrs
    facts = [f"median {quantity} over {attrs['n_neuroids']} neurons, {attrs['n_stimuli']} stimuli"]
    if "n_repetitions" in attrs:
        facts.append(f"at most {attrs['n_repetitions']} repetitions")
    if "n_unreliable" in attrs:
        facts.append(f"{attrs['n_unreliable']} neurons unreliable in some bin, kept")
    lines = ["; ".join([*facts, str(attrs["splits"])])]
    level = f"{100 * float(attrs['level']):g} % " if "level" in attrs else ""
    if "ci_low" in scores:
        lines.append(f"intervals: {level}bootstrap over neurons and stimuli")
    if left_out:
        lines.append(f"{left_out} rows are left out here; the file has all")
    return lines


def _span(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{_text(low)} to {_text(high)}"


def _text(value: float) -> str:
    # Adding 0 takes the sign from a 0.
    return "–" if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
