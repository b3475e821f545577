"""Geometry over time as a short table on standard output."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Rows of the table, beyond which only some are shown.
_MOST_ROWS: Final = 16
_FEWEST: Final = 3  # of each area


def say(results: "xr.Dataset", out: Path) -> None:
    """Print measures over time, what they are of, and the file."""
    from rich.console import Console
    from rich.table import Column, Table

    rows, left_out = rows_of(results)
    console = Console()
    if rows:
        table = Table(*(Column(title, justify="right", overflow="fold") for title in rows[0]))
        for row in rows:
            table.add_row(*row.values())
        console.print(table)
    for line in facts(results, left_out):
        console.print(line, highlight=False, markup=False)
    print(out)


def rows_of(results: "xr.Dataset") -> tuple[list[dict[str, str]], int]:
    """A row for each area and time, a column for each measure; and how many are left out."""
    from neurorec.figures import geometry_panel_table

    table = geometry_panel_table(results)
    table = table[table["stimulus_id"].isna()] if "stimulus_id" in table else table
    if table.empty:
        return [], 0
    last = table["time"].max()
    rows, left_out = [], 0
    areas = list(dict.fromkeys(table["area"]))
    for area in areas:
        own = table[table["area"] == area]
        times = list(dict.fromkeys(own["time"]))
        kept = times[:: -(-len(times) // max(_MOST_ROWS // len(areas), _FEWEST))]
        left_out += len(times) - len(kept)
        unit = str(own["time_unit"].iloc[0]).replace("ms", "time (ms)")
        head = {"area": str(area)} if area else {}
        rows += [head | {unit: f"{t:g}"} | _cells(own[own["time"] == t], last) for t in kept]
    return rows, left_out


def _cells(rows: "pd.DataFrame", last: float) -> dict[str, str]:
    """One number for each measure; of a matrix, that with the last time."""
    from neurorec.figures._panel import label_of

    cells = {}
    for name, own in rows.groupby("quantity", sort=False):
        measure, _, entry = str(name).partition(": ")
        label = f"{label_of(measure)}: {entry}" if entry else label_of(measure)
        if "time_b" in own and own["time_b"].notna().any():
            if measure == "rsa":  # which time of the brain to show would be a choice by the score
                continue
            own = own[own["time_b"] == last]
            label += " with last"
        cells[label] = _text(own.iloc[0])
    return cells


def _text(row: Any) -> str:
    import math

    if math.isnan(row["value"]):
        return "–"
    value = f"{row['value']:.2f}" if row["value"] % 1 else f"{row['value']:g}"
    low = row.get("ci_low", math.nan)
    if math.isnan(low):
        return value
    return f"{value} ({low:.2f}…{row['ci_high']:.2f})"


def facts(results: "xr.Dataset", left_out: int) -> list[str]:
    """What the numbers are of."""
    import numpy as np

    numbers = np.unique(results["n_neuroids"].values)
    units = " to ".join(str(n) for n in numbers[[0, -1]][: len(numbers)])
    lines = [f"{results.attrs['n_stimuli']} stimuli, {units} units"]
    if "rsa" in results:
        attrs = results["rsa"].attrs
        lines.append(
            f"RSA: {attrs['units']} of {results['rsa'].attrs['n_pairs']} pairs; "
            f"{100 * float(attrs['level']):g} % bootstrap over stimuli"
        )
    if left_out:
        lines.append(f"{left_out} rows are left out here; the file has all")
    return lines
