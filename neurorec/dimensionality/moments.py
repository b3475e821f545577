r"""Sums of products of two inner products, over which the participation ratio can be unbiased.

Squares of traces and traces of squares of a covariance are sums of
:math:`K_{ij} K_{kl}` over stimuli, with :math:`K_{ij}` the inner product of the responses to two
stimuli. Such a product is unbiased for its population value where the four responses are different
draws: of different stimuli, where stimuli are a sample; of different repetitions, where those are.
The sums are therefore kept by which of the four stimuli coincide.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from neurorec.gram import centre

_Curve = Float64[Tensor, " time_bin"]
_Pair = tuple[_Curve, _Curve]

# Elements of the largest array of a batch of time bins (128 MB of float64).
_BATCH_ELEMENTS = 1 << 24


class Moments(NamedTuple):
    """Sums of :math:`K_{ij} K_{kl}` over stimuli; different letters are different stimuli."""

    iiii: _Curve
    iijj: _Curve
    ijij: _Curve
    iiij: _Curve
    iijk: _Curve
    ijik: _Curve
    ijkl: _Curve

    def minus(self, other: "Moments") -> "Moments":
        """Difference of each sum."""
        return Moments(*(a - b for a, b in zip(self, other, strict=True)))

    def of_these_stimuli(self, n: int) -> _Pair:
        r""":math:`(\mathrm{tr} C)^2` and :math:`\mathrm{tr} C^2`, times :math:`(n - 1)^2`.

        Of the covariance :math:`C` over exactly these ``n`` stimuli: the sums written out in
        :math:`(\mathrm{tr} H K)^2` and :math:`\|H K H\|_F^2`, with :math:`H` the centring matrix.
        """
        total = self.iiii + self.iijj + 2 * self.ijij
        total = total + 4 * (self.iiij + self.ijik) + 2 * self.iijk + self.ijkl
        trace_total = self.iiii + self.iijj + 2 * self.iiij + self.iijk
        rows = self.iiii + self.ijij + 2 * self.iiij + self.ijik
        squared_trace = self.iiii + self.iijj - 2 * trace_total / n + total / n**2
        trace_of_square = self.iiii + self.ijij - 2 * rows / n + total / n**2
        return squared_trace, trace_of_square

    def of_all_stimuli(self, n: int) -> _Pair:
        r""":math:`(\mathrm{tr} C)^2` and :math:`\mathrm{tr} C^2`, from a sample of ``n`` stimuli.

        Of the covariance over the population of stimuli, as U-statistics: for different stimuli,
        :math:`C = \frac12 E (x_1 - x_2)(x_1 - x_2)^\top`, so that
        :math:`\mathrm{tr} C^2 = E K_{ij}^2 - 2 E K_{ij} K_{ik} + E K_{ij} K_{kl}` and
        :math:`(\mathrm{tr} C)^2 = E K_{ii} K_{jj} - 2 E K_{ii} K_{jk} + E K_{ij} K_{kl}`.
        """
        two = n * (n - 1)
        three = two * (n - 2)
        four = three * (n - 3)
        squared_trace = self.iijj / two - 2 * self.iijk / three + self.ijkl / four
        trace_of_square = self.ijij / two - 2 * self.ijik / three + self.ijkl / four
        return squared_trace, trace_of_square


def moments_of_means(products: Float64[Tensor, "time_bin stimulus stimulus"]) -> Moments:
    """Sums for stimuli with one response each."""
    # No estimate changes when one vector is taken from all responses; digits are gained.
    kernels = centre(products)
    own = kernels.diagonal(dim1=1, dim2=2)
    others = kernels.sum(dim=2) - own
    iiii = (own**2).sum(dim=1)
    ijij = (kernels**2).sum(dim=(1, 2)) - iiii
    ijik = (others**2).sum(dim=1) - ijij
    return Moments(
        iiii=iiii,
        iijj=own.sum(dim=1) ** 2 - iiii,
        ijij=ijij,
        iiij=(own * others).sum(dim=1),
        iijk=_own_times_others(own, others),
        ijik=ijik,
        ijkl=others.sum(dim=1) ** 2 - 2 * ijij - 4 * ijik,
    )


def moments_of_presentations(
    products: Float64[Tensor, "time_bin presentation presentation"],
    stimulus: Int64[Tensor, " presentation"],
) -> Moments:
    """Sums for stimuli that were repeated, from products of different presentations only.

    Each response of a product is a different repetition, averaged over all ways to choose them, so
    that noise that is independent between presentations drops out. ``iiij`` needs three
    repetitions of every stimulus and ``iiii`` four; with fewer they are NaN.
    """
    size = max(1, _BATCH_ELEMENTS // products[0].numel())
    parts = [_of_presentations(centre(some), stimulus) for some in products.split(size)]
    return Moments(*(torch.cat(one) for one in zip(*parts, strict=True)))


def _of_presentations(products: Tensor, stimulus: Tensor) -> Moments:
    n = int(stimulus.max()) + 1
    counts = torch.bincount(stimulus, minlength=n).to(products)
    pairs, triples, quadruples = _falling(counts, 2), _falling(counts, 3), _falling(counts, 4)

    rows = _fold(products, stimulus, n)  # (time_bin, presentation, stimulus)
    blocks = _fold(rows.mT, stimulus, n)
    squares = _fold(_fold(products**2, stimulus, n).mT, stimulus, n)
    squared_rows = _fold((rows**2).mT, stimulus, n)

    itself = products.diagonal(dim1=1, dim2=2)
    siblings = rows.gather(2, stimulus[None, :, None].expand(len(rows), -1, 1))[..., 0] - itself
    within = _fold(siblings, stimulus, n)  # over pairs of different repetitions
    own = within / pairs

    # Mean product of each presentation with each other stimulus, nothing with its own.
    foreign = rows / counts
    foreign[:, torch.arange(len(stimulus)), stimulus] = 0
    outside = foreign.sum(dim=2)
    outside_sum = _fold(outside, stimulus, n)
    others = outside_sum / counts

    both = (blocks**2 - squared_rows - squared_rows.mT + squares) / (pairs * pairs[:, None])
    ijij = _off_diagonal(both).sum(dim=(1, 2))
    across = outside_sum**2 - _fold(outside**2, stimulus, n)
    same = _fold(foreign.mT, stimulus, n) ** 2 - _fold((foreign**2).mT, stimulus, n)
    ijik = ((across - same.sum(dim=1)) / pairs).sum(dim=1)

    within_squares = squares.diagonal(dim1=1, dim2=2) - _fold(itself**2, stimulus, n)
    iiii = within**2 - 4 * _fold(siblings**2, stimulus, n) + 2 * within_squares
    iiij = outside_sum * within - 2 * _fold(outside * siblings, stimulus, n)

    # The product of two different pairs of stimuli needs no care: means do.
    means = _off_diagonal(blocks / (counts * counts[:, None]))
    plain_square = (means**2).sum(dim=(1, 2))
    plain_shared = (others**2).sum(dim=1) - plain_square
    return Moments(
        iiii=(iiii / quadruples).sum(dim=1),
        iijj=own.sum(dim=1) ** 2 - (own**2).sum(dim=1),
        ijij=ijij,
        iiij=(iiij / triples).sum(dim=1),
        iijk=_own_times_others(own, others),
        ijik=ijik,
        ijkl=others.sum(dim=1) ** 2 - 2 * plain_square - 4 * plain_shared,
    )


def _own_times_others(own: Tensor, others: Tensor) -> Tensor:
    """Products of a stimulus with itself, times those of two others with one another."""
    return (own * (others.sum(dim=1, keepdim=True) - 2 * others)).sum(dim=1)


def _falling(counts: Tensor, order: int) -> Tensor:
    """Ways to choose ``order`` different repetitions in turn; NaN where there are none."""
    ways = torch.stack([counts - i for i in range(order)]).clamp(min=0).prod(dim=0)
    return torch.where(ways > 0, ways, torch.nan)


def _off_diagonal(matrices: Tensor) -> Tensor:
    diagonal = torch.eye(matrices.shape[-1], dtype=torch.bool, device=matrices.device)
    return matrices.masked_fill(diagonal, 0)


def _fold(values: Tensor, stimulus: Tensor, n: int) -> Tensor:
    """Sums over the presentations of each stimulus, along the last axis."""
    out = values.new_zeros((*values.shape[:-1], n))
    return out.index_add_(-1, stimulus, values)
