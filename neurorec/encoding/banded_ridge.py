"""Banded ridge readout."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from neurorec.encoding._sklearn import LinearReadout, inner_folds, validated
from neurorec.encoding.banded_solver import BandedFit, Search, banded_predictions, solve_banded
from neurorec.encoding.readout import Prediction
from neurorec.encoding.ridge_search import Grid, checked_penalties
from neurorec.encoding.ridge_solver import (
    basis_from_blocks,
    centred_blocks,
    indices,
    mean_eigenvalue,
)
from neurorec.gram import gram_of_blocks, resolve_device


class _Blocks(NamedTuple):
    """Centred inner products of every band, divided by the number that its penalty is in."""

    inner: Float[Tensor, "band train train"]
    cross: Float[Tensor, "band test train"]
    scales: Float[Tensor, " band"]


class BandedRidge(LinearReadout):
    r"""Ridge regression with a penalty of its own for each set of features and each target.

    .. math:: \min_{w, c} \; \Big\lVert y - c - \sum_b X_b w_b \Big\rVert^2
              + \sum_b \lambda_b \lVert w_b \rVert^2, \qquad
              \lambda_b = \alpha \, \sigma_b / \gamma_b

    The weights :math:`\gamma` of the bands, which sum to 1, are drawn at random, the first of them
    equal; with each draw every :math:`\alpha` is tried, and each target keeps what has the least
    error in folds within the training stimuli. Areas or timesteps of a model that say nothing
    about a neuron are so left out rather than shrunk as much as those that do.

    Parameters
    ----------
    bands
        How ``fit`` divides the features: the number of columns of each band, in their order, or a
        label for each column. One band if left out.
    n_iter
        Number of draws, or the weights to try, one row for each draw and one column for each band.
    concentration
        Parameters of the Dirichlet distributions that are drawn from in turn: below 1, most of the
        weight is on few bands; at 1, all weights are as likely.
    penalties
        The :math:`\alpha` to try, in the units of scikit-learn's ``alpha``, with
        :math:`\sigma_b = 1`. If left out, the grid of :class:`Ridge` before it grows, where
        :math:`\sigma_b` is the mean eigenvalue of the band's training Gram matrix, so that the
        units of the features do not matter.
    cv
        Number of consecutive folds, or a splitter of scikit-learn.
    seed
        Seed of the draws.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    coef_
        Weights (target, feature), or (feature) when ``y`` had one dimension.
    intercept_
        One number per target.
    band_weights_
        The weights :math:`\gamma` (target, band), or (band).
    penalty_
        The penalties :math:`\lambda` (target, band), or (band); infinite where a weight is 0.
    training_error_
        Mean over folds of each fold's mean squared error, for each target.
    bands_
        Label of each band; its position if numbers of columns were given.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Dupré la Tour, Eickenberg, Nunez-Elizalde and Gallant (2022), *NeuroImage* 264, 119728; solved
    by their ``himalaya.kernel_ridge.solve_multiple_kernel_ridge_random_search``.
    """

    # Types are left open: scikit-learn asks that anything can be set and is checked by fit.
    def __init__(
        self,
        bands: Any = None,
        n_iter: Any = 100,
        concentration: Any = (0.1, 1.0),
        penalties: Any = None,
        cv: Any = 5,
        seed: Any = 0,
        device: Any = "cpu",
    ) -> None:
        self.bands = bands
        self.n_iter = n_iter
        self.concentration = concentration
        self.penalties = penalties
        self.cv = cv
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any) -> "BandedRidge":
        """Fit weights, intercept and penalties of every target.

        Raises
        ------
        ValueError
            If arrays are not finite, lengths differ, there are fewer samples than folds, or an
            option is not as described.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)
        self.bands_, member = _division(self.bands, X.shape[1])
        target = resolve_device(self.device)
        features = torch.from_numpy(np.array(X)).to(target)
        columns = torch.from_numpy(np.array(y, dtype=np.float64)).to(target)
        grams = [
            gram_of_blocks([features[:, member == band, None]], centred=True, device=str(target))
            for band in range(len(self.bands_))
        ]
        everything = torch.arange(len(X), device=target)
        blocks = self._blocks(torch.cat(grams), everything, everything[:0])
        solved = self._solved(blocks, columns.reshape(len(columns), -1))
        multipliers = solved.multipliers / blocks.scales[:, None]
        mean = features.mean(dim=0)
        weights = ((features - mean).mT @ solved.dual) * multipliers[member]
        numbers = [
            values.mT.cpu().numpy() if values.ndim == 2 else values.cpu().numpy()
            for values in (
                weights,
                solved.intercept - mean @ weights,
                solved.band_weights,
                1 / multipliers,
                solved.error,
            )
        ]
        if y.ndim == 1:
            numbers = [values[0] for values in numbers]
        self.coef_, self.intercept_, self.band_weights_, self.penalty_ = numbers[:4]
        self.training_error_ = numbers[4]
        self.band_of_feature_ = member
        return self

    def predict_bands(self, X: Any) -> np.ndarray:
        """What each band adds to the prediction (band, sample, target), or (band, sample).

        Their sum and ``intercept_`` are the prediction.
        """
        check_is_fitted(self)
        X = validated(self, X, reset=False)
        members = [self.band_of_feature_ == band for band in range(len(self.bands_))]
        return np.stack([X[:, member] @ self.coef_[..., member].T for member in members])

    def predict_from_grams(
        self,
        grams: Float[Tensor, "band row row"],
        responses: Float[Tensor, "stimulus neuroid time_bin"],
        train: np.ndarray,
        test: np.ndarray,
    ) -> Prediction:
        """Fit on the stimuli ``train`` and predict the stimuli ``test``, from inner products alone.

        Equal to ``fit`` and ``predict`` on the features of each band whose inner products ``grams``
        holds. Of the responses only the rows ``train`` are read.

        Raises
        ------
        ValueError
            As ``fit``.
        """
        train_, test_ = indices(train, grams), indices(test, grams)
        blocks = self._blocks(grams, train_, test_)
        solved = self._solved(blocks, responses[train_].flatten(start_dim=1))
        shape = responses.shape[1:]
        held_out = banded_predictions(solved, blocks.cross).reshape(-1, *shape)
        return Prediction(held_out, solved.error.reshape(shape))

    def _blocks(self, grams: Tensor, train: Tensor, test: Tensor) -> _Blocks:
        if len(grams) == 0:
            raise ValueError("banded ridge needs at least one band of features, got none")
        bands = [centred_blocks(gram, train, test) for gram in grams]
        scales = grams.new_ones(len(grams))
        if self.penalties is None:
            scales = torch.stack([mean_eigenvalue(basis_from_blocks(band)) for band in bands])
        units = scales[:, None, None]
        return _Blocks(
            torch.stack([band.inner for band in bands]).div_(units),
            torch.stack([band.cross for band in bands]).div_(units),
            scales,
        )

    def _solved(self, blocks: _Blocks, responses: Tensor) -> BandedFit:
        for name, values in (("inner products", blocks.inner), ("responses", responses)):
            if not bool(torch.isfinite(values).all()):
                raise ValueError(
                    f"the {name} of training stimuli hold NaN or infinite values; drop those "
                    "stimuli, or the units that they come from"
                )
        n_bands, n_train, _ = blocks.inner.shape
        if self.penalties is None:
            alphas = Grid().penalties(blocks.inner.new_ones(()))
        else:
            alphas = checked_penalties(self.penalties, responses.device)
        search = Search(
            n_iter=_draws(self.n_iter, n_bands),
            concentration=_concentration(self.concentration),
            alphas=alphas,
            folds=inner_folds("cv", self.cv, n_train),
            seed=_seed(self.seed),
        )
        return solve_banded(blocks.inner, responses, search)


def _division(bands: Any, n_features: int) -> tuple[list[Any], np.ndarray]:
    """Label of each band, and the position of the band of each feature."""
    if bands is None:
        return [0], np.zeros(n_features, dtype=np.int64)
    given = np.asarray(bands)
    is_count = given.ndim == 1 and given.dtype.kind in "iu" and bool((given > 0).all())
    if is_count and given.sum() == n_features:
        return list(range(len(given))), np.repeat(np.arange(len(given)), given)
    if given.shape != (n_features,):
        raise ValueError(
            f"bands must be numbers of columns that sum to the {n_features} features, or a label "
            f"for each of these, got {np.array2string(given, threshold=8)}"
        )
    labels = list(dict.fromkeys(given.tolist()))
    return labels, np.array([labels.index(label) for label in given.tolist()])


def _draws(n_iter: Any, n_bands: int) -> int | np.ndarray:
    if isinstance(n_iter, Integral):
        if n_iter < 1:
            raise ValueError(f"n_iter must be at least 1 draw of the bands' weights, got {n_iter}")
        return 1 if n_bands == 1 else int(n_iter)  # one band has one weight
    weights = np.array(n_iter, dtype=np.float64, order="C")
    shaped = weights.ndim == 2 and len(weights) > 0 and weights.shape[1] == n_bands
    if not shaped or not (weights >= 0).all() or not (weights.sum(axis=1) > 0).all():
        raise ValueError(
            "n_iter must be a number of draws or rows of weights that are not negative nor all "
            f"zero, one for each of {n_bands} bands, got an array of shape {weights.shape}: "
            f"{np.array2string(weights, threshold=8)}"
        )
    return weights


def _concentration(concentration: Any) -> list[float]:
    values = np.array(concentration, dtype=np.float64, ndmin=1)
    if values.ndim != 1 or len(values) == 0 or not (values > 0).all():
        raise ValueError(
            f"concentration must be one or more positive numbers, got {concentration!r}"
        )
    return values.tolist()


def _seed(seed: Any) -> int:
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be an integer that is not negative, got {seed!r}")
    return int(seed)
