"""Dimensions of the variance that units share, by cross-validated factor analysis, over time."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.dimensionality.curves import where_defined
from neurorec.dimensionality.factor_analysis import factor_analysis
from neurorec.gram import resolve_device
from neurorec.populations import Patterns, Population, as_population
from neurorec.populations.labels import UNDEFINED, result_attrs, time_coords

_Rows = Float64[np.ndarray, "row unit time_bin"]

# Held-out likelihoods, in nats per row, differ by more than this between numbers of factors.
_TOLERANCE_OF_FOLDS: Final = 1e-4
_TOLERANCE: Final = 1e-7
# Sums of squared deviations below this share of the raw ones are rounding, as in neurorec.gram.
_ROUNDING: Final = 1e-20
# Numbers of factors that are tried at once.
_AT_ONCE: Final = 5


def shared_dimensionality(
    source: Any,
    *,
    of: str = "means",
    n_factors: Sequence[int] | None = None,
    fraction: float = 0.95,
    n_folds: int = 5,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""Number of dimensions that hold most of the variance units share with one another.

    Factor analysis splits the covariance into shared and private variance,
    :math:`\Sigma = L L^\top + \mathrm{diag}(\psi)`. The number of factors is that of the highest
    cross-validated likelihood; the dimensionality is the smallest number of eigenvalues of
    :math:`L L^\top` that sum to ``fraction`` of their total, of the fit to all rows.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep). Single units are
        needed, and all are held at once: this is for populations of the size of recordings.
    of
        ``"means"`` of the stimuli, or ``"residuals"``: what single presentations deviate from them,
        rescaled by :math:`\sqrt{R / (R - 1)}` for R repetitions.
    n_factors
        Numbers that are tried; from none to half the number of units if left out, in growing order
        and as long as the likelihood grows.
    fraction
        Share of the shared variance.
    n_folds
        Parts of the stimuli that are held out in turn, with all their presentations.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where fewer than two units vary.

    Returns
    -------
    xr.Dataset
        ``shared_dimensionality``; ``n_factors`` of the highest likelihood; ``shared_variance``, the
        share of a unit's variance that is shared, averaged over units; and ``n_varying``, the units
        that vary in all training sets, which are those that are analysed.

    Raises
    ------
    ValueError
        If single units are not there, stimuli are fewer than folds, a stimulus has one repetition
        where residuals are asked for, or options are out of range.

    References
    ----------
    Williamson et al. (2016) *PLoS Computational Biology* 12, e1005141.
    """
    check_option("of", of, ROWS)
    check_option("undefined", undefined, UNDEFINED)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    population = _single_units(source)
    rows, stimulus = ROWS[of](population)
    folds = _folds(stimulus, n_folds, np.random.default_rng(seed))
    candidates = _candidates(n_factors, population.n_neuroids)
    target = resolve_device(device)
    found = [
        _of_bin(torch.from_numpy(one).to(target), folds, candidates, fraction)
        for one in np.ascontiguousarray(rows.transpose(2, 0, 1))
    ]
    values = np.array(found).T
    empty = values[3] < 2
    because = "factor analysis needs at least 2 units that vary in every training set"
    values[:3] = where_defined(values[:3], empty, undefined=undefined, because=because)
    units = {"shared_dimensionality": "dimensions", "n_factors": "factors", "shared_variance": "1"}
    units |= {"n_varying": "neuroids"}
    return xr.Dataset(
        {
            name: (TIME_BIN, one, {"units": units[name]})
            for name, one in zip(units, values, strict=True)
        },
        coords=time_coords(population.labels),
        attrs=result_attrs(
            population.labels,
            of=of,
            fraction=fraction,
            n_folds=n_folds,
            n_stimuli=int(stimulus.max()) + 1,
            n_neuroids=population.n_neuroids,
        ),
    )


def _single_units(source: Any) -> Population:
    if isinstance(source, Patterns):
        raise ValueError(
            "factor analysis reads single units and these inner products hold none; give the "
            "assembly, the area or the array"
        )
    population = as_population(source)
    if population.n_neuroids < 2:
        raise ValueError(
            f"factor analysis needs at least 2 units, got {population.n_neuroids}; add units"
        )
    return population


def _values(population: Population) -> np.ndarray:
    blocks = population.blocks(range(population.n_times))
    values = np.concatenate([np.asarray(block, dtype=float) for block in blocks], axis=1)
    if not np.isfinite(values).all():
        raise ValueError(
            "the activity holds NaN or infinite values, so it has no covariance; drop those units "
            "or presentations, or average repetitions that are missing"
        )
    return values


def _sums(values: np.ndarray, stimulus: np.ndarray) -> np.ndarray:
    order = np.argsort(stimulus, kind="stable")
    starts = np.searchsorted(stimulus[order], np.arange(stimulus.max() + 1))
    return np.add.reduceat(values[order], starts, axis=0)


def _stimuli(population: Population) -> Int64[np.ndarray, " presentation"]:
    _, stimulus = np.unique(population.labels["stimulus_id"].values, return_inverse=True)
    return stimulus.ravel().astype(np.int64)


def _means(population: Population) -> tuple[_Rows, Int64[np.ndarray, " row"]]:
    stimulus = _stimuli(population)
    means = _sums(_values(population), stimulus) / np.bincount(stimulus)[:, None, None]
    return means, np.arange(len(means))


def _residuals(population: Population) -> tuple[_Rows, Int64[np.ndarray, " row"]]:
    stimulus = _stimuli(population)
    counts = np.bincount(stimulus)
    if counts.min() < 2:
        raise ValueError(
            f"residuals need at least 2 repetitions of every stimulus, {np.sum(counts < 2)} of "
            f'{len(counts)} stimuli have one; leave them out, or take of="means"'
        )
    values = _values(population)
    means = _sums(values, stimulus) / counts[:, None, None]
    scale = np.sqrt(counts / (counts - 1))[stimulus]
    residuals = (values - means[stimulus]) * scale[:, None, None]
    flat = (residuals**2).sum(axis=0) <= _ROUNDING * (values**2).sum(axis=0)
    return np.where(flat, 0, residuals), stimulus


#: What is factorised, by name: rows and the stimulus of each.
ROWS: Final[Mapping[str, Any]] = MappingProxyType({"means": _means, "residuals": _residuals})


def _folds(
    stimulus: Int64[np.ndarray, " row"], n_folds: int, rng: np.random.Generator
) -> Int64[np.ndarray, " row"]:
    n_stimuli = int(stimulus.max()) + 1
    if not 2 <= n_folds <= n_stimuli // 2:
        raise ValueError(
            "n_folds must be at least 2 and leave two stimuli in every fold, got "
            f"n_folds={n_folds} and {n_stimuli} stimuli"
        )
    return (rng.permutation(n_stimuli) % n_folds)[stimulus]


def _candidates(n_factors: Sequence[int] | None, n_neuroids: int) -> list[int]:
    tried = range(n_neuroids // 2 + 1) if n_factors is None else sorted(set(n_factors))
    if not tried or tried[0] < 0 or tried[-1] >= n_neuroids:
        raise ValueError(
            f"n_factors must lie between 0 and the number of units less one, {n_neuroids - 1}, "
            f"got {list(tried)}"
        )
    return list(tried)


def _of_bin(
    rows: torch.Tensor, folds: np.ndarray, candidates: list[int], fraction: float
) -> tuple[float, float, float, float]:
    """Dimensions, factors, shared variance and varying units of one time bin."""
    training, held_out = _covariances(rows, folds)
    least = _ROUNDING * rows.square().mean(dim=0)
    varying = (training.diagonal(dim1=1, dim2=2) > least).all(dim=0)
    n = int(varying.sum())
    if n < 2:
        return np.nan, np.nan, np.nan, float(n)
    training, held_out = (one[:, varying][:, :, varying] for one in (training, held_out))
    best = _best(training, held_out, [k for k in candidates if k < n] or [0])
    kept = rows[:, varying] - rows[:, varying].mean(dim=0)
    covariance = (kept.T @ kept / len(kept))[None]
    model = factor_analysis(covariance, torch.tensor([best]).to(rows.device), tolerance=_TOLERANCE)
    shared = (model.loadings**2).sum(dim=2)
    share = float((shared / (shared + model.private)).mean())
    sizes = torch.linalg.eigvalsh(model.loadings[0].T @ model.loadings[0]).flip(0)
    below = sizes.cumsum(0) < (fraction - 1e-12) * sizes.sum()
    return float(below.sum() + 1) if best else 0.0, float(best), share, float(n)


def _covariances(rows: torch.Tensor, folds: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Second moments of the training and the held-out rows, about the training mean."""
    training, held_out = [], []
    for fold in range(int(folds.max()) + 1):
        out = torch.from_numpy(folds == fold).to(rows.device)
        centred = rows - rows[~out].mean(dim=0)
        for some, found in ((centred[~out], training), (centred[out], held_out)):
            found.append(some.T @ some / len(some))
    return torch.stack(training), torch.stack(held_out)


def _best(training: torch.Tensor, held_out: torch.Tensor, candidates: list[int]) -> int:
    """Number of factors of the highest held-out likelihood."""
    scores: list[float] = []
    for start in range(0, len(candidates), _AT_ONCE):
        tried = candidates[start : start + _AT_ONCE]
        n_factors = torch.tensor(tried).repeat_interleave(len(training)).to(training.device)
        repeat = (len(tried), 1, 1)
        models = factor_analysis(training.repeat(repeat), n_factors, tolerance=_TOLERANCE_OF_FOLDS)
        likelihoods = models.log_likelihood(held_out.repeat(repeat)).reshape(len(tried), -1)
        scores += likelihoods.mean(dim=1).tolist()
        if int(np.argmax(scores)) < start:
            break
    return candidates[int(np.argmax(scores))]
