"""Which timesteps fall into a bin, against counts by hand and Brain-Score's own alignment."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_vision.model_helpers.brain_transformation.temporal import time_align

from neurorec.brainscore import Timeline, as_time_bins

TIMELINE = Timeline(dt_ms=10, n_timesteps=4, onset_ms=50)  # from 50 to 90 ms


def zero_dimensional(limits):
    """What a benchmark without a time course passes for a bin."""
    array = np.empty((), dtype=object)
    array[()] = limits
    return array


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((50, 60), [1, 0, 0, 0]),
        ((50, 90), [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        ((55, 75), [1 / 4, 1 / 2, 1 / 4, 0]),
        ((62, 63), [0, 1, 0, 0]),
        ((70, 170), [0, 0, 1 / 2, 1 / 2]),  # only what there is of the model
        ((-100, 51), [1, 0, 0, 0]),
        ((58, 70), [1 / 6, 5 / 6, 0, 0]),
    ],
)
def test_weights_by_hand(limits, expected):
    np.testing.assert_allclose(TIMELINE.weights(as_time_bins([limits])), [expected], rtol=1e-12)


def test_coverage_by_hand():
    bins = as_time_bins([(50, 90), (70, 170), (40, 60), (0, 10)])
    np.testing.assert_allclose(TIMELINE.coverage(bins), [1, 0.2, 0.5, 0], rtol=1e-12)


limits = st.tuples(st.integers(0, 60), st.integers(1, 40)).map(lambda x: (50 + x[0], 50 + sum(x)))
timelines = st.builds(
    Timeline,
    dt_ms=st.integers(1, 30),
    n_timesteps=st.integers(40, 60),
    onset_ms=st.integers(0, 50),
)


@given(st.lists(limits.filter(lambda x: x[1] <= 90), min_size=1, max_size=4), timelines)
def test_bins_that_are_covered_are_averaged_as_brainscore_does(bins, timeline):
    edges = timeline.onset_ms + timeline.dt_ms * np.arange(timeline.n_timesteps + 1)
    portions = time_align(list(pairwise(edges)), bins)
    covered = timeline.coverage(as_time_bins(bins)) == 1
    if not covered.all():  # theirs judges all bins by the first
        return
    expected = portions / portions.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(timeline.weights(as_time_bins(bins)), expected, rtol=1e-12)


@given(limits, timelines, st.integers(1, 99))
def test_a_bin_is_the_average_of_its_parts(whole, timeline, percent):
    (start, end), middle = whole, whole[0] + (whole[1] - whole[0]) * percent / 100
    parts = as_time_bins([(start, middle), (middle, end)])
    try:
        pair = timeline.weights(parts)
    except ValueError:
        return
    shared = timeline.coverage(parts) * [middle - start, end - middle]
    together = shared @ pair / shared.sum()
    np.testing.assert_allclose(timeline.weights(as_time_bins([whole]))[0], together, atol=1e-9)


@given(st.lists(limits, min_size=1, max_size=4), timelines)
def test_what_does_not_change_is_left_as_it_is(bins, timeline):
    weights = timeline.weights(as_time_bins(bins)) if timeline.end_ms > 110 else np.ones((1, 1))
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)


def test_rounding_is_no_overlap():
    """3 × 0.1 is a little more than 0.3, and 0.3 / 0.1 a little less than 3."""
    weights = Timeline(dt_ms=0.1, n_timesteps=6).weights(as_time_bins([(0.3, 0.5)]))
    np.testing.assert_allclose(weights, [[0, 0, 0, 0.5, 0.5, 0]], atol=1e-12)
    assert np.count_nonzero(weights) == 2


@pytest.mark.parametrize(
    "given_bins",
    [
        [(70, 80), (80, 90)],
        ((70, 80), [80, 90]),
        np.array([[70, 80], [80, 90]]),
        pd.MultiIndex.from_tuples([(70, 80), (80, 90)]),
        pd.MultiIndex.from_tuples([(70, 80), (80, 90)]).values,
        [zero_dimensional((70, 80)), zero_dimensional((80, 90))],
        np.array([zero_dimensional((70, 80)), zero_dimensional((80, 90))]),
        [np.array([70, 80]), (np.int64(80), np.float32(90))],
        xr.DataArray([[70, 80], [80, 90]]),
    ],
    ids=["list", "tuple", "array", "index", "tuples", "0-d", "0-d array", "numbers", "xarray"],
)
def test_however_bins_are_given(given_bins):
    assert as_time_bins(given_bins) == ((70.0, 80.0), (80.0, 90.0))


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ([], r"no time bins were asked for; give a list such as \[\(70, 170\)\]"),
        (None, "time_bins must be a list of"),
        (zero_dimensional((70, 170)), r"got 70; one bin is given as \[\(70, 170\)\]"),
        ([("a", "b")], "a time bin is"),
        ([(80, 80)], r"must end after it starts, got \(80, 80\) ms"),
        ([(80, 70)], r"must end after it starts, got \(80, 70\) ms"),
        ([(0, np.inf)], "must end after it starts"),
        ([(np.nan, 1)], "must end after it starts"),
    ],
    ids=["none", "None", "bare", "text", "empty", "backwards", "infinite", "nan"],
)
def test_bad_bins(bins, message):
    with pytest.raises(ValueError, match=message):
        as_time_bins(bins)


def test_bins_without_a_timestep():
    with pytest.raises(
        ValueError,
        match=r"no timestep in the time bins \(0, 50\), \(90, 100\) ms: its 4 timesteps of 10 ms "
        r"last from 50 to 90 ms; .* timesteps, dt_ms or onset_ms",
    ):
        TIMELINE.weights(as_time_bins([(0, 50), (50, 60), (90, 100)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt_ms": 0}, "dt_ms must be above 0, got 0"),
        ({"dt_ms": float("inf")}, "dt_ms must be above 0, got inf"),
        ({"onset_ms": float("nan")}, "onset_ms must be a time in ms, got nan"),
        ({"n_timesteps": 0}, "timesteps must be at least 1, got 0"),
    ],
)
def test_bad_timelines(changes, message):
    with pytest.raises(ValueError, match=message):
        Timeline(**{"dt_ms": 10, "n_timesteps": 4, **changes})
