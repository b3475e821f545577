"""Whether what is read out under one condition can be read out under another."""

from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Int64, Shaped

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.dynamics.decoding import (
    DecodingOptions,
    DecodingProblem,
    decoding_problem,
    labels_of,
)
from neurorec.dynamics.evidence import Split
from neurorec.dynamics.null import QUANTILES, labellings, null_variables, permutation_rng
from neurorec.dynamics.tally import Tally, tally
from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.populations.labels import time_coords

#: What a rule is trained on: one condition, or all but one.
TRAINING: Final = ("one", "all_but_one")


def cross_condition_generalization(
    source: Any,
    *,
    condition: str,
    label: str = "object_name",
    train: str = "one",
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
    r"""Accuracy of a classifier trained under some conditions and tested under another.

    .. math::

        A_{a b}(t) = \frac1{n_b} \sum_{i \in b} [\hat c_{a, -f(i)}(x_{i t}) = c_i]

    with :math:`\hat c_{a, -f}` trained on the presentations of condition a outside of fold f: of
    all pairs of conditions each presentation is tested once, by a rule that was trained on other
    folds, also where the conditions differ. Diagonal and the rest thus have training sets of one
    size and differ in the condition alone.

    Parameters
    ----------
    source, label, classifier, balanced, undefined, device
        As for :func:`neurorec.dynamics.temporal_generalization`.
    condition
        Coordinate of ``presentation`` with the conditions, such as ``"position"``.
    train
        ``"one"``: a rule is trained under one condition. ``"all_but_one"``: under all others than
        the one of its row, so that the diagonal generalises and the rest does not.
    fold, n_folds, seed
        As for :func:`neurorec.dynamics.temporal_generalization`; classes of stimuli are dealt to
        folds for each condition by itself.
    standardise
        Z-score each neuroid in each time bin by the presentations a rule is trained on; the other
        conditions are scaled by these, too, so that a shift between conditions stays.
    n_permutations
        As there; labels stay within a condition.

    Returns
    -------
    xr.Dataset
        ``accuracy`` and ``chance`` (train_condition, test_condition, time_bin);
        ``generalization`` and ``within`` (time_bin), the means of the cells that are tested under
        another condition than they were trained under, and of those tested under the same.
        ``generalization`` of a label of two classes is the cross-condition generalization
        performance (CCGP). With permutations ``p_value``, ``p_value_max`` (against the largest
        cell of all) and ``null_quantile``, and ``generalization_p_value`` (time_bin). With
        ``"all_but_one"`` names of ``train_condition`` begin with ``not``.

    Raises
    ------
    ValueError
        As there; and if there is no such condition, there is only one, or a condition lacks one of
        the classes.

    References
    ----------
    Bernardi et al. (2020) Cell 183:954 (CCGP). There no repetition is held out across conditions;
    folds, and means over all pairs of conditions, are our choice.
    """
    check_option("train", train, TRAINING)
    options = DecodingOptions(
        label=label,
        classifier=classifier,
        fold=fold,
        n_folds=n_folds,
        standardise=standardise,
        seed=seed,
        undefined=undefined,
        device=device,
        within=condition,
    )
    problem = decoding_problem(source, options)
    names, of = _conditions(problem, condition)
    groups = [np.flatnonzero(of == k) for k in range(len(names))]
    dealt = labellings(
        problem.codes,
        problem.items,
        _joint(problem.strata, of),
        n_permutations=n_permutations,
        rng=permutation_rng(seed),
    )
    rows = [
        tally(problem, splits, dealt, groups, across=False, balanced=balanced)
        for splits in _splits(problem, of, len(names), train)
    ]
    attrs = problem.attrs() | {
        "condition": condition,
        "n_conditions": len(names),
        "train": train,
        "accuracy": "balanced: mean over classes" if balanced else "share of presentations",
    }
    shown = [str(name) for name in names]
    prefix = "not " if train == "all_but_one" else ""
    coords = {
        "train_condition": [prefix + name for name in shown],
        "test_condition": shown,
        **({"quantile": list(QUANTILES)} if n_permutations else {}),
    }
    return xr.Dataset(
        _variables(rows, same=train == "one", attrs=attrs),
        coords=coords | time_coords(problem.labels),
        attrs=attrs,
    )


def _conditions(
    problem: DecodingProblem, condition: str
) -> tuple[Shaped[np.ndarray, " condition"], Int64[np.ndarray, " presentation"]]:
    """Names of the conditions, and the number of that of each presentation."""
    names, of = np.unique(labels_of(problem.labels, condition), return_inverse=True)
    of = of.ravel().astype(np.int64)
    if len(names) < 2:
        raise ValueError(
            f"generalization needs at least 2 conditions, got 1 in {condition!r} "
            f"({str(names[0])!r}); give another coordinate, or use decoding_over_time"
        )
    for k, name in enumerate(names):
        missing = np.setdiff1d(np.arange(len(problem.classes)), problem.codes[of == k])
        if len(missing):
            raise ValueError(
                f"condition {str(name)!r} of {condition!r} has no presentation of class "
                f"{str(problem.classes[missing[0]])!r} ({len(missing)} of {len(problem.classes)} "
                "classes are missing there); every condition needs every class, so drop the "
                "condition or those classes"
            )
    return names, of


def _joint(
    strata: Int64[np.ndarray, " presentation"], of: Int64[np.ndarray, " presentation"]
) -> Int64[np.ndarray, " presentation"]:
    return strata * (int(of.max()) + 1) + of


def _splits(
    problem: DecodingProblem, of: Int64[np.ndarray, " presentation"], n: int, train: str
) -> list[list[Split]]:
    """For each condition, the splits of rules that are trained on it, or on the others."""
    chosen = [of == k if train == "one" else of != k for k in range(n)]
    return [
        [Split(training=s.training[kept[s.training]], testing=s.testing) for s in problem.splits()]
        for kept in chosen
    ]


def _variables(rows: list[Tally], *, same: bool, attrs: dict[str, Any]) -> dict[str, Any]:
    dims = ("train_condition", "test_condition", TIME_BIN)
    # (labelling, train_condition, test_condition, time_bin)
    accuracy = np.stack([row.accuracy for row in rows], axis=1)
    diagonal = np.eye(len(rows), dtype=bool)
    across = ~diagonal if same else diagonal
    moved = accuracy[:, across].mean(axis=1)
    variables = {
        "accuracy": (dims, accuracy[0], attrs),
        "chance": (dims, np.stack([row.chance for row in rows])),
        "generalization": (TIME_BIN, moved[0], attrs),
        "within": (TIME_BIN, accuracy[0, ~across].mean(axis=0), attrs),
    }
    if len(accuracy) == 1:
        return variables
    mean = null_variables(moved[0], moved[1:], (TIME_BIN,))
    return (
        variables
        | null_variables(accuracy[0], accuracy[1:], dims)
        | {"generalization_p_value": mean["p_value"]}
    )
