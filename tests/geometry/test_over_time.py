"""One call for a panel: the same numbers as the measures alone, from one pass over the units."""

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from neurorec import geometry
from neurorec.geometry import MEASURES, BrainComparison, Measure, over_time
from neurorec.populations import patterns_of

N_BINS = 4
TIMES = ("time_bin_start", "time_bin_end")


@pytest.fixture
def assembly(rng, assembly_of):
    """Six stimuli twice each, 20 units."""
    ids = [f"s{i}" for i in range(6)] * 2
    values = rng.normal(size=(12, 20, N_BINS)) + np.tile(rng.normal(size=(6, 20, 1)), (2, 1, 1))
    category = np.array(["face", "place", "face", "body", "place", "body"] * 2)
    return assembly_of(values, stimulus_ids=ids, repetition=[0] * 6 + [1] * 6, category=category)


@dataclass
class Area:
    """An area that is read from a file, and how often it was."""

    assembly: xr.DataArray
    n_read: list[int] = field(default_factory=list)

    @property
    def n_neuroids(self) -> int:
        return self.assembly.sizes["neuroid"]

    def labels(self) -> xr.DataArray:
        return self.assembly[:, :1]

    def units(self) -> xr.DataArray:
        return self.assembly[:1]

    def stream(self, *, timesteps, block_bytes):
        for start in range(0, self.n_neuroids, 7):
            block = self.assembly[:, start : start + 7, list(timesteps)]
            self.n_read.append(block.sizes["neuroid"])
            yield block.astype(np.float32)


@dataclass
class Recording:
    """Two areas, known only by what they can do."""

    found: dict[str, Any]
    provenance: dict[str, str] = field(default_factory=lambda: {"checkpoint": "abc"})
    path: str = "r.h5"

    @property
    def areas(self) -> tuple[str, ...]:
        return tuple(self.found)

    def area(self, name: str) -> Any:
        return self.found[name]


@pytest.fixture
def recording(assembly):
    timestep = ("time_bin", np.arange(N_BINS))
    other = assembly.copy(data=assembly.values[:, ::-1] ** 2).assign_coords(timestep=timestep)
    return Recording({"V4": Area(assembly.assign_coords(timestep=timestep)), "IT": Area(other)})


#: Options that a measure must be given, or that save time.
OPTIONS = {
    "manifolds": {"label": "category", "n_draws": 5},
    "glue_style": {"label": "category", "n_draws": 5},
    "separability": {"label": "category", "n_draws": 5},
    "few_shot": {"label": "category", "n_shots": 2, "n_draws": 5},
    "principal_angles": {"n_components": 2},
    "alignment_index": {"n_components": 2},
    "canonical_correlation": {"n_dimensions": 3},
}


@pytest.fixture(scope="module")
def larger(assembly_of):
    """Forty stimuli of four classes, twice each, and 24 units that have a few dimensions."""
    rng = np.random.default_rng(5)
    ids = [f"s{i:02d}" for i in range(40)] * 2
    scores = rng.normal(size=(2, 40, 24)) * np.arange(1, 25) ** -1.0
    evoked = np.tile((scores @ rng.normal(size=(24, 24))).transpose(1, 2, 0), (2, 1, 1))
    return assembly_of(
        evoked + 0.3 * rng.normal(size=evoked.shape),
        stimulus_ids=ids,
        repetition=[0] * 40 + [1] * 40,
        category=np.array(list("abcd") * 20),
    )


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_what_it_is_alone(larger, name, tmp_path):
    options = OPTIONS.get(name, {})
    panel = over_time(larger, measures={name: options}, undefined="raise")
    found = MEASURES[name].function(larger, **options)
    alone = {name: found} if isinstance(found, xr.DataArray) else found.data_vars
    assert len(panel.data_vars) == len(alone)
    for variable, values in alone.items():
        ours = panel[name if variable in (name, "score") else f"{name}_{variable}"]
        # Once from all presentations and once from means: sums in another order.
        np.testing.assert_allclose(ours, values, rtol=1e-6, atol=1e-9)
        assert ours.dims == values.dims
    for time in TIMES:
        np.testing.assert_array_equal(panel[time], larger[time])
        assert panel[time].attrs["units"] == "ms"
    panel.to_netcdf(tmp_path / "panel.nc", engine="h5netcdf")


@pytest.mark.parametrize(("name", "option"), [("manifolds", "label")])
def test_an_option_that_a_measure_needs(assembly, name, option):
    with pytest.raises(ValueError, match=f"measure {name!r} needs the option {option!r}"):
        over_time(assembly, measures=[name])


def test_options_of_a_measure(assembly):
    panel = over_time(assembly, measures={"rdm": {"method": "cosine"}, "n_components": {}})
    np.testing.assert_array_equal(panel["rdm"], geometry.rdm(assembly, method="cosine"))
    assert set(panel.data_vars) == {"rdm", "n_components"}
    assert panel["category"].dims == ("condition",)
    assert panel.attrs["n_stimuli"] == 6


def test_units_are_read_once(recording):
    panel = over_time(recording)
    for name, area in recording.found.items():
        assert sum(area.n_read) == 20, name
    assert dict(panel["participation_ratio"].sizes) == {"area": 2, "time_bin": N_BINS}
    assert panel["rdm"].dims == ("area", "time_bin", "condition", "condition_b")
    assert panel["area"].values.tolist() == ["V4", "IT"]
    assert panel["timestep"].dims == ("time_bin",)
    assert panel.attrs["dt_ms"] == 10.0


def test_areas_of_a_recording(recording):
    everything = over_time(recording)
    one = over_time(recording, "IT", measures=["rdm"])
    np.testing.assert_array_equal(one["rdm"], everything["rdm"].sel(area="IT"))
    assert (one["area"].item(), one["n_neuroids"].item()) == ("IT", 20)
    assert "area" not in one.dims
    turned = over_time(recording, ["IT", "V4"], measures=["rdm"])
    np.testing.assert_array_equal(turned["rdm"][0], one["rdm"])
    read = over_time(recording.area("IT"), measures=["rdm"])
    np.testing.assert_array_equal(read["rdm"], one["rdm"])


def test_precision_is_that_of_what_is_read(recording, assembly):
    exact = geometry.rdm(recording.area("V4"), precision="float64")
    rough = over_time(recording, "V4", measures=["rdm"])["rdm"]
    assert 0 < np.abs(rough.values - exact.values).max() < 1e-5
    asked = over_time(recording, "V4", measures=["rdm"], precision="float64")["rdm"]
    np.testing.assert_array_equal(asked, exact)
    np.testing.assert_array_equal(over_time(assembly)["rdm"], geometry.rdm(assembly))


def test_models_are_brought_into_one_order(recording, assembly):
    turned = assembly.isel(presentation=slice(None, None, -1))
    panel = over_time({"mine": recording.area("V4"), "yours": turned})
    assert panel["rdm"].dims == ("model", "time_bin", "condition", "condition_b")
    np.testing.assert_allclose(panel["rdm"][0], panel["rdm"][1], atol=1e-5)
    assert panel["stimulus_id"].values.tolist() == [f"s{i}" for i in range(6)]
    both = over_time({"mine": recording, "yours": recording}, ["IT"])
    assert both["linear_cka"].dims == ("model", "area", "time_bin", "time_bin_b")
    provenance = json.loads(both.attrs["provenance"])
    assert provenance["of"]["yours"] == {"checkpoint": "abc", "recording": "r.h5"}


def test_regions_of_an_assembly(assembly):
    regions = np.array(["V4"] * 8 + ["IT"] * 12)
    mixed = assembly.assign_coords(region=("neuroid", regions))
    panel = over_time(mixed, ["IT", "V4"], measures=["rdm"])
    np.testing.assert_array_equal(panel["rdm"][0], geometry.rdm(mixed[:, 8:]))
    assert panel["n_neuroids"].values.tolist() == [12, 8]
    # A coordinate of that name does not make a recording of an assembly.
    named = assembly.assign_coords(area=("neuroid", regions))
    assert over_time(named, measures=["rdm"])["n_neuroids"].item() == 20
    with pytest.raises(ValueError, match=r"area must be one of \['IT', 'V4'\], got 'V1'"):
        over_time(mixed, "V1")


@pytest.mark.parametrize("kind", ["array", "tensor", "patterns"])
def test_populations_without_labels(assembly, kind):
    values = assembly.values[:6]
    given = {"array": values, "tensor": torch.from_numpy(values), "patterns": patterns_of(values)}
    panel = over_time(given[kind], measures=["rdm", "linear_cka"])
    np.testing.assert_allclose(panel["rdm"], geometry.rdm(values), atol=1e-12)
    if kind != "patterns":
        assert panel["timestep"].values.tolist() == list(range(N_BINS))


def test_patterns_that_were_read_one_by_one(assembly):
    read = patterns_of(assembly, averaged=False)
    np.testing.assert_allclose(over_time(read)["rdm"], geometry.rdm(assembly), atol=1e-12)


class TestBrain:
    def test_scores_and_intervals(self, assembly):
        brain = geometry.rdm(assembly.isel(neuroid=slice(5)))[2]
        how = BrainComparison(method="pearson", n_draws=50, seed=3)
        panel = over_time(assembly, measures=["participation_ratio"], brain=brain, comparison=how)
        alone = geometry.compare_with_interval(
            geometry.rdm(assembly), brain, method="pearson", n_draws=50, seed=3
        )
        for name, of in (("rsa", "score"), ("rsa_ci_low", "ci_low"), ("rsa_ci_high", "ci_high")):
            np.testing.assert_array_equal(panel[name], alone[of])
        assert panel["rsa"].attrs["level"] == 0.95
        assert "rdm" not in panel
        assert "BrainComparison(method='pearson'" in panel.attrs["provenance"]

    def test_times_and_subjects_of_the_brain(self, recording, assembly):
        how = BrainComparison(n_draws=20)
        over = over_time(recording, brain=geometry.rdm(assembly[..., :3]), comparison=how)
        assert over["rsa"].dims == ("area", "time_bin", "brain_time_bin")
        assert over["brain_time_bin_start"].values.tolist() == [0.0, 10.0, 20.0]
        # The same responses have the same geometry, at the same time.
        np.testing.assert_allclose(np.diagonal(over["rsa"][0].values[:3]), 1, atol=1e-4)
        subjects = geometry.rdm(assembly)[0].expand_dims(subject=["A", "B"])
        found = over_time(recording, "IT", brain=subjects, comparison=how)
        assert found["rsa"].dims == ("time_bin", "subject")

    def test_other_stimuli(self, assembly):
        brain = geometry.rdm(assembly)[0].isel(condition=slice(5), condition_b=slice(5))
        with pytest.raises(ValueError, match="different conditions: 6 in the first, 5 in the sec"):
            over_time(assembly, brain=brain)

    def test_no_rdms(self, assembly):
        with pytest.raises(ValueError, match=r"brain must be RDMs, such as .* got ndarray"):
            over_time(assembly, brain=assembly.values)


def test_netcdf_keeps_everything(recording, assembly, tmp_path):
    brain = geometry.rdm(assembly)[0]
    panel = over_time({"a": recording}, brain=brain, comparison=BrainComparison(n_draws=10))
    panel.to_netcdf(tmp_path / "g.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "g.nc", engine="h5netcdf") as opened:
        again = opened.load()
    for name in panel.variables:
        np.testing.assert_array_equal(again[name], panel[name])
    assert json.loads(again.attrs["provenance"])["measures"]["rdm"] == {}
    assert again.attrs["measures"] == "rdm, linear_cka, participation_ratio, n_components"


def test_progress_counts_to_the_end(recording, assembly):
    steps = []
    over_time(
        recording,
        measures=["rdm", "n_components"],
        brain=geometry.rdm(assembly)[0],
        comparison=BrainComparison(n_draws=5),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(i, 8) for i in range(1, 9)]


class TestUndefined:
    def test_is_nan(self, assembly):
        assembly[..., 0] = 0.0
        panel = over_time(assembly)
        for values in panel.data_vars.values():
            assert np.isnan(values.values[0]).all()
            assert np.isfinite(values.values[1:]).any()

    def test_raises_when_asked(self, assembly):
        assembly[..., 0] = 0.0
        with pytest.raises(ValueError, match="undefined for patterns that are constant"):
            over_time(assembly, undefined="raise")

    def test_everywhere(self, assembly):
        with pytest.raises(ValueError, match="participation_ratio is undefined in all 4 time bins"):
            over_time(assembly * 0, measures=["participation_ratio"])

    def test_everywhere_though_another_measure_begins_with_its_name(self):
        from neurorec.geometry._joining import require_defined

        whole = xr.DataArray(np.ones(4), dims="time_bin")
        panel = xr.Dataset({"ratio": whole * np.nan, "ratio_of_all": whole})
        with pytest.raises(ValueError, match="ratio is undefined in all 4 time bins"):
            require_defined(panel, ["ratio", "ratio_of_all"])


class TestTable:
    """Measures that others may add."""

    @pytest.fixture
    def added(self, monkeypatch):
        def spread(patterns, *, device):
            low = patterns.products.diagonal(dim1=1, dim2=2).min(dim=1).values.numpy()
            return xr.Dataset(
                {"spread": ("time_bin", low), "ci_low": ("time_bin", low - 1)},
                coords={"n_rows": patterns.n_rows},
                attrs={"units": "squared", "simulated": False},
            )

        def widest(source, *, method="all"):
            kind = type(source).__name__
            return xr.DataArray(np.zeros(N_BINS), dims="time_bin", attrs={"kind": kind})

        table = {
            "spread": Measure(function=spread, presentations=True, takes=("device",)),
            "units": Measure(function=widest, units=True, takes=()),
            "widest": Measure(function=widest, methods_of_units=("one",), takes=()),
        }
        module = sys.modules["neurorec.geometry.over_time"]
        monkeypatch.setattr(module, "MEASURES", {**MEASURES, **table})

    def test_single_presentations_are_read_where_one_needs_them(self, added, assembly):
        panel = over_time(assembly, measures=["spread", "rdm"])
        assert panel["n_rows"].item() == 12
        np.testing.assert_allclose(panel["rdm"], geometry.rdm(assembly), atol=1e-12)

    def test_units_are_given_to_what_needs_them(self, added, assembly):
        panel = over_time(assembly, measures={"units": {}, "widest": {"method": "one"}})
        assert panel["units"].attrs["kind"] == panel["widest"].attrs["kind"] == "DataArray"
        assert over_time(assembly, measures=["widest"])["widest"].attrs["kind"] == "Patterns"

    def test_quantities_of_a_measure(self, added, assembly, tmp_path):
        panel = over_time(assembly, measures=["spread"])
        np.testing.assert_allclose(panel["spread_ci_low"], panel["spread"] - 1)
        assert panel["spread"].attrs == {"units": "squared", "simulated": 0}
        panel.to_netcdf(tmp_path / "g.nc", engine="h5netcdf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": ["cka"]}, r"measures must be one of \['alignment_index', .* got 'cka'"),
        ({"measures": "rdm"}, r"a sequence of names or a mapping to options, got 'rdm'"),
        ({"measures": []}, "name at least one measure of"),
        ({"measures": {"rdm": {"colour": 1}}}, "measure 'rdm' does not take {'colour': 1}"),
        ({"undefined": "zero"}, "undefined must be one of"),
        ({"precision": "half"}, "precision must be one of"),
        ({"area": []}, "name at least one area"),
        ({"area": ["IT", "IT"]}, "an area is named twice"),
    ],
)
def test_wrong_options(recording, options, message):
    with pytest.raises(ValueError, match=message):
        over_time(recording, **options)


def test_wrong_sources(assembly, recording):
    with pytest.raises(ValueError, match=r"expected a recording, an assembly, .* got dict"):
        over_time({"a": {"b": assembly}})
    with pytest.raises(ValueError, match="expected at least one model, got an empty mapping"):
        over_time({})
    with pytest.raises(ValueError, match=r"'IT' names an area of a recording .* leave area out"):
        over_time(assembly.values, "IT")
    with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
        over_time(assembly[:2])
    with pytest.raises(ValueError, match="CKA between time bins needs at least 2 of them, got 1"):
        over_time(assembly[..., :1])


def test_models_that_differ(assembly):
    with pytest.raises(ValueError, match="same time bins; 'a' has 4 and 'b' has 3"):
        over_time({"a": assembly, "b": assembly[..., :3]})
    fewer = assembly.isel(presentation=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="saw different stimuli: 6 in 'a', 4 in 'b', 4 in both"):
        over_time({"a": assembly, "b": fewer})
    with pytest.raises(ValueError, match="same stimuli; 'a' has 6 and 'b' has 4"):
        over_time({"a": assembly, "b": fewer}, measures=["n_components"])


@pytest.mark.data
def test_macaque_it_over_time(zhang):
    """The participation ratio of macaque IT falls when the stimulus arrives."""
    panel = over_time(zhang, measures=["participation_ratio", "linear_cka"])
    middles = (panel["time_bin_start"] + panel["time_bin_end"]) / 2
    before, after = middles < 0, (middles > 120) & (middles < 200)
    ratio = panel["participation_ratio"]
    assert ratio[after.values].mean() < 0.9 * ratio[before.values].mean()
    assert panel.attrs["data_set"] == "zhang-desimone-2011"
