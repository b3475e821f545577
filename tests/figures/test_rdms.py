"""Strips and films of RDMs: the order of conditions, the times, the files."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from neurorec import geometry
from neurorec.figures import rdm_movie, rdm_movie_table, rdm_strip, rdm_strip_table
from neurorec.figures._rdms import evenly, shown
from neurorec.figures.watermark import is_watermarked

KINDS = np.array(["place", "face", "body", "face", "place", "body", "face", "body"])


def rdms(n_bins=9, seed=0, *, steps=True):
    rng = np.random.default_rng(seed)
    found = geometry.rdm(rng.normal(size=(8, 20, n_bins)))
    found = found.assign_coords(category=("condition", KINDS))
    if steps:
        return found.assign_coords(timestep=("time_bin", np.arange(n_bins)))
    return found


def images_of(figure):
    return [a for a in figure.findobj(Axes) if a.images and a.axison]


def test_conditions_are_sorted_and_grouped():
    (one,) = shown(rdms(), "rdm_strip", by=None)
    assert one.by == "category"
    assert one.groups == [("body", 0, 3), ("face", 3, 6), ("place", 6, 8)]
    order = np.argsort(KINDS, kind="stable")
    np.testing.assert_array_equal(one.values[2], rdms().values[2][np.ix_(order, order)])
    assert one.stimulus_ids[0] == "row-000002"
    (none,) = shown(rdms().drop_vars("category"), "rdm_strip", by=None)
    assert none.groups == []
    np.testing.assert_array_equal(none.values, rdms().values)
    (own,) = shown(rdms(), "rdm_strip", by="stimulus_id")  # groups of one are no groups
    assert own.groups == []


@pytest.mark.parametrize(
    ("n_times", "n_most", "expected"),
    [
        (9, 3, [0, 4, 8]),
        (2, 7, [0, 1]),
        (1, 7, [0]),
        (5, 1, [0]),
        (30, 7, [0, 5, 10, 14, 19, 24, 29]),
    ],
)
def test_times_are_spaced_evenly(n_times, n_most, expected):
    assert evenly(n_times, n_most) == expected


@pytest.mark.slow
def test_a_strip_is_what_its_table_says(faults):
    figure, table = rdm_strip(rdms(), n_times=3), rdm_strip_table(rdms(), n_times=3)
    assert faults(figure) == []
    axes = images_of(figure)[:3]
    assert [a.get_title() for a in axes] == ["timestep 0", "timestep 4", "timestep 8"]
    for one, step in zip(axes, (0, 4, 8), strict=True):
        values = np.ma.filled(one.images[0].get_array().astype(float), np.nan)
        own = table[table["timestep"] == step]["dissimilarity"]
        np.testing.assert_array_equal(values[np.triu_indices(8, 1)], own)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["body", "face", "place"]
    assert len(table) == 3 * 28


@pytest.mark.slow
@pytest.mark.parametrize("case", ["one", "areas", "two", "still", "long names"])
def test_nothing_is_cut_off_or_lies_on_something_else(case, faults):
    given = {
        "one": rdms(steps=False),
        "areas": rdms().expand_dims(area=["V1", "V2", "V4", "IT"]),
        "two": {"model": rdms(), "monkey IT": rdms(3, 1, steps=False)},
        "still": rdms()[0],
        "long names": rdms(steps=False).assign_coords(
            time_bin_start=("time_bin", np.arange(-500.0, 400, 100)),
            time_bin_end=("time_bin", np.arange(-400.0, 500, 100)),
            category=("condition", np.char.add("a rather long name of a ", KINDS)),
        ),
    }[case]
    assert faults(rdm_strip(given)) == []
    movie = rdm_movie(given)
    movie.draw(movie.n_frames - 1)
    assert faults(movie.figure) == []


def test_frames_of_several_populations_are_at_the_nearest_time():
    brain = rdms(3, 1, steps=False).assign_coords(
        time_bin_start=("time_bin", [0.0, 4.0, 8.0]), time_bin_end=("time_bin", [1.0, 5.0, 9.0])
    )
    movie = rdm_movie({"model": rdms(), "brain": brain})
    assert movie.n_frames == 9
    left, right = images_of(movie.figure)[:2]
    movie.draw(5)
    assert (left.get_title(), right.get_title()) == ("model\ntimestep 5", "brain\n4–5 ms")
    order = np.argsort(KINDS, kind="stable")
    drawn = np.ma.filled(right.images[0].get_array().astype(float), np.nan)
    expected = brain.values[1][np.ix_(order, order)]
    upper = np.triu_indices(8, 1)
    np.testing.assert_array_equal(drawn[upper], expected[upper])
    table = rdm_movie_table({"model": rdms(), "brain": brain})
    assert len(table) == (9 + 3) * 28


@pytest.mark.slow
def test_a_film_has_a_frame_for_each_time(tmp_path):
    path = rdm_movie(rdms(4)).save(tmp_path / "m.gif", frames_per_second=5)
    assert [p.name for p in tmp_path.iterdir()] == ["m.gif"]
    with Image.open(path) as film:
        assert (film.n_frames, film.info["duration"]) == (4, 200)
        first = np.asarray(film.convert("RGB"))
        film.seek(3)
        assert (np.asarray(film.convert("RGB")) != first).any()


@pytest.mark.slow
def test_a_failed_film_leaves_nothing(tmp_path, monkeypatch):
    movie = rdm_movie(rdms(4))
    monkeypatch.setattr("matplotlib.animation.PillowWriter.finish", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        movie.save(tmp_path / "m.gif")
    assert list(tmp_path.iterdir()) == []


def test_where_a_film_can_not_be_written(tmp_path, monkeypatch):
    movie = rdm_movie(rdms(2))
    with pytest.raises(ValueError, match=r"a film ends in \.gif or \.mp4, got 'm\.avi'"):
        movie.save(tmp_path / "m.avi")
    with pytest.raises(ValueError, match="frames_per_second must be positive, got 0"):
        movie.save(tmp_path / "m.gif", frames_per_second=0)
    monkeypatch.setattr("matplotlib.animation.FFMpegWriter.isAvailable", lambda: False)
    with pytest.raises(ImportError, match="needs the program ffmpeg, which is not installed"):
        movie.save(tmp_path / "m.mp4")


def test_simulated_rdms_are_marked():
    assert not is_watermarked(rdm_strip(rdms(2)))
    assert is_watermarked(rdm_strip(rdms(2).assign_attrs(simulated=1)))
    assert is_watermarked(rdm_movie(rdms(2), simulated=True).figure)


def test_undefined_patterns_are_grey_and_said_to_be():
    given = rdms(2)
    given.values[0, 3] = given.values[0, :, 3] = np.nan
    assert "grey: undefined" in rdm_strip(given).texts[-1].get_text()
    assert rdm_strip_table(given)["dissimilarity"].isna().sum() == 7


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs the RDMs of at least one population, got an empty mapping"),
        (rdms().rename(condition="stimulus"), "needs RDMs with the dimensions .* got"),
        (rdms().expand_dims(["area", "model"]), "and at most one more, got"),
        (rdms().drop_vars("stimulus_id"), "needs the coordinate 'stimulus_id'"),
        (rdms() * np.nan, "nothing to draw: every value is NaN"),
    ],
    ids=["empty", "names", "dimensions", "identifiers", "nan"],
)
def test_what_can_not_be_drawn(given, message):
    for plot in (rdm_strip, rdm_movie, rdm_strip_table):
        with pytest.raises(ValueError, match=message):
            plot(given)


def test_wrong_options():
    with pytest.raises(ValueError, match=r"by must be one of \['category', 'stimulus_id'\]"):
        rdm_strip(rdms(), by="colour")
    with pytest.raises(ValueError, match="n_times must be at least 1, got 0"):
        rdm_strip(rdms(), n_times=0)
