"""``neurorec compare``: what is scored, written, drawn, and refused."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neurorec import datasets, encoding
from neurorec.cli import _comparing
from neurorec.cli._scores_text import _MOST_ROWS, _rows, _thinned
from neurorec.datasets import NeuralData, Population, simulate_population, synthetic_images
from neurorec.models import build
from neurorec.recording import Sample, open_recording, record

N_STIMULI = 60
N_BINS = 3
TIMESTEPS = 4


@pytest.fixture(scope="session")
def monkey() -> NeuralData:
    """Neurons of two regions that see synthetic images."""
    images = synthetic_images(np.arange(N_STIMULI), size=64, seed=0)
    population = Population(n_neuroids=6, dimension=4, start_ms=60, stop_ms=180, bin_width_ms=40)
    data = simulate_population(images, population, seed=0).data
    assert data.assembly is not None
    regions = ("neuroid", ["V4"] * 2 + ["IT"] * 4)
    table = images.table.assign(category=np.arange(N_STIMULI) % 4)
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
    network = build("greco2025-fb-dropout", input_size=8, timesteps=TIMESTEPS)
    options = {"areas": ["a1", "a3"], "units": Sample(30), "dt_ms": 50.0, "device": "cpu"}
    record(network, monkey.stimuli, out=out, **options)
    return out


@pytest.fixture(scope="session")
def finished(monkey, recorded) -> xr.Dataset:
    """Scores, computed once."""
    features = open_recording(recorded).load("a3")
    options = {"splits": encoding.KFold(5, seed=3), "ceiling": encoding.Ceiling(seed=3)}
    return encoding.fit(features, monkey.assembly, device="cpu", **options)


class Calls(list):
    """What each fit was given."""

    def watching(self, fit):
        def watched(features, responses, **options):
            self.append({"features": features, "responses": responses, **options})
            return fit(features, responses, **options)

        return watched


@pytest.fixture
def fits(monkeypatch, finished) -> Calls:
    """Calls of a fit that gives the same scores each time."""
    calls = Calls()
    monkeypatch.setattr(encoding, "fit", calls.watching(lambda *_, **__: finished.copy()))
    return calls


@pytest.fixture
def real_fits(monkeypatch) -> Calls:
    """Calls of the fit itself."""
    calls = Calls()
    monkeypatch.setattr(encoding, "fit", calls.watching(encoding.fit))
    return calls


@pytest.fixture
def compare(neurorec, known, recorded, tmp_path):
    """Compares with the simulated data; exit code, standard output and standard error."""

    def answer(*options, source=recorded, out=tmp_path / "scores.nc"):
        return neurorec("compare", source, "cowley-2023", "--out", out, "--device", "cpu", *options)

    return answer


def opened(path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf") as scores:
        return scores.load()


def test_scores_of_an_area_are_written(compare, monkey, real_fits, finished, recorded, tmp_path):
    code, printed, _ = compare("--area", "a3", "--seed", 3)
    assert code == 0
    scores = opened(tmp_path / "scores.nc")
    assert dict(scores["score"].sizes) == {
        "split": 5,
        "neuroid": 6,
        "model_time": TIMESTEPS,
        "time_bin": N_BINS,
    }
    for name in ("score", "noise_corrected", "ceiling"):
        np.testing.assert_allclose(scores[name], finished[name], rtol=1e-9)
    provenance = json.loads(scores.attrs["provenance"])
    assert provenance["features_of"]["recording"] == str(recorded)
    assert provenance["features_of"]["options"]["timesteps"] == TIMESTEPS
    assert provenance["responses_of"] == monkey.provenance
    assert scores.attrs["dt_ms"] == 50.0
    assert scores.attrs["simulated"] == 1
    assert scores.attrs["dataset"] == monkey.identifier
    *lines, last = printed.splitlines()
    assert last == str(tmp_path / "scores.nc")
    words = " ".join(" ".join(lines).split())
    assert f"median noise-corrected r over 6 neurons, {N_STIMULI} stimuli; at most 8" in words
    assert "neurons unreliable in some bin, kept" in words
    assert "KFold(n_splits=5, seed=3" in words
    assert "100–140" in words
    assert "medians from the worst to the best timestep" in words


@pytest.mark.slow
def test_a_figure_and_its_numbers(compare, fits, tmp_path):
    code, _, _ = compare("--area", "a3", "--figure", tmp_path / "grid.png")
    assert code == 0
    assert {"grid.pdf", "grid.png", "grid.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert len(pd.read_csv(tmp_path / "grid.csv")) == TIMESTEPS * N_BINS


@pytest.mark.slow
def test_a_figure_of_one_timestep_is_over_bins(compare, real_fits, tmp_path):
    code, _, _ = compare("--figure", tmp_path / "over.time", source="pixels")
    assert code == 0
    table = pd.read_csv(tmp_path / "over.time.csv")
    assert len(table) == N_BINS
    assert "best_of_bin" not in table  # a column of the matrix


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["scores.nc", "f.csv"])
def test_what_exists_is_replaced_when_told(compare, fits, tmp_path, existing):
    (tmp_path / existing).write_text("mine")
    given = ("--area", "a3", "--figure", tmp_path / "f.pdf")
    code, _, errors = compare(*given)
    assert code == 2
    assert f"{existing} exists; name another file, or replace it with --force" in errors
    assert (tmp_path / existing).read_text() == "mine"
    assert not fits
    assert compare(*given, "--force")[0] == 0
    assert "score" in opened(tmp_path / "scores.nc")
    assert (tmp_path / "f.csv").read_text() != "mine"


def test_a_failed_write_leaves_nothing(compare, fits, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    code, _, errors = compare("--area", "a3")
    assert code == 2
    assert "No space left" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("source", "region"), [("pixels", "pixels"), ("gabor", "gabor_energy")])
def test_a_baseline_is_of_the_images_that_were_shown(compare, fits, source, region):
    code, printed, _ = compare(source=source)
    assert code == 0
    (fit,) = fits
    assert set(fit["features"]["region"].values) == {region}
    assert fit["features"].sizes["presentation"] == N_STIMULI
    assert "60–100" in printed


def test_images_that_were_not_shown_are_no_features(compare, fits, monkey, monkeypatch):
    shown = monkey.stimuli.stimulus_ids[:30]
    kept = np.flatnonzero(np.isin(monkey.assembly["stimulus_id"].values, shown))
    fewer = replace(monkey, assembly=monkey.assembly.isel(presentation=kept))
    monkeypatch.setattr(datasets, "load", lambda name, **_: fewer)
    assert compare(source="pixels")[0] == 0
    assert fits[0]["features"]["stimulus_id"].values.tolist() == shown


def test_only_neurons_of_a_region(compare, fits):
    assert compare("--area", "a3", "--region", "IT")[0] == 0
    assert fits[0]["responses"]["region"].values.tolist() == ["IT"] * 4


def test_the_session_goes_to_the_data_set(compare, fits, known):
    assert compare("--area", "a3", "--session", "190923")[0] == 0
    assert known == {"session": "190923"}


def test_stimuli_are_described_by_the_columns_of_their_set(compare, fits):
    assert compare("--area", "a3")[0] == 0
    responses = fits[0]["responses"]
    numbers = [int(c) for c in responses["category"].values[:3]]
    order = {s: i % 4 for i, s in enumerate(dict.fromkeys(responses["stimulus_id"].values))}
    assert numbers == [order[s] for s in responses["stimulus_id"].values[:3]]


def test_mismatched_stimuli_are_counted(compare, fits, monkey, monkeypatch):
    kept = np.isin(monkey.assembly["stimulus_id"].values, monkey.stimuli.stimulus_ids[:30])
    fewer = replace(monkey, assembly=monkey.assembly.isel(presentation=np.flatnonzero(kept)))
    monkeypatch.setattr(datasets, "load", lambda name, **_: fewer)
    code, _, errors = compare("--area", "a3")
    assert code == 2
    assert f"share 30 stimuli; {N_STIMULI - 30} are only in" in errors
    assert "and 0 only in" in errors
    assert "--intersect uses those of both" in errors
    assert errors.count("\n") == 1
    assert compare("--area", "a3", "--intersect")[0] == 0
    assert fits[0]["on_mismatch"] == "intersect"


def test_other_stimuli(compare, monkey, monkeypatch):
    names = np.array([f"other{i}" for i in range(monkey.assembly.sizes["presentation"])])
    renamed = monkey.assembly.assign_coords(stimulus_id=("presentation", names))
    other = replace(monkey, assembly=renamed, stimuli=None)
    monkeypatch.setattr(datasets, "load", lambda name, **_: other)
    code, _, errors = compare("--area", "a3")
    assert code == 2
    assert f"share no stimulus: {N_STIMULI} and" in errors
    assert "record the images of the data set" in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--area", "V7"), "no area 'V7' in"),
        (("--area", "V7"), "it has ['a1', 'a3']"),
        ((), "name one with --area; "),
        ((), "r.h5 has a1, a3"),
        (("--area", "a3", "--region", "V1"), "--region must be one of ['IT', 'V4'], got 'V1'"),
        (("--readout", "lasso"), "--readout must be one of ["),
        (("--time", "often"), "--time must be one of ["),
        (("--time", "grid:50"), "only match takes a number, the latency in ms"),
        (("--splits", "folds:5"), "--splits must be one of ["),
        (("--splits", "kfold:5:6"), "at most 1 may follow kfold, got 2; such as kfold:5"),
        (("--splits", "kfold:few"), "--splits kfold:few: 'few' is not a number"),
        (("--ceiling", "glass"), "--ceiling must be one of ["),
    ],
)
def test_wrong_options_are_one_line(compare, fits, tmp_path, options, message):
    code, _, errors = compare(*options)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1
    assert not fits
    assert not (tmp_path / "scores.nc").exists()


def test_a_baseline_has_no_areas(compare):
    code, _, errors = compare("--area", "a3", source="pixels")
    assert code == 2
    assert "pixels is a baseline of the images and has no areas; omit --area" in errors


def test_a_file_of_that_name_is_no_baseline(compare, fits, monkeypatch, recorded, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixels").write_bytes(recorded.read_bytes())
    assert compare("--area", "a3", source="pixels")[0] == 0


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("assembly", "has no responses of neurons to predict"),
        ("stimuli", "comes without images, of which pixels could be computed"),
    ],
)
def test_a_data_set_that_lacks_a_part(compare, monkey, monkeypatch, part, message):
    monkeypatch.setattr(datasets, "load", lambda name, **_: replace(monkey, **{part: None}))
    code, _, errors = compare(source="pixels")
    assert code == 2
    assert message in errors


def test_an_unknown_data_set(neurorec, tmp_path):
    code, _, errors = neurorec("compare", "r.h5", "no-such-data", "--out", tmp_path / "s.nc")
    assert code == 2
    assert "no-such-data" in errors
    assert "cowley-2023" in errors
    assert errors.count("\n") == 1


def test_no_recording(compare, tmp_path):
    code, _, errors = compare(source=tmp_path / "absent.h5")
    assert code == 2
    assert "there is no recording" in errors


def test_a_recording_that_is_not_finished(compare, monkey, monkeypatch, tmp_path):
    out = tmp_path / "half.h5"
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    network = build("greco2025-fb-dropout", input_size=8, timesteps=2)
    record(network, monkey.stimuli, out=out, areas=["a3"], batch_size=30, device="cpu")
    code, _, errors = compare(source=out)
    assert code == 2
    assert "is not finished: 1 of 2 batches are whole; finish it with 'neurorec record" in errors


def test_one_area_needs_no_name(compare, fits, monkey, tmp_path):
    out = tmp_path / "one.h5"
    network = build("greco2025-ff", input_size=8, timesteps=2)
    record(network, monkey.stimuli, out=out, areas=["a3"], units=Sample(5), device="cpu")
    assert compare(source=out)[0] == 0
    assert fits[0]["features"].name == "a3"


@pytest.mark.parametrize(("name", "of"), _comparing.READOUTS.items())
def test_readouts(compare, fits, name, of):
    assert compare("--area", "a3", "--readout", name)[0] == 0
    assert type(fits[0]["readout"]) is getattr(encoding, of)


@pytest.mark.slow
@pytest.mark.parametrize("time", _comparing.TIMES)
def test_times(compare, real_fits, tmp_path, time):
    assert compare("--area", "a3", "--time", time, "--draws", 5)[0] == 0
    assert real_fits[0]["time"] == time
    n = opened(tmp_path / "scores.nc").sizes["model_time"]
    assert n == (TIMESTEPS if time in ("grid", "cumulative") else 1)


def test_a_latency(compare, fits):
    assert compare("--area", "a3", "--time", "match:50")[0] == 0
    assert fits[0]["time"] == encoding.Match(latency_ms=50.0)
    code, _, errors = compare("--area", "a3", "--time", "match:late", "--force")
    assert code == 2
    assert "--time match:late: 'late' is not a number" in errors


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("kfold", lambda: encoding.KFold(seed=2)),
        ("kfold:3", lambda: encoding.KFold(3, seed=2)),
        ("random:4:0.2", lambda: encoding.RandomSplits(4, 0.2, seed=2)),
        ("groups:category", lambda: encoding.GroupFolds("category")),
        ("groups:group:4", lambda: encoding.GroupFolds("group", 4)),
    ],
)
def test_splits(compare, fits, text, made):
    assert compare("--area", "a3", "--splits", text, "--seed", 2)[0] == 0
    assert fits[0]["splits"] == made()


def test_a_fixed_split(compare, fits, monkey, monkeypatch):
    table = monkey.stimuli.table.assign(part=["train"] * (N_STIMULI - 10) + ["test"] * 10)
    parted = replace(monkey, stimuli=replace(monkey.stimuli, table=table))
    monkeypatch.setattr(datasets, "load", lambda name, **_: parted)
    assert compare("--area", "a3", "--splits", "fixed:part")[0] == 0
    assert fits[0]["splits"] == encoding.FixedSplit("part")


@pytest.mark.parametrize("name", _comparing.CEILINGS)
def test_ceilings(compare, fits, name):
    assert compare("--area", "a3", "--ceiling", name, "--seed", 4)[0] == 0
    assert fits[0]["ceiling"] == encoding.Ceiling(seed=4, **_comparing.CEILINGS[name])


def test_draws(compare, fits):
    assert compare("--area", "a3", "--draws", 30, "--seed", 5)[0] == 0
    assert fits[0]["bootstrap"] == encoding.Bootstrap(n_draws=30, seed=5)


def test_several_areas_predict_together(compare, fits):
    assert compare("--area", "a1", "--area", "a3", "--readout", "banded")[0] == 0
    assert list(fits[0]["features"]) == ["a1", "a3"]


def cells(n_steps: int, n_bins: int, chosen: float = np.nan) -> pd.DataFrame:
    start = np.tile(20.0 * np.arange(n_bins), n_steps)
    median = np.arange(n_steps * n_bins) / 10
    return pd.DataFrame(
        {
            "timestep": np.repeat(np.arange(float(n_steps)), n_bins),
            "time_bin_start": start,
            "time_bin_end": start + 20,
            "median": median,
            "ci_low": median - 0.3,
            "ci_high": median + 0.2,
            "static_control": np.nan,
            "chosen_in_training": chosen,
            "chosen_ci_low": chosen - 0.1,
            "chosen_ci_high": chosen + 0.05,
            "ceiling_median": 0.8,
        }
    )


def test_a_row_for_each_bin():
    rows = _rows(cells(1, 3))
    assert [row["time (ms)"] for row in rows] == ["0–20", "20–40", "40–60"]
    assert rows[2] == {
        "time (ms)": "40–60",
        "median": "0.20",
        "interval": "-0.10 to 0.40",
        "static control": "–",
        "ceiling": "0.80",
    }


def test_a_row_for_each_timestep_of_one_bin():
    rows = _rows(cells(3, 1))
    assert [row["timestep"] for row in rows] == ["0", "1", "2"]
    assert [row["median"] for row in rows] == ["0.00", "0.10", "0.20"]


def test_a_matrix_has_a_range_for_each_bin_and_what_was_chosen_in_training():
    rows = _rows(cells(3, 2, chosen=0.25))
    assert [row["median"] for row in rows] == ["0.00 to 0.40", "0.10 to 0.50"]
    assert rows[1]["chosen in training"] == "0.25"
    assert rows[1]["interval"] == "0.15 to 0.30"


def test_without_a_choice_the_interval_is_that_of_all_timesteps():
    rows = _rows(cells(3, 2))
    assert "chosen in training" not in rows[1]
    assert rows[1]["interval"] == "-0.20 to 0.70"


def test_without_draws_there_is_no_interval():
    rows = _rows(cells(1, 2).assign(ci_low=np.nan, ci_high=np.nan))
    assert [row["interval"] for row in rows] == ["–", "–"]


@pytest.mark.parametrize("n", [1, _MOST_ROWS, _MOST_ROWS + 1, 60])
def test_long_tables_are_thinned_evenly(n):
    kept, left_out = _thinned(list(range(n)))
    assert len(kept) + left_out == n
    assert len(kept) <= _MOST_ROWS
    assert len(set(np.diff(kept))) <= 1
    assert left_out == 0 or n > _MOST_ROWS


@pytest.mark.slow
@pytest.mark.data
def test_macaque_v4(neurorec, real_fits, mirror, tmp_path):
    """A network that was not trained predicts single neurons of macaque V4 better than chance."""
    v4 = datasets.load("cowley-2023", session="210325")
    network = build("greco2025-fb", input_size=16, timesteps=3)
    record(network, v4.stimuli, out=tmp_path / "r.h5", areas=["a3"], device="cpu")
    code, printed, _ = neurorec(
        "compare", tmp_path / "r.h5", "cowley-2023", "--session", "210325", "--area", "a3",
        "--out", tmp_path / "v4.nc", "--device", "cpu", "--figure", tmp_path / "v4.pdf",
    )  # fmt: skip
    assert code == 0
    scores = opened(tmp_path / "v4.nc")
    assert scores.sizes["neuroid"] == 50
    assert scores.attrs["n_unreliable"] == 0
    median = scores["median"].sel(quantity="noise_corrected").values
    assert (median > 0.1).all()
    assert "0 neurons unreliable in some bin" in " ".join(printed.split())
    assert (tmp_path / "v4.png").exists()
