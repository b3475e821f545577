"""The nearest-mean classifier."""

from typing import Any

from neurorec.geometry.decoder import AbstractLinearDecoder, Rule, class_means


class NearestMean(AbstractLinearDecoder):
    r"""The class whose mean pattern is nearest in Euclidean distance.

    .. math:: \hat c(x) = \arg\min_c \|x - m_c\|^2 = \arg\max_c \, (m_c \cdot x - \|m_c\|^2 / 2)
    """

    def rule(self, patterns: Any, codes: Any, n_classes: int) -> Rule:
        """Class means, and minus half their squared lengths."""
        means = class_means(patterns, codes, n_classes)
        return means, -0.5 * (means**2).sum(axis=1)
