"""Principal axes of populations over stimuli, from the Gram matrix."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from neurorec.geometry._pairs import Side, require_defined_bins


class Axes(NamedTuple):
    """Left singular vectors of centred responses, the same number in every time bin.

    Parameters
    ----------
    vectors
        Orthonormal columns; those beyond the rank of a time bin are zero.
    variances
        Squared singular values, descending; zero beyond the rank.
    """

    vectors: Float64[Tensor, "time_bin stimulus axis"]
    variances: Float64[Tensor, "time_bin axis"]

    @property
    def ranks(self) -> Int[Tensor, " time_bin"]:
        """Number of axes of each time bin."""
        return (self.variances > 0).sum(dim=-1)

    def keeping(self, share: float) -> "Axes":
        """The fewest leading axes that hold a share of the variance."""
        before = self.variances.cumsum(dim=-1) - self.variances
        kept = before < share * self.variances.sum(dim=-1, keepdim=True)
        return _trimmed(self.vectors, self.variances, kept & (self.variances > 0))


def principal_axes(side: Side) -> Axes:
    """Axes of every time bin, those of rounding left out."""
    variances, vectors = torch.linalg.eigh(side.kernels)
    variances, vectors = variances.flip(-1), vectors.flip(-1)
    return _trimmed(vectors, variances, variances > side.patterns.rounding[:, None])


def _trimmed(vectors: Tensor, variances: Tensor, kept: Bool[Tensor, "time_bin axis"]) -> Axes:
    width = max(int(kept.sum(dim=-1).max()), 1)
    kept = kept[:, :width]
    return Axes(
        vectors[:, :, :width] * kept[:, None, :], variances[:, :width].masked_fill(~kept, 0.0)
    )


def require_room(side: Side, axes: Axes, quantity: str, undefined: str) -> Side:
    """``side`` without the time bins whose axes span all stimuli.

    Raises
    ------
    ValueError
        If there are any and ``undefined`` is ``"raise"``.
    """
    n_stimuli = side.kernels.shape[-1]
    full = require_defined_bins(
        axes.ranks >= n_stimuli - 1,
        undefined,
        f"{quantity} says nothing where a population spans all {n_stimuli} stimuli (any other is "
        "then a linear map of it; keep fewer principal components, or take another measure)",
    )
    return Side(patterns=side.patterns, kernels=side.kernels, undefined=side.undefined | full)
