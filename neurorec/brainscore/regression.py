"""Brain-Score's regression metrics in sample space: the same scores on the same stimuli."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec.assemblies import PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import (
    AbstractPairMetric,
    aligned,
    correlations,
    correlations_of_folds,
    plain,
    same_neuroids,
)
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.folds import Rows, shuffled
from neurorec.brainscore.readouts import BestUnit
from neurorec.encoding.readout import FoldwiseReadout, SampleSpaceReadout
from neurorec.gram import gram, resolve_device

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

Readout = SampleSpaceReadout | BestUnit


@final
class SampleSpaceMetric(AbstractPairMetric):
    r"""Cross-validated correlation of a linear readout of a model with recorded responses.

    Pearson's r over held-out stimuli, the median over neuroids, the mean over splits; ``raw`` has
    (split, neuroid), ``error`` the standard error over splits. Of assemblies with several time bins
    each bin of the model predicts the same bin of the responses, and the score has a ``time_bin``.

    Parameters
    ----------
    readout
        A readout that needs only inner products of features, or :class:`BestUnit`.
    n_splits, train_size, stratification_coord, random_state
        With the defaults of Brain-Score's metrics: nine tenths of the stimuli train, balanced over
        ``object_name``; None for no balance.
    crossvalidation_kwargs
        The same and the others by the names that Brain-Score gives them; these win.
    reverse
        Responses predict the model: its units are then the neuroids of the score.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        readout: Readout,
        *,
        n_splits: int = 10,
        train_size: float = 0.9,
        stratification_coord: str | None = "object_name",
        random_state: int = 1,
        crossvalidation_kwargs: Mapping[str, Any] | None = None,
        reverse: bool = False,
        device: str = "cpu",
    ) -> None:
        self.readout = readout
        self.splits = shuffled(
            n_splits=n_splits,
            train_size=train_size,
            stratification_coord=stratification_coord,
            random_state=random_state,
            crossvalidation_kwargs=crossvalidation_kwargs,
        )
        self.reverse = reverse
        self.device = device

    @property
    def of_inner_products(self) -> SampleSpaceReadout:
        """The readout, where it needs no single units.

        Raises
        ------
        ValueError
            If it does.
        """
        if isinstance(self.readout, BestUnit):
            raise ValueError("the best unit for a neuroid does not follow from inner products")
        return self.readout

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """As of every pair, in the direction of ``reverse``."""
        # The stimuli are divided in the order of what is predicted.
        return super().__call__(*((target, source) if self.reverse else (source, target)))

    def of_pair(self, features: xr.DataArray, responses: xr.DataArray) -> Score:
        """Score of a readout of ``features``."""
        folds = list(self.splits.split(responses))
        measured = responses.values.astype(np.float64)
        predicted = held_out(self.readout, features, measured, folds, self.device)
        return score_of_folds(predicted, responses, folds)


@final
class SampleSpaceSplitMetric(Metric):
    """Correlation of a readout of some stimuli with the responses to others, both given.

    Pearson's r over test stimuli, the median over neuroids; ``raw`` has (neuroid).

    Parameters
    ----------
    readout, reverse, device
        As in :class:`SampleSpaceMetric`.
    """

    def __init__(self, readout: Readout, *, reverse: bool = False, device: str = "cpu") -> None:
        self.readout = readout
        self.reverse = reverse
        self.device = device

    def __call__(
        self,
        source_train: DataAssembly,
        source_test: DataAssembly,
        target_train: DataAssembly,
        target_test: DataAssembly,
    ) -> Score:
        """Score of the model ``source`` against the responses ``target``.

        Raises
        ------
        ValueError
            If a stimulus is repeated, model and responses have different stimuli or time bins,
            training and test responses different neuroids, or activity is not finite.
        """
        train, test = (source_train, target_train), (source_test, target_test)
        if self.reverse:
            train, test = train[::-1], test[::-1]
        fitted, known = map(plain, train)
        shown, unknown = map(plain, test)
        rows = [aligned(fitted, known), same_neuroids(aligned(shown, unknown), fitted)]
        measured = same_neuroids(unknown, known).values.astype(np.float64)
        features = np.concatenate([one.values for one in rows])
        n_train, n = known.sizes[PRESENTATION], len(features)
        folds = [(np.arange(n_train), np.arange(n_train, n))]
        known_values = known.values.astype(np.float64)
        predicted = held_out(self.readout, features, known_values, folds, self.device)
        return neuroid_score(correlations(predicted[0], measured), known)


def score_of_folds(
    predicted: Sequence[Float64[np.ndarray, "..."]],
    responses: xr.DataArray,
    folds: Sequence[tuple[Rows, Rows]],
) -> Score:
    """Score of the predictions (test, neuroid, time_bin) of each fold."""
    return neuroid_score(correlations_of_folds(predicted, responses, folds), responses)


def held_out(
    readout: Readout,
    features: xr.DataArray | np.ndarray,
    responses: Float64[np.ndarray, "known neuroid time_bin"],
    folds: Sequence[tuple[Rows, Rows]],
    device: str,
) -> list[Float64[np.ndarray, "..."]]:
    """Predictions (test, neuroid, time_bin) of each fold, bins of features for the same bins."""
    y = torch.from_numpy(responses).to(resolve_device(device))
    if isinstance(readout, BestUnit):
        return [readout.predict(np.asarray(features), responses, *fold) for fold in folds]
    bins = []
    for t in range(y.shape[2]):
        # One at a time: of all bins together, inner products can be more than activity.
        inner = gram(features[..., t : t + 1], centred=True, device=device)[0]
        bins.append(of_folds(readout, inner, y[..., t : t + 1].contiguous(), folds))
    return [torch.cat(fold, dim=2).cpu().numpy() for fold in zip(*bins, strict=True)]


def of_folds(
    readout: SampleSpaceReadout,
    inner: Float64[Tensor, "row row"],
    y: Float64[Tensor, "stimulus neuroid time_bin"],
    folds: Sequence[tuple[Rows, Rows]],
) -> list[Tensor]:
    """Predictions of each fold's test stimuli from centred inner products, for every time bin."""
    if isinstance(readout, FoldwiseReadout):
        return [one.held_out for one in readout.predict_folds_from_gram(inner, y, folds)]
    return [readout.predict_from_gram(inner, y, *fold).held_out for fold in folds]
