"""Scores over the number of units, so that areas of different size can be compared."""

import itertools
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
        If an area has fewer units, or as :func:`fit`.
    """
    if not features or not len(n_units) or n_samples < 1:
        raise ValueError(
            f"a curve needs areas, numbers of units and samples, got {len(features)} areas, "
            f"{len(n_units)} numbers and n_samples={n_samples}"
        )
    seeds = np.random.SeedSequence(seed).generate_state(n_samples)
    medians, last = [], xr.Dataset()
    for area in features.values():
        # All units are needed in some sample or other: what lies in a file is read once.
        assembly = check(area if isinstance(area, xr.DataArray) else area.load())
        for n, one in itertools.product(n_units, seeds):
            last = fit(
                sample_units(assembly, n, seed=int(one)),
                responses,
                readout=readout,
                splits=splits,
                time=time,
                ceiling=ceiling,
                bootstrap=Bootstrap(n_draws=0),
                controls=Controls(static=False),
                device=device,
            )
            medians.append(last["median"].values)
    dims = ("area", "n_units", "sample", *last["median"].dims)
    shape = (len(features), len(n_units), n_samples, *last["median"].shape)
    curve = (
        last["median"].coords.to_dataset().assign(median=(dims, np.stack(medians).reshape(shape)))
    )
    attrs = {key: last.attrs[key] for key in _KEPT if key in last.attrs}
    return curve.assign_coords(
        area=list(features), n_units=list(n_units), sample=np.arange(n_samples)
    ).assign_attrs(attrs, seed=seed)
