"""YAML files that users write, read into frozen pydantic models with errors of one line."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

Model = TypeVar("Model", bound="FrozenModel")


class FrozenModel(BaseModel):
    """Plain data: immutable, finite numbers only, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    root, content = _parsed(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        line = _line_of(root, ())
        raise ValueError(
            f"{path}, line {line}: the file must hold a mapping of keys to values, got {found}"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(_one_line(path, root, error)) from None


def _parsed(path: Path) -> tuple[yaml.Node | None, Any]:
    """The file's tree, whose nodes know their lines, and what it says."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: the file is not UTF-8; save it as that") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        twice = _repeated_key(root)
        content = yaml.safe_load(text) if twice is None else None
    # Dates that do not exist and numbers of thousands of digits are errors of Python, not of YAML.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        problem = " ".join(str(error).replace('in "<unicode string>", ', "").split())
        raise ValueError(
            f"{path}, line {line}: the file is not YAML: {problem}; look for tabs, brackets and "
            "quotes there"
        ) from None
    if twice is not None:
        line, first = twice.start_mark.line + 1, twice.value
        raise ValueError(f"{path}, line {line}: {first}: this key occurs twice; remove one")
    return root, content


def _repeated_key(root: yaml.Node | None) -> yaml.ScalarNode | None:
    """The second of two equal keys of one mapping; YAML's reader would forget the first."""
    waiting, known = [root], set()
    while waiting:
        node = waiting.pop()
        # An alias leads to a node again, perhaps to one that it is in.
        if not isinstance(node, yaml.CollectionNode) or id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        keys = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    return key
                keys.add(key.value)
            waiting.append(value)
    return None


def explain(error: ValidationError) -> str:
    """First problem of a validation error: key, what was wrong, and what was given."""
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in _location(problem)) or "the file as a whole"
    return f"{key}: {_message(problem)}"


#: What pydantic says in words of its own, by the type of the problem.
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "extra_forbidden": "unknown key; check its spelling or remove it",
        "missing": "this key is missing; add it",
        **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be an integer"),
        **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
        **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
        "string_type": "must be text; put it in quotes",
        **dict.fromkeys(("tuple_type", "list_type"), "must be a list; put it in square brackets"),
        **dict.fromkeys(("model_type", "dict_type"), "must be a mapping of keys to values"),
    }
)
#: Problems of which what was given says nothing.
_ABSENT: Final = ("extra_forbidden", "missing")
#: Characters of a wrong value that a message repeats.
_LONGEST: Final = 60


def _message(problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = _WORDS.get(problem["type"], message)
    given = problem["input"]
    if problem["type"] in _ABSENT or isinstance(given, dict | BaseModel) or ", got " in message:
        return message
    shown = repr(given)
    return f"{message}, got {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}"


def one_of(what: str, table: Mapping[str, type[Model]]) -> Callable[[Any], Any]:
    """Validator of an entry that names its ``kind``: ``gru``, or ``{kind: gru, kernel: 5}``.

    Raises
    ------
    PlacedError
        If the kind is not in ``table`` or its options do not fit; one problem, at its own key.
    """

    def chosen(value: Any) -> Any:
        if value is None or isinstance(value, FrozenModel):
            return value
        options = {"kind": value} if isinstance(value, str) else value
        if not isinstance(options, Mapping):
            raise ValueError(
                f"{what} must be one of {sorted(table)}, or a mapping with one of them as its kind"
            )
        kind = options.get("kind")
        if not isinstance(kind, str) or kind not in table:
            raise PlacedError(
                f"{what} must be one of {sorted(table)}, got {kind!r}",
                *(("kind",) if value is options else ()),
            )
        try:
            return table[options["kind"]].model_validate(options)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise PlacedError(_message(problem), *_location(problem)) from None

    return chosen


#: What pydantic adds to a location for the members of a union.
_UNION_MEMBERS: Final = re.compile(r"(int|float|str|bool|constrained-\w+|(literal|tuple)\[.*)$")


def _location(problem: Any) -> tuple[Any, ...]:
    cause = problem.get("ctx", {}).get("error")
    location = (*problem["loc"], *(cause.location if isinstance(cause, PlacedError) else ()))
    return tuple(x for x in location if not _UNION_MEMBERS.match(str(x)))


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
