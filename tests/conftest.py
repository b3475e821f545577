"""Fixtures that every test may use."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

# Tests work on small arrays, on which a second thread waits longer than it helps. Read when torch
# is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20110523)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{SHARED_DATA} is absent: the real recordings are not on this machine")
    return SHARED_DATA


@pytest.fixture
def mirror(shared_data, monkeypatch) -> Path:
    """The mirror of original source files, set as ``NEUROREC_MIRROR``."""
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    return shared_data / "mirror"


@pytest.fixture(scope="session")
def expected(shared_data) -> Path:
    """Independent conversions of three data sets."""
    return shared_data / "expected"


@pytest.fixture(scope="session")
def zhang(shared_data):
    """Counts of macaque IT in bins of 10 ms."""
    from neurorec import datasets

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
        return datasets.load("zhang-desimone-2011", bin_width_ms=10).assembly


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device on this machine")
    return request.param


def pytest_configure() -> None:
    # Figures are drawn without a screen.
    os.environ.setdefault("MPLBACKEND", "Agg")
    # Started in the background of a shell, this process ignores Ctrl-C, and so would the processes
    # whose interruption the tests watch.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
