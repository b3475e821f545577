"""Features and responses of the same stimuli, in the same order."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import xarray as xr

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION

ON_MISMATCH: Final = ("error", "intersect")


class Alignment(NamedTuple):
    """Which stimuli two assemblies share.

    Parameters
    ----------
    stimulus_ids
        Those that both have, in the order in which the responses first show them.
    n_only_features, n_only_responses
        Stimuli that were left out because the other side lacks them.
    """

    stimulus_ids: np.ndarray
    n_only_features: int
    n_only_responses: int


def align(
    features: Mapping[str, xr.DataArray], responses: xr.DataArray, *, on_mismatch: str
) -> Alignment:
    """Match assemblies by ``stimulus_id``.

    Parameters
    ----------
    features
        By area; what one of them lacks is lacking.
    on_mismatch
        ``"error"`` or ``"intersect"``: what to do with stimuli that one side lacks.

    Raises
    ------
    ValueError
        If the sides share no stimulus, or differ and ``on_mismatch`` is ``"error"``.
    """
    check_option("on_mismatch", on_mismatch, ON_MISMATCH)
    wanted = _in_order(responses["stimulus_id"].values)
    sets = [set(one["stimulus_id"].values.tolist()) for one in features.values()]
    available, every = set.intersection(*sets), set.union(*sets)
    shared = [identifier for identifier in wanted if identifier in available]
    result = Alignment(
        stimulus_ids=np.array(shared),
        n_only_features=len(every) - len(shared),
        n_only_responses=len(wanted) - len(shared),
    )
    if not shared:
        some = sorted(every, key=str)[:2]
        raise ValueError(
            f"features and responses share no stimulus_id: features have {some}..., responses "
            f"have {wanted[:2]}...; give both the identifiers of one stimulus set"
        )
    if on_mismatch == "error" and (result.n_only_features or result.n_only_responses):
        raise ValueError(
            f"features and responses share {len(shared)} stimuli; {result.n_only_features} have "
            f"only features and {result.n_only_responses} have only responses; select the stimuli "
            'of both, or pass on_mismatch="intersect"'
        )
    return result


def restricted(assembly: xr.DataArray, stimulus_ids: np.ndarray) -> xr.DataArray:
    """Presentations of the stimuli ``stimulus_ids``."""
    kept = np.isin(assembly["stimulus_id"].values, stimulus_ids)
    return assembly if kept.all() else assembly.isel({PRESENTATION: np.flatnonzero(kept)})


def _in_order(identifiers: np.ndarray) -> list:
    return list(dict.fromkeys(identifiers.tolist()))
