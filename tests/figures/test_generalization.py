"""A temporal generalization matrix alone, and the line around what is significant."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from neurorec import figures


def alone(by_name, **p_values):
    brain = by_name["temporal_generalization"].results[0].copy()
    for name, values in p_values.items():
        about = {"n_permutations": 999}
        brain[name] = (("train_time", "test_time"), values, about)
    return brain


def matrix_of(figure):
    (axes,) = (axes for axes in figure.axes if axes.images)
    return axes


def lines_around(axes):
    return [
        {tuple(map(tuple, segment.tolist())) for segment in collection.get_segments()}
        for collection in axes.collections
        if isinstance(collection, LineCollection)
    ]


def notes(figure):
    return " ".join(
        text.get_text() for text in figure.findobj(match=lambda a: hasattr(a, "get_text"))
    )


def test_one_matrix(by_name, faults):
    brain = alone(by_name)
    figure = figures.temporal_generalization(brain)
    axes = matrix_of(figure)
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), brain["accuracy"].values)
    assert axes.get_title() == "macaque IT"
    assert axes.get_xlabel() == "test time from stimulus onset (ms)"
    assert lines_around(axes) == []
    assert faults(figure) == []
    table = figures.temporal_generalization_table(brain)
    np.testing.assert_array_equal(table["accuracy"], brain["accuracy"].values.ravel())
    assert set(table["time_unit"]) == {"ms"}


def test_timesteps_of_a_model(by_name, faults):
    models = by_name["temporal_generalization"].results[1]
    one = models.isel(model=3, drop=True)
    figure = figures.temporal_generalization(one)
    axes = matrix_of(figure)
    assert axes.get_ylabel() == "train timestep"
    assert axes.images[0].get_extent() == [-0.5, 7.5, -0.5, 7.5]
    assert faults(figure) == []
    table = figures.temporal_generalization_table(one)
    assert set(table["time_unit"]) == {"timestep"}
    assert set(table["source"]) == {"model"}
    np.testing.assert_array_equal(table["accuracy"], one["accuracy"].values.ravel())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("p_value", "p < 0.05, cell by cell"),
        ("p_value_max", "p < 0.05, against the largest cell of 999 permutations"),
    ],
)
def test_significant_cells_are_outlined(by_name, faults, name, words):
    """One cell, trained in bin 3 and tested in bin 5: the four sides of its square."""
    n = by_name["temporal_generalization"].results[0].sizes["train_time"]
    p = np.full((n, n), 0.05)
    p[3, 5] = 0.049
    p[0, 0] = np.nan
    figure = figures.temporal_generalization(alone(by_name, **{name: p}))
    low, high = matrix_of(figure).get_xlim()
    side = np.linspace(low, high, n + 1)
    (x, x_end), (y, y_end) = side[5:7], side[3:5]
    expected = {
        ((x, y), (x_end, y)),
        ((x, y_end), (x_end, y_end)),
        ((x, y), (x, y_end)),
        ((x_end, y), (x_end, y_end)),
    }
    assert lines_around(matrix_of(figure)) == [expected]
    assert words in notes(figure).replace("\n", " ")
    assert faults(figure) == []
    table = figures.temporal_generalization_table(alone(by_name, **{name: p}))
    np.testing.assert_array_equal(table[name], p.ravel())


def test_the_corrected_p_value_is_taken(by_name):
    n = by_name["temporal_generalization"].results[0].sizes["train_time"]
    brain = alone(by_name, p_value=np.zeros((n, n)), p_value_max=np.ones((n, n)))
    figure = figures.temporal_generalization(brain)
    assert lines_around(matrix_of(figure)) == [set()]
    assert "no cell with p < 0.05, against the largest cell" in notes(figure).replace("\n", " ")


def test_bad_input(by_name):
    brain = alone(by_name)
    with pytest.raises(ValueError, match="temporal_generalization needs the variable 'accuracy'"):
        figures.temporal_generalization(brain.drop_vars("accuracy"))
    with pytest.raises(ValueError, match="needs the coordinate 'train_time_start'"):
        figures.temporal_generalization(brain.drop_vars("train_time_start"))
    with pytest.raises(ValueError, match="train and test times must be the same"):
        figures.temporal_generalization(brain.isel(train_time=slice(1, None)))
