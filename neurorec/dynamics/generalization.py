"""Decoding over time, and from one time to another."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.dynamics.chance import effective_n, significant_accuracy
from neurorec.dynamics.decoding import DecodingOptions, DecodingProblem, decoding_problem
from neurorec.dynamics.null import QUANTILES, labellings, null_variables, permutation_rng
from neurorec.dynamics.proportions import wilson_interval
from neurorec.dynamics.tally import Tally, tally
from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.populations.labels import time_coords

#: Level of the exact binomial test whose threshold results name.
ALPHA = 0.05


def temporal_generalization(
    source: Any,
    *,
    label: str = "object_name",
    classifier: str | AbstractLinearDecoder = "max_correlation",
    fold: str | int = "repetition",
    n_folds: int = 10,
    standardise: bool = True,
    balanced: bool = False,
    n_permutations: int = 0,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""Accuracy of a classifier trained in one time bin and tested in another.

    .. math:: A_{t t'} = \frac1n \sum_i [\hat c_t(x_{i t'}) = c_i],

    each presentation tested by the rule of the split that held it out, also where ``t`` and
    ``t'`` differ. Bins share presentations, so that neighbours and overlapping bins are not
    independent.

    Parameters
    ----------
    source
        Single presentations: an assembly (choose bins with :func:`neurorec.assemblies.window`), or
        an area such as ``recording.area("IT")`` of any size, which is read block by block of units
        and fitted from inner products of presentations.
    label
        Coordinate of ``presentation`` to decode.
    classifier
        A key of ``CLASSIFIERS``, or a classifier with options of its own such as
        ``geometry.RidgeDecoder(penalty=10)``.
    fold, n_folds, seed
        ``"repetition"`` holds out blocks of repetitions, ``"stratified"`` stimuli; an integer is
        ``"stratified"`` with that number of folds. See
        :func:`neurorec.dynamics.folds.assign_folds`. The seed also draws permutations. With
        repetitions held out every stimulus is in training, too: where a class has several stimuli,
        any grouping of them can be decoded as soon as they are told apart, and p-values are of
        that; hold out stimuli to ask for what the stimuli of a class have in common.
    standardise
        Z-score each neuroid in each time bin with the mean and deviation of the training
        presentations in that same bin; a test bin is thus scaled by itself, not by the training
        bin. Neuroids that are constant in training are set to zero.
    balanced
        Whether accuracies are means over classes of the share that is named correctly, for which
        chance is one over the number of classes however many presentations each has.
    n_permutations
        How often labels are dealt out anew and everything is fitted again, for p-values: labels of
        presentations within each repetition, or, where folds hold out stimuli, of stimuli within
        each fold.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where training or test falls in a time bin in which
        all presentations are the same, as in a deep model area before the stimulus reaches it.

    Returns
    -------
    xr.Dataset
        ``accuracy`` (train_time, test_time), over all presentations, and ``accuracy_per_split``
        (split, train_time, test_time), with ``n_tested`` (split); ``chance``
        (train_time, test_time), the accuracy to be expected if the names that were given in each
        split had been dealt to its presentations at random. With permutations also ``p_value``,
        ``p_value_max`` (against the largest accuracy anywhere in the matrix, so that all cells
        together err at the nominal rate) and ``null_quantile``
        (quantile, train_time, test_time). Coordinates in ms: ``train_time_start``,
        ``train_time_end``, ``test_time_start``, ``test_time_end``; and ``train_timestep``,
        ``test_timestep`` for models. ``attrs`` has ``chance`` (one over the number of classes),
        the share of the largest class, ``significant_accuracy`` (the exact binomial threshold at
        5 %, by that share unless balanced), and numbers.

    Raises
    ------
    ValueError
        If the label or classifier is unknown, activity is not finite, there are fewer than two
        classes, a class with fewer presentations than folds, a time bin in which all
        presentations are the same, or labels can not be permuted.

    References
    ----------
    King and Dehaene (2014) Trends in Cognitive Sciences 18:203; for this population Zhang et al.
    (2011) PNAS 108:8850. The p-value: Phipson and Smyth (2010); the largest cell: Nichols and
    Holmes (2002) Human Brain Mapping 15:1. The strata of permutations are our choice.
    """
    options = DecodingOptions(
        label=label,
        classifier=classifier,
        fold=fold,
        n_folds=n_folds,
        standardise=standardise,
        seed=seed,
        undefined=undefined,
        device=device,
    )
    problem = decoding_problem(source, options)
    found = _tally(problem, n_permutations, seed, across=True, balanced=balanced)
    dims = ("train_time", "test_time")
    attrs = problem.attrs() | _significance(problem, balanced=balanced)
    return xr.Dataset(
        _variables(problem, found, dims, attrs),
        coords=_quantiles(found)
        | _time_axis(problem.labels, "train")
        | _time_axis(problem.labels, "test"),
        attrs=attrs,
    )


def decoding_over_time(
    source: Any,
    *,
    label: str = "object_name",
    classifier: str | AbstractLinearDecoder = "max_correlation",
    fold: str | int = "repetition",
    n_folds: int = 10,
    standardise: bool = True,
    balanced: bool = False,
    level: float | int = 0.95,
    n_permutations: int = 0,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    """Accuracy of a classifier trained and tested in the same time bin, for each time bin.

    It is the diagonal of :func:`temporal_generalization`, without the rest being computed, with
    the Wilson interval of a binomial proportion over presentations. Training sets of different
    splits overlap, which that interval leaves out; it states how well this number of
    presentations determines the accuracy. Of a balanced accuracy it is the interval of as many
    presentations as give that variance, ``C^2 / sum_c 1 / n_c``.

    Parameters
    ----------
    source, label, classifier, fold, n_folds, standardise, balanced, n_permutations, seed, undefined
        As for :func:`temporal_generalization`.
    level
        Coverage of the interval.

    Returns
    -------
    xr.Dataset
        ``accuracy``, ``ci_low``, ``ci_high``, ``chance`` (time_bin) and ``accuracy_per_split``
        (split, time_bin); with permutations ``p_value``, ``p_value_max`` (against the largest of
        all time bins) and ``null_quantile``.

    Raises
    ------
    ValueError
        As :func:`temporal_generalization`; and if ``level`` is no coverage.
    """
    options = DecodingOptions(
        label=label,
        classifier=classifier,
        fold=fold,
        n_folds=n_folds,
        standardise=standardise,
        seed=seed,
        undefined=undefined,
        device=device,
    )
    problem = decoding_problem(source, options)
    found = _tally(problem, n_permutations, seed, across=False, balanced=balanced)
    n = effective_n(problem.codes, balanced=balanced)
    low, high = wilson_interval(found.accuracy[0, 0] * n, n, level=level)
    attrs = problem.attrs() | {"level": level, "interval": "Wilson, over presentations"}
    attrs |= _significance(problem, balanced=balanced)
    return xr.Dataset(
        _variables(problem, found, (TIME_BIN,), attrs)
        | {"ci_low": (TIME_BIN, low), "ci_high": (TIME_BIN, high)},
        coords=_quantiles(found) | time_coords(problem.labels),
        attrs=attrs,
    )


def _tally(
    problem: DecodingProblem,
    n_permutations: int,
    seed: int | np.random.Generator,
    *,
    across: bool,
    balanced: bool,
) -> Tally:
    """All presentations as one group."""
    dealt = labellings(
        problem.codes,
        problem.items,
        problem.strata,
        n_permutations=n_permutations,
        rng=permutation_rng(seed),
    )
    groups = [np.arange(len(problem.codes))]
    return tally(problem, problem.splits(), dealt, groups, across=across, balanced=balanced)


def _variables(
    problem: DecodingProblem, found: Tally, dims: tuple[str, ...], attrs: dict[str, Any]
) -> dict[str, Any]:
    accuracy = found.accuracy[0, 0]
    variables = {
        "accuracy": (dims, accuracy, attrs),
        "accuracy_per_split": (("split", *dims), found.per_split[:, 0]),
        "n_tested": ("split", np.bincount(problem.folds)),
        "chance": (dims, found.chance[0]),
    }
    if len(found.accuracy) == 1:
        return variables
    return variables | null_variables(accuracy, found.accuracy[1:, 0], dims)


def _quantiles(found: Tally) -> dict[str, Any]:
    return {"quantile": list(QUANTILES)} if len(found.accuracy) > 1 else {}


def _significance(problem: DecodingProblem, *, balanced: bool) -> dict[str, Any]:
    """The kind of accuracy, and what is significant by the binomial test where it applies."""
    if balanced:
        return {"accuracy": "balanced: mean over classes"}
    counts = np.bincount(problem.codes)
    try:
        threshold = significant_accuracy(
            len(problem.codes), chance=float(counts.max() / counts.sum()), alpha=ALPHA
        )
    except ValueError:  # so few presentations that nothing would be significant
        threshold = float("nan")
    return {"significant_accuracy": threshold}


def _time_axis(assembly: xr.DataArray, role: str) -> dict[str, Any]:
    """Coordinates of ``time_bin`` under the name of an axis of the accuracy."""
    axis = f"{role}_time"
    names = {
        "time_bin_start": f"{axis}_start",
        "time_bin_end": f"{axis}_end",
        "timestep": f"{role}_timestep",
    }
    return {
        new: (axis, assembly[old].values, dict(assembly[old].attrs))
        for old, new in names.items()
        if old in assembly.coords
    }
