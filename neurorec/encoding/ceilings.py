"""How well the responses of a neuroid could be predicted at best."""

import json
from dataclasses import asdict, dataclass
from typing import Final, final

import numpy as np
import xarray as xr
from jaxtyping import Float, Num

from neurorec._checks import check_option
from neurorec.encoding.analysis_of_variance import (
    explainable_variance,
    explainable_variance_draws,
)
from neurorec.encoding.split_half import split_half_draws, split_half_reliability

#: How the reliability of mean responses is estimated.
METHODS: Final = ("split_half", "explainable_variance")


@final
@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """How noise ceilings are estimated.

    Parameters
    ----------
    method
        ``"split_half"``: :func:`split_half_reliability`; or ``"explainable_variance"``:
        :func:`explainable_variance`, which draws nothing.
    n_splits
        Random divisions of the repetitions into halves.
    seed
        Seed of the divisions.
    min_reliability
        Neuroids below it are flagged unreliable, and where a score is divided by its ceiling the
        reliability counts as no less than this.

    Raises
    ------
    ValueError
        If the method is unknown or a number is out of range.
    """

    method: str = "split_half"
    n_splits: int = 100
    seed: int = 0
    min_reliability: float = 0.1

    def __post_init__(self) -> None:
        check_option("method", self.method, METHODS)
        if self.n_splits < 1:
            raise ValueError(f"n_splits must be at least 1, got {self.n_splits}")
        if not 0 < self.min_reliability < 1:
            raise ValueError(
                f"min_reliability must lie between 0 and 1, got {self.min_reliability}"
            )


def noise_ceiling(responses: xr.DataArray, *, ceiling: Ceiling | None = None) -> xr.Dataset:
    r"""Largest correlation with the mean responses that any prediction can be expected to have.

    .. math:: \sqrt{\text{reliability}}

    Parameters
    ----------
    responses
        Assembly of single trials, as :func:`split_half_reliability` takes it.

    Returns
    -------
    Dataset
        ``reliability`` (of split halves, the mean over splits), ``ceiling`` (0 where the
        reliability is negative) and ``reliable``, each (neuroid, time_bin).

    Raises
    ------
    ValueError
        If fewer than three stimuli have two repetitions.
    """
    options = ceiling or Ceiling()
    if options.method == "split_half":
        splits = split_half_reliability(responses, n_splits=options.n_splits, seed=options.seed)
        reliability = splits.mean("split").assign_attrs(splits.attrs)
    else:
        reliability = explainable_variance(responses)
    return xr.Dataset(
        {
            "reliability": reliability,
            "ceiling": np.sqrt(reliability.clip(min=0)).assign_attrs(
                long_name="square root of the reliability"
            ),
            "reliable": (reliability >= options.min_reliability).assign_attrs(
                rule=f"reliability of at least {options.min_reliability}"
            ),
        },
        attrs={"ceiling_options": json.dumps(asdict(options))},
    )


def reliability_draws(
    responses: xr.DataArray,
    weights: Num[np.ndarray, "draw stimulus"],
    ceiling: Ceiling,
    *,
    most_splits: int = 10,
) -> Float[np.ndarray, "draw neuroid time_bin"]:
    """Reliability of assemblies that have each stimulus so often, as a bootstrap draws them.

    Memory is that of the result and of a batch of neuroids.

    Parameters
    ----------
    responses
        Assembly of single trials, as :func:`noise_ceiling` takes it.
    weights
        How often each draw has each stimulus, in order of first appearance.
    most_splits
        Of split halves, no more divisions than these, the first of those that
        :func:`noise_ceiling` averages over.

    Raises
    ------
    ValueError
        If weights are of another number of stimuli, negative or no whole numbers, a draw is empty,
        or fewer than three stimuli have two repetitions.
    """
    _check_weights(weights, len(np.unique(responses["stimulus_id"].values)))
    if ceiling.method == "explainable_variance":
        return explainable_variance_draws(responses, weights)
    n_splits = min(ceiling.n_splits, most_splits)
    return split_half_draws(responses, weights, n_splits=n_splits, seed=ceiling.seed)


def _check_weights(weights: np.ndarray, n_stimuli: int) -> None:
    if weights.shape[1] != n_stimuli:
        raise ValueError(
            f"got weights of {weights.shape[1]} stimuli for responses to {n_stimuli}; give one "
            "column per stimulus, in order of first appearance"
        )
    if not ((weights >= 0) & (weights == np.floor(weights))).all():
        raise ValueError(
            "weights are how often a draw has a stimulus: whole numbers, none of them negative"
        )
    empty = int((weights.sum(axis=1) == 0).sum())
    if empty:
        raise ValueError(f"{empty} of {len(weights)} draws have no stimulus; leave them out")
