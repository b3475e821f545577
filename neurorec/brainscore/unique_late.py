"""What late timesteps of a model explain that early ones cannot, as a score."""

from typing import final

import numpy as np
import xarray as xr

from neurorec.assemblies import NEUROID
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore._pairs import AbstractPairMetric
from neurorec.brainscore._scores import neuroid_score
from neurorec.brainscore.folds import shuffled
from neurorec.encoding import Bootstrap, unique_variance

import_brainscore()

from brainscore_core.metrics import Score  # noqa: E402


@final
class UniqueLateMetric(AbstractPairMetric):
    r"""Variance that late time bins of a model explain beyond early ones, in each time bin.

    .. math:: U = R^2_{\mathrm{early} + \mathrm{late}} - R^2_\mathrm{early}

    on held-out stimuli, by ridge regression with a penalty of its own for each of the two, the
    median over neuroids; see :func:`neurorec.encoding.unique_variance`. It is a variance, which a
    benchmark divides by the ceiling without squaring it, 0 or a little below for a model that
    repeats itself, and the measure to ask whether dynamics matter: correlations in each time bin
    hardly tell a model with dynamics from one without.

    Parameters
    ----------
    boundary_ms
        Time bins that begin before are early; the middle of the time if left out.
    n_splits, train_size, stratification_coord, random_state, device
        As for :class:`~neurorec.brainscore.SampleSpaceMetric`.
    """

    def __init__(
        self,
        *,
        boundary_ms: float | int | None = None,
        n_splits: int = 10,
        train_size: float = 0.9,
        stratification_coord: str | None = "object_name",
        random_state: int = 1,
        device: str = "cpu",
    ) -> None:
        self.boundary_ms = boundary_ms
        self.splits = shuffled(
            n_splits=n_splits,
            train_size=train_size,
            stratification_coord=stratification_coord,
            random_state=random_state,
        )
        self.device = device

    def of_pair(self, features: xr.DataArray, responses: xr.DataArray) -> Score:
        """Unique variance over ``time_bin`` of the responses.

        Raises
        ------
        ValueError
            If no time bin is early or none is late.
        """
        found = unique_variance(
            features,
            responses,
            boundary_ms=self.boundary_ms,
            splits=self.splits,
            bootstrap=Bootstrap(n_draws=0),
            device=self.device,
        )
        unique = found["value"].sel(part="unique_late").transpose(NEUROID, ...).values
        # One value of all folds together, which are therefore one split, without an error.
        score = neuroid_score(unique[None].astype(np.float64), responses)
        score.attrs["boundary_ms"] = found.attrs["boundary_ms"]
        return score
