"""What a readout must offer so that a whole grid of fits shares its factorisations."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor


class Prediction(NamedTuple):
    """Predicted responses to held-out stimuli.

    Parameters
    ----------
    held_out
        One row for each held-out stimulus.
    training_error
        Mean squared error of each target on training stimuli that its fit did not see
        (leave-one-out, or folds within the training stimuli). None if the readout computes none.
    """

    held_out: Float[Tensor, "test neuroid time_bin"]
    training_error: Float[Tensor, "neuroid time_bin"] | None = None


@runtime_checkable
class SampleSpaceReadout(Protocol):
    """A readout that needs only inner products of features; :class:`Ridge` is one.

    The first rows of features are the stimuli of the responses; rows after them, such as means over
    half of a model's trials, are only ever predicted. Time bins are separate problems; a readout
    whose targets share something, such as the components of PLS, shares it within a time bin only.
    """

    def predict_from_gram(
        self,
        gram: Float[Tensor, "row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        ...

    def predict_from_features(
        self,
        features: Float[Tensor, "row feature"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """The same, for fewer features than stimuli."""
        ...


@runtime_checkable
class FoldwiseReadout(Protocol):
    """A readout for which many folds of the same stimuli cost less together than one by one."""

    def predict_folds_from_gram(
        self,
        gram: Float[Tensor, "stimulus stimulus"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        folds: Sequence[tuple[np.ndarray, np.ndarray]],
    ) -> list[Prediction]:
        """Predictions of each fold's test stimuli, as ``predict_from_gram`` gives them."""
        ...


@runtime_checkable
class BandedReadout(Protocol):
    """A readout that weighs several sets of features; :class:`BandedRidge` is one."""

    def predict_from_grams(
        self,
        grams: Float[Tensor, "band row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``."""
        ...
