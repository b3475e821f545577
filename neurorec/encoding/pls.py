"""Partial least squares readout."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neurorec.encoding._sklearn import validated
from neurorec.encoding.pls_folds import predictions_of_folds
from neurorec.encoding.pls_solver import (
    Rows,
    centred_rows,
    components,
    problem_from_gram,
)
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_solver import indices
from neurorec.gram import resolve_device


class PLS(MultiOutputMixin, RegressorMixin, BaseEstimator):
    r"""Partial least squares regression (PLS2), the readout that Brain-Score is defined by.

    Each component is the direction of the features whose scores have the largest covariance with
    a direction of the responses,

    .. math:: \max_{w, c} \; w^\top X_a^\top Y c \quad
              \text{with} \quad \lVert w \rVert = \lVert c \rVert = 1,

    and its scores are regressed out of features and responses before the next. Features are
    centred and not scaled. All components come from one Gram matrix of the stimuli, in float64.

    Parameters
    ----------
    n_components
        Number of components.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    coef_
        Weights (target, feature), or (feature) when ``y`` had one dimension. Their product with
        many features and targets is large, and made when it is asked for.
    intercept_
        One number per target.
    x_rotations_
        Weights (feature, component) that turn centred features into orthonormal scores.
    y_loadings_
        Weights (target, component) that turn scores into responses.
    n_components_
        Components that there were: fewer than asked for once the features' rank, or the
        responses, are used up; predictions are then those of least squares.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Equal to ``sklearn.cross_decomposition.PLSRegression(n_components, scale=False)``, and so to
    brainscore-vision's ``pls``, in the limit of their power iterations. With its default tolerance
    scikit-learn stops before: its predictions are then off by some thousandths of the largest.

    Wold, Sjöström and Eriksson (2001), *Chemometrics and Intelligent Laboratory Systems* 58,
    109-130; Yamins et al. (2014), *PNAS* 111, 8619-8624, for its use in encoding.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(self, n_components: Any = 25, device: Any = "cpu") -> None:
        self.n_components = n_components
        self.device = device

    def fit(self, X: Any, y: Any) -> "PLS":
        """Find the components.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer than two samples, or more
            components are asked for than there are samples or features.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self._check(min(X.shape), "samples or features")
        target = resolve_device(self.device)
        features, responses = _tensor(X).to(target), _tensor(y).to(target)
        columns = responses.reshape(len(responses), -1)
        mean, response_mean = features.mean(dim=0), columns.mean(dim=0)
        rows = centred_rows(features, mean)
        rotations, loadings = self._solved(rows, columns - response_mean)
        intercept = response_mean - (mean @ rotations) @ loadings.mT
        self._one_target = responses.ndim == 1
        self.x_rotations_ = rotations.cpu().numpy()
        self.y_loadings_ = loadings.cpu().numpy()
        self.intercept_ = intercept[0].item() if self._one_target else intercept.cpu().numpy()
        self.n_components_ = rotations.shape[1]
        return self

    @property
    def coef_(self) -> np.ndarray:
        weights = self.y_loadings_ @ self.x_rotations_.T
        return weights[0] if self._one_target else weights

    def predict(self, X: Any) -> np.ndarray:
        """Predicted responses (sample, target), or (sample) when ``y`` had one dimension."""
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        predicted = (X @ self.x_rotations_) @ self.y_loadings_.T
        return (predicted[:, 0] if self._one_target else predicted) + self.intercept_

    def predict_from_gram(
        self,
        gram: Float[Tensor, "stimulus stimulus"],
        responses: Float[Tensor, "known neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``, from inner products alone.

        Equal to ``fit`` and ``predict`` on the features whose inner products ``gram`` holds.
        Responses of held-out stimuli are not looked at, and those after the last training stimulus
        may be absent.

        Raises
        ------
        ValueError
            If more components are asked for than there are training stimuli.
        """
        self._check(len(train), "training stimuli")
        train_, test_ = indices(train, gram), indices(test, gram)
        problem = problem_from_gram(gram, train_, test_)

        def predict(columns: Tensor) -> Tensor:
            found = components(problem.gram, columns, self.n_components, size=problem.size)
            return (problem.cross @ found.dual) @ (found.scores.mT @ columns)

        return _each_time_bin(predict, responses[train_])

    def predict_folds_from_gram(
        self,
        gram: Float[Tensor, "stimulus stimulus"],
        responses: Float[Tensor, "known neuroid time_bin"],
        folds: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> list[Prediction]:
        """``predict_from_gram`` of every fold (train, test), several times as fast.

        Raises
        ------
        ValueError
            If more components are asked for than there are training stimuli.
        """
        for train, _ in folds:
            self._check(len(train), "training stimuli")
        bins = [
            self._of_folds(gram, columns.contiguous(), folds) for columns in responses.unbind(dim=2)
        ]
        return [Prediction(torch.stack(one, dim=2)) for one in zip(*bins, strict=True)]

    def _of_folds(
        self, gram: Tensor, columns: Tensor, folds: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> list[Tensor]:
        predicted = predictions_of_folds(gram, columns, folds, int(self.n_components))
        return [
            self.predict_from_gram(gram, columns[..., None], *fold).held_out[..., 0]
            if found is None
            else found
            for fold, found in zip(folds, predicted, strict=True)
        ]

    def predict_from_features(
        self,
        features: Float[Tensor, "stimulus feature"],
        responses: Float[Tensor, "known neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``.

        Raises
        ------
        ValueError
            If more components are asked for than there are training stimuli or features.
        """
        self._check(min(len(train), features.shape[1]), "training stimuli or features")
        train_, test_ = indices(train, features), indices(test, features)
        mean = features[train_].mean(dim=0)
        rows, cross = centred_rows(features[train_], mean), features[test_] - mean

        def predict(columns: Tensor) -> Tensor:
            rotations, loadings = self._solved(rows, columns)
            return (cross @ rotations) @ loadings.mT

        return _each_time_bin(predict, responses[train_])

    def _solved(self, rows: Rows, responses: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations (feature, component) and loadings (target, component)."""
        coordinates = rows.coordinates(responses)
        found = components(rows.gram, coordinates, self.n_components, size=rows.size)
        return rows.features.mT @ found.dual, coordinates.mT @ found.scores

    def _check(self, limit: int, what: str) -> None:
        n = self.n_components
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1:
            raise ValueError(f"n_components must be a positive integer, got {n!r}")
        if n > limit:
            raise ValueError(
                f"n_components={n} is more than the {limit} {what}; ask for at most {limit}"
            )


def _each_time_bin(
    predict: Callable[[Tensor], Tensor], responses: Float[Tensor, "train neuroid time_bin"]
) -> Prediction:
    """Predictions of centred responses, a time bin at a time, and their mean added."""
    mean = responses.mean(dim=0)
    held_out = [predict(columns) for columns in (responses - mean).unbind(dim=2)]
    return Prediction(torch.stack(held_out, dim=2) + mean)


def _tensor(values: np.ndarray) -> Tensor:
    # torch wants writable, positively strided memory; it is only read.
    return torch.from_numpy(np.require(values, dtype=np.float64, requirements=["C", "W"]))
