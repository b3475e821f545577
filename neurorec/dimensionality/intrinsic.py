"""Intrinsic dimension of the responses, from distances to nearest neighbours, over time."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from scipy.stats import norm
from torch import Tensor

from neurorec.dimensionality.curves import curves, where_defined
from neurorec.gram import centre
from neurorec.populations import Patterns, patterns_of

_Distances = Float64[Tensor, "time_bin stimulus stimulus"]
_Logs = Float64[Tensor, "time_bin stimulus neighbour"]
_Estimator = Callable[[Tensor], Tensor]

# Of the stimuli, in a draw of the interval. The fewer, the less do two draws share neighbours.
_SHARE: Final = 4

# Squared distances below this share of the squared norms are rounding.
_ROUNDING: Final = 1e-13


def two_nn(
    source: Any,
    *,
    discard: float = 0.1,
    level: float | None = 0.95,
    n_draws: int = 200,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""Intrinsic dimension from the ratio of distances to the two nearest neighbours.

    In a neighbourhood of even density the ratios :math:`\mu = r_2 / r_1` follow
    :math:`F(\mu) = 1 - \mu^{-d}`. The dimension is the slope through the origin of
    :math:`-\log(1 - i / N)` on the sorted :math:`\log \mu_{(i)}`, without the largest ratios.

    The interval is for the estimator's mean, on the scale of logarithms, from the spread of
    estimates over random quarters of the stimuli (subsampling): at 95 %, 95 to 98 of 100 held it in
    simulations. It does not know the bias of the estimator, which falls short of high dimensions
    (8 of 10 for 200 points in a cube) and takes noise for dimensions.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep); repetitions are
        averaged first. Stimuli with a response equal to another's are left out of the average.
    discard
        Share of the largest ratios that is left out.
    level
        Nominal coverage of the interval; none if left out.
    n_draws
        Random subsets for the interval.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where fewer than three stimuli have distances.

    Returns
    -------
    xr.Dataset
        ``dimension``, ``ci_low``, ``ci_high``.

    Raises
    ------
    ValueError
        If there are too few stimuli, options are out of range, or responses are all the same.

    References
    ----------
    Facco, d'Errico, Rodriguez and Laio (2017) *Scientific Reports* 7, 12140. Subsampling: Politis
    and Romano (1994) *Annals of Statistics* 22, 2031-2050.
    """
    if not 0 <= discard < 1:
        raise ValueError(f"discard must be at least 0 and below 1, got {discard}")
    return _dimension(
        source,
        partial(_two_nn, discard=discard),
        k=2,
        interval=(level, n_draws, seed),
        undefined=undefined,
        device=device,
        discard=discard,
    )


def maximum_likelihood_dimension(
    source: Any,
    *,
    k: int = 5,
    level: float | None = 0.95,
    n_draws: int = 200,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""Intrinsic dimension from distances to the ``k`` nearest neighbours.

    .. math:: \hat d = \Big( \frac{1}{N (k - 1)} \sum_{i=1}^{N} \sum_{j=1}^{k-1}
              \log \frac{T_k(x_i)}{T_j(x_i)} \Big)^{-1}

    with :math:`T_j` the distance to the ``j``-th neighbour: inverses of the estimates of Levina and
    Bickel are averaged over points, as MacKay and Ghahramani advise. Few neighbours have less bias
    from borders and curvature, many a smaller spread. The interval is that of :func:`two_nn`.

    Parameters
    ----------
    source, level, n_draws, undefined
        As for :func:`two_nn`.
    k
        Neighbours of each stimulus.

    Returns
    -------
    xr.Dataset
        ``dimension``, ``ci_low``, ``ci_high``.

    Raises
    ------
    ValueError
        If there are too few stimuli, options are out of range, or responses are all the same.

    References
    ----------
    Levina and Bickel (2004) *NeurIPS* 17. MacKay and Ghahramani (2005), comments on it.
    """
    if k < 2:
        raise ValueError(f"k must be at least 2 neighbours, got {k}")
    return _dimension(
        source,
        _maximum_likelihood,
        k=k,
        interval=(level, n_draws, seed),
        undefined=undefined,
        device=device,
        k_neighbours=k,
    )


def _dimension(
    source: Any,
    estimator: _Estimator,
    *,
    k: int,
    interval: tuple[float | None, int, Any],
    undefined: str,
    device: str,
    **attrs: Any,
) -> xr.Dataset:
    patterns = patterns_of(source, device=device)
    level, n_draws, seed = interval
    _check_size(patterns, k + 1 if level is None else 2 * (k + 2), k)
    distances = _squared_distances(patterns)
    logs = estimator(_nearest(distances, k)).log()
    found = {"dimension": logs.exp()}
    if level is not None:
        if not 0 < level < 1 or n_draws < 2:
            raise ValueError(
                "level must lie between 0 and 1 and n_draws be at least 2, got "
                f"level={level} and n_draws={n_draws}"
            )
        quantile = float(norm.ppf(0.5 + level / 2))
        margin = quantile * _spread(distances, estimator, k, n_draws, seed)
        found |= {"ci_low": (logs - margin).exp(), "ci_high": (logs + margin).exp()}
        attrs |= {"level": level, "n_draws": n_draws}
    nowhere = ~np.isfinite(found["dimension"].cpu().numpy())
    because = "the intrinsic dimension is undefined where fewer than 3 stimuli have distances"
    values = {
        name: where_defined(one.cpu().numpy(), nowhere, undefined=undefined, because=because)
        for name, one in found.items()
    }
    return curves(patterns, values, units={"dimension": "dimensions"}, **attrs)


def _check_size(patterns: Patterns, fewest: int, k: int) -> None:
    if patterns.n_rows < fewest:
        raise ValueError(
            f"{k} neighbours need at least {fewest} stimuli, got {patterns.n_rows}; add stimuli"
            + ("" if k == 2 else " or take fewer neighbours")
        )


def _squared_distances(patterns: Patterns) -> _Distances:
    """Infinite to itself; exactly 0 where it is rounding."""
    kernels = centre(patterns.products)
    norms = kernels.diagonal(dim1=1, dim2=2)
    raw = patterns.products.diagonal(dim1=1, dim2=2)
    distances = norms[:, :, None] + norms[:, None, :] - 2 * kernels
    rounding = _ROUNDING * (raw[:, :, None] + raw[:, None, :])
    distances = torch.where(distances > rounding, distances, 0.0)
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return distances


def _nearest(distances: _Distances, k: int) -> _Logs:
    """Logarithms of the distances to the ``k`` nearest neighbours."""
    return distances.topk(k, dim=2, largest=False).values.log() / 2


def _two_nn(logs: _Logs, *, discard: float) -> Float64[Tensor, " time_bin"]:
    ratios = logs[:, :, 1] - logs[:, :, 0]
    defined = torch.isfinite(ratios)
    counts = defined.sum(dim=1, keepdim=True).to(logs)
    x = ratios.where(defined, torch.inf).sort(dim=1).values
    position = torch.arange(1, x.shape[1] + 1).to(logs)
    # The empirical distribution is 1 at the largest ratio, which has no logarithm there.
    keep = torch.minimum((counts * (1 - discard)).floor(), counts - 1)
    kept = position <= keep
    x = x.where(kept, 0.0)
    y = torch.where(kept, -torch.log1p(-position / counts.clamp(min=1)), 0.0)
    slope = (x * y).sum(dim=1) / (x * x).sum(dim=1)
    return slope.where(counts[:, 0] >= 3, torch.nan)


def _maximum_likelihood(logs: _Logs) -> Float64[Tensor, " time_bin"]:
    k = logs.shape[2]
    sums = (k - 1) * logs[:, :, -1] - logs[:, :, :-1].sum(dim=2)
    defined = torch.isfinite(sums)
    counts = defined.sum(dim=1).to(logs)
    estimate = counts * (k - 1) / sums.where(defined, 0.0).sum(dim=1)
    return estimate.where(counts >= 3, torch.nan)


def _spread(
    distances: _Distances, estimator: _Estimator, k: int, n_draws: int, seed: Any
) -> Float64[Tensor, " time_bin"]:
    """Standard error of the logarithm, from subsets without replacement."""
    rng = np.random.default_rng(seed)
    n = distances.shape[1]
    size = max(n // _SHARE, k + 2)
    logs = []
    for _ in range(n_draws):
        take = torch.from_numpy(rng.choice(n, size, replace=False)).to(distances.device)
        logs.append(estimator(_nearest(distances[:, take[:, None], take], k)).log())
    return torch.stack(logs).std(dim=0) * (size / (n - size)) ** 0.5
