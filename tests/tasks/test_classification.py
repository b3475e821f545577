"""Tasks: real images, split without overlap."""

from dataclasses import replace

import numpy as np
import pytest

from neurorec.tasks import ClassificationTask, digits, from_file
from neurorec.tasks.classification import labels_of


def test_digits_are_split_by_class_without_overlap():
    task = digits(seed=3)
    assert (len(task.train), len(task.test)) == (1437, 360)
    assert task.n_classes == 10
    assert not set(task.train.stimulus_ids) & set(task.test.stimulus_ids)
    counts = np.bincount(labels_of(task.test))
    assert counts.min() >= 34
    assert counts.max() <= 38
    assert digits(seed=3).test.stimulus_ids == task.test.stimulus_ids
    assert digits(seed=4).test.stimulus_ids != task.test.stimulus_ids


def test_classes_have_names_where_each_has_one():
    task = digits()
    assert task.class_names == list("0123456789")

    def named(names):
        table = task.train.table.assign(object_name=names)
        return ClassificationTask(title="x", train=replace(task.train, table=table), test=task.test)

    assert named(np.where(labels_of(task.train) == 3, "three", "other")).class_names[3] == "three"
    assert named(task.train.stimulus_ids).class_names is None
    without = replace(task.train, table=task.train.table.drop(columns="object_name"))
    assert ClassificationTask(title="x", train=without, test=task.test).class_names is None


def test_digits_are_scikit_learn_s():
    from sklearn.datasets import load_digits

    task = digits()
    number = int(task.test.stimulus_ids[0].split("-")[1])
    bunch = load_digits()
    assert labels_of(task.test)[0] == bunch.target[number]
    np.testing.assert_allclose(
        task.test.pixels[0, :, :, 1] / 255 * 16, bunch.images[number], atol=16 / 255 / 2
    )


@pytest.mark.data
def test_cifar_10(shared_data):
    path = shared_data / "mirror" / "cifar10-jpeg" / "cifar10_jpeg.h5"
    task = from_file(path, n_train=200, n_test=100)
    assert task.train.pixels.shape == (200, 32, 32, 3)
    assert task.n_classes == 10
    assert task.title == "cifar10_jpeg"


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="there is no image file"):
        from_file(tmp_path / "absent.h5")
    task = digits()
    unlabelled = task.train.select([0, 1])
    object.__setattr__(unlabelled, "table", unlabelled.table.drop(columns="label"))
    with pytest.raises(ValueError, match="has no column 'label'"):
        ClassificationTask(title="x", train=unlabelled, test=task.test)
    ones = np.flatnonzero(labels_of(task.train) == 1)
    with pytest.raises(ValueError, match="are tested but never trained"):
        ClassificationTask(title="x", train=task.train.select(ones), test=task.test)
