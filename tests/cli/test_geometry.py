"""``neurorec geometry``: what is measured, written, drawn, and refused."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurorec import datasets, geometry
from neurorec.cli._geometry_text import facts, rows_of
from neurorec.datasets import NeuralData, Population, simulate_population, synthetic_images
from neurorec.models import build
from neurorec.recording import Sample, open_recording, record

N_STIMULI = 12
TIMESTEPS = 4


@pytest.fixture(scope="session")
def monkey() -> NeuralData:
    """Neurons of two regions that see synthetic images."""
    images = synthetic_images(np.arange(N_STIMULI), size=64, seed=0)
    population = Population(n_neuroids=9, dimension=4, start_ms=60, stop_ms=180, bin_width_ms=40)
    data = simulate_population(images, population, seed=0).data
    assert data.assembly is not None
    regions = ("neuroid", ["V4"] * 4 + ["IT"] * 5)
    table = images.table.assign(category=np.arange(N_STIMULI) % 3)
    return replace(
        data,
        assembly=data.assembly.assign_coords(region=regions),
        stimuli=replace(images, table=table),
    )


@pytest.fixture
def known(monkeypatch, monkey):
    """The simulated data under the name of a data set; the options it was asked for."""
    asked = {}
    monkeypatch.setattr(datasets, "load", lambda name, **options: asked.update(options) or monkey)
    return asked


@pytest.fixture(scope="session")
def recorded(monkey, tmp_path_factory):
    """Two areas of a small network that sees the same images."""
    out = tmp_path_factory.mktemp("recordings") / "r.h5"
    network = build("greco2025-fb", input_size=8, timesteps=TIMESTEPS)
    options = {"areas": ["a1", "a3"], "units": Sample(30), "dt_ms": 50.0, "device": "cpu"}
    record(network, monkey.stimuli, out=out, **options)
    return out


@pytest.fixture
def measure(neurorec, known, recorded, tmp_path):
    """Measures the recording; exit code, standard output and standard error."""

    def answer(*options, source=recorded, out=tmp_path / "g.nc"):
        return neurorec("geometry", source, "--out", out, "--device", "cpu", *options)

    return answer


def opened(path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf") as results:
        return results.load()


def test_every_area_of_a_recording(measure, recorded, tmp_path):
    code, printed, _ = measure()
    assert code == 0
    written = opened(tmp_path / "g.nc")
    expected = geometry.over_time(open_recording(recorded))
    for name in ("rdm", "linear_cka", "participation_ratio", "n_components"):
        np.testing.assert_array_equal(written[name], expected[name])
    assert written["area"].values.tolist() == ["a1", "a3"]
    assert json.loads(written.attrs["provenance"])["of"]["recording"] == str(recorded)
    *lines, last = printed.splitlines()
    assert last == str(tmp_path / "g.nc")
    words = " ".join(" ".join(lines).split())
    assert "12 stimuli, 30 units" in words
    assert f"{float(expected['participation_ratio'][1, 2]):.2f}" in words
    assert "linear CKA" in words


def test_options_reach_the_measures(measure, recorded, tmp_path):
    given = ("--area", "a3", "--measure", "rdm", "--dissimilarity", "cosine")
    assert measure(*given)[0] == 0
    written = opened(tmp_path / "g.nc")
    assert set(written.data_vars) == {"rdm"}
    area = open_recording(recorded).area("a3")
    expected = geometry.rdm(area, method="cosine", precision="float32")
    np.testing.assert_array_equal(written["rdm"], expected)


def test_against_the_neurons_of_a_data_set(measure, monkey, known, recorded, tmp_path):
    given = ("--area", "a3", "--brain", "cowley-2023", "--region", "IT", "--session", "190923")
    code, printed, _ = measure(*given, "--draws", 30, "--seed", 2, "--comparison", "pearson")
    assert code == 0
    assert known == {"session": "190923"}
    written = opened(tmp_path / "g.nc")
    assert dict(written["rsa"].sizes) == {"time_bin": TIMESTEPS, "brain_time_bin": 3}
    brain = geometry.rdm(monkey.assembly.isel(neuroid=slice(4, 9)))
    model = geometry.rdm(open_recording(recorded).area("a3"), precision="float32")
    alone = geometry.compare_with_interval(model, brain, method="pearson", n_draws=30, seed=2)
    np.testing.assert_allclose(written["rsa"], alone["score"], atol=1e-12)
    np.testing.assert_allclose(written["rsa_ci_low"], alone["ci_low"], atol=1e-12)
    assert "RSA: Pearson r of 66 pairs; 95 % bootstrap over stimuli" in printed


def test_against_rdms(measure, monkey, monkeypatch, tmp_path):
    rdms = geometry.rdm(monkey.assembly).rename(time_bin="rdm")[:3].drop_vars("time_bin_start")
    kinds = ("rdm", ["neural", "model", "neural"])
    rdms = rdms.assign_coords(rdm_kind=kinds, species=("rdm", ["macaque", "", "human"]))
    data = replace(monkey, rdms=rdms, assembly=None)
    monkeypatch.setattr(datasets, "load", lambda name, **_: data)
    code, printed, _ = measure("--area", "a1", "--brain", "kriegeskorte-2008", "--draws", 20)
    assert code == 0
    written = opened(tmp_path / "g.nc")
    assert written["brain"].values.tolist() == ["macaque", "human"]
    expected = geometry.compare(written["rdm"], rdms.isel(rdm=[0, 2]))
    np.testing.assert_allclose(written["rsa"], expected, atol=1e-12)
    words = " ".join(printed.split())
    assert "macaque" in words
    assert re.search(r"\d\.\d\d to \d\.\d\d", words)
    code, _, errors = measure("--brain", "kriegeskorte-2008", "--region", "IT", "--force")
    assert code == 2
    assert "--region IT: kriegeskorte-2008 has RDMs, and no neurons to choose from" in errors


def test_the_neurons_of_a_data_set(measure, monkey, tmp_path):
    code, printed, _ = measure("--area", "IT", source="cowley-2023")
    assert code == 0
    written = opened(tmp_path / "g.nc")
    neurons = monkey.assembly.isel(neuroid=slice(4, 9))
    np.testing.assert_allclose(written["rdm"], geometry.rdm(neurons), atol=1e-12)
    assert written["category"].dims == ("condition",)
    assert written.attrs["simulated"] == 1
    assert "time (ms)" in printed
    assert "12 stimuli, 5 units" in printed


@pytest.mark.slow
def test_a_figure_and_a_film(measure, tmp_path):
    given = ("--area", "a3", "--figure", tmp_path / "g.png", "--movie", tmp_path / "m.gif")
    assert measure(*given)[0] == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"g.pdf", "g.png", "g.csv", "m.gif"} <= names
    table = pd.read_csv(tmp_path / "g.csv")
    assert set(table["quantity"]) == {"rdm", "linear_cka", "participation_ratio", "n_components"}


@pytest.mark.parametrize("existing", ["g.nc", "f.csv", "m.gif"])
def test_what_exists_is_not_replaced(measure, tmp_path, existing):
    (tmp_path / existing).write_text("mine")
    given = ("--figure", tmp_path / "f.pdf", "--movie", tmp_path / "m.gif")
    code, _, errors = measure(*given)
    assert code == 2
    assert f"{existing} exists; name another file, or replace it with --force" in errors
    assert (tmp_path / existing).read_text() == "mine"


def test_what_exists_is_replaced_when_told(measure, tmp_path):
    (tmp_path / "g.nc").write_text("mine")
    assert measure("--measure", "n_components", "--force")[0] == 0
    assert "n_components" in opened(tmp_path / "g.nc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--area", "V7"), "no area 'V7' in"),
        (("--measure", "cka"), "--measure must be one of ['alignment_index', "),
        (("--measure", "few_shot"), "--measure few_shot needs --label COLUMN"),
        (("--measure", "principal_angles"), "needs --components NUMBER"),
        (("--dissimilarity", "taxi"), "--dissimilarity must be one of ["),
        (("--measure", "linear_cka", "--movie", "m.gif"), "shows RDMs; add --measure rdm"),
        (("--movie", "m.avi"), "a film ends in .gif or .mp4"),
        (("--session", "1"), "is a recording and has no sessions"),
        (("--brain", "no-such-data"), "no-such-data"),
        (("--brain", "cowley-2023", "--region", "V1"), "--region must be one of ['IT', 'V4']"),
        (("--brain", "cowley-2023", "--comparison", "eye"), "method must be one of ["),
        (("--brain", "cowley-2023", "--draws", "1"), "n_draws of at least 2"),
    ],
)
def test_wrong_options_are_one_line(measure, tmp_path, options, message):
    code, _, errors = measure(*options)
    assert code == 2
    said = [line for line in errors.splitlines() if line.startswith("neurorec: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not (tmp_path / "g.nc").exists()


def test_a_brain_is_not_compared_with_a_brain(measure):
    code, _, errors = measure("--brain", "cowley-2023", source="zhang-desimone-2011")
    assert code == 2
    assert "zhang-desimone-2011 is a data set; give the recording of a model" in errors


def test_other_stimuli(measure, monkey, monkeypatch):
    kept = np.isin(monkey.assembly["stimulus_id"].values, monkey.stimuli.stimulus_ids[:5])
    fewer = replace(monkey, assembly=monkey.assembly.isel(presentation=np.flatnonzero(kept)))
    monkeypatch.setattr(datasets, "load", lambda name, **_: fewer)
    code, _, errors = measure("--brain", "cowley-2023")
    assert code == 2
    assert "must show the same stimuli: 12 and 5, 5 in both; record the images" in errors


def test_no_recording(measure, tmp_path):
    code, _, errors = measure(source=tmp_path / "absent.h5")
    assert code == 2
    assert "there is no recording" in errors


def test_a_recording_that_is_not_finished(measure, monkey, monkeypatch, tmp_path):
    out = tmp_path / "half.h5"
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    network = build("greco2025-ff", input_size=8, timesteps=2)
    record(network, monkey.stimuli, out=out, areas=["a3"], batch_size=6, device="cpu")
    code, _, errors = measure(source=out)
    assert code == 2
    assert "is not finished: 1 of 2 batches are whole; finish it with 'neurorec record" in errors


def test_a_failed_write_leaves_nothing(measure, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    code, _, errors = measure("--measure", "n_components")
    assert code == 2
    assert "No space left" in errors
    assert list(tmp_path.iterdir()) == []


def test_undefined_times_are_dashes_and_long_tables_are_thinned():
    values = np.random.default_rng(0).normal(size=(6, 9, 40))
    values[..., 0] = 0
    panel = geometry.over_time(values, measures=["participation_ratio", "rdm"])
    rows, left_out = rows_of(panel)
    assert len(rows) + left_out == 40
    assert len(rows) <= 16
    assert rows[0] == {"timestep": "0", "participation ratio": "–"}
    assert facts(panel, left_out) == [
        "6 stimuli, 9 units",
        f"{left_out} rows are left out here; the file has all",
    ]
    assert rows_of(geometry.over_time(values, measures=["rdm"])) == ([], 0)
