"""Noise ceilings: identical subjects, rsatoolbox, real data, bad input."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.stats import rankdata, spearmanr

from neurorec.geometry import COMPARISONS, compare, noise_ceiling
from neurorec.geometry.ceiling import SCALES


@pytest.mark.parametrize("method", COMPARISONS)
def test_identical_subjects(rng, rdms_of, random_rdms_of, method):
    one = random_rdms_of(rng, 1, 10)
    result = noise_ceiling(rdms_of(np.repeat(one, 3, axis=0)), method=method)
    assert result["lower"].item() == pytest.approx(1, abs=1e-14)
    assert result["upper"].item() == pytest.approx(1, abs=1e-14)


def test_every_comparison_has_a_scale():
    assert set(SCALES) == set(COMPARISONS)


def test_by_hand(rng, rdms_of, random_rdms_of):
    values = random_rdms_of(rng, 3, 8)
    upper = np.triu_indices(8, 1)
    ranks = rankdata(values[:, upper[0], upper[1]], axis=1)
    lower = [spearmanr(ranks[s], np.delete(ranks, s, 0).mean(0))[0] for s in range(3)]
    result = noise_ceiling(rdms_of(values, dim="subject"), method="spearman")
    np.testing.assert_allclose(result["lower_per_subject"].values, lower, atol=1e-13)
    above = [spearmanr(r, ranks.mean(0))[0] for r in ranks]
    np.testing.assert_allclose(result["upper_per_subject"].values, above, atol=1e-13)
    assert result["lower"].item() == pytest.approx(np.mean(lower))
    assert "rank-transformed" in result.attrs["convention"]
    assert result.attrs["n_subjects"] == 3


@pytest.mark.parametrize("method", sorted(set(COMPARISONS) - {"kendall"}))
def test_no_model_scores_above_the_upper_bound(rng, rdms_of, random_rdms_of, method):
    values = random_rdms_of(rng, 1, 8) + 0.7 * random_rdms_of(rng, 4, 8)
    upper = noise_ceiling(rdms_of(values), method=method)["upper"].item()
    models = rdms_of(values.mean(axis=0) + 0.2 * random_rdms_of(rng, 200, 8), dim="model")
    scores = compare(rdms_of(values), models, method=method).mean("rdm")
    assert scores.max().item() <= upper + 1e-12


RSATOOLBOX = {
    "pearson": "corr",
    "spearman": "spearman",
    "rho_a": "rho-a",
    "kendall": "tau-a",
    "cosine": "cosine",
}


@pytest.mark.parametrize("method", RSATOOLBOX)
def test_equals_rsatoolbox(rng, rdms_of, random_rdms_of, method):
    pytest.importorskip("rsatoolbox")
    values = random_rdms_of(rng, 1, 10) + 0.5 * random_rdms_of(rng, 4, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.inference import boot_noise_ceiling
        from rsatoolbox.rdm import RDMs

        lower, upper = boot_noise_ceiling(
            RDMs(values), method=RSATOOLBOX[method], rdm_descriptor="index"
        )
    result = noise_ceiling(rdms_of(values), method=method)
    np.testing.assert_allclose([result["lower"], result["upper"]], [lower, upper], atol=1e-10)


@pytest.mark.parametrize("method", ["whitened_cosine", "whitened_correlation"])
def test_whitened_equals_rsatoolbox_with_its_better_pool(rng, rdms_of, random_rdms_of, method):
    """Of the two ``pool_rdm`` of rsatoolbox 0.2 and 0.3, one is as ours.

    That of ``util.pooling`` scales RDMs by their whitened length, as here. That of
    ``util.inference_util``, which ``boot_noise_ceiling`` takes, scales by plain length, so that
    its mean is not the best RDM and its upper bound is below that of a possible model.
    """
    pytest.importorskip("rsatoolbox")
    theirs = {"whitened_cosine": "cosine_cov", "whitened_correlation": "corr_cov"}[method]
    gains = np.array([1.0, 5.0, 0.2, 2.0])[:, None, None]
    values = gains * (random_rdms_of(rng, 1, 10) + 0.5 * random_rdms_of(rng, 4, 10))
    result = noise_ceiling(rdms_of(values), method=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.inference import boot_noise_ceiling
        from rsatoolbox.rdm import RDMs
        from rsatoolbox.rdm import compare as their_compare
        from rsatoolbox.util.pooling import pool_rdm

        rdms = RDMs(values)
        upper = their_compare(pool_rdm(rdms, theirs), rdms, theirs).mean()
        lower = [
            their_compare(pool_rdm(RDMs(np.delete(values, s, 0)), theirs), rdms[s], theirs)
            for s in range(4)
        ]
        _, their_upper = boot_noise_ceiling(rdms, method=theirs, rdm_descriptor="index")
    # Conjugate gradients with a relative tolerance of 1e-5 give the lengths.
    np.testing.assert_allclose(result["upper"], upper, atol=1e-5)
    np.testing.assert_allclose(result["lower"], np.mean(lower), atol=1e-5)
    assert their_upper < result["upper"] - 1e-6


@pytest.mark.data
def test_human_subjects(objects_92):
    """0.372 to 0.666: Spearman; sessions averaged, subjects ranked and then averaged."""
    human = objects_92.isel(rdm=objects_92["rdm_kind"].values == "neural_subject")
    assert human.sizes["rdm"] == 8
    subjects = human.groupby("subject").mean()
    result = noise_ceiling(subjects, method="spearman")
    assert result["lower"].item() == pytest.approx(0.372, abs=0.0005)
    assert result["upper"].item() == pytest.approx(0.666, abs=0.0005)
    assert result["subject"].values.tolist() == ["BE", "KO", "SN", "TI"]


def test_written_and_read(rng, rdms_of, random_rdms_of, tmp_path):
    result = noise_ceiling(rdms_of(random_rdms_of(rng, 3, 8)))
    result.to_netcdf(tmp_path / "ceiling.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "ceiling.nc", engine="h5netcdf") as read:
        assert read["lower"].item() == result["lower"].item()


def test_one_subject(rng, rdms_of, random_rdms_of):
    with pytest.raises(ValueError, match=r"at least 2 subjects, got \{'rdm': 1\}"):
        noise_ceiling(rdms_of(random_rdms_of(rng, 1, 8)))
    with pytest.raises(ValueError, match="one leading dimension"):
        noise_ceiling(rdms_of(random_rdms_of(rng, 1, 8)[0]))


def test_constant_subject(rng, rdms_of, random_rdms_of):
    values = random_rdms_of(rng, 3, 4)
    values[1] = 1 - np.eye(4)
    with pytest.raises(ValueError, match="undefined for an RDM whose dissimilarities are all"):
        noise_ceiling(rdms_of(values))


def test_unknown_method(rng, rdms_of, random_rdms_of):
    with pytest.raises(ValueError, match="method must be one of"):
        noise_ceiling(rdms_of(random_rdms_of(rng, 3, 4)), method="tau")
