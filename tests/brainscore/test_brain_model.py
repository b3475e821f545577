"""A model as Brain-Score's subject: what it shows is what it does, whatever was asked before."""

import gc

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly
from brainscore_vision.model_interface import BrainModel

from neurorec.brainscore import NeurorecBrainModel, from_brainio, passes
from neurorec.models import adapters, to_images
from neurorec.recording import SpatialMean, trial_seed
from neurorec.stimuli.images import read_image

from .common import model, stimuli_of, write_images

REGIONS = {"V4": "a2", "IT": ["a3", "integration"]}
BINS = [(50, 60), (55, 75), (60, 90)]


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    return stimuli_of(tmp_path_factory.mktemp("stimuli"))


def subject(network=None, regions=REGIONS, **settings):
    """A model whose presentations are counted."""
    shown: list[int] = []
    settings = {"onset_ms": 50, "device": "cpu", "progress": shown.append, **settings}
    made = NeurorecBrainModel(model() if network is None else network, regions, **settings)
    return made, shown


def recorded(made, stimuli, region="V4", bins=BINS, **how):
    made.start_recording(region, bins)
    return made.look_at(stimuli, **how)


def unrolled(network, stimuli, area, seeds=None):
    """Activity (stimulus, unit, timestep) of one area, by the model itself."""
    pixels = np.stack([read_image(stimuli.get_stimulus(s)) for s in stimuli["stimulus_id"]])
    state = network.init_state(len(pixels), trial_seeds=seeds)
    with torch.inference_mode():
        images = to_images(pixels, network.input_size)
        found = [s[area]["h"].flatten(1) for _, s in network.unroll(images, 4, state)]
    return torch.stack(found, dim=2).double().numpy()


def test_activity_is_the_average_of_the_timesteps(stimuli):
    network = model("fb")
    made, _ = subject(network)
    x = recorded(made, stimuli)
    h = unrolled(network, stimuli, "a2")
    expected = [h[..., 0], (h[..., 0] + 2 * h[..., 1] + h[..., 2]) / 4, h[..., 1:].mean(axis=-1)]
    # Numbers of the order of one, in single precision.
    np.testing.assert_allclose(x.values, np.stack(expected, axis=-1), atol=1e-6)


def test_labels(stimuli):
    made, _ = subject()
    x = recorded(made, stimuli, "IT", number_of_trials=2)
    assert type(x) is NeuroidAssembly
    assert isinstance(made, BrainModel)
    assert x.dims == ("presentation", "neuroid", "time_bin")
    x.validate()
    assert x["time_bin"].values.tolist() == BINS
    assert x["time_bin_start"].dtype.kind == "i"  # as in data that are labelled in whole ms
    assert x["stimulus_id"].values.tolist() == list(stimuli["stimulus_id"])
    assert x["image_label"].values.tolist() == list(stimuli["image_label"])
    np.testing.assert_array_equal(x["contrast"].values, stimuli["contrast"])
    assert set(x["region"].values) == {"IT"}
    assert len(set(x["neuroid_id"].values)) == x.sizes["neuroid"] == 64 + 16 * 4 * 4
    assert list(dict.fromkeys(x["area"].values)) == ["a3", "integration"]
    assert x.attrs["stimulus_set_identifier"] == "noise"
    assert x.attrs["stimulus_set"] is stimuli
    assert x.attrs["time_bin_coverage"] == [1, 1, 1]
    from_brainio(x)  # is an assembly of ours too


@pytest.mark.slow
def test_areas_of_a_region_follow_each_other(stimuli):
    both, _ = subject(model("fb"))
    apart, _ = subject(model("fb"), {"a": "a3", "b": "integration"})
    parts = [recorded(apart, stimuli, region).values for region in ("a", "b")]
    np.testing.assert_array_equal(recorded(both, stimuli, "IT").values, np.hstack(parts))


class TestTrials:
    """Noise is independent between trials; what has no noise repeats itself."""

    def test_each_is_drawn_anew(self, stimuli):
        network = model()
        made, _ = subject(network, seed=3)
        x = recorded(made, stimuli, number_of_trials=3, require_variance=True)
        assert x["repetition"].values.tolist() == [0] * 6 + [1] * 6 + [2] * 6
        assert x["stimulus_id"].values.tolist() == [*stimuli["stimulus_id"]] * 3
        for repetition in range(3):
            seeds = torch.tensor([trial_seed(3, s, repetition) for s in stimuli["stimulus_id"]])
            first = unrolled(network, stimuli, "a2", seeds)[..., 0]
            trial = x.values[6 * repetition : 6 * repetition + 6]
            np.testing.assert_allclose(trial[..., 0], first, atol=1e-6)
        a, b, c = x.values.reshape(3, 6, -1)
        assert all((one != other).any(axis=1).all() for one, other in ((a, b), (b, c), (a, c)))

    @pytest.mark.slow
    def test_they_are_averaged_unless_asked_for(self, stimuli):
        made, _ = subject()
        each = recorded(made, stimuli, number_of_trials=4, require_variance=True)
        mean = recorded(made, stimuli, number_of_trials=4)
        assert "repetition" not in mean.coords
        expected = each.values.reshape(4, 6, *each.shape[1:]).mean(axis=0)
        np.testing.assert_allclose(mean.values, expected, atol=1e-6)

    @pytest.mark.slow
    def test_more_of_them_begin_with_the_same(self, stimuli):
        made, _ = subject()
        few = recorded(made, stimuli, number_of_trials=2, require_variance=True)
        many = recorded(made, stimuli, number_of_trials=5, require_variance=True)
        np.testing.assert_allclose(many.values[:12], few.values, atol=1e-6)
        assert len({trial.tobytes() for trial in many.values.reshape(5, -1)}) == 5
        averages = [recorded(made, stimuli, number_of_trials=n).values for n in (2, 5)]
        assert (averages[0] != averages[1]).any()

    @pytest.mark.slow
    @pytest.mark.parametrize("number_of_trials", [1, 3])
    def test_one_seed_gives_one_answer(self, stimuli, number_of_trials):
        made, again, other = (subject(seed=seed)[0] for seed in (0, 0, 1))
        x, y, z = (
            recorded(m, stimuli, number_of_trials=number_of_trials) for m in (made, again, other)
        )
        np.testing.assert_array_equal(x.values, y.values)
        assert (x.values != z.values).any()

    @pytest.mark.parametrize(
        "settings",
        [{}, pytest.param({"noise": False}, marks=pytest.mark.slow)],
        ids=["none", "off"],
    )
    def test_without_noise_one_is_run(self, stimuli, settings):
        made, shown = subject(model("fb-dropout" if settings else "fb"), **settings)
        x = recorded(made, stimuli, number_of_trials=3, require_variance=True)
        assert sum(shown) == 6
        trials = x.values.reshape(3, 6, -1)
        np.testing.assert_array_equal(trials, np.stack([trials[0]] * 3))
        assert x["repetition"].values.tolist() == [0] * 6 + [1] * 6 + [2] * 6
        np.testing.assert_array_equal(
            recorded(made, stimuli, number_of_trials=3).values, x.values[:6]
        )

    def test_an_area_that_noise_does_not_reach(self, stimuli):
        made, shown = subject(regions={"V1": "a1", "V4": "a2"})
        early, late = (
            recorded(made, stimuli, r, number_of_trials=2, require_variance=True).values
            for r in ("V1", "V4")
        )
        assert sum(shown) == 12
        np.testing.assert_array_equal(early[:6], early[6:])
        assert (late[:6] != late[6:]).any()


class TestNothingIsOutOfDate:
    """What was asked before changes nothing: known faults of other caches."""

    def test_v4_after_it_is_v4(self, stimuli):
        made, shown = subject()
        it = recorded(made, stimuli, "IT")
        v4 = recorded(made, stimuli, "V4")
        assert sum(shown) == 6  # one pass
        assert (set(v4["area"].values), set(v4["region"].values)) == ({"a2"}, {"V4"})
        alone, _ = subject()
        np.testing.assert_array_equal(v4.values, recorded(alone, stimuli, "V4").values)
        np.testing.assert_array_equal(it.values, recorded(made, stimuli, "IT").values)
        assert sum(shown) == 6

    def test_all_bins_after_one(self, stimuli):
        made, _ = subject(timesteps=18)
        one = recorded(made, stimuli, bins=[(70, 80)])
        assert one.sizes["time_bin"] == 1
        bins = [(start, start + 10) for start in range(50, 230, 10)]
        x = recorded(made, stimuli, bins=bins)
        assert x["time_bin"].values.tolist() == bins
        assert len({x.values[:, :, b].tobytes() for b in range(18)}) == 18
        np.testing.assert_allclose(x.values[:, :, 2], one.values[:, :, 0], atol=1e-6)

    def test_bins_in_any_order_and_beside_others(self, stimuli):
        made, _ = subject(model("fb"))
        every = recorded(made, stimuli)
        backwards = recorded(made, stimuli, bins=BINS[::-1])
        np.testing.assert_array_equal(backwards.values, every.values[..., ::-1])
        made.expect({"V4": BINS})
        one = recorded(made, stimuli, bins=BINS[1:2])
        np.testing.assert_array_equal(one.values, every.values[..., 1:2])

    def test_weights_that_changed(self, stimuli, tmp_path):
        network = model("fb")
        weights = {name: x.clone() for name, x in network.state_dict().items()}
        made, shown = subject(network, identifier="mine", cache_dir=tmp_path)
        before, name = recorded(made, stimuli), made.identifier
        network.load_state_dict({k: x + 0.01 for k, x in weights.items()})
        after = recorded(made, stimuli)
        assert (before.values != after.values).any()
        assert made.identifier != name
        network.load_state_dict(weights)
        assert made.identifier == name
        np.testing.assert_array_equal(recorded(made, stimuli).values, before.values)
        assert sum(shown) == 12

    @pytest.mark.slow
    def test_other_pixels_under_the_same_names(self, stimuli, tmp_path):
        made, shown = subject(cache_dir=tmp_path / "cache")
        other = stimuli_of(tmp_path / "other", seed=1)
        x, y = recorded(made, stimuli), recorded(made, other)
        assert sum(shown) == 12
        assert (x.values != y.values).any()

    @pytest.mark.slow
    def test_other_columns_of_the_same_stimuli(self, stimuli):
        made, shown = subject()
        recorded(made, stimuli)
        renamed = stimuli.assign(image_label="thing", row=1)
        x = recorded(made, renamed)
        assert sum(shown) == 6
        assert set(x["image_label"].values) == {"thing"}
        assert x["row"].dims == ("presentation",)

    @pytest.mark.slow
    def test_every_setting_is_part_of_the_key(self, stimuli, tmp_path):
        bins = [(50, 60), (60, 70)]
        settings = [
            {},
            {"onset_ms": 40},
            {"dt_ms": 20},
            {"timesteps": 3},
            {"seed": 1},
            {"noise": False},
            {"units": SpatialMean()},
            {"regions": {"V4": "a3"}},
            {"network": model("fb")},
        ]
        names = set()
        for n_before, changes in enumerate(settings):
            made, shown = subject(cache_dir=tmp_path, **changes)
            assert len(list(tmp_path.iterdir())) == n_before
            recorded(made, stimuli, bins=bins)
            assert sum(shown) == 6
            names.add(made.identifier)
        assert len(names) == len(settings)

    def test_how_it_is_run_is_not(self, stimuli, tmp_path):
        made, _ = subject(cache_dir=tmp_path)
        x = recorded(made, stimuli)
        other, shown = subject(cache_dir=tmp_path, batch_size=2)
        assert other.identifier == made.identifier
        np.testing.assert_array_equal(recorded(other, stimuli).values, x.values)
        assert sum(shown) == 0

    @pytest.mark.slow
    def test_a_damaged_file_is_made_again(self, stimuli, tmp_path):
        made, shown = subject(cache_dir=tmp_path)
        x = recorded(made, stimuli)
        (path,) = tmp_path.iterdir()
        path.write_bytes(path.read_bytes()[:100])
        np.testing.assert_array_equal(recorded(made, stimuli).values, x.values)
        assert sum(shown) == 12

    def test_an_interrupted_pass_leaves_nothing(self, stimuli, tmp_path):
        def interrupt(_):
            raise KeyboardInterrupt

        made, _ = subject(cache_dir=tmp_path, progress=interrupt)
        with pytest.raises(KeyboardInterrupt):
            recorded(made, stimuli)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_files_go_with_the_object(self, stimuli, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        made, _ = subject()
        recorded(made, stimuli)
        assert len(list(tmp_path.glob("*/*.h5"))) == 1
        del made
        gc.collect()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("constant", ["RECORDING_BYTES", "BLOCK_BYTES"])
def test_memory_and_disk_are_bounded(stimuli, monkeypatch, constant):
    """Parts of the stimuli, and blocks of units, give what the whole does."""
    made, _ = subject()
    how = {"region": "IT", "number_of_trials": 2, "require_variance": True}
    whole = recorded(made, stimuli, **how)
    monkeypatch.setattr(passes, constant, 20_000 if constant == "RECORDING_BYTES" else 500)
    n_recordings, record = [], passes.record
    monkeypatch.setattr(
        passes, "record", lambda *a, **k: n_recordings.append(len(a[1])) or record(*a, **k)
    )
    parts = recorded(subject()[0], stimuli, **how)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)
    assert sum(n_recordings) == 6
    assert (len(n_recordings) > 2) == (constant == "RECORDING_BYTES")


def test_only_timesteps_that_count_are_run(stimuli, monkeypatch):
    asked, record = [], passes.record
    monkeypatch.setattr(passes, "record", lambda *a, **k: asked.append(k) or record(*a, **k))
    made, _ = subject(timesteps=8)
    recorded(made, stimuli, bins=[(60, 75)])
    assert [one["timesteps"] for one in asked] == [3]


@pytest.mark.slow
def test_paths_of_images(stimuli):
    made, _ = subject(model("fb"))
    paths = [str(stimuli.get_stimulus(s)) for s in stimuli["stimulus_id"]]
    made.start_recording("V4", BINS)
    x = made.look_at(paths)
    np.testing.assert_array_equal(x.values, recorded(made, stimuli).values)
    assert x["stimulus_id"].values.tolist() == paths


@pytest.mark.slow
def test_identifiers_that_are_numbers(stimuli, tmp_path):
    made, _ = subject(model("fb"))
    x = recorded(made, stimuli_of(tmp_path, names=range(6)))
    assert x["stimulus_id"].values.tolist() == list(range(6))
    np.testing.assert_array_equal(x.values, recorded(made, stimuli).values)


def test_images_of_different_size(tmp_path):
    stimuli = stimuli_of(tmp_path / "a", n=2)
    stimuli.stimulus_paths["s1"] = write_images(tmp_path / "b", size=30)["s1"]
    network = model("fb")
    x = recorded(subject(network)[0], stimuli)
    for number, name in enumerate(("s0", "s1")):
        alone = stimuli[stimuli["stimulus_id"] == name]
        h = unrolled(network, alone, "a2")[..., 0]
        # A byte of the picture is rounded by half of 1 / 255 at most.
        np.testing.assert_allclose(x.values[number : number + 1, :, 0], h, atol=2e-3)


@pytest.mark.slow
def test_units_are_chosen(stimuli):
    made, _ = subject(model("fb"), units=SpatialMean())
    x = recorded(made, stimuli)
    assert x.sizes["neuroid"] == 32
    every = recorded(subject(model("fb"))[0], stimuli)
    means = every.values.reshape(6, 32, -1, 3).mean(axis=2)
    np.testing.assert_allclose(x.values, means, atol=1e-6)


class TestAnyModule:
    """Torch modules in an adapter."""

    def module(self):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ).eval()

    def test_without_time(self, stimuli):
        network = adapters.feedforward(self.module(), {"V1": "1"}, input_size=8)
        made, _ = subject(network, {"V1": "V1"}, timesteps=10)
        x = recorded(made, stimuli, "V1", [(50, 60), (70, 150)], number_of_trials=2)
        np.testing.assert_allclose(x.values[:, :, 0], x.values[:, :, 1], atol=1e-7)
        h = unrolled(network, stimuli, "V1")[..., 0]
        np.testing.assert_allclose(x.values[:, :, 0], h, atol=1e-6)

    def test_swept(self, stimuli):
        module = self.module()
        network = adapters.feedforward(module, {"V1": "0", "V4": "1"}, input_size=8, mode="sweep")
        made, _ = subject(network, {"V1": "V1", "V4": "V4"})
        bins = [(50, 60), (60, 70)]
        v1, v4 = (recorded(made, stimuli, r, bins).values for r in ("V1", "V4"))
        assert not v4[..., 0].any()
        np.testing.assert_array_equal(v4[..., 1], np.maximum(v1[..., 1], 0))

    def test_a_state_of_an_area(self, stimuli):
        areas = {"V1": "0", "V4": "1"}
        network = adapters.feedforward(self.module(), areas, input_size=8, mode="sweep")
        made, _ = subject(network, {"V4": "V4", "later": "V4.in_1"})
        bins = [(50, 60), (60, 70)]
        now, later = (recorded(made, stimuli, region, bins) for region in ("V4", "later"))
        np.testing.assert_array_equal(later.values[..., 0], now.values[..., 1])
        assert later["neuroid_id"].values[0] == "V4.in_1.0.0.0"

    @pytest.mark.slow
    def test_of_torchvision(self, stimuli):
        torchvision = pytest.importorskip("torchvision")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = torchvision.models.alexnet(weights=None).eval()
        network = adapters.feedforward(
            module, {"V1": "features.2", "IT": "features.12"}, input_size=64, dt_ms=100
        )
        made, _ = subject(network, {"V1": "V1", "IT": "IT"}, onset_ms=70)
        it, v1 = (recorded(made, stimuli, r, [(70, 170)]) for r in ("IT", "V1"))
        h = unrolled(network, stimuli, "IT")[..., 0]
        np.testing.assert_allclose(it.values[..., 0], h, atol=1e-5 * np.abs(h).max())
        assert v1.sizes["neuroid"] == 64 * 7 * 7

    def test_of_cornet(self, stimuli):
        pytest.importorskip(
            "cornet", reason="CORnet is GPL code, which is not installed beside this project"
        )
        import cornet

        network = adapters.per_timestep(
            cornet.cornet_rt(map_location="cpu").module.eval(),
            {"V4": "V4.output", "IT": "IT.output"},
            input_size=64,
        )
        made, _ = subject(network, {"IT": "IT"})
        x = recorded(made, stimuli, "IT", [(50, 60), (60, 70)])
        assert (x.values[..., 0] != x.values[..., 1]).any()


def test_identifier_names_model_and_content():
    made, _ = subject(model("fb"))
    named, _ = subject(model("fb"), identifier="mine")
    name, digest = made.identifier.rsplit("-", 1)
    assert name == "greco2025-fb"
    assert len(digest) == 12
    assert named.identifier == f"mine-{digest}"
    assert made.visual_degrees() == 8
    assert subject(model("fb"), visual_degrees=10)[0].identifier != made.identifier
    assert subject(model("fb", seed=1))[0].identifier != made.identifier


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"regions": {}}, r"no region is committed to an area; give regions such as \{'IT': 'a3'"),
        ({"regions": {"V4": []}}, r"region 'V4' needs one area or several distinct, got \(\)"),
        ({"regions": {"V4": ["a2", "a2"]}}, "region 'V4' needs one area or several distinct"),
        ({"regions": {"V4": "V4"}}, "region 'V4' is committed to 'V4', which is no area of 'greco"),
        ({"timesteps": 0}, "timesteps must be at least 1, got 0"),
        ({"dt_ms": -1}, "dt_ms must be above 0, got -1"),
        ({"visual_degrees": 0}, "visual degrees must be above 0, got 0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        subject(**settings)


def test_a_model_that_cannot_run_so_long():
    network = adapters.per_timestep(TwoCalls(), {"V1": "layer"}, input_size=8)
    with pytest.raises(ValueError, match="is 2 timesteps, asked for 3"):
        subject(network, {"V1": "V1"}, timesteps=3)


class TwoCalls(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.layer(self.layer(x)).mean((2, 3))


def test_bad_requests(stimuli):
    made, _ = subject()
    with pytest.raises(ValueError, match="nothing was asked for: call start_recording or start_"):
        made.look_at(stimuli)
    with pytest.raises(ValueError, match=r"'V1' is not committed to an area .*\['V4', 'IT'\]"):
        made.start_recording("V1", BINS)
    with pytest.raises(ValueError, match=r"no timestep in the time bins \(100, 200\) ms"):
        made.start_recording("V4", [(50, 60), (100, 200)])
    made.start_recording("V4", BINS)
    for number in (0, -2):
        with pytest.raises(ValueError, match=f"number_of_trials must be at least 1, got {number}"):
            made.look_at(stimuli, number_of_trials=number)
    with pytest.raises(ValueError, match=r"be a stimulus set of Brain-Score .* got a numpy.nda"):
        made.look_at(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"no file gone\.png of the stimulus 'gone.png'"):
        made.look_at([*stimuli.stimulus_paths.values(), "gone.png"])
    with pytest.raises(ValueError, match="there are no stimuli to look at"):
        made.look_at(stimuli[:0])
    with pytest.raises(ValueError, match="the stimulus 's0' is shown more than once"):
        made.look_at(stimuli.iloc[[0, 1, 0]])
    with pytest.raises(ValueError, match=r"the stimuli have columns \['region'\], which label"):
        made.look_at(stimuli.assign(region="V4"))
