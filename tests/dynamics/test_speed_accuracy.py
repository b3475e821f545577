"""Speed and accuracy: four images by hand, bounds, bad input."""

import numpy as np
import pytest
import xarray as xr

from neurorec.dynamics import speed_accuracy

# Probability of class 0 of two, for four images over three timesteps.
P = np.array(
    [
        [0.5, 0.7, 0.9],
        [0.6, 0.8, 0.9],
        [0.5, 0.5, 0.6],
        [0.2, 0.1, 0.6],
    ]
)
LABELS = [0, 0, 0, 0]


def logits_of(p=P, labels=LABELS, **coords):
    """Two classes: the log odds, and zero."""
    odds = np.log(p / (1 - p))
    values = np.stack([odds, np.zeros_like(odds)], axis=1)
    n_steps = p.shape[1]
    return xr.DataArray(
        values,
        dims=("presentation", "class", "time_bin"),
        coords={
            "label": ("presentation", labels),
            "timestep": ("time_bin", np.arange(n_steps)),
            "time_bin_end": ("time_bin", 10.0 * np.arange(1, n_steps + 1)),
        }
        | coords,
    )


def test_by_hand():
    """Class 1 is named when p < 1/2 (a tie goes to class 0): image 4 is wrong until the end."""
    result = speed_accuracy(logits_of(), thresholds=(0.6, 0.75, 0.85, 0.95))
    assert result["accuracy"].values.tolist() == [0.75, 0.75, 1.0]
    assert result["area_under_curve"].item() == pytest.approx(2.5 / 3)
    # tau at 0.6: images 1 to 4 at steps 1, 0, 2 and 0 (confident in the wrong class).
    # At 0.75: 2, 1, never, 0. At 0.85: 2, 2, never, 1. At 0.95: never.
    np.testing.assert_allclose(result["mean_timesteps"].values, [0.75, 1, 5 / 3, np.nan])
    np.testing.assert_allclose(result["accuracy_at_threshold"].values, [0.75, 2 / 3, 2 / 3, np.nan])
    assert result["fraction_undecided"].values.tolist() == [0, 0.25, 0.25, 1]
    assert result.attrs["chance"] == 0.5
    assert result.attrs["n_presentations"] == 4


def test_area_from_the_first_informed_step():
    result = speed_accuracy(logits_of(), first_timestep=1)
    assert result["area_under_curve"].item() == pytest.approx(1.75 / 2)
    assert result.attrs["first_timestep"] == 1


def test_intervals():
    """Wilson at 3 of 4, by its formula."""
    result = speed_accuracy(logits_of(), thresholds=(0.6,))
    z, n, a = 1.959963984540054, 4, 0.75
    centre = (a + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(a * (1 - a) / n + z**2 / (4 * n**2))
    assert result["ci_low"].values[0] == pytest.approx(centre - half)
    assert result["ci_high"].values[0] == pytest.approx(centre + half)
    assert result["accuracy_at_threshold_ci_low"].item() == pytest.approx(centre - half)


def test_labels_in_terms_of_the_class_coordinate():
    logits = logits_of().assign_coords({"class": ["cat", "dog"]})
    logits = logits.assign_coords(class_name=("presentation", ["cat"] * 4))
    by_coordinate = speed_accuracy(logits, "class_name")
    by_values = speed_accuracy(logits, ["cat"] * 4)
    plain = speed_accuracy(logits_of())
    for result in (by_coordinate, by_values):
        np.testing.assert_array_equal(result["accuracy"].values, plain["accuracy"].values)


def test_timesteps_are_those_of_the_recording():
    logits = logits_of(timestep=("time_bin", [4, 6, 8]))
    result = speed_accuracy(logits, thresholds=(0.75,))
    assert result["mean_timesteps"].item() == pytest.approx((8 + 6 + 4) / 3)
    without = speed_accuracy(logits_of().drop_vars("timestep"), thresholds=(0.75,))
    assert without["mean_timesteps"].item() == pytest.approx(1)


def test_higher_thresholds_are_slower_and_decide_less(rng):
    values = rng.normal(size=(200, 5, 8)).cumsum(axis=2)
    logits = xr.DataArray(values, dims=("presentation", "class", "time_bin"))
    result = speed_accuracy(logits, rng.integers(5, size=200))
    assert np.all(np.diff(result["fraction_undecided"].values) >= 0)
    assert result["fraction_undecided"].values[0] == 0
    assert result["mean_timesteps"].values[0] == 0
    np.testing.assert_allclose(
        result["accuracy_at_threshold"].values[0], result["accuracy"].values[0]
    )


def test_written_and_read(tmp_path):
    result = speed_accuracy(logits_of())
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as read:
        assert read["time_bin_end"].values.tolist() == [10, 20, 30]
        assert read["accuracy"].values.tolist() == [0.75, 0.75, 1.0]


def test_bad_input():
    logits = logits_of()
    with pytest.raises(ValueError, match=r"dimensions \('presentation', 'class', 'time_bin'\)"):
        speed_accuracy(logits.rename({"class": "neuroid"}))
    with pytest.raises(ValueError, match=r"no coordinate 'object_name' .*\['label'\]"):
        speed_accuracy(logits, "object_name")
    with pytest.raises(ValueError, match="one label for each of 4 presentations, got 3"):
        speed_accuracy(logits, [0, 0, 0])
    with pytest.raises(ValueError, match=r"labels \['7'\] are none of the 2 classes"):
        speed_accuracy(logits, [0, 0, 7, 1])
    with pytest.raises(ValueError, match=r"probabilities in \(0, 1\], got \[0.5, 1.5\]"):
        speed_accuracy(logits, thresholds=(0.5, 1.5))
    with pytest.raises(ValueError, match="first_timestep 3 is later than the last timestep 2"):
        speed_accuracy(logits, first_timestep=3)
    with pytest.raises(ValueError, match="level must lie between"):
        speed_accuracy(logits, level=0.0)
    logits[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="the logits hold NaN or infinite values"):
        speed_accuracy(logits)
