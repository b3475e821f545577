"""The maximum-correlation classifier."""

from typing import Any

import numpy as np

from neurorec.geometry.decoder import AbstractLinearDecoder, Rule, class_means


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

    def rule(self, patterns: Any, codes: Any, n_classes: int) -> Rule:
        """Centred class means of length one."""
        if patterns.shape[1] < 2:
            raise ValueError(
                "a correlation over neuroids needs at least 2 of them, got "
                f"n_features = {patterns.shape[1]}"
            )
        means = class_means(patterns, codes, n_classes)
        centred = means - means.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1)
        flat = np.flatnonzero(norms <= 1e-12 * np.linalg.norm(means, axis=1))
        if len(flat):
            raise ValueError(
                f"the mean pattern of {len(flat)} of {n_classes} classes is constant over "
                "neuroids, so nothing correlates with it; drop those classes or time bins, or "
                "use another classifier"
            )
        return centred / norms[:, None], np.zeros(n_classes)

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
