"""Which ceiling a benchmark has: by metric, by name, by number, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from neurorec import assemblies, datasets

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_vision.metrics.cka.metric import CKA, CKACrossValidated
from brainscore_vision.metrics.rdm.metric import RDMCrossValidated, RDMMetric

from neurorec.brainscore import (
    CEILINGS,
    METRICS,
    TEMPORAL_METRICS,
    benchmark,
    facts_of,
    internal_consistency,
    matrix_reliability,
    metric,
    open_benchmark,
    temporal_metric,
)
from neurorec.brainscore.benchmark_facts import settings_of
from neurorec.brainscore.ceiling_choice import GIVEN, check_ceiling, chosen_ceiling

from .common import v4_session

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)
#: Metrics whose ceiling is that of the matrices that they compare.
OF_MATRICES = ("cka", "cka_biased", "cka_cv", "rdm", "rdm_cv")


@pytest.fixture(scope="module")
def v4(shared_data):
    """Session 210325 of macaque V4, 60 of its images."""
    return v4_session(shared_data, 60)


@pytest.fixture
def opened(v4, tmp_path):
    def opened(data=v4, **options):
        return benchmark(data, visual_degrees=8, folder=tmp_path, **options)

    return opened


def stimuli_of(assembly):
    """Number of the stimulus of each presentation."""
    return np.unique(assembly["stimulus_id"].values, return_inverse=True)[1].ravel()


def twice(assembly):
    """The same responses in two time bins."""
    return assembly.isel(time_bin=[0, 0]).assign_coords(
        time_bin_start=("time_bin", [0.0, 50.0]), time_bin_end=("time_bin", [50.0, 100.0])
    )


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_has_one(v4, name):
    ceiling = chosen_ceiling(v4.assembly, METRICS[name](), None)
    assert ceiling.name == ("matrix_reliability" if name in OF_MATRICES else "internal_consistency")


@pytest.mark.parametrize("name", sorted(set(TEMPORAL_METRICS) - {"ost"}))
def test_every_metric_over_time_has_one(v4, name):
    found = temporal_metric(name)
    assert chosen_ceiling(v4.assembly, found, None).name == "internal_consistency"


@pytest.mark.parametrize(
    "theirs", [RDMMetric, RDMCrossValidated, CKA, CKACrossValidated], ids=lambda c: c.__name__
)
def test_those_of_brainscore_too(v4, theirs):
    assert chosen_ceiling(v4.assembly, theirs(), None).name == "matrix_reliability"


@pytest.mark.parametrize("name", ["rdm", "cka_biased"])
def test_it_is_the_reliability_of_that_metric(v4, opened, name):
    call = opened(metric=name)
    assert float(call.ceiling) == float(matrix_reliability(v4.assembly, name))
    assert facts_of(call).ceiling == "matrix_reliability"


def test_a_choice_wins(v4, opened):
    call = opened(metric="rdm", ceiling="internal_consistency")
    assert float(call.ceiling) == float(internal_consistency(v4.assembly))
    assert facts_of(call).ceiling == "internal_consistency"
    call = opened(metric="rdm", ceiling=0.5)
    assert float(call.ceiling) == 0.5
    assert facts_of(call).ceiling == GIVEN
    assert facts_of(opened(metric="ridge")).ceiling == "internal_consistency"


@pytest.mark.parametrize("name", sorted(CEILINGS))
def test_every_ceiling_by_its_name(v4, name):
    ceiling = chosen_ceiling(v4.assembly, metric("cka"), name)
    assert ceiling.name == name
    assert 0 < float(ceiling()) < 1


def test_what_is_no_ceiling(v4, opened):
    names = r"\['internal_consistency', 'matrix_reliability'\] are computed from single trials"
    with pytest.raises(ValueError, match=f"at most 1, got 'rsa_ceiling'; 1 gives a .*{names}"):
        opened(metric="rdm", ceiling="rsa_ceiling")
    with pytest.raises(ValueError, match=f"at most 1, got 2; 1 gives a .*{names}"):
        check_ceiling(2)
    with pytest.raises(ValueError, match="SampleSpaceMetric is none; leave the ceiling out"):
        opened(metric="ridge", ceiling="matrix_reliability")
    labels = np.where(v4.assembly["stimulus_index"].values % 2, "a", "b")
    named = twice(v4.assembly).assign_coords(object_name=("presentation", labels))
    with pytest.raises(ValueError, match="the ceiling of 'ost' is the agreement of solution times"):
        opened(replace(v4, assembly=named), metric="ost", ceiling="matrix_reliability")


@pytest.mark.parametrize("name", ["rdm", "internal_consistency"])
def test_means_have_none(v4, opened, name):
    means = replace(v4, assembly=assemblies.average_repetitions(v4.assembly))
    given = {} if name == "rdm" else {"ceiling": name}
    with pytest.raises(ValueError, match=r"no ceiling of their own.*\(--ceiling\), 1 for a score"):
        opened(means, metric="rdm", **given)
    assert float(opened(means, metric="rdm", ceiling=1).ceiling) == 1


def test_halves_that_do_not_agree(v4):
    silent = v4.assembly.copy(data=np.zeros(v4.assembly.shape))
    with pytest.raises(ValueError, match="have a reliability of nan, so that there is nothing"):
        chosen_ceiling(silent, metric("rdm"), None)()
    # The inner products of stimuli that drive all neurons alike differ in nothing.
    with pytest.raises(ValueError, match=r"a reliability of 0, .* choose time_bins in"):
        chosen_ceiling(silent, metric("cka"), None)()


@pytest.mark.parametrize("name", OF_MATRICES)
def test_one_time_bin(v4, opened, name):
    data = replace(v4, assembly=twice(v4.assembly))
    with pytest.raises(ValueError, match=f"'{name}' compares a single time bin .* have 2"):
        opened(data, metric=name)
    with pytest.raises(ValueError, match="'SimilarityMetric' compares a single time bin"):
        opened(data, metric=METRICS[name]())


class TestIdentity:
    """Brain-Score keeps a ceiling under the identifier of the benchmark, also on the disk."""

    def test_that_of_neuroids_does_not_depend_on_the_metric(self, opened):
        ridge = opened(metric="ridge").identifier
        named = opened(metric="rdm", ceiling="internal_consistency").identifier
        assert named == ridge.replace("ridge", "rdm")
        others = {opened(metric="rdm", ceiling=one).identifier for one in (None, 0.8, 0.9)}
        assert len(others | {named}) == 4

    def test_of_solution_times_it_depends_on_the_objects(self, v4, opened):
        objects = {"category": np.arange(60) % 2, "object_name": np.arange(60) % 3}
        labels = {
            name: ("presentation", [f"o{values[i]}" for i in stimuli_of(v4.assembly)])
            for name, values in objects.items()
        }
        data = replace(v4, assembly=twice(v4.assembly.assign_coords(labels)))
        made = {
            opened(data, metric=temporal_metric("ost", label=name)).identifier for name in objects
        }
        assert len(made) == 2

    def test_other_matrices_have_other_identifiers(self, opened):
        made = {
            opened(metric=one).identifier
            for one in (
                metric("rdm"),
                metric("cka"),
                metric("cka_biased"),
                CKA(),
                CKA(unbiased=False),
            )
        }
        folds = ({"splits": n, "stratification_coord": None} for n in (3, 4))
        made |= {
            opened(metric=metric("rdm_cv", crossvalidation_kwargs=f)).identifier for f in folds
        }
        assert len(made) == 7
        assert opened(metric=metric("rdm")).identifier in made

    def test_the_logs_of_a_process_are_nothing(self):
        import logging

        before = settings_of(metric("rdm_cv"))
        logging.getLogger("something.new").setLevel(logging.ERROR)
        assert settings_of(metric("rdm_cv")) == before
        assert "something.new" not in str(before)

    def test_options_of_a_function_count(self):
        from functools import partial

        one, other = (settings_of(partial(np.round, decimals=n)) for n in (1, 2))
        assert one != other


def test_by_name_of_the_benchmark(shared_data, monkeypatch, v4, tmp_path):
    monkeypatch.setattr(datasets, "load", lambda name, **options: v4)
    call = open_benchmark("cowley-2023@210325:cka", ceiling="internal_consistency", folder=tmp_path)
    assert facts_of(call).ceiling == "internal_consistency"
