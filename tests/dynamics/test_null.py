"""Permuted labels: what exchanges with what, p-values by hand, false positives."""

import numpy as np
import pytest

from neurorec.dynamics import decoding_over_time, temporal_generalization
from neurorec.dynamics.decoding import DecodingOptions, decoding_problem
from neurorec.dynamics.null import labellings, null_variables
from neurorec.dynamics.tally import tally
from neurorec.geometry import RidgeDecoder


def problem_of(assembly, classifier, fold):
    options = DecodingOptions(
        label="object_name",
        classifier=classifier,
        fold=fold,
        n_folds=4,
        standardise=True,
        seed=0,
        undefined="raise",
        device="cpu",
    )
    return decoding_problem(assembly, options)


def test_labels_stay_in_their_stratum(rng):
    codes, strata = rng.integers(0, 3, size=60), rng.integers(0, 5, size=60)
    dealt = labellings(codes, np.arange(60), strata, n_permutations=200, rng=rng)
    np.testing.assert_array_equal(dealt[0], codes)
    for stratum in range(5):
        inside = strata == stratum
        np.testing.assert_array_equal(
            np.sort(dealt[:, inside], axis=1), np.tile(np.sort(codes[inside]), (201, 1))
        )
    assert len(np.unique(dealt, axis=0)) > 190


def test_every_deal_is_equally_likely(rng):
    """Four items, two of each class: six deals, each within five standard deviations of 1/6."""
    n = 6000
    dealt = labellings(
        np.array([0, 0, 1, 1]), np.arange(4), np.zeros(4, int), n_permutations=n, rng=rng
    )[1:]
    _, counts = np.unique(dealt, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - n / 6).max() < 5 * np.sqrt(n * 5 / 36)


def test_presentations_of_a_stimulus_keep_one_label(rng):
    items = np.repeat(np.arange(12), 3)
    dealt = labellings(
        (items % 3).astype(np.int64), items, (items // 6), n_permutations=50, rng=rng
    )
    assert (dealt.reshape(51, 12, 3) == dealt.reshape(51, 12, 3)[..., :1]).all()


def test_bad_input(rng, population_of):
    assembly = population_of(rng)
    with pytest.raises(ValueError, match="n_permutations must be 0 or more, got -1"):
        decoding_over_time(assembly, n_folds=3, n_permutations=-1)
    one_each = assembly.assign_coords(repetition=("presentation", np.arange(72)))
    with pytest.raises(ValueError, match="labels can not be permuted: in no stratum"):
        decoding_over_time(one_each, n_folds=3, n_permutations=10)


@pytest.mark.parametrize("fold", ["repetition", 4])
@pytest.mark.parametrize(
    "classifier", ["max_correlation", "nearest_mean", "ridge", "shrinkage_lda"]
)
def test_a_permutation_is_a_data_set_with_other_labels(rng, population_of, classifier, fold):
    """Every permuted labelling, decoded by itself as an assembly with those labels."""
    found = problem_of(population_of(rng, noise=4.0), classifier, fold)
    dealt = labellings(found.codes, found.items, found.strata, n_permutations=3, rng=rng)
    groups = [np.arange(72)]
    together = tally(found, found.splits(), dealt, groups, across=True, balanced=False)
    for one, accuracy in zip(dealt, together.accuracy[:, 0], strict=True):
        alone = tally(found, found.splits(), one[None], groups, across=True, balanced=False)
        # The order of sums differs, so that one presentation may be on the border.
        assert np.abs(alone.accuracy[0, 0] - accuracy).max() <= 1 / 72


def test_p_values_by_counting(rng, population_of):
    """From the null accuracies that the quantiles are taken of, at a median of no effect."""
    assembly = population_of(rng, noise=0.5)
    result = temporal_generalization(assembly, n_folds=3, n_permutations=39)
    smallest = 1 / 40
    np.testing.assert_allclose(result["p_value"].values[1:, 1:], smallest)
    np.testing.assert_allclose(result["p_value_max"].values[1:, 1:], smallest)
    assert (result["p_value_max"].values >= result["p_value"].values).all()
    assert result["p_value"].values[0].min() > smallest
    assert result["null_quantile"].dims == ("quantile", "train_time", "test_time")
    assert result["quantile"].values.tolist() == [0.05, 0.5, 0.95]
    # The median of 39 draws of a proportion of 72: its standard error is 1.25 times the mean's, and
    # of nine cells the largest deviation is within four of them, and half a presentation.
    middle = result["null_quantile"].sel(quantile=0.5).values
    assert np.abs(middle - 1 / 3).max() < 4 * 1.25 * np.sqrt(2 / 9 / 72 / 39) + 1 / 144
    again = temporal_generalization(assembly, n_folds=3, n_permutations=39)
    assert result.identical(again)
    over_time = decoding_over_time(assembly, n_folds=3, n_permutations=39)
    np.testing.assert_allclose(
        over_time["p_value"].values, np.diagonal(result["p_value"].values), atol=1e-12
    )


def test_undefined_bins_have_no_p_value(rng, population_of, tmp_path):
    assembly = population_of(rng, noise=2.0)
    values = assembly.values.copy()
    values[:, :, 0] = 0
    result = decoding_over_time(
        assembly.copy(data=values), n_folds=3, undefined="nan", n_permutations=19
    )
    for name in ("p_value", "p_value_max"):
        assert np.isnan(result[name].values).tolist() == [True, False, False]
    assert np.isnan(result["null_quantile"].values[:, 0]).all()
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fold", "classifier"), [("repetition", "nearest_mean"), (4, RidgeDecoder(penalty=10.0))]
)
def test_false_positives(population_of, fold, classifier):
    """2000 families of four bins without a code: bin by bin, and family by family, 5 % err.

    Independent bins are independent data sets, which are decoded together. With folds of stimuli
    each stimulus has a code of its own, so that its presentations are no independent draws. Of 39
    permutations p <= 0.05 is 1/40 or 2/40.
    """
    p_values, of_families = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shape = {"n_classes": 2, "per_class": 20, "n_repetitions": 4, "p": 4}
        assembly = population_of(rng, n_bins=400, onset=400, **shape)
        if fold != "repetition":
            stimulus = np.unique(assembly["stimulus_id"].values, return_inverse=True)[1].ravel()
            own = rng.normal(size=(40, 4, 400))
            assembly = assembly.copy(data=assembly.values + own[stimulus])
        found = problem_of(assembly, classifier, fold)
        dealt = labellings(found.codes, found.items, found.strata, n_permutations=39, rng=rng)
        groups = [np.arange(len(found.codes))]
        together = tally(found, found.splits(), dealt, groups, across=False, balanced=False)
        for family in np.split(together.accuracy[:, 0], 100, axis=1):
            variables = null_variables(family[0], family[1:], ("time_bin",))
            p_values.append(variables["p_value"][1])
            of_families.append(variables["p_value_max"][1].min())
    for p in (np.concatenate(p_values), np.array(of_families)):
        assert 0.035 < (p <= 0.05 + 1e-12).mean() < 0.065
