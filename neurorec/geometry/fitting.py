"""Fitting linear rules at many time bins at once, from units that arrive in blocks."""

from abc import ABC, abstractmethod
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

Block = Float64[Tensor, "time_bin presentation unit"]
Codes = Int64[Tensor, "labelling presentation"]
BlockRules = Float64[Tensor, "time_bin labelling n_classes unit"]
Intercepts = Float64[Tensor, "time_bin labelling n_classes"]


class AbstractFitting(ABC):
    """Rules of the same training presentations at several time bins, for one or more labellings.

    All units pass :meth:`observe` ``n_passes`` times, and then once more :meth:`coefficients`, in
    the same order each time; what is kept between them does not grow with the number of units.
    Where units are no more than presentations, they must come in one block.
    """

    @property
    def n_passes(self) -> int:
        """How often all units have to be observed before the first coefficient is known."""
        return 0

    def observe(self, step: int, patterns: Block) -> None:  # noqa: B027 (most need no pass)
        """Take in one block of units in pass ``step``."""

    @abstractmethod
    def coefficients(self, patterns: Block) -> BlockRules:
        """Coefficients of the units of one block; to be called once for each block."""

    @abstractmethod
    def intercepts(self) -> Intercepts:
        """Intercepts, once the coefficients of all units have been asked for."""


class AbstractFolds(ABC):
    """Rules of several training sets out of the same presentations."""

    @abstractmethod
    def rules(
        self, training: Int64[np.ndarray, " training"], codes: Codes, n_classes: int
    ) -> tuple[BlockRules, Intercepts] | None:
        """Coefficients and intercepts; nothing where they have to be fitted alone.

        Parameters
        ----------
        training
            Numbers of some presentations.
        codes
            Classes of all presentations.
        """


def fitted_at_once(fitting: AbstractFitting, patterns: Block) -> tuple[BlockRules, Intercepts]:
    """Coefficients and intercepts where all units are in one block."""
    for step in range(fitting.n_passes):
        fitting.observe(step, patterns)
    return fitting.coefficients(patterns), fitting.intercepts()


def mean_weights(
    codes: Codes, n_classes: int
) -> Float64[Tensor, "labelling n_classes presentation"]:
    """Rows that average the presentations of each class."""
    indicator = torch.nn.functional.one_hot(codes, n_classes).mT.to(torch.float64)
    return indicator / indicator.sum(dim=2, keepdim=True)


def class_means(
    weights: Float64[Tensor, "labelling n_classes presentation"], patterns: Block
) -> BlockRules:
    """Mean pattern of each class."""
    return (weights.flatten(0, 1) @ patterns).unflatten(1, weights.shape[:2])


def lower_products(rows: Block) -> Float64[Tensor, "time_bin unit unit"]:
    """The lower triangle of ``rows' rows``, with nothing of use above it, for a Cholesky factor."""
    n_units = rows.shape[2]
    # With four bands of rows five eighths of the products are made.
    edges = [n_units * i // 4 for i in range(5)]
    total = rows.new_zeros(len(rows), n_units, n_units)
    for start, stop in pairwise(edges):
        total[:, start:stop, :stop] = rows[:, :, start:stop].mT @ rows[:, :, :stop]
    return total
