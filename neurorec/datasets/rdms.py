"""A stack of representational dissimilarity matrices with their labels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr


class Rdm(NamedTuple):
    """One matrix; ``session`` is 0 where sessions were averaged or there are none."""

    name: str
    kind: str
    subject: str
    session: int
    species: str
    values: np.ndarray


def square(values: np.ndarray) -> np.ndarray:
    """Symmetric float32 matrix of ``values``, which may be its upper triangle as a vector.

    Raises
    ------
    ValueError
        If the values are no symmetric matrix with a diagonal of zeros.
    """
    from scipy.spatial.distance import squareform

    matrix = squareform(values) if values.ndim == 1 else values
    if not np.array_equal(matrix, matrix.T) or np.any(np.diagonal(matrix)):
        raise ValueError("a dissimilarity matrix must be symmetric with a diagonal of zeros")
    return matrix.astype(np.float32)


def label_rdms(rdms: Sequence[Rdm], table: pd.DataFrame) -> xr.DataArray:
    """RDMs (rdm, condition, condition_b) with what is known about each RDM and each condition.

    Parameters
    ----------
    table
        One row per condition; its columns become coordinates.
    """
    of_rdm = {
        "rdm_name": [rdm.name for rdm in rdms],
        "rdm_kind": [rdm.kind for rdm in rdms],
        "subject": [rdm.subject for rdm in rdms],
        "session": [rdm.session for rdm in rdms],
        "species": [rdm.species for rdm in rdms],
    }
    coords: dict[str, Any] = {name: ("rdm", np.asarray(values)) for name, values in of_rdm.items()}
    for name in table:
        column = table[name].to_numpy()
        coords[str(name)] = ("condition", column.astype(str) if column.dtype == object else column)
    return xr.DataArray(
        np.stack([square(rdm.values) for rdm in rdms]),
        dims=("rdm", "condition", "condition_b"),
        coords=coords,
        attrs={
            "long_name": "representational dissimilarity",
            "note": "the measure differs: 1 - correlation for brains, V1 and HMAX; distance in "
            "the arrangement for behaviour; category structure for other models",
        },
    )
