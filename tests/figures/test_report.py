"""The report: one file, well formed, escaped, with everything said."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from neurorec.figures import Section, journal_style, new_figure, save, write_report

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Elements with attributes, and the text; complains of what is not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture
def png(tmp_path) -> Path:
    with journal_style():
        figure = new_figure(89.0, 40.0)
        figure.subplots().plot([0, 1])
    table = pd.DataFrame({"x": [1.0]})
    return save(figure, tmp_path / "figures" / "a b.v4", table=table, provenance={})[1]


@pytest.fixture
def section(png) -> Section:
    return Section(
        identifier="v4",
        title="V4 < IT & <b>",
        text=["plain <script>alert(1)</script>", Markup("<em>marked</em> up")],
        figure=png,
        alt='curves "over" time',
        caption="Bands < 95 %",
        table=pd.DataFrame({"model <": ["ff", None], "r": [-0.123456, np.nan], "n": [1, 20000]}),
        facts={"n <": "50 neurons & 640 images"},
    )


def _write(tmp_path, *sections: Section, **options) -> Page:
    settings = {"title": "T < t", "lead": "L < l", "provenance": {"seed": 0}} | options
    path = write_report(tmp_path / "report.html", sections=sections, **settings)
    return Page(path.read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_elsewhere(tmp_path, section):
    page = _write(tmp_path, section)
    assert not page.all("script") + page.all("link") + page.all("iframe") + page.all("base")
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.elements:
        assert not {"srcset", "onload", "onclick"} & set(attrs)
        if "src" in attrs:
            assert str(attrs["src"]).startswith("data:image/png;base64,")
        if "href" in attrs:
            target = str(attrs["href"])
            assert "://" not in target
            if target.startswith("#"):
                assert target[1:] in ids
            else:
                assert (tmp_path / unquote(target)).is_file()
    source = (tmp_path / "report.html").read_text()
    assert not re.search(r"url\(|@import|https?://", source)


def test_figure_is_inside_with_its_files_linked(tmp_path, section, png):
    page = _write(tmp_path, section)
    (image,) = page.all("img")
    assert base64.b64decode(str(image["src"]).split(",")[1]) == png.read_bytes()
    assert image["alt"] == 'curves "over" time'
    assert int(str(image["width"])) == pytest.approx(89 / 25.4 * 200 * 0.64, abs=1)
    links = [unquote(str(a["href"])) for a in page.all("a")]
    assert {"figures/a b.v4.pdf", "figures/a b.v4.png", "figures/a b.v4.csv"} <= set(links)


def test_files_that_are_absent_are_not_linked(tmp_path, section, png):
    png.with_suffix(".csv").unlink()
    assert "CSV" not in _write(tmp_path, section).text


def test_text_is_escaped_and_markup_kept(tmp_path, section):
    page = _write(tmp_path, section, provenance={"a <": "<i>"})
    assert not page.all("b") + page.all("i")
    assert len(page.all("em")) == 1
    for text in ("T < t", "L < l", "V4 < IT & <b>", "plain <script>", "Bands < 95 %", "model <"):
        assert text in page.text
    for text in ("n <", "50 neurons & 640 images", "a <", "<i>"):
        assert text in page.text


@pytest.mark.slow
def test_it_can_be_read_aloud(tmp_path, section):
    page = _write(tmp_path, section)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table")) == 3
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert all(attrs.get("scope") in {"row", "col"} for attrs in page.all("th"))
    assert page.all("meta")[1]["name"] == "viewport"


def test_the_title_stands_in_for_an_alt(tmp_path, png):
    page = _write(tmp_path, Section(identifier="s", title="Title", figure=png))
    assert page.all("img")[0]["alt"] == "Title"


def test_numbers_are_rounded_and_what_is_missing_is_left_empty(tmp_path, section):
    text = _write(tmp_path, section).text
    assert "\N{MINUS SIGN}0.1235" in text
    assert "20000" in text
    assert not re.search(r"\bnan\b", text.lower())
    assert "None" not in text


def test_long_tables_are_folded(tmp_path):
    def page(n):
        table = pd.DataFrame({"x": range(n)})
        return _write(tmp_path, Section(identifier="s", title="S", table=table))

    assert not page(14).all("details")
    assert len(page(15).all("details")) == 1


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"simulated": True}, True),
        ({"provenance": {"simulated": True}}, True),
        ({"provenance": {"simulated": 0}}, False),
        ({}, False),
    ],
)
def test_banner(tmp_path, section, options, shown):
    assert ("SIMULATED" in _write(tmp_path, section, **options).text) == shown


def test_contents_and_provenance(tmp_path, section):
    other = Section(identifier="it", title="IT")
    provenance = {"seeds": {"bootstrap": 7}, "command": ["neurorec", "demo"], "none": {}}
    page = _write(tmp_path, section, other, provenance=provenance)
    anchors = [a["href"] for a in page.all("a") if str(a["href"]).startswith("#")]
    assert anchors == ["#main", "#v4", "#it", "#provenance"]
    for text in ("seeds.bootstrap", "7", "neurorec, demo"):
        assert text in page.text


def test_a_report_without_sections(tmp_path):
    assert _write(tmp_path).all("section")[0]["id"] == "provenance"


@pytest.mark.parametrize("identifier", ["", "V4", "4v", "a b", "provenance", "contents", 'a"b'])
def test_identifiers_are_anchors(identifier):
    with pytest.raises(ValueError, match="identifier must begin with a lower-case letter"):
        Section(identifier=identifier, title="T")


def test_identifiers_are_not_repeated(tmp_path, section):
    with pytest.raises(ValueError, match=r"an identifier of its own, got \['v4'\] more than once"):
        _write(tmp_path, section, section)
    assert not (tmp_path / "report.html").exists()


def test_a_missing_figure_is_named(tmp_path):
    absent = Section(identifier="s", title="T", figure=tmp_path / "absent.png")
    with pytest.raises(FileNotFoundError, match=r"'s' names the figure .*absent\.png"):
        _write(tmp_path, absent)


def test_another_format_is_refused(tmp_path):
    file = tmp_path / "f.png"
    file.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"f\.png is no PNG"):
        _write(tmp_path, Section(identifier="s", title="T", figure=file))
