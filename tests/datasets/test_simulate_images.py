"""Synthetic images and their features."""

import numpy as np
import pandas as pd
import pytest

from neurorec.datasets import simulate_population, synthetic_images
from neurorec.datasets.simulate_images import (
    CYCLES_PER_IMAGE,
    FEATURE_SIZE,
    GRID,
    N_ORIENTATIONS,
    gabor_energy,
    image_features,
)
from neurorec.stimuli import StimulusSet


def stimulus_set(pixels: np.ndarray) -> StimulusSet:
    names = [f"s{i}" for i in range(len(pixels))]
    return StimulusSet(identifier="x", pixels=pixels, table=pd.DataFrame({"stimulus_id": names}))


def grating(cycles: float, angle: float, phase: float = 0.0, size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    wave = np.cos(2 * np.pi * cycles * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    return np.repeat((128 + 100 * wave)[:, :, None], 3, axis=2).astype(np.uint8)


def amplitudes(images: list[np.ndarray]) -> np.ndarray:
    """(image, frequency, orientation) means over the grid."""
    energy = gabor_energy(stimulus_set(np.stack(images)))
    n_filters = len(CYCLES_PER_IMAGE) * N_ORIENTATIONS
    maps = energy.reshape(len(images), -1, GRID**2)[:, :n_filters].mean(axis=2)
    return maps.reshape(len(images), len(CYCLES_PER_IMAGE), N_ORIENTATIONS)


@pytest.mark.parametrize("frequency", range(len(CYCLES_PER_IMAGE)))
@pytest.mark.parametrize("orientation", range(N_ORIENTATIONS))
def test_a_grating_drives_its_own_filter_most(frequency, orientation):
    angle = np.pi * orientation / N_ORIENTATIONS
    (found,) = amplitudes([grating(CYCLES_PER_IMAGE[frequency], angle)])
    assert np.unravel_index(found.argmax(), found.shape) == (frequency, orientation)


def test_the_energy_does_not_depend_on_the_phase():
    found = amplitudes([grating(4, 0, phase) for phase in np.linspace(0, np.pi, 5)])
    # Grey levels are rounded to whole numbers of 100: 1 per cent.
    np.testing.assert_allclose(found[:, 1, 0], found[0, 1, 0], rtol=0.01)


def test_colour_is_seen_where_it_is():
    pixels = np.full((1, FEATURE_SIZE, FEATURE_SIZE, 3), 128, np.uint8)
    pixels[0, :8, :8] = (255, 0, 0)
    energy = gabor_energy(stimulus_set(pixels)).reshape(-1, GRID, GRID)
    red_green, blue_yellow = energy[-2:]
    expected = np.zeros((GRID, GRID))
    expected[0, 0] = 1
    np.testing.assert_allclose(red_green, expected, atol=1e-12)
    np.testing.assert_allclose(blue_yellow, -expected / 2, atol=1e-12)


def test_images_of_a_group_are_more_alike():
    images = synthetic_images(np.repeat(np.arange(4), 10), size=32, seed=3)
    energy = gabor_energy(images)
    similarity = np.corrcoef(energy - energy.mean(axis=0))
    same = images.table["group"].to_numpy()[:, None] == images.table["group"].to_numpy()
    off_diagonal = ~np.eye(40, dtype=bool)
    assert similarity[same & off_diagonal].mean() > similarity[~same].mean() + 0.2


def test_seeds():
    groups = np.arange(3)
    one, two, other = (synthetic_images(groups, size=16, seed=seed).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert one.shape == (3, 16, 16, 3)


def test_features_follow_their_image():
    """A stimulus has the same energy whatever stimuli it comes with."""
    images = synthetic_images(np.arange(12), size=32, seed=4)
    order = np.arange(12)[::-1]
    np.testing.assert_allclose(gabor_energy(images.select(order)), gabor_energy(images)[order])


def test_images_of_any_shape():
    assert image_features(stimulus_set(np.zeros((3, 20, 50, 3), np.uint8)), dimension=2).shape == (
        3,
        2,
    )


def test_images_that_do_not_differ():
    with pytest.raises(ValueError, match="8 features have rank 0 over 30 stimuli; give fewer"):
        simulate_population(stimulus_set(np.full((30, 16, 16, 3), 7, np.uint8)))
