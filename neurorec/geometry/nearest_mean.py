"""The nearest-mean classifier."""

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


class NearestMean(AbstractLinearDecoder):
    r"""The class whose mean pattern is nearest in Euclidean distance.

    .. math:: \hat c(x) = \arg\min_c \|x - m_c\|^2 = \arg\max_c \, (m_c \cdot x - \|m_c\|^2 / 2)
    """

    def fitting(self, codes: Codes, n_classes: int, n_units: int) -> AbstractFitting:
        """Class means, and minus half their squared lengths."""
        return _Fitting(mean_weights(codes, n_classes))


class _Fitting(AbstractFitting):
    def __init__(self, weights: Tensor) -> None:
        self._weights = weights
        self._lengths = torch.zeros((), dtype=torch.float64, device=weights.device)

    def coefficients(self, patterns: Block) -> BlockRules:
        means = class_means(self._weights, patterns)
        self._lengths = self._lengths + means.square().sum(dim=3)
        return means

    def intercepts(self) -> Intercepts:
        return -0.5 * self._lengths
