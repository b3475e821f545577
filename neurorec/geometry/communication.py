"""Communication subspaces: the rank of what one population tells of another, over time."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.paired_rows import SUBTRACTED, centred_on, folds_of, folds_of_stimuli, paired
from neurorec.gram import centre
from neurorec.populations import Patterns
from neurorec.populations.labels import UNDEFINED, describe_bins, result_attrs, time_coords

RANK: Final = "rank"

#: Penalties that are tried if none are given, in mean eigenvalues of the source's covariance.
PENALTIES: Final = tuple(float(p) for p in np.logspace(-4, 3, 15))

# Directions with a smaller share of the largest predicted variance predict nothing.
_RANK_SHARE = 1e-12
_CONSTANT_SHARE = 1e-12

_Grams = Float64[Tensor, "time_bin row row"]


class Fold(NamedTuple):
    """What one split needs, in the eigenvectors (axis) of the source's products in training.

    Parameters
    ----------
    values
        Eigenvalues.
    test, cross
        Products of the tested rows with those of training: the source's, the target's.
    target
        Products of the target's rows of training.
    total
        Sum of squares of the target's tested rows.
    """

    values: Float64[Tensor, "time_bin axis"]
    test: Float64[Tensor, "time_bin tested axis"]
    cross: Float64[Tensor, "time_bin tested axis"]
    target: Float64[Tensor, "time_bin axis axis"]
    total: Float64[Tensor, " time_bin"]


def communication_subspace(
    source: Any,
    target: Any,
    *,
    subtract: str = "mean",
    averaged: bool = False,
    penalties: Sequence[float | int] = PENALTIES,
    n_folds: int = 10,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""Dimensions of the source that matter to the target, by reduced-rank regression.

    From responses ``X`` of the source and ``Y`` of the target, less their means in training,

    .. math:: B_r = B V_r V_r^\top, \qquad
        B = (X^\top X + \lambda I)^{-1} X^\top Y,

    with ``V_r`` the ``r`` leading principal directions of the predictions ``X B``. Performance
    is the cross-validated :math:`1 - \|Y - X B_r\|^2 / \|Y\|^2`, means over folds, and the
    dimension of the communication subspace is the smallest rank whose performance is within one
    standard error (over folds) of that of the full ridge regression. All is computed from inner
    products over units.

    Parameters
    ----------
    source, target
        Assemblies, ``recording.area("V4")``, arrays, or what
        ``patterns_of(source, averaged=False)`` gave, of the same presentations and as many time
        bins: time bin by time bin, the source predicts the target. Select other time bins of
        one to ask for a lag.
    subtract
        ``"mean"``, or ``"stimulus"`` to regress fluctuations around the mean response to each
        stimulus on one another, which only simultaneously recorded populations share. Folds then
        hold out stimuli with all their presentations, since fluctuations around one mean add up
        to zero, so that those in training would give away those in test.
    averaged
        Whether to average repetitions first.
    penalties
        Ridge penalties, in mean eigenvalues of the source's inner products in training. The one
        with the best mean performance of the full regression is taken in each time bin.

    Returns
    -------
    xr.Dataset
        ``dimension`` of the communication subspace, ``target_dimension`` (participation ratio of
        the target's responses), ``relative_dimension`` (their ratio), ``full_performance`` and
        its ``standard_error``, ``penalty`` (time_bin); ``performance`` (time_bin, rank), from
        rank 0, the mean in training.

    Raises
    ------
    ValueError
        If the populations have different presentations or numbers of time bins, there are
        fewer than two folds or fewer presentations (stimuli, for fluctuations) than folds, a
        stimulus has one presentation where two are needed, a penalty is not positive, or activity
        is not finite or the same for all presentations.

    Notes
    -----
    Of the procedure of the paper this leaves to us: how the penalty is chosen (best mean
    performance, in the same folds), and the measure of the target's dimension, for which the
    paper has factor analysis. The dimension is 0 where nothing is predicted.

    References
    ----------
    Semedo, Zandvakili, Machens, Yu and Kohn (2019) Neuron 102:249.
    """
    check_option("subtract", subtract, SUBTRACTED)
    check_option("undefined", undefined, UNDEFINED)
    if not len(penalties) or min(penalties) <= 0:
        raise ValueError(f"penalties must be positive, got {list(penalties)}")
    first, second = paired(source, target, averaged=averaged, subtract=subtract, device=device)
    if len(first.products) != len(second.products):
        raise ValueError(
            f"the source has {len(first.products)} time bins and the target "
            f"{len(second.products)}; select as many of each, pair by pair"
        )
    flat = _flat(first) | _flat(second)
    if flat.any() and undefined == "raise":
        raise ValueError(
            "there is nothing to predict, or to predict from, where all presentations evoke the "
            "same response, as in " + describe_bins(np.asarray(flat.cpu()))
        )
    assignment = (
        folds_of_stimuli(first, n_folds, seed)
        if subtract == "stimulus"
        else folds_of(first.n_rows, n_folds, seed)
    )
    folds = [_fold(first, second, assignment == f) for f in range(n_folds)]
    full = torch.stack([_full(fold, penalties) for fold in folds])  # (fold, penalty, time_bin)
    best = full.mean(dim=0).argmax(dim=0)
    bins = torch.arange(len(best), device=best.device)
    most = min(first.n_neuroids, second.n_neuroids, *(fold.values.shape[1] for fold in folds))
    penalty = torch.as_tensor(penalties, dtype=torch.float64, device=best.device)[best]
    ranks = torch.stack([_ranks(fold, penalty, most) for fold in folds]).mean(dim=0)
    chosen = full[:, best, bins]
    return _dataset(first, second, chosen, ranks, penalty, flat, subtract=subtract)


def _flat(patterns: Patterns) -> Tensor:
    raw = patterns.products.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    squares = centre(patterns.products).diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return squares <= _CONSTANT_SHARE * raw


def _fold(source: Patterns, target: Patterns, tested: np.ndarray) -> Fold:
    """Products about the means in training, in the eigenvectors of the source's."""
    inside, outside = (
        torch.from_numpy(np.flatnonzero(rows)).to(source.products.device)
        for rows in (~tested, tested)
    )
    x, y = centred_on(source.products, inside), centred_on(target.products, inside)
    values, vectors = torch.linalg.eigh(x[:, inside[:, None], inside])
    # Beyond the number of units there is nothing to predict from.
    values, vectors = values[:, -source.n_neuroids :], vectors[:, :, -source.n_neuroids :]
    return Fold(
        values=values.clamp(min=0),
        test=x[:, outside[:, None], inside] @ vectors,
        cross=y[:, outside[:, None], inside] @ vectors,
        target=vectors.mT @ y[:, inside[:, None], inside] @ vectors,
        total=y.diagonal(dim1=-2, dim2=-1)[:, outside].sum(dim=-1),
    )


def _solved(fold: Fold, penalty: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse regularised eigenvalues, and what the regression weighs training rows by in a test.

    Where the source does not vary in training nothing is predicted.
    """
    mean = fold.values.mean(dim=-1)
    denominator = fold.values + (penalty * mean)[:, None]
    inverse = torch.where(denominator > 0, 1 / denominator.clamp(min=1e-300), 0)
    return inverse, fold.test * inverse[:, None, :]


def _full(fold: Fold, penalties: Sequence[float | int]) -> Float64[Tensor, "penalty time_bin"]:
    """Performance of the full regression."""
    performances = []
    for value in penalties:
        _, weights = _solved(fold, torch.full_like(fold.total, value))
        explained = 2 * (weights * fold.cross).sum(dim=(1, 2))
        predicted = ((weights @ fold.target) * weights).sum(dim=(1, 2))
        performances.append(_share(explained - predicted, fold.total))
    return torch.stack(performances)


def _ranks(fold: Fold, penalty: Tensor, most: int) -> Float64[Tensor, "time_bin rank"]:
    """Performance of every rank from 0 on."""
    inverse, weights = _solved(fold, penalty)
    shrunk = (fold.values * inverse)[:, :, None]
    values, vectors = torch.linalg.eigh(shrunk * fold.target * shrunk.mT)
    values, vectors = values.flip(-1)[:, :most], vectors.flip(-1)[:, :, :most]
    kept = values > _RANK_SHARE * values[:, :1]
    # Directions of the target are Y' (shrunk vectors) / sqrt(values).
    scale = torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0)[:, None, :]
    directions = shrunk * vectors * scale
    observed = fold.cross @ directions
    predicted = weights @ fold.target @ directions
    gains = (2 * observed * predicted - predicted.square()).sum(dim=1)
    cumulated = _share(torch.cumsum(gains, dim=1), fold.total[:, None])
    return torch.nn.functional.pad(cumulated, (1, 0))


def _share(gain: Tensor, total: Tensor) -> Tensor:
    """Zero in a fold whose tested rows are all at the mean in training."""
    return torch.where(total > 0, gain / total.clamp(min=1e-300), 0)


def _dataset(
    first: Patterns,
    second: Patterns,
    full: Float64[Tensor, "fold time_bin"],
    ranks: Float64[Tensor, "time_bin rank"],
    penalty: Float64[Tensor, " time_bin"],
    flat: Tensor,
    **options: Any,
) -> xr.Dataset:
    mean, error = full.mean(dim=0), full.std(dim=0) / np.sqrt(len(full))
    enough = ranks >= (mean - error)[:, None]
    # With all ranks it is the full regression, up to rounding.
    enough[:, -1] = True
    dimension = enough.to(torch.int8).argmax(dim=1).to(torch.float64)
    kernels = centre(second.products)
    traces = kernels.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    of_target = traces.square() / kernels.square().sum(dim=(1, 2))
    columns = {
        "dimension": (dimension, "dimensions"),
        "target_dimension": (of_target, "dimensions"),
        "relative_dimension": (dimension / of_target, "1"),
        "full_performance": (mean, "fraction of variance"),
        "standard_error": (error, "fraction of variance"),
        "penalty": (penalty, "mean eigenvalues of the source"),
    }
    variables: dict[str, Any] = {
        name: (TIME_BIN, torch.where(flat, torch.nan, values).cpu().numpy(), {"units": units})
        for name, (values, units) in columns.items()
    }
    performance = torch.where(flat[:, None], torch.nan, ranks).cpu().numpy()
    variables["performance"] = ((TIME_BIN, RANK), performance, {"units": "fraction of variance"})
    return xr.Dataset(
        variables,
        coords=time_coords(first.labels) | {RANK: np.arange(ranks.shape[1])},
        attrs=result_attrs(
            first.labels,
            method="reduced-rank regression",
            n_folds=len(full),
            n_presentations=first.n_rows,
            n_neuroids=first.n_neuroids,
            n_neuroids_target=second.n_neuroids,
            **options,
        ),
    )
