"""What late timesteps explain that early ones cannot."""

import numpy as np
import pytest
import xarray as xr

from neurorec.encoding import Bootstrap, KFold, Ridge, unique_variance

PLAIN = {
    "readout": Ridge(penalties=np.logspace(-2, 3, 6)),
    "splits": KFold(3),
    "bootstrap": Bootstrap(n_draws=200),
}


@pytest.fixture
def model(rng, make):
    """Four timesteps of independent features, and neurons that two of them drive."""

    def model(early=1.0, late=1.0, n=300, p=12, noise=1.0, n_bins=2, trials=1):
        x = rng.normal(size=(n, p, 4))
        w = rng.normal(size=(2, p, 6)) / np.sqrt(p)
        signal = early * x[:, :, 0] @ w[0] + late * x[:, :, 3] @ w[1]
        stimulus = np.repeat(np.arange(n), trials)
        y = np.repeat(signal[stimulus][:, :, None], n_bins, axis=2)
        y = y + noise * rng.normal(size=y.shape)
        return make(x, name="u"), make(y, stimulus_id=[f"s{i:04d}" for i in stimulus])

    return model


def part(result, name):
    return result.sel(part=name)


def test_known_shares(model):
    # Independent features: each set explains its own share of the variance, and nothing is shared.
    # With w of variance 1/p each signal has variance early² or late², in units of the noise 1.
    features, responses = model(early=1.0, late=2.0, n=2000)
    result = unique_variance(features, responses, **PLAIN)
    signal = {"early": 1.0, "late": 4.0}
    value = result["value"]
    total = sum(signal.values()) + 1
    for name, expected in (("unique_early", 1 / total), ("unique_late", 4 / total), ("shared", 0)):
        # Weights: 12 squared normals / 12 have a standard deviation of sqrt(2/12); over 6 neurons
        # a mean share of s has one of at most s * sqrt(2/12/6) / total, taken three times.
        atol = 3 * 4 * np.sqrt(2 / 12 / 6) / total + 0.02
        assert float(part(value, name).mean()) == pytest.approx(expected, abs=atol)


def test_parts_add_up(model):
    features, responses = model()
    value = unique_variance(features, responses, **PLAIN)["value"]
    total = part(value, "unique_early") + part(value, "unique_late") + part(value, "shared")
    np.testing.assert_allclose(total, part(value, "both"), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        part(value, "both") - part(value, "early"), part(value, "unique_late"), atol=1e-12
    )


def test_a_static_model_explains_nothing_late(model):
    features, responses = model(late=0.0)
    repeated = features.copy(data=np.repeat(features.values[:, :, :1], 4, axis=2))
    # Its penalties scale with the features, so that features given twice are the same model.
    result = unique_variance(repeated, responses, **(PLAIN | {"readout": Ridge()}))
    assert np.abs(part(result["value"], "unique_late")).max() < 1e-8
    assert float(part(result["median"], "early").min()) > 0.3
    # Late timesteps alone predict as well as early ones, which proves nothing.
    np.testing.assert_allclose(
        part(result["value"], "late"), part(result["value"], "early"), atol=1e-9
    )


def test_recurrence_is_seen(model):
    features, responses = model()
    result = unique_variance(features, responses, **PLAIN)
    assert float(part(result["ci_low"], "unique_late").min()) > 0.1
    assert (result["ci_low"] <= result["median"]).all()
    assert (result["median"] <= result["ci_high"]).all()
    assert (result["neuroid_ci_low"] < result["neuroid_ci_high"]).all()


def test_late_noise_is_not_seen(model):
    features, responses = model(late=0.0)
    result = unique_variance(features, responses, **PLAIN)
    assert float(part(result["median"], "unique_late").max()) < 0.03


def test_boundary(model):
    features, responses = model()
    result = unique_variance(features, responses, boundary_ms=30, **PLAIN)
    assert (result.attrs["n_early"], result.attrs["n_late"]) == (3, 1)
    middle = unique_variance(features, responses, **PLAIN)
    assert (middle.attrs["n_early"], middle.attrs["boundary_ms"]) == (2, 20)
    for boundary in (0, 31):
        with pytest.raises(ValueError, match=f"a boundary at {boundary} leaves .* begin from 0 to"):
            unique_variance(features, responses, boundary_ms=boundary, **PLAIN)


def test_over_the_reliability(model):
    features, responses = model(trials=4, noise=2.0, n=1500)
    result = unique_variance(features, responses, **PLAIN)
    assert result.attrs["quantity"] == "noise_corrected_determination"
    # Both sets explain all of the signal, up to the error of 48 weights from 1000 stimuli: noise
    # of variance 1 is a share of about 1/2 of the signal, and 48/1000 of it are fitted; as much
    # again for the standard error of a reliability from 1500 stimuli.
    assert float(part(result["median"], "both").mean()) == pytest.approx(1, abs=0.05)


def test_banded_ridge_by_default(model):
    # Bands keep a good small set from suffering under a large useless one.
    features, responses = model(late=0.0, n=300)
    options = PLAIN | {"bootstrap": Bootstrap(n_draws=0)}
    options.pop("readout")
    result = unique_variance(features, responses, **options)
    assert "BandedRidge" in result.attrs["readout"]
    assert set(result.data_vars) == {"value", "median"}
    assert float(part(result["median"], "unique_late").max()) < 0.05
    assert float(part(result["median"], "early").min()) > 0.2


def test_netcdf(model, tmp_path):
    features, responses = model()
    result = unique_variance(features, responses, **PLAIN)
    result.to_netcdf(tmp_path / "unique.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "unique.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), result)


def test_resampled(model):
    features, responses = model()
    neuroids, stimuli = (
        unique_variance(features, responses, resampled=r, **PLAIN) for r in ("neuroids", "stimuli")
    )
    assert not np.allclose(neuroids["ci_low"], stimuli["ci_low"])
    with pytest.raises(ValueError, match="resampled must be one of"):
        unique_variance(features, responses, resampled="trials", **PLAIN)
