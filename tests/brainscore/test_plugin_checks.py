"""What a submission meets, before it is submitted."""

import json
import os
import shutil

import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import check_plugin, export, open_plugin, subject
from neurorec.brainscore.plugin_checks import CHECKS, GENERIC
from neurorec.brainscore.plugin_registries import plugins_folder
from neurorec.brainscore.plugin_tests import run_tests
from neurorec.cli import app, run
from neurorec.models import save

from . import plugins
from .common import model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export(model("ff"), "mine", tmp_path_factory.mktemp("of") / "plugin", {"V4": "a2"})


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "plugin")


def without(path, old, new=""):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_files_that_were_exported_are_right(folder):
    assert {what: find(folder) for what, find in CHECKS.items()} == dict.fromkeys(CHECKS)


#: From what is checked to what is done to a plugin, and what is then said.
FAULTS = {
    "no model": ("the files are there", lambda f: (f / "model.py").unlink(), "add model.py"),
    "no test": ("the files are there", lambda f: (f / "test.py").unlink(), "add test.py"),
    "not literal": (
        "the registration can be found as text",
        lambda f: without(f / "__init__.py", "['mine']", "[ 'mine' ]"),
        "Brain-Score looks for this text: write model_registry['NAME'] = lambda",
    ),
    "no init": (
        "the registration can be found as text",
        lambda f: (f / "__init__.py").unlink(),
        "on a line of __init__.py",
    ),
    "space": (
        "the name is allowed and free",
        lambda f: without(f / "__init__.py", "'mine'", "'my model'"),
        "letters, digits and '.', '_', '-'",
    ),
    "taken": (
        "the name is allowed and free",
        lambda f: without(f / "__init__.py", "'mine'", "'CORnet-S'"),
        "'CORnet-S' is the name of a model in",
    ),
    "no metadata": (
        "metadata are of schema 2.0",
        lambda f: (f / "metadata.yaml").unlink(),
        "add metadata.yaml",
    ),
    "twice": (
        "metadata are of schema 2.0",
        lambda f: (f / "metadata.yml").write_text("a: 1"),
        "keep one of metadata.yaml and metadata.yml",
    ),
    "schema": (
        "metadata are of schema 2.0",
        lambda f: without(f / "metadata.yaml", "'2.0'", "'1.0'"),
        'schema_version must be the string "2.0"',
    ),
    "field": (
        "metadata are of schema 2.0",
        lambda f: without(f / "metadata.yaml", "recurrent:", "recurent:"),
        "/model/recurent: unknown field",
    ),
    "yaml": (
        "metadata are of schema 2.0",
        lambda f: (f / "metadata.yaml").write_text("a: [1"),
        "Invalid YAML",
    ),
    "another": (
        "metadata are of schema 2.0",
        lambda f: without(f / "metadata.yaml", "  mine:", "  yours:"),
        "is of ['yours'], and ['mine'] are registered",
    ),
    "no region": (
        "regions are committed to areas",
        lambda f: without(f / "region_layer_map" / "mine.json", "V4", "v4"),
        "mine.json has none of V1, V2, V4, IT",
    ),
    "json": (
        "regions are committed to areas",
        lambda f: without(f / "region_layer_map" / "mine.json", "}"),
        "mine.json is no JSON",
    ),
    "no requirements": (
        "requirements are named",
        lambda f: (f / "requirements.txt").unlink(),
        "add requirements.txt with neurorec[brainscore]==VERSION",
    ),
    "version": (
        "requirements are named",
        lambda f: (f / "requirements.txt").write_text("neurorec[brainscore]==0.0.1\n"),
        "it is for neurorec 0.0.1, and this is",
    ),
    "no bibtex": (
        "there is BibTeX",
        lambda f: without(f / "model.py", "def get_bibtex(", "def bibtex("),
        "add get_bibtex(identifier)",
    ),
    "size": (
        "no file is too large",
        lambda f: os.truncate(f / "mine.safetensors", 150 * 10**6),
        "mine.safetensors has 150 MB, and a pull request holds files of at most 100",
    ),
}


@pytest.mark.parametrize(("what", "spoil", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault(folder, what, spoil, words):
    spoil(folder)
    said = {check: find(folder) for check, find in CHECKS.items()}
    assert words in said[what]
    if what not in list(CHECKS)[:3]:  # without which others have nothing to look at
        assert [check for check, problem in said.items() if problem] == [what]


def test_every_check_has_a_fault():
    assert {what for what, _, _ in FAULTS.values()} == set(CHECKS)


def test_a_setup_file_names_requirements_too(folder):
    (folder / "requirements.txt").rename(folder / "setup.py")
    assert CHECKS["requirements are named"](folder) is None


def test_nothing_is_run_of_what_can_not_be_found(folder):
    (folder / "__init__.py").unlink()
    *_, last = check_plugin(folder)
    assert "not run; mend what is above" in str(last.problem)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"there is no folder .*p; write one with neurorec brains"):
        list(check_plugin(tmp_path / "p"))


def test_without_pytest(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="need pytest; type pip install pytest"):
        list(run_tests(folder))


def test_generic_tests_are_all_known():
    """So that each of those that Brain-Score has gets words of ours."""
    text = (plugins_folder().parent / "model_helpers" / "generic_plugin_tests.py").read_text()
    names = [line.split("(")[0][4:] for line in text.splitlines() if line.startswith("def test_")]
    assert set(names) == set(GENERIC)


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        run(app, ["brainscore", *map(str, arguments)])
    return end.value.code


#: From a name to options and what is then said.
WRONG = {
    "no sign": (["--region", "V4"], "--region must be such as V4=layer2, got 'V4'"),
    "no area": (["--region", "V4="], "--region must be such as"),
    "twice": (["--region", "V4=a2", "--region", "V4=a3"], "names 'V4' twice"),
    "no file": (["--region-map", "r.json"], "r.json: No such file"),
    "no json": (["--region-map", __file__], "is no JSON file of regions"),
    "list": (["--region-map", "list.json"], "must hold regions such as"),
    "bytes": (["--region-map", "bytes"], "bytes is no JSON file of regions"),
    "bibtex": (["--bibtex", "bytes"], "bytes is no text in UTF-8"),
    "labels": (["--labels", "bytes"], "bytes is no text in UTF-8"),
    "torch": ([], "m.pth holds numbers without a wiring"),
}


class TestExportCommand:
    def test_options(self, tmp_path, capsys):
        checkpoint = save(model(), tmp_path / "m.safetensors")
        (tmp_path / "labels.txt").write_text("\n".join(f"thing {n}" for n in range(10)) + "\n")
        (tmp_path / "x.bib").write_text("@article{x, title = {A title}}")
        options = ["--region", "V4=a2", "--region", "IT=a3,integration", "--onset-ms", 40]
        options += ["--dt-ms", 20, "--timesteps", 3, "--visual-degrees", 6, "--no-noise"]
        options += [
            "--labels",
            tmp_path / "labels.txt",
            "--bibtex",
            tmp_path / "x.bib",
            "--seed",
            4,
        ]
        given = [checkpoint, "--name", "mine", "--out", tmp_path / "by command", *options]
        assert command("export", *given) == 0
        out = capsys.readouterr().out
        assert out.splitlines()[-1] == f"neurorec brainscore check {tmp_path / 'by command'}"
        opened = open_plugin(tmp_path / "by command")
        assert opened.regions == {"V4": ("a2",), "IT": ("a3", "integration")}
        said = opened.settings
        assert (said["onset_ms"], said["dt_ms"], said["timesteps"]) == (40, 20, 3)
        assert (said["visual_degrees"], said["noise"], said["seed"]) == (6, False, 4)
        assert said["behaviour"].labels == tuple(f"thing {n}" for n in range(10))
        assert "title = {A title}" in (tmp_path / "by command" / "model.py").read_text()
        assert command("export", *given) == 2
        assert "replace it with --force" in capsys.readouterr().err
        assert command("export", *given, "--force") == 0

    def test_a_preset(self, tmp_path):
        """With its first weights, which become part of the plugin."""
        given = ["greco2025-fb", "--name", "first", "--out", tmp_path / "p", "--seed", 3]
        assert command("export", *given, "--region", "V4=a2") == 0
        live = subject("greco2025-fb", {"V4": "a2"}, seed=3, identifier="first")
        assert open_plugin(tmp_path / "p").identifier == live.identifier

    def test_a_map_of_regions(self, tmp_path):
        checkpoint = save(model(), tmp_path / "m.safetensors")
        regions = {"V4": "a2", "IT": ["a3", "integration"]}
        (tmp_path / "regions.json").write_text(json.dumps(regions))
        given = [checkpoint, "--name", "mine", "--out", tmp_path / "p"]
        assert command("export", *given, "--region-map", tmp_path / "regions.json") == 0
        assert (
            json.loads((tmp_path / "p" / "region_layer_map" / "mine.json").read_text()) == regions
        )

    @pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG)
    def test_wrong_input_is_one_line(self, tmp_path, monkeypatch, capsys, options, words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "list.json").write_text("[1]")
        (tmp_path / "bytes").write_bytes(b"\xff")
        checkpoint = "m.safetensors" if options else "m.pth"
        assert command("export", checkpoint, "--name", "mine", "--out", "p", *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
        assert not (tmp_path / "p").exists()


@pytest.mark.slow
class TestRealRun:
    """Brain-Score's machinery, generic tests and the plugin's own, in another process."""

    def test_a_right_plugin(self, tmp_path, capsys):
        """Lateral, feedback, V1 and noise; of a name with a dot, in a folder with one."""
        network = plugins.lateral_and_feedback(noisy=True)
        settings = {"dt_ms": 30, "onset_ms": 30}
        folder = export(network, "mine-1.0", tmp_path / "plug.in", **settings)
        assert command("check", folder) == 0
        *lines, last = capsys.readouterr().out.splitlines()
        assert all(line.startswith("passed ") for line in lines)
        assert sum("(generic test)" in line for line in lines) == len(GENERIC)
        assert sum("test_activity[" in line for line in lines) == 3
        assert last == f"{folder}: {len(lines)} of {len(lines)} checks passed"

    def test_a_wrong_one(self, tmp_path, capsys):
        """V1 that can be recorded at 100 to 200 ms, and not at the 50 to 100 that are asked for."""
        network = plugins.lateral_and_feedback()
        folder = export(network, "mine", tmp_path / "p", {"V1": "V1"}, onset_ms=120)
        exported = next(x for x in (folder / "test.py").read_text().splitlines() if "mine-" in x)
        without(folder / "test.py", exported, "EXPORTED = 'mine-0'")
        (folder / "test_more.py").write_text("def test_it(:\n")
        assert command("check", folder) == 1
        lines = capsys.readouterr().out.splitlines()
        failed = [line for line in lines if line.startswith("failed ")]
        assert len(failed) == 3
        broken, bins, exported = (
            next(line for line in failed if words in line)
            for words in ("p.test_more", "V1, if it is recorded", "test_it_is_what_was_exported")
        )
        assert "SyntaxError: invalid syntax" in broken
        assert "no timestep in the time bins (50, 100) ms" in bins
        assert "export with --onset-ms and --timesteps that reach both, or without V1" in bins
        assert "== 'mine-0'" in exported
        assert lines[-1].endswith(f"{len(lines) - 4} of {len(lines) - 1} checks passed")
