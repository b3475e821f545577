"""Curves over numbers of stimuli and units, and the table of measures."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.dimensionality import (
    MEASURES,
    NEED_REPETITIONS,
    NEED_UNITS,
    participation_ratio,
    size_curve,
)
from neurorec.dimensionality.unit_subsets import unit_subsets
from neurorec.populations import patterns_of

OF_PRODUCTS = sorted(set(MEASURES) - NEED_UNITS)


def twice(assembly_of, rng, n=22, p=16, bins=2):
    """Assembly of ``n`` stimuli shown twice: four dimensions that units share, and their own."""
    shared = np.einsum("nfb,pf->npb", rng.normal(size=(n, 4, bins)), rng.normal(size=(p, 4)))
    own = rng.normal(size=(n, p, bins)) * np.linspace(0.3, 1, p)[:, None]
    values = np.repeat(shared + own, 2, axis=0)
    values = values + 0.3 * rng.normal(size=values.shape)
    ids = np.repeat([f"s{i:03d}" for i in range(n)], 2)
    return assembly_of(values, stimulus_ids=ids, repetition=np.tile([0, 1], n))


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_measures_are_curves(rng, assembly_of, name):
    """One number per time bin, labelled; from patterns that were read where that is enough."""
    assembly = twice(assembly_of, rng)
    found = MEASURES[name](assembly)
    assert found.dims == ("time_bin",)
    assert found["time_bin_end"].values.tolist() == [10, 20]
    assert np.isfinite(found.values).all()
    assert found.attrs["n_stimuli"] == 22
    assert found.attrs["n_neuroids"] == 16
    assert found.attrs["units"]
    if name not in NEED_UNITS:
        read = patterns_of(assembly, averaged=False)
        np.testing.assert_allclose(MEASURES[name](read).values, found.values, rtol=1e-8)
    if name not in NEED_REPETITIONS | NEED_UNITS:
        read = patterns_of(assembly)
        np.testing.assert_allclose(MEASURES[name](read).values, found.values, rtol=1e-8)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_measures_where_nothing_varies(rng, assembly_of, name):
    assembly = twice(assembly_of, rng)
    assembly[:, :, 0] = 2.5
    with pytest.raises(ValueError, match="time bins 0"):
        MEASURES[name](assembly)
    found = MEASURES[name](assembly, undefined="nan")
    assert np.isnan(found.values).tolist() == [True, False]


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_measures_of_what_is_not_finite(rng, assembly_of, name):
    assembly = twice(assembly_of, rng)
    assembly[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        MEASURES[name](assembly)


@pytest.mark.parametrize("name", sorted(NEED_REPETITIONS))
def test_measures_of_one_repetition(rng, name):
    with pytest.raises(ValueError, match=r"at least 2 .*every stimulus"):
        MEASURES[name](rng.normal(size=(22, 16)))


@pytest.mark.parametrize("name", [name for name in OF_PRODUCTS if "exponent" not in name])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
def test_measures_are_invariant(assembly_of, name, seed, scale):
    """Rotation, scale and shift of the population; exponents need more stimuli."""
    rng = np.random.default_rng(seed)
    assembly = twice(assembly_of, rng, n=16, p=8, bins=1)
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    moved = scale * np.einsum("npt,pq->nqt", assembly.values, rotation) + rng.normal(size=(8, 1))
    a, b = (
        MEASURES[name](x, undefined="nan").item() for x in (assembly, assembly.copy(data=moved))
    )
    # Inner products lose digits as the mean grows against the scale, 1e-14 at a tenth, and
    # estimates that are differences of them up to 1e4 times as much.
    assert b == pytest.approx(a, rel=1e-9, nan_ok=True)


def test_default_is_half_and_all(rng, assembly_of):
    assembly = assembly_of(rng.normal(size=(60, 40, 2)))
    curve = size_curve(assembly, n_draws=50, seed=1)
    assert curve["participation_ratio"].dims == ("n_stimuli", "time_bin")
    assert curve["n_stimuli"].values.tolist() == [30, 60]
    full = participation_ratio(assembly).values
    np.testing.assert_allclose(curve["participation_ratio"].values[1], full, atol=1e-12)
    assert (curve["spread"].values[1] == 0).all()
    # White noise: about n p / (n + p), which is 17 of 30 stimuli and 24 of 60.
    np.testing.assert_allclose(curve["participation_ratio"].values[:, 0], [17.1, 24], atol=1)
    xr.testing.assert_identical(curve, size_curve(assembly, n_draws=50, seed=1))
    assert not curve.identical(size_curve(assembly, n_draws=50, seed=2))


def test_subset_of_stimuli(rng, assembly_of):
    values = rng.normal(3, 1, size=(10, 6))
    curve = size_curve(assembly_of(values), n_stimuli=(7,), n_draws=1, seed=4)
    subset = np.random.default_rng(4).choice(10, 7, replace=False)
    expected = participation_ratio(values[subset]).item()
    assert curve["participation_ratio"].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("averaged", [True, False])
def test_subsets_of_units(rng, assembly_of, averaged, device):
    """Inner products of nested subsets, read in small blocks and passes or at once."""
    assembly = twice(assembly_of, rng, n=5, p=11)
    options = {"n_draws": 3, "averaged": averaged, "device": device}
    draws = [
        list(
            unit_subsets(
                assembly, (4, 11, 7), memory_bytes=budget, rng=np.random.default_rng(6), **options
            )
        )
        for budget in (1, 2**20)
    ]
    order = np.random.default_rng(6)
    for number, (one, other) in enumerate(zip(*draws, strict=True)):
        first = order.permutation(11)
        assert sorted(one) == ([4, 7, 11] if number == 0 else [4, 7])
        for size, patterns in one.items():
            expected = patterns_of(assembly[:, first[:size]], averaged=averaged)
            for found in (patterns, other[size]):
                np.testing.assert_allclose(
                    found.products.cpu(), expected.products, rtol=1e-12, atol=1e-12
                )
                np.testing.assert_allclose(found.sums.cpu(), expected.sums, rtol=1e-12, atol=1e-12)
                assert found.n_neuroids == size
                assert found.stimulus_ids == expected.stimulus_ids


def test_units_are_read_once(rng, assembly_of):
    """Draws that fit into memory share a pass; otherwise there are more."""
    from neurorec.populations import as_population

    passes = []

    class Watched:
        """An area that counts how often it is streamed."""

        assembly = twice(assembly_of, rng, n=6, p=9)
        n_neuroids = 9

        def labels(self):
            return self.assembly[:, :1]

        def units(self):
            return self.assembly[:1]

        def stream(self, *, timesteps, block_bytes):
            passes.append(1)
            for start in range(0, 9, 4):
                yield self.assembly[:, start : start + 4, list(timesteps)]

    watched = Watched()
    found = size_curve(watched, n_neuroids=(3, 9), n_draws=8)
    assert len(passes) == 1
    np.testing.assert_allclose(
        found["participation_ratio"].values[1], participation_ratio(watched.assembly).values
    )
    # Of two sizes, two bins and 6 x 6 numbers, three draws fit.
    again = size_curve(watched, n_neuroids=(3, 9), n_draws=8, memory_bytes=3 * 2 * 2 * 36 * 8)
    assert len(passes) == 1 + 3
    xr.testing.assert_allclose(found, again)
    assert as_population(watched).n_neuroids == 9


def test_both_numbers(rng):
    """Every pair of numbers; the whole is the measure itself, and it grows with either."""
    values = rng.normal(size=(40, 30, 2))
    curve = size_curve(values, n_stimuli=(10, 40), n_neuroids=(5, 15, 30), n_draws=20)
    found = curve["participation_ratio"]
    assert found.dims == ("n_neuroids", "n_stimuli", "time_bin")
    np.testing.assert_allclose(found.values[2, 1], participation_ratio(values).values, rtol=1e-12)
    assert (found.diff("n_neuroids") > 0).all()
    assert (found.diff("n_stimuli") > 0).all()
    assert (curve["spread"].values[2, 1] == 0).all()
    assert (curve["spread"].values[:2] > 0).all()
    assert (curve["spread"].values[2, 0] > 0).all()
    # White noise of n stimuli in p units: (p (n - 1) + 2) / (n + p).
    n, p = found["n_stimuli"], found["n_neuroids"]
    expected = ((p * (n - 1) + 2) / (n + p)).transpose("n_neuroids", "n_stimuli")
    np.testing.assert_allclose(found.values[..., 0], expected.values, rtol=0.1)


@pytest.mark.parametrize("name", OF_PRODUCTS)
def test_curve_of_every_measure(rng, assembly_of, name):
    assembly = twice(assembly_of, rng)
    curve = size_curve(assembly, name, n_stimuli=(18, 22), n_neuroids=(15, 16), n_draws=2)
    whole = MEASURES[name](assembly)
    np.testing.assert_allclose(curve[name].values[1, 1], whole.values, rtol=1e-8)
    assert np.isfinite(curve["spread"].values).all()


def test_a_function_of_patterns(rng, assembly_of):
    """Of single presentations if asked."""
    assembly = twice(assembly_of, rng, n=8, p=4)

    def rows(patterns):
        return xr.DataArray(np.full(2, float(patterns.n_rows)), dims=("time_bin",))

    for averaged, expected in ((True, 5), (False, 10)):
        curve = size_curve(assembly, rows, n_stimuli=(5,), n_draws=3, averaged=averaged)
        assert (curve["value"] == expected).all()


def test_written_and_read(rng, tmp_path):
    curve = size_curve(rng.normal(size=(8, 6, 2)), n_neuroids=(3, 6), n_draws=2)
    curve.to_netcdf(tmp_path / "curve.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "curve.nc", engine="h5netcdf") as read:
        assert read["participation_ratio"].dims == ("n_neuroids", "time_bin")


def test_bad_input(rng):
    values = rng.normal(size=(6, 5))
    with pytest.raises(ValueError, match=r"between 3 and the 6 stimuli, got \[2, 4, 7\]"):
        size_curve(values, n_stimuli=(2, 4, 7))
    with pytest.raises(ValueError, match=r"between 1 and the 5 units, got \[2, 7\]"):
        size_curve(values, n_neuroids=(2, 7))
    with pytest.raises(ValueError, match="n_draws must be at least 1, got 0"):
        size_curve(values, n_draws=0)
    with pytest.raises(ValueError, match="measure must be one of"):
        size_curve(values, "entropy")
    with pytest.raises(ValueError, match="shared_dimensionality reads single units"):
        size_curve(values, "shared_dimensionality")
    with pytest.raises(ValueError, match="need single units and these inner products hold none"):
        size_curve(patterns_of(values), n_neuroids=(3,))
    values[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite values"):
        size_curve(values, n_neuroids=(3,))
