"""Features and responses of the same stimuli, in the same order."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

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


def align(features: xr.DataArray, responses: xr.DataArray, *, on_mismatch: str) -> Alignment:
    """Match two assemblies by ``stimulus_id``.

    Parameters
    ----------
    on_mismatch
        ``"error"`` or ``"intersect"``: what to do with stimuli that one side lacks.

    Raises
    ------
    ValueError
        If the sides share no stimulus, or differ and ``on_mismatch`` is ``"error"``.
    """
    check_option("on_mismatch", on_mismatch, ON_MISMATCH)
    wanted = _in_order(responses["stimulus_id"].values)
    available = set(features["stimulus_id"].values.tolist())
    shared = [identifier for identifier in wanted if identifier in available]
    result = Alignment(
        stimulus_ids=np.array(shared),
        n_only_features=len(available) - len(shared),
        n_only_responses=len(wanted) - len(shared),
    )
    if not shared:
        raise ValueError(
            f"features and responses share no stimulus_id: features have {sorted(available)[:2]}"
            f"..., responses have {wanted[:2]}...; give both the identifiers of one stimulus set"
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


def averaged_blocks(
    assembly: xr.DataArray, stimulus_ids: np.ndarray, *, block: int
) -> Iterator[Float[np.ndarray, "stimulus feature time_bin"]]:
    """Means over the presentations of each of ``stimulus_ids``, some units at a time."""
    order, starts = _presentations(assembly["stimulus_id"].values, stimulus_ids)
    counts = np.diff(np.append(starts, len(order)))
    for start in range(0, assembly.shape[1], block):
        values = assembly[:, start : start + block, :].values
        # A file is read faster as a whole than at the listed rows.
        values = values if np.array_equal(order, np.arange(len(values))) else values[order]
        if (counts > 1).any():
            sums = np.add.reduceat(values, starts, axis=0, dtype=np.float64)
            values = sums / counts[:, None, None]
        yield values if values.dtype.kind == "f" else values.astype(np.float64)


def _presentations(
    identifiers: np.ndarray, stimulus_ids: np.ndarray
) -> tuple[Int[np.ndarray, " presentation"], Int[np.ndarray, " stimulus"]]:
    """Presentations sorted by stimulus, in the order of ``stimulus_ids``, and where each begins."""
    position = {identifier: i for i, identifier in enumerate(stimulus_ids.tolist())}
    groups = np.array([position.get(i, -1) for i in identifiers.tolist()])
    order = np.argsort(groups, kind="stable")[np.sum(groups < 0) :]
    return order, np.searchsorted(groups[order], np.arange(len(stimulus_ids)))


def _in_order(identifiers: np.ndarray) -> list:
    return list(dict.fromkeys(identifiers.tolist()))
