"""What the demo does and how large it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from neurorec.training import Training

#: Preset behind each model of the demo; the control keeps its first weights.
PRESET_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ff": "greco2025-ff",
        "ff-dropout": "greco2025-ff-dropout",
        "fb": "greco2025-fb",
        "fb-dropout": "greco2025-fb-dropout",
        "untrained": "greco2025-fb",
    }
)
#: Models that are trained.
TRAINED: Final = ("ff", "ff-dropout", "fb", "fb-dropout")


@final
@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Choices of the user, and the sizes that follow from ``quick``.

    Parameters
    ----------
    out
        Folder of the report and everything behind it.
    quick
        Smaller images, fewer timesteps and epochs: for a look, not for a result.
    simulated
        Use simulated recordings without looking for the real ones.
    images
        HDF5 file of labelled images to train on; scikit-learn's digits if left out.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    seed
        Of weights, order, noise and resampling.
    """

    out: Path
    quick: bool = False
    simulated: bool = False
    images: Path | None = None
    device: str = "auto"
    seed: int = 0

    @property
    def input_size(self) -> int:
        """Pixels along a side of what a model sees."""
        return 16 if self.quick else 32

    @property
    def timesteps(self) -> int:
        """Timesteps of training and recording."""
        return 5 if self.quick else 8

    @property
    def repetitions(self) -> int:
        """Stochastic passes where noise is on."""
        return 2 if self.quick else 4

    @property
    def n_draws(self) -> int:
        """Bootstrap samples behind every interval."""
        return 500 if self.quick else 1000

    @property
    def n_train(self) -> int | None:
        """Images of a large file that are trained on; all of the digits."""
        return None if self.images is None else (2000 if self.quick else 5000)

    @property
    def n_test(self) -> int | None:
        """Images of a large file that are tested on."""
        return None if self.images is None else (300 if self.quick else 500)

    @property
    def training(self) -> Training:
        """How the models are trained."""
        return Training(epochs=6 if self.quick else 10, seed=self.seed)
