"""The model that a command scores: how it is named, and the options that say how it is seen."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, final, get_type_hints

import typer

#: What a command takes as its model.
MODEL_HELP: Final = (
    "A checkpoint (.safetensors), a preset (untrained), a wiring file (.yaml), torchvision:NAME "
    "or torchvision:NAME:WEIGHTS, pixels, package.module:function, or the folder of a plugin."
)

#: Options that are settings under other names.
_NAMED: Final = ("region", "region_map", "areas", "seed")


@final
@dataclass(frozen=True, kw_only=True)
class SubjectOptions:
    """What the options of :func:`subject_options` were given; one field for each."""

    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="REGION=AREA",
            help="Area that a region is read from, such as V4=layer2; several as IT=PIT,AIT. Give "
            "it once for each region. If none, areas that are called V1, V2, V4 and IT.",
        ),
    ] = None
    region_map: Annotated[
        Path | None,
        typer.Option(help='Regions in a file, as {"V4": "layer2"}: JSON; --region goes before.'),
    ] = None
    areas: Annotated[
        list[str] | None,
        typer.Option(
            "--areas",
            metavar="AREA=MODULE",
            help="Name of an area of a torch model and the module whose output it is, such as "
            "V4=features.5. Give it once for each; found if none.",
        ),
    ] = None
    dt_ms: Annotated[
        float | None, typer.Option(help="Milliseconds of a timestep; the model's if left out.")
    ] = None
    onset_ms: Annotated[
        float, typer.Option(help="Milliseconds from stimulus onset to the first timestep.")
    ] = 0.0
    timesteps: Annotated[
        int | None, typer.Option(help="Timesteps; as many as in training if left out.")
    ] = None
    visual_degrees: Annotated[
        float, typer.Option(help="Degrees of visual angle that the model's input spans.")
    ] = 8.0
    seed: Annotated[
        int, typer.Option(help="Seed of the noise, and of the weights of what is untrained.")
    ] = 0
    noise: Annotated[
        bool, typer.Option("--noise/--no-noise", help="Whether noise acts, if there is any.")
    ] = True
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps what was recorded, for the next run."),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"


def subject_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose parameter of type :class:`SubjectOptions` is spelt out as its options.

    The others keep their order and those of the subject take the place of that parameter::

        @subject_options
        def score(model: Model, benchmark: Benchmarks, how: SubjectOptions) -> None: ...
    """
    hints = get_type_hints(command, include_extras=True)
    name = next(key for key, hint in hints.items() if hint is SubjectOptions)
    options = get_type_hints(SubjectOptions, include_extras=True)
    spelt_out = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hint
        )
        for field in fields(SubjectOptions)
        for hint in [options[field.name]]
    ]
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name == name:
            parameters.extend(spelt_out)
        else:
            hint = hints.get(parameter.name, parameter.annotation)
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hint, kind=kind))

    @wraps(command)
    def spelt(**given: Any) -> Any:
        taken = {field.name: given.pop(field.name) for field in fields(SubjectOptions)}
        return command(**given, **{name: SubjectOptions(**taken)})

    found: Any = spelt
    found.__signature__ = inspect.Signature(parameters)
    found.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return found


def make_subject(
    model: str,
    how: SubjectOptions,
    *,
    make: Callable[..., Any] | None = None,
    progress: Callable[[int], Any] = lambda n_presentations: None,
) -> Any:
    """The model that ``model`` names, with the settings of the command.

    ``make`` is :func:`neurorec.brainscore.subject`, or one like it. ``progress`` is called
    with the number of presentations after each batch of a pass.

    Raises
    ------
    ValueError
        If there is no such model, or an option does not fit it.
    """
    from neurorec.brainscore import subject

    regions, areas = regions_of(how), pairs(how.areas, "--areas", "V4=features.5")
    asked = {
        field.name: getattr(how, field.name)
        for field in fields(how)
        if field.name not in _NAMED and getattr(how, field.name) != field.default
    }
    if areas is not None:
        asked["areas"] = areas
    return (make or subject)(model, regions, seed=how.seed, progress=progress, **asked)


def regions_of(how: SubjectOptions) -> dict[str, list[str]] | None:
    """Areas of each region, of the file and of ``--region``; None where neither was given.

    Raises
    ------
    ValueError
        If the file is none of regions, or a region has no area.
    """
    from neurorec.brainscore import read_regions

    filed = {} if how.region_map is None else read_regions(how.region_map)
    given = pairs(how.region, "--region", "V4=layer2") or {}
    named = {region: areas.split(",") for region, areas in given.items()}
    return {**filed, **named} or None


def pairs(texts: Sequence[str] | None, option: str, example: str) -> dict[str, str] | None:
    """What ``NAME=VALUE`` says, of each of ``texts``.

    Raises
    ------
    ValueError
        If a name or value is missing, or a name comes twice.
    """
    if not texts:
        return None
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not name or not value:
            raise ValueError(f"{option} must be such as {example}, got {text!r}")
        if name in found:
            raise ValueError(f"{option} names {name!r} twice: {found[name]!r} and {value!r}")
        found[name] = value
    return found
