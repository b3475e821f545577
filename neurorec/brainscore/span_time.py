"""One readout for all time bins: its weights are fitted to all of them together."""

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import AbstractPairMetric, correlations_of_folds
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.products import tensor_of
from neurorec.encoding.readout import Prediction, SampleSpaceReadout
from neurorec.gram import gram, resolve_device

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402


@final
class SpanTimeMetric(AbstractPairMetric):
    r"""Correlation with what one readout predicts in each time bin.

    .. math:: \min_{W, b} \; \sum_t \lVert Y_t - X_t W - b \rVert^2 + \dots

    with the rows of all time bins as samples, as ``spantime_pls`` and ``spantime_ridge`` of
    Brain-Score have it. Held-out stimuli are held out in all time bins. Pearson's r in each, the
    median over neuroids, the mean over splits.

    Parameters
    ----------
    readout, options
        As :class:`SampleSpaceMetric` takes them.

    Notes
    -----
    Memory holds the square of the number of rows (stimuli times time bins), or of features where
    these are fewer than half as many.
    """

    def __init__(self, readout: SampleSpaceReadout, **options: Any) -> None:
        self.within = SampleSpaceMetric(readout, **options)

    def of_pair(self, features: xr.DataArray, responses: xr.DataArray) -> Score:
        """Score over ``time_bin``."""
        predict = _predictor(self.within, stacked(features))
        columns = tensor_of(stacked(responses)[:, :, None], self.within.device)
        n, n_bins = len(responses), responses.sizes["time_bin"]
        folds = list(self.within.splits.split(responses))
        predicted = []
        for fold in folds:
            train, test = (everywhere(part, n, n_bins) for part in fold)
            predicted.append(in_bins(predict(columns, train, test).held_out, n_bins))
        return neuroid_score(correlations_of_folds(predicted, responses, folds), responses)


def _predictor(
    within: SampleSpaceMetric, rows: Float64[np.ndarray, "row feature"]
) -> Callable[..., Prediction]:
    # Inner products of rows are made once for all splits, so that they may be more numbers.
    if 2 * rows.shape[1] < len(rows):
        features = torch.from_numpy(rows - rows.mean(axis=0)).to(resolve_device(within.device))
        return partial(within.of_inner_products.predict_from_features, features)
    table = gram(rows[:, :, None], centred=True, device=within.device)[0]
    return partial(within.of_inner_products.predict_from_gram, table)


def stacked(assembly: xr.DataArray) -> Float64[np.ndarray, "row neuroid"]:
    """All presentations of the first time bin, then those of the second, and so on.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    values = assembly.values.transpose(2, 0, 1)
    if not np.isfinite(values).all():
        raise ValueError("the activity holds NaN or infinite values; drop those units or stimuli")
    return np.ascontiguousarray(values, dtype=np.float64).reshape(-1, values.shape[2])


def everywhere(
    stimuli: Int64[np.ndarray, " stimulus"], n_stimuli: int, n_bins: int
) -> Int64[np.ndarray, " row"]:
    """Rows of some stimuli in all time bins, one bin after the other."""
    return (n_stimuli * np.arange(n_bins)[:, None] + stimuli).ravel()


def in_bins(
    rows: Float64[Tensor, "row neuroid 1"], n_bins: int
) -> Float64[np.ndarray, "stimulus neuroid time_bin"]:
    """Predictions of rows that lie one time bin after the other."""
    return rows.cpu().numpy().reshape(n_bins, -1, rows.shape[1]).transpose(1, 2, 0)
