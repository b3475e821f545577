"""``kriegeskorte-2008``: equal to the independent conversion; figures of the paper's data."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr

from neurorec import datasets
from neurorec.datasets.rdms import square
from neurorec.datasets.readers import matlab_rdms

CONDITION = ("stimulus_id", "object_name", "human", "face", "animal", "natural")


@pytest.fixture
def loaded(mirror) -> datasets.NeuralData:
    return datasets.load("kriegeskorte-2008")


@pytest.fixture
def conversion(expected) -> xr.Dataset:
    with xr.open_dataset(expected / "rdm92.nc", engine="h5netcdf") as dataset:
        return dataset.load()


def test_rdms_equal_the_independent_conversion(loaded, conversion):
    assert loaded.rdms.dims == ("rdm", "condition", "condition_b")
    assert loaded.rdms.dtype == np.float32
    np.testing.assert_array_equal(loaded.rdms.values, conversion["rdm"].values)
    for name in ("rdm_name", "rdm_kind", "subject", "session", "species", *CONDITION):
        assert loaded.rdms[name].values.tolist() == conversion[name].values.tolist(), name
    assert loaded.assembly is None


def test_images_equal_the_independent_conversion(loaded, conversion):
    np.testing.assert_array_equal(loaded.stimuli.pixels, conversion["image"].values)
    for name in CONDITION:
        assert loaded.stimuli.table[name].tolist() == conversion[name].values.tolist(), name


def test_categories_equal_the_independent_conversion(loaded, conversion):
    for i, label in enumerate(conversion["category_label"].values.tolist()):
        ours = loaded.stimuli.table[f"category_{label}"]
        assert ours.tolist() == conversion["category_membership"].values[:, i].astype(bool).tolist()


def test_reference_figures(loaded):
    upper = np.triu_indices(92, k=1)
    rdm = {
        name: values[upper]
        for name, values in zip(
            loaded.rdms["rdm_name"].values.tolist(), loaded.rdms.values.astype(float), strict=True
        )
    }
    monkey, human = rdm["mIT_674neurons"], rdm["hITvisStim_316vx"]
    # The references are given to three digits.
    assert np.corrcoef(monkey, human)[0, 1] == pytest.approx(0.491, abs=5e-4)
    assert spearmanr(monkey, human)[0] == pytest.approx(0.439, abs=5e-4)


def test_provenance_of_a_data_set_without_options(loaded):
    assert loaded.provenance["options"] == {}
    assert len(loaded.provenance["sha256"]) == 6


@pytest.mark.parametrize(
    "name",
    [
        "Kriegeskorte_Neuron2008_supplementalData.mat",
        "92_brainRDMs.mat",
        "92_behavRDMs.mat",
        "92_modelRDMs.mat",
        "rdm92_HMAXnatImPatch.mat",
    ],
)
def test_a_file_with_other_variables_is_named(name, mirror, tmp_path, monkeypatch):
    """Each file in turn is replaced by one that lacks what the reader looks for."""
    from scipy.io import savemat

    other = tmp_path / name
    savemat(other, {"something": 1.0})
    files = {
        path: other if path.endswith(f"/{name}") else local
        for path, local in datasets.fetch("kriegeskorte-2008").items()
    }
    monkeypatch.setattr(matlab_rdms, "fetch_files", lambda _: files)
    with pytest.raises(ValueError, match=f"{name} cannot be read by the reader 'matlab_rdms'"):
        matlab_rdms.read(datasets.info("kriegeskorte-2008"), matlab_rdms.Options())


def test_square():
    np.testing.assert_array_equal(
        square(np.array([1.0, 2.0, 3.0])), [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    )


@pytest.mark.parametrize("values", [[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
def test_no_dissimilarity_matrix(values):
    with pytest.raises(ValueError, match="symmetric with a diagonal of zeros"):
        square(np.array(values))
