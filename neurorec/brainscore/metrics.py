"""Brain-Score's metrics by their names, computed from inner products of stimuli.

Left out, for want of such a form or of a static neural benchmark that uses them:
``mask_regression`` (a factorised map that gradient descent fits, with TensorFlow),
``factor_dimensionality`` (of the model alone), ``ks_similarity`` (single-neuron properties),
``rsa_ceiling`` and ``predictor_consistency`` (ceilings that cost little), and metrics of behaviour.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from neurorec._checks import check_option
from neurorec.brainscore.readouts import BestUnit, FixedRidge, LeastSquares, SharedPenaltyRidge
from neurorec.brainscore.regression import Readout
from neurorec.brainscore.regression import SampleSpaceMetric as SampleSpaceMetric
from neurorec.brainscore.regression import SampleSpaceSplitMetric as SampleSpaceSplitMetric
from neurorec.brainscore.similarity import (
    SimilarityMetric,
    cka,
    inner_products,
    pattern_correlations,
    spearman_of_triangles,
    unbiased_cka,
)
from neurorec.encoding import PLS

Options = Mapping[str, Any]

#: Grid of penalties that ``ridgecv`` chooses from if it is given none.
PENALTIES: Final = (
    *(0.01, 0.1, 0.5, 1.0),
    *np.linspace(1e1, 1e2, 4, endpoint=False).tolist(),
    *(p for k in range(2, 6) for p in np.linspace(10**k, 10 ** (k + 1), 18, False).tolist()),
    *np.linspace(1e6, 1e7, 19).tolist(),
)


def _taken(options: Options | None, name: str, value: Any, *, fixed: Options) -> Any:
    """The one option of a regression that has an effect here.

    Raises
    ------
    ValueError
        If another is given, or one that is fixed has another value.
    """
    given = dict(options or {})
    taken = given.pop(name, value)
    wrong = {k: v for k, v in given.items() if k not in fixed or fixed[k] != v}
    if wrong:
        raise ValueError(
            f"regression_kwargs has {wrong}; a readout in sample space takes {name!r}"
            + (f" and is the same as with {dict(fixed)}" if fixed else "")
        )
    return taken


def _pls(options: Options | None) -> Readout:
    return PLS(_taken(options, "n_components", 25, fixed={"scale": False}))


def _ridge(options: Options | None) -> Readout:
    return FixedRidge(_taken(options, "alpha", 1.0, fixed={}))


def _shared_ridge(options: Options | None) -> Readout:
    # What Brain-Score takes out of these options itself.
    given = {k: v for k, v in (options or {}).items() if k != "alpha"}
    return SharedPenaltyRidge(tuple(_taken(given, "alphas", PENALTIES, fixed={})))


def _without_options(readout: Readout, options: Options | None) -> Readout:
    if options:
        raise ValueError(f"this regression takes no regression_kwargs, got {dict(options)}")
    return readout


#: Readouts by the names that Brain-Score's regressions have.
READOUTS: Final[Mapping[str, Callable[[Options | None], Readout]]] = MappingProxyType(
    {
        "pls": _pls,
        "ridge": _ridge,
        "linear_predictivity": partial(_without_options, LeastSquares()),
        "neuron_to_neuron": partial(_without_options, BestUnit()),
    }
)


def _cross_validated(
    name: str,
    *,
    regression_kwargs: Options | None = None,
    reverse: bool = False,
    **options: Any,
) -> SampleSpaceMetric:
    return SampleSpaceMetric(READOUTS[name](regression_kwargs), reverse=reverse, **options)


def _split(
    readout: Callable[[Options | None], Readout],
    *,
    regression_kwargs: Options | None = None,
    alphas: Any = None,
    reverse: bool = False,
    device: str = "cpu",
) -> SampleSpaceSplitMetric:
    # Brain-Score's benchmarks give alphas to every regression; only ridgecv looks at them.
    if readout is _shared_ridge and alphas is not None:
        regression_kwargs = {"alphas": alphas} | dict(regression_kwargs or {})
    return SampleSpaceSplitMetric(readout(regression_kwargs), reverse=reverse, device=device)


def _rdm(**options: Any) -> SimilarityMetric:
    return SimilarityMetric(pattern_correlations, spearman_of_triangles, **options)


def _cka(*, unbiased: bool = True, **options: Any) -> SimilarityMetric:
    return SimilarityMetric(inner_products, unbiased_cka if unbiased else cka, **options)


def _in_folds(
    whole: Callable[..., SimilarityMetric],
    *,
    stratification_coord: str | None = "object_name",
    crossvalidation_kwargs: Options | None = None,
    **options: Any,
) -> SimilarityMetric:
    folds = {"stratification_coord": stratification_coord} | dict(crossvalidation_kwargs or {})
    return whole(crossvalidation_kwargs=folds, **options)


#: Metrics of two assemblies, model and responses, by their names in Brain-Score; each has a
#: second name there that ends in ``_cv`` or stands for itself. Tests run over this table.
METRICS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        **{name: partial(_cross_validated, name) for name in READOUTS},
        "reverse_pls": partial(_cross_validated, "pls", reverse=True),
        "rdm": _rdm,
        "rdm_cv": partial(_in_folds, _rdm),
        "cka": _cka,
        "cka_biased": partial(_cka, unbiased=False),
        "cka_cv": partial(_in_folds, _cka),
    }
)

#: Metrics without folds.
WHOLE: Final = ("cka", "cka_biased", "rdm")

#: Metrics of training and test assemblies of model and responses. Tests run over this table.
SPLIT_METRICS: Final[Mapping[str, Callable[..., SampleSpaceSplitMetric]]] = MappingProxyType(
    {
        **{f"{name}_split": partial(_split, readout) for name, readout in READOUTS.items()},
        "reverse_pls_split": partial(_split, _pls, reverse=True),
        "ridgecv_split": partial(_split, _shared_ridge),
        "dual_ridge_split": partial(_split, _ridge),
        "dual_ridgecv_split": partial(_split, _shared_ridge),
    }
)


def metric(name: str, **options: Any) -> Any:
    """A metric of Brain-Score by its name, computed in sample space.

    Parameters
    ----------
    name
        A key of ``METRICS`` or ``SPLIT_METRICS``.
    options
        As Brain-Score's metric of that name takes them (``crossvalidation_kwargs``,
        ``regression_kwargs``, ``alphas``, ``unbiased``), or those of :class:`SampleSpaceMetric`.

    Raises
    ------
    ValueError
        If the name or an option is unknown.
    """
    table = {**METRICS, **SPLIT_METRICS}
    return table[check_option("metric", name, table)](**options)
