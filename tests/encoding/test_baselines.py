"""Pixels and Gabor energy of images whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from neurorec.assemblies import check
from neurorec.encoding import gabor_energy, pixels
from neurorec.encoding.baselines import GaborBank
from neurorec.stimuli import StimulusSet

SIZE = 96


def stimuli(images):
    images = np.asarray(images)
    table = pd.DataFrame({"stimulus_id": [f"i{i}" for i in range(len(images))]})
    return StimulusSet(identifier="test", pixels=images.astype(np.uint8), table=table)


def grating(frequency, angle_deg, phase=0.0, contrast=100):
    """Luminance varies along ``angle_deg``, ``frequency`` cycles per image."""
    row, col = np.indices((SIZE, SIZE)) / SIZE
    angle = np.radians(angle_deg)
    wave = np.cos(2 * np.pi * frequency * (col * np.cos(angle) + row * np.sin(angle)) + phase)
    return np.repeat(np.round(127 + contrast * wave)[:, :, None], 3, axis=2)


def energy_by_channel(images, **options):
    """Means over the grid (stimulus, channel), and the names of the channels."""
    assembly = gabor_energy(stimuli(images), **options)
    names = assembly["channel"].values
    order = list(dict.fromkeys(names))
    values = assembly.values[:, :, 0]
    return np.stack([values[:, names == name].mean(axis=1) for name in order], axis=1), order


@pytest.mark.parametrize("frequency", [8, 16])
@pytest.mark.parametrize("angle_deg", [0.0, 45.0, 90.0, 135.0])
def test_a_grating_drives_its_own_filter(frequency, angle_deg):
    energy, names = energy_by_channel([grating(frequency, angle_deg)])
    strongest = names[int(energy[0, :32].argmax())]
    assert strongest == f"{frequency}cpi-{angle_deg:g}deg"


def test_energy_is_the_amplitude_and_does_not_know_the_phase():
    # A grating at the centre of a filter passes with gain 1; its analytic signal has half the
    # amplitude of the cosine: 100 / 255 / 2. In the middle of the image, since the mirrored
    # border bends a wave that does not meet it at an extreme.
    images = [grating(16, 0.0, phase) for phase in (0.0, 0.7, np.pi / 2)]
    assembly = gabor_energy(stimuli(images))
    middle = (assembly["row"].isin([2, 3]) & assembly["col"].isin([2, 3])).values
    chosen = middle & (assembly["channel"].values == "16cpi-0deg")
    # Grey levels are rounded to 1 of 100.
    np.testing.assert_allclose(assembly.values[:, chosen], 100 / 255 / 2, rtol=0.01)


def test_energy_is_proportional_to_contrast():
    images = [grating(8, 90.0, contrast=c) for c in (30, 60)]
    energy, names = energy_by_channel(images)
    energy = energy[:, names.index("8cpi-90deg")]
    assert energy[1] / energy[0] == pytest.approx(2.0, rel=0.02)  # grey levels are integers


def test_a_blank_image_has_no_energy():
    energy, _ = energy_by_channel([np.full((SIZE, SIZE, 3), 80)])
    np.testing.assert_allclose(energy[0, :32], 0, atol=1e-6)
    np.testing.assert_allclose(energy[0, 32:], [80 / 255, 0, 0], atol=1e-6)


def test_colour():
    red = np.zeros((SIZE, SIZE, 3))
    red[:, : SIZE // 2, 0] = 255
    assembly = gabor_energy(stimuli([red]), bank=GaborBank(grid=4))
    opponent = assembly.isel(neuroid=assembly["channel"].values == "red-green")
    left = opponent.isel(neuroid=opponent["col"].values < 2)
    right = opponent.isel(neuroid=opponent["col"].values >= 2)
    np.testing.assert_allclose(left, 1.0, atol=1e-6)
    np.testing.assert_allclose(right, 0.0, atol=1e-6)


def test_energy_lies_where_the_contrast_is():
    image = grating(16, 0.0)
    image[SIZE // 2 :] = 127
    assembly = gabor_energy(stimuli([image]), bank=GaborBank(grid=4))
    channel = assembly.isel(neuroid=assembly["channel"].values == "16cpi-0deg")
    by_row = channel.values[0, :, 0].reshape(4, 4).mean(axis=1)
    assert by_row[0] > 10 * by_row[3]


def test_batches_do_not_matter(rng):
    images = rng.integers(0, 256, size=(70, 64, 64, 3))
    whole = gabor_energy(stimuli(images))
    single = gabor_energy(stimuli(images[[65]]))
    np.testing.assert_allclose(whole.values[[65]], single.values, rtol=0, atol=1e-6)


def test_pixels(rng):
    images = rng.integers(0, 256, size=(3, 8, 8, 3))
    assembly = check(pixels(stimuli(images)))
    assert assembly.shape == (3, 192, 1)
    green = assembly.isel(neuroid=assembly["channel"].values == "green")
    at = (green["row"].values == 2) & (green["col"].values == 5)
    np.testing.assert_allclose(green.values[:, at].ravel(), images[:, 2, 5, 1] / 255, atol=1e-7)
    coarse = pixels(stimuli(images), grid=2).values[:, 0, 0]
    np.testing.assert_allclose(coarse, images[:, :4, :4, 0].mean(axis=(1, 2)) / 255, atol=1e-6)


def test_device(device, rng):
    images = stimuli(rng.integers(0, 256, size=(3, 64, 64, 3)))
    np.testing.assert_allclose(
        gabor_energy(images, device=device), gabor_energy(images, device="cpu"), rtol=0, atol=1e-5
    )


def test_image_too_small():
    with pytest.raises(ValueError, match="images of 32 pixels show at most 16 cycles"):
        gabor_energy(stimuli(np.zeros((1, 32, 32, 3))))


def test_bank_out_of_range():
    with pytest.raises(ValueError, match="every number of a GaborBank must be positive"):
        GaborBank(cycles_per_image=(0.0, 4.0))
