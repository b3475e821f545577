"""Canonical correlation of the responses of populations, for every pair of time bins."""

from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.paired_rows import centred_on, folds_of, paired
from neurorec.geometry.subspaces import COMPONENT, TIME_BIN_B
from neurorec.populations import Patterns
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs, time_coords

# Of the largest variance; directions with less are rounding.
_RANK_SHARE: Final = 1e-10
_CONSTANT_SHARE: Final = 1e-12
# Fewest rows over which a correlation in a fold is taken.
_FEWEST_TESTED: Final = 3


def canonical_correlation(
    source: Any,
    other: Any = None,
    *,
    n_components: int = 1,
    n_dimensions: int = 10,
    ridge: float | int = 0.0,
    n_folds: int | None = 5,
    averaged: bool = True,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Correlation of the directions that correlate most, a matrix over lags.

    The responses of each time bin are reduced to their ``n_dimensions`` leading principal
    components, with scores :math:`U \Lambda^{1/2}`, and whitened,
    :math:`Z = U (\Lambda / (\Lambda + \kappa))^{1/2}`. Canonical variates are
    :math:`Z_t a_i` and :math:`Z_s b_i` with :math:`a_i, b_i` the singular vectors of

    .. math:: Z_t^\top Z_s = \sum_i a_i \rho_i b_i^\top .

    They are found in the training rows, and it is their correlation in the rows left out that
    is given, the mean over folds.

    Parameters
    ----------
    source, other
        As in :func:`linear_cka`: assemblies, areas, arrays or what ``patterns_of`` gave, of the
        same stimuli; without ``other``, time bins of one population.
    n_components
        Canonical variates, from the first on.
    n_dimensions
        Principal components of each population that enter; fewer where responses span fewer.
    ridge
        :math:`\kappa` in mean eigenvalues of the components that enter.
    n_folds
        Of the rows; None to give the correlation in all rows after fitting to all, which is
        high whatever the responses when rows are not many times more than dimensions.
    averaged
        Whether rows are stimuli, repetitions averaged, or presentations (``stimulus_id`` and
        ``repetition`` then match them).
    undefined
        ``"raise"``, or ``"nan"`` where all stimuli evoke the same response.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b, component).

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, a single time bin and no second population, the
        populations have different rows, there are too few rows for the folds or the dimensions,
        ``n_components`` exceeds ``n_dimensions``, ``ridge`` is negative, or activity is not
        finite or the same for all stimuli.

    Notes
    -----
    Which dimensions to keep and how much to shrink is left to the reader of the literature; we
    keep principal components and do not shrink. A direction that responses do not extend in gives
    a correlation of 0.

    References
    ----------
    Hotelling (1936) Biometrika 28:321; regularised: Vinod (1976) Journal of Econometrics 4:147;
    over lags: Semedo et al. (2022) Nature Communications 13:1099.
    """
    check_option("undefined", undefined, UNDEFINED)
    _check_sizes(n_components, n_dimensions, ridge)
    first, second = paired(source, other, averaged=averaged, subtract="mean", device=device)
    if other is None and len(first.products) < 2:
        raise ValueError(
            "canonical correlation between time bins needs at least 2 of them, got 1; give a "
            "second population as `other`, or an assembly with a time axis"
        )
    flat, flat_b = _flat(first, undefined), _flat(second, undefined)
    splits = _splits(first.n_rows, n_folds, n_dimensions, seed)
    values = torch.stack(
        [_held_out(first, second, *split, n_components, n_dimensions, ridge) for split in splits]
    ).mean(dim=0)
    values[flat] = torch.nan
    values[:, flat_b] = torch.nan
    return xr.DataArray(
        values.cpu().numpy(),
        dims=(TIME_BIN, TIME_BIN_B, COMPONENT),
        coords=time_coords(first.labels)
        | time_coords(second.labels, suffix="_b")
        | {COMPONENT: np.arange(1, n_components + 1)},
        attrs=result_attrs(
            first.labels,
            method="canonical correlation",
            units="Pearson r",
            n_dimensions=n_dimensions,
            ridge=float(ridge),
            n_folds=0 if n_folds is None else n_folds,
            n_rows=first.n_rows,
            n_neuroids=first.n_neuroids,
            n_neuroids_b=second.n_neuroids,
        ),
        name="canonical_correlation",
    )


def _check_sizes(n_components: int, n_dimensions: int, ridge: float | int) -> None:
    if not 1 <= n_components <= n_dimensions:
        raise ValueError(
            f"n_components must lie between 1 and n_dimensions={n_dimensions}, got {n_components}"
        )
    if ridge < 0:
        raise ValueError(f"ridge must not be negative, got {ridge}")


def _flat(patterns: Patterns, undefined: str) -> Tensor:
    every = torch.arange(patterns.n_rows, device=patterns.products.device)
    raw = patterns.products.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    squares = centred_on(patterns.products, every).diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    flat = squares <= _CONSTANT_SHARE * raw
    if flat.any() and undefined == "raise":
        raise ValueError(
            "canonical correlation is undefined where all stimuli evoke the same response, as in "
            + describe_bins(np.asarray(flat.cpu()))
        )
    return flat


def _splits(
    n_rows: int, n_folds: int | None, n_dimensions: int, seed: int | np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of training and of test."""
    if n_folds is None:
        splits = [(np.arange(n_rows), np.arange(n_rows))]
    else:
        fold = folds_of(n_rows, n_folds, seed)
        splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(n_folds)]
    training = min(len(inside) for inside, _ in splits)
    tested = min(len(outside) for _, outside in splits)
    if tested < _FEWEST_TESTED:
        raise ValueError(
            f"a correlation needs at least {_FEWEST_TESTED} rows in every fold, got {tested} "
            f"({n_rows} rows in {n_folds} folds); ask for fewer folds"
        )
    if n_dimensions >= training - 1:
        raise ValueError(
            f"{n_dimensions} dimensions of {training} rows can be made to correlate perfectly; "
            f"n_dimensions must be below {training - 1}, and better far below"
        )
    return splits


def _held_out(
    first: Patterns,
    second: Patterns,
    training: np.ndarray,
    tested: np.ndarray,
    n_components: int,
    n_dimensions: int,
    ridge: float | int,
) -> Float64[Tensor, "time_bin time_bin_b component"]:
    fitted, left_out = _whitened(first, training, tested, n_dimensions, ridge)
    fitted_b, left_out_b = (
        (fitted, left_out)
        if second is first
        else _whitened(second, training, tested, n_dimensions, ridge)
    )
    inner = torch.einsum("tnd,sne->tsde", fitted, fitted_b)
    a, _, b = torch.linalg.svd(inner)
    scores = torch.einsum("tnd,tsdc->tsnc", left_out, a[..., :n_components])
    scores_b = torch.einsum("snd,tsdc->tsnc", left_out_b, b.mT[..., :n_components])
    return _correlation(scores, scores_b)


def _whitened(
    patterns: Patterns,
    training: np.ndarray,
    tested: np.ndarray,
    n_dimensions: int,
    ridge: float | int,
) -> tuple[Float64[Tensor, "time_bin training dim"], Float64[Tensor, "time_bin tested dim"]]:
    """Whitened scores on the leading principal components; zero beyond the rank."""
    products = patterns.products
    inside, outside = (torch.from_numpy(rows).to(products.device) for rows in (training, tested))
    centred = centred_on(products, inside)
    values, vectors = torch.linalg.eigh(centred[:, inside[:, None], inside])
    values = values.flip(-1)[:, :n_dimensions].clamp(min=0)
    vectors = vectors.flip(-1)[:, :, :n_dimensions]
    kept = values > torch.maximum(_RANK_SHARE * values[:, :1], patterns.rounding[:, None])
    shrunk = values + ridge * values.mean(dim=1, keepdim=True)
    whitening = torch.where(kept, (values * shrunk).clamp(min=1e-300).rsqrt(), 0)[:, None, :]
    fitted, left_out = (
        centred[:, rows[:, None], inside] @ vectors * whitening for rows in (inside, outside)
    )
    return fitted, left_out


def _correlation(x: Tensor, y: Tensor) -> Float64[Tensor, "time_bin time_bin_b component"]:
    x, y = x - x.mean(dim=2, keepdim=True), y - y.mean(dim=2, keepdim=True)
    norms = torch.linalg.vector_norm(x, dim=2) * torch.linalg.vector_norm(y, dim=2)
    return torch.where(norms > 0, (x * y).sum(dim=2) / norms.clamp(min=1e-300), 0)
