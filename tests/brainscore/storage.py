"""A server of this process in place of Brain-Score's storage."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Storage(SimpleHTTPRequestHandler):
    """What a bucket does, as far as their downloads ask for it."""

    status = 200

    def send_head(self):
        if self.status != 200:
            self.send_error(self.status)
            return None
        return super().send_head()

    def log_message(self, *args):
        """Nothing."""


@contextmanager
def serving(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[type[Storage]]:
    """A server of ``folder / "s3"``, which boto takes for its own."""
    handler = type("Handler", (Storage,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder / "s3")) as it:
        threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01}).start()
        at(patch, folder, it.server_address[1])
        yield handler
        it.shutdown()


def at(patch: pytest.MonkeyPatch, folder: Path, port: int) -> None:
    """Let boto ask this port, and keep what it fetches in ``folder / "brainio"``."""
    from brainscore_core.supported_data_standards.brainio import fetch

    patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    patch.setenv("AWS_MAX_ATTEMPTS", "1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setattr(fetch, "_local_data_path", str(folder / "brainio"))


def out_of_reach(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """A port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at(patch, folder, free.getsockname()[1])
