"""Benchmarks on local data: the real V4 recordings through Brain-Score's own call."""

from dataclasses import replace

import numpy as np
import pytest

from neurorec import assemblies

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import (
    NeurorecBrainModel,
    benchmark,
    facts_of,
    internal_consistency,
    matrix_reliability,
)
from neurorec.models import build

from .common import v4_session

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)


@pytest.fixture(scope="module")
def v4(shared_data):
    """Session 210325 of macaque V4, 60 of its images."""
    return v4_session(shared_data, 60)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["ridge", "pls", "rdm", "cka"])
def test_a_model_is_scored(v4, tmp_path, metric):
    call = benchmark(v4, metric=metric, visual_degrees=8, folder=tmp_path)
    network = build("greco2025-fb", input_size=24, timesteps=5)
    score = call(NeurorecBrainModel(network, {"V4": "a2"}, dt_ms=20, device="cpu"))
    of_neurons = metric in ("ridge", "pls")
    ceiling = float(
        internal_consistency(v4.assembly) if of_neurons else matrix_reliability(v4.assembly, metric)
    )
    assert float(score.attrs["ceiling"]) == pytest.approx(ceiling)
    assert float(score) == pytest.approx(float(score.attrs["raw"]) ** 2 / ceiling)
    assert np.isfinite(float(score))


def test_what_it_says_of_itself(v4, tmp_path):
    call = benchmark(v4, metric="ridge", visual_degrees=8, folder=tmp_path, number_of_trials=3)
    assert call.identifier.startswith("cowley-2023/210325.V4-ridge-")
    assert (call.region, call.parent) == ("V4", "V4")
    packed = call._assembly
    assert packed.dims == ("presentation", "neuroid")
    assert packed.sizes == {"presentation": 60, "neuroid": 50}
    means = assemblies.average_repetitions(v4.assembly)
    np.testing.assert_allclose(packed.values, means.values[:, :, 0])


def test_other_contents_have_other_identifiers(v4, tmp_path):
    options = {"metric": "ridge", "visual_degrees": 8, "folder": tmp_path}
    first = benchmark(v4, **options)
    assert benchmark(v4, **options).identifier == first.identifier
    doubled = replace(v4, assembly=2 * v4.assembly)
    assert benchmark(doubled, **options).identifier != first.identifier


def test_data_that_can_not_be_a_benchmark(v4, tmp_path):
    options = {"visual_degrees": 8, "folder": tmp_path}
    with pytest.raises(ValueError, match="has no stimuli"):
        benchmark(replace(v4, stimuli=None), **options)
    with pytest.raises(ValueError, match="has no responses"):
        benchmark(replace(v4, assembly=None), **options)
    with pytest.raises(ValueError, match="region must be one of"):
        benchmark(v4, region="IT", **options)
    with pytest.raises(ValueError, match="metric must be one of"):
        benchmark(v4, metric="cca", **options)
    with pytest.raises(ValueError, match="for a data set that is loaded already"):
        benchmark(v4, session="210325", **options)


def test_how_wide_the_stimuli_are(v4, tmp_path):
    assert v4.stimuli.visual_degrees is None
    known = replace(v4, stimuli=replace(v4.stimuli, visual_degrees=5))
    options = {"metric": "ridge", "folder": tmp_path}
    assert facts_of(benchmark(v4, **options)).visual_degrees == 8
    assert facts_of(benchmark(known, **options)).visual_degrees == 5
    assert facts_of(benchmark(known, visual_degrees=4, **options)).visual_degrees == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ceiling": 0}, "ceiling must be a reliability above 0 and at most 1, got 0; 1 gives a"),
        ({"ceiling": -0.5}, "above 0 and at most 1, got -0.5"),
        ({"ceiling": 1.1}, "above 0 and at most 1, got 1.1"),
        ({"ceiling": float("nan")}, "above 0 and at most 1, got nan"),
        ({"visual_degrees": 0}, "visual degrees must be above 0, got 0"),
        ({"visual_degrees": float("nan")}, "visual degrees must be above 0, got nan"),
        ({"number_of_trials": 0}, "number_of_trials must be at least 1, got 0"),
    ],
)
def test_numbers_that_nothing_has(v4, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        benchmark(v4, folder=tmp_path, **options)


def test_means_need_a_ceiling(v4, tmp_path):
    means = replace(v4, assembly=assemblies.average_repetitions(v4.assembly))
    options = {"metric": "ridge", "visual_degrees": 8, "folder": tmp_path}
    with pytest.raises(ValueError, match=r"have no ceiling of their own.*\(--ceiling\), 1 for a"):
        benchmark(means, **options)
    assert float(benchmark(means, ceiling=0.8, **options).ceiling) == 0.8


def test_one_region_at_a_time(v4, tmp_path):
    region = np.array(["V4"] * 25 + ["IT"] * 25)
    both = replace(v4, assembly=v4.assembly.assign_coords(region=("neuroid", region)))
    with pytest.raises(ValueError, match=r"neuroids of \['IT', 'V4'\]; give one as region"):
        benchmark(both, visual_degrees=8, folder=tmp_path)
    one = benchmark(both, metric="ridge", region="IT", visual_degrees=8, folder=tmp_path)
    assert one._assembly.sizes["neuroid"] == 25
