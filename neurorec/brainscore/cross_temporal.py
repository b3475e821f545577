"""From one time to another: readouts of every time bin against the responses of every other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import AbstractPairMetric, correlations_of_folds
from neurorec.brainscore._scores import mean_of_known, over_neuroids
from neurorec.brainscore.folds import Rows
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.products import tensor_of
from neurorec.brainscore.regression import of_folds
from neurorec.brainscore.span_time import everywhere, in_bins, stacked
from neurorec.encoding.readout import SampleSpaceReadout
from neurorec.gram import gram, resolve_device

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402

Divisions = Sequence[tuple[Rows, Rows]]

#: Correlations with the responses in all time bins, for each time bin of the model.
Correlations = Iterator[Float64[np.ndarray, "split neuroid time_bin"]]


@final
class CrossTemporalMetric(AbstractPairMetric):
    r"""A grid of correlations over two times.

    Parameters
    ----------
    readout, options
        As :class:`SampleSpaceMetric` takes them.
    kind
        ``"generalization"``: the readout that maps the model to the responses in time bin
        ``train_time``, tested on model and responses in ``test_time``, by the same weights.
        ``"predictivity"``: of each pair a readout of its own from the model in ``train_time`` to
        the responses in ``test_time``.

    Notes
    -----
    What a number over the grid means: of generalization, the mean over pairs of different times,
    high where the code stays as it is; of predictivity, how much better the same time predicts than
    the others do,

    .. math:: \langle g_{tt} \rangle_t - \langle g_{st} \rangle_{s \ne t},

    which is 0 for a model that repeats itself, however well it predicts. Both choices are ours. In
    a benchmark :math:`g = r |r| / c` with the ceiling c of the responses in ``test_time``; the sign
    is kept, since a code that turns round is no good prediction.
    """

    def __init__(self, readout: SampleSpaceReadout, *, kind: str, **options: Any) -> None:
        self.kind = check_option("kind", kind, KINDS)
        self.within = SampleSpaceMetric(readout, **options)

    def of_pair(self, features: xr.DataArray, responses: xr.DataArray) -> Score:
        """Score (train_time, test_time), the median over neuroids."""
        folds = list(self.within.splits.split(responses))
        rows = list(KINDS[self.kind](self.within, features, responses, folds))
        return _score(np.stack(rows, axis=2), responses)

    def number(self, grid: Float64[np.ndarray, "*split train_time test_time"]) -> np.ndarray:
        """The mean over the grid that :class:`CrossTemporalMetric` describes; NaN are left out."""
        same = np.eye(grid.shape[-1], dtype=bool)
        other = mean_of_known(np.where(same, np.nan, grid), axis=(-2, -1))
        if self.kind == "generalization":
            return other
        return np.asarray(mean_of_known(np.where(same, grid, np.nan), axis=(-2, -1)) - other)


def _generalization(
    within: SampleSpaceMetric, features: xr.DataArray, responses: xr.DataArray, folds: Divisions
) -> Correlations:
    rows = stacked(features)
    rows -= rows.mean(axis=0)
    everything = torch.from_numpy(rows).to(resolve_device(within.device))
    y = tensor_of(responses.values, within.device)
    n, n_bins = len(responses), responses.sizes[TIME_BIN]
    for t in range(n_bins):
        # Of all inner products only those with one time bin are held.
        products = everything @ everything[t * n : (t + 1) * n].mT
        predicted = []
        for train, test in folds:
            table = _table(products, t * n + train, everywhere(test, n, n_bins), train)
            known, tried = np.arange(len(train)), np.arange(len(train), len(table))
            found = within.of_inner_products.predict_from_gram(
                table, y[train, :, t, None], known, tried
            )
            predicted.append(in_bins(found.held_out, n_bins))
        yield correlations_of_folds(predicted, responses, folds)


def _table(products: Tensor, train: np.ndarray, test: np.ndarray, columns: np.ndarray) -> Tensor:
    """Inner products of training and test rows, without those among test rows, which none asks."""
    a = len(train)
    table = products.new_zeros(a + len(test), a + len(test))
    table[:, :a] = products[np.concatenate([train, test])][:, columns]
    table[:a, a:] = table[a:, :a].mT
    return table


def _predictivity(
    within: SampleSpaceMetric, features: xr.DataArray, responses: xr.DataArray, folds: Divisions
) -> Correlations:
    y = tensor_of(responses.values, within.device)
    for inner in gram(features, centred=True, device=within.device):
        predicted = of_folds(within.of_inner_products, inner, y, folds)
        held_out = [one.cpu().numpy() for one in predicted]
        yield correlations_of_folds(held_out, responses, folds)


#: Every kind of grid. Tests run over this table.
KINDS: Final[Mapping[str, Callable[..., Correlations]]] = MappingProxyType(
    {"generalization": _generalization, "predictivity": _predictivity}
)


def _score(
    scores: Float64[np.ndarray, "split neuroid train_time test_time"], responses: xr.DataArray
) -> Score:
    """Median over neuroids, mean over splits, with the limits of both times."""
    axes = ("train_time", "test_time")
    labels = {k: (NEUROID, v) for k, v in columns_of(responses, NEUROID).items()}
    limits = {
        f"{axis}_{limit}": (axis, responses[f"time_bin_{limit}"].values)
        for axis in axes
        for limit in ("start", "end")
    }
    return over_neuroids(scores, (NEUROID, *axes), labels | limits)
