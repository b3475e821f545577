"""One function reads both kinds of MATLAB file into the same plain types."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import eye

from neurorec.datasets.readers.matlab import load_mat

CONTENT = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "row": np.arange(4.0)[None],
    "scalar": np.array([[2.5]]),
    "flag": np.array([[True, False]]),
    "name": "µV per ms",
    "cell": np.array([["one", np.arange(3.0)[None]]], dtype=object),
    "entry": {"label": "x", "values": np.ones((2, 2))},
    "entries": np.array([[{"label": "a"}, {"label": "bc"}], [{"label": "d"}, {"label": "e"}]]),
    "nothing": np.zeros((0, 0)),
}


def write_version_5(path):
    entries = np.empty(CONTENT["entries"].shape, dtype=[("label", object)])
    for index, entry in np.ndenumerate(CONTENT["entries"]):
        entries[index]["label"] = entry["label"]
    savemat(path, CONTENT | {"entries": entries}, oned_as="row")


def write_version_7_3(path):
    """What MATLAB's ``save -v7.3`` writes: HDF5, axes reversed, classes in attributes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")

        def array(parent, name, values, kind="double"):
            item = parent.create_dataset(name, data=np.asarray(values).T)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
            return file[item.name].ref

        def text(parent, name, value):
            return array(parent, name, np.array([[ord(c) for c in value]], np.uint16), "char")

        def reference_array(parent, name, references):
            table = np.array(references, dtype=h5py.ref_dtype)
            return parent.create_dataset(name, data=table.T, dtype=h5py.ref_dtype)

        for name in ("matrix", "row", "scalar"):
            array(file, name, CONTENT[name])
        array(file, "flag", CONTENT["flag"].astype(np.uint8), "logical")
        file["flag"].attrs["MATLAB_int_decode"] = np.int32(1)
        text(file, "name", CONTENT["name"])
        cells = [[text(references, "a", "one"), array(references, "b", np.arange(3.0)[None])]]
        reference_array(file, "cell", cells).attrs["MATLAB_class"] = np.bytes_("cell")
        entry = file.create_group("entry")
        entry.attrs["MATLAB_class"] = np.bytes_("struct")
        text(entry, "label", "x")
        array(entry, "values", np.ones((2, 2)))
        entries = file.create_group("entries")
        entries.attrs["MATLAB_class"] = np.bytes_("struct")
        labels = [
            [text(references, f"label_{entry['label']}", entry["label"]) for entry in row]
            for row in CONTENT["entries"]
        ]
        reference_array(entries, "label", labels)
        nothing = file.create_dataset("nothing", data=np.zeros(2, np.uint64))
        nothing.attrs["MATLAB_class"] = np.bytes_("double")
        nothing.attrs["MATLAB_empty"] = np.uint8(1)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


WRITERS = {"5": write_version_5, "7.3": write_version_7_3}


@pytest.fixture(params=WRITERS)
def loaded(request, tmp_path):
    path = tmp_path / "content.mat"
    WRITERS[request.param](path)
    return load_mat(path)


def test_variables(loaded):
    assert set(loaded) == set(CONTENT)


def test_numbers(loaded):
    np.testing.assert_array_equal(loaded["matrix"], CONTENT["matrix"])
    np.testing.assert_array_equal(loaded["row"], [0, 1, 2, 3])
    assert loaded["row"].ndim == 1
    assert loaded["scalar"].shape == ()
    assert loaded["scalar"] == 2.5
    np.testing.assert_array_equal(loaded["flag"], [1, 0])
    assert loaded["flag"].dtype == np.uint8
    assert loaded["nothing"].size == 0


def test_text(loaded):
    assert loaded["name"] == "µV per ms"


def test_cells(loaded):
    assert loaded["cell"].shape == (2,)
    assert loaded["cell"][0] == "one"
    np.testing.assert_array_equal(loaded["cell"][1], [0, 1, 2])


def test_structs(loaded):
    assert loaded["entry"]["label"] == "x"
    np.testing.assert_array_equal(loaded["entry"]["values"], np.ones((2, 2)))


def test_struct_arrays(loaded):
    labels = [[entry["label"] for entry in row] for row in loaded["entries"]]
    assert labels == [["a", "bc"], ["d", "e"]]


@pytest.mark.parametrize("version", WRITERS)
@pytest.mark.parametrize("keep", [19, 200, 0.5])
def test_truncated(version, keep, tmp_path):
    path = tmp_path / "content.mat"
    WRITERS[version](path)
    body = path.read_bytes()
    path.write_bytes(body[: int(keep if keep > 1 else keep * len(body))])
    with pytest.raises(ValueError, match=r"content\.mat cannot be read by the reader 'matlab'"):
        load_mat(path)


def test_another_format(tmp_path):
    path = tmp_path / "content.mat"
    path.write_text("no MATLAB file")
    with pytest.raises(ValueError, match=r"does not begin as MATLAB files of version 5 or 7.3 do"):
        load_mat(path)


def test_sparse_matrix(tmp_path):
    path = tmp_path / "content.mat"
    savemat(path, {"s": eye(3, format="csc")})
    with pytest.raises(ValueError, match=r"holds a csc_.*, which is not supported"):
        load_mat(path)


@pytest.mark.parametrize("kind", ["function_handle", ""])
def test_version_7_3_with_an_object(kind, tmp_path):
    path = tmp_path / "content.mat"
    write_version_7_3(path)
    with h5py.File(path, "a") as file:
        group = file.create_group("handle")
        if kind:
            group.attrs["MATLAB_class"] = np.bytes_(kind)
    with pytest.raises(ValueError, match=f"handle is a {kind or 'group'}, which is not supported"):
        load_mat(path)


def test_version_7_3_with_an_unknown_type(tmp_path):
    path = tmp_path / "content.mat"
    write_version_7_3(path)
    with h5py.File(path, "a") as file:
        file["text"] = "HDF5 text"
    with pytest.raises(ValueError, match=r"text holds .*S9, which is not supported"):
        load_mat(path)
