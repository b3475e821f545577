"""Information that leading principal components hold about the stimuli, over time."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION
from neurorec.dimensionality.curves import curve, where_defined
from neurorec.gram import centre
from neurorec.populations import Patterns, patterns_of

_Scores = Float64[Tensor, "time_bin row component"]

# A component with less than this share of the variance is rounding.
_ROUNDING: Final = 1e-12


def copula_information(
    source: Any,
    label: str | Sequence[Any] | np.ndarray,
    *,
    kind: str = "class",
    n_components: int = 3,
    averaged: bool = False,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Gaussian-copula mutual information of the top principal components and a label, in bits.

    Each component's ranks are carried to a Gaussian, which leaves mutual information as it is. With
    :math:`h(\Sigma) = \frac12 \log_2 |\Sigma|` of the covariances of what that gives:

    .. math:: I = h(\Sigma) - \sum_c \frac{n_c}{n} h(\Sigma_c)

    for a class, and :math:`I = h(\Sigma_x) + h(\Sigma_y) - h(\Sigma_{xy})` for a continuous
    variable, carried to a Gaussian too. It is a lower bound for a continuous variable, and for
    classes exact where components are Gaussian inside each class and together. The bias of each
    entropy, known for Gaussian data, is taken away; estimates may be negative.

    Parameters
    ----------
    source
        Assembly, ``recording.area("IT")``, array (stimulus, unit, timestep), or
        ``patterns_of(source, averaged=False)``.
    label
        A coordinate of presentations by its name, or one value for each row.
    kind
        ``"class"`` or ``"continuous"``.
    n_components
        Components, the same for all that is compared: with more the estimate grows and is less
        sure.
    averaged
        Whether a row is the mean over repetitions of a stimulus; otherwise a presentation.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN where there are fewer components.

    Raises
    ------
    ValueError
        If the label is not there or is constant, a class has too few rows, or there are fewer
        components.

    References
    ----------
    Ince, Giordano, Kayser, Rousselet, Gross and Schyns (2017) *Human Brain Mapping* 38, 1541-1573.
    """
    check_option("kind", kind, KINDS)
    patterns = patterns_of(source, averaged=averaged, device=device)
    available = min(patterns.n_rows - 1, patterns.n_neuroids)
    if not 1 <= n_components <= available:
        raise ValueError(
            f"n_components must lie between 1 and the {available} that {patterns.n_rows} rows and "
            f"{patterns.n_neuroids} units have, got {n_components}"
        )
    values = _label(patterns, label)
    scores, missing = _scores(patterns, n_components)
    bits = KINDS[kind](_gaussian(scores), values) / np.log(2)
    found = where_defined(
        bits.cpu().numpy(),
        missing.cpu().numpy(),
        undefined=undefined,
        because=f"the responses have fewer than {n_components} components",
    )
    return curve(
        patterns,
        found,
        name="copula_information",
        units="bits",
        kind=kind,
        label=label if isinstance(label, str) else "given values",
        n_components=n_components,
        n_rows=patterns.n_rows,
    )


def _label(patterns: Patterns, label: Any) -> np.ndarray:
    if isinstance(label, str):
        columns = [str(k) for k, v in patterns.labels.coords.items() if v.dims == (PRESENTATION,)]
        check_option("label", label, columns)
        values = patterns.labels[label].values
    else:
        values = np.asarray(label)
    if values.shape != (patterns.n_rows,):
        raise ValueError(
            f"a label needs one value for each of the {patterns.n_rows} rows, got an array of "
            f"shape {values.shape}"
        )
    if len(np.unique(values)) < 2:
        raise ValueError(
            f"the label is {values.tolist()[0]!r} everywhere; information needs two values"
        )
    return values


def _scores(patterns: Patterns, n_components: int) -> tuple[_Scores, Tensor]:
    """Leading components of every row, up to a scale, and where there are fewer."""
    values, vectors = torch.linalg.eigh(centre(patterns.products))
    total = patterns.products.diagonal(dim1=1, dim2=2).sum(dim=1)
    return vectors.flip(2)[:, :, :n_components], values[:, -n_components] <= _ROUNDING * total


def _gaussian(values: _Scores) -> _Scores:
    """Standard normal quantiles of the ranks along rows; equal values in their order."""
    ranks = values.argsort(dim=1, stable=True).argsort(dim=1) + 1
    return torch.special.ndtri(ranks.to(torch.float64) / (values.shape[1] + 1))


def _of_class(scores: _Scores, label: np.ndarray) -> Float64[Tensor, " time_bin"]:
    classes, members = np.unique(label, return_inverse=True)
    counts, fewest = np.bincount(members.ravel()), scores.shape[2] + 1
    if counts.min() < fewest:
        raise ValueError(
            f"{scores.shape[2]} components need at least {fewest} rows of every class, got "
            f"{counts.min()} of {classes.tolist()[counts.argmin()]!r}; take fewer components or, "
            'if the label is a number, kind="continuous"'
        )
    inside = torch.zeros(len(scores)).to(scores)
    for number, count in enumerate(counts):
        rows = torch.from_numpy(members.ravel() == number).to(scores.device)
        inside += count / len(label) * _entropy(scores[:, rows])
    return _entropy(scores) - inside


def _of_variable(scores: _Scores, label: np.ndarray) -> Float64[Tensor, " time_bin"]:
    if label.dtype.kind not in "iufb" or not np.isfinite(label).all():
        raise ValueError(
            "a continuous label needs finite numbers, got values such as "
            f'{label.tolist()[0]!r}; take kind="class"'
        )
    if scores.shape[1] < scores.shape[2] + 2:
        raise ValueError(
            f"{scores.shape[2]} components and a variable need at least {scores.shape[2] + 2} "
            f"rows, got {scores.shape[1]}; take fewer components"
        )
    values = torch.from_numpy(label.astype(np.float64)).to(scores)
    variable = _gaussian(values[None, :, None]).expand(len(scores), -1, 1)
    both = torch.cat([scores, variable], dim=2)
    return _entropy(scores) + _entropy(variable) - _entropy(both)


#: Information by the kind of label.
KINDS: Final[Mapping[str, Any]] = MappingProxyType({"class": _of_class, "continuous": _of_variable})


def _entropy(values: _Scores) -> Float64[Tensor, " time_bin"]:
    r"""Unbiased :math:`\frac12 \log |\Sigma|` of Gaussian rows.

    For ``n`` rows, :math:`E \log |S| = \log |\Sigma| + \sum_{i=1}^{k} \psi((n - i) / 2)
    + k \log (2 / (n - 1))`.
    """
    _, n, k = values.shape
    deviations = values - values.mean(dim=1, keepdim=True)
    covariance = deviations.mT @ deviations / (n - 1)
    expected = torch.special.digamma((n - torch.arange(1.0, k + 1, dtype=torch.float64)) / 2).sum()
    return (torch.linalg.slogdet(covariance).logabsdet - expected - k * np.log(2 / (n - 1))) / 2
