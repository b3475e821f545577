"""Numbers that public implementations gave, and how near ours must come."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


@dataclass(frozen=True)
class Oracle:
    """One case: seeded weights and inputs, and the outputs of a public implementation."""

    arrays: dict[str, np.ndarray]
    info: dict[str, Any]

    def tensor(self, name: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.from_numpy(np.array(self.arrays[name])).to(dtype)

    def weights(self, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
        """Weights by their names in the public module."""
        prefix = "weight/"
        return {
            name.removeprefix(prefix): self.tensor(name, dtype)
            for name in self.arrays
            if name.startswith(prefix)
        }

    def n_steps(self, output: str) -> int:
        """Number of steps recorded of ``output``."""
        return sum(name.startswith(f"output/{output}@") for name in self.arrays)

    def check(self, ours: torch.Tensor, name: str) -> None:
        """``ours`` against the array ``name``, relative to its largest value.

        float32 results of the public code differ from its own float64 ones by up to 2e-5; 1e-4
        leaves room for another order of summation and none for another equation.
        """
        theirs = self.arrays[name]
        bound = 1e-9 if name.startswith("output64/") else 1e-4
        assert tuple(ours.shape) == theirs.shape
        distance = np.abs(ours.numpy(force=True) - theirs).max() / np.abs(theirs).max()
        assert distance <= bound, f"{name}: {distance:.2e} > {bound:.0e}"


@pytest.fixture(scope="session")
def oracle(shared_data) -> Callable[[str], Oracle]:
    """Case by name, for example ``oracle("convgru_a")``."""
    folder: Path = shared_data / "oracles"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: no public implementation to compare with")

    def load(case: str) -> Oracle:
        with np.load(folder / f"{case}.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return Oracle(arrays, json.loads((folder / f"{case}.json").read_text()))

    return load
