"""MATLAB files of versions 5 and 7.3, read into the same plain types.

======================  =====================================================
MATLAB                  here
======================  =====================================================
number, logical         array without its axes of length one (0-d for a scalar)
char                    str; an array of them for several rows
struct                  dict; an object array of dicts for a struct array
cell                    object array without its axes of length one
======================  =====================================================
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

from neurorec.datasets.readers._reading import reading

NAME: Final = "matlab"


def load_mat(path: Path) -> dict[str, Any]:
    """Variables of a MATLAB file, by name.

    Raises
    ------
    ValueError
        If the file is damaged, is no MATLAB file, or holds an object or a sparse matrix.
    """
    with reading(path, NAME):
        with path.open("rb") as file:
            head = file.read(19)
        if head.startswith(b"MATLAB 7.3 MAT-file"):
            return _load_hdf5(path)
        if head.startswith(b"MATLAB 5.0 MAT-file"):
            return _load_version_5(path)
        raise ValueError("it does not begin as MATLAB files of version 5 or 7.3 do")


def _load_version_5(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    content = loadmat(path)
    return {k: _plain(v) for k, v in content.items() if not k.startswith("__")}


def _plain(value: Any) -> Any:
    """Plain types for what scipy makes of version 5."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"it holds a {type(value).__name__}, which is not supported")
    if value.dtype.names is not None:
        return _squeezed(value, lambda entry: {n: _plain(entry[n]) for n in value.dtype.names})
    if value.dtype == object:
        cells = _squeezed(value, _plain)
        return cells if isinstance(cells, np.ndarray) else _one_cell(cells)
    if value.dtype.kind == "U":
        return _text(value)
    return value.squeeze()


def _text(rows: np.ndarray) -> Any:
    return "" if rows.size == 0 else str(rows.item()) if rows.size == 1 else rows.squeeze()


def _one_cell(content: Any) -> np.ndarray:
    cell = np.empty((), dtype=object)
    cell[()] = content
    return cell


def _squeezed(values: np.ndarray, convert: Any) -> Any:
    """``convert`` applied to each entry; the entry itself if there is one only."""
    if values.size == 1:
        return convert(values.reshape(-1)[0])
    converted = np.empty(values.size, dtype=object)
    for i, entry in enumerate(values.reshape(-1)):
        converted[i] = convert(entry)
    return converted.reshape(values.shape).squeeze()


def _load_hdf5(path: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        return {str(k): _plain_hdf5(file[k], file) for k in file if not str(k).startswith("#")}


def _plain_hdf5(item: Any, file: Any) -> Any:
    """Plain types for an HDF5 group or data set as MATLAB writes them."""
    import h5py

    kind = item.attrs.get("MATLAB_class", b"").decode()
    if isinstance(item, h5py.Group):
        if kind != "struct":
            raise ValueError(f"{item.name} is a {kind or 'group'}, which is not supported")
        return _struct(item, file)
    if "MATLAB_empty" in item.attrs:
        return _empty(item, kind)
    # HDF5 counts rows first, MATLAB columns first.
    values = np.asarray(item[()]).T
    if kind == "cell":
        cells = _squeezed(values, lambda reference: _plain_hdf5(file[reference], file))
        return cells if values.size > 1 else _one_cell(cells)
    if kind == "char":
        return _text(np.array(["".join(map(chr, row)) for row in np.atleast_2d(values)]))
    if kind == "logical":
        return values.squeeze().astype(np.uint8)
    if not np.issubdtype(values.dtype, np.number):
        raise ValueError(f"{item.name} holds {kind or values.dtype}, which is not supported")
    return values.squeeze()


def _struct(group: Any, file: Any) -> Any:
    """A dict, or for a struct array, whose fields are arrays of references, an array of dicts."""
    import h5py

    def is_array_field(field: Any) -> bool:
        return (
            isinstance(field, h5py.Dataset)
            and "MATLAB_class" not in field.attrs
            and h5py.check_ref_dtype(field.dtype) is not None
        )

    if not (len(group) and all(is_array_field(group[name]) for name in group)):
        return {name: _plain_hdf5(group[name], file) for name in group}
    fields = {name: group[name][()].T for name in group}
    entries = np.empty(next(iter(fields.values())).shape, dtype=object)
    for index in np.ndindex(entries.shape):
        entries[index] = {n: _plain_hdf5(file[refs[index]], file) for n, refs in fields.items()}
    return entries.squeeze()


def _empty(item: Any, kind: str) -> Any:
    """An empty MATLAB array is stored as its shape."""
    if kind == "char":
        return ""
    shape = tuple(int(n) for n in item[()])
    return np.empty(shape, dtype=object if kind in ("cell", "struct") else float).squeeze()
