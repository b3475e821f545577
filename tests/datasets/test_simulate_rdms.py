"""Simulated dissimilarities tend to the closed form; subjects agree more with more signal."""

import numpy as np
import pytest

from neurorec.datasets import simulate_rdms, synthetic_images


def upper(values: np.ndarray) -> np.ndarray:
    return values[..., *np.triu_indices(values.shape[-1], k=1)]


@pytest.mark.parametrize("signal_to_noise", [0.3, 1.0, 10.0])
def test_large_populations_reach_the_closed_form(signal_to_noise):
    n_neuroids = 20_000
    simulated = simulate_rdms(
        synthetic_images(np.arange(20), size=32),
        dimension=5,
        n_subjects=2,
        n_neuroids=n_neuroids,
        signal_to_noise=signal_to_noise,
        seed=1,
    )
    found = upper(simulated.rdms.values)
    # The standard error of a correlation over n neuroids is at most 1 / sqrt(n).
    np.testing.assert_allclose(
        found, np.broadcast_to(upper(simulated.expected), found.shape), atol=5 / np.sqrt(n_neuroids)
    )


def test_labels():
    simulated = simulate_rdms(synthetic_images(np.arange(6), size=16), dimension=3, n_subjects=3)
    rdms = simulated.rdms
    assert rdms.dims == ("rdm", "condition", "condition_b")
    assert rdms.shape == (6, 6, 6)
    assert rdms["subject"].values.tolist() == ["S1", "S1", "S2", "S2", "S3", "S3"]
    assert rdms["session"].values.tolist() == [1, 2] * 3
    assert rdms.attrs["simulated"] == 1


def test_sessions_of_a_subject_agree_more_than_subjects():
    simulated = simulate_rdms(
        synthetic_images(np.arange(30), size=32), n_neuroids=40, signal_to_noise=3.0, seed=2
    )
    agreement = np.corrcoef(upper(simulated.rdms.values))
    subject = simulated.rdms["subject"].values
    same = (subject[:, None] == subject) & ~np.eye(8, dtype=bool)
    other = subject[:, None] != subject
    assert agreement[same].min() > agreement[other].max()


def test_given_features_are_what_is_encoded(rng):
    features = rng.normal(size=(15, 4))
    simulated = simulate_rdms(
        synthetic_images(np.arange(15), size=16),
        features=features,
        n_neuroids=5000,
        signal_to_noise=1e6,
    )
    white = simulated.features
    np.testing.assert_allclose(white.T @ white / 15, np.eye(4), atol=1e-9)
    lengths = np.linalg.norm(white, axis=1)
    cosine = 1 - white @ white.T / np.outer(lengths, lengths)
    np.testing.assert_allclose(upper(simulated.expected), upper(cosine), atol=1e-4)


@pytest.mark.parametrize("wrong", [{"n_subjects": 0}, {"n_neuroids": 1}, {"signal_to_noise": 0.0}])
def test_out_of_range(wrong):
    with pytest.raises(ValueError, match="must be positive and neuroids at least 2, got"):
        simulate_rdms(synthetic_images(np.arange(6), size=16), **wrong)
