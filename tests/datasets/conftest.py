"""A cache folder of the test's own, small manifests, and a web server that can misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from neurorec.datasets.manifest import Manifest


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and no mirror."""
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEUROREC_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def make_manifest():
    """Builds the manifest of data set ``tiny`` from the contents of its files."""

    def make(contents: dict[str, bytes], url: str | None = None, **keys) -> Manifest:
        files = [
            {"path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for path, body in contents.items()
        ]
        fixed = {
            "name": "tiny",
            "title": "Tiny",
            "reader": "netcdf",
            "species": [],
            "regions": [],
            "licence": "none",
            "citation": "none",
            "repository": "somebody/something",
            "commit": "0" * 40,
            "url": url,
            "files": files,
        }
        return Manifest.model_validate(fixed | keys)

    return make


@dataclass
class Server:
    """Serves ``bodies`` by path; ``faults`` names what goes wrong, and is used up one by one."""

    address: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def downloads(self) -> list[str]:
        return [path for verb, path in self.requests if verb == "GET"]


def _handler(state: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def do_HEAD(self):
            state.requests.append(("HEAD", self.path.lstrip("/")))
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            path = self.path.lstrip("/")
            state.requests.append(("GET", path))
            queue = state.faults.get(path, [])
            fault = queue.pop(0) if queue else "none"
            body = state.bodies.get(path)
            if body is None:
                self.send_error(404)
                return
            if fault == "other":
                body = b"x" * len(body)
            self.send_response(200)
            if fault != "cut without length":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            whole = fault in ("none", "other")
            self.wfile.write(body if whole else body[: len(body) // 2])
            if fault == "stall":
                self.wfile.flush()
                state.released.wait(30)

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    state = Server(address=f"http://127.0.0.1:{httpd.server_port}")
    httpd.RequestHandlerClass = _handler(state)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield state
    state.released.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()
