"""Brain-Score's own call of a benchmark, with real recordings of V4."""

import numpy as np
import pytest

from neurorec import assemblies, datasets

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

import brainscore_vision
from brainscore_core.metrics import Score
from brainscore_vision.benchmark_helpers import screen
from brainscore_vision.benchmark_helpers.neural_common import NeuralBenchmark
from brainscore_vision.metrics.regression_correlation import metric as regressions

from neurorec.brainscore import NeurorecBrainModel, stimulus_set_to_brainio, to_brainio
from neurorec.models import build

from .common import stimuli_of

pytestmark = pytest.mark.slow

N_STIMULI = 100
REGIONS = {"V4": "a2", "IT": ["a3", "integration"]}
PRESETS = ("ff", "fb", "ff-dropout", "fb-dropout")  # the 2 × 2 of feedback and noise


@pytest.fixture(scope="module")
def v4(shared_data, tmp_path_factory):
    """Means of some stimuli, with the stimuli, as Brain-Score packs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        data = datasets.load("cowley-2023", session="210325")
    shown = data.stimuli.select(slice(0, N_STIMULI))
    known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
    means = assemblies.average_repetitions(data.assembly.isel(presentation=known))
    packed = to_brainio(means).isel(time_bin=0)
    folder = tmp_path_factory.mktemp("v4")
    packed.attrs["stimulus_set"] = stimulus_set_to_brainio(shown, folder)
    return packed


def benchmark(assembly, *, number_of_trials=2, visual_degrees=8):
    metric = regressions.CrossRegressedCorrelation(
        regression=regressions.ridge_regression(),
        correlation=regressions.pearsonr_correlation(),
        crossvalidation_kwargs={"stratification_coord": None, "splits": 2},
    )
    return NeuralBenchmark(
        identifier="local.V4-ridge_cv",
        assembly=assembly,
        similarity_metric=metric,
        visual_degrees=visual_degrees,
        number_of_trials=number_of_trials,
        version=1,
        ceiling_func=lambda: Score(0.75),
        parent=None,
        bibtex="",
    )


def subject(name="fb-dropout", regions=REGIONS, **settings):
    network = build(f"greco2025-{name}", input_size=24, timesteps=5)
    # The recordings are of one bin from 0 to 100 ms.
    return NeurorecBrainModel(network, regions, dt_ms=20, device="cpu", **settings)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision")
class TestScores:
    def test_two_by_two(self, v4):
        """Untrained networks predict V4 a little; none is another's score."""
        call, scores = benchmark(v4), {}
        for name in PRESETS:
            score = call(subject(name))
            assert score.raw.values > 0.1, name
            np.testing.assert_allclose(score.values, score.raw.values**2 / 0.75)
            scores[name] = float(score)
        assert len(set(scores.values())) == 4

    def test_v4_after_it_is_v4(self, v4):
        made = subject()
        as_it = v4.copy()
        as_it.attrs = v4.attrs
        it, first = benchmark(renamed(v4, "IT"))(made), benchmark(v4)(made)
        alone = benchmark(v4)(subject())
        assert float(first) == float(alone) != float(it)

    def test_noise_and_trials_change_a_score(self, v4):
        scores = {
            (name, n, seed): float(benchmark(v4, number_of_trials=n)(subject(name, seed=seed)))
            for name in ("fb", "fb-dropout")
            for n, seed in ((1, 0), (1, 1), (6, 0))
        }
        quiet = {scores["fb", 1, 0], scores["fb", 1, 1], scores["fb", 6, 0]}
        noisy = [scores["fb-dropout", *k] for k in ((1, 0), (1, 1), (6, 0))]
        assert len(quiet) == 1
        assert len(set(noisy)) == 3
        # The mean of six trials has a sixth of their noise, which the readout cannot use.
        assert noisy[2] > max(noisy[:2])

    def test_their_score_benchmark(self, v4):
        """Which first shows one image to see how much memory the rest will need."""
        score = brainscore_vision.score_benchmark(benchmark(v4), subject("ff"))
        assert float(score) == float(benchmark(v4)(subject("ff")))


def renamed(assembly, region):
    """The same recordings, said to be of another region."""
    plain = assembly.reset_index("neuroid").assign_coords(
        region=("neuroid", [region] * assembly.sizes["neuroid"])
    )
    return type(assembly)(plain)


# Of their StimulusSet, to which paths are given as attributes.
@pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns to be created:UserWarning")
def test_stimuli_are_placed_on_the_screen(tmp_path, monkeypatch):
    """A stimulus of 4 degrees is half of a screen of 8, in the middle of grey."""
    monkeypatch.setattr(screen, "root_path", tmp_path / "screen")
    monkeypatch.setenv("RESULTCACHING_DISABLE", "1")
    stimuli = stimuli_of(tmp_path / "files", n=2, size=12)
    placed = screen.place_on_screen(
        stimuli, target_visual_degrees=subject().visual_degrees(), source_visual_degrees=4
    )
    made = subject("ff", {"V1": "a1"}, visual_degrees=8)
    made.start_recording("V1", [(0, 20)])
    whole, half = made.look_at(stimuli), made.look_at(placed)
    assert set(half["degrees"].values) == {8}

    def differing(x):
        """Where on the map the two stimuli evoke different activity."""
        change = abs(x.values[0, :, 0] - x.values[1, :, 0]).reshape(16, 12, 12).max(axis=0)
        return np.argwhere(change > 1e-6)

    assert (differing(whole).min(), differing(whole).max()) == (0, 11)
    # Positions 3 to 8 of 12 look at the stimulus; a kernel of 3 with stride 2 adds at most one.
    assert differing(half).min() >= 2
    assert differing(half).max() <= 9
