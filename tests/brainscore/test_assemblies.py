"""Assemblies cross the border unchanged, and Brain-Score's own metrics take them."""

from types import MappingProxyType

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec import assemblies, datasets

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")

from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

from neurorec import brainscore
from neurorec.brainscore.stimuli import BrainIOStimulusSet

# pandas, which makes the index, takes two strings for one where they agree up to a NUL.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
#: Values of a label, by name; each is drawn for one of the dimensions.
KINDS = MappingProxyType(
    {
        "float32": st.floats(width=32),
        "float64": st.floats(),
        "int8": st.integers(-128, 127),
        "int64": st.integers(-(2**63), 2**63 - 1),
        "uint64": st.integers(0, 2**64 - 1),
        "uint16": st.integers(0, 2**16 - 1),
        "bool": st.booleans(),
        "complex128": st.complex_numbers(allow_nan=False),
        "datetime64[ns]": st.integers(0, 2**62),
        "str": TEXT,
        "S3": st.binary(max_size=2),
        "object": st.one_of(TEXT, st.integers(-5, 5), st.none(), st.just(np.nan)),
    }
)
ATTRS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.floats(allow_nan=False)))


def build(values: np.ndarray, *, n_repetitions: int = 1, **presentation) -> xr.DataArray:
    """Assembly of ``values`` with stimuli shown one after the other, ``n_repetitions`` times."""
    n_presentations, n_neuroids, n_time_bins = values.shape
    n_stimuli = n_presentations // n_repetitions
    columns = {
        "stimulus_id": [f"stimulus-{i % n_stimuli}" for i in range(n_presentations)],
        "repetition": np.arange(n_presentations) // n_stimuli,
        "object_name": [f"object-{i % n_stimuli % 4}" for i in range(n_presentations)],
    }
    return assemblies.build(
        values,
        presentation=columns | presentation,
        neuroid={
            "neuroid_id": [f"V4-{i}" for i in range(n_neuroids)],
            "region": ["V4"] * n_neuroids,
        },
        time_bin_start=10.0 * np.arange(n_time_bins),
        time_bin_end=10.0 * np.arange(n_time_bins) + 10,
        attrs={"units": "spikes / s"},
    )


def test_brainio_gets_every_label_as_a_level(rng):
    assembly = build(rng.normal(size=(6, 2, 3))).assign_coords(timestep=("time_bin", [4, 5, 6]))
    converted = brainscore.to_brainio(assembly)
    assert type(converted) is NeuroidAssembly
    converted.validate()
    np.testing.assert_array_equal(converted.values, assembly.values)
    levels = {dim: list(converted.indexes[dim].names) for dim in converted.dims}
    assert levels == {
        "presentation": ["stimulus_id", "repetition", "object_name"],
        "neuroid": ["neuroid_id", "region"],
        "time_bin": ["time_bin_start", "time_bin_end", "timestep"],
    }
    one = converted.sel(stimulus_id="stimulus-3")  # selection by level is what the index is for
    np.testing.assert_array_equal(one.values[0], assembly.values[3])


def column(data, kind: str, n: int, label: str) -> np.ndarray:
    values = data.draw(st.lists(KINDS[kind], min_size=n, max_size=n), label=label)
    if kind == "object":
        # Objects of one type come back as that type, names as strings: so they are mixed here.
        mixed = np.empty(n, dtype=object)
        mixed[:] = ["a", 1, *values][:n]
        return mixed if n > 1 else mixed.astype(str)
    return np.array(values, dtype=kind)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_round_trip(data):
    """Values, labels of any kind on any dimension, attributes, types; with a bin lost or not."""
    shape = tuple(data.draw(st.integers(1, 4), label=dim) for dim in assemblies.DIMS)
    dtype = data.draw(st.sampled_from(["float32", "float64", "int16", "bool"]), label="dtype")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    identifiers = data.draw(st.lists(TEXT, min_size=shape[0], max_size=shape[0]), label="ids")
    assembly = build(rng.normal(size=shape).astype(dtype), stimulus_id=identifiers)
    for dim, n in zip(assemblies.DIMS, shape, strict=True):
        kind = data.draw(st.sampled_from(sorted(KINDS)), label=f"label of {dim}")
        values = column(data, kind, n, f"values on {dim}")
        assembly = assembly.assign_coords({f"a_{dim}": (dim, values, data.draw(ATTRS))})
    assembly = assembly.assign_attrs(data.draw(ATTRS, label="attrs"))
    before = assembly.copy(deep=True)
    converted = brainscore.to_brainio(assembly)
    if shape[2] == 1 and data.draw(st.booleans(), label="drop the bin"):
        converted = converted.isel(time_bin=0)
        assert converted.dims == ("presentation", "neuroid")
    returned = brainscore.from_brainio(converted)
    xr.testing.assert_identical(returned, assembly)
    xr.testing.assert_identical(assembly, before)  # what is given is left alone
    assert returned.dtype == assembly.dtype
    for name, coordinate in assembly.coords.items():
        if coordinate.dtype.kind not in "US":  # their length is that of the longest
            assert returned[name].dtype == coordinate.dtype, name
        assert returned[name].dtype.kind == coordinate.dtype.kind, name
    assert type(returned) is xr.DataArray


def test_what_no_index_keeps(rng):
    """Attributes of labels, and the names of those of a bin that is selected."""
    assembly = build(rng.normal(size=(6, 2, 2))).assign_coords(
        timestep=("time_bin", np.array([4, 5], dtype=np.int16), {"of": "the model"}),
        x=("neuroid", [0.5, 1.5], {"units": "mm", "origin": np.float32(2.5), "at": np.arange(2)}),
        time_bin_start=("time_bin", [0.0, 10.0], {}),
    )
    converted = brainscore.to_brainio(assembly)
    assert list(converted.indexes["time_bin"].names)[:2] == ["time_bin_start", "time_bin_end"]
    returned = brainscore.from_brainio(converted)
    assert returned["x"].attrs == {"units": "mm", "origin": 2.5, "at": [0, 1]}
    assert (returned["timestep"].attrs, returned["timestep"].dtype) == ({"of": "the model"}, "i2")
    assert returned["time_bin_start"].attrs == {}
    assert returned["time_bin_end"].attrs == {"units": "ms"}
    assert returned.attrs == assembly.attrs
    one = brainscore.from_brainio(converted.isel(time_bin=1))
    assert one["timestep"].values.tolist() == [5]
    assert float(one["time_bin_end"].item()) == 20
    usual = brainscore.to_brainio(build(rng.normal(size=(6, 2, 2))))
    assert list(usual.attrs) == ["units"]  # nothing to keep, nothing kept


def test_recordings_keep_what_they_say(mirror):
    """Their width of a bin is a third label of time, with a unit."""
    original = datasets.load("cowley-2023", session="210325").assembly
    flat = brainscore.to_brainio(original).isel(time_bin=0)
    xr.testing.assert_identical(brainscore.from_brainio(flat), original)


def test_limits_of_a_foreign_bin_in_any_order(rng):
    """As a file of theirs may list them; of three labels without names, nobody knows."""
    assembly = build(rng.normal(size=(6, 2, 2)))
    order = ["time_bin_end", "time_bin_start"]
    plain = assembly.drop_vars(order)
    foreign = NeuroidAssembly(plain.assign_coords({n: assembly[n].variable for n in order}))
    assert foreign.indexes["time_bin"].names == order
    one = brainscore.from_brainio(foreign.isel(time_bin=1))
    assert (one["time_bin_start"].item(), one["time_bin_end"].item()) == (10, 20)
    third = NeuroidAssembly(assembly.assign_coords(timestep=("time_bin", [4, 5])))
    with pytest.raises(ValueError, match=r"labels \(10.0, 20.0, 5\) without their names; select"):
        brainscore.from_brainio(third.isel(time_bin=1))


def test_labels_that_no_index_takes(rng):
    assembly = build(rng.normal(size=(6, 2, 1)))
    with pytest.raises(ValueError, match=r"name of its dimension 'neuroid'.*drop_vars\('neuroid'"):
        brainscore.to_brainio(assembly.assign_coords(neuroid=["a", "b"]))
    half = ("neuroid", np.ones(2, dtype=np.float16))
    with pytest.raises(ValueError, match=r"'depth' is float16, .* make it float32"):
        brainscore.to_brainio(assembly.assign_coords(depth=half))


@pytest.mark.parametrize(
    "lose",
    [
        lambda a: a.squeeze("time_bin"),
        lambda a: a.isel(time_bin=0),
        lambda a: a.sel(time_bin=(0, 10)),
    ],
    ids=["squeeze", "isel", "sel"],
)
def test_time_bin_comes_back_from_its_scalar_label(rng, lose):
    assembly = build(rng.normal(size=(6, 2, 1)))
    flat = lose(brainscore.to_brainio(assembly))
    assert "time_bin" not in flat.dims
    xr.testing.assert_identical(brainscore.from_brainio(flat), assembly)


def test_time_bin_is_given(rng):
    assembly = build(rng.normal(size=(6, 2, 1)))
    flat = brainscore.to_brainio(assembly).isel(time_bin=0, drop=True)
    with pytest.raises(ValueError, match=r"does not say when .* pass time_bin_ms=\(start, end\)"):
        brainscore.from_brainio(flat)
    xr.testing.assert_identical(brainscore.from_brainio(flat, time_bin_ms=(0.0, 10.0)), assembly)


def test_time_bin_is_given_in_vain(rng):
    converted = brainscore.to_brainio(build(rng.normal(size=(6, 2, 2))))
    with pytest.raises(ValueError, match="has 2 time bins of its own; leave it out"):
        brainscore.from_brainio(converted, time_bin_ms=(0.0, 10.0))
    with pytest.raises(ValueError, match=r"of the time bin \(10.0, 20.0\); leave it out"):
        brainscore.from_brainio(converted.isel(time_bin=1), time_bin_ms=(0.0, 10.0))


def test_foreign_assembly_is_completed():
    """Brain-Score's own assemblies order dimensions as they like and may lack `repetition`."""
    foreign = NeuroidAssembly(
        np.arange(8.0).reshape(2, 4),
        coords={
            "stimulus_id": ("presentation", ["b", "a", "b", "b"]),
            "object_name": ("presentation", ["dog", "cat", "dog", "dog"]),
            "neuroid_id": ("neuroid", [0, 1]),
            "region": ("neuroid", ["IT", "IT"]),
        },
        dims=["neuroid", "presentation"],
        attrs={"stimulus_set": BrainIOStimulusSet({"stimulus_id": ["a", "b"]})},
    )
    assembly = brainscore.from_brainio(foreign, time_bin_ms=(70, 170))
    assert assembly.dims == assemblies.DIMS
    assert assembly.values[:, :, 0].tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert assembly["repetition"].values.tolist() == [0, 0, 1, 2]
    assert assembly["time_bin_end"].attrs == {"units": "ms"}
    assert assembly.attrs == {}


def test_wrong_assemblies(rng):
    assembly = build(rng.normal(size=(6, 2, 1)))
    with pytest.raises(ValueError, match="no coordinate 'region' on 'neuroid'"):
        brainscore.to_brainio(assembly.drop_vars("region"))
    foreign = NeuroidAssembly(assembly.rename(region="animal"))
    with pytest.raises(ValueError, match="no coordinate 'region' on 'neuroid'"):
        brainscore.from_brainio(foreign)


# Brain-Score's metrics rely on calls that newer pandas and numpy warn about.
@pytest.mark.filterwarnings("ignore")
def test_their_ridge_scores_our_assembly(rng):
    """A linear map without noise is found again; shuffled stimuli are not."""
    from brainscore_vision import load_metric

    n_stimuli = 80
    features = rng.normal(size=(n_stimuli, 5, 1))
    responses = features[:, :, 0] @ rng.normal(size=(5, 3))
    source = brainscore.to_brainio(build(features)).isel(time_bin=0, drop=True)
    target = brainscore.to_brainio(build(responses[:, :, None])).isel(time_bin=0, drop=True)
    shuffled = brainscore.to_brainio(build(rng.permutation(responses)[:, :, None]))
    metric = load_metric("ridge", crossvalidation_kwargs={"splits": 3, "train_size": 0.7})
    assert float(metric(source, target)) > 0.99
    assert abs(float(metric(source, shuffled.isel(time_bin=0, drop=True)))) < 0.5


@pytest.mark.filterwarnings("ignore")
def test_their_ceiling_takes_our_repetitions(rng):
    """Signal and noise of equal variance: the mean of R repetitions is R / (R + 1) reliable."""
    from brainscore_vision import load_ceiling

    n_stimuli, n_repetitions = 200, 4
    signal = rng.normal(size=(n_stimuli, 4, 1))
    noise = rng.normal(size=(n_repetitions * n_stimuli, 4, 1))
    assembly = build(np.tile(signal, (n_repetitions, 1, 1)) + noise, n_repetitions=n_repetitions)
    flat = brainscore.to_brainio(assembly).isel(time_bin=0, drop=True)
    ceiling = float(load_ceiling("internal_consistency")(flat))
    # The median over neuroids and splits scatters by about a quarter of one neuroid's 0.03.
    assert ceiling == pytest.approx(n_repetitions / (n_repetitions + 1), abs=0.04)
