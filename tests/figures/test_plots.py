"""What holds for every plot: the mark, the errors, the state left behind, the table."""

import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from neurorec.figures.watermark import is_watermarked

pytestmark = pytest.mark.slow


def test_neither_settings_nor_results_are_written_to(plot):
    state = dict(matplotlib.rcParams), plt.get_fignums(), matplotlib.get_backend()
    results = [given.copy(deep=True) for given in plot.results]
    plot.draw(*plot.results)
    plot.table(*plot.results)
    assert (dict(matplotlib.rcParams), plt.get_fignums(), matplotlib.get_backend()) == state
    for given, copy in zip(plot.results, results, strict=True):
        assert given.identical(copy)


def test_only_simulated_results_are_marked(plot):
    assert not is_watermarked(plot.drawn)
    assert is_watermarked(plot.draw(*plot.results, simulated=True))


def test_any_simulated_result_marks_the_figure(plot):
    for i in range(len(plot.results)):
        given = list(plot.results)
        given[i] = given[i].assign_attrs(simulated=1)
        assert is_watermarked(plot.draw(*given))


def test_a_missing_variable_is_named_with_those_there(plot):
    for i, variable in _required(plot):
        given = list(plot.results)
        given[i] = given[i].drop_vars(variable)
        there = sorted(given[i].data_vars)
        for function in (plot.draw, plot.table):
            with pytest.raises(ValueError, match=f"needs the variable '{variable}'") as caught:
                function(*given)
            assert str(there) in str(caught.value)


def test_a_missing_dimension_is_named_with_those_there(plot):
    for i, variable in _required(plot):
        dim = plot.results[i][variable].dims[0]
        given = list(plot.results)
        given[i] = given[i].isel({dim: 0})
        with pytest.raises(ValueError, match=f"with the dimensions .*'{dim}'.*, got ") as caught:
            plot.draw(*given)
        named = re.search(r"needs '(\w+)' .* got (\(.*?\));", str(caught.value))
        assert named is not None
        assert named[2] == str(given[i][named[1]].dims)


def test_a_missing_coordinate_is_named(plot):
    for i, results in enumerate(plot.results):
        name = next(n for n in ("model", "time_bin_start", "train_time_end") if n in results.coords)
        given = list(plot.results)
        given[i] = results.drop_vars(name)
        with pytest.raises(ValueError, match=f"needs the coordinate '{name}'; these results have"):
            plot.draw(*given)


def test_nothing_but_nan_is_refused(plot):
    for i, results in enumerate(plot.results):
        given = list(plot.results)
        given[i] = results * np.nan
        with pytest.raises(ValueError, match="nothing to draw: every value is NaN"):
            plot.draw(*given)


def test_some_nan_is_drawn_as_a_gap(plot):
    given = [results.copy(deep=True) for results in plot.results]
    for results in given:
        for variable in results.data_vars.values():
            if variable.dims[0] == "model":
                variable[0] = np.nan
            elif variable.dims[-1] == "time_bin" and variable.dtype == float:
                variable[..., 0] = np.nan
    plot.draw(*given)
    assert plot.table(*given).isna().any(axis=None)


def test_order_of_dimensions_does_not_matter(plot):
    turned = [r.transpose(*reversed(list(r.dims))) for r in plot.results]
    pd.testing.assert_frame_equal(plot.table(*turned), plot.table(*plot.results))


def test_tables_are_tidy(plot):
    table = plot.table(*plot.results)
    assert table.columns.is_unique
    assert not table.duplicated().any()
    assert not table.isna().all(axis=1).any()


def _required(plot) -> list[tuple[int, str]]:
    """(position, variable) of what a plot cannot do without."""
    needed = {"median", "score", "accuracy", "participation_ratio", "linear_cka", "mean_timesteps"}
    needed |= {"accuracy_at_threshold"}
    return [
        (i, name)
        for i, results in enumerate(plot.results)
        for name in map(str, results.data_vars)
        if (name in needed and results[name].dims[0] != "split")
        or (
            name in {"ci_low", "ci_high"}
            and not {"linear_cka", "quantity", "part"} & {*results.variables}
        )
    ]
