"""I1 and object solution times against their definition, one image at a time; macaque IT."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm, spearmanr

from neurorec import assemblies
from neurorec.dynamics import (
    ImageDecoder,
    image_scores,
    object_solution_reliability,
    object_solution_times,
)
from neurorec.dynamics.image_scores import d_primes
from neurorec.dynamics.object_solution import rank_correlation, solution_times


def i1_of_an_image(p, codes, s):
    """The definition, word by word; ``p`` is (image, class)."""
    o, found = codes[s], []
    for d in set(codes.tolist()) - {o}:
        hit = 1 - p[s, d] / (p[s, d] + p[s, o])
        alarm = np.mean([p[i, o] / (p[i, o] + p[i, d]) for i in np.flatnonzero(codes == d)])
        found.append(np.clip(norm.ppf(hit) - norm.ppf(alarm), -5, 5))
    return np.mean(found)


def time_of_an_image(scores, threshold, starts):
    """The definition, step by step."""
    best = None
    for start, score in zip(starts, scores, strict=True):
        if score >= threshold:
            if best is None:
                return start
            rise = (threshold - best[1]) / (score - best[1])
            return best[0] + rise * (start - best[0])
        if best is None or score > best[1]:
            best = start, score
    return np.nan


def test_i1_is_its_definition(rng):
    codes = rng.permutation(np.arange(24) % 4)
    p = rng.dirichlet(np.ones(4) / 2, size=(3, 24))
    found = d_primes(np.log(p).transpose(1, 2, 0), codes)
    expected = [[i1_of_an_image(p[t], codes, s) for t in range(3)] for s in range(24)]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_an_object_that_is_not_among_the_images_is_no_distractor(rng):
    codes = np.array([0, 0, 1, 1])
    p = rng.dirichlet(np.ones(3), size=4)
    expected = [i1_of_an_image(p, codes, s) for s in range(4)]
    np.testing.assert_allclose(d_primes(np.log(p)[:, :, None], codes)[:, 0], expected, atol=1e-9)


def test_i1_is_clipped():
    certain = np.log([[[1 - 1e-12], [1e-12]], [[1e-12], [1 - 1e-12]]])
    assert d_primes(certain, np.array([0, 1])).ravel().tolist() == [5, 5]


def test_times_are_their_definition(rng):
    starts = np.arange(70.0, 150, 10)
    scores = np.round(rng.normal(size=(200, 8)), 1)  # rounded, so that some are equal
    thresholds = np.round(rng.uniform(-1, 3, 200), 1)
    found = solution_times(scores, thresholds, starts)
    each = zip(scores, thresholds, strict=True)
    expected = np.array([time_of_an_image(s, threshold, starts) for s, threshold in each])
    assert 0 < np.isnan(expected).sum() < 100
    assert np.sum(expected == 70) > 0
    np.testing.assert_allclose(found, expected, atol=1e-9)
    order = rng.permutation(8)
    np.testing.assert_array_equal(
        solution_times(scores[:, order], thresholds, starts[order]), found
    )


def test_the_best_bin_before_counts_and_not_the_last():
    scores, starts = np.array([[0.5, 0.0, 1.5]]), np.array([0.0, 10.0, 20.0])
    assert solution_times(scores, np.array([1.0]), starts) == 10


def population(rng, onset, n_bins=5, n_repetitions=2):
    """Images of three objects, told apart from a time bin on that is the image's own."""
    n = len(onset)
    objects = np.arange(n) % 3
    code = 4 * rng.normal(size=(3, 15))[objects]
    seen = np.arange(n_bins) >= onset[:, None]
    values = code[:, :, None] * seen[:, None]
    values = np.repeat(values, n_repetitions, axis=0)
    return assemblies.build(
        values + rng.normal(size=values.shape),
        presentation={
            "stimulus_id": np.repeat([f"s{i:02d}" for i in range(n)], n_repetitions),
            "repetition": np.tile(np.arange(n_repetitions), n),
            "object_name": np.repeat(np.array(["car", "dog", "hat"])[objects], n_repetitions),
        },
        neuroid={"neuroid_id": [f"u{j}" for j in range(15)], "region": ["IT"] * 15},
        time_bin_start=20.0 * np.arange(n_bins),
        time_bin_end=20.0 * np.arange(1, n_bins + 1),
    )


def test_images_are_solved_when_their_object_can_be_seen(rng):
    onset = np.repeat([1, 3, 9], 20)  # the last are never
    found = object_solution_times(population(rng, onset), threshold=1.1)
    times = found["object_solution_time_ms"].values
    early, late, never = times[:20], times[20:40], times[40:]
    # Between the start of the best bin before and that of the bin in which it can be seen, but for
    # a few that take a bin longer.
    assert np.mean((early > 0) & (early <= 20)) > 0.8
    assert ((late > 20) & (late <= 60)).all()
    assert np.isnan(never).all()
    assert float(found["fraction_solved"]) == np.isfinite(times).mean()
    assert found["i1"].dims == ("presentation", "time_bin")
    assert found["stimulus_id"].values.tolist() == [f"s{i:02d}" for i in range(60)]


def test_every_image_may_have_its_threshold(rng):
    source = population(rng, np.repeat([1], 12))
    higher = xr.where(source["stimulus_id"] == "s00", 100.0, 0.5)
    found = object_solution_times(
        source.assign_coords(i1=("presentation", higher.values)),
        threshold="i1",
        decoder=ImageDecoder(n_folds=4),
    )
    assert np.isnan(found["object_solution_time_ms"].values[0])
    assert found["threshold_i1"].values.tolist() == [100.0] + [0.5] * 11


def test_held_out_images_are_not_seen(rng):
    """Labels of noise cannot be told where images are held out, however often they are shown."""
    source = population(rng, np.repeat([9], 60), n_repetitions=4, n_bins=2)
    own = 3 * rng.normal(size=(60, 15, 1))  # each image is easy to tell from each other one
    source = source + np.repeat(own, 4, axis=0)
    scores = image_scores(source).values
    error = scores.std() / np.sqrt(60)
    assert abs(scores.mean()) < 5 * error
    seen = image_scores(source, ImageDecoder(fold="repetition", n_folds=4)).values
    assert (seen > 0).mean() > 0.9


@pytest.mark.slow
def test_reliability_of_halves(rng):
    source = population(rng, np.repeat([1, 2, 3], 12), n_bins=4, n_repetitions=4)
    options = {"threshold": 1.1, "decoder": ImageDecoder(n_folds=4), "n_splits": 2}
    found = object_solution_reliability(source, **options)
    rho = found["correlation"].values
    np.testing.assert_allclose(found["reliability"].values, 2 * rho / (1 + rho))
    assert (rho > 0.6).all()
    assert (found["fraction_solved"].values > 0.7).all()
    halved = object_solution_reliability(source, over="neuroids", **options)
    assert (halved["correlation"].values > 0.3).all()
    again = object_solution_reliability(source, **options)
    np.testing.assert_array_equal(again["correlation"].values, rho)


def test_the_correlation_is_of_images_that_both_solve(rng):
    a, b = rng.normal(size=(2, 30)).round(1)  # with ties
    a[:4] = np.nan
    b[2:7] = np.nan
    expected = spearmanr(a[7:], b[7:]).statistic
    assert rank_correlation(a, b) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(rank_correlation(a[:9], b[:9]))


@pytest.mark.slow
def test_inferotemporal_cortex_solves_objects_from_its_latency_on(windows_of):
    """Latencies of this population are 70 to 130 ms, and windows of 50 ms reach 50 ms further."""
    windows = windows_of(50, 20, start_ms=0, stop_ms=300)
    decoder = ImageDecoder(fold="repetition", n_folds=5)
    found = object_solution_times(windows, decoder=decoder)
    times = found["object_solution_time_ms"].values
    assert len(times) == 21
    assert np.isfinite(times).all()
    assert ((times > 40) & (times < 130)).all()
    agreement = object_solution_reliability(windows, decoder=decoder, n_splits=3)
    assert (agreement["reliability"].values > 0.5).all()


def test_bad_input(rng):
    source = population(rng, np.repeat([1], 30))
    with pytest.raises(ValueError, match="at least 2 time bins, got 1"):
        object_solution_times(source[:, :, :1])
    with pytest.raises(ValueError, match="there is no coordinate 'i1'"):
        object_solution_times(source, threshold="i1")
    with pytest.raises(ValueError, match="at least 2 are needed, got only 'car'"):
        object_solution_times(source[source["object_name"].values == "car"])
    with pytest.raises(ValueError, match="there is no coordinate 'animal'"):
        object_solution_times(source, decoder=ImageDecoder(label="animal"))
    mixed = source.assign_coords(object_name=("presentation", ["car", "dog"] * 30))
    with pytest.raises(ValueError, match="some stimulus has several"):
        object_solution_times(mixed)
    with pytest.raises(ValueError, match="some stimulus_id has several labels"):
        object_solution_times(mixed, decoder=ImageDecoder(fold="repetition", n_folds=2))
    broken = source.copy(data=np.where(source.values > 3, np.nan, source.values))
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        object_solution_times(broken)
    with pytest.raises(ValueError, match="over must be one of"):
        object_solution_reliability(source, over="images")
    with pytest.raises(ValueError, match="halves need at least 2 repetitions, got 1"):
        object_solution_reliability(source[::2])
    several = source.assign_coords(i1=("presentation", np.arange(60.0)))
    with pytest.raises(ValueError, match="'i1' differs within some"):
        object_solution_times(several, threshold="i1")
