"""Ridge readout."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding._sklearn import LinearReadout, inner_folds, validated
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_search import Grid, checked_penalties, searched
from neurorec.encoding.ridge_selection import (
    Choice,
    Criterion,
    GeneralisedCrossValidation,
    InnerFolds,
    LeaveOneOut,
    inner_fold,
    residuals,
)
from neurorec.encoding.ridge_solver import (
    Basis,
    Rotated,
    basis_from_features,
    basis_from_gram,
    dual_weights,
    indices,
    mean_eigenvalue,
    predictions,
    rotated,
)
from neurorec.gram import gram_of_blocks, resolve_device

#: Rules by which a penalty is chosen; a number of folds and splitters of scikit-learn are others.
SELECTIONS: Final = ("leave_one_out", "gcv")

# Targets that are solved for at once: memory grows with stimuli times these.
_TARGETS: Final = 4096

# Basis of the stimuli of the first indices, with the place in it of those of the second.
Bases = Callable[[Tensor, Tensor], Basis]


class _Solved(NamedTuple):
    """A batch of targets: all that their predictions and weights need, and the error."""

    basis: Basis
    responses: Rotated
    penalty: Tensor
    error: Tensor


class Ridge(LinearReadout):
    r"""Ridge regression with an unpenalised intercept and a penalty of its own for each target.

    .. math:: \min_{w, b} \; \lVert y - X w - b \rVert^2 + \lambda \lVert w \rVert^2

    The penalty of each target has the least error on stimuli that were left out of the fit, on a
    log grid, all from one eigendecomposition of the smaller of the Gram and the covariance matrix
    (with folds, one for each fold more), in float64.

    Parameters
    ----------
    penalties
        Grid to choose from, in the units of scikit-learn's ``alpha``. If left out, a log grid in
        multiples of the mean eigenvalue of the training Gram matrix, half a decade apart, from
        1e-2 to 1e3; it grows by two decades, at most three times, at an edge where a target has
        its least error.
    selection
        Whose error counts. ``"leave_one_out"``: the exact error of predicting each training
        stimulus from all others. ``"gcv"``: generalised cross-validation, which gives each of
        them the mean leverage. A number of folds or a splitter of scikit-learn, which is asked
        for folds once for each fit: the mean over folds within the training stimuli of each
        fold's mean squared error. As in scikit-learn, a number is that of consecutive folds.
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
    training_error_
        The mean squared error for which it was chosen.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Hoerl and Kennard (1970), *Technometrics* 12, 55-67. Leaving one out is equal to
    ``sklearn.linear_model.RidgeCV(alphas, alpha_per_target=True)``, folds to ``GridSearchCV`` of
    ``sklearn.linear_model.Ridge`` for each target alone.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(
        self, penalties: Any = None, selection: Any = "leave_one_out", device: Any = "cpu"
    ) -> None:
        self.penalties = penalties
        self.selection = selection
        self.device = device

    def fit(self, X: Any, y: Any) -> "Ridge":
        """Fit weights, intercept and penalty of every target.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer than two samples, a penalty
            is not positive, or ``selection`` is unknown or asks for more folds than samples.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        target = resolve_device(self.device)
        features = torch.from_numpy(np.array(X)).to(target)
        responses = torch.from_numpy(np.array(y, dtype=np.float64)).to(target)
        columns = responses.reshape(len(responses), -1)
        everything = torch.arange(len(features), device=target)
        bases = _bases(features, len(features))
        solved = list(self._solved(bases, columns, everything, everything[:0]))
        dual = torch.cat([dual_weights(*batch[:3]) for batch in solved], dim=1)
        mean = features.mean(dim=0)
        weights = dual.mT @ (features - mean)
        intercept = columns.mean(dim=0) - weights @ mean
        penalty = torch.cat([batch.penalty for batch in solved])
        error = torch.cat([batch.error for batch in solved])
        numbers = [values.cpu().numpy() for values in (weights, intercept, penalty, error)]
        if responses.ndim == 1:
            numbers = [values[0] for values in numbers]
        self.coef_, self.intercept_, self.penalty_, self.training_error_ = numbers
        return self

    def predict_from_gram(
        self,
        gram: Float[Tensor, "row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``, from inner products alone.

        Equal to ``fit`` and ``predict`` on the features whose inner products ``gram`` holds. Of
        the responses only the rows ``train`` are read.
        """
        return self._predicted(partial(basis_from_gram, gram), responses, train, test)

    def predict_from_features(
        self,
        features: Float[Tensor, "row feature"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        return self._predicted(_bases(features, len(train)), responses, train, test)

    def _predicted(
        self, bases: Bases, responses: Tensor, train: np.ndarray, test: np.ndarray
    ) -> Prediction:
        train_, test_ = indices(train, responses), indices(test, responses)
        columns = responses[train_].flatten(start_dim=1)
        held_out, errors = [], []
        for batch in self._solved(bases, columns, train_, test_):
            held_out.append(predictions(*batch[:3]))
            errors.append(batch.error)
        shape = responses.shape[1:]
        return Prediction(
            torch.cat(held_out, dim=1).reshape(-1, *shape), torch.cat(errors).reshape(shape)
        )

    def _solved(
        self, bases: Bases, responses: Tensor, train: Tensor, test: Tensor
    ) -> Iterator[_Solved]:
        """Batches of targets; ``train`` are the rows of the features that belong to responses."""
        basis = bases(train, test)
        folds = [
            (bases(train[fitted], train[tried]), fitted, tried)
            for fitted, tried in self._folds(train)
        ]
        for some in responses.split(_TARGETS, dim=1):
            within = rotated(basis, some)
            criterion: Criterion
            if folds:
                criterion = InnerFolds(
                    tuple(inner_fold(inner, some, *rows) for inner, *rows in folds)
                )
            elif self.selection == "gcv":
                criterion = GeneralisedCrossValidation(residuals(basis, some, within))
            else:
                criterion = LeaveOneOut(residuals(basis, some, within))
            yield _Solved(basis, within, *self._chosen(criterion, basis))

    def _folds(self, train: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Positions within ``train`` that are fitted and tried; none if no folds are asked for."""
        if isinstance(self.selection, str) and self.selection in SELECTIONS:
            return []
        parameter = f"selection, if not one of {SELECTIONS},"
        return [
            (indices(fitted, train), indices(tried, train))
            for fitted, tried in inner_folds(parameter, self.selection, len(train))
        ]

    def _chosen(self, criterion: Criterion, basis: Basis) -> Choice:
        if self.penalties is None:
            return searched(criterion, mean_eigenvalue(basis), Grid())
        return criterion.least(checked_penalties(self.penalties, basis.eigenvalues.device))


def _bases(features: Tensor, n_train: int) -> Bases:
    """Primal or dual bases, whichever need the smaller eigendecomposition."""
    if features.shape[1] < n_train:
        return partial(basis_from_features, features)
    # A constant cancels, and without it the inner products keep their digits.
    gram = gram_of_blocks([features[:, :, None]], centred=True, device=str(features.device))
    return partial(basis_from_gram, gram[0])
