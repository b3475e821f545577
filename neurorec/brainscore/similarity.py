"""Brain-Score's metrics of similarity, from inner products of stimuli: RDMs and CKA."""

from collections.abc import Callable, Mapping
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from scipy.stats import rankdata

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import aligned, plain
from neurorec.brainscore.folds import Folds
from neurorec.gram import centre, gram

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

Square = Float64[np.ndarray, "stimulus stimulus"]

#: Brain-Score's, which is added to what unbiased CKA is divided by.
_SMALLEST: Final = 1e-12


@final
class SimilarityMetric(Metric):
    """Similarity of the geometry of two populations.

    Parameters
    ----------
    matrix
        What stands for a population: a matrix over pairs of stimuli.
    similarity
        Of two such matrices, each of some stimuli.
    crossvalidation_kwargs
        Score the held-out stimuli of each division, and average over divisions; every stimulus
        once if left out.
    """

    def __init__(
        self,
        matrix: Callable[[xr.DataArray], Square],
        similarity: Callable[[Square, Square], float],
        *,
        crossvalidation_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.matrix = matrix
        self.similarity = similarity
        given = crossvalidation_kwargs
        self.splits = None if given is None else Folds({"test_size": 0.9} | dict(given))

    def __call__(self, assembly1: DataAssembly, assembly2: DataAssembly) -> Score:
        """Score of two populations that saw the same stimuli.

        Raises
        ------
        ValueError
            If stimuli differ or are repeated, there are several time bins, or activity is not
            finite.
        """
        first, second = plain(assembly1), plain(assembly2)
        first = aligned(first, second)
        if second.sizes["time_bin"] != 1:
            raise ValueError(
                f"this metric compares one time bin, got {second.sizes['time_bin']}; select one, "
                "or average over them"
            )
        a, b = self.matrix(first), self.matrix(second)
        if self.splits is None:
            return Score(self.similarity(a, b))
        scores = Score(
            [
                self.similarity(a[np.ix_(test, test)], b[np.ix_(test, test)])
                for _, test in self.splits.split(second)
            ],
            dims=("split",),
        )
        scores = scores.assign_coords(split=np.arange(len(scores)))
        score = scores.mean("split")
        score.attrs["raw"] = scores
        score.attrs["error"] = scores.std("split") / np.sqrt(len(scores))
        return score


def inner_products(assembly: xr.DataArray) -> Square:
    """Inner products of stimuli, less the mean over stimuli, which CKA is blind to."""
    return gram(assembly, centred=True)[0].numpy()


def pattern_correlations(assembly: xr.DataArray) -> Square:
    """Pearson's r over neuroids of every pair of stimuli: one less its dissimilarity.

    NaN in the row and column of a stimulus that excites all neuroids alike.
    """
    values = assembly.values[..., 0].astype(np.float64)
    values -= values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        values /= norms
    return values @ values.T


def spearman_of_triangles(a: Square, b: Square) -> float:
    """Spearman's correlation of two matrices above the diagonal."""
    upper = np.triu_indices(len(a), k=1)
    first, second = (rankdata(1 - np.clip(one[upper], -1, 1)) for one in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def cka(a: Square, b: Square) -> float:
    r"""Cosine of two centred matrices of inner products."""
    a, b = (centre(torch.from_numpy(one)).numpy() for one in (a, b))
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def unbiased_cka(a: Square, b: Square) -> float:
    """As :func:`cka`, of unbiased estimates of the products (Song et al., 2012).

    0 where the estimate of a population with itself is not positive, as in Brain-Score.
    """
    a, b = u_centred(a), u_centred(b)
    own = np.sum(a * a) * np.sum(b * b)
    n = len(a)
    scale = n * (n - 3)
    if own <= 0:
        return 0.0
    return float(np.sum(a * b) / scale / (np.sqrt(own) / scale + _SMALLEST))


def u_centred(matrix: Square) -> Square:
    """U-centred matrix: its diagonal and the sums of its rows are zero.

    Raises
    ------
    ValueError
        If there are fewer than four stimuli.
    """
    n = len(matrix)
    if n < 4:
        raise ValueError(f"unbiased CKA needs at least 4 stimuli, got {n}; show more")
    empty = matrix - np.diag(np.diag(matrix))
    rows = empty.sum(axis=1, keepdims=True) / (n - 2)
    centred = empty - rows - rows.T + empty.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred
