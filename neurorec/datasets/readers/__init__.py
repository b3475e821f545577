"""Readers of source formats, one file each; the libraries they need are imported on first use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from neurorec.datasets.neural_data import NeuralData
from neurorec.datasets.readers import jpeg_hdf5, matlab_rdms, netcdf, npy_zip, r_rasters


@final
@dataclass(frozen=True)
class Reader:
    """A reader and the dataclass of its options."""

    read: Callable[..., NeuralData]
    options: type[Any]


#: Every reader, by the name that manifests give.
READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        module.NAME: Reader(module.read, module.Options)
        for module in (jpeg_hdf5, matlab_rdms, netcdf, npy_zip, r_rasters)
    }
)
