"""Figures on disk: fonts, metadata, the same bytes again, the table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurorec.figures import journal_style, new_figure, save

pytestmark = pytest.mark.slow

PROVENANCE = {"seed": 0, "data": {"cowley-2023": "0f3c"}, "of": "β (beta)"}
TABLE = pd.DataFrame({"model": ["ff", "fb"], "r": [0.1 + 0.2, 1 / 3], "n": [1, 2]})


@pytest.fixture
def figure():
    with journal_style():
        drawn = new_figure(89.0, 60.0)
        drawn.subplots().plot([0, 1], [1, 0])
    return drawn


@pytest.fixture(scope="module")
def saved(by_name, tmp_path_factory):
    """Paths of one plot, written once."""
    plot = by_name["encoding_over_time"]
    stem = tmp_path_factory.mktemp("figures") / "new folder" / "encoding.v4"
    table = plot.table(*plot.results)
    return save(plot.draw(*plot.results), stem, table=table, provenance=PROVENANCE), table


def _read(csv: Path) -> pd.DataFrame:
    # From pandas 3 on, numbers are read back exactly without being asked.
    exactly = {} if int(pd.__version__.split(".")[0]) >= 3 else {"float_precision": "round_trip"}
    return pd.read_csv(csv, **exactly)


def test_three_files_and_nothing_else(saved):
    paths, _ = saved
    assert [path.name for path in paths] == [
        "encoding.v4.pdf",
        "encoding.v4.png",
        "encoding.v4.csv",
    ]
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)


def test_fonts_are_embedded_as_truetype(saved):
    content = saved[0][0].read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_files_hold_the_provenance_and_no_date(saved):
    (pdf, png, _), _ = saved
    content = pdf.read_bytes()
    assert b"CreationDate" not in content
    assert b"cowley-2023" in content
    with Image.open(png) as image:
        assert json.loads(image.text["provenance"]) == PROVENANCE
        assert image.width == pytest.approx(183 / 25.4 * 200, abs=1)
        assert "Creation Time" not in image.text


def test_table_comes_back(saved):
    (_, _, csv), table = saved
    pd.testing.assert_frame_equal(_read(csv), table, check_exact=True)


def test_every_table_comes_back(plot, tmp_path, figure):
    table = plot.table(*plot.results)
    *_, csv = save(figure, tmp_path / "f", table=table, provenance={})
    again = _read(csv)
    pd.testing.assert_frame_equal(again, table, check_exact=True)


@pytest.mark.parametrize("name", ["encoding_over_time", "overview"])
def test_same_input_same_bytes(by_name, tmp_path, name):
    plot = by_name[name]
    contents = []
    # The second is drawn and saved among other settings, as in a notebook that restyles itself.
    restyled = {"lines.linewidth": 9, "axes.grid": True, "font.size": 20, "pdf.fonttype": 3}
    for folder, settings in (("one", {}), ("two", restyled)):
        with matplotlib.rc_context(settings):
            paths = save(
                plot.draw(*plot.results),
                tmp_path / folder / name,
                table=plot.table(*plot.results),
                provenance=PROVENANCE,
            )
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_another_process_writes_the_same_bytes(saved, tmp_path):
    script = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parents[1]), *sys.path]!r}
from figures.conftest import PLOTS
from neurorec.figures import save
plot = PLOTS["encoding_over_time"]
table = plot.table(*plot.results)
save(plot.draw(*plot.results), {str(tmp_path / "again")!r}, table=table, provenance={PROVENANCE!r})
"""
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    for path in saved[0]:
        assert (tmp_path / f"again{path.suffix}").read_bytes() == path.read_bytes()


def test_settings_are_as_before(figure, tmp_path):
    before = dict(matplotlib.rcParams)
    save(figure, tmp_path / "f", table=TABLE, provenance={})
    assert dict(matplotlib.rcParams) == before


def test_provenance_of_any_type_is_written(figure, tmp_path):
    provenance = {"path": Path("x"), "n": np.int64(3)}
    _, png, _ = save(figure, tmp_path / "f", table=TABLE, provenance=provenance)
    with Image.open(png) as image:
        assert json.loads(image.text["provenance"]) == {"path": "x", "n": "3"}


@pytest.mark.parametrize("suffix", [".pdf", ".png", ".csv"])
def test_a_suffix_is_refused(figure, tmp_path, suffix):
    with pytest.raises(ValueError, match=f"without its suffix, got 'f{suffix}'"):
        save(figure, tmp_path / f"f{suffix}", table=TABLE, provenance={})


def test_an_empty_table_is_refused(figure, tmp_path):
    with pytest.raises(ValueError, match="the table behind 'f' is empty"):
        save(figure, tmp_path / "f", table=TABLE.iloc[:0], provenance={})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(figure, tmp_path, monkeypatch):
    paths = save(figure, tmp_path / "f", table=TABLE, provenance={})
    before = [path.read_bytes() for path in paths]
    figure.text(0.5, 0.5, "$unclosed{$")  # cannot be drawn
    with pytest.raises(ValueError, match="unclosed"):
        save(figure, tmp_path / "f", table=TABLE, provenance={})
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(paths)
