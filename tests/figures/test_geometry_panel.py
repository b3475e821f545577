"""Panels of anything measured over time: what is drawn is what the table says, nothing is cut."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes

from neurorec import geometry
from neurorec.figures import geometry_panel, geometry_panel_table, save
from neurorec.figures.watermark import is_watermarked

pytestmark = pytest.mark.slow

N_BINS = 6
HOW = geometry.BrainComparison(n_draws=20)


def responses(seed=0, n_bins=N_BINS):
    rng = np.random.default_rng(seed)
    groups = np.arange(12) // 4
    shared = rng.normal(size=(3, 15, 1))[groups] * np.linspace(0.2, 2, n_bins)
    return shared + rng.normal(size=(12, 15, n_bins))


def in_groups(panel):
    names = np.array(["face", "place", "body"])[np.arange(12) // 4]
    return panel.assign_coords(category=("condition", names))


def in_ms(panel):
    """As that of a brain, whose bins have no number."""
    return panel.drop_vars([name for name in panel.coords if str(name).startswith("timestep")])


def brain():
    rdms = geometry.rdm(responses(9, 3)).drop_vars("timestep", errors="ignore")
    return rdms.assign_coords(
        time_bin_start=("time_bin", [50.0, 60.0, 70.0]), time_bin_end=("time_bin", [60.0, 70, 80])
    )


def areas(n=2, **options):
    parts = {f"area {i}": geometry.over_time(responses(i), **options) for i in range(n)}
    return in_groups(_stack(parts, "area"))


def models(names=("ff", "fb"), n_areas=2):
    return in_groups(_stack({name: areas(n_areas) for name in names}, "model"))


def _stack(parts, dim):
    from neurorec.geometry._joining import joined

    return joined(parts, dim)


CASES = {
    "one population": lambda: in_ms(in_groups(geometry.over_time(responses()))),
    "a brain over time": lambda: areas(brain=brain(), comparison=HOW),
    "many models": lambda: models(tuple("abcdefghi"), 2),
    "curves alone": lambda: areas(measures=["participation_ratio"]),
    "RDMs alone": lambda: geometry.over_time(responses(), measures=["rdm"]),
    "many curves": lambda: areas(5, brain=_subjects(), comparison=HOW),
}


def _subjects():
    return brain()[:3].rename(time_bin="subject").drop_vars(["time_bin_start", "time_bin_end"])


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_cut_off_or_lies_on_something_else(case, faults):
    panel = CASES[case]()
    before = panel.copy(deep=True)
    assert faults(geometry_panel(panel)) == []
    assert panel.identical(before)
    table = geometry_panel_table(panel)
    assert not table.duplicated().any()
    assert not table.isna().all(axis=1).any()


def drawn(figure, title):
    return [a for a in figure.findobj(Axes) if a.get_title() == title and a.axison]


def test_curves_are_those_of_the_table():
    panel = areas(brain=brain()[1], comparison=HOW)
    figure, table = geometry_panel(panel), geometry_panel_table(panel)
    for title, quantity in (
        ("participation ratio", "participation_ratio"),
        ("components for 90 %", "n_components"),
        ("RSA (Spearman rho)", "rsa"),
    ):
        (axes,) = drawn(figure, title)
        own = table[table["quantity"] == quantity]
        for line in (line for line in axes.lines if line.get_label() in ("area 0", "area 1")):
            rows = own[own["area"] == line.get_label()]
            np.testing.assert_array_equal(line.get_xydata(), rows[["time", "value"]])
        assert len(axes.collections) == (2 if quantity == "rsa" else 0)
    rows = table[table["quantity"] == "rsa"]
    np.testing.assert_array_equal(rows["ci_low"], panel["rsa_ci_low"].values.ravel())


def test_matrices_and_rdms_are_those_of_the_table():
    panel = areas()
    figure, table = geometry_panel(panel), geometry_panel_table(panel)
    for area in ("area 0", "area 1"):
        (axes,) = drawn(figure, area)
        rows = table[(table["quantity"] == "linear_cka") & (table["area"] == area)]
        square = rows.pivot(index="time", columns="time_b", values="value").to_numpy()
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), square)
    images = [a for a in figure.findobj(Axes) if a.images and a.get_ylabel() == "area 1"]
    shown = np.ma.filled(images[0].images[0].get_array().astype(float), np.nan)
    rows = table[(table["quantity"] == "rdm") & (table["area"] == "area 1") & (table["time"] == 0)]
    np.testing.assert_array_equal(shown[np.triu_indices(12, 1)], rows["value"])
    assert np.isnan(np.diagonal(shown)).all()


def test_a_matrix_with_the_times_of_a_brain():
    panel = areas(brain=brain(), comparison=HOW)
    table = geometry_panel_table(panel)
    rows = table[(table["quantity"] == "rsa") & (table["area"] == "area 1")]
    assert sorted(set(rows["time_b"])) == [55.0, 65.0, 75.0]
    np.testing.assert_array_equal(rows["value"], panel["rsa"][1].values.ravel())
    (axes,) = [a for a in drawn(geometry_panel(panel), "area 1") if a.get_aspect() == "auto"]
    assert axes.images[0].get_extent() == [50.0, 80.0, -0.5, 5.5]


def test_more_rdms_than_there_is_room_for():
    figure = geometry_panel(models(("ff", "fb", "x"), 2))
    assert "RDMs of 6 populations are not drawn here" in figure.texts[-1].get_text()
    assert "rdm" not in set(geometry_panel_table(models(("ff", "fb", "x"), 2))["quantity"])


def test_times_are_in_ms_where_bins_have_no_number():
    panel = in_ms(geometry.over_time(responses()))
    table = geometry_panel_table(panel)
    assert set(table["time_unit"]) == {"ms"}
    assert table["time"].max() == 5.5


def test_the_mark_of_a_simulation_and_saving(tmp_path):
    panel = areas(measures=["participation_ratio"])
    assert not is_watermarked(geometry_panel(panel, note=False))
    figure = geometry_panel(panel.assign_attrs(simulated=1))
    assert is_watermarked(figure)
    paths = save(figure, tmp_path / "g", table=geometry_panel_table(panel), provenance={})
    assert len(pd.read_csv(paths[2])) == 2 * N_BINS


def test_a_measure_whose_name_begins_with_that_of_another_is_drawn():
    names = ["participation_ratio", "participation_ratio_of_stimuli"]
    assert set(geometry_panel_table(areas(measures=names))["quantity"]) == set(names)


def test_matrices_of_several_components():
    measures = {
        "canonical_correlation": {"n_folds": 4, "n_dimensions": 3},
        "principal_angles": {"n_components": 2},
    }
    panel = geometry.over_time(responses(), measures=measures)
    assert panel.sizes["component"] == 2  # of which one measure has one
    assert set(geometry_panel_table(panel)["quantity"]) == {
        "canonical_correlation",
        "principal_angles: component 1",
        "principal_angles: component 2",
    }
    labels = {a.get_ylabel().replace("\n", " ") for a in geometry_panel(panel).findobj(Axes)}
    assert {"principal angles: component 2 (deg)", "canonical correlation (Pearson r)"} <= labels


def test_what_is_left_out_is_named():
    panel = geometry.over_time(
        responses(), measures={"participation_ratio": {}, "principal_angles": {"n_components": 4}}
    )
    note = geometry_panel(panel).texts[-1].get_text()
    assert note.endswith("of too many dimensions to be drawn: principal angles")


def test_a_curve_that_is_undefined_says_so():
    panel = geometry.over_time(responses(), measures=["participation_ratio", "effective_rank"])
    panel["effective_rank"] = panel["effective_rank"] * np.nan
    (axes,) = drawn(geometry_panel(panel), "effective rank")
    assert [text.get_text() for text in axes.texts] == ["undefined"]


def test_what_can_not_be_drawn():
    panel = areas()
    with pytest.raises(ValueError, match="needs the dimension 'time_bin' and its coordinate"):
        geometry_panel(panel.isel(time_bin=0))
    with pytest.raises(ValueError, match="found nothing that it can draw over time in"):
        geometry_panel(
            xr.Dataset({"x": 1.0})
            .expand_dims(time_bin=3)
            .assign_coords(
                time_bin_start=("time_bin", [0.0, 1, 2]), time_bin_end=("time_bin", [1.0, 2, 3])
            )
            .astype(int)
        )
    with pytest.raises(ValueError, match="nothing to draw: every value is NaN"):
        geometry_panel(panel.where(False))
    with pytest.raises(ValueError, match="by must be one of"):
        geometry_panel(panel, by="colour")
