"""The maximum-correlation classifier."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.fitting import (
    AbstractFitting,
    Block,
    BlockRules,
    Codes,
    Intercepts,
    class_means,
    mean_weights,
)


class MaxCorrelation(AbstractLinearDecoder):
    r"""The class whose mean pattern correlates best with the pattern over neuroids.

    .. math:: \hat c(x) = \arg\max_c \, \mathrm{corr}(x, m_c)

    As the norm of ``x`` does not change which class is best, the rule is linear: row c of
    ``coef_`` is ``m_c`` less its mean over neuroids, of length one. ``decision_function`` gives
    the correlations themselves. A pattern that is constant over neuroids correlates with
    nothing and goes to the first class.

    Raises
    ------
    ValueError
        If there are fewer than two neuroids, or a class mean is constant over neuroids.

    References
    ----------
    Meyers et al. (2008) Journal of Neurophysiology 100:1407.
    """

    def fitting(self, codes: Codes, n_classes: int, n_units: int) -> AbstractFitting:
        """Centred class means of length one."""
        if n_units < 2:
            raise ValueError(
                f"a correlation over neuroids needs at least 2 of them, got n_features = {n_units}"
            )
        return _Fitting(mean_weights(codes, n_classes), n_units)

    def _evidence(self, patterns: np.ndarray) -> np.ndarray:
        centred = patterns - patterns.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        return (centred @ self.coef_.T) / np.where(norms > 0, norms, 1)

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn before 1.6
        return {"poor_score": True}

    def __sklearn_tags__(self) -> Any:
        """Tell the estimator checks that two features carry no correlation to speak of."""
        tags = super().__sklearn_tags__()  # pyright: ignore[reportAttributeAccessIssue]
        tags.classifier_tags.poor_score = True
        return tags


class _Fitting(AbstractFitting):
    def __init__(self, weights: Tensor, n_units: int) -> None:
        self._weights = weights
        self._n_units = n_units
        zero = torch.zeros((), dtype=torch.float64, device=weights.device)
        self._sums, self._squares, self._lengths = zero, zero, zero
        self._origin: Tensor | None = None

    @property
    def n_passes(self) -> int:
        return 1

    def observe(self, step: int, patterns: Block) -> None:
        means = class_means(self._weights, patterns)
        if self._origin is None:
            # Squares are summed about the mean over the first block, near that over all units, so
            # that a pattern with a large mean and a small variance keeps its digits.
            self._origin = means.mean(dim=3, keepdim=True)
        shifted = means - self._origin
        self._sums = self._sums + shifted.sum(dim=3, keepdim=True)
        self._squares = self._squares + shifted.square().sum(dim=3, keepdim=True)
        self._lengths = self._lengths + means.square().sum(dim=3, keepdim=True)

    def coefficients(self, patterns: Block) -> BlockRules:
        shift = self._sums / self._n_units
        norms = (self._squares - self._sums * shift).clamp(min=0).sqrt()
        self._require_variance(norms <= 1e-12 * self._lengths.sqrt())
        mean = shift if self._origin is None else shift + self._origin
        return (class_means(self._weights, patterns) - mean) / norms

    def _require_variance(self, flat: Tensor) -> None:
        n_flat = int(flat.sum(dim=2).max())
        if n_flat:
            raise ValueError(
                f"the mean pattern of {n_flat} of {flat.shape[2]} classes is constant over "
                "neuroids, so nothing correlates with it; drop those classes or time bins, or "
                "use another classifier"
            )

    def intercepts(self) -> Intercepts:
        return torch.zeros_like(self._sums[..., 0])
