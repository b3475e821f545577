"""What is drawn is what the tables say."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from neurorec.figures import MODELS
from neurorec.figures.rsa import NO_CEILING

LABELS = {name: style.label for name, style in MODELS.items()}


def panels(figure: Figure, title: str | None = None) -> list[Axes]:
    """Axes with something drawn on them, in order."""
    found = [a for a in figure.findobj(Axes) if a.axison and (a.lines or a.images)]
    return [a for a in found if title is None or a.get_title() == title]


def line(axes: Axes, label: str) -> np.ndarray:
    """(point, 2) of the one line with ``label``."""
    (found,) = [drawn for drawn in axes.lines if drawn.get_label() == label]
    return np.asarray(found.get_xydata())


def band(axes: Axes, position: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edge of a band, over rising x."""
    found = [c for c in axes.collections if isinstance(c, FillBetweenPolyCollection)]
    vertices = found[position].get_paths()[0].vertices
    xs = np.unique(vertices[:, 0])
    return (
        np.array([vertices[vertices[:, 0] == x, 1].min() for x in xs]),
        np.array([vertices[vertices[:, 0] == x, 1].max() for x in xs]),
    )


def heights(axes: Axes) -> set[float]:
    """Of the horizontal lines."""
    lines = [np.asarray(drawn.get_ydata(), dtype=float) for drawn in axes.lines]
    return {round(float(y[0]), 6) for y in lines if len(y) == 2 and y[0] == y[1]}


def compare(axes: Axes, rows, *, x: str, y: str) -> None:
    """Lines and bands of every model in ``axes`` against the table's rows."""
    for position, name in enumerate(MODELS):
        own = rows[rows["model"] == name]
        np.testing.assert_array_equal(line(axes, LABELS[name]), own[[x, y]].to_numpy(float))
        low, high = band(axes, position)
        np.testing.assert_allclose(low, own["ci_low"])
        np.testing.assert_allclose(high, own["ci_high"])


def test_encoding(by_name):
    plot = by_name["encoding_over_time"]
    table = plot.table(*plot.results)
    assert len(table) == 5 * 4 * 8
    figure = plot.drawn
    for area in ("a1", "integration", "a2", "a3"):
        (axes,) = panels(figure, area)
        compare(axes, table[table["area"] == area], x="timestep", y="median")
        assert heights(axes) == {1.0, 0.31, 0.53}
    assert set(table["reference: pixels"]) == {0.31}
    assert {"noise ceiling", "pixels", "Gabor energy"} <= _written(figure)
    assert "model timestep (10 ms each)" in _written(figure)


def test_without_a_ceiling_none_is_drawn(by_name):
    plot = by_name["encoding_over_time"]
    scores = plot.results[0].assign_attrs(quantity="score").drop_vars("reference_score")
    figure = plot.draw(scores)
    assert all(heights(axes) == set() for axes in panels(figure))
    assert "noise ceiling" not in _written(figure)
    assert "r, not noise-corrected" in _written(figure)


def test_rsa(by_name):
    plot = by_name["rsa_over_time"]
    table = plot.table(*plot.results)
    figure = plot.drawn
    drawn = panels(figure)
    places = [(t, a) for t in ("monkey IT", "human IT") for a in ("a1", "integration", "a2", "a3")]
    assert len(drawn) == len(places)
    for axes, (target, area) in zip(drawn, places, strict=True):
        rows = table[(table["target"] == target) & (table["area"] == area)]
        compare(axes, rows, x="timestep", y="score")
        references = rows[["reference: V1 model", "reference: animacy"]].iloc[0]
        assert set(references.round(6)) <= heights(axes)
        spans = [p for p in axes.patches if p.get_height() > 0.1]
        assert len(spans) == (target == "human IT")
        for span in spans:
            limits = span.get_y(), span.get_y() + span.get_height()
            assert limits == pytest.approx(rows[["ceiling_lower", "ceiling_upper"]].iloc[0])
    assert NO_CEILING in _written(figure)


def test_no_word_on_ceilings_where_they_are_unknown(by_name):
    plot = by_name["rsa_over_time"]
    figure = plot.draw(plot.results[0].drop_vars(["ceiling_lower", "ceiling_upper"]))
    assert NO_CEILING not in _written(figure)
    assert "noise ceiling" not in _written(figure)


@pytest.mark.parametrize("given", ["ceiling_lower", "ceiling_upper"])
def test_half_a_ceiling_is_refused(by_name, given):
    plot = by_name["rsa_over_time"]
    with pytest.raises(ValueError, match="both 'ceiling_lower' and 'ceiling_upper' or neither"):
        plot.draw(plot.results[0].drop_vars(given))


def test_decoding(by_name):
    plot = by_name["decoding_over_time"]
    table = plot.table(*plot.results)
    figure = plot.drawn
    (left,) = panels(figure, "macaque IT")
    rows = table[table["source"] == "brain"]
    np.testing.assert_array_equal(line(left, "brain"), rows[["time", "accuracy"]])
    np.testing.assert_array_equal(
        rows["time"], rows[["time_bin_start", "time_bin_end"]].mean(axis=1)
    )
    assert heights(left) == {round(1 / 7, 6)}
    low, high = band(left, 0)
    np.testing.assert_allclose(low, rows["ci_low"])
    np.testing.assert_allclose(high, rows["ci_high"])
    for area in ("a1", "integration", "a2", "a3"):
        (axes,) = panels(figure, area)
        rows = table[(table["area"] == area) & (table["source"] != "brain")]
        compare(axes, rows.rename(columns={"source": "model"}), x="time", y="accuracy")
        assert heights(axes) == {0.1}
    assert "chance" in _written(figure)


def test_decoding_without_chance_draws_none(by_name):
    plot = by_name["decoding_over_time"]
    bare = [results.assign_attrs(chance=0.0) for results in plot.results]
    for results in bare:
        del results.attrs["chance"]
    figure = plot.draw(*bare)
    assert "chance" not in _written(figure)
    assert plot.table(*bare)["chance"].isna().all()


def test_temporal_generalization(by_name):
    plot = by_name["temporal_generalization"]
    table = plot.table(*plot.results)
    figure = plot.drawn
    matrices = [axes for axes in panels(figure) if axes.images]
    assert len(matrices) == 6
    for axes, source in zip(matrices, ["brain", *MODELS], strict=True):
        rows = table[table["source"] == source]
        square = rows.pivot(index="train_time", columns="test_time", values="accuracy")
        drawn = np.asarray(axes.images[0].get_array())
        np.testing.assert_array_equal(drawn, square.to_numpy())
        # A cell lies around its times, training upwards and testing to the right.
        left, right, bottom, top = axes.images[0].get_extent()
        times = square.columns.to_numpy(float)
        half = (times[1] - times[0]) / 2
        assert (left, right) == (bottom, top) == (times[0] - half, times[-1] + half)
        assert axes.images[0].origin == "lower"
        assert axes.get_aspect() == 1.0


def test_chance_is_marked_on_both_colour_bars(by_name):
    plot = by_name["temporal_generalization"]
    figure = plot.drawn
    bars = {}
    for axes in figure.findobj(Axes):
        texts = [text.get_text() for text in axes.get_yticklabels()]
        if "chance" in texts:
            bars[axes] = axes.get_yticks()[texts.index("chance")]
    assert sorted(bars.values()) == pytest.approx([0.1, 1 / 7])
    for axes, chance in bars.items():
        assert heights(axes) == {round(chance, 6)}
        assert axes.get_ylabel() == "decoding accuracy"


def test_models_share_one_colour_scale(by_name):
    plot = by_name["temporal_generalization"]
    figure = plot.drawn
    limits = [axes.images[0].get_clim() for axes in panels(figure) if axes.images]
    assert len(set(limits[1:])) == 1
    assert limits[1][0] < 0.1 < 0.9 < limits[1][1]


def test_uneven_times_are_refused(by_name):
    plot = by_name["temporal_generalization"]
    brain, models = plot.results
    kept = [0, 1, 3, 4]
    with pytest.raises(ValueError, match="evenly spaced, rising times to draw a matrix, got"):
        plot.draw(brain.isel(train_time=kept, test_time=kept), models)


def test_matrices_are_square(by_name):
    plot = by_name["temporal_generalization"]
    brain, models = plot.results
    with pytest.raises(ValueError, match="train and test times must be the same"):
        plot.draw(brain.isel(train_time=slice(1, None)), models)
    with pytest.raises(ValueError, match="train and test times must be the same"):
        plot.draw(brain, models.isel(train_time=slice(1, None)))


def test_geometry(by_name):
    plot = by_name["geometry_of_models"]
    table = plot.table(*plot.results)
    figure = plot.drawn
    ratio = table[table["quantity"] == "participation_ratio"]
    for area in ("a1", "integration", "a2", "a3"):
        (axes,) = panels(figure, area)
        compare(axes, ratio[ratio["area"] == area], x="timestep", y="value")
        assert axes.get_ylim()[0] == 0.0
    cka = table[table["quantity"] == "linear_cka"]
    matrices = [axes for axes in panels(figure) if axes.images]
    places = [(a, m) for a in ("a1", "integration", "a2", "a3") for m in MODELS]
    for axes, (area, model) in zip(matrices, places, strict=True):
        rows = cka[(cka["area"] == area) & (cka["model"] == model)]
        square = rows.pivot(index="timestep", columns="timestep_b", values="value")
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), square.to_numpy())


@pytest.mark.slow
def test_geometry_without_an_interval(by_name):
    plot = by_name["geometry_of_models"]
    bare = plot.results[0].drop_vars(["ci_low", "ci_high"])
    figure = plot.draw(bare)
    assert not any(axes.collections for axes in panels(figure, "a1"))
    assert "ci_low" not in plot.table(bare)
    with pytest.raises(ValueError, match="both 'ci_low' and 'ci_high' or neither"):
        plot.draw(plot.results[0].drop_vars("ci_low"))


def test_speed_accuracy(by_name):
    plot = by_name["speed_accuracy"]
    table = plot.table(*plot.results)
    left, right = panels(plot.drawn)
    compare(left, table[table["readout"] == "timestep"], x="mean_timesteps", y="accuracy")
    sweep = table[table["readout"] == "threshold"]
    for name, label in LABELS.items():
        own = sweep[sweep["model"] == name]
        np.testing.assert_array_equal(line(right, label), own[["mean_timesteps", "accuracy"]])
    assert heights(left) == heights(right) == {0.1}


def test_open_marks_are_thresholds_that_fewer_than_half_reach(by_name):
    plot = by_name["speed_accuracy"]
    _, right = panels(plot.drawn)
    sweep = plot.results[1]
    marks = [drawn for drawn in right.lines if drawn.get_linestyle() == "None"]
    n_open = sum(len(m.get_xdata()) for m in marks if m.get_markerfacecolor() == "white")
    assert n_open == int((sweep["fraction_undecided"] > 0.5).sum()) > 0
    assert sum(len(m.get_xdata()) for m in marks) == sweep["fraction_undecided"].size


def test_overview(by_name):
    plot = by_name["overview"]
    table = plot.table(*plot.results)
    figure = plot.drawn
    (first,) = panels(figure, "macaque V4 encoding\n(area integration)")
    rows = table[table["panel"] == "b"]
    assert set(rows["area"]) == {"integration"}
    compare(first, rows, x="timestep", y="median")
    (second,) = panels(figure, "macaque IT decoding\nacross time")
    np.testing.assert_array_equal(
        np.asarray(second.images[0].get_array()).ravel(),
        table.loc[table["panel"] == "c", "accuracy"],
    )
    (third,) = panels(figure, "monkey IT RSA\n(area a3)")
    compare(third, table[table["panel"] == "d"], x="timestep", y="score")


@pytest.mark.slow
def test_overview_of_chosen_areas(by_name):
    plot = by_name["overview"]
    chosen = {"encoding_area": "a2", "rsa_area": "a1", "target": "human IT"}
    figure = plot.draw(*plot.results, **chosen)
    assert panels(figure, "macaque V4 encoding\n(area a2)")
    assert panels(figure, "human IT RSA\n(area a1)")
    assert set(plot.table(*plot.results, **chosen)["target"].dropna()) == {"human IT"}
    for name in chosen:
        with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'V7'"):
            plot.draw(*plot.results, **{name: "V7"})


def test_overview_draws_the_design(by_name):
    figure = by_name["overview"].drawn
    wanted = {"a1", "integration", "a2", "a3", "readout"}
    wanted |= {"lateral, delay 1", "feedback, delay 1", "dropout 0.5 per step"}
    assert wanted | set(LABELS.values()) <= _written(figure)


def _written(figure: Figure) -> set[str]:
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}
