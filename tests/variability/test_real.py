"""Reference figures of macaque IT, measured independently with numpy."""

import numpy as np
import pytest

from neurorec import datasets
from neurorec.assemblies import window
from neurorec.variability import fano_factor, mean_variance_slope, noise_correlation

pytestmark = pytest.mark.data


@pytest.fixture
def it(mirror):
    data = datasets.load("zhang-desimone-2011", bin_width_ms=10)
    return window(data.assembly, start_ms=100.0, stop_ms=300.0, statistic="sum")


def test_noise_correlation(it):
    # Reference: 0.125 within sessions (379 pairs), 0.004 across; the same numbers of the same
    # data, so only their rounding and how variances of repetitions are normalised is open.
    result = noise_correlation(it, within="session_id")
    assert result.attrs["n_pairs_within"] == 379
    assert result.attrs["mean_within"] == pytest.approx(0.125, abs=0.002)
    assert result.attrs["mean_across"] == pytest.approx(0.004, abs=0.001)


def test_spike_counts_are_about_as_variable_as_their_mean(it):
    # Cortical spike counts: Fano factors of 1 to 2, a slope of 1 to 1.3 (Shadlen and Newsome
    # 1998, Journal of Neuroscience 18, 3870-3896).
    assert 1 < float(np.nanmedian(fano_factor(it))) < 2
    assert 0.9 < float(np.nanmedian(mean_variance_slope(it))) < 1.4
