"""Few-shot learning of pairs of classes: its geometry, and the error that follows from it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.special import ndtr

from neurorec._checks import check_option
from neurorec.assemblies import TIME_BIN
from neurorec.geometry.few_shot_moments import ESTIMATES, Moments, moments_of
from neurorec.geometry.few_shot_trials import measured_errors
from neurorec.geometry.manifold_points import CLASS, Manifolds, manifolds_of

CLASS_B: Final = f"{CLASS}_b"

_Pairs = Float64[np.ndarray, "time_bin n_classes n_classes"]


def _leading(m: Moments, n_shots: int) -> _Pairs:
    """The three terms of the paper's main text."""
    return m.dimension_noise / n_shots + m.overlap_b / n_shots + m.overlap


def _gaussian(m: Moments, n_shots: int) -> _Pairs:
    """Every term, for Gaussian manifolds."""
    prototypes = m.dimension_noise + m.dimension_noise_b
    return _leading(m, n_shots) + m.noise_overlap / n_shots + prototypes / (2 * n_shots**2)


#: Variances of the difference of squared distances, by name. Tests run over this table.
NOISE_TERMS: Final[Mapping[str, Callable[[Moments, int], np.ndarray]]] = MappingProxyType(
    {"leading": _leading, "gaussian": _gaussian}
)


def few_shot_geometry(
    source: Any,
    *,
    label: str | Sequence[Any] | np.ndarray,
    n_shots: int = 5,
    estimate: str = "plain",
    noise: str = "gaussian",
    n_draws: int = 200,
    seed: int | np.random.Generator = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.Dataset:
    r"""How well a class can be told from another after a few examples, in each time bin.

    A prototype is the mean of m presentations of a class; a new presentation goes to the nearer
    prototype. With centres :math:`x^a, x^b`, covariances :math:`\Sigma_a, \Sigma_b`,
    :math:`R_a^2 = \mathrm{tr}\, \Sigma_a` and :math:`\Delta = x^a - x^b`, a new presentation of
    class a is told from class b with

    .. math::

        \mathrm{SNR}_{ab} &= \frac12 \frac{\|\Delta\|^2 / R_a^2 + (R_b^2 / R_a^2 - 1) / m}
            {\sqrt{v}}, \qquad \text{error} = H(\mathrm{SNR}) = 1 - \Phi(\mathrm{SNR}) \\
        v &= \frac{1}{m D_a} + \frac{\Delta^\top \Sigma_b \Delta}{m R_a^4}
            + \frac{\Delta^\top \Sigma_a \Delta}{R_a^4}, \qquad
        D_a = \frac{(\mathrm{tr}\, \Sigma_a)^2}{\mathrm{tr}\, \Sigma_a^2} .

    ``noise="leading"`` takes this ``v``, which is the paper's. ``"gaussian"`` adds what is left
    of the variance for Gaussian manifolds and matters for few shots or similar classes:

    .. math:: \frac{\mathrm{tr}\, \Sigma_a \Sigma_b}{m R_a^4}
        + \frac{\mathrm{tr}\, \Sigma_a^2 + \mathrm{tr}\, \Sigma_b^2}{2 m^2 R_a^4} .

    Parameters
    ----------
    source, label, undefined
        As in :func:`manifold_capacity`.
    n_shots
        Examples of each class, m.
    estimate
        ``"plain"`` puts means and covariances of the presentations into the equations: the
        geometry of the points that were recorded. ``"unbiased"`` corrects every term for the
        finite number of presentations (exactly where they are Gaussian), so that classes that
        do not differ have a signal of zero on average; a single value can then be negative.
    noise
        A key of ``NOISE_TERMS``.
    n_draws
        Draws of examples for the measured error; every presentation that is not one is tested.

    Returns
    -------
    xr.Dataset
        (manifold, manifold_b, time_bin), the first the class of the new presentation:
        ``signal`` (:math:`\|\Delta\|^2 / R_a^2`), ``bias`` (:math:`R_b^2 / R_a^2 - 1`),
        ``overlap`` (:math:`\Delta^\top \Sigma_a \Delta / R_a^4`), ``snr``, ``predicted_error``
        and ``measured_error``, NaN for a class and itself; ``dimension`` (manifold, time_bin);
        ``mean_snr``, ``mean_predicted_error`` and ``mean_measured_error`` (time_bin), over pairs.

    Raises
    ------
    ValueError
        If there are fewer than two classes or a class has fewer than ``n_shots + 1``
        presentations (four for unbiased estimates), an option is unknown, or activity is not
        finite or the same for all presentations of a time bin.

    Notes
    -----
    Where all presentations of class a are the same there is no :math:`R_a`, and NaN is given;
    so it is where an unbiased estimate of the variance is not positive.

    References
    ----------
    Sorscher, Ganguli and Sompolinsky (2022) PNAS 119:e2200800119.
    """
    check_option("estimate", estimate, ESTIMATES)
    check_option("noise", noise, NOISE_TERMS)
    if n_shots < 1 or n_draws < 1:
        raise ValueError(
            f"n_shots and n_draws must be at least 1, got n_shots={n_shots} and n_draws={n_draws}"
        )
    at_least = max(n_shots + 1, 4 if estimate == "unbiased" else 2)
    manifolds = manifolds_of(
        source, label=label, at_least=at_least, undefined=undefined, device=device
    )
    moments = moments_of(manifolds, ESTIMATES[estimate])
    variance = NOISE_TERMS[noise](moments, n_shots)
    variance = np.where(variance > 0, variance, np.nan)
    snr = 0.5 * (moments.signal + moments.bias / n_shots) / np.sqrt(variance)
    rng = np.random.default_rng(seed)
    measured = measured_errors(manifolds, n_shots=n_shots, n_draws=n_draws, rng=rng)
    pairs = {
        "signal": (moments.signal, "1"),
        "bias": (moments.bias, "1"),
        "overlap": (moments.overlap, "1"),
        "snr": (snr, "standard deviations"),
        "predicted_error": (ndtr(-snr), "fraction of presentations"),
        "measured_error": (measured, "fraction of presentations"),
    }
    return _dataset(
        manifolds, pairs, moments.dimension, n_shots=n_shots, estimate=estimate, noise=noise
    )


def _dataset(
    manifolds: Manifolds,
    pairs: dict[str, tuple[np.ndarray, str]],
    dimension: np.ndarray,
    **options: Any,
) -> xr.Dataset:
    different = ~np.eye(manifolds.n_classes, dtype=bool)
    variables: dict[str, Any] = {
        "dimension": ((CLASS, TIME_BIN), _defined(dimension, manifolds).T, {"units": "dimensions"})
    }
    for name, (values, units) in pairs.items():
        kept = np.where(different, _defined(values, manifolds), np.nan)
        attrs = {"units": units}
        variables[name] = ((CLASS, CLASS_B, TIME_BIN), np.moveaxis(kept, 0, 2), attrs)
        if name in ("snr", "predicted_error", "measured_error"):
            variables[f"mean_{name}"] = (TIME_BIN, kept[:, different].mean(axis=1), attrs)
    return xr.Dataset(
        variables,
        coords=manifolds.coords() | {CLASS_B: manifolds.classes},
        attrs=manifolds.attrs(method="few-shot learning with prototypes", **options),
    )


def _defined(values: np.ndarray, manifolds: Manifolds) -> np.ndarray:
    values = values.copy()
    values[manifolds.flat] = np.nan
    return values
