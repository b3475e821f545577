"""One HTML file that holds figures, what they compare, and where everything came from."""

import base64
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import quote

import jinja2
import pandas as pd

from neurorec._checks import atomic_path

_TEMPLATE: Final = "report.html.j2"
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9-]*")
_RESERVED: Final = ("contents", "provenance")
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SHOWN: Final = 0.64  # pixels of the page per pixel of the PNG
_OPEN_ROWS: Final = 14  # longer tables are folded


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report: a figure, what it compares with what, and the numbers.

    Parameters
    ----------
    identifier
        Lower-case letters, digits and hyphens; the part's anchor in the page.
    text
        Paragraphs. Plain text is escaped; ``markupsafe.Markup`` is taken as it is.
    figure
        PNG to put into the page; a PDF and a CSV of the same name beside it are linked.
    alt
        What the figure shows, for those who cannot see it; the title if left out.
    table
        Numbers to print under the figure; index not shown.
    facts
        What was compared with what, n, ceilings, intervals, chance, seeds: name and text.

    Raises
    ------
    ValueError
        If ``identifier`` cannot be an anchor.
    """

    identifier: str
    title: str
    text: Sequence[str] = ()
    figure: Path | None = None
    alt: str = ""
    caption: str = ""
    table: pd.DataFrame | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _IDENTIFIER.fullmatch(self.identifier) or self.identifier in _RESERVED:
            raise ValueError(
                "identifier must begin with a lower-case letter and hold only lower-case letters, "
                f"digits and hyphens, and be none of {_RESERVED}, got {self.identifier!r}"
            )


def write_report(
    path: str | Path,
    *,
    title: str,
    lead: str,
    sections: Sequence[Section],
    provenance: Mapping[str, Any],
    simulated: bool = False,
) -> Path:
    """Write one self-contained HTML page: no script, nothing loaded from elsewhere.

    Parameters
    ----------
    lead
        The paragraph under the title.
    provenance
        Seeds, versions, digests; nested mappings become dotted names. A true ``simulated`` in it
        puts up the banner.
    simulated
        Put up the banner that says the recordings are simulated.

    Raises
    ------
    FileNotFoundError
        If the PNG of a section is absent.
    ValueError
        If it is no PNG, or two sections have the same identifier.
    """
    path = Path(path)
    identifiers = [section.identifier for section in sections]
    repeated = {name for name in identifiers if identifiers.count(name) > 1}
    if repeated:
        raise ValueError(
            f"every section needs an identifier of its own, got {sorted(repeated)} more than once"
        )
    page = _template().render(
        title=title,
        lead=lead,
        sections=[_view(section, path.parent) for section in sections],
        provenance=list(_flat(provenance)),
        simulated=simulated or bool(provenance.get("simulated", False)),
        open_rows=_OPEN_ROWS,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _template() -> jinja2.Template:
    source = files("neurorec.figures").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)


def _view(section: Section, folder: Path) -> dict[str, Any]:
    """What the template needs of a section."""
    return {
        "identifier": section.identifier,
        "title": section.title,
        "text": list(section.text),
        "caption": section.caption,
        "facts": dict(section.facts),
        "figure": None if section.figure is None else _figure(section, section.figure, folder),
        "table": None if section.table is None else _table(section.table),
    }


def _figure(section: Section, png: Path, folder: Path) -> dict[str, Any]:
    if not png.is_file():
        raise FileNotFoundError(
            f"section {section.identifier!r} names the figure {png}, which is not there; "
            "write it with neurorec.figures.save first"
        )
    content = png.read_bytes()
    if not content.startswith(_PNG_SIGNATURE):
        raise ValueError(f"{png} is no PNG; give the section the .png that save() wrote")
    width, height = struct.unpack(">II", content[16:24])
    siblings = [(s[1:].upper(), png.with_suffix(s)) for s in (".pdf", ".png", ".csv")]
    return {
        "alt": section.alt or section.title,
        "base64": base64.b64encode(content).decode("ascii"),
        # A double column fills the page; what is narrower on paper is narrower here.
        "width": round(width * _SHOWN),
        "height": round(height * _SHOWN),
        "links": [
            (kind, quote(Path(os.path.relpath(file, folder)).as_posix()))
            for kind, file in siblings
            if file.is_file()
        ],
    }


def _table(table: pd.DataFrame) -> dict[str, Any]:
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    rows = [
        [(_text(value), number) for value, number in zip(row, numeric, strict=True)]
        for row in table.itertuples(index=False, name=None)
    ]
    columns = list(zip(map(str, table.columns), numeric, strict=True))
    return {"columns": columns, "rows": rows}


def _text(value: Any) -> str:
    """A cell: four significant digits, nothing for what is missing."""
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "\N{MINUS SIGN}", 1 if value < 0 else 0)
    return str(value)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of nested values; lists are joined by commas."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(str(item) for item in value)
        else:
            yield name, str(value)
