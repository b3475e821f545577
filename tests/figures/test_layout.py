"""Nothing that is written is cut off or lies on something else, whatever the results' shape."""

import numpy as np
import pytest
import xarray as xr

from neurorec.figures import journal_style, new_figure
from neurorec.figures._text import legend_above, note_below
from neurorec.figures.style import MODELS

pytestmark = pytest.mark.slow

ADDED = ["cornet-s", "blt-vs", "rgc (as released)", "long name of a model, 2021"]


def test_as_the_demo_draws_them(plot, faults):
    assert faults(plot.drawn) == []


def test_one_model_one_area_no_attributes(plot, faults):
    assert faults(plot.draw(*map(_smallest, plot.results), note=False)) == []


def test_nine_models(plot, faults):
    assert faults(plot.draw(*map(_nine_models, plot.results))) == []


def _smallest(results: xr.Dataset) -> xr.Dataset:
    for dim in ("area", "model", "target"):
        if dim in results.dims:
            results = results.isel({dim: [0]})
    results = results.copy()
    results.attrs = {}
    return results


def _nine_models(results: xr.Dataset) -> xr.Dataset:
    if "model" not in results.dims:
        return results
    names = [*MODELS, *ADDED]
    return results.isel(model=np.arange(len(names)) % 5).assign_coords(model=names)


def test_crowded_levels_keep_their_labels_apart(by_name, faults):
    plot = by_name["encoding_over_time"]
    scores = plot.results[0].drop_vars(["reference_score", "reference"])
    names = ["pixels", "Gabor energy", "colour", "VGG-16 layer 3"]
    scores = scores.assign_coords(reference=names)
    scores["reference_score"] = ("reference", np.array([0.97, 0.98, 0.98, 1.0]))
    assert faults(plot.draw(scores)) == []


class TestTheCheckItself:
    def test_sees_a_text_that_is_cut_off(self, faults):
        figure = new_figure(60.0, 40.0)
        figure.text(0.9, 0.5, "runs over the edge")
        assert faults(figure) == ["'runs over the edge' is cut off"]

    def test_sees_a_text_on_a_text(self, faults):
        figure = new_figure(60.0, 40.0)
        figure.text(0.3, 0.5, "one")
        figure.text(0.32, 0.5, "two")
        assert faults(figure) == ["'one' lies on 'two'"]

    def test_sees_a_legend_on_data(self, faults):
        with journal_style():
            figure = new_figure(60.0, 40.0)
            axes = figure.subplots()
            axes.plot([0, 1], label="a line")
            axes.legend()
            found = faults(figure)
        assert found == ["the legend of ['', 'a line'] lies on axes titled ''"]


def test_a_long_note_is_broken_into_lines(faults):
    with journal_style():
        figure = new_figure(89.0, 60.0)
        note_below(figure, "a long note of many words " * 12 + "95 % of them")
        figure.subplots()
        assert faults(figure) == []
    (drawn,) = figure.texts
    assert drawn.get_text().count("\n") >= 2
    assert "95\N{NO-BREAK SPACE}%" in drawn.get_text()


def test_a_wide_legend_takes_more_rows(faults):
    with journal_style():
        figure = new_figure(89.0, 60.0)
        legend_above(figure, MODELS)
        figure.subplots()
        assert faults(figure) == []
    assert figure.legends[0].get_window_extent().width < figure.bbox.width
