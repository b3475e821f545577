"""Permutation tests of RDM comparisons: stimuli relabelled, rows and columns together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64
from scipy.stats import rankdata

from neurorec._checks import check_option
from neurorec.geometry._cells import by_cell, check_subject
from neurorec.geometry._stack import defined, matched, pairs, require_defined
from neurorec.geometry.comparison import COMPARISONS, LABELS
from neurorec.geometry.kendall import tau_a
from neurorec.geometry.whitening import double_centred, whitened
from neurorec.populations.labels import result_attrs
from neurorec.stats import corrected_p_values, max_statistic_p_values, permutation_p_value
from neurorec.stats.multiple import CORRECTIONS
from neurorec.stats.permutation import ALTERNATIVES

# Scores are at most one; what differs after so many decimals is rounding.
_DECIMALS = 12

_Vectors = Float64[np.ndarray, "rdm pair"]

# Elements of the permuted RDMs that are held at once (128 MB of float64).
_BATCH_ELEMENTS = 1 << 24


@final
@dataclass(frozen=True, kw_only=True)
class Permutations:
    """How stimuli are relabelled, and what is made of it.

    Parameters
    ----------
    n_permutations
        Relabellings; p-values are no smaller than one over one more.
    alternative
        ``"greater"``, ``"less"`` or ``"two-sided"``.
    correction
        For p-values of many tests: ``"max"``, the largest standard score over all of them in each
        permutation, which knows how tests depend on one another; or ``"none"``,
        ``"bonferroni"``, ``"holm"``, ``"fdr"``.
    seed
        Seed of the relabellings.

    Raises
    ------
    ValueError
        If an option is unknown or there are no permutations.
    """

    n_permutations: int = 1000
    alternative: str = "greater"
    correction: str = "max"
    seed: int = 0

    def __post_init__(self) -> None:
        check_option("alternative", self.alternative, ALTERNATIVES)
        check_option("correction", self.correction, ("max", *CORRECTIONS))
        if self.n_permutations < 1:
            raise ValueError(f"n_permutations must be at least 1, got {self.n_permutations}")


def permutation_test(
    models: xr.DataArray,
    subjects: xr.DataArray,
    *,
    method: str = "spearman",
    subject: str | None = None,
    permutations: Permutations | None = None,
    undefined: str = "raise",
) -> xr.Dataset:
    r"""Test of no relation between the geometries of models and brains.

    Stimuli of the models' RDMs are relabelled, rows and columns together; one relabelling serves
    all models, subjects and time bins. If stimuli are exchangeable, which is what "no relation"
    means here, all arrangements are equally likely and the p-value

    .. math:: p = \frac{1 + \#\{f_\pi \ge f\}}{1 + n}

    is exact for any number of stimuli. It says nothing of other stimuli or subjects; see
    :func:`evaluate_models`.

    Parameters
    ----------
    models
        RDMs with any leading dimensions.
    subjects
        RDMs of the same stimuli, with any leading dimensions.
    method
        A key of ``COMPARISONS``.
    subject
        A dimension of ``subjects`` over which scores are averaged.
    permutations
        How many, and what is made of them; ``Permutations()`` if left out.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN for RDMs that hold NaN or are constant.

    Returns
    -------
    xr.Dataset
        ``score``, ``null_mean``, ``null_std``, ``p`` and ``p_corrected`` over the leading
        dimensions of both; cross-temporal where both have time bins.

    Raises
    ------
    ValueError
        As :func:`compare`; and if ``subject`` is no dimension of ``subjects``, or is one of
        ``models``.

    References
    ----------
    Kriegeskorte, Mur & Bandettini (2008) *Frontiers in Systems Neuroscience* 2:4.
    """
    permutations = Permutations() if permutations is None else permutations
    check_option("method", method, COMPARISONS)
    if subject is not None:
        check_subject(models, subjects, subject)
    first, second, coords = matched(models, subjects, undefined=undefined)
    x, y = first.vectors(), second.vectors()
    require_defined(x, y, method=method, undefined=undefined)
    cells = by_cell(y, second.leading, subject)
    rows, columns = defined(x), np.array([defined(cell).all() for cell in cells])
    arrays = {name: np.full((len(x), len(cells)), np.nan) for name in _VARIABLES}
    if rows.any() and columns.any():
        found = _tested(method, x[rows], cells[columns], first.n_conditions, permutations)
        for name, values in found.items():
            arrays[name][np.ix_(rows, columns)] = values
    sizes = {d: n for d, n in (first.leading | second.leading).items() if d != subject}
    known = {name: c for name, c in coords.items() if set(c[0]) <= set(sizes)}
    return xr.Dataset(
        {name: (tuple(sizes), a.reshape(tuple(sizes.values()))) for name, a in arrays.items()},
        coords=known,
        attrs=result_attrs(
            models,
            method=method,
            units=LABELS[method],
            n_conditions=first.n_conditions,
            n_permutations=permutations.n_permutations,
            alternative=permutations.alternative,
            correction=permutations.correction,
            seed=permutations.seed,
        ),
    )


_VARIABLES: Final = ("score", "null_mean", "null_std", "p", "p_corrected")


def _tested(
    method: str,
    models: Float64[np.ndarray, "model pair"],
    cells: Float64[np.ndarray, "cell subject pair"],
    n_conditions: int,
    options: Permutations,
) -> dict[str, np.ndarray]:
    score = _scorer(method, models, cells)
    orders = draw_orders(n_conditions, options.n_permutations, seed=options.seed)
    per_batch = max(1, _BATCH_ELEMENTS // (models.shape[1] * min(len(models), len(cells))))
    batches = (orders[k : k + per_batch] for k in range(0, len(orders), per_batch))
    null = np.concatenate([score(batch) for batch in batches])
    # Arrangements that are the same, as of a model of categories, must not differ by rounding.
    observed, null = score(np.arange(n_conditions)[None])[0].round(_DECIMALS), null.round(_DECIMALS)
    p = permutation_p_value(observed, null, alternative=options.alternative)
    corrected = (
        max_statistic_p_values(observed, null, alternative=options.alternative)
        if options.correction == "max"
        else corrected_p_values(p, correction=options.correction)
    )
    values = (observed, null.mean(axis=0), null.std(axis=0), p, corrected)
    return dict(zip(_VARIABLES, values, strict=True))


def draw_orders(
    n_conditions: int, n_permutations: int, *, seed: int
) -> Int64[np.ndarray, "permutation condition"]:
    """Relabellings of the conditions."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(n_conditions), (n_permutations, 1)), axis=1)


def _scorer(
    method: str,
    models: Float64[np.ndarray, "model pair"],
    cells: Float64[np.ndarray, "cell subject pair"],
) -> Callable[[np.ndarray], np.ndarray]:
    """Mean scores (permutation, model, cell) of models whose conditions are put in an order."""
    if method == "kendall":
        subjects = cells.reshape(-1, cells.shape[2])

        def by_pairs(orders: np.ndarray) -> np.ndarray:
            permuted = _permuted(models, orders).reshape(-1, models.shape[1])
            scores = tau_a(permuted, subjects)
            return scores.reshape(len(orders), len(models), *cells.shape[:2]).mean(axis=3)

        return by_pairs
    # The others are products of what a relabelling only reorders: subjects are averaged once and
    # all permutations are one product of matrices.
    represent = REPRESENTATIONS[method]
    left = represent(models)
    right = represent(cells.reshape(-1, cells.shape[2])).reshape(cells.shape).mean(axis=1)
    if method.startswith("whitened"):
        right = double_centred(right)

    def by_product(orders: np.ndarray) -> np.ndarray:
        if len(left) <= len(right):
            return _permuted(left, orders) @ right.T
        back = np.argsort(orders, axis=1)
        return (_permuted(right, back) @ left.T).transpose(0, 2, 1)

    return by_product


def _permuted(
    vectors: Float64[np.ndarray, "rdm pair"], orders: Int64[np.ndarray, "permutation condition"]
) -> Float64[np.ndarray, "permutation rdm pair"]:
    """Upper triangles with rows and columns in each order."""
    rows, columns = pairs(orders.shape[1])
    position = np.zeros((orders.shape[1],) * 2, dtype=np.int64)
    position[rows, columns] = position[columns, rows] = np.arange(len(rows))
    taken = position[orders[:, rows], orders[:, columns]]
    return vectors[:, taken].transpose(1, 0, 2)


def _unit(vectors: _Vectors) -> _Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _centred(vectors: _Vectors) -> _Vectors:
    return vectors - vectors.mean(axis=1, keepdims=True)


def _ranks(vectors: _Vectors) -> _Vectors:
    return _centred(rankdata(vectors, axis=1))


def _unit_whitened(vectors: _Vectors) -> _Vectors:
    return vectors / np.linalg.norm(whitened(vectors), axis=1, keepdims=True)


#: Vectors of which the comparisons are products, whitened ones with the doubly centred second.
REPRESENTATIONS: Final[Mapping[str, Callable[[np.ndarray], np.ndarray]]] = MappingProxyType(
    {
        "pearson": lambda v: _unit(_centred(v)),
        "spearman": lambda v: _unit(_ranks(v)),
        "rho_a": lambda v: _ranks(v) * np.sqrt(12 / (v.shape[1] ** 3 - v.shape[1])),
        "cosine": _unit,
        "whitened_cosine": _unit_whitened,
        "whitened_correlation": lambda v: _unit_whitened(_centred(v)),
    }
)
