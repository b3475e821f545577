"""Benchmarks of responses over time: simulated neurons that see real images of the V4 sessions."""

import re
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from neurorec import assemblies, datasets
from neurorec.datasets.neural_data import NeuralData

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import (
    TEMPORAL_METRICS,
    NeurorecBrainModel,
    ObjectSolutionTimes,
    benchmark,
    internal_consistency,
    temporal_metric,
    to_brainio,
)
from neurorec.brainscore.rebinning import rebinned
from neurorec.brainscore.temporal_benchmark import over_time
from neurorec.models import build

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)
N_IMAGES, DT_MS = 40, 20


@pytest.fixture(scope="module")
def images(shared_data):
    """Images of macaque V4's session 210325, each of one of two objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        stimuli = datasets.load("cowley-2023", session="210325").stimuli
    shown = stimuli.select(slice(0, N_IMAGES))
    named = shown.table.assign(object_name=[f"object{i % 2}" for i in range(N_IMAGES)])
    return replace(shown, table=named, visual_degrees=8)


@pytest.fixture(scope="module")
def subject():
    network = build("greco2025-fb", input_size=24, timesteps=6)
    return NeurorecBrainModel(network, {"IT": "a2"}, dt_ms=DT_MS, device="cpu")


@pytest.fixture(scope="module")
def recordings(images, subject, tmp_path_factory):
    """Neurons that are mixtures of the model's own units, a timestep later, with noise."""
    from neurorec.brainscore import stimulus_set_to_brainio

    packed = stimulus_set_to_brainio(images, tmp_path_factory.mktemp("images"))
    subject.start_recording("IT", [(DT_MS * t, DT_MS * (t + 1)) for t in range(6)])
    seen = subject.look_at(packed).values.astype(float)
    rng = np.random.default_rng(0)
    signal = np.einsum("nut,uv->nvt", seen, rng.normal(size=(seen.shape[1], 12)))
    signal /= signal.std(axis=0).max()
    trials = np.repeat(signal, 4, axis=0) + 0.3 * rng.normal(size=(4 * N_IMAGES, 12, 6))
    assembly = assemblies.build(
        trials,
        presentation={
            "stimulus_id": np.repeat(images.stimulus_ids, 4),
            "repetition": np.tile(np.arange(4), N_IMAGES),
            "object_name": np.repeat(images.table["object_name"].to_numpy().astype(str), 4),
        },
        neuroid={"neuroid_id": [f"n{j}" for j in range(12)], "region": ["IT"] * 12},
        time_bin_start=DT_MS * np.arange(6.0),
        time_bin_end=DT_MS * np.arange(1.0, 7),
    )
    return NeuralData(identifier="simulated", assembly=assembly, stimuli=images, provenance={})


def test_one_number_over_all_time_bins(recordings, subject, tmp_path):
    call = benchmark(recordings, metric="ridge-temporal", folder=tmp_path)
    score = call(subject)
    ceiling = internal_consistency(recordings.assembly)
    subject.start_recording("IT", call.timebins)
    seen = subject.look_at(call._assembly.stimulus_set)
    raw = temporal_metric("ridge-temporal")(seen, call._assembly)
    expected = raw.values**2 / ceiling.values
    counts = ceiling.values > 0
    per_bin = score.attrs["per_bin"]
    assert per_bin.dims == ("time_bin",)
    np.testing.assert_allclose(per_bin.values[counts], expected[counts], atol=1e-12)
    assert np.isnan(per_bin.values[~counts]).all()
    assert float(score) == pytest.approx(expected[counts].mean(), abs=1e-12)
    assert float(score.attrs["raw"]) == pytest.approx(raw.values[counts].mean(), abs=1e-12)
    assert float(score.attrs["ceiling"]) == pytest.approx(ceiling.values[counts].mean(), abs=1e-12)
    assert score.attrs["n_time_bins_without_ceiling"] == (~counts).sum()
    of_splits = (raw.attrs["raw"].median("neuroid").values ** 2 / ceiling.values)[:, counts]
    error = of_splits.mean(axis=1).std() / np.sqrt(10)
    assert float(score.attrs["error"]) == pytest.approx(error, abs=1e-12)


class Asked:
    """A subject that notes what it is asked for."""

    def __init__(self, seen=None, degrees=8):
        self.seen, self.degrees, self.asked = seen, degrees, {}

    def visual_degrees(self):
        return self.degrees

    def start_recording(self, region, time_bins):
        self.asked |= {"region": region, "time_bins": [tuple(one) for one in time_bins]}

    def look_at(self, stimuli, number_of_trials):
        self.asked |= {"stimuli": stimuli.identifier, "trials": number_of_trials}
        return self.seen


# Of their StimulusSet, to which paths are given as attributes.
@pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns to be created:UserWarning")
def test_what_a_subject_is_asked_for(recordings, tmp_path, monkeypatch):
    from brainscore_vision.benchmark_helpers import screen

    monkeypatch.setattr(screen, "root_path", tmp_path / "screen")
    monkeypatch.setenv("RESULTCACHING_DISABLE", "1")
    call = benchmark(
        recordings,
        metric="ridge-temporal",
        folder=tmp_path,
        number_of_trials=3,
        visual_degrees=4,
        time_bins=[(20, 40), (60, 100)],
    )
    subject = Asked(seen=call._assembly)
    assert float(call(subject)) > 0.5  # the responses themselves
    assert subject.asked.pop("stimuli").endswith("--target8.00--source4.00")
    assert subject.asked == {"region": "IT", "time_bins": [(20, 40), (60, 100)], "trials": 3}


def test_folds_of_images(recordings, tmp_path):
    call = benchmark(recordings, metric="ost", folder=tmp_path)
    assert call.decoder.n_folds == 10
    few = replace(recordings, assembly=recordings.assembly[: 4 * 9])
    # Of nine images of two objects there are five and four.
    assert benchmark(few, metric="ost", folder=tmp_path).decoder.n_folds == 4
    assert call.threshold == 1.0
    known = recordings.assembly.assign_coords(i1=("presentation", np.ones(4 * N_IMAGES)))
    of_monkeys = benchmark(replace(recordings, assembly=known), metric="ost", folder=tmp_path)
    assert of_monkeys.threshold == "i1"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(TEMPORAL_METRICS) - {"ost", "ridge-temporal"}))
def test_every_metric_makes_a_benchmark(recordings, subject, tmp_path, name):
    call = benchmark(recordings, metric=name, folder=tmp_path, time_bins=[(40, 80), (80, 120)])
    score = call(subject)
    assert np.isfinite(float(score))
    assert [tuple(one) for one in call.timebins] == [(40, 80), (80, 120)]
    assert f".IT-{name}-" in call.identifier
    if name in ("pls-temporal", "pls-spantime", "ridge-spantime"):
        assert float(score) > 0.3  # mixtures of its own units


def test_the_time_bins_are_those_that_were_asked_for(recordings, tmp_path):
    options = {"metric": "ridge-temporal", "folder": tmp_path}
    means = assemblies.average_repetitions(recordings.assembly).values
    wide = benchmark(recordings, rebin_ms=40, **options)
    np.testing.assert_allclose(wide._assembly.values, (means[..., ::2] + means[..., 1::2]) / 2)
    chosen = benchmark(recordings, time_bins=[(0, 60), (40, 60)], **options)
    np.testing.assert_allclose(chosen._assembly.values[..., 0], means[..., :3].mean(axis=2))
    np.testing.assert_allclose(chosen._assembly.values[..., 1], means[..., 2])
    assert (
        len({wide.identifier, chosen.identifier, benchmark(recordings, **options).identifier}) == 3
    )
    for starts, ends, of in (([0, 40, 80], [40, 80, 120], wide), ([0, 40], [60, 60], chosen)):
        assert of._assembly["time_bin_start"].values.tolist() == starts
        assert of._assembly["time_bin_end"].values.tolist() == ends
    one = benchmark(recordings, time_bins=[(20, 100)], metric="ridge", folder=tmp_path)
    assert one._assembly.dims == ("presentation", "neuroid")


def test_wider_bins_begin_with_the_data(recordings):
    later = recordings.assembly.assign_coords(
        time_bin_start=("time_bin", 60 + DT_MS * np.arange(6.0)),
        time_bin_end=("time_bin", 80 + DT_MS * np.arange(6.0)),
    )
    wide = rebinned(later, rebin_ms=40)
    assert wide["time_bin_start"].values.tolist() == [60, 100, 140]
    assert wide["time_bin_end"].values.tolist() == [100, 140, 180]
    rest = rebinned(later, rebin_ms=80)  # 40 ms at the end are left out
    assert rest["time_bin_end"].values.tolist() == [140]


@pytest.mark.slow
def test_the_ceiling_is_of_each_time_bin(recordings, tmp_path):
    call = benchmark(recordings, metric="ridge-temporal", folder=tmp_path, rebin_ms=40)
    wide = assemblies.window(recordings.assembly, start_ms=0, stop_ms=120, width_ms=40)
    np.testing.assert_array_equal(call.ceiling.values, internal_consistency(wide).values)
    given = benchmark(recordings, metric="ridge-temporal", folder=tmp_path, ceiling=0.5)
    other = benchmark(recordings, metric="ridge-temporal", folder=tmp_path, ceiling=0.7)
    assert given.identifier != other.identifier  # under which Brain-Score keeps ceilings
    assert (float(given.ceiling), float(other.ceiling)) == (0.5, 0.7)


def scores_over(times, *, name="ridge-temporal", ceiling=(0.5, 1.0)):
    """Of a metric, from given correlations."""
    from brainscore_core.metrics import Score

    values = np.asarray(times, dtype=float)
    raw = Score(values, dims=["time_bin", "other"][: values.ndim], coords={})
    limits = Score(np.asarray(ceiling), dims=["time_bin"], coords={})
    return over_time(temporal_metric(name), raw, limits)


def test_a_time_bin_without_ceiling_has_no_score():
    score = scores_over([0.5, 0.5])
    assert float(score) == pytest.approx((0.5 + 0.25) / 2)
    for nothing in (0.0, -0.1, np.nan):
        score = scores_over([0.5, 0.5], ceiling=(nothing, 1.0))
        assert float(score) == pytest.approx(0.25)
        assert float(score.attrs["ceiling"]) == 1
        score = scores_over([0.3, 0.5], ceiling=(nothing, 1.0))
        assert float(score.attrs["raw"]) == 0.5
        grid = scores_over(
            [[0.3, 0.4], [0.5, 0.6]], name="temporal-generalization", ceiling=(nothing, 1)
        )
        assert float(grid) == pytest.approx(0.4**2)
        assert score.attrs["n_time_bins_without_ceiling"] == 1
    with pytest.raises(ValueError, match="no time bin has a ceiling above 0"):
        scores_over([0.5, 0.5], ceiling=(0.0, -0.1))


def test_a_score_without_time(recordings):
    from brainscore_core.metrics import Score

    with pytest.raises(ValueError, match="SampleSpaceMetric gives no score over time"):
        over_time(temporal_metric("ridge-temporal"), Score(0.5), Score(0.8))


@pytest.mark.slow
def test_solution_times_that_are_noise_have_no_ceiling(recordings, tmp_path):
    noise = np.random.default_rng(4).normal(size=recordings.assembly.shape)
    data = replace(recordings, assembly=recordings.assembly.copy(data=noise)[:64, :, :2])
    call = benchmark(data, metric="ost", folder=tmp_path)
    with pytest.raises(ValueError, match="halves of the repetitions do not agree"):
        _ = call.ceiling


def test_what_a_number_of_a_grid_is():
    grid = [[0.5, 0.1], [-0.2, 0.6]]
    generalised = scores_over(grid, name="temporal-generalization", ceiling=(0.5, 0.8))
    assert float(generalised) == pytest.approx((0.1**2 / 0.8 - 0.2**2 / 0.5) / 2)
    specific = scores_over(grid, name="cross-temporal", ceiling=(0.5, 0.8))
    same = (0.5**2 / 0.5 + 0.6**2 / 0.8) / 2
    assert float(specific) == pytest.approx(same - float(generalised))
    unique = scores_over([0.1, 0.2], name="ridge-unique-late", ceiling=(0.5, 0.8))
    assert float(unique) == pytest.approx((0.1 / 0.5 + 0.2 / 0.8) / 2)


def test_a_model_that_repeats_itself_is_at_no_time_better_than_at_another(recordings, images):
    rng = np.random.default_rng(1)
    means = assemblies.average_repetitions(recordings.assembly)
    still = np.repeat(rng.normal(size=(N_IMAGES, 15, 1)), 6, axis=2)
    model = assemblies.build(
        still,
        presentation={"stimulus_id": images.stimulus_ids, "repetition": np.zeros(N_IMAGES, int)},
        neuroid={"neuroid_id": [f"u{j}" for j in range(15)], "region": ["IT"] * 15},
        time_bin_start=means["time_bin_start"].values,
        time_bin_end=means["time_bin_end"].values,
    )
    metric = temporal_metric("cross-temporal", n_splits=2)
    raw = metric(to_brainio(model), to_brainio(means))
    assert float(over_time(metric, raw, raw[0].copy(data=np.full(6, 0.8)))) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.slow
def test_object_solution_times_of_model_and_neurons(recordings, images, tmp_path):
    """Neurons and a model in whose activity the object appears, of each image at its own time."""
    rng = np.random.default_rng(2)
    onset = rng.permutation(np.repeat(np.arange(4), N_IMAGES // 4))
    objects = np.arange(N_IMAGES) % 2
    seen = (np.arange(6) >= onset[:, None])[:, None] * (2 * objects - 1)[:, None, None]
    trials = np.repeat(seen, 4, axis=0) + 0.5 * rng.normal(size=(4 * N_IMAGES, 12, 6))
    data = replace(recordings, assembly=recordings.assembly.copy(data=trials))
    # Half of the images are held out: of four, as by default here, ranks say little.
    halves = ObjectSolutionTimes(label="object_name", train_size=0.5)
    call = benchmark(data, metric=halves, folder=tmp_path)
    times = call.target
    assert np.isfinite(times.values).mean() > 0.9
    assert (times["i1"].values == 1).all()

    class Seen:
        """A subject whose activity is known."""

        def visual_degrees(self):
            return 8

        def start_recording(self, region, time_bins):
            self.bins = time_bins

        def look_at(self, stimuli, number_of_trials):
            noise = 0.3 * np.random.default_rng(3).normal(size=(N_IMAGES, 8, 6))
            activity = xr.zeros_like(means).isel(neuroid=slice(0, 8)).copy(data=seen + noise)
            return to_brainio(activity)

    means = assemblies.average_repetitions(data.assembly)
    score = call(Seen())
    raw = score.attrs["raw"]
    assert float(raw) > 0.5
    assert float(score) == pytest.approx(float(raw) / float(call.ceiling))
    assert 0 < float(call.ceiling) <= 1
    assert raw.attrs["fraction_solved"] > 0.5
    given = benchmark(data, metric="ost", folder=tmp_path, ceiling=0.79)
    assert float(given.ceiling) == 0.79
    harder = data.assembly.assign_coords(i1=("presentation", np.full(4 * N_IMAGES, 99.0)))
    hopeless = benchmark(replace(data, assembly=harder), metric="ost", folder=tmp_path)
    with pytest.raises(ValueError, match="the neurons solve 0 of 40 images at 'i1'"):
        hopeless(Seen())


def test_time_bins_that_can_not_be(recordings, subject, tmp_path):
    options = {"folder": tmp_path}
    with pytest.raises(ValueError, match="time_bins and rebin_ms were both given"):
        benchmark(recordings, time_bins=[(0, 20)], rebin_ms=40, **options)
    with pytest.raises(ValueError, match=re.escape("the bin from 10.0 to 30.0 ms is not made of")):
        benchmark(recordings, time_bins=[(10, 30)], **options)
    with pytest.raises(ValueError, match="no bin of width 500 ms"):
        benchmark(recordings, rebin_ms=500, **options)
    with pytest.raises(
        ValueError, match="'rdm' compares a single time bin and the responses have 6"
    ):
        benchmark(recordings, metric="rdm", **options)
    for name in TEMPORAL_METRICS:
        with pytest.raises(ValueError, match=f"'{name}' needs at least 2 time bins"):
            benchmark(recordings, metric=name, rebin_ms=120, **options)
    late = recordings.assembly.assign_coords(
        time_bin_start=("time_bin", 200 + DT_MS * np.arange(6.0)),
        time_bin_end=("time_bin", 220 + DT_MS * np.arange(6.0)),
    )
    call = benchmark(replace(recordings, assembly=late), metric="ridge-temporal", **options)
    with pytest.raises(ValueError, match=re.escape("no timestep in the time bins (200, 220)")):
        call(subject)


def test_responses_to_images_that_are_not_public(zhang):
    data = NeuralData(identifier="zhang-desimone-2011", assembly=zhang, provenance={})
    message = "zhang-desimone-2011 has no stimuli, which a model would have to see"
    with pytest.raises(ValueError, match=message):
        benchmark(data, metric="ost")


def test_objects_of_one_image_each(recordings, tmp_path):
    names = recordings.assembly["stimulus_id"].values
    single = recordings.assembly.assign_coords(object_name=("presentation", names))
    with pytest.raises(ValueError, match="at least 2 images of each of 'object_name'"):
        benchmark(replace(recordings, assembly=single), metric="ost", folder=tmp_path)
