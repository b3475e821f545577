"""What held-out presentations are taken for: rules of all time bins against tests of all.

Units are read in blocks and never held together, so that memory does not grow with them. Each rule
is fitted once, and what it makes of the tests of all time bins is one product.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from neurorec.geometry.decoder import AbstractLinearDecoder
from neurorec.geometry.fitting import AbstractFitting
from neurorec.populations import Population

# Numbers: of a population that is held whole, and of the evidence of some splits and labellings.
_WHOLE: Final = 2**25
_EVIDENCE: Final = {True: 2**24, False: 2**26}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Numbers of the presentations to train on and of those to test on."""

    training: Int64[np.ndarray, " training"]
    testing: Int64[np.ndarray, " testing"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Numbers of the classes that the tests of one split are taken for.

    Parameters
    ----------
    split
        Its number.
    labellings
        Which of the labellings.
    classes
        (labelling, train bin, test bin, presentation), without the test bin where rules are only
        tested in their own.
    """

    split: int
    labellings: slice
    classes: Int64[Tensor, "labelling ..."]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """A population whose units are shown block by block to what is fitted.

    Parameters
    ----------
    timesteps
        Time bins that are decoded.
    standardise
        Whether neuroids are z-scored by the training presentations of each split.
    """

    population: Population
    timesteps: Sequence[int]
    standardise: bool
    device: torch.device

    @property
    def n_presentations(self) -> int:
        """Number of presentations."""
        return self.population.labels.shape[0]

    @property
    def is_whole(self) -> bool:
        """Whether all units are held at once: few are, and where they are fewer than rows."""
        n, p = self.n_presentations, self.population.n_neuroids
        return p <= n or n * p * len(self.timesteps) <= _WHOLE

    def blocks(self) -> Iterator[Tensor]:
        """(time_bin, presentation, some units), in float64."""
        blocks = self.population.blocks(self.timesteps)
        if self.is_whole:
            yield self._tensor(np.concatenate(list(blocks), axis=1))
            return
        for values in blocks:
            yield self._tensor(values)

    def _tensor(self, values: np.ndarray) -> Tensor:
        moved = np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float64)
        return torch.from_numpy(moved).to(self.device)


def predictions(
    activity: Activity,
    decoder: AbstractLinearDecoder,
    splits: Sequence[Split],
    labellings: Int64[np.ndarray, "labelling presentation"],
    *,
    across: bool,
) -> Iterator[Predictions]:
    """Fit every time bin of every split and labelling; tests take no part in anything.

    Parameters
    ----------
    labellings
        Classes of all presentations, coded from 0; any number of times, as permutations are.
    across
        Whether rules are tested in all time bins or only in the one they were fitted in.
    """
    n_classes = int(labellings.max()) + 1
    codes = torch.from_numpy(labellings).to(activity.device)
    whole = next(activity.blocks()) if activity.is_whole else None
    size, group = _batches(activity, decoder, splits, labellings, across=across)
    for first in range(0, len(codes), size):
        chunk = slice(first, min(first + size, len(codes)))
        numbers = iter(range(len(splits)))
        while some := list(islice(numbers, group)):
            chosen = [splits[i] for i in some]
            shown = _shown(activity, whole, chosen)
            fittings = [
                decoder.fitting(
                    codes[chunk][:, split.training], n_classes, activity.population.n_neuroids
                )
                for split in chosen
            ]
            for i, classes in zip(some, _classes(shown, fittings, across=across), strict=True):
                yield Predictions(split=i, labellings=chunk, classes=classes)


Shown = Callable[[], Iterator[list[tuple[Tensor, Tensor]]]]


def _shown(activity: Activity, whole: Tensor | None, splits: Sequence[Split]) -> Shown:
    """Function that shows all units: per block, the training and test activity of each split."""
    if whole is None:
        return lambda: (_parts(activity, block, splits) for block in activity.blocks())
    parts = _parts(activity, whole, splits)
    return lambda: iter([parts])


def _parts(
    activity: Activity, block: Tensor, splits: Sequence[Split]
) -> list[tuple[Tensor, Tensor]]:
    parts = [(block[:, split.training], block[:, split.testing]) for split in splits]
    return [standardised(*both) for both in parts] if activity.standardise else parts


def standardised(training: Tensor, testing: Tensor) -> tuple[Tensor, Tensor]:
    """Z-scores by the mean and deviation of training; neuroids constant there become zero."""
    mean = training.mean(dim=1, keepdim=True)
    deviation = (training - mean).square().mean(dim=1, keepdim=True).sqrt()
    constant = deviation <= 1e-6 * mean.abs()
    # A neuroid that was silent in training says nothing about the classes, so that its activity
    # in test, of unknown scale, is set to zero rather than left as it is.
    scale = torch.where(constant, 0.0, 1 / torch.where(constant, 1.0, deviation))
    return (training - mean) * scale, (testing - mean) * scale


def _classes(
    shown: Shown, fittings: Sequence[AbstractFitting], *, across: bool
) -> Iterator[Int64[Tensor, "labelling ..."]]:
    for step in range(max(fitting.n_passes for fitting in fittings)):
        for parts in shown():
            for fitting, (training, _) in zip(fittings, parts, strict=True):
                fitting.observe(step, training)
    product = _across if across else _within
    evidence: list[Tensor | None] = [None] * len(fittings)
    for parts in shown():
        for i, (fitting, (training, testing)) in enumerate(zip(fittings, parts, strict=True)):
            found = product(fitting.coefficients(training), testing)
            evidence[i] = found if evidence[i] is None else evidence[i].add_(found)  # pyright: ignore[reportOptionalMemberAccess]
    for fitting, total in zip(fittings, evidence, strict=True):
        if total is None:
            raise ValueError("a decoder needs at least one unit, got none")
        intercepts = fitting.intercepts().permute(2, 1, 0)  # (class, labelling, train)
        total += intercepts[..., None, None] if across else intercepts[..., None]
        yield _first_largest(total)


def _first_largest(evidence: Tensor) -> Int64[Tensor, "labelling ..."]:
    """Class of the largest evidence; some times as fast as ``argmax``."""
    best = evidence[0].clone()
    found = torch.zeros(best.shape, dtype=torch.int64, device=best.device)
    for number, other in enumerate(evidence[1:], start=1):
        found.masked_fill_(other > best, number)
        torch.maximum(best, other, out=best)
    return found


def _across(coefficients: Tensor, testing: Tensor) -> Tensor:
    """Evidence (class, labelling, train, test, presentation), as one product."""
    rules = coefficients.permute(2, 1, 0, 3)
    evidence = rules.reshape(-1, rules.shape[-1]) @ testing.flatten(0, 1).T
    return evidence.unflatten(0, rules.shape[:3]).unflatten(3, testing.shape[:2])


def _within(coefficients: Tensor, testing: Tensor) -> Tensor:
    """Evidence (class, labelling, time_bin, presentation)."""
    n_labellings = coefficients.shape[1]
    evidence = coefficients.flatten(1, 2) @ testing.mT
    return evidence.unflatten(1, (n_labellings, -1)).permute(2, 1, 0, 3).contiguous()


def _batches(
    activity: Activity,
    decoder: AbstractLinearDecoder,
    splits: Sequence[Split],
    labellings: Int64[np.ndarray, "labelling presentation"],
    *,
    across: bool,
) -> tuple[int, int]:
    """How many labellings, and how many splits, are fitted together."""
    n_bins, n_classes = len(activity.timesteps), int(labellings.max()) + 1
    n_tested = max(len(split.testing) for split in splits)
    n_trained = max(len(split.training) for split in splits)
    evidence = n_classes * n_bins * n_tested * (n_bins if across else 1)
    budget = _EVIDENCE[activity.is_whole]
    if activity.is_whole:
        rules = n_bins * n_classes * activity.population.n_neuroids
        return max(budget // max(evidence, rules), 1), 1
    # Reading a population again costs more than fitting it: as many splits as memory allows.
    products = n_bins * n_trained**2
    each = max(evidence, products) if decoder.fits_each_labelling else evidence
    n_labellings = min(max(budget // each, 1), len(labellings))
    return n_labellings, max(budget // max(each * n_labellings, products), 1)


def survey(population: Population) -> Bool[np.ndarray, " time_bin"]:
    """Time bins in which all presentations are the same.

    Raises
    ------
    ValueError
        If activity is not finite.
    """
    empty = np.ones(population.n_times, dtype=bool)
    for values in population.blocks(range(population.n_times)):
        if not np.isfinite(values).all():
            raise ValueError(
                "the activity holds NaN or infinite values; drop those presentations or neuroids"
            )
        empty &= (values == values[:1]).all(axis=(0, 1))
    return empty
