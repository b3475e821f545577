"""Geometry over time as a short table on standard output."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import xarray as xr

#: Rows of the table, beyond which only some are shown.
_MOST_ROWS: Final = 16
_FEWEST: Final = 3  # of each area


def say(results: "xr.Dataset", out: Path) -> None:
    """Print measures over time, what they are of, and the file."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Column, Table

    rows, left_out = rows_of(results)
    console = Console()
    if rows:
        columns = (Column(title, justify="right", overflow="fold") for title in rows[0])
        # Without vertical lines, seven columns fit into the 80 characters of a terminal.
        table = Table(*columns, box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
        for row in rows:
            table.add_row(*row.values())
        console.print(table)
    for line in facts(results, left_out):
        console.print(line, highlight=False, markup=False)
    print(out)


def rows_of(results: "xr.Dataset") -> tuple[list[dict[str, str]], int]:
    """A row for each area and time, a column for each measure; and how many are left out."""
    from neurorec.figures import geometry_panel_table

    cells: list[Any] = geometry_panel_table(results).to_dict("records")
    cells = [cell for cell in cells if not isinstance(cell.get("stimulus_id"), str)]
    areas = list(dict.fromkeys(cell["area"] for cell in cells))
    last = max((cell["time"] for cell in cells), default=0.0)
    rows, left_out = [], 0
    for area in areas:
        own = [cell for cell in cells if cell["area"] == area]
        times = list(dict.fromkeys(cell["time"] for cell in own))
        kept = times[:: -(-len(times) // max(_MOST_ROWS // len(areas), _FEWEST))]
        left_out += len(times) - len(kept)
        unit = "time (ms)" if own[0]["time_unit"] == "ms" else "timestep"
        head = {"area": str(area)} if area else {}
        for time in kept:
            at = [cell for cell in own if cell["time"] == time]
            rows.append(head | {unit: f"{time:g}"} | _numbers(at, last))
    return rows, left_out


def _numbers(cells: list[Any], last: float) -> dict[str, str]:
    """One number for each measure; of a matrix, that with the last time."""
    from neurorec.figures._panel import label_of

    numbers = {}
    for cell in cells:
        measure, _, entry = str(cell["quantity"]).partition(": ")
        label = f"{label_of(measure)}: {entry}" if entry else label_of(measure)
        if math.isnan(cell.get("time_b", math.nan)):
            numbers[label] = _text(cell)
        elif cell["time_b"] == last and measure != "rsa":
            # Of a brain's times, which one to show would be a choice made on the scores.
            numbers[f"{label} with last"] = _text(cell)
    return numbers


def _text(cell: Any) -> str:
    number = cell["value"]
    if math.isnan(number):
        return "–"
    value = f"{number:.2f}" if number % 1 else f"{number:g}"
    low = cell.get("ci_low", math.nan)
    return value if math.isnan(low) else f"{value}\n{low:.2f} to {cell['ci_high']:.2f}"


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
