"""Trajectories: the definition state by state, what moves and what does not, bad input."""

import numpy as np
import pytest
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from neurorec.geometry import trajectory_similarity
from neurorec.populations import patterns_of


def states(values):
    """(stimulus and time, unit)."""
    return values.transpose(0, 2, 1).reshape(-1, values.shape[1])


@pytest.mark.parametrize("dissimilarity", ["squared_euclidean", "correlation", "cosine"])
def test_definition(assembly_of, rng, dissimilarity):
    x, y = rng.normal(size=(6, 5, 4)), rng.normal(size=(6, 8, 4))
    metric = dissimilarity.replace("squared_euclidean", "sqeuclidean")
    options = {"dissimilarity": dissimilarity}
    expected = spearmanr(pdist(states(x), metric), pdist(states(y), metric))[0]
    result = trajectory_similarity(assembly_of(x), assembly_of(y), **options)
    assert result.item() == pytest.approx(expected, abs=1e-12)
    one_by_one = trajectory_similarity(
        assembly_of(x), assembly_of(y), states="within_stimulus", **options
    )
    assert one_by_one.dims == ("condition",)
    for i in range(6):
        expected = spearmanr(pdist(x[i].T, metric), pdist(y[i].T, metric))[0]
        assert one_by_one.values[i] == pytest.approx(expected, abs=1e-12)


def test_rsatoolbox(assembly_of, rng):
    x, y = rng.normal(size=(5, 6, 3)), rng.normal(size=(5, 6, 3))
    rdms = [calc_rdm(Dataset(states(z)), method="euclidean") for z in (x, y)]
    result = trajectory_similarity(assembly_of(x), assembly_of(y), method="cosine")
    assert result.item() == pytest.approx(compare(*rdms, method="cosine").item(), abs=1e-12)


def test_same_rdms_in_every_bin_and_other_paths(assembly_of, rng):
    """Each bin is turned on its own: RDMs bin by bin stay, what is between bins does not."""
    x = rng.normal(size=(8, 5, 4))
    turned = np.stack(
        [x[:, :, t] @ np.linalg.qr(rng.normal(size=(5, 5)))[0] for t in range(4)], axis=2
    )
    same = np.einsum("iut,uv->ivt", x, np.linalg.qr(rng.normal(size=(5, 5)))[0])
    assert trajectory_similarity(assembly_of(x), assembly_of(turned)).item() < 0.9
    for which in ("all", "within_stimulus"):
        result = trajectory_similarity(assembly_of(x), assembly_of(3 * same + 1), states=which)
        np.testing.assert_allclose(result, 1, atol=1e-12)


@pytest.mark.parametrize("which", ["all", "within_stimulus"])
def test_repetitions_and_order(assembly_of, rng, which):
    x, y = rng.normal(size=(12, 5, 4)), rng.normal(size=(6, 3, 4))
    ids = [f"s{i}" for i in range(6)]
    a = assembly_of(x, stimulus_ids=ids * 2, repetition=np.repeat([0, 1], 6))
    order = rng.permutation(6)
    b = assembly_of(y[order], stimulus_ids=np.array(ids)[order])
    means = assembly_of((x[:6] + x[6:]) / 2, stimulus_ids=ids)
    result = trajectory_similarity(a, b, states=which)
    expected = trajectory_similarity(means, assembly_of(y, stimulus_ids=ids), states=which)
    np.testing.assert_allclose(result, expected, atol=1e-12)
    assert result.attrs["n_neuroids_b"] == 3


def test_constant(assembly_of, rng):
    x = rng.normal(size=(6, 5, 4))
    still = x.copy()
    still[2] = 1.0
    a, b = assembly_of(x), assembly_of(still)
    with pytest.raises(ValueError, match=r"1 of 6 RDMs between states are constant .* number 2"):
        trajectory_similarity(a, b, states="within_stimulus")
    result = trajectory_similarity(a, b, states="within_stimulus", undefined="nan")
    assert np.isnan(result.values).tolist() == [False, False, True, False, False, False]


def test_bad_input(assembly_of, rng):
    a = assembly_of(rng.normal(size=(6, 5, 4)))
    with pytest.raises(ValueError, match="states must be one of"):
        trajectory_similarity(a, a, states="some")
    with pytest.raises(ValueError, match="method must be one of"):
        trajectory_similarity(a, a, method="rho")
    with pytest.raises(ValueError, match="dissimilarity must be one of"):
        trajectory_similarity(a, a, dissimilarity="city")
    with pytest.raises(ValueError, match="undefined must be one of"):
        trajectory_similarity(a, a, undefined="drop")
    with pytest.raises(ValueError, match="matched by their order, the populations have 4 and 3"):
        trajectory_similarity(a, a[:, :, :3])
    with pytest.raises(ValueError, match="6 in the first, 5 in the second, 5 in both"):
        trajectory_similarity(a, a[:5])
    with pytest.raises(ValueError, match="2 time bins, got 6 and 1"):
        trajectory_similarity(a[:, :, :1], a[:, :, :1])
    with pytest.raises(ValueError, match="3 time bins, got 6 and 2"):
        trajectory_similarity(a[:, :, :2], a, states="within_stimulus")
    with pytest.raises(ValueError, match="at least 3 stimuli"):
        trajectory_similarity(a[:2], a[:2])
    with pytest.raises(ValueError, match="give the population"):
        trajectory_similarity(patterns_of(a), a)
    with pytest.raises(ValueError, match="100 times are 10000 states"):
        trajectory_similarity(np.zeros((100, 1, 100)), np.zeros((100, 1, 100)))
