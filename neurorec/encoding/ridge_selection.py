r"""Which penalty each target gets: the one of least error on stimuli that the fit did not see.

Leaving one out is exact and mostly free. With eigenvalues ``s`` and rotated responses ``w`` the
residual of stimulus ``i`` at the penalty ``b`` is ``r_i``, and

.. math:: n \, E_b = \sum_i q_i r_i^2, \qquad q_i = (1 - h_{ii})^{-2}, \qquad
          h_{ii} = \frac{1}{n} + \sum_k U_{ik}^2 \frac{s_k}{s_k + \lambda_b}

(the term 1/n is the intercept's, which each of the left-out fits estimates anew). The norms of
residuals and the products of residuals at two penalties need ``w`` alone; only the weights ``q``
need residuals of single stimuli, which cost a product with ``U``. That product is made at one
penalty ``a`` for each target, and at others only where a lower bound does not rule them out, see
:func:`_lower_bounds`.

Notes
-----
Allen (1974), *Technometrics* 16, 125-127; Golub, Heath and Wahba (1979), *Technometrics* 21,
215-223.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from neurorec.encoding.ridge_solver import Basis, Rotated, rotated


class Choice(NamedTuple):
    """What was chosen for each target, and its mean squared error."""

    penalty: Float[Tensor, " target"]
    error: Float[Tensor, " target"]


@runtime_checkable
class Criterion(Protocol):
    """Error of each target on stimuli that the fit did not see, as a function of the penalty."""

    def least(self, penalties: Float[Tensor, " penalty"]) -> Choice:
        """The first of the penalties that has the least error, for each target."""
        ...

    def of(self, targets: Int[Tensor, " chosen"]) -> "Criterion":
        """The same for some of the targets."""
        ...


class _Spread(NamedTuple):
    """Quantities of each penalty that all targets share.

    Parameters
    ----------
    kept
        ``penalty / (s + penalty)``: the share of ``w`` that stays in the residual.
    remaining
        ``1 - h_ii``. Written with ``kept``, as residuals are, nothing cancels at small penalties.
    """

    kept: Float[Tensor, "penalty rank"]
    remaining: Float[Tensor, "penalty train"]


class Residuals(NamedTuple):
    """Responses in the basis of the training features, and what lies outside of it.

    Parameters
    ----------
    basis, weights
        Basis of the training features, and the responses in it.
    outside
        What of the centred responses no feature reaches; None if the features span all contrasts
        of the stimuli.
    """

    basis: Basis
    weights: Float[Tensor, "rank target"]
    outside: Float[Tensor, "train target"] | None

    def of(self, targets: Int[Tensor, " chosen"]) -> "Residuals":
        """The same for some of the targets."""
        rest = None if self.outside is None else self.outside[:, targets]
        return Residuals(self.basis, self.weights[:, targets], rest)

    def at(
        self, kept: Float[Tensor, " rank"], targets: Int[Tensor, " chosen"]
    ) -> Float[Tensor, "train chosen"]:
        """Residuals of each stimulus where the shares ``kept`` of the weights remain."""
        weights = self.weights[:, targets].mul_(kept[:, None])
        if self.outside is None:
            return self.basis.train @ weights
        return self.outside[:, targets].addmm_(self.basis.train, weights)

    def products(self, kept: Float[Tensor, "penalty rank"]) -> Float[Tensor, "penalty target"]:
        """Sums over stimuli of two residuals' product; ``kept`` is the product of their shares."""
        within = kept @ self.weights**2
        return within if self.outside is None else within + (self.outside**2).sum(dim=0)


@final
@dataclass(frozen=True)
class LeaveOneOut:
    """Exact mean squared error of predicting each training stimulus from all others (PRESS)."""

    residuals: Residuals

    def least(self, penalties: Float[Tensor, " penalty"]) -> Choice:
        """The first of the penalties that has the least error, for each target."""
        spread = _spread(self.residuals.basis, penalties)
        weighting = _weighting(spread)
        first = _generalised_errors(self.residuals, spread).argmin(dim=0)
        errors = weighting.new_full((len(penalties), len(first)), torch.inf)
        undecided = torch.ones_like(errors, dtype=torch.bool)
        for a in first.unique():
            targets = (first == a).nonzero().flatten()
            squares = self.residuals.at(spread.kept[a], targets).square_()
            errors[a, targets] = weighting[a] @ squares
            bounds = _lower_bounds(self.residuals.of(targets), spread, a, squares)
            # NaN, where there is nothing to divide by, rules out nothing.
            undecided[:, targets] = ~(bounds > errors[a, targets])
            undecided[a, targets] = False
        for b in undecided.any(dim=1).nonzero().flatten():
            targets = undecided[b].nonzero().flatten()
            errors[b, targets] = weighting[b] @ self.residuals.at(spread.kept[b], targets).square_()
        return _least(errors, penalties)

    def of(self, targets: Int[Tensor, " chosen"]) -> "LeaveOneOut":
        """The same for some of the targets."""
        return LeaveOneOut(self.residuals.of(targets))


@final
@dataclass(frozen=True)
class GeneralisedCrossValidation:
    """As leave-one-out, with the mean of ``1 - h_ii`` over stimuli in place of each."""

    residuals: Residuals

    def least(self, penalties: Float[Tensor, " penalty"]) -> Choice:
        """The first of the penalties that has the least error, for each target."""
        spread = _spread(self.residuals.basis, penalties)
        return _least(_generalised_errors(self.residuals, spread), penalties)

    def of(self, targets: Int[Tensor, " chosen"]) -> "GeneralisedCrossValidation":
        """The same for some of the targets."""
        return GeneralisedCrossValidation(self.residuals.of(targets))


class InnerFold(NamedTuple):
    """A fit to some of the training stimuli that is tried on others.

    Parameters
    ----------
    basis, responses
        Of the stimuli that are fitted.
    held_out
        Responses to the others.
    """

    basis: Basis
    responses: Rotated
    held_out: Float[Tensor, "test target"]


@final
@dataclass(frozen=True)
class InnerFolds:
    """Mean over folds within the training stimuli of each fold's mean squared error."""

    folds: tuple[InnerFold, ...]

    def least(self, penalties: Float[Tensor, " penalty"]) -> Choice:
        """The first of the penalties that has the least error, for each target."""
        errors = torch.stack([_held_out_errors(fold, penalties) for fold in self.folds])
        return _least(errors.mean(dim=0), penalties)

    def of(self, targets: Int[Tensor, " chosen"]) -> "InnerFolds":
        """The same for some of the targets."""
        return InnerFolds(
            tuple(
                InnerFold(
                    basis,
                    Rotated(responses.mean[targets], responses.weights[:, targets]),
                    held_out[:, targets],
                )
                for basis, responses, held_out in self.folds
            )
        )


def residuals(basis: Basis, responses: Float[Tensor, "train target"], within: Rotated) -> Residuals:
    """Residuals of the responses that are ``within`` in the basis."""
    if basis.train.shape[1] == len(responses) - 1:
        # Nothing lies outside but rounding, which at small penalties would be of the size of what
        # it is divided by.
        return Residuals(basis, within.weights, None)
    outside = torch.addmm(responses - within.mean, basis.train, within.weights, alpha=-1)
    return Residuals(basis, within.weights, outside)


def inner_fold(
    basis: Basis,
    responses: Float[Tensor, "train target"],
    fitted: Int[Tensor, " fitted"],
    tried: Int[Tensor, " tried"],
) -> InnerFold:
    """Fold that fits the training stimuli ``fitted`` and is tried on ``tried``."""
    return InnerFold(basis, rotated(basis, responses[fitted]), responses[tried])


def _least(errors: Float[Tensor, "penalty target"], penalties: Tensor) -> Choice:
    error, where = errors.min(dim=0)
    return Choice(penalties[where], error)


def _spread(basis: Basis, penalties: Float[Tensor, " penalty"]) -> _Spread:
    vectors = basis.train
    kept = penalties[:, None] / (basis.eigenvalues + penalties[:, None])
    squared = vectors**2
    remaining = kept @ squared.mT
    if vectors.shape[1] < len(vectors) - 1:
        remaining += (1 - 1 / len(vectors) - squared.sum(dim=1)).clamp_min(0)
    return _Spread(kept, remaining)


def _weighting(spread: _Spread) -> Float[Tensor, "penalty train"]:
    return 1 / (spread.remaining.shape[1] * spread.remaining**2)


def _generalised_errors(residuals: Residuals, spread: _Spread) -> Float[Tensor, "penalty target"]:
    n = spread.remaining.shape[1]
    mean = spread.remaining.mean(dim=1, keepdim=True)
    return residuals.products(spread.kept**2) / (n * mean**2)


def _lower_bounds(
    residuals: Residuals,
    spread: _Spread,
    known: Int[Tensor, ""],
    squares: Float[Tensor, "train target"],
) -> Float[Tensor, "penalty target"]:
    r"""Numbers that the leave-one-out errors do not fall below.

    The residual at a penalty is split into its part along the known one and the rest,
    :math:`r = \alpha r_a + \rho`, whose norms are cheap, and its weights into a number and what
    is left of them, :math:`q_i = g + e_i`. Then

    .. math:: \sum_i q_i r_i^2 = g |r|^2 + \alpha^2 r_a^\top e r_a + 2 \alpha \rho^\top e r_a
              + \rho^\top e \rho

    and of the last two terms the sizes are bounded: :math:`|\rho|` times the part of
    :math:`e r_a` across :math:`r_a`, and :math:`|\rho|^2 \max_i |e_i|`.

    Parameters
    ----------
    known
        The penalty ``a``.
    squares
        Squared residuals at it.
    """
    weighting = _weighting(spread)
    largest = weighting.amax(dim=1, keepdim=True)
    middle = (largest + weighting.amin(dim=1, keepdim=True)) / 2
    uneven = weighting - middle
    widest = largest - middle
    norms = residuals.products(spread.kept**2)  # of the residual at each penalty, squared
    shared = residuals.products(spread.kept * spread.kept[known])
    norm = norms[known]
    alpha = shared / norm
    along = uneven @ squares
    # Sums over n stimuli are off by at most n roundings of their largest terms.
    rounding = 8 * len(squares) * torch.finfo(squares.dtype).eps
    across = (uneven**2 @ squares - along**2 / norm).clamp_min(0) + rounding * widest**2 * norm
    rest = (norms - alpha**2 * norm).clamp_min(0) + rounding * norms
    bound = middle * norms + alpha**2 * along
    bound -= 2 * alpha.abs() * (across * rest).sqrt() + widest * rest
    return bound - rounding * largest * norms


def _held_out_errors(
    fold: InnerFold, penalties: Float[Tensor, " penalty"]
) -> Float[Tensor, "penalty target"]:
    basis, responses, held_out = fold
    centred = held_out - responses.mean
    errors = []
    # One product per penalty runs at the speed of a plain matrix product and holds one residual.
    for penalty in penalties:
        shrunk = basis.test * (basis.eigenvalues / (basis.eigenvalues + penalty))
        errors.append(
            torch.addmm(centred, shrunk, responses.weights, alpha=-1).square_().mean(dim=0)
        )
    return torch.stack(errors)
