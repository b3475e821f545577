"""Subjects' RDMs apart for each entry of their other leading dimensions."""

from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float64


def by_cell(
    vectors: Float64[np.ndarray, "rdm pair"], leading: Mapping[Hashable, int], subject: str | None
) -> Float64[np.ndarray, "cell subject pair"]:
    """RDMs in cells of subjects; without the dimension ``subject``, each alone in its cell."""
    if subject is None:
        return vectors[:, None]
    apart = vectors.reshape(*leading.values(), -1)
    apart = np.moveaxis(apart, list(leading).index(subject), -2)
    return np.ascontiguousarray(apart.reshape(-1, *apart.shape[-2:]))


def check_subject(models: xr.DataArray, subjects: xr.DataArray, subject: str) -> None:
    """Refuse subjects that lack their dimension, and models that have it.

    Raises
    ------
    ValueError
        If so.
    """
    if subject not in subjects.dims or subject in models.dims:
        raise ValueError(
            f"subjects need the dimension {subject!r} and models must not have it, got "
            f"{tuple(subjects.dims)} and {tuple(models.dims)}; say which it is with subject="
        )
