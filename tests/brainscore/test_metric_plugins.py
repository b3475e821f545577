"""Our metrics through Brain-Score's own plugin machinery, in processes of their own."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

import neurorec
from neurorec.brainscore import install_metrics, installed_metrics, metric_plugins, remove_metrics
from neurorec.brainscore.metric_plugins import OFFERED, plugin_metric
from neurorec.cli import app, run

PACKAGE = Path(importlib.util.find_spec("brainscore_vision").origin).parent

ASSEMBLIES = """
import json, os, warnings
warnings.simplefilter("ignore")
import numpy as np
from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 80)) * np.arange(1, 81) ** -0.5
y = x[:, :30] @ rng.normal(size=(30, 5)) + rng.normal(size=(60, 5))
stimuli = {"stimulus_id": ("presentation", [f"s{i:02d}" for i in range(60)]),
           "object_name": ("presentation", [f"o{i % 3}" for i in range(60)])}

def assembly(values, name):
    units = {"neuroid_id": ("neuroid", [f"{name}{i:02d}" for i in range(values.shape[1])]),
             "region": ("neuroid", ["IT"] * values.shape[1])}
    return NeuroidAssembly(values, coords={**stimuli, **units}, dims=("presentation", "neuroid"))

source, target = assembly(x, "f"), assembly(y, "n")
"""

SCORES = (
    ASSEMBLIES
    + """
from brainscore_vision import load_ceiling, load_metric

kwargs = dict(crossvalidation_kwargs=dict(splits=3))
found = {"before": os.environ.get("BS_INSTALL_DEPENDENCIES")}
ours, loaded = load_metric("neurorec-ridge", **kwargs), {}
found["after"] = os.environ["BS_INSTALL_DEPENDENCIES"]
for name in ("pls", "ridge", "rdm"):
    metric = load_metric("neurorec-" + name, **({} if name == "rdm" else kwargs))
    peer = load_metric(name, **({} if name == "rdm" else kwargs))
    loaded[name] = [float(metric(source, target)), float(peer(source, target))]
trials = target[np.repeat(np.arange(60), 4)]
values = trials.values + rng.normal(size=trials.shape)
labels = {k: ("presentation", np.repeat(v, 4)) for k, (_, v) in stimuli.items()}
labels["repetition_id"] = ("presentation", np.tile([3, 5, 7, 9], 60))
units = {k: ("neuroid", target[k].values) for k in ("neuroid_id", "region")}
trials = NeuroidAssembly(values, coords={**labels, **units}, dims=("presentation", "neuroid"))
kwargs = dict(split_coord="repetition_id")
loaded["ceiling"] = [float(load_ceiling(name, **kwargs)(trials))
                     for name in ("neurorec-internal_consistency", "internal_consistency")]
print(json.dumps(found | {"scores": loaded}))
"""
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of brainscore_vision made of links, whose folder of metrics can be written to."""
    root = tmp_path_factory.mktemp("copy")
    link(PACKAGE, root / PACKAGE.name, but="metrics")
    link(PACKAGE / "metrics", root / PACKAGE.name / "metrics")
    return root


def link(source, target, but=""):
    target.mkdir()
    for path in source.iterdir():
        if path.name not in (but, "__pycache__"):
            (target / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def process(copy):
    """Runs Python with the copy, and with a pip that leaves a trace of being started."""
    programs = copy / "bin"
    programs.mkdir()
    pip = programs / "pip"
    pip.write_text(f"#!/bin/sh\necho $@ >> {copy / 'pip.log'}\n")
    pip.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k != "BS_INSTALL_DEPENDENCIES"} | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{copy}{os.pathsep}{Path(neurorec.__file__).parents[1]}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def started(*arguments):
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True
        )

    return started


@pytest.mark.slow
def test_from_installing_to_removing(copy, process):
    """One story, because each process takes seconds to import."""
    folder = copy / "brainscore_vision" / "metrics" / "neurorec"
    done = process("-m", "neurorec.cli", "brainscore", "metrics", "--install")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{len(OFFERED)} metrics of neurorec in {folder}"
    assert sorted(p.name for p in folder.iterdir()) == ["__init__.py"]
    assert not (PACKAGE / "metrics" / "neurorec").exists()

    done = process("-c", SCORES)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The first metric of ours is loaded while Brain-Score would install; it has nothing to.
    assert (found["before"], found["after"]) == (None, "no")
    assert not (copy / "pip.log").exists()
    tolerance = {"pls": 1e-3}
    for name, (ours, theirs) in found["scores"].items():
        assert ours == pytest.approx(theirs, abs=tolerance.get(name, 1e-9)), name

    assert remove_metrics(folder.parent).names == ()
    assert not folder.exists()


@pytest.mark.slow
def test_brainscore_itself_would_start_pip(process, copy):
    """Their default, which the trace of a pip would show: the test above can fail."""
    log = copy / "pip.log"
    done = process("-c", "from brainscore_vision import load_metric; load_metric('pls')")
    assert done.returncode == 0, done.stderr
    assert "requirements.txt" in log.read_text()
    log.unlink()


@pytest.fixture
def metrics(tmp_path):
    """An empty folder of metrics."""
    (tmp_path / "__init__.py").touch()
    return tmp_path


def test_installing_twice_and_removing(metrics):
    folder = metrics / "neurorec"
    assert installed_metrics(metrics).names == ()
    for _ in range(2):
        found = install_metrics(metrics)
        assert found == installed_metrics(metrics)
        assert (found.folder, found.current) == (folder, True)
        assert sorted(found.names) == sorted(f"neurorec-{name}" for name in OFFERED)
    (folder / "__pycache__").mkdir()
    assert remove_metrics(metrics).names == ()
    assert not folder.exists()
    assert not remove_metrics(metrics).current


def test_each_line_is_found_as_brainscore_finds_it(metrics):
    """It looks for the text of a registration, which must be there once."""
    text = (install_metrics(metrics).folder / "__init__.py").read_text()
    for name in OFFERED:
        assert text.count(f"metric_registry['neurorec-{name}']") == 1
    assert not list((metrics / "neurorec").glob("requirements.txt"))


def test_another_version(metrics):
    file = install_metrics(metrics).folder / "__init__.py"
    file.write_text(file.read_text().replace("sample space", "another space"))
    assert not installed_metrics(metrics).current
    assert install_metrics(metrics).current


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_every_metric_that_is_offered_can_be_made(name):
    assert callable(plugin_metric(name)())


def test_a_plugin_of_somebody_else(metrics):
    folder = metrics / "neurorec"
    folder.mkdir()
    (folder / "__init__.py").write_text("metric_registry['neurorec-pls'] = None\n")
    for act in (install_metrics, remove_metrics, installed_metrics):
        with pytest.raises(ValueError, match="a plugin that neurorec did not write; move it away"):
            act(metrics)
    assert list(folder.iterdir()) == [folder / "__init__.py"]


def test_a_folder_without_metrics(tmp_path):
    with pytest.raises(ValueError, match="is not the folder of Brain-Score's metrics; give that"):
        install_metrics(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(metrics):
    metrics.chmod(0o555)
    with pytest.raises(PermissionError):
        install_metrics(metrics)
    metrics.chmod(0o755)


def test_an_unknown_metric():
    with pytest.raises(ValueError, match=re.escape("metric must be one of ['cka'")):
        plugin_metric("cca")


def said(capsys, *options):
    with pytest.raises(SystemExit) as end:
        run(app, ["brainscore", "metrics", *options])
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("option", [None, "--remove"])
def test_what_is_there(capsys, monkeypatch, metrics, option):
    monkeypatch.setattr(metric_plugins, "_metrics_folder", lambda: metrics)
    file = install_metrics().folder / "__init__.py"
    file.write_text(file.read_text() + "\n")
    code, out, _ = said(capsys, *([] if option is None else [option]))
    assert code == 0
    first, *_, last = out.splitlines()
    if option is None:
        assert first == f"{len(OFFERED)} metrics of neurorec in {file.parent}"
        assert "  neurorec-pls\n" in out
        assert last.startswith("written by another version; neurorec brainscore metrics --install")
    else:
        assert first == f"no metrics of neurorec in {metrics}"
        assert last == "neurorec brainscore metrics --install puts them there"


def test_both_options(capsys):
    with pytest.raises(SystemExit) as end:
        run(app, ["brainscore", "metrics", "--install", "--remove"])
    assert end.value.code == 2
    assert (
        capsys.readouterr().err
        == "neurorec: --install and --remove exclude each other; give one of them\n"
    )
