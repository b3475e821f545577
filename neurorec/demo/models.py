"""The models of the demo: built, trained, recorded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from neurorec import models
from neurorec._checks import sha256_of
from neurorec.demo.settings import PRESET_OF, TRAINED, DemoSettings
from neurorec.recording import Recording, record
from neurorec.stimuli import StimulusSet
from neurorec.tasks import ClassificationTask, digits, from_file
from neurorec.training import train


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A model of the demo, its checkpoint and the mean loss of each epoch of training."""

    model: models.RecurrentNetwork
    path: Path
    losses: tuple[float, ...]

    @property
    def sha256(self) -> str:
        """Digest of the checkpoint."""
        return sha256_of(self.path)


def load_task(settings: DemoSettings) -> ClassificationTask:
    """What the models are trained on."""
    if settings.images is None:
        return digits(seed=settings.seed)
    return from_file(settings.images, n_train=settings.n_train, n_test=settings.n_test)


def train_all(
    settings: DemoSettings, task: ClassificationTask, progress: Callable[[str, float], Any]
) -> dict[str, Trained]:
    """Every model, from the same first weights; the control stays at them."""
    return {name: _trained(name, settings, task, progress) for name in PRESET_OF}


def _trained(
    name: str,
    settings: DemoSettings,
    task: ClassificationTask,
    progress: Callable[[str, float], Any],
) -> Trained:
    network = models.build(
        PRESET_OF[name],
        seed=settings.seed,
        input_size=settings.input_size,
        timesteps=settings.timesteps,
        classes=task.n_classes,
    )
    path = settings.out / "checkpoints" / f"{name}.safetensors"
    if name not in TRAINED:
        models.save(network, path, metadata={"task": "none: first weights"})
        return Trained(model=network, path=path, losses=())
    finished = path.exists()
    result = train(
        network,
        task,
        out=path,
        settings=settings.training,
        device=settings.device,
        progress=lambda epoch, loss: progress(name, loss),
    )
    if finished:
        for loss in result.losses:
            progress(name, loss)
    return Trained(model=result.model, path=path, losses=result.losses)


def record_all(
    settings: DemoSettings,
    trained: Mapping[str, Trained],
    stimulus_sets: Mapping[str, StimulusSet],
    progress: Callable[[int], Any],
) -> dict[tuple[str, str], Recording]:
    """A recording of each model and stimulus set; noise is on where the model has any."""
    recordings = {}
    for name, one in trained.items():
        noisy = bool(one.model.stochastic_areas)
        for shown, stimuli in stimulus_sets.items():
            recordings[name, shown] = record(
                one.model,
                stimuli,
                out=settings.out / "recordings" / f"{name}-{shown}.h5",
                repetitions=settings.repetitions if noisy else 1,
                noise=noisy,
                seed=settings.seed,
                dtype="float16",
                device=settings.device,
                progress=progress,
            )
    return recordings


def n_presentations(
    settings: DemoSettings, trained: Mapping[str, Trained], stimulus_sets: Mapping[str, StimulusSet]
) -> int:
    """Presentations that :func:`record_all` makes."""
    n_stimuli = sum(len(stimuli) for stimuli in stimulus_sets.values())
    passes = (settings.repetitions if t.model.stochastic_areas else 1 for t in trained.values())
    return n_stimuli * sum(passes)
