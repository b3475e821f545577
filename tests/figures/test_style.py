"""Sizes, settings, colours, and texts that keep apart."""

import matplotlib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from neurorec.figures import MODELS, journal_style, model_styles, new_figure, watermark
from neurorec.figures._finish import spread
from neurorec.figures._results import is_simulated, sentence
from neurorec.figures.watermark import is_watermarked


def test_sizes_are_in_mm():
    np.testing.assert_allclose(new_figure(183.0, 50.8).get_size_inches(), [183 / 25.4, 2.0])


@pytest.mark.parametrize("size", [(0.0, 50.0), (89.0, -1.0)])
def test_sides_are_positive(size):
    with pytest.raises(ValueError, match="positive sides, got"):
        new_figure(*size)


def test_settings_last_as_long_as_the_block():
    before = dict(matplotlib.rcParams)
    with journal_style():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
        assert 7 <= matplotlib.rcParams["font.size"] <= 8
        assert matplotlib.rcParams["font.family"] == ["sans-serif"]
    assert dict(matplotlib.rcParams) == before


def test_the_readers_typeface_is_kept_and_nothing_else():
    with matplotlib.rc_context({"font.sans-serif": ["Some Sans"], "axes.grid": True}):
        with journal_style():
            assert matplotlib.rcParams["font.sans-serif"] == ["Some Sans"]
            assert not matplotlib.rcParams["axes.grid"]
        assert matplotlib.rcParams["axes.grid"]


def test_the_five_models_have_fixed_looks():
    styles = model_styles(list(MODELS))
    assert {name: style.label for name, style in styles.items()} == {
        "ff": "feedforward",
        "ff-dropout": "feedforward + dropout",
        "fb": "feedback",
        "fb-dropout": "feedback + dropout",
        "untrained": "untrained",
    }
    assert len(set(to_rgb(style.colour) for style in styles.values())) == 5
    dashed = {name for name, style in styles.items() if style.line != "-"}
    assert dashed == {"ff-dropout", "fb-dropout"}
    red, green, blue = to_rgb(styles["untrained"].colour)
    assert red == green == blue


@pytest.mark.parametrize("kind", ["ff", "fb"])
def test_dropout_is_the_lighter_of_its_family(kind):
    luminance = np.array([0.2126, 0.7152, 0.0722])
    plain, dropout = (np.array(to_rgb(MODELS[k].colour)) for k in (kind, f"{kind}-dropout"))
    assert luminance @ dropout > luminance @ plain + 0.1
    assert np.argmax(plain) == np.argmax(dropout)


def test_unknown_models_take_the_next_look_under_their_own_name():
    names = [f"model {i}" for i in range(20)]
    styles = model_styles(["ff", *names])
    assert [styles[name].label for name in names] == names
    looks = {(s.colour, str(s.line)) for s in styles.values()}
    assert len(looks) == 21
    assert styles["ff"] == MODELS["ff"]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0.1, 20))
def test_spread_keeps_apart_in_order_about_the_same_middle(positions, gap):
    moved = spread(positions, gap)
    order = np.argsort(positions, kind="stable")
    assert np.all(np.diff(np.array(moved)[order]) >= gap - 1e-6)
    np.testing.assert_allclose(np.mean(moved), np.mean(positions), atol=1e-6)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True))
def test_spread_leaves_alone_what_is_apart(positions):
    np.testing.assert_allclose(spread([float(p) for p in positions], 1.0), positions)


def test_spread_known_answer():
    assert spread([10.0, 10.0, 30.0], 4.0) == [8.0, 12.0, 30.0]


def test_sentence_leaves_out_what_is_unknown():
    attrs = {"n": 3, "interval": "Wilson", "level": 0.95, "n_splits": 5, "classifier": "max_x"}
    templates = ("{n} neurons", "{missing} images", "{interval}", "{splits}", "{classifier}")
    assert sentence(attrs, *templates) == "3 neurons; 95 % Wilson; 5 folds; max x"
    assert sentence({}, *templates, about="V4") == ""
    assert sentence({"n": 3}, *templates, about="V4") == "V4: 3 neurons"


@pytest.mark.parametrize(
    ("attrs", "asked", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"simulated": True}, False, True),
        ({"simulated": np.int64(1)}, False, True),
        ({"simulated": 0}, False, False),
    ],
)
def test_results_say_whether_they_are_simulated(attrs, asked, expected):
    results = xr.Dataset(attrs=attrs)
    assert is_simulated(xr.Dataset(), results, asked=asked) == expected


@pytest.mark.parametrize("size", [(183.0, 50.0), (183.0, 180.0), (89.0, 60.0)])
def test_the_mark_is_written_once_and_fits(size):
    figure = new_figure(*size)
    assert not is_watermarked(figure)
    assert watermark(watermark(figure)) is figure
    (text,) = figure.texts
    assert text.get_text() == "SIMULATED"
    box = text.get_window_extent()
    assert box.xmin > 0
    assert box.ymin > 0
    assert box.xmax < figure.bbox.xmax
    assert box.ymax < figure.bbox.ymax
    assert box.width > 0.45 * figure.bbox.width
