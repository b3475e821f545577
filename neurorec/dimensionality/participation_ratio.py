"""The participation ratio over time, of a sample as it is."""

from typing import Any

import numpy as np
import xarray as xr

from neurorec.dimensionality.curves import curve
from neurorec.dimensionality.spectrum import centred_gram, ratio


def participation_ratio(
    source: Any, *, undefined: str = "raise", device: str = "cpu"
) -> xr.DataArray:
    r"""Effective number of dimensions of the stimulus-evoked responses, for each time bin.

    With :math:`\lambda` the eigenvalues of the covariance of neuroids over stimuli:

    .. math:: \mathrm{PR} = (\textstyle\sum_k \lambda_k)^2 / \sum_k \lambda_k^2,
        \qquad 1 \le \mathrm{PR} \le \mathrm{rank}

    from the centred Gram matrix, without eigenvalues. It grows with the numbers of stimuli,
    units and repetitions averaged: compare populations at equal numbers with
    :func:`~neurorec.dimensionality.size_curve`, or correct for them with
    :func:`~neurorec.dimensionality.corrected_participation_ratio`.

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
    return curve(patterns, values, name="participation_ratio", units="dimensions")
