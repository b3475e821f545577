"""Metrics whose score follows from inner products of a model's units, and how it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import scipy.stats
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from neurorec.assemblies import TIME_BIN, columns_of
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.folds import Folds
from neurorec.brainscore.metrics import METRICS
from neurorec.brainscore.products import Products, products_of, tensor_of
from neurorec.brainscore.readouts import FixedRidge
from neurorec.brainscore.regression import SampleSpaceMetric, of_folds, score_of_folds
from neurorec.brainscore.similarity import SimilarityMetric
from neurorec.encoding import PLS
from neurorec.encoding.readout import SampleSpaceReadout

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
    ours = metric if type(metric) in _OURS else _as_ours(metric)
    if type(ours) is SimilarityMetric:
        return _compared(ours, responses, device, described(metric))
    # Predictions of a model, and the unit that is best for a neuroid, need its units.
    if type(ours) is SampleSpaceMetric and isinstance(ours.readout, SampleSpaceReadout):
        score = None if ours.reverse else _predicted(ours.readout, ours.splits, responses, device)
        name = f"{described(ours)}, in sample space"
        return None if score is None else Form(score=score, centred=True, name=name)
    return None


def described(metric: Any) -> str:
    """Readout and splits, in words."""
    if type(metric) is not SampleSpaceMetric:
        return type(metric).__name__
    if not isinstance(metric.readout, BaseEstimator):
        return f"{metric.readout}, {metric.splits.described}"
    settings = metric.readout.get_params()
    options = ", ".join(f"{k}={v}" for k, v in settings.items() if k != "device")
    return f"{type(metric.readout).__name__}({options}), {metric.splits.described}"


def _predicted(
    readout: SampleSpaceReadout, splits: Folds, responses: xr.DataArray, device: str
) -> Callable[[Products], Score]:
    """Correlation of held-out responses with their predictions."""
    measured = tensor_of(responses.values, device)
    folds = list(splits.split(responses))

    def score(products: Products) -> Score:
        predicted = of_folds(readout, products.gram, measured, folds)
        return score_of_folds([one.cpu().numpy() for one in predicted], responses, folds)

    return score


def _compared(metric: SimilarityMetric, responses: xr.DataArray, device: str, name: str) -> Form:
    """Similarity with the responses of each time bin."""
    measured = products_of(responses, centred=metric.centred, device=device)

    def score(products: Products) -> Score:
        found = [metric.of_products(products, one, responses) for one in measured]
        if len(found) == 1:
            return found[0]
        labels = {k: (TIME_BIN, v) for k, v in columns_of(responses, TIME_BIN).items()}
        return Score([float(one) for one in found], dims=[TIME_BIN], coords=labels)

    return Form(score=score, centred=metric.centred, name=f"{name}, in sample space")


_OURS: Final = (SampleSpaceMetric, SimilarityMetric)
_ID: Final = "stimulus_id"


def _as_ours(metric: Any) -> SampleSpaceMetric | SimilarityMetric | None:
    """A metric of Brain-Score in sample space, where ours gives the same score."""
    if type(metric) is CrossRegressedCorrelation:
        return _as_regression(metric)
    if metric.__dict__.get("_comparison_coord", _ID) != _ID:
        return None
    if type(metric) is RDMMetric:
        return METRICS["rdm"]()
    if type(metric) is CKA:
        return METRICS["cka"](unbiased=metric._unbiased)
    return None


def _as_regression(metric: CrossRegressedCorrelation) -> SampleSpaceMetric | None:
    readout = _as_readout(metric.regression)
    options = _as_splits(metric.cross_validation)
    correlation = metric.correlation
    if type(correlation) is not XarrayCorrelation or readout is None or options is None:
        return None
    if correlation._correlation is not scipy.stats.pearsonr:
        return None
    return SampleSpaceMetric(readout, **options)


def _as_readout(regression: Any) -> PLS | FixedRidge | None:
    fitted = regression._regression if type(regression) is XarrayRegression else None
    if type(fitted) is PLSRegression and not fitted.scale:
        return PLS(fitted.n_components)
    if type(fitted) is Ridge and fitted.fit_intercept and np.ndim(fitted.alpha) == 0:
        return FixedRidge(float(fitted.alpha)) if fitted.alpha > 0 else None
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
