"""Scores over the number of units, so that areas of different size can be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurorec.assemblies import check
from neurorec.encoding.ceilings import Ceiling
from neurorec.encoding.controls import sample_units
from neurorec.encoding.fit import fit
from neurorec.encoding.intervals import Bootstrap
from neurorec.encoding.setup import Controls
from neurorec.encoding.splits import Splits
from neurorec.encoding.times import TimeChoice
from neurorec.populations.reading import as_populations

_KEPT = ("splits", "readout", "time", "n_stimuli", "n_neuroids", "n_repetitions", "convention")


def unit_curve(
    features: Mapping[str, Any],
    responses: Any,
    n_units: Sequence[int],
    *,
    n_samples: int = 5,
    seed: int = 0,
    readout: Any = None,
    splits: Splits | None = None,
    time: str | TimeChoice = "grid",
    ceiling: Ceiling | None = None,
    device: str = "auto",
) -> xr.Dataset:
    """Median scores of random samples of units of each area.

    Within a sample, fewer units are a subset of more.

    Parameters
    ----------
    features
        Assemblies or recorded areas by name; each is fitted alone.
    n_units
        Numbers of units.
    n_samples
        Samples of each area.
    seed
        Seed of the samples.
    responses, readout, splits, time, ceiling, device
        As :func:`fit` takes them.

    Returns
    -------
    Dataset
        ``median`` over neuroids (area, n_units, sample, quantity, model_time, time_bin).

    Raises
    ------
    ValueError
        If an area has fewer units, areas differ in their timesteps, or as :func:`fit`.
    """
    if not isinstance(features, Mapping):
        raise ValueError(
            f"expected a mapping of areas by name, got {type(features).__name__}; for one area, "
            'pass {"IT": features}'
        )
    if not features or not len(n_units) or n_samples < 1:
        raise ValueError(
            f"a curve needs areas, numbers of units and samples, got {len(features)} areas, "
            f"{len(n_units)} numbers and n_samples={n_samples}"
        )
    as_populations(features)  # complains of areas that cannot be compared
    seeds = np.random.SeedSequence(seed).generate_state(n_samples).tolist()
    found = []
    for area in features.values():
        assembly = _loaded(area)
        found += [
            fit(
                sample_units(assembly, n, seed=one),
                responses,
                readout=readout,
                splits=splits,
                time=time,
                ceiling=ceiling,
                bootstrap=Bootstrap(n_draws=0),
                controls=Controls(static=False),
                device=device,
            )
            for n in n_units
            for one in seeds
        ]
    first = found[0]
    shape = (len(features), len(n_units), n_samples, *first["median"].shape)
    medians = np.stack([scores["median"].values for scores in found]).reshape(shape)
    return xr.Dataset(
        {"median": (("area", "n_units", "sample", *first["median"].dims), medians)},
        coords=dict(first["median"].coords)
        | {"area": list(features), "n_units": list(n_units), "sample": np.arange(n_samples)},
        attrs={key: first.attrs[key] for key in _KEPT if key in first.attrs} | {"seed": seed},
    )


def _loaded(area: Any) -> xr.DataArray:
    """All units of an area; each is in some sample or other, and read once."""
    if isinstance(area, xr.DataArray):
        return check(area)
    if hasattr(area, "load"):
        return check(area.load())
    raise ValueError(
        f'expected assemblies or areas such as recording.area("IT"), got {type(area).__name__}'
    )
