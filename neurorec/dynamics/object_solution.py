"""When an image's object is told as well as it has to be: object solution times."""

from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Float64
from scipy.stats import rankdata

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, PRESENTATION, TIME_BIN, check
from neurorec.dynamics.decoding import labels_of
from neurorec.dynamics.image_scores import ImageDecoder, image_scores
from neurorec.populations import as_population
from neurorec.stats import pearson, spearman_brown

#: What is divided into halves for the reliability of solution times.
HALVED: Final = ("repetitions", "neuroids")


def object_solution_times(
    source: Any, *, threshold: str | float | int = 1.0, decoder: ImageDecoder | None = None
) -> xr.Dataset:
    r"""Time at which the readout of each image reaches its threshold.

    With :math:`I_1` in time bins that start at :math:`\tau_t`, the first bin h at or above the
    threshold :math:`\theta`, and b the best bin before it,

    .. math:: \mathrm{OST} = \tau_b + (\tau_h - \tau_b) \frac{\theta - I_1(b)}{I_1(h) - I_1(b)}

    the start of the first bin if that is h already, and NaN where the threshold is never reached.

    Parameters
    ----------
    source, decoder
        As :func:`neurorec.dynamics.image_scores.image_scores` takes them.
    threshold
        A d′ for all images; or the coordinate of ``presentation`` with that of each image, such as
        the behavioural I1 of monkeys, as in the original definition.

    Returns
    -------
    xr.Dataset
        ``object_solution_time_ms``, ``threshold_i1`` (presentation) and ``i1``
        (presentation, time_bin), a presentation for each image; ``fraction_solved``, without which
        no correlation of such times can be judged.

    Raises
    ------
    ValueError
        As there, or if there is one time bin, or no such threshold.
    """
    scores = image_scores(source, decoder)
    if scores.sizes[TIME_BIN] < 2:
        raise ValueError("a solution time needs at least 2 time bins, got 1")
    thresholds = thresholds_of(source, scores, threshold)
    times = solution_times(scores.values, thresholds, scores["time_bin_start"].values)
    return xr.Dataset(
        {
            "object_solution_time_ms": (PRESENTATION, times, {"units": "ms"}),
            "threshold_i1": (PRESENTATION, thresholds),
            "i1": scores,
            "fraction_solved": ((), float(np.isfinite(times).mean())),
        },
        attrs={"threshold": str(threshold), "reference": "start of the time bin"} | scores.attrs,
    )


def solution_times(
    scores: Float[np.ndarray, "image time_bin"],
    thresholds: Float[np.ndarray, " image"],
    starts_ms: Float[np.ndarray, " time_bin"],
) -> Float64[np.ndarray, " image"]:
    """The equation of :func:`object_solution_times`; of equally good bins the first."""
    order = np.argsort(starts_ms, kind="stable")
    scores, starts = scores[:, order].astype(np.float64), starts_ms[order].astype(np.float64)
    reached = scores >= thresholds[:, None]
    hit = reached.argmax(axis=1)
    before = (np.arange(len(starts)) < hit[:, None]) & (scores < thresholds[:, None])
    best = np.where(before, scores, -np.inf).argmax(axis=1)
    image = np.arange(len(scores))
    low, high = scores[image, best], scores[image, hit]
    between = before.any(axis=1) & reached.any(axis=1)
    share = np.where(between, thresholds - low, 0) / np.where(between, high - low, 1)
    times = np.where(between, starts[best] + share * (starts[hit] - starts[best]), starts[hit])
    return np.where(reached.any(axis=1), times, np.nan)


def thresholds_of(
    source: Any, scores: xr.DataArray, threshold: str | float | int
) -> Float64[np.ndarray, " image"]:
    """Threshold of each image of ``scores``; see :func:`object_solution_times`.

    Raises
    ------
    ValueError
        If there is no such coordinate, or it differs between presentations of an image.
    """
    images = scores["stimulus_id"].values
    if not isinstance(threshold, str):
        return np.full(len(images), float(threshold))
    labels = as_population(source).labels
    given = labels_of(labels, threshold).astype(np.float64)
    shown = labels["stimulus_id"].values
    of_image = dict(zip(shown.tolist(), given.tolist(), strict=True))
    found = np.array([of_image[image] for image in images.tolist()])
    if any(of_image[s] != g for s, g in zip(shown.tolist(), given.tolist(), strict=True)):
        raise ValueError(f"an image has one threshold, but {threshold!r} differs within some")
    return found


def rank_correlation(a: Float[np.ndarray, " image"], b: Float[np.ndarray, " image"]) -> float:
    """Spearman's correlation over the images that have both times; NaN of fewer than three."""
    both = solved_by_both(a, b)
    if both.sum() < 3:
        return float("nan")
    return float(pearson(rankdata(a[both]), rankdata(b[both])))


def solved_by_both(
    a: Float[np.ndarray, " image"], b: Float[np.ndarray, " image"]
) -> Bool[np.ndarray, " image"]:
    """Images with two times."""
    return np.isfinite(a) & np.isfinite(b)


def object_solution_reliability(
    source: xr.DataArray,
    *,
    over: str = "repetitions",
    threshold: str | float | int = 1.0,
    decoder: ImageDecoder | None = None,
    n_splits: int = 10,
    seed: int = 0,
) -> xr.Dataset:
    r"""Rank correlation of solution times between halves, corrected for their length.

    .. math:: 2 \rho / (1 + \rho)

    over the images that both halves solve, both with the same thresholds.

    Parameters
    ----------
    over
        ``"repetitions"`` or ``"neuroids"``, which are dealt into halves at random.
    threshold, decoder
        As for :func:`object_solution_times`.
    n_splits, seed
        Divisions into halves.

    Returns
    -------
    xr.Dataset
        ``reliability``, ``correlation`` and ``fraction_solved`` (by both halves) for each
        ``split``; NaN where fewer than three images are solved by both.

    Raises
    ------
    ValueError
        As there, or if there is only one repetition or neuroid.
    """
    check_option("over", over, HALVED)
    source = check(source)
    scores = image_scores(source, decoder)
    thresholds = thresholds_of(source, scores, threshold)
    images = scores["stimulus_id"].values
    place = {image: i for i, image in enumerate(images.tolist())}
    rng = np.random.default_rng(seed)
    found = np.full((n_splits, 2), np.nan)
    for split in range(n_splits):
        times = np.full((2, len(images)), np.nan)
        for half, part in enumerate(_halves(source, over, rng)):
            seen = image_scores(part, decoder)
            at = [place[image] for image in seen["stimulus_id"].values.tolist()]
            starts = seen["time_bin_start"].values
            times[half, at] = solution_times(seen.values, thresholds[at], starts)
        found[split] = rank_correlation(*times), solved_by_both(*times).mean()
    return xr.Dataset(
        {
            "reliability": ("split", spearman_brown(found[:, 0])),
            "correlation": ("split", found[:, 0]),
            "fraction_solved": ("split", found[:, 1]),
        },
        attrs={"over": over, "threshold": str(threshold)},
    )


def _halves(
    source: xr.DataArray, over: str, rng: np.random.Generator
) -> tuple[xr.DataArray, xr.DataArray]:
    dim = PRESENTATION if over == "repetitions" else NEUROID
    of = source["repetition" if over == "repetitions" else "neuroid_id"].values
    values = rng.permutation(np.unique(of))
    if len(values) < 2:
        raise ValueError(f"halves need at least 2 {over}, got {len(values)}")
    first = np.isin(of, values[: len(values) // 2])
    # With an odd number one is left out, so that the halves are equally long.
    second = np.isin(of, values[len(values) // 2 : 2 * (len(values) // 2)])
    return tuple(source.isel({dim: np.flatnonzero(half)}) for half in (first, second))  # pyright: ignore[reportReturnType]
