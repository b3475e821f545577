"""Features that are predictions already."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from neurorec.encoding._sklearn import validated


class Identity(MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Unit ``j`` is the prediction of target ``j``; nothing is fitted.

    .. math:: \hat y = x

    For models whose outputs are the neurons themselves.

    Attributes
    ----------
    n_targets_
        Number of targets; 0 when ``y`` had one dimension.
    n_features_in_, feature_names_in_
        As in scikit-learn.
    """

    def fit(self, X: Any, y: Any) -> "Identity":
        """Compare the numbers of units and targets.

        Raises
        ------
        ValueError
            If they differ, arrays are not finite, or lengths differ.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True)
        n_targets = 1 if np.ndim(y) == 1 else y.shape[1]
        if X.shape[1] != n_targets:
            raise ValueError(
                f"Identity predicts target j with unit j, got {X.shape[1]} units for {n_targets} "
                "targets; select one unit for each target, in their order"
            )
        self.n_targets_ = 0 if np.ndim(y) == 1 else n_targets
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The features (sample, target), or (sample) when ``y`` had one dimension."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        return X.copy() if self.n_targets_ else X[:, 0].copy()
