"""An assembly in a netCDF4 file, ours or a user's own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
from neurorec.datasets.neural_data import NeuralData, provenance, source_attrs
from neurorec.datasets.readers._reading import reading

NAME: Final = "netcdf"
VERSION: Final = 1
#: Other names of the limits of a time bin that are understood.
RENAMED: Final = {"time_bin_start_ms": "time_bin_start", "time_bin_end_ms": "time_bin_end"}


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """Name of the variable with the responses; needed if the file holds several."""

    variable: str | None = None


def read(manifest: Manifest, options: Options) -> NeuralData:
    """The assembly in the one file of the data set.

    Raises
    ------
    ValueError
        If the file is damaged or holds no assembly.
    """
    files = fetch_files(manifest)
    (path,) = files.values()
    assembly = read_assembly(path, variable=options.variable)
    assembly.attrs.update(source_attrs(manifest))
    return NeuralData(
        identifier=manifest.name,
        assembly=assembly,
        provenance=provenance(manifest, files, options=options, reader_version=VERSION),
    )


def read_assembly(path: str | Path, *, variable: str | None = None) -> xr.DataArray:
    """The assembly in a netCDF4 file.

    Every other variable along ``presentation``, ``neuroid`` or ``time_bin`` becomes a coordinate;
    variables with further dimensions are left out.

    Parameters
    ----------
    variable
        Name of the responses; needed if several variables have the dimensions of an assembly.

    Raises
    ------
    ValueError
        If the file is damaged, holds no assembly, or holds several and none was chosen.
    """
    path = Path(path)
    with reading(path, NAME), xr.open_dataset(path, engine="h5netcdf") as dataset:
        dataset = dataset.load()
    found = [str(k) for k, v in dataset.variables.items() if set(v.dims) == set(assemblies.DIMS)]
    if variable is not None:
        found = [name for name in found if name == variable]
    if len(found) != 1:
        raise ValueError(
            f"{path} cannot be read by the reader {NAME!r}: expected one variable with dimensions "
            f"{assemblies.DIMS}, got {found} among {sorted(map(str, dataset.variables))}; "
            "choose with variable="
        )
    return _assembly(dataset, found[0], path)


def _assembly(dataset: xr.Dataset, variable: str, path: Path) -> xr.DataArray:
    names = {old: new for old, new in RENAMED.items() if old in dataset and new not in dataset}
    dataset = dataset.reset_coords().rename(names)
    columns = {
        str(name): (column.dims, _plain(np.asarray(column.values)), column.attrs)
        for name, column in dataset.variables.items()
        if name != variable and set(column.dims) <= set(assemblies.DIMS)
    }
    values = dataset[variable]
    assembly = xr.DataArray(
        values.values,
        dims=values.dims,
        coords=columns,
        attrs=dict(dataset.attrs) | dict(values.attrs),
    )
    try:
        return assemblies.check(assembly)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read by the reader {NAME!r}: {error}") from error


def _plain(values: np.ndarray) -> np.ndarray:
    return values.astype(np.str_) if values.dtype == object else values
