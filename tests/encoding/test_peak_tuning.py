"""Peak tuning and tuning curves, on the scale of the responses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurorec.encoding import TuningCurve, peak_tuning, tuning_curve

# Small whole numbers, as counts are, so that ties are frequent.
COUNTS = arrays(int, (12, 3), elements=st.integers(0, 4))
FRACTIONS = st.floats(0.01, 1)


def test_known_answer():
    r = np.array([9.0, 8.0, 7.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    p = np.array([9.0, 3.0, 7.5, 8.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    # k = 3, theta = 7: of the first three stimuli two reach it, of all stimuli four.
    assert peak_tuning(r, p, fraction=0.3) == pytest.approx(2 / 3)
    assert peak_tuning(r, p, "separate", fraction=0.3) == 1
    assert peak_tuning(r, p - 1.6, "separate", fraction=0.3) == pytest.approx(2 / 3)


def test_perfect_shuffled_and_constant_predictions(rng):
    n, fraction = 1000, 0.1
    r = rng.gamma(1.0, size=(n, 400))
    shuffled = np.stack([rng.permutation(column) for column in r.T], axis=1)
    for mode in ("joint", "separate"):
        np.testing.assert_array_equal(peak_tuning(r, r, mode, fraction), 1)
        mean = np.tile(r.mean(axis=0), (n, 1))
        np.testing.assert_array_equal(peak_tuning(r, mean, mode, fraction), 0)
    np.testing.assert_array_equal(peak_tuning(r, shuffled, "separate", fraction), 1)
    joint = peak_tuning(r, shuffled, "joint", fraction)
    # Hypergeometric: k draws of which the share `fraction` reaches; four standard errors.
    error = np.sqrt(fraction * (1 - fraction) * (1 - fraction) / (fraction * (n - 1)) / 400)
    assert np.mean(joint) == pytest.approx(fraction, abs=4 * error)


@pytest.mark.parametrize(
    ("n", "fraction", "k"), [(1000, 0.01, 10), (40, 0.01, 1), (10, 0.26, 3), (8, 1, 8)]
)
def test_size_of_the_peak(n, fraction, k):
    r = np.arange(float(n))
    p = np.where(r == n - 1, r, -1)  # reaches the largest only
    assert peak_tuning(r, p, fraction=fraction) == pytest.approx(1 / k)
    assert peak_tuning(r, p, "separate", fraction=fraction) == pytest.approx(1 / k)


def test_ties_at_the_threshold():
    r = np.array([5, 3, 3, 3, 0, 0])
    p = np.array([5, 3, 0, 0, 0, 0])
    # The best two are stimulus 0 and one of three: it is reached in one case of three.
    assert peak_tuning(r, p, fraction=2 / 6) == pytest.approx((1 + 1 / 3) / 2)
    # All of those three belong to the best four.
    assert peak_tuning(r, p, fraction=4 / 6) == pytest.approx(2 / 4)


@given(r=COUNTS, p=COUNTS, fraction=FRACTIONS)
def test_joint_is_at_most_separate(r, p, fraction):
    joint, separate = (peak_tuning(r, p, mode, fraction) for mode in ("joint", "separate"))
    alive = ~np.isnan(joint)
    np.testing.assert_array_equal(alive, np.ptp(r, axis=0) > 0)
    np.testing.assert_array_equal(np.isnan(separate), ~alive)
    assert np.all(joint[alive] <= separate[alive] + 1e-15)
    assert np.all((joint[alive] >= 0) & (separate[alive] <= 1))


@given(r=COUNTS, p=COUNTS, fraction=FRACTIONS, seed=st.integers(0, 99))
def test_order_of_stimuli_and_scale_say_nothing(r, p, fraction, seed):
    order = np.random.default_rng(seed).permutation(len(r))
    for mode in ("joint", "separate"):
        plain = peak_tuning(r, p, mode, fraction)
        np.testing.assert_array_equal(peak_tuning(r[order], p[order], mode, fraction), plain)
        np.testing.assert_array_equal(peak_tuning(2.0 * r, 2.0 * p, mode, fraction), plain)
        perfect = peak_tuning(r, r, mode, fraction)
        np.testing.assert_allclose(perfect[~np.isnan(perfect)], 1, rtol=1e-15)


@given(r=COUNTS, p=COUNTS, k=st.integers(1, 12))
def test_definitions_without_ties(r, p, k):
    """The words of the definition, neuroid by neuroid, after ties are broken."""
    r = r + np.linspace(0, 0.5, len(r))[:, None]
    joint, separate = (peak_tuning(r, p, mode, k / len(r)) for mode in ("joint", "separate"))
    for j in range(r.shape[1]):
        best = sorted(range(len(r)), key=lambda i, j=j: r[i, j])[-k:]
        threshold = min(r[i, j] for i in best)
        assert joint[j] == pytest.approx(sum(p[i, j] >= threshold for i in best) / k)
        assert separate[j] == pytest.approx(sum(v >= threshold for v in sorted(p[:, j])[-k:]) / k)


def test_tuning_curve_by_hand():
    r, p = np.array([1.0, 3.0, 2.0]), np.array([5.0, 4.0, 6.0])
    shared = tuning_curve(r, p)
    assert isinstance(shared, TuningCurve)
    assert shared.responses.tolist() == [3, 2, 1]
    assert shared.predictions.tolist() == [4, 6, 5]
    separate = tuning_curve(r, p, ranking="separate")
    assert separate.responses.tolist() == [3, 2, 1]
    assert separate.predictions.tolist() == [6, 5, 4]
    ties = tuning_curve(np.tile([1.0, 2.0], 500), np.arange(1000.0))
    assert ties.predictions.tolist() == [*range(1, 1000, 2), *range(0, 1000, 2)]


@given(r=COUNTS, p=COUNTS)
def test_curves_hold_what_they_are_made_of(r, p):
    for ranking in ("shared", "separate"):
        responses, predictions = tuning_curve(r, p, ranking)
        np.testing.assert_array_equal(responses, np.sort(r, axis=0)[::-1])
        np.testing.assert_array_equal(np.sort(predictions, axis=0), np.sort(p, axis=0))
    np.testing.assert_array_equal(predictions, np.sort(p, axis=0)[::-1])
    for curve in tuning_curve(r, r):
        np.testing.assert_array_equal(curve, responses)


@given(r=COUNTS, p=COUNTS, k=st.integers(1, 12))
def test_curves_hold_peak_tuning(r, p, k):
    r = r + np.linspace(0, 0.5, len(r))[:, None]
    for mode, ranking in (("joint", "shared"), ("separate", "separate")):
        responses, predictions = tuning_curve(r, p, ranking)
        share = np.mean(predictions[:k] >= responses[k - 1], axis=0)
        np.testing.assert_allclose(peak_tuning(r, p, mode, k / len(r)), share)


def test_assemblies(make, rng):
    r, p = make(rng.gamma(1.0, size=(30, 4, 2))), make(rng.gamma(1.0, size=(30, 4, 2)))
    for mode in ("joint", "separate"):
        share = peak_tuning(r, p.transpose("time_bin", "presentation", "neuroid"), mode, 0.2)
        np.testing.assert_array_equal(share.values, peak_tuning(r.values, p.values, mode, 0.2))
        assert share.dims == ("neuroid", "time_bin")
        np.testing.assert_array_equal(share["neuroid_id"], r["neuroid_id"])
        assert not {"stimulus_id", "repetition"} & set(share.coords)
    curve = tuning_curve(r.transpose("neuroid", "presentation", "time_bin"), p)
    assert curve.predictions.dims == ("rank", "neuroid", "time_bin")
    np.testing.assert_array_equal(
        curve.predictions.values, tuning_curve(r.values, p.values).predictions
    )
    np.testing.assert_array_equal(curve.responses["time_bin_end"], r["time_bin_end"])


def test_arguments_are_not_written_to(rng):
    r, p = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    before = r.copy(), p.copy()
    peak_tuning(r, p)
    tuning_curve(r, p)
    np.testing.assert_array_equal(r, before[0])
    np.testing.assert_array_equal(p, before[1])


def test_no_peak_without_variance():
    r = np.column_stack([np.zeros(10), np.arange(10.0)])
    share = peak_tuning(r, r)
    assert np.isnan(share[0])
    assert share[1] == 1


def test_bad_options(rng):
    r = rng.normal(size=(9, 2))
    with pytest.raises(ValueError, match=r"mode must be one of .*, got 'both'"):
        peak_tuning(r, r, "both")
    with pytest.raises(ValueError, match=r"ranking must be one of .*, got 'joint'"):
        tuning_curve(r, r, "joint")
    for fraction in (0, -0.1, 1.5):
        with pytest.raises(ValueError, match="fraction must be above 0 and at most 1, got"):
            peak_tuning(r, r, fraction=fraction)


def test_bad_arrays(rng, make):
    r = rng.normal(size=(9, 2))
    with pytest.raises(ValueError, match=r"must have one shape .*, got \(9, 2\) and \(9, 1\)"):
        peak_tuning(r, r[:, :1])
    with pytest.raises(ValueError, match=r"must have one shape .*, got \(0, 2\)"):
        tuning_curve(r[:0], r[:0])
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="predictions hold NaN or infinite values"):
            peak_tuning(r, np.where(r == r[3, 1], bad, r))
    with pytest.raises(ValueError, match="responses hold NaN"):
        tuning_curve(r * np.nan, r)
    assembly = make(r[:, :, None])
    with pytest.raises(ValueError, match="must be of one kind, got DataArray and ndarray"):
        peak_tuning(assembly, assembly.values)
    with pytest.raises(ValueError, match="differ in stimulus_id; bring both to the same order"):
        peak_tuning(assembly, assembly.isel(presentation=slice(None, None, -1)))
    with pytest.raises(ValueError, match="differ in neuroid_id"):
        peak_tuning(assembly, assembly.isel(neuroid=[1, 0]))
    with pytest.raises(ValueError, match="need the dimension 'presentation' and the same others"):
        peak_tuning(assembly, assembly.isel(time_bin=0, drop=True))
