"""The order of the search, and refusal of a file that is not the manifest's."""

import hashlib
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurorec import datasets
from neurorec.datasets.fetch import fetch_files, file_statuses, locate, mirrors
from neurorec.datasets.manifest import Manifest


def put(folder: Path, path: str, body: bytes) -> Path:
    target = folder / "tiny" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    return target


def test_mirrors_are_searched_in_order_then_the_cache(cache, tmp_path, monkeypatch, make_manifest):
    one, two = tmp_path / "one", tmp_path / "two"
    monkeypatch.setenv("NEUROREC_MIRROR", f"{one}{os.pathsep}{two}")
    assert datasets.where() == [one, two, cache]
    manifest = make_manifest({"a/x": b"body"})
    (file,) = manifest.files
    assert locate(manifest, file) is None
    for folder in (cache, two, one):
        copy = put(folder, "a/x", b"body")
        assert locate(manifest, file) == copy


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_the_first_folder_that_has_the_file_wins(has_file):
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(i) for i in range(len(has_file))]
        copies = [
            put(folder, "x", b"") for folder, has in zip(folders, has_file, strict=True) if has
        ]
        *mirror_folders, cache_folder = folders
        variables = {
            "NEUROREC_MIRROR": os.pathsep.join(map(str, mirror_folders)),
            "NEUROREC_CACHE": str(cache_folder),
        }
        empty = {"path": "x", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
        manifest = Manifest.model_construct(name="tiny", files=())
        file = type(datasets.info("cifar10-jpeg").files[0]).model_validate(empty)
        with patch.dict(os.environ, variables):
            assert locate(manifest, file) == (copies[0] if copies else None)


def test_empty_entries_and_home(monkeypatch):
    monkeypatch.setenv("NEUROREC_MIRROR", f"{os.pathsep} {os.pathsep}~/data")
    assert mirrors() == [Path.home() / "data"]


def test_without_variables_only_the_users_cache_is_searched(monkeypatch):
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    monkeypatch.delenv("NEUROREC_CACHE", raising=False)
    (folder,) = datasets.where()
    assert folder.name == "neurorec"


def test_files_of_a_mirror_are_used_where_they_lie(cache, tmp_path, monkeypatch, make_manifest):
    monkeypatch.setenv("NEUROREC_MIRROR", str(tmp_path / "mirror"))
    copy = put(tmp_path / "mirror", "a/x", b"body")
    assert fetch_files(make_manifest({"a/x": b"body"})) == {"a/x": copy}
    assert not cache.exists()


def test_a_wrong_digest_is_refused_and_the_file_left_alone(cache, make_manifest):
    manifest = make_manifest({"x": b"right"})
    copy = put(cache, "x", b"wrong")
    right, wrong = (hashlib.sha256(body).hexdigest() for body in (b"right", b"wrong"))
    with pytest.raises(ValueError, match="is not the file of tiny") as caught:
        fetch_files(manifest)
    message = str(caught.value)
    assert right in message
    assert wrong in message
    assert f"delete {copy} and fetch it again" in message
    assert copy.read_bytes() == b"wrong"


def test_a_wrong_copy_in_a_mirror_is_not_passed_over(cache, tmp_path, monkeypatch, make_manifest):
    monkeypatch.setenv("NEUROREC_MIRROR", str(tmp_path / "mirror"))
    put(tmp_path / "mirror", "x", b"wrong")
    put(cache, "x", b"right")
    with pytest.raises(ValueError, match="mirror/tiny/x is not the file of tiny"):
        fetch_files(make_manifest({"x": b"right"}))


def test_a_truncated_copy_says_so(cache, make_manifest):
    put(cache, "x", b"rig")
    with pytest.raises(ValueError, match=r"\(3 bytes instead of 5\)"):
        fetch_files(make_manifest({"x": b"right"}))


def test_no_public_address_and_no_mirror(cache):
    with pytest.raises(datasets.DataUnavailableError) as caught:
        datasets.fetch("cifar10-jpeg")
    message = str(caught.value)
    assert "cifar10-jpeg has no public address for cifar10_jpeg.h5" in message
    assert "set NEUROREC_MIRROR to a folder that holds cifar10-jpeg/cifar10_jpeg.h5" in message
    assert str(cache) in message
    assert isinstance(caught.value, OSError)


def test_statuses(cache, tmp_path, monkeypatch, make_manifest):
    monkeypatch.setenv("NEUROREC_MIRROR", str(tmp_path / "mirror"))
    manifest = make_manifest({"m": b"m", "c": b"c", "absent": b"", "damaged": b"right"})
    put(tmp_path / "mirror", "m", b"m")
    put(cache, "c", b"c")
    put(cache, "damaged", b"wrong")
    without = file_statuses(manifest)
    assert [s.place for s in without] == ["mirror", "cache", "not here", "cache"]
    assert {s.digest_agrees for s in without} == {None}
    with_digests = file_statuses(manifest, digests=True)
    assert [s.digest_agrees for s in with_digests] == [True, True, None, False]


def test_verify_looks_at_every_file(cache):
    statuses = datasets.verify("kriegeskorte-2008")
    assert [s.place for s in statuses] == ["not here"] * 6


def test_verify_the_mirror(mirror):
    assert all(s.digest_agrees for s in datasets.verify("cowley-2023"))


def test_fetch_one_session(mirror):
    files = datasets.fetch("cowley-2023", session="210224")
    assert sorted(Path(path).name for path in files) == [
        "images_210224.zip",
        "readme.txt",
        "responses_210224.npy",
    ]
    assert all(local.is_file() for local in files.values())
