"""`neurorec doctor` finds what is here and says what to type for what is not."""

import sys

import pytest
import typer

from neurorec import datasets
from neurorec.cli import _facts, doctor
from neurorec.cli._facts import Fact

HAS_BRAINSCORE = _facts.installed("brainscore-vision") is not None


def by_name(facts: list[Fact]) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """A machine without any recording."""
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_stack_is_named():
    facts = by_name(_facts.stack())
    assert facts["stack"].found.startswith("Brain-Score" if HAS_BRAINSCORE else "current releases")
    assert f"numpy {sys.modules['numpy'].__version__}" in facts["stack"].found
    assert facts["Python"].found.startswith(".".join(map(str, sys.version_info[:3])))


def test_requirements_that_are_met():
    fact = _facts.requirements("rich")
    assert (fact.mark, fact.remedy) == ("ok", "")
    assert "are met" in fact.found


def install(folder, name: str, version: str, *requirements: str) -> None:
    """Write the metadata of an installed distribution, as pip does."""
    metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata.write_text("\n".join(lines + [f"Requires-Dist: {r}" for r in requirements]) + "\n")


def test_requirements_that_are_not_met(tmp_path, monkeypatch):
    wrong = ("numpy>=99", "no-such-part>=2")
    fine = ("rich>=1", "nightly>=1", 'other>=1; extra == "more"')
    install(tmp_path, "needy", "1.0", *wrong, *fine)
    install(tmp_path, "nightly", "2.0.dev20260101")
    monkeypatch.syspath_prepend(tmp_path)
    fact = _facts.requirements("needy")
    assert fact.mark == "broken"
    assert fact.remedy == "pip install 'numpy>=99' 'no-such-part>=2'"
    assert f"numpy {_facts.installed('numpy')}, needed >=99" in fact.found
    assert "no-such-part is absent" in fact.found


def test_not_installed_but_run_from_a_folder():
    fact = _facts.requirements("never-installed")
    assert (fact.mark, fact.remedy) == ("missing", "pip install --no-deps -e .")


def test_machine(device):
    facts = by_name(_facts.machine())
    assert facts["device"].found.startswith(f"{device}: ") or device == "cpu"
    assert facts["torch"].found.startswith(sys.modules["torch"].__version__)
    assert facts["memory"].found.endswith(" GB")


def test_parts_of_this_stack():
    facts = by_name(_facts.parts())
    assert facts["rsatoolbox"].mark == "ok"
    for name in ("brainscore-vision", "torchvision"):
        assert facts[name].mark == ("ok" if HAS_BRAINSCORE else "missing")
    if not HAS_BRAINSCORE:
        assert "pip install 'neurorec[brainscore]'" in facts["brainscore-vision"].remedy


def test_torchvision_beside_a_cpu_torch():
    import torch

    fact = by_name(_facts.parts())["torchvision"]
    if fact.mark == "missing":
        pytest.skip("torchvision is not part of this stack")
    if torch.version.cuda is not None:
        pytest.skip("this torch is a CUDA build, beside which torchvision needs no help")
    assert "mends its import" in fact.found
    assert "import neurorec.brainscore" in fact.remedy


def test_absent_recordings_and_how_to_get_them(no_data):
    facts = by_name(_facts.data())
    assert set(datasets.names()) < set(facts)
    for name in datasets.names():
        assert facts[name].mark == "missing"
        assert facts[name].found.startswith("0 of ")
    assert facts["cowley-2023"].remedy == "neurorec data fetch cowley-2023"
    assert str(no_data / "cache") in facts["cache"].found


def test_recordings_in_the_mirror(mirror):
    facts = by_name(_facts.data())
    assert facts["mirror"].found == str(mirror)
    for name in datasets.names():
        assert facts[name].mark == "ok"
        assert facts[name].found.startswith("in the mirror, ")


def test_recordings_in_part(no_data):
    manifest = datasets.info("cowley-2023")
    first = no_data / "cache" / manifest.name / manifest.files[0].path
    first.parent.mkdir(parents=True)
    first.touch()
    fact = by_name(_facts.data())["cowley-2023"]
    assert fact.found.startswith(f"1 of {len(manifest.files)} files")
    assert fact.mark == "missing"


def test_recordings_without_a_public_source(no_data):
    fact = by_name(_facts.data())["cifar10-jpeg"]
    assert fact.remedy.startswith("export NEUROREC_MIRROR=FOLDER")


def test_little_space(no_data, monkeypatch):
    monkeypatch.setattr(_facts, "LITTLE_SPACE", 0)
    assert by_name(_facts.data())["cache"].mark == "ok"
    monkeypatch.setattr(_facts, "LITTLE_SPACE", 10**18)
    fact = by_name(_facts.data())["cache"]
    assert fact.mark == "missing"
    assert fact.remedy.startswith("export NEUROREC_CACHE=")


def test_mirror_that_does_not_exist(no_data, monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", str(no_data / "nowhere"))
    fact = by_name(_facts.data())["mirror"]
    assert fact.mark == "missing"
    assert fact.found.endswith("nowhere does not exist")


def test_report_is_printed_with_every_remedy(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")  # a remedy is never broken into lines
    remedy = "pip install 'neurorec[brainscore]'   (in an environment of Python 3.11, please)"
    report = {
        "Parts": [
            Fact(name="here", found="1.0"),
            Fact(name="absent", found="not installed", remedy=remedy, mark="missing"),
        ]
    }
    doctor.show(report)
    out = capsys.readouterr().out
    assert "Parts" in out
    assert f"  absent: {remedy}\n" in out
    assert "here: " not in out


def test_exit_code_says_whether_something_is_broken(no_data, monkeypatch, capsys):
    doctor.doctor()  # nothing required is missing here
    assert "Recordings" in capsys.readouterr().out
    broken = Fact(name="requirements", found="not met", remedy="pip install x", mark="broken")
    monkeypatch.setattr(_facts, "stack", lambda: [broken])
    with pytest.raises(typer.Exit) as end:
        doctor.doctor()
    assert end.value.exit_code == 1
