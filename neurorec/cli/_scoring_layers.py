"""What ``neurorec score --layers`` does: every area of every model at every timestep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import pandas as pd


def layers_file(out: Path) -> Path:
    """Beside the file of scores."""
    return out.with_name(f"{out.stem}-layers.csv")


@final
@dataclass
class Layers:
    """The layers of models on benchmarks, and the file that holds those that are done.

    Parameters
    ----------
    out
        Table to write after each pair, of which ``key`` tells what it is of; None for no file.
    resume
        Keep what ``out`` has.

    Raises
    ------
    ValueError
        If a model has no timesteps that are known, or ``out`` is no such table.
    """

    models: Sequence[Any]
    benchmarks: Sequence[Any]
    out: Path | None
    resume: bool
    _kept: "dict[str, pd.DataFrame]" = field(init=False)

    def __post_init__(self) -> None:
        from neurorec.brainscore.subjects import with_timesteps

        for model in self.models:
            with_timesteps(model)  # refused before all work
        self._kept = _read(self.out) if self.resume and self.out is not None else {}

    def score(self) -> None:
        """Score what is missing, show what was asked for, and write all."""
        for model, benchmark, key in self._pairs():
            if key not in self._kept:
                self._kept[key] = _scored(model, benchmark, key)
                self._write()
            print(f"areas of {model.name} on {benchmark.identifier}:")
            say_layers(self._kept[key])
        print("the best of these was chosen on these scores: do not quote it")
        if self.out is not None:
            print(self.out)

    def _pairs(self) -> Iterator[tuple[Any, Any, str]]:
        from neurorec.brainscore import fingerprint

        names = [str(model.identifier) for model in self.models]  # digests of all weights
        for benchmark in self.benchmarks:
            for model, name in zip(self.models, names, strict=True):
                yield model, benchmark, fingerprint(name, benchmark)

    def _write(self) -> None:
        import pandas as pd

        from neurorec._checks import atomic_path

        if self.out is None:
            return
        with atomic_path(self.out) as temporary:
            pd.concat(self._kept.values()).to_csv(temporary, index=False)


def _read(path: Path) -> "dict[str, pd.DataFrame]":
    """Rows of each pair, by its key."""
    import pandas as pd

    if not path.exists():
        return {}
    # Rows that are kept are written again to the same bytes, and an area may be called NA. (Stubs
    # of pandas lack the option.)
    exactly: Any = {"float_precision": "round_trip", "keep_default_na": False, "na_values": [""]}
    try:
        table = pd.read_csv(path, **exactly)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table of layers: {error}") from None
    if missing := {"key", "model", "benchmark", "area", "timestep", "score"} - {*table}:
        raise ValueError(
            f"{path} is no table that 'neurorec score --layers' has written: it has no columns "
            f"{sorted(missing)}; name another OUT, or replace it with --force"
        )
    return {str(key): rows for key, rows in table.groupby("key", sort=False)}


def _scored(model: Any, benchmark: Any, key: str) -> "pd.DataFrame":
    from neurorec.brainscore import layer_scores
    from neurorec.cli._progress import of_total
    from neurorec.figures import layer_scores_table

    with of_total(f"layers of {model.name}, {benchmark.identifier}") as progress:
        found = layer_scores(model, benchmark, progress=progress)
    table = layer_scores_table(found)
    table.insert(0, "benchmark", str(benchmark.identifier))
    table.insert(0, "model", found.attrs["model"])
    table["key"] = key
    return table


def say_layers(table: "pd.DataFrame") -> None:
    """Print scores of areas by timesteps; of several time bins of the responses their mean."""
    from rich.console import Console
    from rich.table import Column, Table

    from neurorec.brainscore.score_table import number

    mean = table.groupby(["area", "timestep"])["score"].mean().unstack()
    steps = [f"{step:g}" for step in mean]
    shown = Table("area", *(Column(f"t={step}", justify="right") for step in steps))
    for area in table["area"].unique():
        shown.add_row(str(area), *map(number, mean.loc[area]))
    Console().print(shown)
