"""Manifests: those of the package are right, and faulty ones are refused in one line."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neurorec import datasets
from neurorec._checks import sha256_of
from neurorec.datasets.manifest import Manifest, load_manifest, manifest_folder
from neurorec.datasets.readers import READERS

FILE = {"path": "a/b.npy", "size": 3, "sha256": "0" * 64, "session": "090923"}
GOOD = {
    "name": "good",
    "title": "Good",
    "reader": "netcdf",
    "species": ["Macaca mulatta"],
    "regions": ["V4"],
    "licence": "MIT",
    "citation": "Somebody (2001)",
    "repository": "somebody/something",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "url": "https://example.org/{repository}/{commit}/{path}",
    "files": [FILE],
}


def write(folder: Path, content: object, name: str = "good.yaml") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_names():
    expected = ["cifar10-jpeg", "cowley-2023", "kriegeskorte-2008", "zhang-desimone-2011"]
    assert datasets.names() == expected


@pytest.mark.parametrize("name", datasets.names())
def test_every_manifest_names_a_reader_and_its_source(name):
    manifest = datasets.info(name)
    assert manifest.name == name
    assert manifest.reader in READERS
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", manifest.repository)


@pytest.mark.parametrize("name", datasets.names())
def test_manifests_list_exactly_the_files_of_the_mirror(name, mirror):
    folder = mirror / name
    here = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    listed = {file.path: (file.size, file.sha256) for file in datasets.info(name).files}
    assert listed == {path: (p.stat().st_size, sha256_of(p)) for path, p in here.items()}


def test_public_address():
    manifest = datasets.info("cowley-2023")
    assert manifest.url_of(manifest.files[3]) == (
        "https://raw.githubusercontent.com/cowleygroup/V4_compact_models/"
        "f4552ad9d34a466ebc66658f72a08a8e5038f1cf/data_V4_responses/readme.txt"
    )


def test_an_address_is_quoted_and_a_file_may_have_its_own():
    files = [FILE | {"path": "a b#c.npy"}, FILE | {"url": "https://example.org/own"}]
    manifest = Manifest.model_validate(GOOD | {"files": files})
    quoted, own = (manifest.url_of(file) for file in manifest.files)
    assert quoted == f"https://example.org/somebody/something/{GOOD['commit']}/a%20b%23c.npy"
    assert own == "https://example.org/own"


def test_cifar_has_no_public_address():
    manifest = datasets.info("cifar10-jpeg")
    assert [manifest.url_of(file) for file in manifest.files] == [None]


def test_a_session_needs_its_own_files_and_the_shared_ones():
    chosen = datasets.info("cowley-2023").select("190923")
    assert [file.path.rpartition("/")[2] for file in chosen] == [
        "images_190923.zip",
        "readme.txt",
        "responses_190923.npy",
    ]


def test_sessions():
    assert datasets.info("cowley-2023").sessions == ["190923", "210224", "210325"]
    assert len(datasets.info("zhang-desimone-2011").sessions) == 21
    assert datasets.info("kriegeskorte-2008").sessions == []


def test_unknown_session_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"session must be one of \['190923'.*got '200101'"):
        datasets.info("cowley-2023").select("200101")


def test_no_sessions():
    with pytest.raises(ValueError, match="kriegeskorte-2008 is not divided into sessions"):
        datasets.info("kriegeskorte-2008").select("1")


def test_unknown_data_set_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"data set must be one of \['cifar10-jpeg'.*got 'cowley'"):
        datasets.info("cowley")


def test_good(tmp_path):
    manifest = load_manifest(write(tmp_path, GOOD))
    assert manifest.files[0].session == "090923"
    assert manifest.size == 3


def test_frozen(tmp_path):
    manifest = load_manifest(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "other"


def changed(**keys: object) -> dict:
    return GOOD | keys


def of_file(**keys: object) -> dict:
    return GOOD | {"files": [FILE | keys]}


FAULTY = {
    "unknown key": (changed(colour="red"), "colour: unknown key; check its spelling or remove it"),
    "unknown key of a file": (of_file(md5="0"), r"files\.0\.md5: unknown key"),
    "missing key": ({k: v for k, v in GOOD.items() if k != "licence"}, "licence: .*missing; add"),
    "number for text": (of_file(session=190923), r"session: .*quotes, got 190923"),
    "text for a list": (changed(regions="V4"), "regions: .*square brackets, got 'V4'"),
    "number in a list": (changed(regions=[4]), r"regions\.0: .*quotes, got 4"),
    "text for a number": (of_file(size="3"), r"files\.0\.size: .*integer, got '3'"),
    "negative size": (of_file(size=-1), r"size: .*greater than or equal to 0, got -1"),
    "short digest": (of_file(sha256="abc"), "sha256: .*64 digits.*sha256sum.*got 'abc'"),
    "branch for commit": (changed(commit="main"), "commit: .*40 digits.*got 'main'"),
    "absolute path": (of_file(path="/etc/passwd"), r"path: .*relative.*got '/etc/passwd'"),
    "path that leaves": (of_file(path="a/../../b"), r"path: .*relative.*correct it"),
    "backslash": (of_file(path="a\\b"), "path: .*forward slashes"),
    "unknown field": (changed(url="https://x/{branch}"), "url: .*pattern may use.*correct it"),
    "repeated path": (changed(files=[FILE, FILE]), "'a/b.npy' is listed more than once"),
    "no files": (changed(files=[]), "files: .*at least 1 item"),
    "other name": (changed(name="bad"), "'name' must be the name of the file, 'good', got 'bad'"),
    "not YAML": ("name: [", "is not YAML: .*line 1"),
    "no mapping": ("- name", "must hold a mapping of keys to values, got list"),
    "Python object": ("name: !!python/object/apply:os.getcwd []", "is not YAML"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_manifests_are_refused_in_one_line(fault, tmp_path):
    content, message = FAULTY[fault]
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        load_manifest(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_line_is_named(tmp_path):
    text = yaml.safe_dump(of_file(sha256="abc"), sort_keys=False)
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if "sha256" in row)
    with pytest.raises(ValueError, match=rf"good\.yaml, line {line}: files\.0\.sha256"):
        load_manifest(write(tmp_path, text))


@given(
    st.lists(
        st.tuples(st.text("abcXYZ019_-. é", min_size=1), st.sampled_from(["s1", "s2", None])),
        min_size=1,
        max_size=8,
        unique_by=lambda pair: pair[0],
    )
)
def test_every_file_belongs_to_all_sessions_or_to_exactly_one(pairs):
    files = [
        FILE | {"path": f"x/{i}{name}", "session": session}
        for i, (name, session) in enumerate(pairs)
    ]
    manifest = Manifest.model_validate(GOOD | {"files": files})
    shared = {file.path for file in manifest.files if file.session is None}
    parts = [{file.path for file in manifest.select(s)} for s in manifest.sessions]
    assert all(shared <= part for part in parts)
    own = [path for part in parts for path in part - shared]
    assert sorted([*own, *shared]) == sorted(file.path for file in manifest.files)


def test_an_installed_package_has_its_manifests_beside_the_module(tmp_path, monkeypatch):
    assert manifest_folder().name == "data_manifests"
    monkeypatch.setattr("neurorec.datasets.manifest.__file__", str(tmp_path / "manifest.py"))
    (tmp_path / "manifests").mkdir()
    write(tmp_path / "manifests", GOOD)
    assert datasets.names() == ["good"]
    assert datasets.info("good").licence == "MIT"
