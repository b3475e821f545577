"""Brain-Score's way to keep a score: the number, what it is made of, and its error."""

import warnings

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec.assemblies import NEUROID, TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402


def neuroid_score(
    scores: Float64[np.ndarray, "*split neuroid time_bin"], responses: xr.DataArray
) -> Score:
    """Median over neuroids, and of several splits their mean; ``raw`` has the labels of all.

    One time bin is dropped, as Brain-Score's static metrics have none.
    """
    static = scores.shape[-1] == 1
    dims = (NEUROID,) if static else (NEUROID, TIME_BIN)
    labels = {
        name: (dim, values) for dim in dims for name, values in columns_of(responses, dim).items()
    }
    values = scores[..., 0] if static else scores
    return over_neuroids(values, dims, labels)


def over_neuroids(
    scores: Float64[np.ndarray, "..."], dims: tuple[str, ...], labels: dict[str, tuple]
) -> Score:
    """As :func:`neuroid_score`, of scores over any ``dims``, which may come after a split."""
    if scores.ndim > len(dims):
        dims = ("split", *dims)
        labels = {"split": ("split", np.arange(len(scores)))} | labels
    raw = Score(scores, coords=labels, dims=dims)
    medians = raw.median(NEUROID)
    score = over_splits(medians) if "split" in dims else medians
    score.attrs["raw"] = raw
    return score


def over_splits(scores: Score, *, skipna: bool = True) -> Score:
    """Mean over splits, with its standard error; NaN are left out, or stay if not ``skipna``."""
    score = scores.mean("split", skipna=skipna)
    with warnings.catch_warnings():
        # Where no split has a number, score and error are NaN.
        warnings.filterwarnings("ignore", "Degrees of freedom", RuntimeWarning)
        score.attrs["error"] = scores.std("split", skipna=skipna) / np.sqrt(scores.count("split"))
    score.attrs["raw"] = scores
    return score


def mean_of_known(
    values: Float64[np.ndarray, "..."], axis: int | tuple[int, ...] = -1
) -> Float64[np.ndarray, "..."]:
    """Mean over what is no NaN; NaN of nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))
