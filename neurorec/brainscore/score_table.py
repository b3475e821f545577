"""Scores of models on benchmarks: a table, a file, and text."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, final

import pandas as pd

from neurorec._checks import atomic_path
from neurorec.brainscore.benchmark_facts import without_hash

#: Changes when files mean something else.
_FORMAT: Final = 1
#: Where a number is of several time bins together.
WHOLE: Final = "all bins"
_KIND: Final = "neurorec.brainscore.Scores"
#: Columns that say nothing where there is none.
_NUMBERS: Final = ("raw", "ceiling", "score", "error", "time_bin_start", "time_bin_end")


@final
@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One number of a benchmark: its score, or that of one time bin.

    Parameters
    ----------
    time_bin_start, time_bin_end
        In ms from stimulus onset; None where the benchmark has no time.
    at
        What else the number is of, where a score has further dimensions.
    raw
        As the metric gives it; None where a benchmark does not tell.
    score
        Over the ceiling, as the benchmark gives it.
    error
        Of ``raw``, as the metric gives it.
    """

    region: str
    metric: str
    time_bin_start: float | None
    time_bin_end: float | None
    raw: float | None
    ceiling: float | None
    score: float | None
    error: float | None
    n_stimuli: int | None
    n_neuroids: int | None
    at: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class PairScore:
    """The score of one model on one benchmark.

    Parameters
    ----------
    key
        Digest of all that determines it; see :func:`neurorec.brainscore.fingerprint`.
    model, benchmark
        Identifiers, which hold content hashes.
    given
        What the model was called by whoever asked for it.
    seconds
        That it took.
    versions
        Of the packages on which the score depends.
    """

    key: str
    model: str
    benchmark: str
    given: str
    rows: tuple[ScoreRow, ...]
    seconds: float
    versions: Mapping[str, str]


@final
@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of models on benchmarks, with where they come from.

    Parameters
    ----------
    provenance
        Of every model and benchmark what determined its part: weights, wiring, seed, regions;
        stimuli, trials, metric. Made of what JSON can hold.
    """

    pairs: tuple[PairScore, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each score, of a benchmark with a time course one for each time bin."""
        columns = ["model", "benchmark", *(one.name for one in fields(ScoreRow))]
        rows = [
            {"model": pair.model, "benchmark": pair.benchmark, **asdict(row)}
            for pair in self.pairs
            for row in pair.rows
        ]
        table = pd.DataFrame({name: [row[name] for row in rows] for name in columns})
        return table.astype(dict.fromkeys(_NUMBERS, float))

    def of(self, model: str, benchmark: str) -> float | None:
        """The ceiled score of a pair, by its identifiers or what they begin with.

        Raises
        ------
        ValueError
            If there is no such score, or several.
        """
        found = [
            pair.rows
            for pair in self.pairs
            if pair.model.startswith(model) and pair.benchmark.startswith(benchmark)
        ]
        whole = [[row for row in rows if row.at == WHOLE] or rows for rows in found]
        rows = [row for several in whole for row in several]
        if len(rows) != 1:
            have = [f"{pair.model} on {pair.benchmark}" for pair in self.pairs]
            raise ValueError(
                f"there are {len(rows)} scores of {model!r} on {benchmark!r}; take one of "
                f"{have} from .table"
            )
        return rows[0].score

    def keys(self) -> frozenset[str]:
        """Keys of the pairs that are done."""
        return frozenset(pair.key for pair in self.pairs)

    def to_json(self, path: str | Path | None = None) -> str:
        """Text of a JSON file, which is also written to ``path``, whole or not at all."""
        content = {
            "kind": _KIND,
            "format": _FORMAT,
            "pairs": [asdict(pair) for pair in self.pairs],
            "provenance": self.provenance,
        }
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        if path is not None:
            with atomic_path(Path(path)) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return text

    @staticmethod
    def from_json(source: str | Path) -> "Scores":
        """Scores of a file, or of the text of one; equal to those that were written.

        Raises
        ------
        ValueError
            If they are not such scores.
        """
        is_text = isinstance(source, str) and source.lstrip().startswith("{")
        where = "the text" if is_text else str(source)
        try:
            text = str(source) if is_text else Path(source).read_text(encoding="utf-8")
            content = json.loads(text)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{where} is no JSON: {error}") from None
        if not isinstance(content, dict) or content.get("kind") != _KIND:
            raise ValueError(f"{where} holds no scores that 'neurorec score' has written")
        if content["format"] != _FORMAT:
            raise ValueError(
                f"{where} has format {content['format']} of scores and this neurorec reads "
                f"{_FORMAT}; score again, into another file"
            )
        pairs = tuple(_pair(one) for one in content["pairs"])
        return Scores(pairs=pairs, provenance=content["provenance"])

    def __str__(self) -> str:
        header, *rows = text_rows(self)
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in
                 (header, *rows)]  # fmt: skip
        return "\n".join(line.rstrip() for line in lines)


#: Of the text of scores: titles of the columns.
TITLES: Final = ("model", "benchmark", "ms", "raw", "ceiling", "score", "± raw")


def text_rows(scores: Scores) -> list[tuple[str, ...]]:
    """Titles and rows of a table of text, without columns in which no row has anything.

    Content hashes are left out where names tell models and benchmarks apart without them.
    """
    models = _short({pair.model for pair in scores.pairs})
    benchmarks = _short({pair.benchmark for pair in scores.pairs})
    rows = [
        (models[pair.model], benchmarks[pair.benchmark], *_text_row(row))
        for pair in scores.pairs
        for row in pair.rows
    ]
    kept = [i for i in range(len(TITLES)) if not rows or any(row[i] != "–" for row in rows)]
    return [tuple(row[i] for i in kept) for row in (TITLES, *rows)]


def _short(identifiers: Collection[str]) -> dict[str, str]:
    short = {identifier: without_hash(identifier) for identifier in identifiers}
    unique = len(set(short.values())) == len(short)
    return short if unique else {identifier: identifier for identifier in identifiers}


def _text_row(row: ScoreRow) -> tuple[str, ...]:
    return (_time(row), *map(number, (row.raw, row.ceiling, row.score, row.error)))


def _time(row: ScoreRow) -> str:
    known = row.time_bin_start is not None and row.time_bin_end is not None
    time = f"{row.time_bin_start:g}–{row.time_bin_end:g}" if known else ""
    return f"{time} {row.at}".strip() or "–"


def number(value: float | None) -> str:
    """Three decimals; a dash for what is unknown."""
    # Adding 0 takes the sign from a 0.
    return "–" if value is None else f"{round(value, 3) + 0.0:.3f}"


def _pair(content: Mapping[str, Any]) -> PairScore:
    rows = tuple(ScoreRow(**row) for row in content["rows"])
    return PairScore(**{**content, "rows": rows})
