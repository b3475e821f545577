"""Figures of ``encoding.fit`` and of variance partitions: what is drawn is what was computed."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurorec import encoding
from neurorec.assemblies import build
from neurorec.datasets import Population, simulate_population
from neurorec.figures import (
    MODELS,
    encoding_over_time,
    encoding_over_time_table,
    time_grid,
    time_grid_table,
    variance_partition,
    variance_partition_table,
)
from neurorec.figures._axes import outlines

from .fits import fitted, partition

LONG = "a recurrent model with a long name, 2021"


def drawn(figure: Figure) -> list[Axes]:
    """Axes with curves or a matrix, without colour bars."""
    found = [a for a in figure.findobj(Axes) if a.lines or a.images]
    return [a for a in found if a.get_label() != "<colorbar>"]


def curves(axes: Axes, n: int) -> list[np.ndarray]:
    """(point, 2) of lines with ``n`` points, in the order in which they were drawn."""
    lines = [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines]
    return [line for line in lines if len(line) == n]


def bands(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of bands that have a value."""
    found = [c for c in axes.collections if isinstance(c, FillBetweenPolyCollection)]
    edges = []
    for band in (c for c in found if c.get_paths()):
        vertices = np.asarray(band.get_paths()[0].vertices)
        xs = np.unique(vertices[:, 0])
        low = np.array([vertices[vertices[:, 0] == x, 1].min() for x in xs])
        high = np.array([vertices[vertices[:, 0] == x, 1].max() for x in xs])
        edges.append((low, high))
    return edges


def heights(axes: Axes) -> set[float]:
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    return {round(float(y[0]), 9) for y in lines if len(y) == 2 and y[0] == y[1]}


def written(figure: Figure) -> str:
    """Every text, on one line."""
    words = "\n".join(text.get_text() for text in figure.findobj(Text))
    return words.replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ")


def middles(scores) -> np.ndarray:
    return (scores["time_bin_start"].values + scores["time_bin_end"].values) / 2


def test_a_single_model_time_is_a_line_over_the_bins():
    scores = fitted(n_bins=9, time="lag")
    figure = encoding_over_time(scores)
    (axes,) = drawn(figure)
    line, control = curves(axes, 9)
    of = scores.sel(quantity="noise_corrected").isel(model_time=0)
    np.testing.assert_array_equal(line, np.stack([middles(scores), of["median"]], axis=1))
    ((low, high),) = bands(axes)
    np.testing.assert_allclose(low, of["ci_low"].sel(resampled="both"))
    np.testing.assert_allclose(high, of["ci_high"].sel(resampled="both"))
    np.testing.assert_array_equal(
        control[:, 1], scores["static_median"].sel(quantity="noise_corrected")
    )
    assert 1.0 in heights(axes)
    words = written(figure)
    assert "95 % bootstrap over neurons and stimuli" in words
    assert "noise ceiling" in words
    assert "time from stimulus onset (ms, middle of 20 ms bins)" in words
    assert axes.get_ylabel() == "noise-corrected r"


@pytest.mark.parametrize("resampled", ["neuroids", "stimuli"])
def test_bands_are_of_the_bootstrap_that_is_asked_for(resampled):
    scores = fitted(time="match")
    (axes,) = drawn(encoding_over_time(scores, resampled=resampled))
    ((low, _),) = bands(axes)
    of = scores.sel(quantity="noise_corrected", resampled=resampled).isel(model_time=0)
    np.testing.assert_allclose(low, of["ci_low"])


def test_a_neuron_without_a_ceiling_does_not_move_the_median():
    scores = fitted(time="lag")
    scores["ceiling"][2] = np.nan
    table = encoding_over_time_table(scores)
    kept = scores["ceiling"].isel(neuroid=[0, 1, 3, 4, 5, 6])
    np.testing.assert_allclose(table["ceiling_median"], np.median(kept, axis=0))


def test_without_draws_there_are_no_bands():
    for scores in (fitted(time="lag", draws=False), fitted(n_steps=3, draws=False)):
        figure = encoding_over_time(scores)
        assert not any(bands(axes) for axes in drawn(figure))
        assert "none were drawn" in written(figure)
    figure = time_grid(fitted(n_steps=3, draws=False))
    assert "no intervals" in written(figure)
    table = time_grid_table(fitted(n_steps=3, draws=False))
    assert table["ci_low"].isna().all()
    assert not table["excludes_zero"].any()
    assert table["best_of_bin"].sum() == 9
    bare = partition(9).drop_vars(["ci_low", "ci_high"])
    assert not any(bands(a) for a in drawn(variance_partition(bare)))
    assert "intervals" not in written(variance_partition(bare))
    variance_partition(partition(1).drop_vars(["ci_low", "ci_high"]))


@pytest.mark.parametrize("draw", [encoding_over_time, time_grid])
def test_half_an_interval_is_refused(draw):
    with pytest.raises(ValueError, match="needs both 'ci_low' and 'ci_high' or neither"):
        draw(fitted().drop_vars("ci_low"))
    with pytest.raises(ValueError, match="needs both 'ci_low' and 'ci_high' or neither"):
        variance_partition(partition().drop_vars("ci_high"))


def test_without_single_trials_r_is_drawn_and_no_ceiling():
    scores = fitted(time="all", trials=False)
    figure = encoding_over_time(scores)
    (axes,) = drawn(figure)
    np.testing.assert_array_equal(
        curves(axes, 9)[0][:, 1], scores["median"].sel(quantity="score")[0]
    )
    assert 1.0 not in heights(axes)
    assert "noise ceiling" not in written(figure)
    assert axes.get_ylabel() == "r, not noise-corrected"


def test_r_is_drawn_with_the_median_ceiling_of_each_bin():
    scores = fitted(time="lag")
    (axes,) = drawn(encoding_over_time(scores, quantity="score"))
    expected = np.median(scores["ceiling"], axis=0)
    assert any(np.array_equal(line[:, 1], expected) for line in curves(axes, 9))
    static = scores["static_median"].sel(quantity="score")
    assert any(np.array_equal(line[:, 1], static) for line in curves(axes, 9))


def test_each_timestep_of_a_grid_is_a_line():
    scores = fitted(n_steps=6, n_bins=9)
    figure = encoding_over_time(scores)
    (axes,) = [a for a in drawn(figure) if len(curves(a, 9)) > 1]
    *lines, control, chosen = axes.lines[-8:]
    of = scores["median"].sel(quantity="noise_corrected")
    for line, expected in zip(lines, of, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), expected)
    assert control.get_linestyle() == "--"
    brightness = [sum(to_rgb(line.get_color())) for line in lines]
    assert brightness == sorted(brightness)
    dynamic = scores.sel(quantity="noise_corrected")
    np.testing.assert_array_equal(chosen.get_ydata(), dynamic["dynamic_median"])
    ((low, high),) = bands(axes)
    np.testing.assert_allclose(low, dynamic["dynamic_ci_low"].sel(resampled="both"))
    np.testing.assert_allclose(high, dynamic["dynamic_ci_high"].sel(resampled="both"))
    assert "model timestep (10 ms each)" in written(figure)
    assert "chosen in training: the timestep best there" in written(figure)


def test_where_nothing_was_chosen_the_intervals_are_in_the_table():
    figure = encoding_over_time(fitted(time="cumulative", static=False))
    assert "intervals in the table" in written(figure)
    assert not any(bands(axes) for axes in drawn(figure))


def test_few_timesteps_have_bands():
    scores = fitted(n_steps=3)
    axes = next(a for a in drawn(encoding_over_time(scores)) if curves(a, 9))
    of = scores["ci_low"].sel(quantity="noise_corrected", resampled="both")
    *own, _ = bands(axes)
    for (low, _), expected in zip(own, of, strict=True):
        np.testing.assert_allclose(low, expected)


def test_timesteps_that_add_up_are_called_so():
    assert "model timesteps up to (10 ms each)" in written(
        encoding_over_time(fitted(time="cumulative"))
    )


def test_models_of_one_line_share_a_panel():
    given = {"fb": fitted(time="lag"), LONG: fitted(time="lag", gain=0.5)}
    figure = encoding_over_time(given)
    (axes,) = drawn(figure)
    for name, scores in given.items():
        label = MODELS[name].label if name in MODELS else name
        (line,) = [drawn for drawn in axes.lines if drawn.get_label() == label]
        of = scores["median"].sel(quantity="noise_corrected")[0]
        np.testing.assert_array_equal(line.get_ydata(), of)
        assert label in written(figure)


def test_models_of_many_lines_have_panels_of_one_height():
    given = {"ff": fitted(n_steps=5), "fb": fitted(n_steps=8, gain=0.4)}
    figure = encoding_over_time(given)
    panels = [a for a in drawn(figure) if a.get_title()]
    assert [a.get_title() for a in panels] == ["feedforward", "feedback"]
    assert panels[0].get_ylim() == panels[1].get_ylim()
    assert len(curves(panels[1], 9)) == 8 + 2


def test_a_quantity_that_one_lacks_is_drawn_of_none():
    given = {"ff": fitted(time="lag"), "fb": fitted(time="lag", trials=False)}
    table = encoding_over_time_table(given)
    assert set(table["quantity"]) == {"score"}
    expected = np.concatenate([s["median"].sel(quantity="score")[0] for s in given.values()])
    np.testing.assert_array_equal(table["median"], expected)


def test_one_bin_is_drawn_over_timesteps():
    scores = fitted(n_steps=6, n_bins=1)
    pixels = fitted(n_steps=1, n_bins=1, gain=0.4)
    figure = encoding_over_time({"fb": scores, "pixels": pixels})
    (axes,) = drawn(figure)
    of = scores["median"].sel(quantity="noise_corrected")[:, 0]
    (line,) = curves(axes, 6)
    np.testing.assert_array_equal(line, np.stack([np.arange(6), of], axis=1))
    level = float(pixels["median"].sel(quantity="noise_corrected").squeeze())
    assert {1.0, round(level, 9)} <= heights(axes)
    assert axes.get_xlabel() == "model timestep (10 ms each)"
    low, high = bands(axes)[1]
    assert low[0] < level < high[0]
    assert low[0] == pytest.approx(
        pixels["ci_low"].sel(quantity="noise_corrected", resampled="both").item()
    )


def test_one_number_for_each_model_is_a_point():
    given = {"ff": fitted(1, 1), LONG: fitted(1, 1, gain=0.5)}
    figure = encoding_over_time(given)
    (axes,) = drawn(figure)
    for place, scores in zip((1.0, 0.0), given.values(), strict=True):
        of = scores.sel(quantity="noise_corrected").isel(model_time=0, time_bin=0)
        (point,) = [p for p in curves(axes, 1) if p[0, 1] == place]
        assert point[0, 0] == float(of["median"])
        (ends,) = [e for e in curves(axes, 2) if (e[:, 1] == place).all()]
        both = of.sel(resampled="both")
        np.testing.assert_array_equal(ends[:, 0], [both["ci_low"], both["ci_high"]])
    assert "feedforward" in written(figure)


def test_the_table_of_a_fit():
    scores = fitted(n_steps=4, n_bins=3)
    table = encoding_over_time_table({"ff": scores})
    assert len(table) == 12
    row = table.iloc[2 * 3 + 1]  # timestep 2, bin 1
    of = scores.isel(model_time=2, time_bin=1).sel(quantity="noise_corrected")
    expected = {
        "model": "ff",
        "timestep": 2.0,
        "time_bin_start": 60.0,
        "time_bin_end": 80.0,
        "median": float(of["median"]),
        "ci_low": float(of["ci_low"].sel(resampled="both")),
        "ci_high": float(of["ci_high"].sel(resampled="both")),
        "ceiling_median": float(np.median(of["ceiling"])),
    }
    assert row[list(expected)].to_dict() == pytest.approx(expected)


def test_a_matrix_has_its_timesteps_upwards_and_its_bins_to_the_right():
    scores = fitted(n_steps=6, n_bins=9)
    figure = time_grid(scores)
    axes, margin = _matrix(figure)
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    of = scores["median"].sel(quantity="noise_corrected")
    np.testing.assert_array_equal(np.asarray(mesh.get_array()), of)
    corners = np.asarray(mesh.get_coordinates())
    np.testing.assert_array_equal(corners[0, :, 0], 40.0 + 20.0 * np.arange(10))
    np.testing.assert_array_equal(corners[:, 0, 1], np.arange(7) - 0.5)
    assert mesh.get_clim() == (0.0, of.max())
    assert "noise-corrected r" in written(figure)
    ceiling, chosen, static = (np.asarray(line.get_ydata())[:-1] for line in margin.lines[:3])
    np.testing.assert_allclose(ceiling, np.median(scores["ceiling"], axis=0))
    as_r = scores.sel(quantity="score")
    np.testing.assert_array_equal(chosen, as_r["dynamic_median"])
    np.testing.assert_array_equal(static, as_r["static_median"])


def test_the_best_timestep_of_a_bin_is_marked_where_its_interval_excludes_zero():
    scores = fitted(n_steps=6, n_bins=9)
    axes, _ = _matrix(time_grid(scores))
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    of = scores.sel(quantity="noise_corrected")
    best = of["median"].argmax("model_time").values
    sure = of["ci_low"].sel(resampled="both").values[best, np.arange(9)] > 0
    assert 0 < sure.sum() < 9
    np.testing.assert_array_equal(marks.get_xdata(), middles(scores)[sure])
    np.testing.assert_array_equal(marks.get_ydata(), best[sure])
    table = time_grid_table(scores)
    assert table["best_of_bin"].sum() == sure.sum()
    assert "chosen on these scores" in written(time_grid(scores))


def test_the_line_runs_around_the_cells_whose_interval_excludes_zero():
    inside = np.array([[True, False], [True, True]])
    x, y = np.array([0.0, 10.0, 20.0]), np.array([-0.5, 0.5, 1.5])
    edges, of_others = (
        {tuple(map(tuple, edge)) for edge in outlines(cells, x, y)} for cells in (inside, ~inside)
    )
    # The lower right cell is outside: the edges above it and to its left.
    assert edges == {((10.0, 0.5), (20.0, 0.5)), ((10.0, -0.5), (10.0, 0.5))}
    assert of_others == edges


def test_the_matrix_says_how_many_cells_exclude_zero():
    scores = fitted(n_steps=3, n_bins=4)
    sure = scores.assign(ci_low=scores["ci_low"] * 0 + 0.01)
    unsure = scores.assign(ci_low=scores["ci_low"] * 0 - 1, ci_high=scores["ci_high"] * 0 + 1)
    for given, words in (
        (scores, "white line: around cells whose interval excludes 0"),
        (sure, "the interval of every cell excludes 0"),
        (unsure, "no cell's interval excludes 0"),
    ):
        figure = time_grid(given)
        assert words in written(figure)
        (lines,) = [c for c in _matrix(figure)[0].collections if isinstance(c, LineCollection)]
        assert bool(lines.get_segments()) == (given is scores)
    assert time_grid_table(unsure)["excludes_zero"].sum() == 0


def test_an_interval_below_zero_excludes_it():
    scores = fitted(n_steps=2, n_bins=2)
    below = scores.assign(ci_low=scores["ci_low"] * 0 - 2, ci_high=scores["ci_high"] * 0 - 1)
    assert time_grid_table(below)["excludes_zero"].all()


def test_overlapping_bins_lie_around_their_middles():
    scores = fitted(n_steps=2, n_bins=3)
    wide = scores.assign_coords(time_bin_end=scores["time_bin_end"] + 80)
    axes, _ = _matrix(time_grid(wide))
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    np.testing.assert_array_equal(np.asarray(mesh.get_coordinates())[0, :, 0], [80, 100, 120, 140])


def test_without_ceiling_and_control_there_is_no_margin():
    figure = time_grid(fitted(trials=False, static=False))
    assert "noise ceiling" not in written(figure)
    assert "static control" not in written(figure)
    assert [a for a in drawn(figure) if a.get_ylabel() == "r"] == []


def test_partition_over_bins():
    results = partition(9)
    figure = variance_partition(results)
    left, right = drawn(figure)
    for axes, parts in (
        (left, {"early": "early", "late": "late", "both": "both"}),
        (right, {"unique_early": "only early", "unique_late": "only late", "shared": "shared"}),
    ):
        assert heights(axes) >= {0.0}
        for (part, label), (low, high) in zip(parts.items(), bands(axes), strict=True):
            (line,) = [drawn for drawn in axes.lines if drawn.get_label() == label]
            of = results.sel(part=part)
            expected = np.stack([middles(results), of["median"]], axis=1)
            np.testing.assert_array_equal(line.get_xydata(), expected)
            np.testing.assert_allclose(low, of["ci_low"])
            np.testing.assert_allclose(high, of["ci_high"])
    words = written(figure)
    assert "early: 3 timesteps that begin before 30 ms; late: the other 5;" in words
    assert "95 % bootstrap over neurons and stimuli" in words
    assert left.get_ylabel() == "noise-corrected R²"


def test_partition_of_one_bin():
    results = partition(1)
    figure = variance_partition(results)
    (axes,) = drawn(figure)
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == ["early", "late", "both", "only early", "only late", "shared"]
    parts = ["early", "late", "both", "unique_early", "unique_late", "shared"]
    for place, part in zip(axes.get_yticks(), parts, strict=True):
        (point,) = [p for p in curves(axes, 1) if p[0, 1] == place]
        assert point[0, 0] == float(results["median"].sel(part=part).squeeze())
        (ends,) = [e for e in curves(axes, 2) if (e[:, 1] == place).all()]
        of = results.sel(part=part).squeeze()
        np.testing.assert_array_equal(ends[:, 0], [of["ci_low"], of["ci_high"]])


def test_table_of_a_partition():
    results = partition(3)
    table = variance_partition_table(results)
    assert len(table) == 18
    row = table[(table["part"] == "shared") & (table["time"] == 70.0)].iloc[0]
    of = results.sel(part="shared").isel(time_bin=1)
    for name in ("median", "ci_low", "ci_high", "time_bin_start", "time_bin_end"):
        assert row[name] == float(of[name])


@pytest.mark.parametrize("function", [encoding_over_time, encoding_over_time_table, time_grid])
def test_what_is_not_there_is_said(function):
    scores = fitted()
    with pytest.raises(ValueError, match=r"quantity must be one of .*'score'.*, got 'bits'"):
        function(scores, quantity="bits")
    with pytest.raises(ValueError, match=r"resampled must be one of .*'both'.*, got 'images'"):
        function(scores, resampled="images")


def test_results_of_other_bins_are_refused():
    with pytest.raises(ValueError, match="same time bins: 'ff' has 9, 'fb' has 8 or others"):
        encoding_over_time({"ff": fitted(time="lag"), "fb": fitted(n_bins=8, time="lag")})


def test_no_results_are_refused():
    with pytest.raises(ValueError, match="at least one result, got an empty mapping"):
        encoding_over_time({})


def test_a_matrix_needs_a_row_for_each_timestep():
    with pytest.raises(ValueError, match="a row for each model timestep, got one of time='lag'"):
        time_grid(fitted(time="lag"))


@pytest.mark.parametrize(("dim", "what"), [("time_bin", "time bins"), ("model_time", "timesteps")])
def test_a_matrix_needs_rising_times(dim, what):
    with pytest.raises(ValueError, match=f"time_grid needs rising {what}, got .*; sort them"):
        time_grid(fitted().isel({dim: [1, 0, 2]}))


def test_a_partition_needs_its_parts():
    results = partition().isel(part=[0, 1, 2, 3, 4])
    for function in (variance_partition, variance_partition_table):
        with pytest.raises(ValueError, match="needs the part 'shared'; these results have"):
            function(results)


@pytest.fixture(scope="module")
def monkey():
    """Features over five timesteps of 40 ms, and neurons that know one of them."""
    rng = np.random.default_rng(0)
    stimuli = [f"s{i}" for i in range(40)]
    x = rng.normal(size=(40, 6, 5))
    population = Population(n_neuroids=6, start_ms=60, stop_ms=180, bin_width_ms=40)
    responses = simulate_population(stimuli, population, features=x[:, :4, 2], seed=0)
    features = build(
        x,
        presentation={"stimulus_id": stimuli, "repetition": np.zeros(40, dtype=int)},
        neuroid={"neuroid_id": [f"u{i}" for i in range(6)], "region": ["V4"] * 6},
        time_bin_start=40.0 * np.arange(5),
        time_bin_end=40.0 * np.arange(1, 6),
    )
    return features, responses.data.assembly


@pytest.mark.parametrize("time", ["grid", "match", "lag", "all", "cumulative"])
def test_every_fit_is_drawn(monkey, time):
    few = {"ceiling": encoding.Ceiling(n_splits=5), "bootstrap": encoding.Bootstrap(n_draws=20)}
    scores = encoding.fit(*monkey, time=time, device="cpu", **few)
    table = encoding_over_time_table(scores)
    of = scores.sel(quantity="noise_corrected")
    np.testing.assert_array_equal(table["median"], of["median"].values.ravel())
    control = of["static_median"].values
    np.testing.assert_array_equal(table["static_control"][: len(control)], control)
    assert "static control" in written(encoding_over_time(scores))
    if time in ("grid", "cumulative"):
        assert len(time_grid_table(scores)) == 5 * 3
        time_grid(scores)
    if time == "grid":
        best = table.groupby("timestep")["median"].mean().idxmax()
        assert best == 2  # what drives the neurons


def test_a_unique_variance_is_drawn(monkey):
    few = {"ceiling": encoding.Ceiling(n_splits=5), "bootstrap": encoding.Bootstrap(n_draws=20)}
    result = encoding.unique_variance(*monkey, readout=encoding.Ridge(), device="cpu", **few)
    table = variance_partition_table(result)
    assert set(table["part"]) == set(result["part"].values)
    row = table[(table["part"] == "late")]
    np.testing.assert_array_equal(row["median"], result["median"].sel(part="late"))
    words = written(variance_partition(result))
    assert "early: 3 timesteps that begin before 100 ms; late: the other 2" in words
    assert "95 % bootstrap over neurons and stimuli" in words


CASES = {
    "60 timesteps": lambda: encoding_over_time(fitted(60, 13)),
    "two timesteps": lambda: encoding_over_time(fitted(2, 2)),
    "a gap": lambda: encoding_over_time(fitted(6, 9, holes=True)),
    "two models": lambda: encoding_over_time({"ff": fitted(), LONG: fitted()}),
    "two lines": lambda: encoding_over_time({"ff": fitted(time="lag"), LONG: fitted(time="lag")}),
    "five models": lambda: encoding_over_time({name: fitted() for name in MODELS}),
    "one bin": lambda: encoding_over_time({"ff": fitted(8, 1), LONG: fitted(1, 1)}),
    "points": lambda: encoding_over_time({"ff": fitted(1, 1), LONG: fitted(1, 1)}),
    "one point": lambda: encoding_over_time(fitted(1, 1, trials=False)),
    "60 x 60": lambda: time_grid(fitted(60, 60)),
    "2 x 2": lambda: time_grid(fitted(2, 2)),
    "8 x 1": lambda: time_grid(fitted(8, 1)),
    "1 x 8": lambda: time_grid(fitted(1, 8)),
    "a hole": lambda: time_grid(fitted(6, 9, holes=True)),
    "bare": lambda: time_grid(fitted(trials=False, static=False), note=False),
    "partition": lambda: variance_partition(partition(1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_cut_off_or_lies_on_something_else(case, faults):
    assert faults(CASES[case]()) == []


def _matrix(figure: Figure) -> tuple[Axes, Axes]:
    """The axes of the matrix and of its margin."""
    axes = {a.get_ylabel(): a for a in drawn(figure)}
    (matrix,) = [a for label, a in axes.items() if label.startswith("model timestep")]
    return matrix, axes.get("r", matrix)
