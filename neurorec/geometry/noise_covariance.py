"""Covariance of the noise between units: how it is shrunk, known by a few inner products."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from neurorec._checks import check_option

# What is left of a sum of squares that cancels: below this share it is rounding.
_ROUNDING: Final = 1e-12

_NOISELESS, _INFINITE, _SINGULAR = 1, 2, 3

#: Why there is no noise covariance, and what to do.
PROBLEMS: Final = (
    "",
    "responses to the same stimulus never differ there",
    "a unit tells stimuli apart and never varies over their repetitions there, so that its noise "
    'has no variance to divide by (noise "shrinkage_eye" and "none" do not)',
    "without shrinkage it has no inverse there (give Noise(shrinkage=...) above 0)",
)

_PerBin = Float64[Tensor, " time_bin"]


@final
@dataclass(frozen=True, kw_only=True)
class Noise:
    r"""How the covariance of the noise is estimated from residuals around the stimulus means.

    With ``R`` the residuals, ``S = R'R / dof`` and ``dof`` their degrees of freedom
    (presentations less stimuli):

    .. math::

        \Sigma_{eye} &= (1 - \alpha) S + \alpha \frac{\mathrm{tr}\, S}{p} I \\
        \Sigma_{diag} &= (1 - \lambda) S + \lambda\, \mathrm{diag}(S)

    Parameters
    ----------
    method
        A key of ``NOISE_METHODS``: ``"none"`` takes the identity, ``"diagonal"`` the variances of
        units, ``"shrinkage_eye"`` the intensity of Ledoit and Wolf, ``"shrinkage_diag"`` that of
        Schäfer and Strimmer.
    shrinkage
        Intensity from 0 to 1 in place of the estimated one; 0 is the covariance of the residuals,
        which has an inverse if they are many more than units.
    pooled
        One covariance for all folds of ``crossnobis``, from the residuals of all repetitions. It
        is then estimated from the noise that it weighs: directions that happened to vary count
        less, and dissimilarities are larger than they are in truth, the more the fewer degrees of
        freedom there are for each unit. Otherwise each fold takes its training repetitions only,
        and is unbiased where two stimuli evoke the same.

    Notes
    -----
    The intensity of ``"shrinkage_diag"`` is that of rsatoolbox, whose correlations divide by the
    number of residuals less one where their variances divide by ``dof``: of few repetitions it is
    up to :math:`((n - 1) / \mathrm{dof})^2` times that of the paper, four times for two of each.

    Raises
    ------
    ValueError
        If the method is unknown, or ``shrinkage`` is no number from 0 to 1 or has no use.

    References
    ----------
    Ledoit and Wolf (2004) Journal of Multivariate Analysis 88:365. Schäfer and Strimmer (2005)
    Statistical Applications in Genetics and Molecular Biology 4:32.
    """

    method: str = "shrinkage_eye"
    shrinkage: float | int | None = None
    pooled: bool = False

    def __post_init__(self) -> None:
        check_option("noise", self.method, NOISE_METHODS)
        if self.shrinkage is None:
            return
        if NOISE_METHODS[self.method] is None:
            raise ValueError(
                f"noise {self.method!r} is not shrunk, got shrinkage={self.shrinkage}; "
                'take "shrinkage_eye" or "shrinkage_diag"'
            )
        if not 0 <= self.shrinkage <= 1:
            raise ValueError(f"shrinkage must be a number from 0 to 1, got {self.shrinkage}")

    @property
    def scales_units(self) -> bool:
        """Whether each unit is divided by the standard deviation of its noise first."""
        return self.method in ("diagonal", "shrinkage_diag")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """What is known of single units, for each time bin.

    Parameters
    ----------
    counted
        Number of units; where units are scaled, of those that are noisy.
    fourth
        Sum of fourth powers over scaled residuals and units.
    infinite
        Number of units that tell stimuli apart and have no noise to scale by.
    floor
        Variance below which residuals are rounding.
    """

    counted: _PerBin
    fourth: _PerBin
    infinite: _PerBin
    floor: _PerBin

    def split(self, step: int) -> "list[Units]":
        """Some time bins at a time."""
        fields = (self.counted, self.fourth, self.infinite, self.floor)
        parts = zip(*(field.split(step) for field in fields), strict=True)
        return [Units(counted=c, fourth=f, infinite=i, floor=r) for c, f, i, r in parts]


def plain_units(n_units: int, floor: _PerBin) -> Units:
    """Units that are not scaled."""
    zeros = torch.zeros_like(floor)
    return Units(counted=zeros + n_units, fourth=zeros, infinite=zeros, floor=floor)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """Inner products of residuals around the means of stimuli.

    Parameters
    ----------
    matrix
        ``R R'`` or ``R' R``, whichever is smaller.
    lengths
        Sum of squares over units of each residual.
    freedom
        Degrees of freedom.
    """

    matrix: Float64[Tensor, "time_bin side side"]
    lengths: Float64[Tensor, "time_bin presentation"]
    freedom: int
    units: Units

    @property
    def squared_norm(self) -> _PerBin:
        """Sum of squares of the products of units, which is that of the products of rows."""
        return self.matrix.square().sum(dim=(-2, -1))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Covariance:
    """``of_residuals * R'R + of_identity * I``, the estimated covariance of the noise.

    Parameters
    ----------
    problem
        Position in ``PROBLEMS``; the covariance is then the identity.
    """

    intensity: _PerBin
    of_residuals: _PerBin
    of_identity: _PerBin
    problem: Int64[Tensor, " time_bin"]


def covariance(noise: Noise, residuals: Residuals) -> Covariance:
    """The shrunk covariance of ``residuals``, whose units are scaled where ``noise`` wants it."""
    units, intensity_of = residuals.units, NOISE_METHODS[noise.method]
    if intensity_of is None:
        intensity = torch.ones_like(units.counted)
    elif noise.shrinkage is None:
        intensity = intensity_of(residuals)
    else:
        intensity = torch.full_like(units.counted, float(noise.shrinkage))
    variance = residuals.lengths.sum(dim=-1) / (residuals.freedom * units.counted)
    # The first that holds counts: a later one may follow from it.
    problem = torch.where(_invertible(intensity, residuals), 0, _SINGULAR)
    problem = torch.where(variance > units.floor, problem, _NOISELESS)
    problem = torch.where(units.infinite > 0, _INFINITE, problem)
    defined = problem == 0
    return Covariance(
        intensity=torch.where(defined, intensity, torch.nan),
        of_residuals=torch.where(defined, (1 - intensity) / residuals.freedom, 0.0),
        of_identity=torch.where(defined, intensity * variance, 1.0),
        problem=problem,
    )


def _invertible(intensity: _PerBin, residuals: Residuals) -> Bool[Tensor, " time_bin"]:
    """Whether there is shrinkage, or the residuals span the units without it."""
    if (intensity > 0).all():
        return intensity > 0
    variances = torch.linalg.eigvalsh(residuals.matrix)
    return (intensity > 0) | (variances[:, 0] > _ROUNDING * variances[:, -1])


def _ledoit_wolf(residuals: Residuals) -> _PerBin:
    """``min(b, d) / d`` with ``b`` the variance of ``S`` and ``d`` its distance from identity."""
    n = residuals.lengths.shape[-1]
    squared = residuals.squared_norm / n**2
    mean = residuals.lengths.sum(dim=-1) / n
    distance = squared - mean**2 / residuals.units.counted
    spread = (residuals.lengths.square().sum(dim=-1) / n - squared) / n
    # A covariance that is a multiple of the identity already is its own target.
    ratio = torch.where(distance > _ROUNDING * squared, spread / distance, 1.0)
    return ratio.clamp(0, 1)


def _schafer_strimmer(residuals: Residuals) -> _PerBin:
    """Summed variances over summed squares of the correlations between different units."""
    n, freedom = residuals.lengths.shape[-1], residuals.freedom
    squares = residuals.squared_norm - residuals.units.counted * freedom**2
    products = residuals.lengths.square().sum(dim=-1) - residuals.units.fourth
    spread = n / freedom**2 * (products / (n - 1) - squares / (n - 1) ** 2)
    ratio = torch.where(
        squares > _ROUNDING * residuals.squared_norm, spread * (n - 1) ** 2 / squares, 1.0
    )
    return ratio.clamp(0, 1)


#: Every noise covariance, by name, with the function that gives the intensity of its shrinkage;
#: none where nothing is shrunk. Tests run over this table.
NOISE_METHODS: Final[Mapping[str, Callable[[Residuals], Tensor] | None]] = MappingProxyType(
    {
        "none": None,
        "diagonal": None,
        "shrinkage_eye": _ledoit_wolf,
        "shrinkage_diag": _schafer_strimmer,
    }
)
