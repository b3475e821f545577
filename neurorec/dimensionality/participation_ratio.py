"""The participation ratio over time, and how it depends on the number of stimuli."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurorec.assemblies import TIME_BIN
from neurorec.dimensionality.spectrum import centred_gram, ratio
from neurorec.gram import centre
from neurorec.populations import Patterns
from neurorec.populations.labels import result_attrs, time_coords


def participation_ratio(
    source: Any, *, undefined: str = "raise", device: str = "cpu"
) -> xr.DataArray:
    r"""Effective number of dimensions of the stimulus-evoked responses, for each time bin.

    With :math:`\lambda` the eigenvalues of the covariance of neuroids over stimuli:

    .. math:: \mathrm{PR} = (\textstyle\sum_k \lambda_k)^2 / \sum_k \lambda_k^2,
        \qquad 1 \le \mathrm{PR} \le \mathrm{rank}

    from the centred Gram matrix, without eigenvalues. It grows with the number of stimuli and
    of repetitions averaged: compare populations at equal numbers and give
    :func:`participation_ratio_curve` with it.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")`` or array (stimulus, unit, timestep), not rescaled;
        repetitions are averaged first.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where all stimuli evoke the same response.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, activity is not finite, or the same for all.

    References
    ----------
    Gao et al. (2017) bioRxiv 214262.
    """
    patterns, kernels, flat = centred_gram(source, undefined=undefined, device=device)
    values = ratio(kernels).cpu().numpy()
    values[flat] = np.nan
    return xr.DataArray(
        values,
        dims=(TIME_BIN,),
        coords=time_coords(patterns.labels),
        attrs=result_attrs(patterns.labels, units="dimensions", **_sizes(patterns)),
        name="participation_ratio",
    )


def participation_ratio_curve(
    source: Any,
    *,
    sizes: Sequence[int] | None = None,
    n_draws: int = 100,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    """Participation ratio of random subsets of the stimuli, for each time bin.

    Parameters
    ----------
    sizes
        Numbers of stimuli; half of them and all of them if left out.
    n_draws
        Subsets of each size, drawn without replacement; one where a size takes all stimuli.

    Returns
    -------
    xr.Dataset
        ``participation_ratio`` (n_stimuli, time_bin), the mean over subsets, and ``spread``,
        their standard deviation.

    Raises
    ------
    ValueError
        As :func:`participation_ratio`; and if a size is below three or above the number of
        stimuli.
    """
    patterns, kernels, flat = centred_gram(source, undefined=undefined, device=device)
    n_stimuli = patterns.n_rows
    chosen = sorted({max(3, n_stimuli // 2), n_stimuli}) if sizes is None else list(sizes)
    bad = [size for size in chosen if not 3 <= size <= n_stimuli]
    if bad or n_draws < 1:
        raise ValueError(
            f"sizes must lie between 3 and the {n_stimuli} stimuli and n_draws be at least 1, "
            f"got sizes {bad or chosen} and n_draws={n_draws}"
        )
    rng = np.random.default_rng(seed)
    means, spreads = [], []
    for size in chosen:
        draws = 1 if size == n_stimuli else n_draws
        subsets = [rng.choice(n_stimuli, size, replace=False) for _ in range(draws)]
        values = torch.stack([_of_subset(kernels, subset) for subset in subsets]).cpu().numpy()
        values[:, flat] = np.nan
        means.append(values.mean(axis=0))
        spreads.append(values.std(axis=0))
    dims = ("n_stimuli", TIME_BIN)
    attrs = {"units": "dimensions"}
    return xr.Dataset(
        {
            "participation_ratio": (dims, np.stack(means), attrs),
            "spread": (dims, np.stack(spreads), attrs),
        },
        coords=time_coords(patterns.labels) | {"n_stimuli": np.asarray(chosen)},
        attrs=result_attrs(
            patterns.labels, n_draws=n_draws, n_neuroids=patterns.n_neuroids, resampled="stimuli"
        ),
    )


def _of_subset(kernels: torch.Tensor, subset: np.ndarray) -> torch.Tensor:
    """Participation ratio of some stimuli, centred over themselves."""
    take = torch.as_tensor(subset, device=kernels.device)
    return ratio(centre(kernels[:, take[:, None], take]))


def _sizes(patterns: Patterns) -> dict[str, int]:
    return {
        "n_stimuli": patterns.n_rows,
        "n_neuroids": patterns.n_neuroids,
    }
