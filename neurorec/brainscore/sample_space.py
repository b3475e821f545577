"""Metrics whose score follows from inner products of a model's units, and how it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import scipy.stats
import torch
import xarray as xr
from jaxtyping import Float64
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from torch import Tensor

from neurorec.assemblies import TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.area_products import Products, tensor_of
from neurorec.brainscore.metrics import SampleSpaceMetric
from neurorec.encoding import PLS, Ridge
from neurorec.geometry.dissimilarity import DISSIMILARITIES
from neurorec.gram import centre, products_and_sums
from neurorec.stats import pearson

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402
from brainscore_vision.metric_helpers.xarray_utils import (  # noqa: E402
    XarrayCorrelation,
    XarrayRegression,
)
from brainscore_vision.metrics.cka.metric import CKA  # noqa: E402
from brainscore_vision.metrics.rdm.metric import RDMMetric  # noqa: E402
from brainscore_vision.metrics.regression_correlation.metric import (  # noqa: E402
    CrossRegressedCorrelation,
)

#: From the products of two populations over the same stimuli to how similar they are.
Similarity = Callable[[Products, Products], float]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Form:
    """A metric as a function of products.

    Parameters
    ----------
    score
        From the products of a model's units, over the stimuli of the responses in their order, to
        the metric's score; with a ``time_bin`` where the responses have several.
    centred
        Whether it wants units less their means over stimuli.
    name
        What it computes.
    """

    score: Callable[[Products], Score]
    centred: bool
    name: str


def form_of(metric: Any, responses: xr.DataArray, *, device: str = "cpu") -> Form | None:
    """How ``metric`` scores products against ``responses``; None where it needs the units.

    Ours, and Brain-Score's cross-validated PLS and ridge regressions, RDM similarity and linear
    CKA. Its numbers differ by rounding: theirs is that of float32 where they compute in the
    activity's own precision. Only their PLS stops before its power iterations converge, and is off
    by some thousandths of a correlation where there are few stimuli.
    """
    ours = metric if type(metric) is SampleSpaceMetric else _as_ours(metric)
    if ours is not None:
        return _predicted(ours, responses, device)
    for kind, (similarity, centred) in _SIMILARITIES.items():
        if type(metric) is kind and metric.__dict__.get("_comparison_coord", _ID) == _ID:
            name = f"{kind.__name__}, in sample space"
            return _compared(similarity(metric), responses, device, centred, name)
    return None


_ID: Final = "stimulus_id"


def _predicted(metric: SampleSpaceMetric, responses: xr.DataArray, device: str) -> Form:
    """Correlation of held-out responses with their predictions."""
    values = responses.values.astype(np.float64)
    measured, folds = tensor_of(values, device), list(metric.splits.split(responses))

    def score(products: Products) -> Score:
        predicted = [
            metric.readout.predict_from_gram(products.gram, measured, train, test).held_out
            for train, test in folds
        ]
        pairs = zip(predicted, folds, strict=True)
        scores = [pearson(p.cpu().numpy(), values[test]) for p, (_, test) in pairs]
        return neuroid_score(np.stack(scores), responses)

    return Form(score=score, centred=True, name=f"{described(metric)}, in sample space")


def described(metric: SampleSpaceMetric) -> str:
    """Readout and splits, in words."""
    settings = getattr(metric.readout, "get_params", dict)()
    options = ", ".join(f"{k}={v}" for k, v in settings.items() if k != "device")
    return f"{type(metric.readout).__name__}({options}), {metric.splits.n_splits} splits"


def _compared(
    similarity: Similarity, responses: xr.DataArray, device: str, centred: bool, name: str
) -> Form:
    """Similarity with the responses of each time bin."""
    values = tensor_of(responses.values, device)
    grams, sums = products_and_sums([values], centred=centred, device=device)
    measured = [
        Products(gram=gram, sums=total, n_units=values.shape[1])
        for gram, total in zip(grams, sums, strict=True)
    ]

    def score(products: Products) -> Score:
        found = [similarity(products, one) for one in measured]
        if len(found) == 1:
            return Score(found[0])
        labels = {k: (TIME_BIN, v) for k, v in columns_of(responses, TIME_BIN).items()}
        return Score(found, dims=[TIME_BIN], coords=labels)

    return Form(score=score, centred=centred, name=name)


def _rank_correlation(first: Products, second: Products) -> float:
    """Spearman correlation of the distances 1 - r between patterns."""
    one, two = _distances(first), _distances(second)
    if np.isnan(one + two).any() or min(np.ptp(one), np.ptp(two)) == 0:
        return float("nan")
    ranks = [scipy.stats.rankdata(distances) for distances in (one, two)]
    return float(np.corrcoef(ranks)[0, 1])


def _distances(products: Products) -> Float64[np.ndarray, " pair"]:
    matrix = DISSIMILARITIES["correlation"](
        products.gram[None].clone(), products.sums[None], products.n_units
    )[0]
    return matrix.cpu().numpy()[np.triu_indices(len(matrix), k=1)]


def _cosine(first: Products, second: Products) -> float:
    """Linear CKA of centred products."""
    one, two = (centre(products.gram) for products in (first, second))
    return float((one * two).sum() / (one.norm() * two.norm()))


def _unbiased_cosine(first: Products, second: Products) -> float:
    """The same of unbiased estimates; 0, as theirs, where one of the squares is not positive."""
    one, two = (first.gram, second.gram)
    squares = _unbiased_product(one, one) * _unbiased_product(two, two)
    if squares <= 0:
        return 0.0
    # The constant is theirs; it matters where activity is tiny.
    return _unbiased_product(one, two) / (squares**0.5 + 1e-12)


def _unbiased_product(first: Tensor, second: Tensor) -> float:
    """Song et al. (2012), JMLR 13, 1393-1434, equation 5."""
    n = len(first)
    one, two = (gram - torch.diag(gram.diagonal()) for gram in (first, second))
    rows, rows_b = one.sum(dim=0), two.sum(dim=0)
    total = (
        (one * two).sum()
        + rows.sum() * rows_b.sum() / ((n - 1) * (n - 2))
        - 2 * (rows @ rows_b) / (n - 2)
    )
    return float(total / (n * (n - 3)))


#: Metrics of Brain-Score that compare two populations as they are: the similarity of each, and
#: whether units are less their means. U-centring takes the means of units away again, but not the
#: digits that large ones cost.
_SIMILARITIES: Final[Mapping[type, tuple[Callable[[Any], Similarity], bool]]] = MappingProxyType(
    {
        RDMMetric: (lambda metric: _rank_correlation, False),
        CKA: (lambda metric: _unbiased_cosine if metric._unbiased else _cosine, True),
    }
)


def _as_ours(metric: Any) -> SampleSpaceMetric | None:
    """Their cross-validated regression in sample space, where ours gives the same score."""
    if type(metric) is not CrossRegressedCorrelation:
        return None
    readout = _as_readout(metric.regression)
    options = _as_splits(metric.cross_validation)
    correlation = metric.correlation
    if type(correlation) is not XarrayCorrelation or readout is None or options is None:
        return None
    if correlation._correlation is not scipy.stats.pearsonr:
        return None
    return SampleSpaceMetric(readout, **options)


def _as_readout(regression: Any) -> PLS | Ridge | None:
    fitted = regression._regression if type(regression) is XarrayRegression else None
    if type(fitted) is PLSRegression and not fitted.scale:
        return PLS(fitted.n_components)
    if type(fitted) is TheirRidge and fitted.fit_intercept and np.ndim(fitted.alpha) == 0:
        return Ridge(penalties=[float(fitted.alpha)]) if fitted.alpha > 0 else None
    return None


def _as_splits(validation: Any) -> dict[str, Any] | None:
    """Options of ours; None where theirs asks for what ours has not."""
    split = validation._split
    drawn = split._split
    plain = validation._preprocess_indices is None and not split._unique_split_values
    known = type(drawn) in (ShuffleSplit, StratifiedShuffleSplit) and split._split_coord == _ID
    share, seed = drawn.__dict__.get("train_size"), drawn.__dict__.get("random_state")
    whole = isinstance(share, float) and drawn.__dict__.get("test_size") is None
    if not (plain and known and whole and isinstance(seed, int)):
        return None
    return {
        "n_splits": drawn.get_n_splits(),
        "train_size": share,
        "stratification_coord": split._stratification_coord or None,
        "random_state": seed,
    }
