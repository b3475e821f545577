"""What differs between the scikit-learn versions of the two supported stacks."""

from typing import Any

import numpy as np
import sklearn.utils.validation
from sklearn.base import BaseEstimator


def validated(estimator: BaseEstimator, *arrays: Any, **options: Any) -> Any:
    """Checked arrays; sets or compares ``n_features_in_`` and ``feature_names_in_``."""
    validate_data = getattr(sklearn.utils.validation, "validate_data", None)
    if validate_data is None:  # scikit-learn < 1.6
        return getattr(estimator, "_validate_data")(*arrays, dtype=np.float64, **options)  # noqa: B009
    return validate_data(estimator, *arrays, dtype=np.float64, **options)
