"""Assignments of class manifolds to two sides."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float64

_Signs = Float64[np.ndarray, "draw n_classes"]


def _random(n_draws: int, n_classes: int, rng: np.random.Generator) -> _Signs:
    """Each class on either side with equal probability; all may be on the same."""
    return rng.choice([-1.0, 1.0], size=(n_draws, n_classes))


def _one_against_rest(n_draws: int, n_classes: int, rng: np.random.Generator) -> _Signs:
    """One class after the other against all others."""
    signs = -np.ones((n_draws, n_classes))
    signs[np.arange(n_draws), np.arange(n_draws) % n_classes] = 1
    return signs


#: Every kind of dichotomy, by name. Tests run over this table.
DICHOTOMIES: Final[Mapping[str, Callable[[int, int, np.random.Generator], np.ndarray]]] = (
    MappingProxyType({"random": _random, "one_against_rest": _one_against_rest})
)
