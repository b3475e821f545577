"""The model that a command scores: how it is named, and the options that say how it is seen."""

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, final, get_type_hints

import typer

if TYPE_CHECKING:
    from neurorec.brainscore.commitments import Regions

#: What a command takes as its model.
MODEL_HELP: Final = (
    "A checkpoint (.safetensors), a preset (untrained), a wiring file (.yaml), torchvision:NAME "
    "or torchvision:NAME:WEIGHTS, pixels, package.module:function, or the folder of a plugin."
)

#: Of an option of commands that show a model the stimuli of local data.
STIMULUS_DEGREES_HELP: Final = (
    "Width of the stimuli of local data in degrees of visual angle; as the data set says if left "
    "out, otherwise all that the model sees."
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
        typer.Option(
            help="File of 'neurorec brainscore regions', whose time then is the model's if no "
            'other is given, or by hand: {"V4": "layer2"}. --region goes before.'
        ),
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
        float | None,
        typer.Option(help="Milliseconds from stimulus onset to the first timestep; 0 if left out."),
    ] = None
    timesteps: Annotated[
        int | None, typer.Option(help="Timesteps; as many as in training if left out.")
    ] = None
    visual_degrees: Annotated[
        float, typer.Option(help="Degrees of visual angle that the model's input spans.")
    ] = 8.0
    seed: Annotated[
        int,
        typer.Option(help="Seed of the noise, of the weights of what is untrained, and of draws."),
    ] = 0
    noise: Annotated[
        bool, typer.Option("--noise/--no-noise", help="Whether noise acts, if there is any.")
    ] = True
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps what was recorded, for the next run."),
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"


def subject_options(
    *, without: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Spell out the parameter of type :class:`SubjectOptions` of a command as its options.

    The others keep their order and those of the subject take the place of that parameter::

        @subject_options()
        def score(model: Model, benchmark: Benchmarks, how: SubjectOptions) -> None: ...

    Parameters
    ----------
    without
        Options that the command does not have.
    """
    hints = get_type_hints(SubjectOptions, include_extras=True)
    kept = [one for one in fields(SubjectOptions) if one.name not in without]
    options = [_keyword(one.name, hints[one.name], one.default) for one in kept]

    def spell_out(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(command, include_extras=True)
        name = next(key for key, hint in hints.items() if hint is SubjectOptions)
        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(command).parameters.values():
            hint = hints.get(own.name, own.annotation)
            own_option = _keyword(own.name, hint, own.default)
            parameters.extend(options if own.name == name else [own_option])

        @wraps(command)
        def spelt(**given: Any) -> Any:
            taken = {option.name: given.pop(option.name) for option in options}
            return command(**given, **{name: SubjectOptions(**taken)})

        found: Any = spelt
        found.__signature__ = inspect.Signature(parameters)
        found.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return found

    return spell_out


def _keyword(name: str, hint: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=hint)


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

    regions, asked = asked_of(how)
    return (make or subject)(model, regions, seed=how.seed, progress=progress, **asked)


def asked_of(how: SubjectOptions) -> "tuple[Regions | None, dict[str, Any]]":
    """Regions, and the settings but for the seed that were given other values than usual.

    Where the time is another than that of the regions' file, a line on standard error says so.

    Raises
    ------
    ValueError
        If an option or the file of regions cannot be read.
    """
    from neurorec.brainscore.chosen_regions import in_chosen_time

    regions, areas = regions_of(how), pairs(how.areas, "--areas", "V4=features.5")
    asked = {
        field.name: getattr(how, field.name)
        for field in fields(how)
        if field.name not in _NAMED and getattr(how, field.name) != field.default
    }
    if areas is not None:
        asked["areas"] = areas
    said: list[str] = []
    in_time = in_chosen_time(regions, asked, say=said.append)
    if regions is None or not said:
        return regions, asked
    typer.echo(f"neurorec: {said[0]}", err=True)
    return dict(regions), in_time


def regions_of(how: SubjectOptions) -> "Regions | None":
    """Areas of each region, of the file and of ``--region``; None where neither was given.

    Raises
    ------
    ValueError
        If the file is none of regions, or a region has no area.
    """
    from neurorec.brainscore import read_regions

    given = pairs(how.region, "--region", "V4=layer2") or {}
    named = {region: areas.split(",") for region, areas in given.items()}
    if how.region_map is None:
        return named or None
    filed = read_regions(how.region_map)
    return replace(filed, areas={**filed, **named})


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
