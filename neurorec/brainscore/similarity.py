"""Brain-Score's metrics of similarity, from inner products of stimuli: RDMs and CKA."""

from collections.abc import Callable, Mapping
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from scipy.stats import rankdata

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import paired
from neurorec.brainscore._scores import over_splits
from neurorec.brainscore.folds import Folds
from neurorec.brainscore.products import Products, products_of
from neurorec.geometry.dissimilarity import DISSIMILARITIES
from neurorec.gram import centre

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
        What stands for a population: a matrix over pairs of stimuli, of its inner products.
    similarity
        Of two such matrices, each of some stimuli.
    centred
        Whether it is of units less their means over stimuli.
    crossvalidation_kwargs
        Score the held-out stimuli of each division, and average over divisions; every stimulus
        once if left out.
    """

    def __init__(
        self,
        matrix: Callable[[Products], Square],
        similarity: Callable[[Square, Square], float],
        *,
        centred: bool,
        crossvalidation_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.matrix = matrix
        self.similarity = similarity
        self.centred = centred
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
        first, second = paired(assembly1, assembly2)
        if second.sizes["time_bin"] != 1:
            raise ValueError(
                f"this metric compares one time bin, got {second.sizes['time_bin']}; select one, "
                "or average over them"
            )
        a, b = (products_of(one, centred=self.centred)[0] for one in (first, second))
        return self.of_products(a, b, second)

    def of_products(self, first: Products, second: Products, responses: xr.DataArray) -> Score:
        """The same, of inner products; ``responses`` say how stimuli are divided."""
        a, b = self.matrix(first), self.matrix(second)
        if self.splits is None:
            return Score(self.similarity(a, b))
        scores = Score(
            [
                self.similarity(a[np.ix_(test, test)], b[np.ix_(test, test)])
                for _, test in self.splits.split(responses)
            ],
            dims=("split",),
        )
        return over_splits(scores.assign_coords(split=np.arange(len(scores))))


def inner_products(products: Products) -> Square:
    """Inner products of stimuli."""
    return products.gram.cpu().numpy()


def pattern_distances(products: Products) -> Square:
    """1 - Pearson's r over neuroids of every pair of stimuli.

    NaN in the row and column of a stimulus that excites all neuroids alike.
    """
    distances = DISSIMILARITIES["correlation"](
        products.gram[None].clone(), products.sums[None], products.n_units
    )
    return distances[0].cpu().numpy()


def spearman_of_triangles(a: Square, b: Square) -> float:
    """Spearman's correlation of two matrices above the diagonal."""
    upper = np.triu_indices(len(a), k=1)
    first, second = a[upper], b[upper]
    if np.isnan(first + second).any() or min(np.ptp(first), np.ptp(second)) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


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
