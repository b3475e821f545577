"""Scores of areas and timesteps against Brain-Score's own call of the benchmark."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurorec import datasets

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.metrics import Metric, Score
from brainscore_vision import load_metric
from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark
from brainscore_vision.metrics.cka.metric import CKA

from neurorec.brainscore import (
    NeurorecBrainModel,
    SampleSpaceMetric,
    benchmark,
    layer_scores,
    metric,
)
from neurorec.brainscore.area_products import products_over_time
from neurorec.encoding import PLS
from neurorec.models import build

from . import simulated
from .simulated import BIN, TIMESTEPS, activity, images, network, readout, recorded

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision",
    "ignore:Maximum number of iterations reached",
)

#: Brain-Score's own, with few splits. PLS is theirs in the limit of its power iterations.
SPLITS = {"splits": 3, "stratification_coord": None}


def ours(name):
    options = {"n_splits": 3, "stratification_coord": None}
    # 25 components are more than the areas have units.
    return SampleSpaceMetric(PLS(3), **options) if name == "pls" else metric(name, **options)


def theirs(name):
    found = load_metric(name, crossvalidation_kwargs=SPLITS)
    if name == "pls":
        found.regression._regression.set_params(n_components=3, tol=1e-20, max_iter=10**5)
    return found


class InFloat64(CKA):
    """Theirs multiplies activity in its own precision, here float32."""

    def __call__(self, assembly1, assembly2):
        return super().__call__(assembly1.astype(np.float64), assembly2)


@pytest.fixture(scope="module")
def stimuli():
    return images()


@pytest.fixture(scope="module")
def seen(stimuli, tmp_path_factory):
    return activity(stimuli, tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def one_bin(stimuli, seen):
    """Neurons that read area a2 at timestep 1."""
    rng = np.random.default_rng(1)
    return recorded(stimuli, readout(seen["a2"][:, :, 1], rng)[:, :, None])


@pytest.fixture(scope="module")
def two_bins(stimuli, seen):
    """Neurons that read a1 at timestep 0 at first, and a3 at timestep 2 then."""
    rng = np.random.default_rng(2)
    parts = [readout(seen[area][:, :, t], rng) for area, t in (("a1", 0), ("a3", 2))]
    return recorded(stimuli, np.stack(parts, axis=2), starts=(70.0, 90.0))


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")

    def made(data, **options):
        return benchmark(data, **{"ceiling": 0.8, "folder": folder, **options})

    return made


@pytest.fixture(scope="module")
def asked(one_bin, call):
    return call(one_bin, metric=ours("ridge"))


@pytest.fixture(scope="module")
def made():
    """A model that keeps what it has seen."""
    return subject()


@pytest.fixture(scope="module")
def scores(made, asked):
    return layer_scores(made, asked)


def committed(area, timestep, *, model=None, bin_ms=BIN, **settings):
    """A model of which the region is ``area`` and whose ``timestep`` is the benchmark's bin."""
    start, end = bin_ms
    dt_ms = end - start
    return NeurorecBrainModel(
        model or network(),
        {"IT": area},
        dt_ms=dt_ms,
        onset_ms=start - timestep * dt_ms,
        timesteps=timestep + 1,
        device="cpu",
        **settings,
    )


def subject(model=None, **settings):
    return NeurorecBrainModel(model or network(), {"IT": "a3"}, device="cpu", **settings)


def test_the_true_cell_is_the_best(scores):
    assert scores["score"].dims == ("area", "timestep")
    best = scores["score"].where(scores["score"] == scores["score"].max(), drop=True)
    assert (best["area"].item(), best["timestep"].item()) == ("a2", 1)


def test_what_is_simulated_says_so(made, one_bin, call, scores):
    assert "simulated" not in scores.attrs
    data = replace(one_bin, assembly=one_bin.assembly.assign_attrs(simulated=1))
    marked = layer_scores(made, call(data, metric=ours("ridge")), areas=["a1"], timesteps=[0])
    assert marked.attrs["simulated"] == 1


def test_each_time_bin_has_a_best_of_its_own(made, two_bins, call):
    scores = layer_scores(made, call(two_bins, metric=ours("ridge")))
    assert scores["score"].dims == ("area", "timestep", "time_bin")
    for number, expected in enumerate((("a1", 0), ("a3", 2))):
        one = scores["score"].isel(time_bin=number)
        at = np.unravel_index(one.argmax(), one.shape)
        assert (one["area"].values[at[0]], one["timestep"].values[at[1]]) == expected
    assert scores["time_bin_start"].values.tolist() == [70, 90]
    assert scores["time_bin_end"].values.tolist() == [90, 110]


@pytest.mark.parametrize(
    "name", ["ridge", "rdm", *(pytest.param(n, marks=pytest.mark.slow) for n in ("pls", "cka"))]
)
def test_the_score_of_a_committed_model(made, one_bin, call, name):
    """Of ours to rounding, of theirs to that of a Gram matrix in float64."""
    similarity = {"rdm": "rdm", "cka": InFloat64()}
    other = {"rdm": "rdm", "cka": "cka"}
    asked = call(one_bin, metric=similarity.get(name) or ours(name))
    call_ours = call(one_bin, metric=other.get(name) or ours(name))
    scores = layer_scores(made, call_ours, areas=["a3", "a2"])
    for area, timestep in (("a2", 1), ("a3", 2)):
        expected = asked(committed(area, timestep))
        cell = scores.sel(area=area, timestep=timestep)
        assert float(cell["score"]) == pytest.approx(float(expected), abs=1e-9)
        assert float(cell["raw"]) == pytest.approx(float(expected.attrs["raw"]), abs=1e-9)
        assert float(cell["ceiling"]) == 0.8
        error = expected.attrs.get("error", np.nan)
        assert float(cell["error"]) == pytest.approx(float(error), abs=1e-9, nan_ok=True)


@pytest.mark.slow
def test_several_time_bins_are_those_of_benchmarks_of_one(made, two_bins, call):
    scores = layer_scores(made, call(two_bins, metric=ours("pls")), areas=["a1", "a3"])
    for number, bin_ms in enumerate(((70, 90), (90, 110))):
        alone = replace(two_bins, assembly=two_bins.assembly.isel(time_bin=[number]))
        expected = call(alone, metric=ours("pls"))(committed("a3", 2, bin_ms=bin_ms))
        cell = scores.sel(area="a3", timestep=2).isel(time_bin=number)
        assert float(cell["score"]) == pytest.approx(float(expected), abs=1e-9)
        assert float(cell["error"]) == pytest.approx(float(expected.attrs["error"]), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ridge", "pls"])
def test_their_regressions_in_sample_space(one_bin, call, name):
    """Their own call, on their splits.

    Ridge is theirs up to its float32; PLS up to 1e-10 over the gap of the leading eigenvalues.
    """
    asked = call(one_bin, metric=theirs(name))
    scores = layer_scores(subject(), asked, areas=["a1", "a3"], timesteps=[0, 2])
    assert "in sample space" in scores.attrs["metric"]
    for area in ("a1", "a3"):
        expected = asked(committed(area, 2))
        found = scores.sel(area=area, timestep=2)
        assert float(found["raw"]) == pytest.approx(float(expected.attrs["raw"]), abs=1e-5)
        assert float(found["score"]) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.slow
def test_noise_and_trials(one_bin, call):
    """Noise of two trials, averaged, is the same as in the benchmark's own call."""
    asked = call(one_bin, metric=ours("ridge"), number_of_trials=2)
    noisy = build("greco2025-fb-dropout", input_size=8, timesteps=TIMESTEPS)
    options = {"areas": "a2", "timesteps": [1]}
    scores = layer_scores(subject(noisy, seed=3), asked, **options)
    expected = asked(committed("a2", 1, model=noisy, seed=3))
    quiet = layer_scores(subject(noisy, noise=False), asked, **options)
    assert float(scores["score"]) == pytest.approx(float(expected), abs=1e-9)
    assert float(quiet["score"]) != pytest.approx(float(expected), abs=1e-6)


@pytest.mark.slow
def test_stimuli_in_another_order(one_bin, call):
    """Responses and the stimulus set are matched by name."""
    turned = one_bin.assembly.isel(presentation=slice(None, None, -1))
    shuffled = replace(one_bin, assembly=turned)
    asked = call(shuffled, metric=ours("ridge"))
    found = layer_scores(subject(), asked, areas="a2", timesteps=[1])
    assert float(found["score"]) == pytest.approx(float(asked(committed("a2", 1))), abs=1e-9)


def test_one_pass(asked):
    """Every stimulus is run once, for all areas and timesteps; then no more."""
    shown, done = [], []
    made = subject(progress=shown.append)
    layer_scores(made, asked, progress=lambda *at: done.append(at))
    assert sum(shown) == simulated.N_STIMULI
    assert done == [(n + 1, 9) for n in range(9)]
    stimuli = asked._assembly.stimulus_set
    bins = list(zip(range(0, 30, 10), range(10, 40, 10), strict=True))
    made.activity(stimuli, ("a1", "a2", "a3"), bins)
    assert sum(shown) == simulated.N_STIMULI


class FirstUnit(Metric):
    """Correlation of the first unit with the first neuron, which needs the units."""

    def __call__(self, source, target):
        source = source.sortby("stimulus_id").values.reshape(len(source), -1)
        target = target.sortby("stimulus_id").values.reshape(len(target), -1)
        return Score(np.corrcoef(source[:, 0], target[:, 0])[0, 1])


@pytest.mark.slow
def test_a_metric_that_needs_units(made, one_bin, call):
    asked = call(one_bin, metric=FirstUnit())
    scores = layer_scores(made, asked, areas=["a1", "a2"])
    assert scores.attrs["metric"] == "called for each area and timestep"
    for area, timestep in (("a1", 0), ("a2", 2)):
        expected = asked(committed(area, timestep))
        found = scores.sel(area=area, timestep=timestep)
        assert float(found["score"]) == pytest.approx(float(expected), abs=1e-12)
        assert np.isnan(found["error"])


class Unceiled(NeuralBenchmark):
    """A benchmark with a call of its own."""

    def __call__(self, candidate):
        score = super().__call__(candidate)
        return score.attrs["raw"]


def test_a_benchmark_with_a_call_of_its_own(made, one_bin, call, scores):
    asked = call(one_bin, metric=ours("ridge"))
    asked.__class__ = Unceiled
    found = layer_scores(made, asked, areas="a2", timesteps=[1, 2])
    expected = scores["raw"].sel(area=["a2"], timestep=[1, 2])
    np.testing.assert_allclose(found["score"], expected, atol=1e-12)
    assert np.isnan(found["raw"]).all()  # of splits and neuroids


@pytest.mark.slow
def test_called_and_summed_agree(made, two_bins, call):
    asked = call(two_bins, metric=ours("ridge"))
    options = {"areas": ["a1"], "timesteps": [0, 2]}
    summed, called = (layer_scores(made, asked, sample_space=s, **options) for s in (True, False))
    assert summed["score"].dims == called["score"].dims
    for name in ("score", "raw", "ceiling", "error"):
        np.testing.assert_allclose(called[name], summed[name], atol=1e-9)
    np.testing.assert_array_equal(called["time_bin_start"], summed["time_bin_start"])


def test_labels(asked, scores):
    whole = scores
    made = subject(dt_ms=5, onset_ms=50)
    scores = layer_scores(made, asked, areas=["a3", "a1"], timesteps=[2, 1])
    assert scores["area"].values.tolist() == ["a3", "a1"]
    assert scores["timestep"].values.tolist() == [1, 2]
    assert scores["model_time_start"].values.tolist() == [55, 60]
    assert scores["model_time_end"].values.tolist() == [60, 65]
    assert scores["model_time_end"].attrs["units"] == "ms"
    assert (float(scores["time_bin_start"]), float(scores["time_bin_end"])) == BIN
    provenance = json.loads(scores.attrs["provenance"])
    assert provenance["benchmark"] == asked.identifier
    assert provenance["model"] == made.identifier
    part = whole["score"].sel(area=["a3", "a1"], timestep=[1, 2])
    np.testing.assert_allclose(scores["score"], part, atol=1e-12)


def test_results_can_be_written(scores, tmp_path):
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")


def test_units_are_read_in_blocks(made, asked):
    """A block is never larger than asked for, and the products do not depend on it."""
    bins = [(10.0 * t, 10.0 * t + 10) for t in range(TIMESTEPS)]
    kept = made.activity(asked._assembly.stimulus_set, ("a1", "a2", "a3"), bins)
    n_bytes = 4 * simulated.N_STIMULI * TIMESTEPS * 3
    blocks = list(kept.blocks("a2", block_bytes=n_bytes + 5))
    assert {block.shape[1] for block in blocks} == {3, 1}
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), kept.values("a2"))
    order = np.arange(simulated.N_STIMULI)[::-1].copy()
    small = {"matrix_bytes": 1, "block_bytes": n_bytes}
    for centred in (True, False):
        whole, parts = (
            list(products_over_time(kept, "a2", order, centred=centred, **limits))
            for limits in ({}, small)
        )
        for t, (one, other) in enumerate(zip(whole, parts, strict=True)):
            values = kept.values("a2")[order, :, t].astype(np.float64)
            values = values - values.mean(axis=0) * centred
            for found in (one, other):
                np.testing.assert_allclose(found.gram, values @ values.T, atol=1e-12)
                np.testing.assert_allclose(found.sums, values.sum(axis=1), atol=1e-12)
                assert found.n_units == values.shape[1]
            together = one + other
            np.testing.assert_allclose(together.gram, 2 * one.gram, atol=1e-12)
            np.testing.assert_allclose(together.sums, 2 * one.sums, atol=1e-12)
            assert together.n_units == 2 * one.n_units


def test_a_time_bin_again_and_again(made, asked):
    kept = made.activity(asked._assembly.stimulus_set, "a1", [(0, 9), (9, 20)])
    twice = replace(kept, chosen=(1, 1, 0))
    np.testing.assert_array_equal(twice.values("a1"), kept.values("a1")[:, :, [1, 1, 0]])


def test_wrong_inputs(made, asked):
    with pytest.raises(ValueError, match=r"areas and timesteps are known of .*, got Linear"):
        layer_scores(torch.nn.Linear(2, 2), asked)
    with pytest.raises(ValueError, match="areas name 'V4', which is no area of"):
        layer_scores(made, asked, areas=["V4"])
    with pytest.raises(ValueError, match="areas must be one area or several distinct"):
        layer_scores(made, asked, areas=["a1", "a1"])
    for wrong in ([3], [], [1, 1], [-1]):
        with pytest.raises(ValueError, match="timesteps must be distinct numbers from 0 to 2, got"):
            layer_scores(made, asked, timesteps=wrong)


def test_a_benchmark_of_answers(made):
    class OfAnswers:
        identifier = "answers"

        def __call__(self, candidate):
            candidate.start_task("label", ["dog"])

    with pytest.raises(ValueError, match="the benchmark asks for a task, 'label'"):
        layer_scores(made, OfAnswers())


def test_a_benchmark_that_lacks_responses(made, one_bin, call):
    asked = call(one_bin, metric=ours("ridge"))
    attrs = asked._assembly.attrs
    asked._assembly = asked._assembly[:40]
    asked._assembly.attrs = attrs
    with pytest.raises(ValueError, match="shows 48 stimuli and has 40 responses, to 40 of them"):
        layer_scores(made, asked)


@pytest.mark.slow
def test_real_recordings(shared_data, tmp_path, monkeypatch):
    """V4 of session 210325, 60 of its images, by Brain-Score's own call."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    data = datasets.load("cowley-2023", session="210325")
    shown = data.stimuli.select(slice(0, 60))
    known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
    data = replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))
    made = build("greco2025-fb", input_size=16, timesteps=4)
    for name in ("ridge", "pls"):
        asked = benchmark(data, metric=name, visual_degrees=8, folder=tmp_path)
        scores = layer_scores(made, asked, areas=["a1", "integration"], timesteps=[1, 3])
        settings = {"dt_ms": 100, "onset_ms": -300, "device": "cpu"}
        expected = asked(NeurorecBrainModel(made, {"V4": "integration"}, **settings))
        cell = scores.sel(area="integration", timestep=3)
        assert float(cell["score"]) == pytest.approx(float(expected), abs=1e-9)
        assert float(cell["ceiling"]) == pytest.approx(float(expected.attrs["ceiling"]))
