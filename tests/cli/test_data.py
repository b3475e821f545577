"""``neurorec data``: what it prints and how it ends."""

import shutil

import pytest
from typer.testing import CliRunner

from neurorec import datasets
from neurorec.cli.data import app


@pytest.fixture
def neurorec_data(tmp_path, monkeypatch):
    """Runs the command; its cache is empty and it has no mirror, unless a test sets one."""
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def with_mirror(neurorec_data, shared_data, monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    return neurorec_data


def row(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if name in line)


def test_list_without_files(neurorec_data):
    result = neurorec_data("list")
    assert result.exit_code == 0
    for name in datasets.names():
        assert "not here" in row(result.output, name)
    assert "55.4 MB" in row(result.output, "cifar10-jpeg")
    assert "132" in row(result.output, "zhang-desimone-2011")
    assert "data fetch NAME" in result.output


def test_list_with_a_mirror(with_mirror):
    assert "mirror" in row(with_mirror("list").output, "cowley-2023")


def test_list_with_some_files_in_the_cache(neurorec_data, tmp_path, shared_data):
    folder = "kriegeskorte-2008/demos/92imageData"
    (tmp_path / "cache" / folder).mkdir(parents=True)
    for name in ("92_brainRDMs.mat", "92_modelRDMs.mat"):
        shutil.copy(shared_data / "mirror" / folder / name, tmp_path / "cache" / folder / name)
    assert "2 cache, 4 not here" in row(neurorec_data("list").output, "kriegeskorte-2008")


def test_info(neurorec_data):
    output = neurorec_data("info", "cowley-2023").output
    for fact in (
        "GPL-3.0",
        "bioRxiv 2023.11.22.568315",
        "cowleygroup/V4_compact_models @ f4552ad9d34a466ebc66658f72a08a8e5038f1cf",
        "session='210325'",
        "12.2 MB in 8 files",
        "images_210325.zip",
    ):
        assert fact in output


def test_info_of_many_files_is_short(neurorec_data):
    output = neurorec_data("info", "zhang-desimone-2011").output
    assert "bin_width_ms=10" in output
    assert "7 files" in row(output, "│ 1006")
    assert len(output.splitlines()) < 50


def test_info_without_a_public_address(neurorec_data):
    assert "no public address" in neurorec_data("info", "cifar10-jpeg").output


def test_verify_a_good_mirror(with_mirror):
    result = with_mirror("verify", "kriegeskorte-2008")
    assert result.exit_code == 0
    assert "6 files agree, 0 differ, 0 are not here" in result.output


def test_verify_finds_a_damaged_and_a_missing_file(with_mirror, tmp_path, shared_data, monkeypatch):
    copy = tmp_path / "copy" / "kriegeskorte-2008"
    shutil.copytree(
        shared_data / "mirror" / "kriegeskorte-2008", copy, copy_function=shutil.copyfile
    )
    copy.chmod(0o755)
    folder = copy / "demos" / "92imageData"
    folder.chmod(0o755)
    (folder / "92_brainRDMs.mat").write_bytes(b"damaged")
    (folder / "92_modelRDMs.mat").unlink()
    monkeypatch.setenv("NEUROREC_MIRROR", str(tmp_path / "copy"))
    result = with_mirror("verify", "kriegeskorte-2008")
    assert result.exit_code == 1
    assert "4 files agree, 1 differ, 1 are not here" in result.output
    assert "delete them and fetch again" in result.output
    assert "neurorec data fetch kriegeskorte-2008" in result.output


def test_fetch_from_the_mirror(with_mirror, shared_data):
    result = with_mirror("fetch", "cowley-2023", "--session", "210325")
    assert result.exit_code == 0
    assert f"4 verified files in {shared_data / 'mirror'}" in result.output


def test_fetch_what_is_nowhere_leaves_the_error_to_the_caller(neurorec_data):
    result = neurorec_data("fetch", "cifar10-jpeg")
    assert isinstance(result.exception, datasets.DataUnavailableError)
    assert "set NEUROREC_MIRROR" in str(result.exception)


@pytest.mark.parametrize("verb", ["info", "fetch", "verify"])
def test_unknown_data_set(verb, neurorec_data):
    result = neurorec_data(verb, "imagenet")
    assert isinstance(result.exception, ValueError)
    assert "'cowley-2023'" in str(result.exception)


def test_where(neurorec_data, tmp_path, monkeypatch):
    output = neurorec_data("where").output
    assert "mirror  none; export NEUROREC_MIRROR=FOLDER" in output
    assert f"cache   {tmp_path / 'cache'}  (made when" in output
    monkeypatch.setenv("NEUROREC_MIRROR", f"{tmp_path}:{tmp_path / 'nowhere'}")
    first, second, _ = neurorec_data("where").output.splitlines()
    assert first == f"mirror  {tmp_path}"
    assert second == f"mirror  {tmp_path / 'nowhere'}  (no such folder)"


@pytest.mark.parametrize("verb", ["list", "info", "fetch", "verify", "where"])
def test_help(verb, neurorec_data):
    result = neurorec_data(verb, "--help")
    assert result.exit_code == 0
    assert "Raises" not in result.output
