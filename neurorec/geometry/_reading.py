"""Reading single presentations for measures that need their noise."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from neurorec.geometry._measured import Request
from neurorec.geometry._space import AbstractSpace, in_presentations, in_units
from neurorec.geometry.noise_covariance import Noise, Units, plain_units
from neurorec.geometry.presentations import Presentations, labels_of_means
from neurorec.gram import resolve_device
from neurorec.populations import Patterns, Population, as_population, patterns_of

# Sums of squares below this share of the raw ones are rounding: as in neurorec.gram, and where they
# are differences of inner products, which have half of the digits.
_ROUNDING: Final = 1e-20
_OF_PRODUCTS: Final = MappingProxyType({"float64": 1e-12, "float32": 1e-6})

#: Gives the presentations, with units scaled by their noise among some of them if need be.
Reader = Callable[[Presentations], AbstractSpace]


def described(source: Any) -> tuple[xr.DataArray, int]:
    """Labels of single presentations, and the number of units.

    Raises
    ------
    ValueError
        If there are fewer than three stimuli, or only means over repetitions are known.
    """
    if isinstance(source, Patterns):
        patterns = patterns_of(source, averaged=False)
        return patterns.labels, patterns.n_neuroids
    population = as_population(source)
    labels = population.labels[:, :1]
    labels_of_means(labels)
    return labels, population.n_neuroids


def reader(request: Request) -> Reader:
    """A reader of the population that is asked for.

    What is scaled by the noise of other presentations is read anew if it has more units than
    presentations: inner products of scaled units do not follow from one another.

    Raises
    ------
    ValueError
        If units are to be scaled and only inner products are known, or a response is not finite.
    """
    source, noise = request.source, request.noise
    options = {"averaged": False, "precision": request.precision, "device": request.device}
    if isinstance(source, Patterns):
        if noise.scales_units:
            raise ValueError(
                f"noise {noise.method!r} scales units, and of these only inner products are "
                'known; give the population, or noise "shrinkage_eye" or "none"'
            )
        return _fixed(patterns_of(source, **options), request.precision)
    population = as_population(source)
    if population.n_neuroids < len(population.labels):
        return _small(population, noise, request.device)
    if not noise.scales_units:
        return _fixed(patterns_of(source, **options), request.precision)

    def scaled(train: Presentations) -> AbstractSpace:
        scaling = Scaling(train, population.n_times)
        patterns = patterns_of(source, transform=scaling, **options)
        return in_presentations(patterns.products, scaling.units(patterns.products.device))

    return scaled


def require_finite(values: np.ndarray) -> None:
    """Refuse what can not be multiplied.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError(
            "the activity holds NaN or infinite values; drop those units or presentations"
        )


def _fixed(patterns: Patterns, precision: str) -> Reader:
    products = patterns.products
    mean_square = products.diagonal(dim1=-2, dim2=-1).mean(dim=-1) / patterns.n_neuroids
    units = plain_units(patterns.n_neuroids, _OF_PRODUCTS[precision] * mean_square)
    space = in_presentations(products, units)
    return lambda train: space


def _small(population: Population, noise: Noise, device: str) -> Reader:
    target = resolve_device(device)
    values = np.concatenate(list(population.blocks(range(population.n_times))), axis=1)
    require_finite(values)
    if not noise.scales_units:
        mean_square = np.square(values, dtype=np.float64).mean(axis=(0, 1))
        units = plain_units(values.shape[1], torch.from_numpy(_ROUNDING * mean_square).to(target))
        space = in_units(values, units, target)
        return lambda train: space

    def scaled(train: Presentations) -> AbstractSpace:
        scaling = Scaling(train, values.shape[2])
        return in_units(scaling(values), scaling.units(target), target)

    return scaled


class Scaling:
    """Divides units by the standard deviation of their noise, block by block, and counts.

    Units that are silent throughout are left out; so are those that have no noise, and they are
    counted if they tell stimuli apart.
    """

    def __init__(self, train: Presentations, n_times: int) -> None:
        self.train = train
        self.counted, self.fourth, self.infinite = np.zeros((3, n_times))

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """``block`` (presentation, unit, time_bin), scaled."""
        train, values = self.train, block.astype(np.float64)
        counts = train.counts[:, None, None]
        with np.errstate(invalid="ignore"):
            means = train.means(values)
            residuals = values[train.rows] - means[train.stimulus]
            np.square(residuals, out=residuals)
            squares = residuals.sum(axis=0)
            raw = squares + (counts * means**2).sum(axis=0)
            noisy = ~(squares <= _ROUNDING * raw)
            centre = (counts * means).sum(axis=0) / len(train.rows)
            signal = (counts * (means - centre) ** 2).sum(axis=0)
            scale = np.where(noisy, np.sqrt(squares / train.freedom), np.inf)
            self.counted += noisy.sum(axis=0)
            self.infinite += (~noisy & (signal > _ROUNDING * raw)).sum(axis=0)
            fourth = np.square(residuals, out=residuals).sum(axis=0) / scale**4
            self.fourth += fourth.sum(axis=0)
            values /= scale
            return values

    def units(self, device: torch.device) -> Units:
        """What was counted."""
        counted, fourth, infinite = (
            torch.from_numpy(one).to(device) for one in (self.counted, self.fourth, self.infinite)
        )
        # Residuals that are rounding were left out unit by unit.
        floor = torch.zeros_like(counted)
        return Units(counted=counted, fourth=fourth, infinite=infinite, floor=floor)
