"""What the closed-form linear classifiers share: scikit-learn's interface around one rule."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import validation
from sklearn.utils.multiclass import check_classification_targets

from neurorec.geometry.fitting import (
    AbstractFitting,
    AbstractFolds,
    Block,
    Codes,
    fitted_at_once,
)

_Patterns = Float64[np.ndarray, "presentation neuroid"]
_Codes = Int64[np.ndarray, " presentation"]
Rule = tuple[Float64[np.ndarray, "n_classes neuroid"], Float64[np.ndarray, " n_classes"]]


class AbstractLinearDecoder(ClassifierMixin, BaseEstimator, ABC):
    """A classifier that takes the class with the largest ``coef_ @ x + intercept_``.

    Attributes
    ----------
    classes_
        Labels, in order.
    coef_
        (class, neuroid), one row per class also where there are two.
    intercept_
        (class).
    """

    #: Whether what is kept between passes over the units grows with the number of labellings.
    fits_each_labelling: ClassVar[bool] = False

    @abstractmethod
    def fitting(self, codes: Codes, n_classes: int, n_units: int) -> AbstractFitting:
        """A fit of labels that are coded 0 to ``n_classes - 1``, to be shown the units."""

    def folds(self, patterns: Block) -> AbstractFolds | None:
        """What makes the rules of all folds from what they share, if they share anything.

        ``patterns`` are all presentations, with all units.
        """
        return None

    def rule(self, patterns: _Patterns, codes: _Codes, n_classes: int) -> Rule:
        """Coefficients and intercepts of one labelling in one time bin."""
        fitting = self.fitting(torch.from_numpy(codes)[None], n_classes, patterns.shape[1])
        block = torch.from_numpy(np.ascontiguousarray(patterns))[None]
        coefficients, intercepts = fitted_at_once(fitting, block)
        return coefficients[0, 0].numpy(), intercepts[0, 0].numpy()

    def fit(self, X: Any, y: Any) -> "AbstractLinearDecoder":
        """Fit to patterns ``X`` (presentation, neuroid) with labels ``y`` and return ``self``.

        Raises
        ------
        ValueError
            If activity is not finite, lengths differ or there are fewer than two classes.
        """
        X, y = _validated(self, X, y)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"a decoder needs at least 2 classes, got labels of 1 class ({classes[0]!r})"
            )
        self.classes_ = classes
        self.coef_, self.intercept_ = self.rule(X, codes.astype(np.int64), len(classes))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Evidence (presentation, class); for two classes, the second's less the first's."""
        validation.check_is_fitted(self)
        evidence = self._evidence(_validated(self, X, reset=False))
        return evidence[:, 1] - evidence[:, 0] if len(self.classes_) == 2 else evidence

    def predict(self, X: Any) -> np.ndarray:
        """Label of each pattern; of classes with equal evidence, the first."""
        validation.check_is_fitted(self)
        return self.classes_[self._evidence(_validated(self, X, reset=False)).argmax(axis=1)]

    def _evidence(self, patterns: _Patterns) -> np.ndarray:
        return patterns @ self.coef_.T + self.intercept_


def _validated(estimator: Any, *data: Any, **options: Any) -> Any:
    """Finite float64 arrays, with the number and names of features kept or compared."""
    # scikit-learn before 1.6 has the function as a method of the estimator.
    function = getattr(validation, "validate_data", None)
    validate = partial(function, estimator) if function else estimator._validate_data
    return validate(*data, dtype=np.float64, **options)
