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
    scores: Float64[np.ndarray, "split neuroid time_bin"], responses: xr.DataArray
) -> Score:
    """Median over neuroids, mean over splits, error over splits; ``raw`` has the labels of both.

    One time bin is dropped, as Brain-Score's static metrics have none.
    """
    static = scores.shape[2] == 1
    dims = ("split", NEUROID) if static else ("split", NEUROID, TIME_BIN)
    labels = {
        name: (dim, values)
        for dim in dims[1:]
        for name, values in columns_of(responses, dim).items()
    }
    raw = Score(
        scores[..., 0] if static else scores,
        coords={"split": np.arange(len(scores))} | labels,
        dims=dims,
    )
    medians = raw.median(NEUROID)
    score = medians.mean("split")
    score.attrs["raw"] = raw
    with warnings.catch_warnings():
        # Where no neuroid has a correlation, score and error are NaN.
        warnings.filterwarnings("ignore", "Degrees of freedom", RuntimeWarning)
        score.attrs["error"] = medians.std("split") / np.sqrt(len(scores))
    return score
