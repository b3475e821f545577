"""Which cell of a matrix of areas and timesteps is marked, and what its table says."""

import numpy as np
import pytest

from neurorec import figures


@pytest.fixture
def one_bin(by_name):
    """Alone, some timesteps left out."""
    scores = by_name["layer_scores"].results[0].isel(time_bin=0, timestep=[1, 3, 6])
    values = scores["score"].values.copy()
    values[2, 1] = 0.9
    values[0, 0] = np.nan
    return scores.assign(score=(("area", "timestep"), values))


def test_the_best_is_marked(one_bin, faults):
    figure = figures.layer_scores(one_bin)
    (axes,) = (axes for axes in figure.axes if axes.collections and axes.get_xlabel())
    (mark,) = axes.lines
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1, 2)
    drawn = np.ma.filled(axes.collections[0].get_array().astype(float), np.nan)
    np.testing.assert_array_equal(drawn.reshape(4, 3), one_bin["score"].values)
    labels = {t.get_text() for t in axes.get_xticklabels()} - {""}
    assert labels == {"1", "3", "6"}
    assert [t.get_text() for t in axes.get_yticklabels()] == list(one_bin["area"].values)
    assert axes.get_xlabel() == "model timestep (10 ms each)"
    assert faults(figure) == []


def test_the_table_marks_it_too(one_bin):
    table = figures.layer_scores_table(one_bin)
    assert len(table) == 12
    (best,) = table[table["best"]].to_dict("records")
    assert (best["area"], best["timestep"], best["score"]) == ("a2", 3, 0.9)
    assert (best["model_time_start"], best["model_time_end"]) == (30, 40)
    assert (best["time_bin_start"], best["time_bin_end"]) == (70, 120)


def test_one_best_of_each_time_bin(by_name):
    scores = by_name["layer_scores"].results[0]
    best = figures.layer_scores_table(scores).query("best")
    assert best["time_bin_start"].tolist() == [70, 120]
    assert best["score"].tolist() == scores["score"].max(["area", "timestep"]).values.tolist()


def test_an_unknown_quantity(one_bin):
    with pytest.raises(ValueError, match="quantity must be one of"):
        figures.layer_scores(one_bin, quantity="error")
