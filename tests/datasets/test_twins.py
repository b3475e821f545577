"""Simulated twins have the shape and labels of the recordings, and say that they are simulated."""

import numpy as np
import pytest

from neurorec import assemblies, datasets
from neurorec.datasets.twins import TWINS


@pytest.fixture(scope="module")
def cowley():
    return datasets.simulated("cowley-2023")


@pytest.fixture(scope="module")
def zhang_desimone():
    return datasets.simulated("zhang-desimone-2011")


@pytest.fixture(scope="module")
def kriegeskorte():
    return datasets.simulated("kriegeskorte-2008")


def same_labels(ours, theirs):
    assert set(ours.coords) == set(theirs.coords)
    for name, coordinate in theirs.coords.items():
        assert ours[name].dims == coordinate.dims, name
        assert ours[name].dtype.kind == coordinate.dtype.kind, name


@pytest.mark.slow
def test_cowley_has_the_labels_of_the_recording(cowley, mirror):
    real = datasets.load("cowley-2023")
    same_labels(cowley.assembly, real.assembly)
    assert cowley.stimuli.pixels.shape == real.stimuli.pixels.shape
    assert cowley.assembly.dtype == real.assembly.dtype
    assert cowley.assembly.attrs["units"]


def test_cowley(cowley):
    counts = assemblies.average_repetitions(cowley.assembly)["n_repetitions"].values
    assert len(counts) == 640
    assert (counts.min(), counts.max()) == (6, 10)
    assert cowley.assembly.sizes["neuroid"] == 50
    assert cowley.assembly["stimulus_id"].values.tolist()[0] == cowley.stimuli.stimulus_ids[0]
    index = cowley.assembly["stimulus_index"].values
    shown = np.array(cowley.stimuli.stimulus_ids)[index]
    assert shown.tolist() == cowley.assembly["stimulus_id"].values.tolist()


def test_cowley_is_about_as_reliable_as_the_recording(cowley):
    activity = cowley.assembly.values[:, :, 0].astype(float)
    index, odd = cowley.assembly["stimulus_index"].values, cowley.assembly["repetition"].values % 2
    means = [
        np.stack([activity[(index == i) & (odd == k)].mean(axis=0) for i in range(640)])
        for k in (0, 1)
    ]
    half = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*(m.T for m in means), strict=True)])
    assert np.median(2 * half / (1 + half)) == pytest.approx(0.76, abs=0.05)


@pytest.mark.slow
def test_zhang_desimone_has_the_labels_of_the_recording(zhang_desimone, mirror, cache, monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", str(mirror))
    # Session 1006 has the presentations that all sessions have.
    real = datasets.load("zhang-desimone-2011", session="1006").assembly
    same_labels(zhang_desimone.assembly, real)
    assert zhang_desimone.assembly.dtype == real.dtype
    for name in ("stimulus_id", "object_name", "position", "repetition"):
        assert zhang_desimone.assembly[name].values.tolist() == real[name].values.tolist()


def test_zhang_desimone(zhang_desimone):
    assembly = zhang_desimone.assembly
    assert assembly.shape == (419, 132, 100)
    assert len(set(assembly["session_id"].values.tolist())) == 21
    # Repetition k of a stimulus is its k-th showing in every session.
    order = assembly["trial_order"].values
    for stimulus in ("car_upper", "kiwi_lower"):
        rows = order[assembly["stimulus_id"].values == stimulus]
        assert (np.diff(rows, axis=0) > 0).all()
    sessions = assembly["session_id"].values
    assert (order[:, sessions == 1001] == order[:, sessions == 1001][:, :1]).all()
    assert (order[:, sessions == 1001][:, 0] != order[:, sessions == 1002][:, 0]).any()


def test_zhang_desimone_responds_after_its_latency_and_knows_objects(zhang_desimone):
    assembly = zhang_desimone.assembly
    start = assembly["time_bin_start"].values
    rate = assembly.values.mean(axis=(0, 1))
    assert rate[(start >= 120) & (start < 200)].mean() > 2 * rate[start < 50].mean()
    counts = assembly.values[:, :, (start >= 100) & (start < 250)].sum(axis=2).astype(float)
    names, odd = assembly["object_name"].values, assembly["repetition"].values % 2 == 1
    objects = np.unique(names)
    scaled = (counts - counts[~odd].mean(axis=0)) / (counts[~odd].std(axis=0) + 1e-9)
    prototypes = np.stack([scaled[~odd & (names == name)].mean(axis=0) for name in objects])
    nearest = objects[np.corrcoef(scaled[odd], prototypes)[: odd.sum(), odd.sum() :].argmax(axis=1)]
    assert 0.7 < (nearest == names[odd]).mean() < 1


def test_zhang_desimone_options():
    data = datasets.simulated("zhang-desimone-2011", bin_width_ms=100, session="1003")
    assert data.assembly.sizes["time_bin"] == 10
    assert set(data.assembly["session_id"].values.tolist()) == {1003}
    assert data.provenance["options"] == {"bin_width_ms": 100, "session": "1003"}


def test_kriegeskorte(kriegeskorte):
    assert kriegeskorte.stimuli.pixels.shape == (92, 175, 175, 3)
    rdms = kriegeskorte.rdms
    kinds = rdms["rdm_kind"].values
    assert (kinds == "neural_subject").sum() == 8
    assert sorted(rdms["species"].values[kinds == "neural"].tolist()) == ["human", "macaque"]
    assert rdms["stimulus_id"].values.tolist() == kriegeskorte.stimuli.stimulus_ids
    monkey, human = rdms.values[:2, *np.triu_indices(92, k=1)]
    assert np.corrcoef(monkey, human)[0, 1] > 0.4


def test_kriegeskorte_has_the_table_of_the_recording(kriegeskorte, mirror):
    real = datasets.load("kriegeskorte-2008").stimuli.table
    for name in ("object_name", "human", "face", "animal", "natural"):
        assert kriegeskorte.stimuli.table[name].tolist() == real[name].tolist(), name


@pytest.mark.parametrize("name", TWINS)
def test_every_twin_says_that_it_is_simulated(name, request):
    data = request.getfixturevalue(name.rpartition("-")[0].replace("-", "_"))
    assert data.identifier == f"simulated-{name}"
    assert data.provenance["simulated"] is True
    assert data.provenance["title"].startswith("SIMULATED twin of ")
    part = data.assembly if data.assembly is not None else data.rdms
    assert part.attrs["simulated"] == 1
    assert part.attrs["title"].startswith("SIMULATED twin of ")


def test_seeds(zhang_desimone):
    again = datasets.simulated("zhang-desimone-2011", seed=0)
    other = datasets.simulated("zhang-desimone-2011", seed=1)
    np.testing.assert_array_equal(again.assembly.values, zhang_desimone.assembly.values)
    assert (other.assembly.values != zhang_desimone.assembly.values).any()


def test_what_has_no_twin():
    with pytest.raises(
        ValueError, match=r"simulated data set must be one of \['cowley-2023'.*'cifar"
    ):
        datasets.simulated("cifar10-jpeg")
    with pytest.raises(
        ValueError, match=r"session of the simulated twin must be one of \['210325'\]"
    ):
        datasets.simulated("cowley-2023", session="190923")
    with pytest.raises(ValueError, match=r"session must be one of \['1001'.*got '1'"):
        datasets.simulated("zhang-desimone-2011", session="1")
