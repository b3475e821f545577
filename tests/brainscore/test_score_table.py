"""Scores as a table, a file and text."""

import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.metrics import Score

from neurorec.brainscore import PairScore, ScoreRow, Scores
from neurorec.brainscore.benchmark_facts import BenchmarkFacts
from neurorec.brainscore.score_rows import score_rows
from neurorec.brainscore.score_table import number, text_rows

ROW = ScoreRow(
    region="V4",
    metric="pls",
    time_bin_start=0.0,
    time_bin_end=100.0,
    raw=1 / 3,
    ceiling=0.9,
    score=(1 / 3) ** 2 / 0.9,
    error=None,
    n_stimuli=640,
    n_neuroids=50,
)
PAIR = PairScore(
    key="k1",
    model="fb-0123456789ab",
    benchmark="cowley.V4-pls-575ec7cdec6c",
    given="fb.safetensors",
    rows=(ROW,),
    seconds=1.5,
    versions={"neurorec": "0"},
)
SCORES = Scores(
    pairs=(PAIR, replace(PAIR, key="k2", model="ff-0123456789ab")),
    provenance={"models": {"fb-0123456789ab": {"seed": 0}}, "benchmarks": {}},
)


class TestFile:
    def test_there_and_back(self, tmp_path):
        path = tmp_path / "sub" / "s.json"
        text = SCORES.to_json(path)
        assert Scores.from_json(path) == Scores.from_json(str(path)) == SCORES
        assert Scores.from_json(text) == SCORES
        assert "NaN" not in text

    def test_other_files(self, tmp_path):
        path = tmp_path / "s.json"
        for text, said in [
            ("nothing", "is no JSON"),
            ("[1]", "holds no scores that"),
            ('{"kind": "other"}', "holds no scores that"),
            (SCORES.to_json().replace('"format": 1', '"format": 9'), "has format 9 of scores"),
        ]:
            path.write_text(text)
            with pytest.raises(ValueError, match=said):
                Scores.from_json(path)


class TestTable:
    def test_columns(self):
        table = SCORES.table
        assert table["model"].tolist() == ["fb-0123456789ab", "ff-0123456789ab"]
        assert table["raw"].tolist() == [1 / 3, 1 / 3]
        assert table["error"].isna().all()
        assert table["n_stimuli"].tolist() == [640, 640]

    def test_no_scores(self):
        empty = Scores(pairs=())
        assert len(empty.table) == 0
        assert "model" in str(empty)

    def test_one_score(self):
        assert SCORES.of("fb", "cowley") == ROW.score
        with pytest.raises(ValueError, match="there are 2 scores of '' on 'cowley'"):
            SCORES.of("", "cowley")


class TestText:
    def test_hashes_are_left_out(self):
        assert text_rows(SCORES)[1][:2] == ("fb", "cowley.V4-pls")
        assert str(SCORES).splitlines()[1].split() == [
            *("fb", "cowley.V4-pls", "0–100", "0.333", "0.900", "0.123")
        ]

    def test_unless_they_tell_models_apart(self):
        other = replace(PAIR, key="k3", model="fb-ba9876543210")
        rows = text_rows(Scores(pairs=(PAIR, other)))
        assert [row[0] for row in rows[1:]] == [PAIR.model, other.model]

    def test_numbers(self):
        assert [number(x) for x in (None, -0.0001, 0.12345)] == ["–", "0.000", "0.123"]


class TestRows:
    """Of what benchmarks of Brain-Score return."""

    FACTS = BenchmarkFacts(
        identifier="d.IT-pls",
        region="IT",
        metric="pls",
        time_bins=((0.0, 40.0), (40.0, 100.0)),
        stimuli={},
        n_neuroids=None,
        trials=1,
        visual_degrees=None,
    )

    def test_of_two_dimensions(self):
        """Such as a metric that trains in one bin and tests in the other."""
        values = np.arange(4.0).reshape(2, 2)
        coords = {"train": ["early", "late"]}
        found = score_rows(Score(values, coords=coords, dims=("train", "time_bin")), self.FACTS)
        assert [(r.at, r.time_bin_start, r.score) for r in found] == [
            ("train=early", 0.0, 0.0),
            ("train=early", 40.0, 1.0),
            ("train=late", 0.0, 2.0),
            ("train=late", 40.0, 3.0),
        ]
        assert {r.raw for r in found} == {None}

    def test_one_number_over_time(self):
        """The first row; those of the bins follow."""
        found = Score(0.5)
        per_bin = Score([0.4, 0.6], dims=["time_bin"], coords={})
        per_bin.attrs["ceiling"] = Score([0.8, 0.9], dims=["time_bin"], coords={})
        found.attrs["per_bin"] = per_bin
        rows = score_rows(found, self.FACTS)
        assert [(r.score, r.time_bin_start, r.time_bin_end, r.at) for r in rows] == [
            (0.5, 0.0, 100.0, "all bins"),
            (0.4, 0.0, 40.0, ""),
            (0.6, 40.0, 100.0, ""),
        ]
        assert [r.ceiling for r in rows] == [None, 0.8, 0.9]
        assert Scores(pairs=(replace(PAIR, rows=rows),)).of("fb", "cowley") == 0.5

    def test_what_is_unknown(self):
        found = Score(0.5)
        found.attrs["ceiling"] = xr.DataArray(math.nan)
        (row,) = score_rows(found, self.FACTS)
        assert (row.score, row.ceiling, row.raw, row.error) == (0.5, None, None, None)
        assert (row.at, row.n_neuroids) == ("all bins", None)

    def test_error_of_raw(self):
        found, raw = Score(0.5), Score(0.6)
        raw.attrs["error"] = Score(0.1)
        found.attrs["raw"] = raw
        (row,) = score_rows(found, replace(self.FACTS, time_bins=((70.0, 170.0),)))
        assert (row.raw, row.error, row.time_bin_end) == (0.6, 0.1, 170.0)
