"""Distance between populations whose responses to a stimulus are distributions over trials."""

import warnings
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int
from torch import Tensor

from neurorec._checks import check_option
from neurorec.geometry._pairs import (
    Pair,
    Side,
    labelled,
    over_pairs,
    require_defined_bins,
    require_two_bins,
)
from neurorec.geometry.principal import principal_axes
from neurorec.populations import Patterns, matched, patterns_of
from neurorec.populations.labels import UNDEFINED

# Gain of one iteration below which it stops, as a share of the sum of squares of both.
_TOLERANCE: Final = 1e-10

# Below this share of the raw inner products deviations are rounding error.
_CONSTANT_SHARE: Final = 1e-12


def stochastic_shape_distance(
    source: Any,
    other: Any = None,
    *,
    alpha: float | int = 1.0,
    n_starts: int = 3,
    n_iterations: int = 1000,
    seed: int = 0,
    undefined: str = "raise",
    device: str = "cpu",
) -> xr.DataArray:
    r"""Distance between Gaussian response distributions after one rotation for all stimuli.

    With means :math:`\mu_m` and covariances :math:`\Sigma_m` over the trials of stimulus m,

    .. math::

        d^2 = \min_Q \frac{1}{n} \sum_m \alpha |\mu^x_m - Q \mu^y_m|^2
            + (2 - \alpha) B^2(\Sigma^x_m, Q \Sigma^y_m Q^\top), \qquad
        B^2(A, C) = \mathrm{tr} A + \mathrm{tr} C - 2\, \mathrm{tr} (A^{1/2} C A^{1/2})^{1/2}.

    Covariances enter as factors of deviations from the mean, :math:`\Sigma = D^\top D`, with
    :math:`B^2 = |D_x|^2 + |D_y|^2 - 2 \|D_x Q D_y^\top\|_*`, in coordinates of all presentations
    from the eigenvectors of their Gram matrix: a lossless change of axes, after which nothing
    depends on the number of units.

    The rotation and, for every stimulus, the coupling of deviations are found in turns, each the
    exact best for the other. That ends in a local minimum, so the result bounds the distance from
    above; it is exact where ``alpha`` is 2. With it the triangle inequality may be missed by as
    much as minima differ; more ``n_starts`` narrow it.

    Parameters
    ----------
    source, other
        As in :func:`linear_cka`, with every stimulus shown twice or more, and read one by one if
        they are read already (``patterns_of(source, averaged=False)``). Numbers of repetitions
        may differ.
    alpha
        1 is the 2-Wasserstein distance, 2 compares means only (Procrustes distance times
        :math:`\sqrt{2 / n}`), 0 covariances only.
    n_starts
        Rotations to start from: that between means, that with the last of its singular axes
        reflected, then with random ones reflected.
    n_iterations
        Turns at most.
    seed
        Of random reflections.
    undefined
        ``"raise"``, or ``"nan"`` to give NaN for time bins in which all presentations evoke the
        same.

    Returns
    -------
    xr.DataArray
        (time_bin, time_bin_b), in units of the activity.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, one was shown once, a single time bin and no second
        population is given, stimuli differ, options are out of range, or activity is not finite
        or the same in all presentations.

    Warns
    -----
    RuntimeWarning
        If it has not converged.

    References
    ----------
    Duong et al. (2023) ICLR, "Representational dissimilarity metric spaces for stochastic neural
    networks". They leave the estimate of covariances open; these divide by trials less one.
    """
    check_option("undefined", undefined, UNDEFINED)
    if not 0 <= alpha <= 2:
        raise ValueError(f"alpha must lie between 0 (covariances) and 2 (means), got {alpha}")
    if n_starts < 1 or n_iterations < 1:
        raise ValueError(
            f"n_starts and n_iterations must be at least 1, got {n_starts} and {n_iterations}"
        )
    pair, first, second = _read(source, other, undefined, device)
    search = _Search(
        alpha=float(alpha), n_starts=n_starts, n_iterations=n_iterations, seed=int(seed)
    )
    values = over_pairs(
        lambda rows, columns: search.distances(first, second, rows, columns),
        pair,
        numbers=max(first.numbers, second.numbers),
        identity=0.0,
    )
    return labelled(
        pair,
        values,
        name="stochastic_shape_distance",
        method=f"Gaussian stochastic shape distance, alpha={float(alpha):g}",
        units="activity, root mean square over stimuli of sums over neuroids",
        kind="distance",
        alpha=float(alpha),
        n_starts=n_starts,
        seed=int(seed),
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Trials:
    """Means and deviations in principal coordinates.

    Parameters
    ----------
    means
        Of every stimulus.
    deviations
        Rows whose inner products over trials are covariances; zero where a stimulus has fewer.
    """

    means: Float64[Tensor, "time_bin stimulus axis"]
    deviations: Float64[Tensor, "time_bin stimulus trial axis"]

    @property
    def numbers(self) -> int:
        """Numbers of the largest array of one time bin."""
        return max(self.deviations[0].numel(), self.deviations.shape[-1] ** 2)

    def powers(self, alpha: float) -> Float64[Tensor, " time_bin"]:
        """Weighted sums of squares."""
        signal = self.means.square().sum(dim=(1, 2))
        return alpha * signal + (2 - alpha) * self.deviations.square().sum(dim=(1, 2, 3))


def _read(source: Any, other: Any, undefined: str, device: str) -> tuple[Pair, _Trials, _Trials]:
    presentations = patterns_of(source, averaged=False, device=device)
    means = patterns_of(presentations, device=device)
    if other is None:
        require_two_bins(presentations, "stochastic shape distance")
    one, first = _trials(presentations, means, undefined)
    if other is None:
        return Pair(first=one, second=one, alone=True), first, first
    presentations_b = patterns_of(other, averaged=False, device=device)
    means_b = matched(means, patterns_of(presentations_b, device=device))
    two, second = _trials(presentations_b, means_b, undefined)
    return Pair(first=one, second=two, alone=False), first, second


def _trials(presentations: Patterns, means: Patterns, undefined: str) -> tuple[Side, _Trials]:
    """Coordinates of presentations, stimuli in the order of ``means``."""
    stimulus, trial, counts = (
        one.to(means.products.device) for one in _places(presentations, means)
    )
    raw = presentations.products
    averaging = _averaging(stimulus, counts, raw)
    # Every stimulus counts the same, however often it was shown.
    centring = torch.eye(len(stimulus), dtype=raw.dtype, device=raw.device) - averaging.mean(dim=0)
    kernels = centring @ raw @ centring.mT
    norms = torch.linalg.matrix_norm(kernels), torch.linalg.matrix_norm(raw)
    flat = require_defined_bins(
        norms[0] <= _CONSTANT_SHARE * norms[1],
        undefined,
        "stochastic shape distance is undefined where all presentations evoke the same response",
    )
    axes = principal_axes(Side(patterns=presentations, kernels=kernels, undefined=flat))
    coordinates = axes.vectors * axes.variances.sqrt()[:, None, :]
    centres = averaging @ coordinates
    apart = (coordinates - centres[:, stimulus]) * (counts.to(raw) - 1)[stimulus, None].rsqrt()
    deviations = raw.new_zeros(len(raw), len(counts), int(counts.max()), apart.shape[-1])
    deviations[:, stimulus, trial] = apart
    side = Side(patterns=means, kernels=kernels, undefined=flat)
    return side, _Trials(means=centres, deviations=deviations)


_Presentations = Int[Tensor, " presentation"]


def _averaging(
    stimulus: _Presentations, counts: Int[Tensor, " stimulus"], like: Tensor
) -> Float64[Tensor, "stimulus presentation"]:
    """Takes the mean over the presentations of each stimulus."""
    weights = like.new_zeros(len(counts), len(stimulus))
    weights[stimulus, torch.arange(len(stimulus), device=like.device)] = (
        1 / counts.to(like)[stimulus]
    )
    return weights


def _places(
    presentations: Patterns, means: Patterns
) -> tuple[_Presentations, _Presentations, Int[Tensor, " stimulus"]]:
    """Stimulus and number of each presentation, and how many each stimulus has."""
    identifiers = np.asarray(presentations.stimulus_ids)
    position = {identifier: i for i, identifier in enumerate(means.stimulus_ids)}
    stimulus = np.array([position[identifier] for identifier in identifiers])
    counts = np.bincount(stimulus)
    if counts.min() < 2:
        raise ValueError(
            "distributions over trials need at least 2 repetitions of every stimulus, "
            f"{np.sum(counts < 2)} of {len(counts)} have one, as "
            f"{means.stimulus_ids[int(counts.argmin())]!r}; leave them out or take shape_distance"
        )
    trial = np.zeros(len(stimulus), dtype=np.int64)
    order = np.argsort(stimulus, kind="stable")
    trial[order] = np.concatenate([np.arange(count) for count in counts])
    return torch.from_numpy(stimulus), torch.from_numpy(trial), torch.from_numpy(counts)


@final
@dataclass(frozen=True, kw_only=True)
class _Search:
    """Alternating search for the rotation."""

    alpha: float
    n_starts: int
    n_iterations: int
    seed: int

    def distances(
        self, first: _Trials, second: _Trials, rows: Tensor, columns: Tensor
    ) -> Float64[Tensor, " pair"]:
        """Distances of pairs of time bins."""
        power = first.powers(self.alpha)[rows] + second.powers(self.alpha)[columns]
        x = _Trials(means=first.means[rows], deviations=first.deviations[rows])
        y = _Trials(means=second.means[columns], deviations=second.deviations[columns])
        signal = x.means.mT @ y.means
        starts = self._starts(signal)
        overlaps = [self._climb(x, y, self.alpha * signal, power, start) for start in starts]
        best = torch.stack(overlaps).amax(dim=0)
        return ((power - 2 * best).clamp(min=0) / x.means.shape[1]).sqrt()

    def _starts(self, signal: Float64[Tensor, "pair axis axis_b"]) -> list[Tensor]:
        """The best rotation of the means, and that with some of its axes reflected."""
        # Reflections of singular axes, rather than rotations drawn at random, do not depend on the
        # signs of principal axes, and are the same when populations change places.
        left, _, right = torch.linalg.svd(signal, full_matrices=False)
        rng = np.random.default_rng(self.seed)
        signs = rng.choice([-1.0, 1.0], size=(self.n_starts, left.shape[-1]))
        signs[0] = 1
        signs[1:2] = np.where(np.arange(left.shape[-1]) == left.shape[-1] - 1, -1.0, 1.0)
        return [left * torch.from_numpy(one).to(signal) @ right for one in signs]

    def _climb(
        self, x: _Trials, y: _Trials, signal: Tensor, power: Tensor, rotation: Tensor
    ) -> Float64[Tensor, " pair"]:
        """Overlap at the maximum that is reached from a rotation."""
        last = torch.full_like(power, -torch.inf)
        for _ in range(self.n_iterations):
            coupled = _polar(_crossed(x, y, rotation)) @ y.deviations
            noise = x.deviations.flatten(1, 2).mT @ coupled.flatten(1, 2)
            left, values, right = torch.linalg.svd(
                signal + (2 - self.alpha) * noise, full_matrices=False
            )
            rotation, reached = left @ right, values.sum(dim=-1)
            if bool((reached - last <= _TOLERANCE * power).all()):
                break
            last = reached
        else:
            warnings.warn(
                f"stochastic shape distance has not converged after {self.n_iterations} "
                "iterations; ask for more n_iterations",
                RuntimeWarning,
                stacklevel=2,
            )
        nuclear = torch.linalg.svdvals(_crossed(x, y, rotation)).sum(dim=(-2, -1))
        return (signal * rotation).sum(dim=(-2, -1)) + (2 - self.alpha) * nuclear


def _crossed(
    x: _Trials, y: _Trials, rotation: Float64[Tensor, "pair axis axis_b"]
) -> Float64[Tensor, "pair stimulus trial trial_b"]:
    """Inner products of deviations, one side rotated."""
    return x.deviations @ rotation[:, None] @ y.deviations.mT


def _polar(matrices: Float64[Tensor, "*any row column"]) -> Float64[Tensor, "*any row column"]:
    """Closest matrices with orthonormal rows or columns."""
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    return left @ right
