"""Few-shot geometry: the equations in the space of units, simulated errors, unbiasedness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from neurorec.assemblies import window
from neurorec.geometry import few_shot_geometry, few_shot_trials
from neurorec.geometry.few_shot import NOISE_TERMS
from neurorec.geometry.few_shot_moments import ESTIMATES
from neurorec.populations import patterns_of

ARRAYS = ("signal", "bias", "overlap", "snr", "predicted_error", "dimension")


def gaussian_classes(rng, *, n_points, n_units=40, separation=0.5, n_classes=3):
    """Classes of different spectra and sizes, and their covariances and centres."""
    values, covariances = [], []
    centres = separation * rng.normal(size=(n_classes, n_units)) / np.sqrt(n_units)
    for i in range(n_classes):
        axes, _ = np.linalg.qr(rng.normal(size=(n_units, n_units)))
        variances = (1 + 0.3 * i) * np.exp(-np.arange(n_units) / (8 + 4 * i))
        roots = axes * np.sqrt(variances / variances.sum() * (1 + 0.3 * i))
        values.append(centres[i] + rng.normal(size=(n_points, n_units)) @ roots.T)
        covariances.append(roots @ roots.T)
    labels = np.repeat(np.arange(n_classes), n_points)
    return np.concatenate(values)[:, :, None], labels, np.array(covariances), centres


def expected_geometry(centres, covariances, m, noise):
    """The equations of the documentation, pair by pair."""
    n = len(centres)
    out = {name: np.full((n, n), np.nan) for name in ("signal", "bias", "overlap", "snr")}
    for a in range(n):
        for b in set(range(n)) - {a}:
            delta, ca, cb = centres[a] - centres[b], covariances[a], covariances[b]
            radius = np.trace(ca)
            dimension = radius**2 / np.trace(ca @ ca)
            signal, bias = delta @ delta / radius, np.trace(cb) / radius - 1
            overlap = delta @ ca @ delta / radius**2
            v = 1 / (m * dimension) + delta @ cb @ delta / (m * radius**2) + overlap
            if noise == "gaussian":
                v += np.trace(ca @ cb) / (m * radius**2)
                v += (np.trace(ca @ ca) + np.trace(cb @ cb)) / (2 * m**2 * radius**2)
            snr = 0.5 * (signal + bias / m) / np.sqrt(v)
            for name, value in zip(out, (signal, bias, overlap, snr), strict=True):
                out[name][a, b] = value
    return out


@pytest.mark.parametrize("noise", NOISE_TERMS)
@pytest.mark.parametrize("n_shots", [1, 5])
def test_definition(rng, noise, n_shots):
    values, labels, _, _ = gaussian_classes(rng, n_points=9, n_units=15)
    result = few_shot_geometry(values, label=labels.tolist(), n_shots=n_shots, noise=noise)
    groups = [values[labels == c, :, 0] for c in range(3)]
    covariances = [np.cov(g.T, bias=True) for g in groups]
    expected = expected_geometry([g.mean(axis=0) for g in groups], covariances, n_shots, noise)
    for name, array in expected.items():
        np.testing.assert_allclose(result[name].values[:, :, 0], array, rtol=1e-9)
    np.testing.assert_allclose(
        result["predicted_error"].values[:, :, 0], norm.sf(expected["snr"]), rtol=1e-9
    )
    ratios = [np.trace(c) ** 2 / np.trace(c @ c) for c in covariances]
    np.testing.assert_allclose(result["dimension"].values[:, 0], ratios, rtol=1e-9)


def test_measured_error_by_hand():
    """Points on a line: one class at 0 and 1, the other at 3 and 10, one example of each.

    From 0 and 1: the example left is 1 away from its own and at least 2 from the other's.
    From 3: its own example is at 10, seven away, the other's nearer. From 10: its own is at 3.
    """
    values = np.array([0.0, 1.0, 3.0, 10.0])[:, None, None]
    result = few_shot_geometry(values, label=["a", "a", "b", "b"], n_shots=1, n_draws=2000)
    measured = result["measured_error"].values[:, :, 0]
    assert measured[0, 1] == 0
    assert measured[1, 0] == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(2000))
    assert np.isnan(measured.diagonal()).all()


def test_equal_distances_count_half():
    values = np.array([0.0, 0.0, 0.0, 0.0])[:, None, None] + np.array([1.0, -1.0])[None, None]
    values[:, :, 1] = np.array([0.0, 0, 1, 1])[:, None]
    result = few_shot_geometry(values, label=[0, 0, 1, 1], n_shots=1, undefined="nan", n_draws=5)
    measured = result["measured_error"].values[0, 1]
    assert np.isnan(measured[0])
    assert measured[1] == 0
    # Two classes of the same two points.
    values = np.array([0.0, 1.0, 0.0, 1.0])[:, None, None]
    result = few_shot_geometry(values, label=[0, 0, 1, 1], n_shots=1, n_draws=3000)
    # Own example at the other point: the foreign one is there too, or nearer.
    assert result["measured_error"].values[0, 1, 0] == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("n_shots", [2, 5])
def test_predicted_error_of_gaussian_manifolds(rng, n_shots):
    """From the true moments, against new examples and tests drawn by the thousand."""
    _, _, covariances, centres = gaussian_classes(rng, n_points=4, separation=0.6)
    snr = expected_geometry(centres, covariances, n_shots, "gaussian")["snr"]
    n_draws = 20_000
    for a, b in ((0, 1), (2, 0)):
        new = rng.multivariate_normal(centres[a], covariances[a], n_draws)
        own, other = (
            rng.multivariate_normal(centres[c], covariances[c] / n_shots, n_draws) for c in (a, b)
        )
        wrong = ((new - own) ** 2).sum(axis=1) > ((new - other) ** 2).sum(axis=1)
        # The difference of squared distances is not quite Gaussian; in a dozen dimensions its
        # skewness moves the tail by about this much, beside 4 standard errors of 0.003.
        assert norm.sf(snr[a, b]) == pytest.approx(wrong.mean(), abs=0.02)


def test_predicted_and_measured_error_of_presentations(rng):
    values, labels, _, _ = gaussian_classes(rng, n_points=150, separation=0.6)
    result = few_shot_geometry(values, label=labels.tolist(), n_shots=3, n_draws=100)
    difference = result["predicted_error"] - result["measured_error"]
    assert np.nanmax(np.abs(difference)) < 0.03
    assert np.nanmin(result["measured_error"]) > 0.02
    assert result["mean_measured_error"].item() == pytest.approx(
        np.nanmean(result["measured_error"]), rel=1e-12
    )


def test_measured_errors_in_batches(rng, monkeypatch):
    """Draws taken a few at a time are those taken at once."""
    values, labels, _, _ = gaussian_classes(rng, n_points=20)
    options = {"label": labels.tolist(), "n_draws": 100}
    whole = few_shot_geometry(values, **options)["mean_measured_error"].item()
    monkeypatch.setattr(few_shot_trials, "_ELEMENTS", 3 * 60 * 7)
    batches = few_shot_geometry(values, **options)["mean_measured_error"].item()
    assert batches == pytest.approx(whole, rel=1e-12)
    assert whole > 0.02


def test_leading_terms_are_all_for_many_shots(rng):
    values, labels, _, _ = gaussian_classes(rng, n_points=60)
    both = [
        few_shot_geometry(values, label=labels.tolist(), n_shots=59, noise=noise, n_draws=1)
        for noise in ("leading", "gaussian")
    ]
    difference = both[0]["mean_snr"].item() - both[1]["mean_snr"].item()
    assert 0 < difference < 0.2 * both[1]["mean_snr"].item()


@pytest.mark.slow
def test_unbiased_estimates(rng):
    """Over draws of seven presentations the traces have the mean of the true ones.

    Ratios to a squared radius do not, so that classes get a common and nearly constant one.
    """
    n_draws, n_points, n_units = 400, 7, 12
    scale = np.sqrt(np.linspace(0.5, 1.5, n_units))
    centres = np.zeros((2, n_units))
    centres[1, 0] = 2.0
    values = rng.normal(size=(n_draws, 2, n_points, n_units)) * scale + centres[:, None]
    # Draws take the place of time bins.
    values = np.moveaxis(values, 0, 3).reshape(2 * n_points, n_units, n_draws)
    result = few_shot_geometry(
        values,
        label=np.repeat([0, 1], n_points).tolist(),
        n_shots=1,
        estimate="unbiased",
        n_draws=1,
    )
    plain = few_shot_geometry(
        values, label=np.repeat([0, 1], n_points).tolist(), n_shots=1, n_draws=1
    )
    groups = values.reshape(2, n_points, n_units, n_draws)
    radius = groups.var(axis=1, ddof=1).sum(axis=1)[0]
    covariance = np.diag(scale**2)
    expected = {
        "signal": (1, 4.0),
        "overlap": (2, centres[1] @ covariance @ centres[1]),
    }
    for name, (power, truth) in expected.items():
        found = result[name].values[0, 1] * radius**power
        error = 4 * found.std() / np.sqrt(n_draws)
        assert found.mean() == pytest.approx(truth, abs=error)
        biased = plain[name].values[0, 1] * (radius * (n_points - 1) / n_points) ** power
        assert biased.mean() > truth + error
    squares = radius**2 / result["dimension"].values[0]
    error = 4 * squares.std() / np.sqrt(n_draws)
    assert squares.mean() == pytest.approx((scale**4).sum(), abs=error)


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.01, 100),
    estimate=st.sampled_from(sorted(ESTIMATES)),
)
def test_rotation_scaling_and_shift_change_nothing(seed, scale, estimate):
    rng = np.random.default_rng(seed)
    values, labels, _, _ = gaussian_classes(rng, n_points=6, n_units=10)
    rotation, _ = np.linalg.qr(rng.normal(size=(10, 10)))
    moved = scale * np.einsum("nut,uv->nvt", values, rotation) + rng.normal(size=(10, 1))
    options = {"label": labels.tolist(), "estimate": estimate, "n_draws": 10}
    first, second = (few_shot_geometry(v, **options) for v in (values, moved))
    for name in (*ARRAYS, "measured_error"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5, atol=1e-8)


def test_labels_and_inner_products_alone(assembly_of, rng, tmp_path):
    values, labels, _, _ = gaussian_classes(rng, n_points=6, n_units=10)
    names = np.array(["cat", "dog", "elk"])[labels]
    assembly = assembly_of(np.repeat(values, 2, axis=2), object_name=names)
    result = few_shot_geometry(assembly, label="object_name")
    assert result["snr"].dims == ("manifold", "manifold_b", "time_bin")
    assert result["dimension"].dims == ("manifold", "time_bin")
    assert result["manifold_b"].values.tolist() == ["cat", "dog", "elk"]
    assert result["time_bin_end"].values.tolist() == [10, 20]
    assert result.attrs["n_shots"] == 5
    again = few_shot_geometry(patterns_of(assembly, averaged=False), label="object_name")
    np.testing.assert_array_equal(result["measured_error"], again["measured_error"])
    result.to_netcdf(tmp_path / "few_shot.nc", engine="h5netcdf")


def test_bad_input(rng):
    values, labels, _, _ = gaussian_classes(rng, n_points=4, n_units=10)
    labels = labels.tolist()
    with pytest.raises(ValueError, match="at least 6 presentations, '0' has 4"):
        few_shot_geometry(values, label=labels)
    with pytest.raises(ValueError, match="at least 4 presentations, '1' has 3"):
        few_shot_geometry(values[:7], label=labels[:7], n_shots=1, estimate="unbiased")
    with pytest.raises(ValueError, match="estimate must be one of"):
        few_shot_geometry(values, label=labels, estimate="best")
    with pytest.raises(ValueError, match="noise must be one of"):
        few_shot_geometry(values, label=labels, noise="none")
    for options in ({"n_shots": 0}, {"n_draws": 0}):
        with pytest.raises(ValueError, match="n_shots and n_draws must be at least 1"):
            few_shot_geometry(values, label=labels, **options)
    values[:, :, 0] = 1
    with pytest.raises(ValueError, match="same response, as in time bins 0"):
        few_shot_geometry(values, label=labels, n_shots=1)


def test_a_class_that_does_not_vary(rng):
    values = np.array([0.0, 0.0, 1.0, 1.5])[:, None, None]
    result = few_shot_geometry(values, label=[0, 0, 1, 1], n_shots=1)
    assert np.isnan(result["snr"].values[0, 1])
    assert np.isfinite(result["snr"].values[1, 0])
    assert result["measured_error"].values[0, 1] == 0


@pytest.mark.data
def test_it_cortex_learns_objects(zhang):
    """Before the stimulus, chance; when IT answers, errors that the geometry predicts."""
    counts = window(zhang, start_ms=-100, stop_ms=200, width_ms=100, step_ms=200, statistic="sum")
    result = few_shot_geometry(counts, label="object_name", estimate="unbiased", n_draws=50)
    before, after = result["mean_snr"].values
    assert abs(before) < 0.05
    assert after > 0.8
    predicted, measured = result["mean_predicted_error"], result["mean_measured_error"]
    np.testing.assert_allclose(predicted, measured, atol=0.025)
    assert measured[0] == pytest.approx(0.5, abs=0.01)
    assert measured[1] < 0.2
