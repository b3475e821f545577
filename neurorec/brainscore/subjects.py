"""Any model as a subject of Brain-Score: ours, torch's, theirs, or the name of one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from torch import nn

from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.behaviour import IMAGENET, Behaviour
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.chosen_regions import in_chosen_time
from neurorec.brainscore.commitments import Regions
from neurorec.brainscore.modules import IMAGENET_VIEWING, adapted
from neurorec.brainscore.region_maps import default_regions
from neurorec.brainscore.sources import KINDS, Source, named
from neurorec.models import RecurrentModel
from neurorec.models.abstract_adapter import AbstractAdapter, Viewing

import_brainscore()

from brainscore_vision.model_interface import BrainModel  # noqa: E402

#: How long the one timestep of a model without time lasts, in ms: longer than any trial.
STATIC_MS: Final = 10_000


def subject(
    given: Any, regions: Regions | None = None, *, seed: int = 0, **settings: Any
) -> BrainModel:
    """A model that Brain-Score's benchmarks can call.

    A model of one timestep, such as a torch module without time, shows the same at all times from
    stimulus onset on: unless ``dt_ms`` or ``timesteps`` say otherwise, its timestep lasts
    10 s, which covers whatever a benchmark asks for. Other models have the time that they have;
    a benchmark may ask for time bins beyond it, which is an error.

    Parameters
    ----------
    given
        A ``BrainModel``, which is returned as it is; a :class:`~neurorec.models.RecurrentModel`; a
        torch module; or text:

        - a checkpoint of neurorec (``fb.safetensors``), which brings the names of its classes;
        - a preset (``cornet-s``) or a wiring file (``.yaml``), with first weights;
        - ``torchvision:resnet18``, with first weights, or with a colon and the path of a state
          dict, or the name of weights (``IMAGENET1K_V1``), which are downloaded;
        - ``pixels``, or ``pixels:32``: the image itself, at that size;
        - ``package.module:function``, which is called and makes a model. It runs code;
        - the folder of a plugin, as ``neurorec brainscore export`` writes it. It runs code.
    regions
        Area, or several, of each region. Of a torch module also the name of a submodule
        (``{"V4": "layer2.0.conv1"}``), which becomes an area. If left out, areas that are called
        V1, V2, V4 and IT, or that the wiring says belong to these regions. Those of
        :func:`read_regions` and :func:`fit_regions` bring the time at which they were chosen; with
        another in ``settings``, that is the one, and a warning says so.
    seed
        Of the noise, and of the weights of what is untrained.
    **settings
        As in :class:`NeurorecBrainModel`. Labels of classifiers of torchvision with 1000 classes
        are ImageNet's unless ``behaviour`` says otherwise. Of a torch module also:

        ``areas``, its areas and the submodule of each. If left out, submodules that are called V1,
        V2, V4 and IT, or the stages of the module, ``layer1`` to ``layer4`` of a ResNet; see
        :func:`neurorec.brainscore.modules.found_areas`. Where each is called several times in a
        forward pass, each call is a timestep; see :func:`neurorec.models.adapters.per_timestep`.

        ``viewing``, a :class:`Viewing`, how it sees images. Models of torchvision have their own;
        others see 224 × 224 pixels normed by ImageNet's moments if left out, as Brain-Score shows
        them.

        ``mode``, ``"constant"`` or ``"sweep"``, if it has no time; see
        :func:`neurorec.models.adapters.feedforward`.

    Raises
    ------
    ValueError
        If there is no such model, areas do not exist, or no area stands for a region.
    """
    return of_source(_source(given, seed), regions, seed=seed, **settings)


def uncommitted(given: Any, regions: None = None, *, seed: int = 0, **settings: Any) -> BrainModel:
    """What :func:`subject` makes of ``given`` before it is known which areas stand for regions.

    :func:`neurorec.brainscore.fit_regions` finds them; until then the last area is the region
    ``all``.
    """
    source = _source(given, seed)
    return of_source(source, regions, seed=seed, default=_last_area, **settings)


def with_timesteps(model: Any) -> NeurorecBrainModel:
    """A subject whose areas and timesteps are known, whatever its regions are.

    Raises
    ------
    ValueError
        If ``model`` is neither a RecurrentModel nor a subject of one.
    """
    if isinstance(model, NeurorecBrainModel):
        return model
    if not isinstance(model, RecurrentModel):
        raise ValueError(
            "areas and timesteps are known of a RecurrentModel or a NeurorecBrainModel, got "
            f"{type(model).__name__}; neurorec.models.adapters makes one of a torch module"
        )
    made = uncommitted(model)
    assert isinstance(made, NeurorecBrainModel)
    return made


def _last_area(model: RecurrentModel) -> dict[str, list[str]]:
    return {"all": list(model.area_shapes)[-1:]}


def _source(given: Any, seed: int) -> Source:
    return named(str(given), seed=seed) if isinstance(given, str | Path) else Source(model=given)


def of_source(
    source: Source,
    regions: Regions | None,
    *,
    seed: int,
    areas: Mapping[str, str] | None = None,
    viewing: Viewing | None = None,
    mode: str = "constant",
    default: Callable[[RecurrentModel], Regions] = default_regions,
    **settings: Any,
) -> BrainModel:
    """What :func:`subject` makes of a source that was found; ``default`` gives unsaid regions."""
    if isinstance(source.model, BrainModel):
        asked = {"regions": regions, "areas": areas, "viewing": viewing, **settings}
        return _as_it_is(source.model, asked)
    settings = in_chosen_time(regions, settings)
    model, known = _with_areas(source, areas, regions, viewing, mode)
    if known is None:
        known = source.regions or default(model)
    behaviour = settings.pop("behaviour", None) or Behaviour()
    if behaviour.labels is None:
        behaviour = replace(behaviour, labels=_labels(model, source))
    return NeurorecBrainModel(
        model,
        dict(known),  # without their time, which is among the settings
        behaviour=behaviour,
        seed=seed,
        **{"identifier": source.name, **settings, **_time(model, settings)},
    )


def _as_it_is(model: BrainModel, asked: Mapping[str, Any]) -> BrainModel:
    given = sorted(k for k, value in asked.items() if value is not None and k != "progress")
    if given:
        raise ValueError(
            f"{model.identifier} is a model of Brain-Score, which has its own regions and time; "
            f"leave out {', '.join(given)}"
        )
    return model


def _with_areas(
    source: Source,
    areas: Mapping[str, str] | None,
    regions: Regions | None,
    viewing: Viewing | None,
    mode: str,
) -> tuple[RecurrentModel, Regions | None]:
    model = source.model
    if isinstance(model, RecurrentModel):
        if areas is not None or viewing is not None:
            raise ValueError(
                f"areas and viewing are those of a torch module; {model.name!r} has areas of its "
                f"own, {list(model.area_shapes)}: name these in regions"
            )
        return model, regions
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"a model must be a BrainModel, a RecurrentModel, a torch module, or text: {KINDS}; "
            f"got {type(model).__name__}"
        )
    seen = viewing or source.viewing or IMAGENET_VIEWING
    return adapted(model, areas=areas, regions=regions, viewing=seen, mode=mode)


def _time(model: RecurrentModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The timestep of a model without time, where none is asked for."""
    unsaid = settings.get("dt_ms") is None and settings.get("timesteps") is None
    return {"dt_ms": STATIC_MS} if unsaid and model.timesteps == 1 else {}


def _labels(model: RecurrentModel, source: Source) -> tuple[str, ...] | str | None:
    """Names of the classes, where it is known what they are."""
    if source.labels is not None:
        return source.labels if model.logits_shape == (len(source.labels),) else None
    if not isinstance(model, AbstractAdapter) or model.logits_shape != (1000,):
        return None
    of_torchvision = type(model.module).__module__.startswith("torchvision.models.")
    return IMAGENET if of_torchvision else None
