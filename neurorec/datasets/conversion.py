"""Conversions that take long are kept in the cache, and trusted only while their digest agrees."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurorec import assemblies
from neurorec._checks import atomic_path, sha256_of
from neurorec.datasets.fetch import cache_folder


def kept(name: str, key: Mapping[str, Any], convert: Callable[[], xr.DataArray]) -> xr.DataArray:
    """The assembly that ``convert`` makes, from the cache if it was made before.

    Parameters
    ----------
    name
        Begins the name of the file.
    key
        All that the conversion depends on, in types that JSON can hold: digests of the source
        files, options, version of the reader.

    Warns
    -----
    UserWarning
        If the cache folder cannot be written; the conversion is then returned, not kept.
    """
    text = json.dumps(key, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = cache_folder() / "converted" / f"{name}-{digest}.nc"
    if _is_intact(path):
        return _read(path)
    assembly = convert()
    try:
        _write(assembly, path)
    except OSError as error:
        warnings.warn(
            f"the converted {name} could not be kept in {path.parent} ({error}), so that every "
            "load converts it anew; set NEUROREC_CACHE to a folder with space that you can write",
            stacklevel=2,
        )
    return assembly


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _is_intact(path: Path) -> bool:
    # A damaged HDF5 file can crash the library that opens it, so its bytes are checked first.
    written = _digest_path(path)
    if not (path.is_file() and written.is_file()):
        return False
    return written.read_bytes().strip() == sha256_of(path).encode()


def _write(assembly: xr.DataArray, path: Path) -> None:
    assemblies.to_netcdf(assembly, path)
    with atomic_path(_digest_path(path)) as temporary:
        temporary.write_text(sha256_of(path))


def _read(path: Path) -> xr.DataArray:
    """The assembly in ``path``, its text in the type that it had before it was written."""
    assembly = assemblies.from_netcdf(path)
    texts = {
        name: (coordinate.dims, coordinate.values.astype(np.str_), coordinate.attrs)
        for name, coordinate in assembly.coords.items()
        if coordinate.dtype == object
    }
    return assembly.assign_coords(texts)
