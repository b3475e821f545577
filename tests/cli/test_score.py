"""``neurorec score``: what is scored, shown, written, resumed and refused."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import neurorec as package
from neurorec import datasets

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec import brainscore
from neurorec.brainscore import (
    Scores,
    benchmark,
    controls,
    fit_regions,
    held_out,
    layer_scores,
    open_benchmark,
    read_regions,
    subject,
)
from neurorec.brainscore.training_stimuli import digests
from neurorec.cli import INTERRUPTED, WRONG_INPUT
from neurorec.figures import layer_scores_table
from neurorec.models import build, save

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)

REGIONS = ("--region", "V4=a2", "--region", "IT=a3", "--dt-ms", "20", "--device", "cpu")
RIDGE, CKA = "cowley-2023@210325:ridge", "cowley-2023@210325:cka"


@pytest.fixture
def few(shared_data, monkeypatch, tmp_path):
    """Some images of the session, instead of all."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    data = datasets.load("cowley-2023", session="210325")
    shown = data.stimuli.select(slice(0, 40))
    known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
    part = replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))
    monkeypatch.setattr(datasets, "load", lambda name, **options: part)
    return part


@pytest.fixture
def checkpoint(tmp_path):
    network = build("greco2025-fb", input_size=16, timesteps=5, seed=3)
    path = tmp_path / "fb.safetensors"
    save(network, path)
    return path


def counting(function, calls):
    def counted(*arguments, **options):
        calls.append(arguments)
        return function(*arguments, **options)

    return counted


class TestScore:
    def test_as_in_python(self, neurorec, few, checkpoint, tmp_path):
        out = tmp_path / "s.json"
        code, shown, said = neurorec("score", checkpoint, RIDGE, CKA, *REGIONS, "--out", out)
        assert code == 0, said
        assert "2 scores: about" in said
        assert "free" in said
        assert str(out) in shown
        assert "score" in shown
        assert "ceiling of ridge: internal_consistency\n" in shown
        assert "ceiling of cka: matrix_reliability\n" in shown
        found = Scores.from_json(out)
        made = subject(checkpoint, {"V4": "a2", "IT": "a3"}, dt_ms=20.0, device="cpu")
        for pair, name in zip(found.pairs, (RIDGE, CKA), strict=True):
            call = open_benchmark(name)
            assert pair.rows[0].score == float(call(made)), name
            assert pair.model == made.identifier

    def test_a_file_that_can_not_be_resumed(self, neurorec, few, checkpoint, tmp_path):
        out = tmp_path / "s.json"
        out.write_text("{}")
        code, _, said = neurorec("score", checkpoint, CKA, *REGIONS, "--out", out, "--resume")
        message = f"neurorec: {out} holds no scores that 'neurorec score' has written\n"
        assert (code, said) == (WRONG_INPUT, message)
        assert out.read_text() == "{}"

    def test_stimuli_on_which_regions_were_chosen(self, neurorec, few, checkpoint, tmp_path):
        file = tmp_path / "r.json"
        fitted = fit_regions(subject(checkpoint, {"V4": "a2"}), few, metric="ridge")
        fitted.to_json(file)
        options = ("--region-map", file, "--device", "cpu")
        code, _, said = neurorec("score", checkpoint, CKA, *options)
        assert code == 0, said
        assert f"the regions of {file} were chosen on 20 of the 40 stimuli" in said
        assert f"leave them out with --held-out {file}, or score another session" in said
        others = {name: "0" for name in fitted.training_stimuli}
        replace(fitted, training_stimuli=others).to_json(file)
        code, _, said = neurorec("score", checkpoint, CKA, *options)
        assert (code, "were chosen on" in said) == (0, False), said

    def test_at_the_time_at_which_regions_were_chosen(self, neurorec, few, checkpoint, tmp_path):
        """From the command that chooses to the file of scores and the plugin."""
        file, out = tmp_path / "r.json", tmp_path / "s.json"
        choose = ("--metric", "ridge", "--dt-ms", 25, "--onset-ms", 10, "--timesteps", 4)
        dataset = ("cowley-2023@210325", "--out", file, "--device", "cpu")
        assert neurorec("brainscore", "regions", checkpoint, *dataset, *choose)[0] == 0
        asked = ("--region-map", file, "--device", "cpu", "--out", out)
        code, _, said = neurorec("score", checkpoint, CKA, *asked)
        assert (code, "asked for" in said) == (0, False), said
        expected = subject(checkpoint, dict(read_regions(file)), dt_ms=25, onset_ms=10, timesteps=4)
        assert Scores.from_json(out).pairs[0].model == expected.identifier
        code, _, said = neurorec("score", checkpoint, CKA, *asked, "--force", "--dt-ms", 20)
        sentence = (
            f"neurorec: the regions of {file} were chosen at 4 timesteps of 25 ms from 10 ms, "
            "and are read at 4 timesteps of 20 ms from 10 ms as asked for; leave that out to keep "
            "theirs"
        )
        assert (code, said.splitlines().count(sentence)) == (0, 1), said
        (of_model,) = json.loads(out.read_text())["provenance"]["models"].values()
        assert of_model["viewer"]["dt_ms"] == 20
        plugin = ("--name", "mine", "--region-map", file, "--out", tmp_path / "plugin")
        assert neurorec("brainscore", "export", checkpoint, *plugin)[0] == 0
        assert subject(tmp_path / "plugin").timeline == expected.timeline
        code, _, said = neurorec(
            "brainscore", "export", checkpoint, *plugin, "--force", "--onset-ms", 0
        )
        assert (code, "from 10 ms, and are read at 4 timesteps of 25 ms from 0 ms" in said) == (
            0,
            True,
        )
        assert subject(tmp_path / "plugin").timeline.onset_ms == 0

    def test_held_out(self, neurorec, few, checkpoint, tmp_path, monkeypatch):
        """What the regions were chosen on is left out; another session is scored whole."""
        file, out = tmp_path / "r.json", tmp_path / "s.json"
        fitted = fit_regions(subject(checkpoint, {"V4": "a2"}, dt_ms=20), few, metric="ridge")
        fitted.to_json(file)
        darker = replace(few.stimuli, pixels=next(few.stimuli.blocks()) // 2)
        other = replace(few, identifier="cowley-2023.other", stimuli=darker)
        sessions = {"210325": few, "190923": other}
        monkeypatch.setattr(datasets, "load", lambda name, session: sessions[session])
        names = (CKA, "cowley-2023@190923:cka")
        options = ("--region-map", file, "--held-out", file, "--device", "cpu", "--out", out)
        code, _, said = neurorec("score", checkpoint, *names, *options)
        assert code == 0, said
        assert f"{names[0]}: scored on the 20 stimuli on which {file} does not rest" in said
        assert f"{names[1]}: {file} rests on none of its 40 stimuli, all are scored" in said
        assert "were chosen on" not in said
        made = subject(checkpoint, fitted.regions, device="cpu")
        part, whole = Scores.from_json(out).pairs
        expected = benchmark(held_out(few, fitted), metric="cka")
        assert (part.benchmark, part.rows[0].score) == (expected.identifier, expected(made))
        assert "held-out.V4-cka" in part.benchmark
        assert (part.rows[0].n_stimuli, whole.rows[0].n_stimuli) == (20, 40)
        assert whole.benchmark == open_benchmark(names[1]).identifier
        everything = dict.fromkeys(digests(few).values())
        names = {str(i): digest for i, digest in enumerate(everything)}
        replace(fitted, training_stimuli=names).to_json(file)
        code, _, said = neurorec("score", checkpoint, CKA, *options, "--force")
        assert (code, "stimuli of cowley-2023" in said, "none is left" in said) == (2, True, True)

    def test_resume(self, neurorec, few, checkpoint, tmp_path):
        out = tmp_path / "s.json"
        first = neurorec("score", checkpoint, CKA, *REGIONS, "--out", out)
        code, _, said = neurorec("score", checkpoint, CKA, *REGIONS, "--out", out)
        assert (first[0], code) == (0, WRONG_INPUT)
        assert "exists; name another file, or replace it with --force" in said
        before = Scores.from_json(out)
        code, _, said = neurorec(
            "score", checkpoint, CKA, RIDGE, *REGIONS, "--out", out, "--resume"
        )
        assert code == 0, said
        after = Scores.from_json(out)
        assert after.pairs[0] == before.pairs[0], "with the seconds that it took then"
        assert len(after.pairs) == 2
        code, _, _ = neurorec("score", checkpoint, CKA, *REGIONS, "--out", out, "--force")
        assert code == 0
        assert len(Scores.from_json(out).pairs) == 1

    def test_controls_and_layers(self, neurorec, few, checkpoint, tmp_path):
        pytest.importorskip("neurorec.brainscore.layers")
        out = tmp_path / "s.json"
        code, shown, said = neurorec(
            "score", checkpoint, CKA, *REGIONS, "--controls", "--layers", "--out", out
        )
        assert code == 0, said
        names = [pair.model.rpartition("-")[0] for pair in Scores.from_json(out).pairs]
        assert names[1:] == ["pixels-64", f"{names[0]}-untrained"]
        assert all(area in shown for area in ("a1", "a2", "a3", "integration"))
        assert all(f"t={step}" in shown for step in range(5))
        layers = pd.read_csv(tmp_path / "s-layers.csv")
        assert layers["score"].notna().all()
        found = {str(name): of for name, of in layers.groupby("model", sort=False)}
        assert list(found) == [pair.model for pair in Scores.from_json(out).pairs]
        assert [len(of) for of in found.values()] == [4 * 5, 1, 4 * 5]
        *_, fresh = controls(subject(checkpoint, {"V4": "a2", "IT": "a3"}, dt_ms=20.0))
        expected = layer_scores_table(layer_scores(fresh, open_benchmark(CKA)))
        rows = found[fresh.identifier][[*expected]].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, expected)

    @pytest.mark.slow
    def test_layers_are_resumed(self, neurorec, few, checkpoint, tmp_path, monkeypatch):
        """Rows of what is done stay, those of another model and benchmark come along."""
        out, layers = tmp_path / "s.json", tmp_path / "s-layers.csv"
        asked = (*REGIONS, "--layers", "--out", out)
        assert neurorec("score", checkpoint, CKA, *asked)[0] == 0
        before = layers.read_text()
        out.unlink()
        code, _, said = neurorec("score", checkpoint, CKA, *asked)
        assert (code, f"{layers} exists; name another file" in said) == (WRONG_INPUT, True)
        counted = []
        monkeypatch.setattr(brainscore, "layer_scores", counting(layer_scores, counted))
        asked = (CKA, RIDGE, *asked, "--resume")
        assert neurorec("score", "pixels", *asked[:2], *asked[6:])[0] == 0
        assert neurorec("score", checkpoint, *asked)[0] == 0
        assert len(counted) == 3
        assert layers.read_text().startswith(before)
        rows = pd.read_csv(layers)
        assert rows.groupby(["model", "benchmark"]).size().tolist() == [20, 20, 1, 1]
        assert (
            neurorec("score", checkpoint, CKA, *REGIONS, "--layers", "--out", out, "--force")[0]
            == 0
        )
        assert layers.read_text() == before

    def test_layers_of_any_name(self, tmp_path):
        from neurorec.cli._scoring_layers import _read

        table = pd.DataFrame({"area": ["NA", "null"], "timestep": [0, 0], "score": [0.5, np.nan]})
        table = table.assign(model="m", benchmark="b", key="k")
        table.to_csv(tmp_path / "layers.csv", index=False)
        pd.testing.assert_frame_equal(_read(tmp_path / "layers.csv")["k"], table)

    @pytest.mark.parametrize(
        "text", ["a,b\n1,2\n", "", "\x00\xff"], ids=["others", "empty", "bytes"]
    )
    def test_layers_that_can_not_be_resumed(self, neurorec, few, checkpoint, tmp_path, text):
        layers = tmp_path / "s-layers.csv"
        layers.write_text(text, encoding="latin-1")
        options = ("--layers", "--out", tmp_path / "s.json", "--resume")
        code, shown, said = neurorec("score", checkpoint, CKA, *REGIONS, *options)
        assert (code, shown, said.count("\n")) == (WRONG_INPUT, "", 1)
        assert f"neurorec: {layers} is no table" in said

    def test_region_map(self, neurorec, few, checkpoint, tmp_path):
        out, regions = tmp_path / "s.json", tmp_path / "regions.json"
        regions.write_text(json.dumps({"V4": ["a2", "a3"]}))
        time = ("--dt-ms", "20", "--device", "cpu")
        code, _, said = neurorec(
            "score", checkpoint, CKA, "--region-map", regions, *time, "--out", out
        )
        assert code == 0, said
        (of_model,) = json.loads(out.read_text())["provenance"]["models"].values()
        assert of_model["regions"] == {"V4": ["a2", "a3"]}

    def test_means_need_a_ceiling(self, neurorec, few, checkpoint, tmp_path):
        out = tmp_path / "s.json"
        code, _, said = neurorec(
            "score", checkpoint, CKA, *REGIONS, "--ceiling", "0.5", "--out", out
        )
        assert code == 0, said
        assert Scores.from_json(out).pairs[0].rows[0].ceiling == 0.5


class TestList:
    def test_list(self, neurorec, shared_data, monkeypatch):
        monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        code, shown, _ = neurorec("score", "--list")
        assert code == 0
        assert "cowley-2023@210325:{pls,ridge" in shown
        assert "MajajHong2015public.IT-pls" in shown
        assert "MajajHong2015.IT-pls" not in shown


#: Options and what is then said, before any work.
WRONG = (
    (("--out", "."), ". exists; name another file, or replace it with --force"),
    (("--out", ".", "--force"), ". is a folder; name a file"),
    (("--out", ".", "--resume"), ". is a folder; name a file"),
    (("--out", "bytes/s.json"), "bytes/s.json cannot be written"),
    (("--out", "bytes", "--resume"), "bytes is no JSON"),
    (("--region-map", "bytes"), "bytes is no JSON file of regions"),
    (("--held-out", "absent"), "absent: No such file or directory"),
    (("--held-out", "bytes"), "bytes is no JSON file of regions"),
    (("--held-out", "r.json"), "r.json does not say on which stimuli its regions were"),
    (("--areas", "V4"), "--areas must be such as V4=features.5, got 'V4'"),
    (("--dt-ms", "0"), "dt_ms must be above 0"),
    (("--timesteps", "0"), "timesteps must be at least 1"),
    (("--trials", "0"), "number_of_trials must be at least 1"),
)


class TestErrors:
    @pytest.mark.parametrize(
        ("benchmark", "said"),
        [
            ("Kar2019-ost", "needs tensorflow"),
            ("cowley-2023@210325:plss", "metric must be one of"),
            ("MajajHong2015publik.IT-pls", "but MajajHong2015public.IT-pls"),
        ],
        ids=["package", "metric", "name"],
    )
    def test_one_line(self, neurorec, few, checkpoint, benchmark, said):
        code, shown, error = neurorec("score", checkpoint, benchmark, *REGIONS)
        assert (code, shown) == (WRONG_INPUT, "")
        assert said in error
        assert error.count("\n") == 1

    def test_options(self, neurorec, few, checkpoint, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "bytes").write_bytes(b"\xff")
        (tmp_path / "r.json").write_text('{"V4": "a2"}')
        for options, words in WRONG:
            code, shown, error = neurorec("score", checkpoint, CKA, *REGIONS, *options)
            assert (code, shown, error.count("\n")) == (WRONG_INPUT, "", 1), (options, error)
            assert words in error, options

    def test_a_region_without_an_area(self, neurorec, few, checkpoint):
        code, _, error = neurorec("score", checkpoint, CKA, "--region", "IT=a3")
        assert code == WRONG_INPUT
        assert "region 'V4' is not committed to an area" in error


def started(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "neurorec.cli", *map(str, arguments)],
        cwd=Path(package.__file__).parents[1],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
class TestProcess:
    def test_offline(self, tmp_path, checkpoint):
        """One line, and the exit code of wrong input, where Brain-Score's storage is not there."""
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
        nowhere = dict.fromkeys(proxies, "http://127.0.0.1:9")
        command = ("score", checkpoint, "MajajHong2015public.IT-pls", *REGIONS)
        done = started(*command, BRAINIO_HOME=str(tmp_path), **nowhere)
        _, error = done.communicate(timeout=300)
        assert done.returncode == WRONG_INPUT
        assert error.startswith("neurorec: MajajHong2015public.IT-pls: ")
        assert "cannot be reached; connect to the network" in error
        assert error.count("\n") == 1

    def test_interrupted(self, shared_data, checkpoint, tmp_path):
        """Ctrl-C after the first score keeps it."""
        out = tmp_path / "s.json"
        mirror = {"NEUROREC_MIRROR": str(shared_data / "mirror")}
        benchmarks = (f"cowley-2023@210325:{metric}" for metric in ("cka", "pls", "ridge", "rdm"))
        first = started("score", checkpoint, *benchmarks, *REGIONS, "--out", out, **mirror)
        deadline = time.monotonic() + 300
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        first.send_signal(signal.SIGINT)
        _, error = first.communicate(timeout=300)
        assert first.returncode == INTERRUPTED, error
        assert error.splitlines()[-1] == "neurorec: interrupted; what was finished is kept"
        kept = Scores.from_json(out)
        assert 1 <= len(kept.pairs) < 4
