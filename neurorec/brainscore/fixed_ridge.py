"""Ridge readout of one given penalty, for which nothing has to be diagonalised."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding import Ridge
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_solver import centred_blocks, indices


@final
@dataclass(frozen=True, kw_only=True)
class FixedRidge:
    """Equal to ``Ridge(penalties=[penalty])``, by a Cholesky factorisation.

    Parameters
    ----------
    penalty
        In the units of scikit-learn's ``alpha``.
    """

    penalty: float

    def predict_from_gram(
        self,
        gram: Float[Tensor, "row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        inner, cross, _ = centred_blocks(gram, indices(train, gram), indices(test, gram))
        y, mean = _centred(responses, train)
        weights = _solved(inner, y, self.penalty)
        if weights is None:
            return self._diagonalised().predict_from_gram(gram, responses, train, test)
        return _prediction(cross @ weights + mean, responses)

    def predict_from_features(
        self,
        features: Float[Tensor, "row feature"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """The same, for fewer features than stimuli."""
        known, tried = features[indices(train, features)], features[indices(test, features)]
        centre = known.mean(dim=0)
        known = known - centre
        y, mean = _centred(responses, train)
        weights = _solved(known.mT @ known, known.mT @ y, self.penalty)
        if weights is None:
            return self._diagonalised().predict_from_features(features, responses, train, test)
        return _prediction((tried - centre) @ weights + mean, responses)

    def _diagonalised(self) -> Ridge:
        """Which leaves out the directions in which there is nothing but rounding."""
        return Ridge(penalties=[self.penalty])


def _centred(responses: Tensor, train: np.ndarray) -> tuple[Tensor, Tensor]:
    y = responses[indices(train, responses)].flatten(start_dim=1)
    mean = y.mean(dim=0)
    return y - mean, mean


def _solved(matrix: Tensor, right: Tensor, penalty: float) -> Tensor | None:
    """Solution of ``(matrix + penalty) w = right``; none where the penalty is lost in rounding."""
    rounding = len(matrix) * torch.finfo(matrix.dtype).eps * float(matrix.trace())
    if penalty <= rounding:
        return None
    matrix.diagonal().add_(penalty)
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix))


def _prediction(columns: Tensor, responses: Tensor) -> Prediction:
    return Prediction(columns.reshape(-1, *responses.shape[1:]))
