"""Downloads from a real server on this machine that breaks off, lies, stalls or is not there."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from neurorec.datasets import DamagedError, DataUnavailableError
from neurorec.datasets.download import _Bar
from neurorec.datasets.fetch import fetch_files

#: Real servers, some of which stall.
pytestmark = pytest.mark.slow

CONTENTS = {f"folder/file {i}.bin": bytes([i]) * 200_000 for i in range(4)}
QUOTED = [path.replace(" ", "%20") for path in CONTENTS]

#: Fetches the files of the manifest in argv[1], as a process that can be hurt.
FETCH = """
import sys
from neurorec.datasets.fetch import fetch_files
from neurorec.datasets.manifest import Manifest
fetch_files(Manifest.model_validate_json(sys.argv[1]))
"""


@pytest.fixture
def manifest(server, make_manifest):
    server.bodies = dict(zip(QUOTED, CONTENTS.values(), strict=True))
    return make_manifest(CONTENTS, url=server.address + "/{path}")


def finished(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_everything_arrives_once(cache, server, manifest):
    files = fetch_files(manifest)
    assert {path: local.read_bytes() for path, local in files.items()} == CONTENTS
    assert finished(cache / "tiny") == sorted(CONTENTS)
    assert server.downloads() == QUOTED
    fetch_files(manifest)
    assert server.downloads() == QUOTED


@pytest.mark.parametrize("fault", ["cut", "cut without length", "other"])
def test_a_transfer_that_went_wrong_once_is_repeated(fault, cache, server, manifest):
    server.faults = {QUOTED[1]: [fault]}
    files = fetch_files(manifest)
    assert {path: local.read_bytes() for path, local in files.items()} == CONTENTS
    assert server.downloads().count(QUOTED[1]) == 2


def test_a_body_that_breaks_off_again_and_again(cache, server, manifest):
    server.faults = {QUOTED[2]: ["cut"] * 9}
    with pytest.raises(DataUnavailableError, match=r"file 2\.bin is in no mirror.*broke off;"):
        fetch_files(manifest)
    assert finished(cache / "tiny") == sorted(CONTENTS)[:2]
    server.faults = {}
    before = len(server.downloads())
    assert len(fetch_files(manifest)) == 4
    assert server.downloads()[before:] == QUOTED[2:]


@pytest.mark.parametrize("fault", ["other", "cut without length"])
def test_another_file_is_not_kept(fault, cache, server, manifest):
    server.faults = {QUOTED[0]: [fault] * 9}
    with pytest.raises(DamagedError, match=r"tiny: http.*gave another file") as caught:
        fetch_files(manifest)
    message = str(caught.value)
    assert manifest.files[0].sha256 in message
    assert "got " in message
    assert "nothing to delete" in message
    assert finished(cache / "tiny") == []


def test_not_found(cache, server, manifest):
    del server.bodies[QUOTED[3]]
    with pytest.raises(DataUnavailableError, match=r"file%203\.bin answers 404; connect"):
        fetch_files(manifest)
    assert server.downloads().count(QUOTED[3]) == 1
    assert finished(cache / "tiny") == sorted(CONTENTS)[:3]


def test_nobody_listens(cache, make_manifest):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{{path}}"
    start = time.perf_counter()
    with pytest.raises(DataUnavailableError, match="does not answer") as caught:
        fetch_files(make_manifest({"x": b"y"}, url=url))
    assert time.perf_counter() - start < 3
    assert "tiny: x is in no mirror and not in the cache" in str(caught.value)
    assert "connect to the network, or set NEUROREC_MIRROR" in str(caught.value)


def test_a_silent_server_is_given_up_after_one_limit_for_it_all(cache, make_manifest, monkeypatch):
    monkeypatch.setattr("neurorec.datasets.download.ANSWER_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{path}}"
        contents = {f"{i}": b"y" for i in range(20)}
        start = time.perf_counter()
        with pytest.raises(DataUnavailableError, match="does not answer"):
            fetch_files(make_manifest(contents, url=url))
        assert time.perf_counter() - start < 3


def test_an_answer_that_drips_in_does_not_outlast_the_limit(cache, make_manifest, monkeypatch):
    """Each byte comes in time, as each of many addresses of a host may, the whole does not."""
    monkeypatch.setattr("neurorec.datasets.download.ANSWER_S", 0.5)
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()

        def drip() -> None:
            connection, _ = slow.accept()
            with connection, suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\n\r\n":
                    connection.sendall(bytes([byte]))
                    time.sleep(0.2)

        thread = threading.Thread(target=drip)
        thread.start()
        start = time.perf_counter()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/{{path}}"
        with pytest.raises(DataUnavailableError, match="does not answer"):
            fetch_files(make_manifest({"x": b"y"}, url=url))
        assert time.perf_counter() - start < 2.5
        thread.join()


def test_a_transfer_that_stalls(cache, server, manifest, monkeypatch):
    monkeypatch.setattr("neurorec.datasets.download.TIMEOUT_S", (1.0, 0.3))
    server.faults = {QUOTED[0]: ["stall"] * 9}
    with pytest.raises(DataUnavailableError, match="broke off"):
        fetch_files(manifest)
    assert server.downloads().count(QUOTED[0]) == 2


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "NEUROREC_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}


def test_interrupted_with_ctrl_c_and_taken_up_again(cache, server, manifest):
    server.faults = {QUOTED[2]: ["stall"]}
    command = [sys.executable, "-c", FETCH, manifest.model_dump_json()]
    process = subprocess.Popen(command, env=environment(cache), stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while QUOTED[2] not in server.downloads():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert finished(cache / "tiny") == sorted(CONTENTS)[:2]
    before = len(server.downloads())
    fetch_files(manifest)
    assert server.downloads()[before:] == QUOTED[2:]


def test_a_full_disk_is_reported_and_finished_files_stay(cache, server, make_manifest):
    contents = {"small": b"s" * 1000, "large": b"l" * 3_000_000, "after": b"a"}
    server.bodies = contents
    manifest = make_manifest(contents, url=server.address + "/{path}")

    def no_large_files() -> None:
        # Stands for a full disk: writing fails in the middle of the file, with an OSError.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = subprocess.run(
        [sys.executable, "-c", FETCH, manifest.model_dump_json()],
        env=environment(cache),
        preexec_fn=no_large_files,
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "large could not be written (File too large); what was finished is kept" in last
    assert "set NEUROREC_CACHE to another folder, and run again" in last
    assert finished(cache / "tiny") == ["small"]
    assert len(fetch_files(manifest)) == 3
    assert server.downloads().count("small") == 1


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch, server, manifest):
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "occupied"))
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    with pytest.raises(OSError, match=r"could not be written .*set NEUROREC_CACHE") as caught:
        fetch_files(manifest)
    assert not isinstance(caught.value, DataUnavailableError)


@pytest.mark.parametrize("length_told", [0, 200_000])
def test_the_bar_counts_every_byte_once(length_told, make_manifest):
    """The calls are pooch's: whole chunks, then a reset and the length that the server told."""
    advanced: list[int] = []
    bar = _Bar(advanced.append)
    for file in make_manifest(CONTENTS).files:
        bar.begin(file)
        for _ in range(4):
            bar.update(65_536)
            assert sum(advanced) <= 4 * 200_000
        bar.reset()
        bar.update(length_told)
        bar.close()
    assert sum(advanced) == 4 * 200_000
