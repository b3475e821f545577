"""What ``neurorec score`` does: open, forecast, score, and show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import typer

from neurorec.cli._subjects import SubjectOptions, make_subject

if TYPE_CHECKING:
    import xarray as xr

    from neurorec.brainscore import Scores


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command was asked for; ``local`` are settings of benchmarks of local data."""

    model: str
    benchmarks: tuple[str, ...]
    how: SubjectOptions
    local: Mapping[str, Any]
    out: Path | None
    resume: bool
    controls: bool
    layers: bool
    force: bool


@final
@dataclass
class _Bar:
    """One bar over scores, which also counts the images of the pass under way."""

    update: Any = field(default=lambda done, note: None)
    done: int = 0
    pair: str = ""
    n_shown: int = 0

    def shown(self, n_presentations: int) -> None:
        self.n_shown += n_presentations
        self.update(self.done, f"{self.pair}, {self.n_shown} shown")

    def pairs(self, done: int, total: int, pair: str) -> None:
        self.done, self.pair, self.n_shown = done, pair, 0
        self.update(done, pair)


def run(asked: Asked) -> None:
    """Score, and print the table."""
    from neurorec.brainscore import Scores
    from neurorec.cli._files import refuse
    from neurorec.cli._progress import stage

    if asked.out is not None and not asked.resume:
        refuse([asked.out], asked.force)
    elif asked.out is not None and asked.out.exists():
        Scores.from_json(asked.out)  # what is no such file is refused before all work
    bar = _Bar()
    benchmarks = _opened(asked)
    models = _models(asked, bar)
    _say_training(asked, benchmarks)
    _say_forecast(asked, models, benchmarks)
    if asked.out is not None and not asked.resume:
        asked.out.unlink(missing_ok=True)  # --force, since it was refused otherwise
    with stage("scores", total=len(models) * len(benchmarks)) as update:
        bar.update = update
        found = _scored(asked, models, benchmarks, bar)
    say(found)
    if asked.layers:
        _layers(asked, models[0], benchmarks)
    if asked.out is not None:
        print(asked.out)


def _opened(asked: Asked) -> "list[Any]":
    from neurorec.brainscore import open_benchmark

    local = {**asked.local, "usual_degrees": asked.how.visual_degrees}
    return [open_benchmark(name, **local) for name in dict.fromkeys(asked.benchmarks)]


def _models(asked: Asked, bar: _Bar) -> list[Any]:
    from neurorec.brainscore import controls

    model = make_subject(asked.model, asked.how, progress=bar.shown)
    further = controls(model, seed=asked.how.seed) if asked.controls else ()
    return [model, *further]


def _say_training(asked: Asked, benchmarks: "Sequence[Any]") -> None:
    """Say whether regions were chosen on stimuli that are scored."""
    from neurorec.brainscore import facts_of
    from neurorec.brainscore.region_file import read_training_stimuli, says_training_stimuli
    from neurorec.brainscore.training_stimuli import n_in_training

    path = asked.how.region_map
    if path is None or not says_training_stimuli(path):
        return
    training = read_training_stimuli(path)
    sets = {key: one for b in benchmarks for key, one in facts_of(b).stimuli.items()}
    for name, shown in sets.items():
        if n := n_in_training(shown, training):
            typer.echo(
                f"the regions of {path} were chosen on {n} of the {len(shown)} stimuli of {name}: "
                "scores on these are too high to be quoted; score another session, or those that "
                "neurorec.brainscore.held_out leaves",
                err=True,
            )


def _say_forecast(asked: Asked, models: Sequence[Any], benchmarks: "Sequence[Any]") -> None:
    from neurorec.brainscore import forecast

    found = forecast(models, benchmarks, folder=asked.how.cache_dir)
    typer.echo(found, err=True)
    if not asked.force:
        found.check()


def _scored(asked: Asked, models: list[Any], benchmarks: "list[Any]", bar: _Bar) -> "Scores":
    from neurorec.brainscore import score

    # The forecast has been made, and seen.
    return score(
        models, benchmarks, out=asked.out, resume=asked.resume, force=True, progress=bar.pairs
    )


def say(scores: "Scores") -> None:
    """Print the table of scores."""
    from rich.console import Console
    from rich.table import Column, Table

    from neurorec.brainscore.score_table import text_rows

    titles, *rows = text_rows(scores)
    words = ("model", "benchmark")
    columns = (
        Column(t, justify="left" if t in words else "right", overflow="fold") for t in titles
    )
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table, markup=False)
    console.print("score: as the benchmark ceils raw; ± raw: error over splits", highlight=False)
    for metric, ceiling in _ceilings(scores):
        console.print(f"ceiling of {metric}: {ceiling}", highlight=False, markup=False)


def _ceilings(scores: "Scores") -> list[tuple[str, str]]:
    """What scores are divided by under each metric, where it is known."""
    facts = scores.provenance["benchmarks"]
    of = (facts[pair.benchmark] for pair in scores.pairs)
    named = ((one["metric"], one.get("ceiling")) for one in of)  # absent from older files
    return list(dict.fromkeys((metric, ceiling) for metric, ceiling in named if ceiling))


def _layers(asked: Asked, model: Any, benchmarks: "Sequence[Any]") -> None:
    """Show every area at every timestep; with OUT, also as a table beside it."""
    import pandas as pd

    from neurorec._checks import atomic_path
    from neurorec.brainscore import layer_scores
    from neurorec.cli._progress import of_total
    from neurorec.figures import layer_scores_table

    tables = []
    for benchmark in benchmarks:
        name = str(benchmark.identifier)
        with of_total(f"layers, {name}") as progress:
            found = layer_scores(model, benchmark, progress=progress)
        say_layers(found, name)
        table = layer_scores_table(found)
        table.insert(0, "benchmark", name)
        table.insert(0, "model", found.attrs["model"])
        tables.append(table)
    if asked.out is not None:
        path = asked.out.with_name(f"{asked.out.stem}-layers.csv")
        with atomic_path(path) as temporary:
            pd.concat(tables).to_csv(temporary, index=False)
        print(path)


def say_layers(scores: "xr.Dataset", title: str) -> None:
    """Print scores of areas by timesteps; of several time bins of the responses their mean."""
    from rich.console import Console
    from rich.table import Column, Table

    from neurorec.brainscore.score_table import number

    mean = scores["score"]
    if "time_bin" in mean.dims:
        mean = mean.mean("time_bin")
    steps = [f"{step:g}" for step in mean["timestep"].values]
    table = Table("area", *(Column(f"t={step}", justify="right") for step in steps), title=title)
    for area in mean["area"].values:
        values = mean.sel(area=area).transpose("timestep").values
        table.add_row(str(area), *(number(float(value)) for value in values))
    console = Console()
    console.print(table)
    console.print("the best of these was chosen on these scores: do not quote it", highlight=False)


def say_benchmarks() -> None:
    """Print what can be scored."""
    from neurorec.brainscore import brainscore_identifiers, local_benchmarks

    local: dict[str, list[str]] = {}
    for name in local_benchmarks():
        data, _, metric = name.partition(":")
        local.setdefault(data, []).append(metric)
    typer.echo("on local data, with no network:")
    for data, metrics in local.items():
        typer.echo(f"  {data}:{{{','.join(metrics)}}}")
    if not local:
        typer.echo("  none; 'neurorec data fetch cowley-2023' downloads one")
    every = brainscore_identifiers()
    public = [name for name in every if "public" in name]
    typer.echo("of Brain-Score, public data, downloaded on first use:")
    for name in public:
        typer.echo(f"  {name}")
    typer.echo(f"{len(every) - len(public)} further identifiers of Brain-Score, some private")
