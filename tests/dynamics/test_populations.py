"""Decoding against scikit-learn and MNE on the same folds, and from areas of any size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import PredefinedSplit
from sklearn.neighbors import NearestCentroid

from neurorec.dynamics import (
    CLASSIFIERS,
    cross_condition_generalization,
    decoding_over_time,
    evidence,
    temporal_generalization,
)
from neurorec.geometry import RidgeDecoder

PEERS = {
    "shrinkage_lda": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "nearest_mean": NearestCentroid(),
    "ridge": RidgeClassifier(alpha=7.0),
}
OURS = {"ridge": RidgeDecoder(penalty=7.0)}


class Area:
    """An area that lies in a file and gives a few units at a time."""

    def __init__(self, assembly, size=30):
        self.assembly, self.size, self.n_read = assembly, size, 0

    @property
    def n_neuroids(self):
        return self.assembly.sizes["neuroid"]

    def labels(self):
        return self.assembly[:, :1]

    def units(self):
        return self.assembly[:1]

    def stream(self, *, timesteps, block_bytes):
        self.n_read += 1
        for start in range(0, self.n_neuroids, self.size):
            yield self.assembly[:, start : start + self.size, list(timesteps)]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("p", [12, 80])
def test_equals_scikit_learn(rng, population_of, peer, p, device):
    """Fewer and more neuroids than the 48 presentations of training."""
    assembly = population_of(rng, noise=5.0, p=p)
    result = temporal_generalization(
        assembly, classifier=OURS.get(peer, peer), n_folds=3, standardise=False, device=device
    )
    labels, folds = assembly["object_name"].values, assembly["repetition"].values // 2
    x = np.moveaxis(assembly.values, 2, 0)
    expected = np.zeros((3, 3))
    for train, test in PredefinedSplit(folds).split():
        for t in range(3):
            fitted = PEERS[peer].fit(x[t][train], labels[train])
            expected[t] += [(fitted.predict(z[test]) == labels[test]).sum() for z in x]
    np.testing.assert_allclose(result["accuracy"].values, expected / 72, atol=1e-12)
    assert expected.std() / 72 > 0.1


@pytest.mark.slow  # its import
@pytest.mark.parametrize("peer", ["shrinkage_lda", "ridge"])
def test_equals_mne(rng, population_of, peer):
    decoding = pytest.importorskip("mne.decoding", reason="MNE-Python is a test extra")
    assembly = population_of(rng, noise=5.0)
    folds = assembly["repetition"].values // 2
    scores = decoding.cross_val_multiscore(
        decoding.GeneralizingEstimator(PEERS[peer], scoring="accuracy", verbose="error"),
        assembly.values,
        np.unique(assembly["object_name"].values, return_inverse=True)[1].ravel(),
        cv=PredefinedSplit(folds),
        verbose="error",
    )
    result = temporal_generalization(
        assembly, classifier=OURS.get(peer, peer), n_folds=3, standardise=False
    )
    np.testing.assert_allclose(result["accuracy_per_split"].values, scores, atol=1e-12)


@pytest.fixture
def in_blocks(monkeypatch):
    """Hold no population whole that has more units than presentations."""
    monkeypatch.setattr(evidence, "_WHOLE", 0)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_an_area_is_read_block_by_block(rng, population_of, in_blocks, classifier, standardise):
    """As the assembly held whole, to one presentation on the border of two classes."""
    assembly = population_of(rng, noise=5.0, p=100)
    options = {"classifier": classifier, "n_folds": 3, "standardise": standardise}
    streamed = temporal_generalization(Area(assembly), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_WHOLE", 2**25)
        whole = temporal_generalization(assembly, **options)
    for name in ("accuracy", "chance"):
        assert np.abs(streamed[name].values - whole[name].values).max() <= 1 / 72
    assert streamed.attrs["n_neuroids"] == 100
    assert streamed["train_time_start"].values.tolist() == [-50, 0, 50]


def test_how_often_an_area_is_read(rng, population_of, in_blocks):
    """Once for a survey, once for inner products, once for what is made of the tests."""
    assembly = population_of(rng, noise=5.0, p=100)
    for classifier, expected in (("nearest_mean", 2), ("ridge", 3), ("shrinkage_lda", 4)):
        area = Area(assembly)
        decoding_over_time(area, classifier=classifier, n_folds=3, n_permutations=1)
        assert area.n_read == expected


def test_small_memory(rng, population_of, in_blocks, monkeypatch):
    """Labellings and splits in groups, as many as fit, give what all at once give."""
    assembly = population_of(rng, noise=5.0, p=100)
    options = {"classifier": RidgeDecoder(penalty=9.0), "n_folds": 3, "n_permutations": 3}
    at_once = decoding_over_time(Area(assembly), **options)
    monkeypatch.setattr(evidence, "_EVIDENCE", {True: 1, False: 1})
    area = Area(assembly)
    in_groups = decoding_over_time(area, **options)
    assert area.n_read == 1 + 4 * 3 * 2  # a survey; labellings, splits and passes
    for name in ("accuracy", "accuracy_per_split", "null_quantile"):
        difference = np.abs(at_once[name].values - in_groups[name].values)
        assert difference.max() <= 1 / 24  # one presentation of a split on a border


def test_few_units_are_held_whole(rng, population_of, in_blocks):
    assembly = population_of(rng, noise=5.0, p=20)
    area = Area(assembly)
    streamed = temporal_generalization(area, classifier="shrinkage_lda", n_folds=3)
    held = temporal_generalization(assembly, classifier="shrinkage_lda", n_folds=3)
    np.testing.assert_array_equal(streamed["accuracy"].values, held["accuracy"].values)


def test_an_area_with_nan_and_empty_bins(rng, population_of, in_blocks):
    assembly = population_of(rng, p=100)
    values = assembly.values.copy()
    values[:, :, 0] = 0
    silent = assembly.copy(data=values)
    with pytest.raises(ValueError, match=r"nothing to decode .* time bins 0"):
        decoding_over_time(Area(silent), n_folds=3)
    result = decoding_over_time(Area(silent), n_folds=3, undefined="nan")
    assert np.isnan(result["accuracy"].values).tolist() == [True, False, False]
    values[3, 90, 1] = np.nan
    with pytest.raises(ValueError, match="the activity holds NaN or infinite values"):
        decoding_over_time(Area(assembly.copy(data=values)), n_folds=3)
    with pytest.raises(ValueError, match=r"expected an assembly, an array .* or an area"):
        decoding_over_time("IT")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classifier=st.sampled_from(sorted(CLASSIFIERS)))
def test_invariances(population_of, seed, classifier):
    """Order of neuroids, their units of measurement and their baselines do not matter.

    To one presentation that rounding may move over a border.
    """
    rng = np.random.default_rng(seed)
    assembly = population_of(rng, noise=4.0, per_class=2, n_repetitions=4)
    gain, offset = rng.uniform(0.5, 2, size=(2, 1, 12, 1))
    moved = assembly.copy(data=assembly.values * gain + offset)
    options = {"classifier": classifier, "n_folds": 2}
    first = temporal_generalization(assembly, **options)["accuracy"].values
    second = temporal_generalization(moved[:, rng.permutation(12)], **options)["accuracy"].values
    assert np.abs(first - second).max() <= 1 / 24


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_held_out_activity_has_no_influence(rng, population_of, classifier):
    """One presentation of fold 0 goes wild: of its split only its own test can change."""
    assembly = population_of(rng, noise=4.0)
    values = assembly.values.copy()
    values[5] *= 1e9
    options = {"classifier": classifier, "n_folds": 3}
    before, after = (
        temporal_generalization(one, **options)["accuracy_per_split"].values
        for one in (assembly, assembly.copy(data=values))
    )
    assert np.abs(before[0] - after[0]).max() <= 1 / 24 + 1e-12
    assert np.abs(before[1:] - after[1:]).max() > 1 / 24  # which train on it


def test_ties_go_to_the_first_class(rng):
    """As ``argmax`` says of the same numbers, of which few are different."""
    numbers = torch.from_numpy(rng.integers(0, 3, size=(5, 2, 40)).astype(float))
    found = evidence._first_largest(numbers)
    np.testing.assert_array_equal(found.numpy(), numbers.numpy().argmax(axis=0))


def test_a_decoder_with_options(rng, population_of):
    result = decoding_over_time(
        population_of(rng), classifier=RidgeDecoder(penalty=2.5), n_folds=3, balanced=True
    )
    assert result.attrs["classifier"] == "RidgeDecoder(penalty=2.5)"
    assert result.attrs["accuracy"] == "balanced: mean over classes"


def test_conditions_of_an_area(rng, population_of, in_blocks):
    assembly = population_of(rng, noise=5.0, p=100)
    half = np.where(assembly["repetition"].values % 2 == 0, "even", "odd")
    assembly = assembly.assign_coords(half=("presentation", half))
    options = {"condition": "half", "n_folds": 3, "classifier": "shrinkage_lda"}
    streamed = cross_condition_generalization(Area(assembly), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "_WHOLE", 2**25)
        whole = cross_condition_generalization(assembly, **options)
    assert np.abs(streamed["accuracy"].values - whole["accuracy"].values).max() <= 1 / 36
