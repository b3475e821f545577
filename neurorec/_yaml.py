"""YAML files that users write, read into frozen pydantic models with errors of one line."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound="FrozenModel")


class FrozenModel(BaseModel):
    """Plain data: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlacedError(ValueError):
    """A fault of the whole that one entry causes; ``location`` leads to it from the root."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


def read_yaml(path: Path, kind: type[Model]) -> Model:
    """The file at ``path`` as a ``kind``.

    Raises
    ------
    ValueError
        If the file is no YAML mapping or does not fit; one line names file, line, key and value.
    """
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must hold a mapping of keys to values, got {type(content).__name__}"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(_one_line(path, root, error)) from None


def explain(error: ValidationError) -> str:
    """First problem of a validation error: key, what was wrong, and what was given."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in _location(problem)) or "the file as a whole"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; check its spelling or remove it"
    if problem["type"] == "missing":
        return f"{key}: this key is missing; add it"
    given = "" if isinstance(problem["input"], dict | BaseModel) else f", got {problem['input']!r}"
    return f"{key}: {message}{given}"


def _location(problem: Any) -> tuple[Any, ...]:
    cause = problem.get("ctx", {}).get("error")
    return (*problem["loc"], *(cause.location if isinstance(cause, PlacedError) else ()))


def _one_line(path: Path, root: yaml.Node | None, error: ValidationError) -> str:
    line = _line_of(root, _location(error.errors(include_url=False)[0]))
    return f"{path}, line {line}: {explain(error)}"


def _line_of(node: yaml.Node | None, location: tuple[Any, ...]) -> int:
    """Line, counted from 1, of the deepest part of ``location`` that the file has."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                return line
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            child = node.value[part]
            line, node = child.start_mark.line + 1, child
    return line
