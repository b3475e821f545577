"""Weights with an address: downloaded once, resumed, verified; from a real server."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import export, open_plugin
from neurorec.brainscore.plugin_weights import weights
from neurorec.models import save

from .common import model

CONTENT = np.random.default_rng(0).bytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``breaks_at`` is how many bytes it sends before it hangs up, once."""

    daemon_threads = True

    def __init__(self):
        self.content, self.ranges, self.breaks_at, self.asked = CONTENT, True, None, []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/w.safetensors"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if "missing" in self.path:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if start and start >= len(server.content):
            self.send_error(416)
            return
        rest = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        sent, server.breaks_at = rest[: server.breaks_at], None
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetched(server, tmp_path, url=None):
    return weights(tmp_path / "w.safetensors", sha256=DIGEST, url=url or server.url)


def test_once(server, tmp_path):
    path = fetched(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "cache")
    assert fetched(server, tmp_path) == path
    assert server.asked == [None]


def test_a_file_of_the_plugin_comes_first(server, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(CONTENT)
    assert fetched(server, tmp_path) == tmp_path / "w.safetensors"
    assert server.asked == []


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "none"])
def test_what_broke_off_goes_on(server, tmp_path, ranges):
    server.breaks_at, server.ranges = 120_000, ranges
    with pytest.raises(OSError, match="broke off; what has come is kept"):
        fetched(server, tmp_path)
    (part,) = (tmp_path / "cache").rglob("*.part")
    assert part.read_bytes() == CONTENT[:65536]  # whole blocks
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=65536-"]
    assert not part.exists()


def test_a_part_that_is_complete(server, tmp_path):
    """The process was killed before the file had its name."""
    folder = tmp_path / "cache" / "weights" / DIGEST
    folder.mkdir(parents=True)
    (folder / "w.safetensors.part").write_bytes(CONTENT)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]


def test_a_part_that_was_damaged_is_begun_anew(server, tmp_path):
    folder = tmp_path / "cache" / "weights" / DIGEST
    folder.mkdir(parents=True)
    (folder / "w.safetensors.part").write_bytes(b"x" * 1000)
    assert fetched(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


def test_a_damaged_copy_is_replaced(server, tmp_path):
    path = fetched(server, tmp_path)
    path.write_bytes(b"damaged")
    assert fetched(server, tmp_path).read_bytes() == CONTENT


def test_another_file(server, tmp_path):
    server.content = b"another"
    with pytest.raises(ValueError, match=f"gave another file than was exported.*{DIGEST}, got"):
        fetched(server, tmp_path)
    kept = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [name for name in kept if not name.endswith(".lock")] == []


def test_no_such_address(server, tmp_path):
    with pytest.raises(OSError, match=r"cannot be had: .* answers 404"):
        fetched(server, tmp_path, url=server.url.replace("w.", "missing."))


def test_offline(server, tmp_path):
    with pytest.raises(OSError, match=r"cannot be had: .* does not answer"):
        fetched(server, tmp_path, url="http://127.0.0.1:1/w.safetensors")


def test_of_the_plugin(tmp_path):
    with pytest.raises(OSError, match=r"the weights .*w.safetensors are missing; export the model"):
        weights(tmp_path / "w.safetensors", sha256=DIGEST)
    (tmp_path / "w.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is not the file that was exported: expected sha256"):
        weights(tmp_path / "w.safetensors", sha256=DIGEST)


def test_a_plugin_without_its_weights(server, tmp_path):
    checkpoint = save(model(), tmp_path / "some.safetensors")
    server.content = checkpoint.read_bytes()
    within = export(checkpoint, "mine", tmp_path / "within", {"V4": "a2"})
    apart = export(checkpoint, "mine", tmp_path / "apart", {"V4": "a2"}, weights_url=server.url)
    assert not list(apart.rglob("*.safetensors"))
    assert server.asked == []
    assert open_plugin(apart).identifier == open_plugin(within).identifier
    assert server.asked == [None]
    assert f"at <{server.url}>" in (apart / "README.md").read_text()
    assert server.url in (apart / "metadata.yaml").read_text()
