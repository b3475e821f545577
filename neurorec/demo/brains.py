"""The recordings that the models are held against: real ones, or their simulated twins."""

from dataclasses import dataclass
from typing import Any, final

from neurorec import datasets
from neurorec.datasets import DataUnavailableError, NeuralData

SESSION = "210325"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Brains:
    """Three data sets of macaque visual cortex.

    ``reason`` says, in a sentence, why they are simulated; it is empty for real ones.
    """

    v4: NeuralData
    it_rdms: NeuralData
    it_time: NeuralData
    simulated: bool
    reason: str = ""

    @property
    def provenance(self) -> dict[str, Any]:
        """Files and their digests, by data set."""
        return {d.identifier: d.provenance for d in (self.v4, self.it_rdms, self.it_time)}


def load_brains(*, simulated: bool, seed: int) -> Brains:
    """The real recordings, or simulated ones if asked for or if the real ones are out of reach.

    All three are real or all three simulated: a figure never mixes them.
    """
    if simulated:
        return _simulated("simulated recordings were asked for", seed)
    try:
        return Brains(
            v4=datasets.load("cowley-2023", session=SESSION),
            it_rdms=datasets.load("kriegeskorte-2008"),
            it_time=datasets.load("zhang-desimone-2011"),
            simulated=False,
        )
    except DataUnavailableError as error:
        return _simulated(str(error), seed)


def _simulated(reason: str, seed: int) -> Brains:
    v4, it_rdms, it_time = (
        datasets.simulated(name, seed=seed)
        for name in ("cowley-2023", "kriegeskorte-2008", "zhang-desimone-2011")
    )
    return Brains(v4=v4, it_rdms=it_rdms, it_time=it_time, simulated=True, reason=reason)
