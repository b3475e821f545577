"""Ridge readout."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neurorec.encoding._sklearn import validated
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_solver import (
    Basis,
    Grid,
    basis_from_features,
    basis_from_gram,
    chosen_penalties,
    dual_weights,
    predictions,
    searched_penalties,
)
from neurorec.gram import resolve_device


class Ridge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Ridge regression with an unpenalised intercept and a penalty of its own for each target.

    .. math:: \min_{w, b} \; \lVert y - X w - b \rVert^2 + \lambda \lVert w \rVert^2

    The penalty of each target has the least exact leave-one-out error on a log grid, all from one
    eigendecomposition of the smaller of the Gram and the covariance matrix, in float64.

    Parameters
    ----------
    penalties
        Grid to choose from, in the units of scikit-learn's ``alpha``. If left out, a log grid in
        multiples of the mean eigenvalue of the training Gram matrix, half a decade apart, from
        1e-2 to 1e3; it grows by two decades, at most three times, at an edge where a target has
        its least error.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    coef_
        Weights (target, feature), or (feature) when ``y`` had one dimension.
    intercept_
        One number per target.
    penalty_
        The penalty that was chosen for each target.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Hoerl and Kennard (1970), *Technometrics* 12, 55-67. Equal to
    ``sklearn.linear_model.RidgeCV(alphas, alpha_per_target=True)``.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(self, penalties: Any = None, device: Any = "cpu") -> None:
        self.penalties = penalties
        self.device = device

    def fit(self, X: Any, y: Any) -> "Ridge":
        """Fit weights, intercept and penalty of every target.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer than two samples, or a
            penalty is not positive.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        target = resolve_device(self.device)
        features = torch.from_numpy(np.array(X)).to(target)
        responses = torch.from_numpy(np.array(y, dtype=np.float64)).to(target)
        columns = responses.reshape(len(responses), -1)
        everything = torch.arange(len(features), device=target)
        basis = _basis(features, everything, everything[:0])
        penalty = self._choose(basis, columns)
        mean = features.mean(dim=0)
        weights = (features - mean).mT @ dual_weights(basis, columns, penalty)
        intercept = columns.mean(dim=0) - mean @ weights
        one = responses.ndim == 1
        self.coef_ = weights[:, 0].cpu().numpy() if one else weights.mT.cpu().numpy()
        self.intercept_ = intercept[0].item() if one else intercept.cpu().numpy()
        self.penalty_ = penalty[0].item() if one else penalty.cpu().numpy()
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted responses (sample, target), or (sample) when ``y`` had one dimension."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        return X @ self.coef_.T + self.intercept_

    def predict_from_gram(
        self,
        gram: Float[Tensor, "row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``, from inner products alone.

        Equal to ``fit`` and ``predict`` on the features whose inner products ``gram`` holds.
        """
        train_, test_ = _indices(train, gram), _indices(test, gram)
        return self._predict(basis_from_gram(gram, train_, test_), responses[train_])

    def predict_from_features(
        self,
        features: Float[Tensor, "row feature"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        train_, test_ = _indices(train, features), _indices(test, features)
        return self._predict(_basis(features, train_, test_), responses[train_])

    def _predict(self, basis: Basis, responses: Tensor) -> Prediction:
        columns = responses.flatten(start_dim=1)
        predicted = predictions(basis, columns, self._choose(basis, columns))
        return Prediction(predicted.reshape(-1, *responses.shape[1:]))

    def _choose(self, basis: Basis, responses: Tensor) -> Tensor:
        if self.penalties is None:
            return searched_penalties(basis, responses, Grid())
        penalties = torch.as_tensor(
            np.array(self.penalties, dtype=np.float64, ndmin=1), device=responses.device
        )
        if penalties.ndim != 1 or len(penalties) == 0 or not bool((penalties > 0).all()):
            raise ValueError(
                "penalties must be one or more positive numbers, got "
                f"{np.array2string(penalties.cpu().numpy(), threshold=8)}"
            )
        return chosen_penalties(basis, responses, penalties)


def _basis(features: Tensor, train: Tensor, test: Tensor) -> Basis:
    """Primal or dual basis, whichever needs the smaller eigendecomposition."""
    if features.shape[1] < len(train):
        return basis_from_features(features, train, test)
    # A constant cancels, and without it the inner products keep their digits.
    features = features - features.mean(dim=0)
    return basis_from_gram(features @ features.mT, train, test)


def _indices(indices: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(np.asarray(indices), dtype=torch.int64, device=like.device)
