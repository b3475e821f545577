"""From one time to another: readouts of every time bin against the responses of every other."""

from collections.abc import Callable, Iterator, Mapping
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
from neurorec.brainscore._pairs import paired
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.brainscore.span_time import correlations, everywhere, stacked
from neurorec.encoding.readout import SampleSpaceReadout
from neurorec.gram import gram, resolve_device
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

#: Correlations (split, neuroid, one time bin of the model, time bin) for each time bin of it.
Rows = Iterator[Float64[np.ndarray, "split neuroid time_bin"]]


@final
class CrossTemporalMetric(Metric):
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

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """Score (train_time, test_time) of the model ``source``, the median over neuroids.

        Raises
        ------
        ValueError
            If they have different stimuli or time bins, a stimulus is repeated, or activity is not
            finite.
        """
        features, responses = paired(source, target)
        rows = list(KINDS[self.kind](self.within, features, responses))
        return _score(np.stack(rows, axis=2), responses)

    def number(self, grid: Float64[np.ndarray, "*split train_time test_time"]) -> np.ndarray:
        """The mean over the grid that :class:`CrossTemporalMetric` describes; NaN are left out."""
        same = np.eye(grid.shape[-1], dtype=bool)
        other = np.asarray(np.nanmean(np.where(same, np.nan, grid), axis=(-2, -1)))
        if self.kind == "generalization":
            return other
        return np.asarray(np.nanmean(np.where(same, grid, np.nan), axis=(-2, -1)) - other)


def _generalization(
    within: SampleSpaceMetric, features: xr.DataArray, responses: xr.DataArray
) -> Rows:
    device = resolve_device(within.device)
    rows = stacked(features)
    rows -= rows.mean(axis=0)
    everything = torch.from_numpy(rows).to(device)
    y = torch.from_numpy(responses.values.astype(np.float64)).to(device)
    n, n_bins = len(responses), responses.sizes[TIME_BIN]
    for t in range(n_bins):
        # Of all inner products only those with one time bin are held.
        products = everything @ everything[t * n : (t + 1) * n].mT
        scores = []
        for train, test in within.splits.split(responses):
            table = _table(products, t * n + train, everywhere(test, n, n_bins), train)
            known, tried = np.arange(len(train)), np.arange(len(train), len(table))
            found = within.of_inner_products.predict_from_gram(
                table, y[train, :, t, None], known, tried
            )
            scores.append(correlations(found.held_out[..., 0], responses, test))
        yield np.stack(scores)


def _table(products: Tensor, train: np.ndarray, test: np.ndarray, columns: np.ndarray) -> Tensor:
    """Inner products of training and test rows, without those among test rows, which none asks."""
    a = len(train)
    table = products.new_zeros(a + len(test), a + len(test))
    table[:, :a] = products[np.concatenate([train, test])][:, columns]
    table[:a, a:] = table[a:, :a].mT
    return table


def _predictivity(
    within: SampleSpaceMetric, features: xr.DataArray, responses: xr.DataArray
) -> Rows:
    device = resolve_device(within.device)
    y = torch.from_numpy(responses.values.astype(np.float64)).to(device)
    for one in gram(features, centred=True, device=within.device):
        scores = []
        for train, test in within.splits.split(responses):
            found = within.of_inner_products.predict_from_gram(one, y, train, test).held_out
            scores.append(pearson(found.cpu().numpy(), responses.values[test]))
        yield np.stack(scores)


#: Every kind of grid. Tests run over this table.
KINDS: Final[Mapping[str, Callable[..., Rows]]] = MappingProxyType(
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
    raw = Score(
        scores,
        coords={"split": np.arange(len(scores))} | labels | limits,
        dims=("split", NEUROID, *axes),
    )
    medians = raw.median(NEUROID)
    score = medians.mean("split")
    score.attrs["raw"] = raw
    score.attrs["error"] = medians.std("split") / np.sqrt(len(scores))
    return score
