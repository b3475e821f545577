"""Folds."""

import numpy as np
import pytest
import sklearn.model_selection
from hypothesis import given
from hypothesis import strategies as st

from neurorec.assemblies import build
from neurorec.encoding import FixedSplit, GroupFolds, KFold, RandomSplits
from neurorec.encoding.splits import Splits

ALL = (KFold(3), RandomSplits(4, 0.3), GroupFolds(), GroupFolds(n_splits=2), FixedSplit())


def stimuli(n, **columns):
    return build(
        np.zeros((n, 1, 1)),
        presentation={"stimulus_id": [f"s{i}" for i in range(n)], "repetition": [0] * n} | columns,
        neuroid={"neuroid_id": ["n"], "region": ["V4"]},
        time_bin_start=[0],
        time_bin_end=[1],
    )


def same_folds(ours, theirs):
    """Whether both hold out the same stimuli and train on the same, fold by fold."""
    for (train, test), (their_train, their_test) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(train, np.sort(their_train))
        np.testing.assert_array_equal(test, np.sort(their_test))


@pytest.mark.parametrize("splits", ALL, ids=repr)
def test_sets_are_ascending_and_apart(splits):
    category = np.resize(["a", "b", "c"], 20)
    responses = stimuli(20, category=category, split=np.resize(["train", "train", "test"], 20))
    assert isinstance(splits, Splits)
    folds = list(splits.split(responses))
    assert folds
    for train, test in folds:
        assert len(train)
        assert len(test)
        assert np.all(np.diff(train) > 0)
        assert np.all(np.diff(test) > 0)
        assert not set(train) & set(test)
    for fold, again in zip(folds, splits.split(responses), strict=True):
        np.testing.assert_array_equal(fold[1], again[1])


@given(n=st.integers(2, 60), k=st.integers(2, 10), seed=st.integers(0, 5))
def test_a_partition(n, k, seed):
    if n < k:
        return
    folds = list(KFold(k, seed).split(stimuli(n)))
    assert len(folds) == k
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(n))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(n))
        assert len(test) in (n // k, -(-n // k))


def test_shuffled_by_the_seed():
    first, again, other = (next(iter(KFold(5, seed).split(stimuli(50))))[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, np.arange(10))


@given(
    counts=st.lists(st.integers(3, 9), min_size=2, max_size=4),
    k=st.integers(2, 3),
    seed=st.integers(0, 3),
)
def test_stratified_folds_have_each_class_in_proportion(counts, k, seed):
    classes = np.random.default_rng(seed).permutation(
        np.repeat(list("abcd")[: len(counts)], counts)
    )
    responses = stimuli(len(classes), object_name=classes)
    folds = list(KFold(k, seed, stratify="object_name").split(responses))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(classes)))
    for _, test in folds:
        for name, count in zip("abcd", counts, strict=False):
            assert np.sum(classes[test] == name) in (count // k, -(-count // k))
    reference = sklearn.model_selection.StratifiedKFold(k, shuffle=True, random_state=seed)
    same_folds(folds, reference.split(classes, classes))


@given(n=st.integers(2, 400), seed=st.integers(0, 3))
def test_random_splits_of_scikit_learn(n, seed):
    # 90 % to train on, rounded down, as Brain-Score asks for it.
    reference = sklearn.model_selection.ShuffleSplit(3, train_size=0.9, random_state=seed)
    same_folds(RandomSplits(3, seed=seed).split(stimuli(n)), reference.split(np.zeros(n)))


@given(fraction=st.integers(1, 19), n=st.integers(2, 200))
def test_the_held_out_share_is_rounded_up(fraction, n):
    if -(-fraction * n // 20) >= n:
        return
    ((train, test),) = RandomSplits(1, fraction / 20).split(stimuli(n))
    assert len(test) == -(-fraction * n // 20)
    assert len(train) == n - len(test)


def test_rounding_holds_out_no_stimulus_more():
    assert 0.07 * 100 > 7
    ((_, test),) = RandomSplits(1, 0.07).split(stimuli(100))
    assert len(test) == 7


def test_stratified_random_splits_of_scikit_learn(rng):
    classes = rng.permutation(np.repeat(["a", "b", "c"], [40, 25, 15]))
    splits = RandomSplits(4, 0.2, seed=7, stratify="object_name")
    folds = list(splits.split(stimuli(80, object_name=classes)))
    reference = sklearn.model_selection.StratifiedShuffleSplit(4, test_size=0.2, random_state=7)
    same_folds(folds, reference.split(classes, classes))
    for _, test in folds:
        assert [np.sum(classes[test] == name) for name in "abc"] == [8, 5, 3]


# Brain-Score's metrics rely on calls that newer pandas and numpy warn about.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stratify", ["object_name", None])
def test_random_splits_of_brain_score(rng, stratify):
    pytest.importorskip("brainscore_vision")
    from brainscore_vision.metric_helpers.transformations import CrossValidation
    from brainscore_vision.metrics import Score

    from neurorec.brainscore import to_brainio

    classes = rng.permutation(np.repeat(["face", "car", "dog"], [31, 20, 12]))
    responses = stimuli(63, object_name=classes)
    theirs = []

    def apply(train_source, train_target, test_source, test_target):
        theirs.append(
            (set(train_target["stimulus_id"].values), set(test_target["stimulus_id"].values))
        )
        return Score(0.0)

    assembly = to_brainio(responses).isel(time_bin=0, drop=True)
    CrossValidation(stratification_coord=stratify)(assembly, assembly, apply=apply)
    names = responses["stimulus_id"].values
    ours = [
        (set(names[train]), set(names[test]))
        for train, test in RandomSplits(seed=1, stratify=stratify).split(responses)
    ]
    assert len(ours) == 10
    assert ours == theirs


def test_each_group_is_held_out_whole_and_once():
    category = np.resize(["dog", "car", "face", "car"], 23)
    folds = list(GroupFolds().split(stimuli(23, category=category)))
    assert [set(category[test]) for _, test in folds] == [{"car"}, {"dog"}, {"face"}]
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(23))
        assert not set(category[train]) & set(category[test])


def test_folds_of_several_groups_are_balanced():
    objects = np.repeat([f"o{i}" for i in range(6)], [9, 1, 4, 6, 3, 7])
    folds = list(GroupFolds("object_name", 3).split(stimuli(30, object_name=objects)))
    assert [len(test) for _, test in folds] == [10, 10, 10]
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(30))
    for train, test in folds:
        assert not set(objects[train]) & set(objects[test])


def test_sets_of_a_column():
    sets = np.resize(["train", "test", "none"], 10)
    ((train, test),) = FixedSplit().split(stimuli(10, split=sets))
    assert train.tolist() == [0, 3, 6, 9]
    assert test.tolist() == [1, 4, 7]


def test_listed_stimuli_and_numbered_sets():
    responses = stimuli(6, run=[1, 2, 3, 1, 2, 3])
    listed = FixedSplit(by="stimulus_id", train=["s4", "s0"], test=np.array(["s5", "s1"]))
    ((train, test),) = listed.split(responses)
    assert (train.tolist(), test.tolist()) == ([0, 4], [1, 5])
    ((train, test),) = FixedSplit(by="run", train=(1, 2), test=3).split(responses)
    assert (train.tolist(), test.tolist()) == ([0, 1, 3, 4], [2, 5])
    assert hash(listed) == hash(FixedSplit("stimulus_id", ("s4", "s0"), ("s5", "s1")))


def test_a_long_list_is_named_by_its_digest():
    names = [f"s{i}" for i in range(3000)]
    one = FixedSplit(by="stimulus_id", train=names[:2000], test=names[2000:])
    other = FixedSplit(by="stimulus_id", train=[*names[:1999], "t"], test=names[2000:])
    assert len(repr(one)) < 150
    assert "<2000 values, sha256" in repr(one)
    assert repr(one) != repr(other)
    assert repr(FixedSplit()) == "FixedSplit(by='split', train=('train',), test=('test',))"


def test_fewer_stimuli_than_folds():
    with pytest.raises(ValueError, match="5 folds need at least 5 stimuli, got 4; ask for fewer"):
        list(KFold(5).split(stimuli(4)))


@pytest.mark.parametrize("kind", [KFold, lambda n: GroupFolds("category", n)])
def test_one_fold(kind):
    with pytest.raises(ValueError, match="n_splits must be at least 2, got 1"):
        kind(1)


def test_no_split():
    with pytest.raises(ValueError, match="n_splits must be at least 1, got 0"):
        RandomSplits(0)


@pytest.mark.parametrize(
    "splits",
    [
        KFold(stratify="colour"),
        RandomSplits(stratify="colour"),
        GroupFolds("colour"),
        FixedSplit(by="colour"),
    ],
)
def test_an_unknown_column(splits):
    message = r"no stimulus column 'colour'; they have \['category', 'repetition', 'stimulus_id'\]"
    with pytest.raises(ValueError, match=message):
        list(splits.split(stimuli(6, category=list("aabbcc"))))


def test_a_column_with_gaps():
    category = np.array(["a", None, "b", "b", None, "a"], dtype=object)
    with pytest.raises(ValueError, match="2 of 6 stimuli have no value of 'category'; fill"):
        list(GroupFolds().split(stimuli(6, category=category)))


def test_a_class_that_is_too_small():
    responses = stimuli(9, object_name=list("aaaabbbbc"))
    with pytest.raises(
        ValueError, match=r"'object_name' must have at least 3 stimuli .* 'c' has 1"
    ):
        list(KFold(3, stratify="object_name").split(responses))
    with pytest.raises(
        ValueError, match=r"'object_name' must have at least 2 stimuli .* 'c' has 1"
    ):
        list(RandomSplits(stratify="object_name").split(responses))


def test_more_classes_than_held_out_stimuli():
    responses = stimuli(12, object_name=list("aaabbbcccddd"))
    with pytest.raises(ValueError, match=r"4 values of 'object_name' need .* got 10 and 2; choose"):
        list(RandomSplits(stratify="object_name").split(responses))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match="test_fraction must lie between 0 and 1, got"):
        RandomSplits(test_fraction=fraction)


def test_nothing_left_to_train_on():
    with pytest.raises(
        ValueError, match=r"test_fraction=0\.9 of 5 stimuli leaves none to train on"
    ):
        list(RandomSplits(test_fraction=0.9).split(stimuli(5)))


@pytest.mark.parametrize(("n_splits", "fewest"), [(None, 2), (3, 3)])
def test_fewer_groups_than_folds(n_splits, fewest):
    values = ["a", "b"][: fewest - 1]
    responses = stimuli(6, category=np.resize(values, 6))
    with pytest.raises(ValueError, match=f"{fewest} folds need at least {fewest} values of 'categ"):
        list(GroupFolds(n_splits=n_splits).split(responses))


def test_empty_or_overlapping_sets():
    with pytest.raises(ValueError, match="the held-out set is empty; give one or more values of"):
        FixedSplit(test=[])
    with pytest.raises(ValueError, match="the training set is empty"):
        FixedSplit(by="stimulus_id", train=np.array([], dtype=str), test=["s0"])
    with pytest.raises(ValueError, match="1 values of 'split' are in both sets, 'test'; no stim"):
        FixedSplit(train=["train", "test"])


def test_values_that_no_stimulus_has():
    responses = stimuli(6, split=["train", "train", "val", "val", "val", "train"])
    message = "1 of 2 values of 'split' belong to no stimulus .*, 'test'; its values are 'train', "
    with pytest.raises(ValueError, match=message):
        list(FixedSplit().split(responses))
    listed = FixedSplit(by="stimulus_id", train=[f"s{i}" for i in range(5, 13)], test="none")
    with pytest.raises(ValueError, match=r"8 of 9 .* 'none', 's10', 's11', 's12', \.\.\.; its"):
        list(listed.split(responses))
