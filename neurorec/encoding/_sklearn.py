"""What the estimators share: checks that fit both scikit-learn versions, folds, predictions."""

from numbers import Integral
from typing import Any

import numpy as np
import sklearn.utils.validation
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted
from torch import Tensor


def validated(estimator: BaseEstimator, *arrays: Any, **options: Any) -> Any:
    """Checked arrays; sets or compares ``n_features_in_`` and ``feature_names_in_``."""
    validate_data = getattr(sklearn.utils.validation, "validate_data", None)
    if validate_data is None:  # scikit-learn < 1.6
        return getattr(estimator, "_validate_data")(*arrays, dtype=np.float64, **options)  # noqa: B009
    return validate_data(estimator, *arrays, dtype=np.float64, **options)


class LinearReadout(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A regressor that ends with weights ``coef_`` and ``intercept_``."""

    coef_: Any
    intercept_: Any

    def predict(self, X: Any) -> np.ndarray:
        """Predicted responses (sample, target), or (sample) when ``y`` had one dimension."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        return X @ self.coef_.T + self.intercept_


def unwrapped(values: Tensor, one: bool) -> Any:
    """Values with targets first; of the only target, where ``y`` had one dimension."""
    array = values.cpu().numpy()
    if not one:
        return array
    return array[0].item() if array.ndim == 1 else array[0]


def inner_folds(
    parameter: str, splitter: Any, n_samples: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Positions of the samples that each fold fits and tries, drawn once.

    Parameters
    ----------
    parameter
        What an error message calls it.
    splitter
        Number of consecutive folds, or a splitter of scikit-learn.

    Raises
    ------
    ValueError
        If it is neither, or there are fewer samples than folds.
    """
    if isinstance(splitter, Integral):
        splitter = KFold(int(splitter))
    if not hasattr(splitter, "get_n_splits"):
        raise ValueError(
            f"{parameter} must be a number of folds or a splitter of scikit-learn, got {splitter!r}"
        )
    return list(splitter.split(np.zeros((n_samples, 1))))
