r"""From predictions to quantities of each neuroid, with draws of resampled stimuli.

Every quantity is a mean over splits. The noise-corrected ones are divided by what responses and
predictions that are means over noisy trials allow at best,

.. math:: \frac{r}{\sqrt{\rho_y \rho_p}}, \qquad \frac{r^2}{\rho_y \rho_p}, \qquad
          \frac{R^2}{\rho_y}

A square keeps the sign of its r, so that features that know nothing have the mean 0. Here is
the reliability :math:`\rho_y` of the mean responses and :math:`\rho_p` of the predictions
from mean model activity, 1 for a deterministic model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from neurorec.encoding.engine import Predicted
from neurorec.encoding.intervals import Bootstrap, population_limits
from neurorec.encoding.scores import held_out_scores, resampled_scores
from neurorec.encoding.targets import Fold
from neurorec.stats.correlation import is_constant, pearson, spearman_brown

#: Quantities, by name; those that are corrected are there where the reliability is known.
QUANTITIES: Final = {
    "score": "Pearson r over held-out stimuli",
    "r_squared": "squared Pearson r over held-out stimuli, with the sign of r",
    "determination": "coefficient of determination over held-out stimuli",
    "noise_corrected": "Pearson r over noise ceiling",
    "noise_corrected_r_squared": "squared Pearson r over reliability",
    "noise_corrected_determination": "coefficient of determination over reliability",
}


class Reliability(NamedTuple):
    """Of the mean responses; draws are of resampled stimuli."""

    value: Float[Tensor, "neuroid bin"]
    draws: Float[Tensor, "draw neuroid bin"] | None


class Evaluation(NamedTuple):
    """One entry of a result.

    Parameters
    ----------
    scores
        Quantities that are not corrected, of each split (split, neuroid, bin).
    values, draws
        Each of :data:`QUANTITIES`.
    null
        Score of each shuffle (shuffle, neuroid, bin), mean over splits.
    prediction_reliability
        Mean over splits (neuroid, bin); None for a model without trials.
    n_constant
        Cases of a prediction that does not vary over held-out stimuli.
    """

    scores: dict[str, np.ndarray]
    values: dict[str, Tensor]
    draws: dict[str, Tensor]
    null: np.ndarray
    prediction_reliability: np.ndarray | None
    n_constant: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluator:
    """Scores predictions of the same responses.

    Parameters
    ----------
    copies
        Mean responses and their shuffles.
    weights
        How often each draw holds each stimulus; no rows if there are no draws.
    reliability
        Of the mean responses; None if it is not known.
    min_reliability
        Least that a reliability counts as where something is divided by it.
    lengthening
        Noise variance of a model's half of trials over that of all; None without halves.
    """

    copies: Float[np.ndarray, "stimulus neuroid copy bin"]
    folds: Sequence[Fold]
    weights: Float[Tensor, "draw stimulus"]
    reliability: Reliability | None
    min_reliability: float
    lengthening: float | None

    def __call__(self, predicted: Predicted) -> Evaluation:
        """Scores, quantities and their draws."""
        folds = [
            self._fold(test, rows)
            for (_, test), rows in zip(self.folds, predicted.held_out, strict=True)
        ]
        scores = {name: np.stack([fold.scores[name] for fold in folds]) for name in folds[0].scores}
        draws = {name: _mean([fold.draws[name] for fold in folds]) for name in folds[0].draws}
        halves = [fold.agreement for fold in folds if fold.agreement is not None]
        reliability = np.mean(halves, axis=0) if halves else None
        like = predicted.held_out[0]
        means = {name: torch.from_numpy(one.mean(axis=0)).to(like) for name, one in scores.items()}
        return Evaluation(
            scores=scores,
            values=means | self._corrected(means, reliability, drawn=False),
            draws=draws | self._corrected(draws, reliability, drawn=True) if draws else {},
            null=np.mean([fold.null for fold in folds], axis=0),
            prediction_reliability=reliability,
            n_constant=sum(fold.n_constant for fold in folds),
        )

    def _fold(self, test: np.ndarray, rows: Float[Tensor, "row neuroid copy bin"]) -> "_Fold":
        """Scores of the held-out stimuli ``test``."""
        n, shape = len(test), (rows.shape[1], rows.shape[3])
        every, halves = rows[:n].cpu().numpy(), rows[n:, :, 0].cpu().numpy()
        measured = self.copies[test]
        p, y = every[:, :, 0].reshape(n, -1), measured[:, :, 0].reshape(n, -1)
        r, determination = held_out_scores(p, y)
        scores = {"score": r, "r_squared": r * np.abs(r), "determination": determination}
        draws: dict[str, Tensor] = {}
        if len(self.weights):
            device = rows.device
            weights = self.weights[:, torch.as_tensor(test, device=device)]
            drawn = resampled_scores(
                torch.from_numpy(p).to(device), torch.from_numpy(y).to(device), weights
            )
            draws = {
                "score": drawn.r,
                "r_squared": drawn.r * drawn.r.abs(),
                "determination": drawn.determination,
            }
        return _Fold(
            scores={name: one.reshape(shape) for name, one in scores.items()},
            draws={name: one.reshape(-1, *shape) for name, one in draws.items()},
            null=pearson(every[:, :, 1:], measured[:, :, 1:]).swapaxes(0, 1),
            agreement=self._agreement(halves[:n], halves[n:]),
            n_constant=int(is_constant(p).sum()),
        )

    def _agreement(self, first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
        """Reliability of predictions from all trials, by those from halves of them."""
        if self.lengthening is None:
            return None
        return spearman_brown(pearson(first, second), lengthening=self.lengthening)

    def _corrected(
        self, raw: dict[str, Tensor], predictions: np.ndarray | None, *, drawn: bool
    ) -> dict[str, Tensor]:
        """Quantities over what noise allows; none where the reliability is not known."""
        if self.reliability is None:
            return {}
        responses = self.reliability.draws if drawn else self.reliability.value
        assert responses is not None
        responses = responses.clamp_min(self.min_reliability)
        both = responses
        if predictions is not None:
            floored = np.maximum(predictions, self.min_reliability)
            both = responses * torch.from_numpy(floored).to(responses)
        return {
            "noise_corrected": raw["score"] / both.sqrt(),
            "noise_corrected_r_squared": raw["r_squared"] / both,
            "noise_corrected_determination": raw["determination"] / responses,
        }


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Mean of tensors of one shape, of which no copy is stacked."""
    total = tensors[0].clone()
    for one in tensors[1:]:
        total += one
    return total.div_(len(tensors))


class _Fold(NamedTuple):
    """What :class:`Evaluation` averages over splits."""

    scores: dict[str, np.ndarray]
    draws: dict[str, Tensor]
    null: np.ndarray
    agreement: np.ndarray | None
    n_constant: int


class Summary(NamedTuple):
    """Medians over neuroids, and their limits."""

    median: Float[np.ndarray, "quantity bin"]
    limits: Float[np.ndarray, "quantity resampled limit bin"] | None


def summarised(
    values: dict[str, Tensor], draws: dict[str, Tensor], bootstrap: Bootstrap
) -> Summary:
    """Median over neuroids of each quantity with its intervals."""
    arrays = {name: one.cpu().numpy() for name, one in values.items()}
    medians = np.stack([np.median(one, axis=0) for one in arrays.values()])
    if not bootstrap.n_draws:
        return Summary(medians, None)
    limits = [
        population_limits(one, draws[name].cpu().numpy(), bootstrap) for name, one in arrays.items()
    ]
    return Summary(medians, np.stack(limits))


def difference(a: Evaluation, b: Evaluation) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values and draws of one entry minus another, neuroid by neuroid and draw by draw."""
    return (
        {name: one - b.values[name] for name, one in a.values.items()},
        {name: one - b.draws[name] for name, one in a.draws.items()},
    )
