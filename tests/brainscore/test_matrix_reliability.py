"""The reliability of RDMs and of what CKA compares: known answers, axioms, Brain-Score."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from brainscore_core.metrics import Metric

from neurorec import assemblies, geometry
from neurorec.brainscore import METRICS, matrix_reliability, metric, to_brainio
from neurorec.brainscore.ceiling_choice import compares_matrices

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)
SIMILARITIES = sorted(name for name in METRICS if compares_matrices(METRICS[name]()))


def assembly(values):
    """Of trials (stimulus, repetition, neuroid, time_bin)."""
    n, r, p, t = values.shape
    return assemblies.build(
        values.reshape(n * r, p, t),
        presentation={
            "stimulus_id": np.repeat([f"s{i:03d}" for i in range(n)], r),
            "repetition": np.tile(np.arange(r), n),
            "object_name": np.repeat([f"o{i % 2}" for i in range(n)], r),
        },
        neuroid={"neuroid_id": [f"n{j}" for j in range(p)], "region": ["IT"] * p},
        time_bin_start=10.0 * np.arange(t),
        time_bin_end=10.0 * np.arange(1, t + 1),
    )


def noisy(rng, signal, n_repetitions, noise):
    """Trials of a signal (stimulus, neuroid) with white noise."""
    n, p = signal.shape
    return assembly(signal[:, None, :, None] + noise * rng.normal(size=(n, n_repetitions, p, 1)))


def scored(name, signal, trials):
    """Raw score of the noiseless signal, its ceiling, and r² over it."""
    measure = metric(name)
    truth = to_brainio(assembly(signal[:, None, :, None])).isel(time_bin=0)
    means = to_brainio(assemblies.average_repetitions(trials)).isel(time_bin=0)
    raw, ceiling = float(measure(truth, means)), float(matrix_reliability(trials, measure))
    return raw, ceiling, raw**2 / ceiling


def test_the_metrics_it_is_of():
    assert SIMILARITIES == ["cka", "cka_biased", "cka_cv", "rdm", "rdm_cv"]


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_known_reliability_of_inner_products(rng, noise):
    n, p, n_repetitions = 150, 60, 4
    signal = rng.normal(size=(n, p))
    ceiling = matrix_reliability(noisy(rng, signal, n_repetitions, noise), "cka")
    # Products of independent patterns of variance 1 + v have the variance (1 + v)^2 p, that of the
    # signal is p; halves of two repetitions have v = noise^2 / 2.
    similarity = 1 / (1 + noise**2 / 2) ** 2
    expected = 2 * similarity / (1 + similarity)
    # A cosine of n (n - 1) / 2 products has the standard error sqrt(2) / n, which the correction
    # multiplies by its slope. Five of them.
    slope = 2 / (1 + similarity) ** 2
    assert float(ceiling) == pytest.approx(expected, abs=5 * slope * np.sqrt(2) / n)


@pytest.mark.parametrize("name", ["cka", "rdm"])
def test_the_truth_scores_one_as_repetitions_grow(rng, name):
    signal = rng.normal(size=(50, 80))
    found = [scored(name, signal, noisy(rng, signal, r, 1.5)) for r in (4, 8, 32)]
    raw, ceilings, ceiled = np.array(found).T
    assert (np.diff(ceilings) > 0).all()
    # 1.08, 1.03 and 1.00 over 25 draws of trials, with standard deviations of 0.05, 0.02 and 0.005:
    # five of them.
    assert (np.abs(ceiled - [1.08, 1.03, 1.0]) < [0.25, 0.1, 0.025]).all()
    assert (raw**2 < [0.75, 0.85, 0.98]).all()
    assert (np.abs(ceiled - 1) < 1 - raw**2).all()


def test_the_correction_is_too_strict_where_noise_is_large(rng):
    """The reliability of products grows faster than the correction says, by less than two."""
    signal = rng.normal(size=(100, 60))
    raw, _, ceiled = scored("cka", signal, noisy(rng, signal, 8, 3.0))
    half, whole = (1 / (1 + 9 / r) ** 2 for r in (4, 8))
    assert ceiled == pytest.approx(whole / (2 * half / (1 + half)), abs=0.2)
    assert raw**2 == pytest.approx(whole, abs=0.1)
    assert 1 < ceiled < 2


@pytest.mark.parametrize("dimensions", [2, 60])
def test_bounds_of_the_reliability_of_inner_products(rng, dimensions):
    """From how far halves agree, whatever the covariances of signal and noise."""
    signal = rng.normal(size=(100, dimensions)) @ rng.normal(size=(dimensions, 60))
    trials = noisy(rng, signal / np.sqrt(dimensions), 4, 3.0)
    truth = to_brainio(assembly(signal[:, None, :, None])).isel(time_bin=0)
    means = to_brainio(assemblies.average_repetitions(trials)).isel(time_bin=0)
    # Five standard errors of a cosine of n (n - 1) / 2 products.
    error = 5 * np.sqrt(2) / len(signal)
    reliability = float(metric("cka")(truth, means)) ** 2
    c = float(matrix_reliability(trials, "cka"))
    s = c / (2 - c)
    assert 4 * s / (1 + np.sqrt(s)) ** 2 - error < reliability < 4 * s / (1 + 3 * s) + error
    assert c < reliability


def test_noise_on_the_diagonal_counts_as_reliable_under_biased_cka(rng):
    signal = rng.normal(size=(60, 100))
    _, biased, ceiled = scored("cka_biased", signal, noisy(rng, signal, 4, 3.0))
    assert biased > float(matrix_reliability(noisy(rng, signal, 4, 3.0), "cka")) + 0.3
    assert ceiled < 0.8


@pytest.mark.parametrize("name", ["cka", "rdm", "rdm_cv"])
def test_noise_alone(rng, name):
    trials = noisy(rng, np.zeros((40, 20)), 4, 1.0)
    # A correlation of n (n - 1) / 2 pairs has the standard error sqrt(2) / n, doubled by the
    # correction: five of them.
    assert abs(float(matrix_reliability(trials, name))) < 5 * 2 * np.sqrt(2) / 40


def drawn(seed, noise, n_repetitions):
    rng = np.random.default_rng(seed)
    return noisy(rng, rng.normal(size=(24, 6)), n_repetitions, noise)


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(SIMILARITIES), st.integers(0, 99), st.floats(0.1, 3), st.integers(2, 5))
def test_never_above_one(name, seed, noise, n_repetitions):
    ceiling = matrix_reliability(drawn(seed, noise, n_repetitions), name, n_splits=2)
    # A cosine is 1 up to rounding.
    assert (ceiling.attrs["raw"].values <= 1 + 1e-12).all()


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(SIMILARITIES), st.integers(0, 99), st.integers(2, 5))
def test_one_without_noise(name, seed, n_repetitions):
    ceiling = matrix_reliability(drawn(seed, 0.0, n_repetitions), name, n_splits=2)
    # Means over other numbers of equal trials differ by rounding. Unbiased CKA has 1e-12 in it.
    assert float(ceiling) == pytest.approx(1, abs=1e-9)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 99), st.permutations(range(96)))
def test_the_order_of_presentations_is_nothing(seed, order):
    trials = drawn(seed, 1.0, 4)
    shuffled = trials.isel(presentation=list(order))
    for name in ("cka", "rdm_cv"):  # whose divisions are balanced over objects
        expected, found = (
            matrix_reliability(one, name, n_splits=2).attrs["raw"].values
            for one in (trials, shuffled)
        )
        # The same sums in another order.
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_two_repetitions_have_no_order(name):
    trials = drawn(5, 1.0, 2)
    swapped = trials.assign_coords(repetition=1 - trials["repetition"])
    one, other = (float(matrix_reliability(one, name)) for one in (trials, swapped))
    assert one == pytest.approx(other, abs=1e-12)


def test_mean_and_error_over_splits():
    ceiling = matrix_reliability(drawn(1, 1.0, 6), "cka", n_splits=7)
    raw = ceiling.attrs["raw"]
    assert raw.dims == ("split",)
    assert len(raw) == 7
    assert float(ceiling) == pytest.approx(raw.values.mean(), abs=1e-12)
    assert float(ceiling.attrs["error"]) == pytest.approx(raw.values.std() / np.sqrt(7), abs=1e-12)
    assert float(matrix_reliability(drawn(1, 1.0, 6), "cka", n_splits=7, random_state=2)) != float(
        ceiling
    )


@pytest.mark.parametrize("name", ["rdm", "cka_cv"])
def test_any_metric_of_two_assemblies(name):
    """Called with the halves as a benchmark calls it; one that divides stimuli does so."""
    trials = drawn(3, 1.0, 4)

    class Called(Metric):
        def __call__(self, first, second):
            return metric(name)(first, second)

    called = matrix_reliability(trials, Called(), n_splits=2)
    found = matrix_reliability(trials, name, n_splits=2)
    np.testing.assert_allclose(found.attrs["raw"].values, called.attrs["raw"].values, atol=1e-12)
    assert float(found) != float(matrix_reliability(trials, "cka", n_splits=2))


@pytest.mark.parametrize("name", ["cka", "rdm"])
def test_every_time_bin(rng, name):
    signal = rng.normal(size=(15, 1, 8, 3))
    trials = assembly(signal + [0.2, 1, 3] * rng.normal(size=(15, 4, 8, 3)))
    ceiling = matrix_reliability(trials, name)
    assert ceiling.dims == ("time_bin",)
    assert ceiling["time_bin_start"].values.tolist() == [0, 10, 20]
    assert ceiling.attrs["raw"].dims == ("split", "time_bin")
    assert ceiling.attrs["error"].shape == (3,)
    for t in range(3):
        alone = matrix_reliability(trials.isel(time_bin=[t]), name)
        assert alone.dims == ()
        assert float(ceiling[t]) == pytest.approx(float(alone), abs=1e-12)
    assert ceiling[0] > ceiling[1] > ceiling[2]


def test_a_time_bin_in_which_no_neuron_responds(rng):
    values = rng.normal(size=(15, 4, 8, 2))
    values[..., 0] = 0
    ceiling = matrix_reliability(assembly(values), "rdm")
    assert np.isnan(ceiling.values).tolist() == [True, False]


@pytest.mark.parametrize("name", ["rdm", "rdm_cv"])
def test_missing_repetitions(name):
    whole = drawn(2, 1.0, 4)
    gone = (whole["stimulus_id"].values == "s000") & (whole["repetition"].values > 0)
    found = matrix_reliability(whole.isel(presentation=np.flatnonzero(~gone)), name)
    without = whole.isel(presentation=np.flatnonzero(whole["stimulus_id"].values != "s000"))
    assert float(found) == pytest.approx(float(matrix_reliability(without, name)), abs=1e-12)


class TestBrainScore:
    """Its ceiling of RDMs is of subjects; with halves as subjects it is what we correct."""

    @pytest.fixture
    def trials(self):
        return drawn(4, 0.7, 2)

    @pytest.fixture
    def subjects(self, trials):
        """Either repetition as the neuroids of a subject."""
        halves = [trials.isel(presentation=trials["repetition"].values == r) for r in (0, 1)]
        n = trials.sizes["neuroid"]
        both = assemblies.build(
            np.concatenate([half.values for half in halves], axis=1),
            presentation={
                "stimulus_id": halves[0]["stimulus_id"].values,
                "repetition": np.zeros(len(halves[0]), dtype=int),
            },
            neuroid={
                "neuroid_id": [f"n{j}" for j in range(2 * n)],
                "region": ["IT"] * 2 * n,
                "subject": np.repeat(["a", "b"], n),
            },
            time_bin_start=[0.0],
            time_bin_end=[10.0],
        )
        return to_brainio(both).isel(time_bin=0)

    def test_the_lower_bound_of_halves(self, trials, subjects):
        from brainscore_vision.metrics.rsa_ceiling.ceiling import RSACeiling

        lower = RSACeiling()(subjects).attrs["lower_bound_loo"]
        raw = matrix_reliability(trials, "rdm").attrs["raw"].values
        # Two repetitions have one division; the same correlation of the same ranks.
        np.testing.assert_allclose(raw, 2 * lower / (1 + lower), atol=1e-12)

    def test_the_bounds_of_subjects(self, subjects):
        """Those of ``geometry.noise_ceiling``, which ranks RDMs before it averages them."""
        from brainscore_vision.metrics.rdm.metric import RDM
        from brainscore_vision.metrics.rsa_ceiling.ceiling import RSACeiling

        def ranked(one):
            matrix = RDM()(one)
            upper = np.triu_indices(len(matrix), k=1)
            matrix.values[upper] = rankdata(matrix.values[upper])
            return matrix

        each = [subjects[:, subjects["subject"].values == name].values for name in ("a", "b")]
        rdms = xr.DataArray(
            [1 - np.corrcoef(one) for one in each],
            coords={"stimulus_id": ("condition", subjects["stimulus_id"].values)},
            dims=("subject", "condition", "condition_b"),
        )
        ours = geometry.noise_ceiling(rdms, method="spearman")
        theirs = RSACeiling(rdm=ranked)(subjects)
        assert float(ours["upper"]) == pytest.approx(float(theirs), abs=1e-12)
        assert float(ours["lower"]) == pytest.approx(theirs.attrs["lower_bound_loo"], abs=1e-12)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["rdm", "cka", "cka_biased"])
    def test_their_metrics(self, name):
        from brainscore_vision.metrics.cka.metric import CKA
        from brainscore_vision.metrics.rdm.metric import RDMMetric

        theirs = {"rdm": RDMMetric(), "cka": CKA(), "cka_biased": CKA(unbiased=False)}[name]
        trials = drawn(6, 0.7, 4)
        np.testing.assert_allclose(
            matrix_reliability(trials, name).attrs["raw"].values,
            matrix_reliability(trials, theirs).attrs["raw"].values,
            atol=1e-9,
        )


def test_means_have_none(rng):
    with pytest.raises(ValueError, match="at least 2 repetitions, got 1; give single trials"):
        matrix_reliability(noisy(rng, rng.normal(size=(9, 4)), 1, 1.0), "rdm")


def test_a_regression_has_no_matrices(rng):
    with pytest.raises(ValueError, match=r"'ridge' compares no matrices.*one of \['cka', 'cka_b"):
        matrix_reliability(drawn(0, 1.0, 2), "ridge")


def test_too_few_stimuli(rng):
    with pytest.raises(ValueError, match="2 stimuli have repetitions in both halves"):
        matrix_reliability(noisy(rng, rng.normal(size=(2, 4)), 4, 1.0), "rdm")
    with pytest.raises(ValueError, match="at least 4 stimuli, got 3"):
        matrix_reliability(noisy(rng, rng.normal(size=(3, 4)), 4, 1.0), "cka")


def test_the_sign_is_kept():
    """Where halves disagree, the formula would run to its pole at -1."""
    pairs, others = np.repeat(np.eye(2), 2, axis=0), np.tile(np.eye(2), (2, 1))
    trials = assembly(np.stack([pairs, others], axis=1)[..., None])
    # The three ways to make pairs of four stimuli add up to nothing once they are centred: cosines
    # of -1/2, which 2 s / (1 + s) would make -2.
    assert float(matrix_reliability(trials, "cka")) == pytest.approx(-2 / 3, abs=1e-9)
