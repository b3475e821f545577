"""What differs between the scikit-learn versions of the two supported stacks."""

from numbers import Integral
from typing import Any

import numpy as np
import sklearn.utils.validation
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold


def validated(estimator: BaseEstimator, *arrays: Any, **options: Any) -> Any:
    """Checked arrays; sets or compares ``n_features_in_`` and ``feature_names_in_``."""
    validate_data = getattr(sklearn.utils.validation, "validate_data", None)
    if validate_data is None:  # scikit-learn < 1.6
        return getattr(estimator, "_validate_data")(*arrays, dtype=np.float64, **options)  # noqa: B009
    return validate_data(estimator, *arrays, dtype=np.float64, **options)


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
