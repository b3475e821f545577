"""What readouts and similarities need of the units of a population, whatever their number."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64
from torch import Tensor

from neurorec.gram import products_and_sums, resolve_device


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Products:
    """Inner products of stimuli in one time bin.

    Parameters
    ----------
    gram
        Inner products over units.
    sums
        Sum of each stimulus over units.
    n_units
        Number of units.
    """

    gram: Float64[Tensor, "stimulus stimulus"]
    sums: Float64[Tensor, " stimulus"]
    n_units: int

    def __add__(self, other: "Products") -> "Products":
        """Products over the units of both."""
        return Products(
            gram=self.gram + other.gram,
            sums=self.sums + other.sums,
            n_units=self.n_units + other.n_units,
        )


def products_of(assembly: xr.DataArray, *, centred: bool, device: str = "cpu") -> list[Products]:
    """Products in each time bin of an assembly.

    Parameters
    ----------
    centred
        Subtract each unit's mean over stimuli first.
    """
    pieces = [(0, assembly.values)]
    grams, sums = products_and_sums(pieces, centred=centred, device=device)
    return [
        Products(gram=gram, sums=total, n_units=assembly.shape[1])
        for gram, total in zip(grams, sums, strict=True)
    ]


def tensor_of(values: np.ndarray, device: str) -> Float64[Tensor, "..."]:
    """The same numbers where products are."""
    return torch.from_numpy(values.astype(np.float64)).to(resolve_device(device))
