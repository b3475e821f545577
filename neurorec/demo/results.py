"""Results kept on disk, so that a second run goes on where the first one stopped."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurorec import __version__
from neurorec._checks import atomic_path


def key_of(*parts: Any) -> str:
    """Digest of everything that a result depends on, the version of neurorec included."""
    text = json.dumps([__version__, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def kept(path: Path, key: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    """The result at ``path`` if it has this ``key``, otherwise a new one, written there."""
    if path.exists():
        found = _read(path)
        if found is not None and found.attrs.get("key") == key:
            return found
    result = compute()
    result.attrs["key"] = key
    with atomic_path(path) as temporary:
        result.to_netcdf(temporary, engine="h5netcdf")
    return _read(path) or result


def _read(path: Path) -> xr.Dataset | None:
    """A damaged file counts as none: it is made again."""
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except (OSError, ValueError):
        return None


def stack(results: Mapping[tuple[str, str], xr.Dataset]) -> xr.Dataset:
    """Results of each (model, area), all of one shape, as one Dataset with those two dimensions."""
    models = list(dict.fromkeys(model for model, _ in results))
    areas = list(dict.fromkeys(area for _, area in results))
    first = next(iter(results.values()))
    variables = {}
    for name, variable in first.data_vars.items():
        values = [
            [results[m, a][name].transpose(*variable.dims).values for a in areas] for m in models
        ]
        variables[name] = (("model", "area", *variable.dims), np.array(values))
    coords = {**first.coords, "model": models, "area": areas}
    return xr.Dataset(variables, coords=coords, attrs=first.attrs)


def over_timesteps(result: Any, dim: str, n_timesteps: int) -> Any:
    """``result`` with its time dimension named ``timestep`` and counted from 0."""
    drop = [name for name, c in result.coords.items() if dim in c.dims and name != dim]
    bare = result.drop_vars(drop).rename({dim: "timestep"})
    return bare.assign_coords(timestep=("timestep", list(range(n_timesteps))))
