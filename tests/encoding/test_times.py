"""Which timesteps predict which bins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec.encoding import All, Cumulative, Grid, Lag, Match
from neurorec.encoding.times import Axes, at, grid_designs, merged, overlaps


def axes(n_times, n_bins, *, dt=10.0, width=10.0, start=0.0, in_ms=True):
    model = dt * np.arange(n_times)
    bins = start + width * np.arange(n_bins)
    return Axes(np.stack([model, model + dt]), np.stack([bins, bins + width]), in_ms)


def uses(designs):
    """Bands of every entry and bin."""
    return {(use.entry, b): d.bands for d in designs for use in d.uses for b in use.bins}


def test_grid():
    found = uses(Grid().designs(axes(3, 2)))
    assert found == {(("model_time", t), b): ((at(t),),) for t in range(3) for b in range(2)}


def test_all_has_a_band_for_each_timestep():
    (design,) = All().designs(axes(3, 2))
    assert design.bands == ((at(0),), (at(1),), (at(2),))
    assert design.bins == (0, 1)


def test_cumulative_adds_a_timestep_each():
    designs = Cumulative().designs(axes(3, 1))
    assert [d.bands for d in designs] == [((at(0),),), ((at(0), at(1)),), ((at(0), at(1), at(2)),)]


def weights(bands):
    """Timesteps and weights of a design of one part."""
    (((part,),),) = (bands,)
    return dict(part)


def test_match_takes_what_overlaps():
    # Bins of 15 ms from 5 ms: 5-20 has half of timestep 0 and all of 1; 20-35 all of 2, half of 3.
    found = uses(Match().designs(axes(4, 2, width=15.0, start=5.0)))
    assert weights(found[("model_time", 0), 0]) == pytest.approx({0: 1 / 3, 1: 2 / 3})
    assert weights(found[("model_time", 0), 1]) == pytest.approx({2: 2 / 3, 3: 1 / 3})


def test_a_touch_is_no_overlap():
    # 3 * 0.1 is a little more than 0.3, where the second timestep and the bin begin.
    model, bins = np.array([[0, 0.3], [3 * 0.1, 0.6]]), np.array([[0.3], [0.6]])
    (bands,) = uses(Match().designs(Axes(model, bins, True))).values()
    assert weights(bands) == {1: 1.0}


def test_latency_moves_the_bins_back():
    found = uses(Match(latency_ms=70).designs(axes(4, 2, start=80.0)))
    assert weights(found[("model_time", 0), 0]) == {1: 1.0}
    assert weights(found[("model_time", 0), 1]) == {2: 1.0}


def test_bins_of_one_timestep_share_a_design():
    designs = Match().designs(axes(2, 4, width=5.0))
    assert [d.bins for d in designs] == [(0, 1), (2, 3)]


def test_hold():
    found = uses(Match(latency_ms=30, hold=True).designs(axes(2, 6, start=10.0)))
    # Bins begin at -20 ms of the model's time; it covers 0 to 20.
    assert [list(weights(found[("model_time", 0), b])) for b in range(6)] == [
        [0], [0], [0], [1], [1], [1],
    ]  # fmt: skip


def test_outside_of_the_model():
    with pytest.raises(
        ValueError, match=r"3 of 5 time bins .* 20 to 30 ms .* covers 0 to 20 ms .*hold"
    ):
        Match().designs(axes(2, 5))


def test_lags_that_cover_every_bin():
    lag = Lag()
    limits = axes(6, 4, start=70.0)
    assert lag.candidates(limits).tolist() == [50.0, 60.0, 70.0]
    found = uses(lag.designs(limits))
    for i, ms in enumerate([50.0, 60.0, 70.0]):
        for b in range(4):
            assert weights(found[("lag", i), b]) == {(70 + 10 * b - ms) / 10: 1.0}


def test_lags_ascend_by_the_timestep_of_the_model():
    assert Lag(lags_ms=[20, 0, 10]).candidates(axes(2, 2)).tolist() == [0, 10, 20]
    assert Lag().candidates(axes(3, 1, dt=20.0, width=20.0)).tolist() == [-40, -20, 0]


def test_lags_share_designs():
    # 3 lags x 4 bins are 12 cells of a grid, of 6 timesteps.
    assert len(Lag().designs(axes(6, 4, start=70.0))) == 6


def test_no_lag_covers_the_bins():
    with pytest.raises(ValueError, match=r"at no latency the model's 20 ms cover .* 50 ms"):
        Lag().designs(axes(2, 5))


def test_a_lag_that_leaves_bins_out():
    with pytest.raises(ValueError, match="at a latency of 100 ms the model covers 0 of 2"):
        Lag(lags_ms=[0, 100]).designs(axes(2, 2))


def test_no_lags():
    with pytest.raises(ValueError, match="at least one latency"):
        Lag(lags_ms=[]).designs(axes(2, 2))
    with pytest.raises(ValueError, match="hold=True needs lags_ms"):
        Lag(hold=True).designs(axes(2, 2))


@pytest.mark.parametrize("time", [Match(), Lag(), Lag(lags_ms=[0])])
def test_time_without_ms(time):
    with pytest.raises(ValueError, match="needs time axes in ms and arrays have none"):
        time.designs(axes(2, 2, in_ms=False))


def test_merged_keeps_every_use():
    both = [*Match().designs(axes(3, 3)), *grid_designs(axes(3, 3), "static")]
    designs = merged(both)
    assert len(designs) == 3
    assert uses(designs) == uses(both)


@given(
    dt=st.floats(1, 30),
    width=st.floats(1, 60),
    start=st.floats(-50, 100),
    n_times=st.integers(1, 8),
    latency=st.floats(-40, 90),
)
def test_weights_are_shares_of_overlap(dt, width, start, n_times, latency):
    limits = axes(n_times, 5, dt=dt, width=width, start=start)
    found, covered = overlaps(limits, latency)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    assert (found >= 0).all()
    low, high = limits.bins - latency
    inside = (high > 1e-6) & (low < n_times * dt - 1e-6)
    assert covered[inside].all()
    # A timestep that does not touch a covered bin has no weight in it.
    apart = (limits.model[1] <= low[:, None]) | (limits.model[0] >= high[:, None])
    assert (found[covered][apart[covered]] == 0).all()
