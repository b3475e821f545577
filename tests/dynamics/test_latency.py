"""Latencies: steps and ramps by hand, chance, real data, bad input."""

import numpy as np
import pytest
import xarray as xr

from neurorec.dynamics import decoding_over_time, half_height_latency, onset_latency


def course(values, *, start=-50.0, width=10.0, dims=("time_bin",), attrs=None):
    values = np.asarray(values, dtype=float)
    starts = start + width * np.arange(values.shape[-1])
    coords = {
        "time_bin_start": ("time_bin", starts),
        "time_bin_end": ("time_bin", starts + width),
    }
    return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs or {})


# Five bins of baseline, 0.1 +- 0.01 (population deviation), end at 0 ms.
BASELINE = [0.11, 0.09, 0.11, 0.09, 0.10]
SD = np.std(BASELINE)


def test_onset_by_hand():
    """Threshold 0.1 + 5 SD = 0.1447; the bins from the fourth on are above."""
    result = onset_latency(course([*BASELINE, 0.1, 0.12, 0.14, 0.15, 0.2, 0.5, 0.5]))
    assert result["latency"].item() == 40
    assert result["threshold"].item() == pytest.approx(0.1 + 5 * SD)
    assert result["baseline_mean"].item() == pytest.approx(0.1)
    assert result["baseline_sd"].item() == pytest.approx(SD)
    assert result["latency"].attrs["units"] == "ms"
    assert "reason" not in result.attrs


def test_a_short_excursion_is_no_onset():
    values = [*BASELINE, 0.5, 0.5, 0.1, 0.5, 0.5, 0.5]
    assert onset_latency(course(values))["latency"].item() == 40
    assert onset_latency(course(values), n_consecutive=2)["latency"].item() == 10


def test_bins_of_the_baseline_are_no_onset():
    """Threshold 0.34: the run begins at 0 ms, and counts from the first bin after it."""
    values = [0.1, 0.1, 0.1, 0.1, 0.5, 0.9, 0.9, 0.9]
    assert onset_latency(course(values), n_sd=1.0)["latency"].item() == 10


def test_never():
    result = onset_latency(course([*BASELINE, 0.1, 0.5, 0.1, 0.1, 0.1]))
    assert np.isnan(result["latency"].item())
    assert not result["reached"].item()
    assert result.attrs["reason"] == (
        "1 of 1 courses never met: 3 time bins in a row above baseline + 5 SD"
    )


def test_many_courses(tmp_path):
    rise = [*BASELINE, 0.1, 0.5, 0.5, 0.5]
    flat = [*BASELINE, 0.1, 0.1, 0.1, 0.1]
    both = course([rise, flat], dims=("area", "time_bin"))
    both = both.assign_coords(area=["V4", "IT"])
    result = onset_latency(both)
    assert result["latency"].dims == ("area",)
    assert result["latency"].values[0] == 20
    assert result["reached"].values.tolist() == [True, False]
    assert result["area"].values.tolist() == ["V4", "IT"]
    result.to_netcdf(tmp_path / "latency.nc", engine="h5netcdf")


def test_onset_of_a_model():
    """Models have no bins before the stimulus: chance and its binomial deviation."""
    attrs = {"chance": 0.5, "n_presentations": 100}
    values = course([0.5, 0.74, 0.76, 0.8, 0.9], start=0.0, attrs=attrs)
    result = onset_latency(values, baseline="chance")
    assert result["threshold"].item() == pytest.approx(0.5 + 5 * 0.05)
    assert result["latency"].item() == 30


def test_half_height_by_hand():
    """Baseline 0.1, peak 0.9: half way is 0.5."""
    result = half_height_latency(course([*BASELINE, 0.1, 0.49, 0.5, 0.9, 0.3]))
    assert result["latency"].item() == 30
    assert result["threshold"].item() == pytest.approx(0.5)
    assert result["peak"].item() == 0.9


def test_half_height_above_chance():
    values = course([0.5, 0.6, 0.7, 0.9], start=0.0, attrs={"chance": 0.5, "n_presentations": 10})
    assert half_height_latency(values)["latency"].item() == 30


def test_half_height_without_a_peak():
    result = half_height_latency(course([*BASELINE, 0.1, 0.05, 0.05]))
    assert np.isnan(result["latency"].item())
    assert "never met: a peak above baseline" in result.attrs["reason"]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("classifier", ["max_correlation", "shrinkage_lda"])
def test_zhang_desimone(windows_of, classifier):
    """Baseline 0.143 +- 0.017, onset at 110 ms, half height at 120 to 130 ms; 50 ms windows."""
    decoding = decoding_over_time(windows_of(50, 10), classifier=classifier)
    onset = onset_latency(decoding)
    assert onset["latency"].item() == 110
    assert onset["baseline_mean"].item() == pytest.approx(0.143, abs=0.0005 + 1 / 419)
    assert onset["baseline_sd"].item() == pytest.approx(0.017, abs=0.0005)
    assert half_height_latency(decoding)["latency"].item() in (120, 130)


def test_no_baseline():
    with pytest.raises(
        ValueError, match=r'at least 2 time bins that end by 0 ms, got 0; .*"chance"'
    ):
        onset_latency(course([0.1, 0.5, 0.5, 0.5], start=0.0))
    with pytest.raises(ValueError, match="attrs 'chance' and 'n_presentations'"):
        onset_latency(course([0.1, 0.5, 0.5, 0.5], start=0.0), baseline="chance")


def test_bad_input():
    values = course([*BASELINE, 0.5, 0.5])
    with pytest.raises(ValueError, match="baseline must be one of"):
        onset_latency(values, baseline="zero")
    with pytest.raises(ValueError, match="between 1 and the 7 time bins, got 8"):
        onset_latency(values, n_consecutive=8)
    with pytest.raises(ValueError, match="expected a course over 'time_bin'"):
        onset_latency(values.rename(time_bin="train_time"))
    values[2] = np.nan
    with pytest.raises(ValueError, match="the course holds NaN"):
        half_height_latency(values)
