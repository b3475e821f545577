"""Noise ceilings of RDM comparisons over subjects."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import xarray as xr
from jaxtyping import Float64
from scipy.stats import rankdata, zscore

from neurorec._checks import check_option
from neurorec.geometry._stack import require_defined, stack
from neurorec.geometry.comparison import COMPARISONS, LABELS
from neurorec.geometry.whitening import whitened
from neurorec.populations.labels import result_attrs

_Vectors = Float64[np.ndarray, "subject pair"]


def _ranks(vectors: _Vectors) -> _Vectors:
    """Mid-ranks."""
    return rankdata(vectors, axis=1)


def _standard_scores(vectors: _Vectors) -> _Vectors:
    """Mean zero, variance one."""
    return np.asarray(zscore(vectors, axis=1))


def _unit_length(vectors: _Vectors) -> _Vectors:
    """Euclidean length one."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _unit_whitened_length(vectors: _Vectors) -> _Vectors:
    """Length one under the inverse of the noise covariance."""
    return vectors / np.linalg.norm(whitened(vectors), axis=1, keepdims=True)


def _whitened_scores(vectors: _Vectors) -> _Vectors:
    """Mean zero, whitened length one."""
    return _unit_whitened_length(vectors - vectors.mean(axis=1, keepdims=True))


#: How subjects' RDMs are brought to one scale before they are averaged, so that their mean is
#: the RDM that agrees best with all (exactly for all but Kendall's tau-a).
SCALES: Final[Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]]] = MappingProxyType(
    {
        "pearson": ("z-scored", _standard_scores),
        "spearman": ("rank-transformed", _ranks),
        "rho_a": ("rank-transformed", _ranks),
        "kendall": ("rank-transformed", _ranks),
        "cosine": ("scaled to unit length", _unit_length),
        "whitened_cosine": ("scaled to unit whitened length", _unit_whitened_length),
        "whitened_correlation": ("centred and scaled to unit whitened length", _whitened_scores),
    }
)


def pooled(vectors: _Vectors, method: str) -> Float64[np.ndarray, " pair"]:
    """The mean of subjects on a common scale."""
    return SCALES[method][1](vectors).mean(axis=0)


def ceiling_bounds(
    vectors: _Vectors, method: str
) -> tuple[Float64[np.ndarray, " subject"], Float64[np.ndarray, " subject"]]:
    """Each subject's similarity to the mean of the others (lower) and of all (upper)."""
    scaled = SCALES[method][1](vectors)
    total = scaled.sum(axis=0, keepdims=True)
    upper = COMPARISONS[method](vectors, total / len(vectors))[:, 0]
    others = (total - scaled) / (len(vectors) - 1)
    lower = np.array(
        [COMPARISONS[method](v[None], o[None])[0, 0] for v, o in zip(vectors, others, strict=True)]
    )
    return lower, upper


def noise_ceiling(rdms: xr.DataArray, *, method: str = "spearman") -> xr.Dataset:
    r"""Range in which the best possible model of these subjects scores.

    With ``d_s`` the RDM of subject s on a common scale (``SCALES``) and ``f`` the comparison:

    .. math::

        \text{lower} = \langle f(d_s, \tfrac{1}{S-1} \textstyle\sum_{r \ne s} d_r) \rangle_s, \qquad
        \text{upper} = \langle f(d_s, \tfrac{1}{S} \textstyle\sum_r d_r) \rangle_s

    Parameters
    ----------
    rdms
        One RDM per subject: one leading dimension, of any name, with at least two entries.
        Average the sessions of a subject first.
    method
        A key of ``COMPARISONS``.

    Returns
    -------
    xr.Dataset
        ``lower`` and ``upper``, means over subjects; ``lower_per_subject`` and
        ``upper_per_subject`` along the leading dimension. The convention is in ``attrs``.

    Raises
    ------
    ValueError
        If there is not one leading dimension, or fewer than two subjects, or an RDM is constant,
        holds NaN or is no RDM.

    References
    ----------
    Nili et al. (2014) PLoS Computational Biology 10:e1003553.
    """
    check_option("method", method, COMPARISONS)
    subjects = stack(rdms, undefined="raise")
    if len(subjects.leading) != 1 or len(subjects.values) < 2:
        raise ValueError(
            "a noise ceiling needs one leading dimension with at least 2 subjects, got "
            f"{subjects.leading}"
        )
    vectors = subjects.vectors()
    require_defined(vectors, vectors, method=method, undefined="raise")
    lower, upper = ceiling_bounds(vectors, method)
    dim = next(iter(subjects.leading))
    return xr.Dataset(
        {
            "lower": ((), lower.mean()),
            "upper": ((), upper.mean()),
            "lower_per_subject": (dim, lower),
            "upper_per_subject": (dim, upper),
        },
        coords=subjects.coords,
        attrs=result_attrs(
            rdms,
            method=method,
            units=LABELS[method],
            n_subjects=len(vectors),
            n_conditions=subjects.n_conditions,
            convention=(
                f"RDMs {SCALES[method][0]}, averaged over subjects; upper: with the subject, "
                "lower: leave one subject out; mean over subjects"
            ),
        ),
    )
