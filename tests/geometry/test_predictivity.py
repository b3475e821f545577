"""Linear predictivity: scikit-learn in unit space, known answers, both directions, bad input."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from neurorec.encoding.splits import KFold
from neurorec.geometry import linear_predictivity
from neurorec.geometry.predictivity import PENALTIES


def in_unit_space(x, y, assembly, penalties, n_splits):
    """scikit-learn's leave-one-out ridge with one penalty for all units, fold by fold."""
    residual = total = 0.0
    for train, test in KFold(n_splits, 0).split(assembly):
        centred = x[train] - x[train].mean(axis=0)
        variance = np.sum(centred**2) / (len(train) - 1)
        model = RidgeCV(variance * np.asarray(penalties)).fit(x[train], y[train])
        residual += np.sum((y[test] - model.predict(x[test])) ** 2)
        total += np.sum((y[test] - y[train].mean(axis=0)) ** 2)
    return 1 - residual / total


@pytest.mark.parametrize("sizes", [(5, 4), (30, 3), (4, 30)])
@pytest.mark.parametrize("penalties", [PENALTIES, (0.5,)])
def test_scikit_learn(assembly_of, rng, sizes, penalties):
    x = rng.normal(3, 1, size=(20, sizes[0]))
    y = x @ rng.normal(size=sizes) + 2 * rng.normal(size=(20, sizes[1]))
    a, b = assembly_of(x), assembly_of(y)
    expected = in_unit_space(x, y, a, penalties, 5)
    result = linear_predictivity(a, b, penalties=penalties).item()
    assert result == pytest.approx(expected, abs=1e-9)
    expected = in_unit_space(y, x, a, penalties, 4)
    back = linear_predictivity(a, b, direction="backward", penalties=penalties, n_splits=4)
    assert back.item() == pytest.approx(expected, abs=1e-9)


def test_every_time_bin_is_a_fit_of_its_own(assembly_of, rng):
    values, others = rng.normal(size=(12, 4, 3)), rng.normal(size=(12, 5, 2))
    a, b = assembly_of(values), assembly_of(others)
    result = linear_predictivity(a, b).values
    back = linear_predictivity(b, a, direction="backward").values
    for t in range(3):
        for s in range(2):
            expected = in_unit_space(values[:, :, t], others[:, :, s], a, PENALTIES, 5)
            assert result[t, s] == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(back, result.T, atol=1e-12)


def test_linear_map(assembly_of, rng):
    """Few units predict what is linear in them; what has more dimensions does not return."""
    x = rng.normal(size=(60, 3))
    y = np.column_stack([x, rng.normal(size=(60, 3))])
    a, b = assembly_of(x @ rng.normal(size=(3, 3))), assembly_of(y)
    # The smallest penalty, 1e-4 of the mean eigenvalue, costs the square of about that.
    assert linear_predictivity(b, a).item() == pytest.approx(1, abs=1e-5)
    forward = linear_predictivity(a, b).item()
    assert 0.3 < forward < 0.6
    assert linear_predictivity(b, a, direction="backward").item() == pytest.approx(forward)


def test_nothing_to_predict(assembly_of, rng):
    """Independent populations: no better than the mean, and by a large penalty not much worse."""
    values = [
        linear_predictivity(rng.normal(size=(30, 10, 5)), rng.normal(size=(30, 10, 5))).values
        for _ in range(4)
    ]
    assert -0.2 < np.mean(values) < 0.02


def test_bad_options(assembly_of, rng):
    assembly = assembly_of(rng.normal(size=(6, 4, 2)))
    with pytest.raises(ValueError, match="direction must be one of"):
        linear_predictivity(assembly, direction="sideways")
    with pytest.raises(ValueError, match=r"positive numbers, got \[0.0\]"):
        linear_predictivity(assembly, penalties=[0.0])
    with pytest.raises(ValueError, match="n_splits must be at least 2, got 1"):
        linear_predictivity(assembly, n_splits=1)
    with pytest.raises(ValueError, match="at least 7 stimuli, got 6"):
        linear_predictivity(assembly, n_splits=7)


def test_an_offset_of_all_responses_changes_no_penalty(rng):
    """Of five units only five eigenvalues are positive, whatever rounding an offset leaves."""
    first = rng.normal(size=(60, 5, 2))
    second = rng.normal(size=(60, 5, 2)) + 0.5 * first
    plain, moved = (linear_predictivity(first + by, second + by) for by in (0, 1e4))
    np.testing.assert_allclose(moved, plain, atol=1e-7)
