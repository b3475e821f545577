"""Regions committed on training stimuli: the areas that are known to be right, and no leak."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.benchmarks import BenchmarkBase
from brainscore_core.metrics import Score

from neurorec import datasets
from neurorec.brainscore import (
    NeurorecBrainModel,
    Timeline,
    benchmark,
    export,
    fit_regions,
    held_out,
    metric,
    open_plugin,
    read_regions,
)
from neurorec.brainscore import subject as make_subject
from neurorec.brainscore.chosen_regions import ChosenRegions
from neurorec.brainscore.region_file import read_training_stimuli
from neurorec.brainscore.training_stimuli import check_unseen
from neurorec.models import build

from .simulated import N_STIMULI, TIMESTEPS, activity, images, network, readout, recorded

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)

RIDGE = metric("ridge", n_splits=6, train_size=0.7, stratification_coord=None)


@pytest.fixture(scope="module")
def stimuli():
    return images()


@pytest.fixture(scope="module")
def seen(stimuli, tmp_path_factory):
    return activity(stimuli, tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def data(stimuli, seen):
    """V4 reads a1 at timestep 1; IT reads a1 and a3 at timestep 1; the bin is that timestep."""
    rng = np.random.default_rng(0)
    v4 = readout(seen["a1"][:, :, 1], rng)
    it = readout(seen["a1"][:, :, 1], rng) + 1.5 * readout(seen["a3"][:, :, 1], rng)
    responses = np.concatenate([v4, it], axis=1)[:, :, None]
    return recorded(stimuli, responses, regions=["V4"] * 6 + ["IT"] * 6)


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    kept = subject()

    def answer(data, *, made=kept, **options):
        return fit_regions(made, data, **{"metric": RIDGE, "folder": folder, **options})

    return answer


@pytest.fixture(scope="module")
def fitted(fit, data):
    return fit(data, max_areas=3)


def subject(**settings):
    """A model whose timestep 1 is the time bin of the data."""
    settings = {"dt_ms": 20, "onset_ms": 50, "device": "cpu", **settings}
    return NeurorecBrainModel(network(), {"V1": "a1"}, **settings)


def test_the_true_area_of_each_region(data, fit):
    fitted = fit(data)
    assert fitted.regions == {"IT": ["a3"], "V4": ["a1"]}
    assert fitted.scores["score"].dims == ("region", "n_areas", "area")
    chosen = fitted.scores["chosen"].sel(region="V4", n_areas=1)
    assert chosen["area"].values[chosen.values].tolist() == ["a1"]


def test_areas_join_as_long_as_they_help(fitted):
    assert fitted.regions == {"V4": ["a1"], "IT": ["a3", "a1"]}
    scores = fitted.scores["score"].sel(region="IT")
    one, two = (float(scores.sel(n_areas=n).max()) for n in (1, 2))
    assert two > one
    # A third was tried for IT and not taken, nor was a second for V4.
    assert np.isfinite(scores).sum("area").values.tolist() == [3, 2, 1]
    tried = np.isfinite(fitted.scores["score"].sel(region="V4")).sum("area").values.tolist()
    assert tried == [3, 2, 0]
    assert fitted.scores["chosen"].sum(["n_areas", "area"]).values.tolist() == [2, 1]


def test_the_score_of_areas_together_is_that_of_a_region_of_both(data, fitted, tmp_path):
    """As Brain-Score's metric gives it, of the same training stimuli."""
    names = list(fitted.training_stimuli)
    shown = [i for i, name in enumerate(data.stimuli.stimulus_ids) if name in names]
    part = replace(
        data, stimuli=data.stimuli.select(shown), assembly=data.assembly.isel(presentation=shown)
    )
    call = benchmark(part, region="IT", metric=RIDGE, ceiling=1.0, folder=tmp_path)
    settings = {"dt_ms": 20, "onset_ms": 50, "device": "cpu"}
    committed = NeurorecBrainModel(network(), {"IT": fitted.regions["IT"]}, **settings)
    raw = call(committed).attrs["raw"]
    found = fitted.scores.sel(region="IT", n_areas=2).isel(area=fitted_last(fitted))
    assert float(found["score"]) == pytest.approx(float(raw), abs=1e-9)
    assert float(found["error"]) == pytest.approx(float(raw.attrs["error"]), abs=1e-9)


def fitted_last(fitted):
    return list(fitted.scores["area"].values).index(fitted.regions["IT"][-1])


def test_time_bins_without_timesteps_do_not_count(stimuli, seen, fit):
    rng = np.random.default_rng(3)
    true, other = (readout(seen[area][:, :, 1], rng) for area in ("a2", "a1"))
    # The second bin is after the model's last timestep; what is in it speaks for another area.
    both = recorded(stimuli, np.stack([true, other], axis=2), starts=(70.0, 190.0))
    alone = recorded(stimuli, true[:, :, None])
    fitted, expected = fit(both), fit(alone)
    assert fitted.regions == {"IT": ["a2"]}
    np.testing.assert_allclose(fitted.scores["score"], expected.scores["score"], atol=1e-12)
    with pytest.raises(ValueError, match="has no timestep in the time bins"):
        fit(alone, made=subject(onset_ms=500))


class TestLeakage:
    def test_what_is_held_out_changes_nothing(self, data, fit, fitted):
        assert len(fitted.training_stimuli) == N_STIMULI // 2
        unseen = ~np.isin(data.assembly["stimulus_id"].values, list(fitted.training_stimuli))
        values = data.assembly.values.copy()
        values[unseen] = 1e6 * np.random.default_rng(0).normal(size=values[unseen].shape)
        other = fit(replace(data, assembly=data.assembly.copy(data=values)))
        first = fitted.scores["score"].sel(n_areas=[1])
        np.testing.assert_array_equal(other.scores["score"], first)

    def test_the_model_sees_training_stimuli_alone(self, data, fit):
        shown = []
        fit(data, made=subject(progress=shown.append), areas=["a1", "a2"], regions="V4")
        assert sum(shown) == N_STIMULI // 2

    def test_a_benchmark_of_the_others(self, data, fitted, tmp_path):
        left = held_out(data, fitted)
        assert set(left.stimuli.stimulus_ids).isdisjoint(fitted.training_stimuli)
        assert len(left.stimuli) == N_STIMULI // 2
        call = benchmark(left, region="V4", metric=RIDGE, ceiling=1.0, folder=tmp_path)
        assert set(call._assembly["stimulus_id"].values) == set(left.stimuli.stimulus_ids)
        model = NeurorecBrainModel(network(), fitted.regions, dt_ms=20, onset_ms=50, device="cpu")
        # Of the largest r² that noise allows, 1 / 1.11.
        assert float(call(model)) > 0.6

    def test_benchmarks_that_are_scored_whole(self, data, fitted, tmp_path):
        """Of Brain-Score's own nothing can be left out."""
        options = {"region": "V4", "metric": RIDGE, "ceiling": 1.0, "folder": tmp_path}
        check_unseen(benchmark(held_out(data, fitted), **options), fitted.training_stimuli)
        message = f"chosen on {N_STIMULI // 2} of the {N_STIMULI} stimuli of simulated.V4-"
        with pytest.raises(ValueError, match=message):
            check_unseen(benchmark(data, **options), fitted.training_stimuli)

    def test_a_benchmark_that_does_not_say_what_it_shows(self, fitted):
        silent = BenchmarkBase(identifier="silent", ceiling=Score(1.0), version=1, parent="V4")
        with pytest.raises(ValueError, match="silent does not say which stimuli it shows"):
            check_unseen(silent, fitted.training_stimuli)

    def test_what_is_left_has_a_name(self, data, fitted):
        assert held_out(data, fitted).identifier == "simulated-held-out"
        darker = replace(data.stimuli, pixels=data.stimuli.pixels // 2)
        other = replace(data, stimuli=darker)
        assert held_out(other, fitted) is other

    def test_the_same_picture_under_another_name(self, data, fitted, stimuli):
        renamed = stimuli.table.assign(stimulus_id=[f"t{i}" for i in range(N_STIMULI)])
        names = ("presentation", renamed["stimulus_id"].to_numpy(dtype=str))
        other = replace(
            data,
            stimuli=replace(stimuli, table=renamed),
            assembly=data.assembly.assign_coords(stimulus_id=names),
        )
        left = held_out(other, fitted)
        expected = [s.replace("s", "t") for s in held_out(data, fitted).stimuli.stimulus_ids]
        assert left.stimuli.stimulus_ids == expected

    def test_nothing_is_left(self, data, fit):
        fitted = fit(data, train_fraction=1, areas="a1", regions="V4")
        assert len(fitted.training_stimuli) == N_STIMULI
        with pytest.raises(ValueError, match="all 48 stimuli of simulated were used to choose"):
            held_out(data, fitted)

    @pytest.mark.slow
    def test_the_draw_follows_from_its_seed(self, data, fit):
        drawn = [fit(data, seed=seed, areas="a1", regions="V4") for seed in (0, 0, 1)]
        same, again, other = (set(fitted.training_stimuli) for fitted in drawn)
        assert same == again != other


def _timed(line):
    return f'{{"regions": {{"V4": "a1"}}, "provenance": {{"timeline": {line}}}}}'


def said(steps, dt_ms, onset_ms):
    return f"{steps} timesteps of {dt_ms} ms from {onset_ms} ms"


class TestTime:
    """Regions are read at the time at which they were chosen."""

    @pytest.fixture(params=["fit", "file"])
    def chosen(self, request, fitted, tmp_path):
        if request.param == "fit":
            return fitted.regions
        return read_regions(fitted.to_json(tmp_path / "regions.json"))

    @pytest.mark.parametrize("make", [make_subject, NeurorecBrainModel], ids=["subject", "class"])
    def test_that_of_the_choice(self, chosen, make):
        made = make(network(), chosen)
        assert made.timeline == subject().timeline != make(network(), dict(chosen)).timeline
        assert made.timeline == Timeline(dt_ms=20, onset_ms=50, n_timesteps=TIMESTEPS)
        assert make(network(), chosen, dt_ms=20, onset_ms=50).timeline == made.timeline

    @pytest.mark.parametrize("make", [make_subject, NeurorecBrainModel], ids=["subject", "class"])
    @pytest.mark.parametrize(
        ("asked", "then"),
        [
            ({"dt_ms": 10}, (TIMESTEPS, 10, 50)),
            ({"onset_ms": 0}, (TIMESTEPS, 20, 0)),
            ({"timesteps": 2}, (2, 20, 50)),
        ],
        ids=["dt", "onset", "timesteps"],
    )
    def test_another_is_said(self, fitted, make, asked, then):
        chosen = fitted.regions
        were, are = re.escape(said(TIMESTEPS, 20, 50)), re.escape(said(*then))
        message = f"^the regions.* were chosen at {were}, and are read at {are} as asked"
        with pytest.warns(UserWarning, match=message) as warned:
            made = make(network(), chosen, **asked)
        assert len(warned) == 1
        assert (made.timeline.n_timesteps, made.timeline.dt_ms, made.timeline.onset_ms) == then

    def test_an_exported_model_has_it(self, chosen, tmp_path):
        wiring = build("greco2025-fb", input_size=8)
        renamed = ChosenRegions(areas={"V4": ["a1"]}, timeline=chosen.timeline)
        opened = open_plugin(export(wiring, "timed", tmp_path / "plugin", renamed))
        assert opened.timeline == subject().timeline

    def test_a_score_is_that_of_the_choice(self, data, chosen, tmp_path):
        """The time bin is timestep 1 then; in the model's own time it has no timestep at all."""
        call = benchmark(data, region="V4", metric=RIDGE, ceiling=1.0, folder=tmp_path)
        expected = NeurorecBrainModel(network(), dict(chosen), dt_ms=20, onset_ms=50, device="cpu")
        assert float(call(make_subject(network(), chosen, device="cpu"))) == float(call(expected))
        with pytest.raises(ValueError, match="has no timestep in the time bins"):
            call(make_subject(network(), dict(chosen), device="cpu"))


class TestFiles:
    def test_there_and_back(self, data, fitted, tmp_path):
        path = fitted.to_json(tmp_path / "regions.json")
        assert read_regions(path) == fitted.regions
        assert read_training_stimuli(path) == fitted.training_stimuli
        assert held_out(data, path).stimuli.stimulus_ids == (
            held_out(data, fitted).stimuli.stimulus_ids
        )
        content = json.loads(path.read_text())
        assert content["provenance"]["seed"] == 0
        assert content["provenance"]["data"] == "simulated"
        assert content["provenance"]["model"] == subject().identifier
        assert content["provenance"]["metric"] == "FixedRidge(penalty=1.0), 6 splits"
        rows = content["scores"]
        assert len(rows) == 3 + 2 + 1 + 3 + 2
        best = max((r for r in rows if r["n_areas"] == 1 and r["region"] == "V4"), key=_score)
        assert (best["area"], best["chosen"]) == ("a1", True)
        NeurorecBrainModel(network(), read_regions(path))

    def test_a_file_by_hand(self, tmp_path):
        path = tmp_path / "r.json"
        path.write_text('{"V4": "V4", "IT": ["PIT", "AIT"]}')
        assert read_regions(path) == {"V4": ["V4"], "IT": ["PIT", "AIT"]}
        assert read_regions(path).timeline is None
        with pytest.raises(ValueError, match="does not say on which stimuli its regions were"):
            read_training_stimuli(path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("V4: V4", "is no JSON file of regions"),
            ("[1]", re.escape('must hold regions such as {"V4": "V4"')),
            ("{}", "must hold regions such as"),
            ('{"V4": 3}', "region 'V4' must be one area or a list of them, got 3"),
            ('{"V4": []}', r"region 'V4' must be one area or a list of them, got \[\]"),
            ('{"format": 2, "regions": {}}', "has format 2 and this neurorec reads 1"),
            ('{"format": 1, "regions": {}}', "must hold regions such as"),
            (_timed('{"dt_ms": 20, "onset_ms": 0}'), "must say when timesteps were as"),
            (_timed('{"dt_ms": "x", "onset_ms": 0, "timesteps": 2}'), 'must say .*"x"'),
            (_timed('{"dt_ms": 20, "onset_ms": 0, "timesteps": 2.5}'), "must say when .* 2.5"),
            (_timed('{"dt_ms": 0, "onset_ms": 0, "timesteps": 2}'), "must say when timesteps"),
            (_timed("20"), "must say when timesteps were .*, got 20"),
        ],
        ids=[
            "text",
            "list",
            "empty",
            "number",
            "no area",
            "format",
            "no region",
            "no timesteps",
            "no number",
            "no whole number",
            "no time",
            "no table",
        ],
    )
    def test_no_such_file(self, tmp_path, text, message):
        path = tmp_path / "r.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_regions(path)


def _score(row):
    return row["score"]


def test_wrong_inputs(data, fit):
    with pytest.raises(ValueError, match="areas name 'V4', which is no area"):
        fit(data, areas="V4")
    with pytest.raises(ValueError, match=r"regions must be one of \['IT', 'V4'\], got 'V2'"):
        fit(data, regions="V2")
    with pytest.raises(ValueError, match="metric must be one of"):
        fit(data, metric="rdm")
    with pytest.raises(ValueError, match="max_areas must be at least 1, got 0"):
        fit(data, max_areas=0)
    for fraction in (0, 1.5):
        with pytest.raises(ValueError, match="train_fraction must be above 0 and at most 1"):
            fit(data, train_fraction=fraction)
    with pytest.raises(ValueError, match="of the 48 stimuli of simulated are 10, and a choice of"):
        fit(data, train_fraction=0.2)
    with pytest.raises(ValueError, match="seed must be 0 or more, got -1"):
        fit(data, seed=-1)
    with pytest.raises(ValueError, match="for a data set that is loaded already"):
        fit(data, session="a")
    with pytest.raises(ValueError, match="has no stimuli that a model could be shown"):
        fit(replace(data, stimuli=None))
    with pytest.raises(ValueError, match="has no responses, by which areas could be chosen"):
        fit(replace(data, assembly=None))
    with pytest.raises(
        ValueError, match="are known of a RecurrentModel or a NeurorecBrainModel, got int"
    ):
        fit_regions(3, data, metric=RIDGE)


def test_areas_that_predict_nothing(data, fit, stimuli):
    """All pictures are the same, so that activity does not vary."""
    grey = replace(stimuli, pixels=np.zeros_like(stimuli.pixels))
    with pytest.raises(ValueError, match=r"no area of \['a1', 'a2', 'a3'\] predicts region 'V4'"):
        fit(replace(data, stimuli=grey), regions="V4")


@pytest.mark.slow
def test_another_session(shared_data, tmp_path, monkeypatch):
    """Chosen on means of session 190923, scored on all images of another."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    network = build("greco2025-ff", input_size=16, timesteps=4)
    options = {"dt_ms": 25, "device": "cpu"}
    fitted = fit_regions(
        NeurorecBrainModel(network, {"V4": "a1"}, **options),
        "cowley-2023",
        session="190923",
        train_fraction=0.1,
        metric="ridge",
        visual_degrees=8,
        folder=tmp_path,
    )
    assert len(fitted.training_stimuli) == 120
    left = held_out("cowley-2023", fitted, session="210325")
    assert len(left.stimuli) == len(datasets.load("cowley-2023", session="210325").stimuli)
    call = benchmark(left, metric="ridge", visual_degrees=8, folder=tmp_path)
    assert float(call(NeurorecBrainModel(network, fitted.regions, **options))) > 0.01
