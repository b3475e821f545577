"""What a measure of dissimilarity is asked, and what it hands to its labels."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from neurorec.geometry.noise_covariance import Noise
from neurorec.geometry.poisson_prior import PoissonPrior


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What :func:`neurorec.geometry.rdm` was asked for."""

    source: Any
    method: str
    noise: Noise
    prior: PoissonPrior
    by_repetition: bool
    precision: str
    device: str


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Dissimilarities of means over repetitions, or of each repetition.

    Parameters
    ----------
    labels
        Assembly with the presentations and time bins; of its units perhaps only the first.
    n_neuroids
        Number of units.
    present
        Which stimuli were shown in each set.
    intensity
        Of the shrinkage of the noise covariance.
    problem
        Position in ``PROBLEMS``.
    """

    values: Float64[Tensor, "set time_bin stimulus stimulus_b"]
    labels: xr.DataArray
    n_neuroids: int
    present: Bool[np.ndarray, "set stimulus"]
    intensity: Float64[Tensor, " time_bin"] | None = None
    problem: Int64[Tensor, " time_bin"] | None = None

    def filled(self) -> Float64[np.ndarray, "set time_bin stimulus stimulus_b"]:
        """Values, with NaN for stimuli that are absent and where there is no noise covariance."""
        values = self.values
        if self.problem is not None:
            values = values.masked_fill((self.problem > 0)[:, None, None], torch.nan)
        absent = ~torch.from_numpy(self.present).to(values.device)
        absent = absent[:, :, None] | absent[:, None, :]
        return values.masked_fill(absent[:, None], torch.nan).cpu().numpy()
