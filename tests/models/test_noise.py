"""Noise that belongs to the trial."""

import numpy as np
import pytest
import torch

from neurorec.models import build
from neurorec.models.noise import keep_mask, stream

N_TRIALS, N_UNITS = 200, 4099


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_units_survive_with_the_stated_probability(p):
    mask = keep_mask(torch.arange(N_TRIALS), N_UNITS, p).numpy()
    n = mask.size
    # Five standard errors of a proportion.
    assert abs(mask.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / n)
    # Counts per unit and per trial scatter as binomial counts do: chi-square per degree of freedom.
    for axis in (0, 1):
        counts = mask.sum(axis)
        size = mask.shape[axis]
        dispersion = counts.var() / (size * p * (1 - p))
        assert abs(dispersion - 1) < 5 * np.sqrt(2 / len(counts))


def test_units_trials_and_streams_are_independent():
    seeds = torch.arange(N_TRIALS)
    mask = keep_mask(stream(seeds, 0, 0), N_UNITS, 0.5).double()
    other = keep_mask(stream(seeds, 0, 1), N_UNITS, 0.5).double()
    n = N_UNITS
    between_trials = np.corrcoef(mask.numpy())[np.triu_indices(N_TRIALS, 1)]
    assert np.abs(between_trials).max() < 6 / np.sqrt(n)
    across_streams = [np.corrcoef(a, b)[0, 1] for a, b in zip(mask, other, strict=True)]
    assert np.abs(across_streams).max() < 6 / np.sqrt(n)
    neighbours = np.corrcoef(mask[:, :-1].ravel(), mask[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(mask.numel())


def test_a_mask_depends_on_its_trial_alone(device):
    seeds = torch.tensor([-5, 3, 2**62], device=device)
    together = keep_mask(seeds, 1000, 0.5)
    alone = torch.cat([keep_mask(seeds[i : i + 1].cpu(), 1000, 0.5) for i in range(3)])
    assert torch.equal(together.cpu(), alone)
    assert torch.equal(keep_mask(seeds, 10, 0.5), together[:, :10])


def unrolled(network, seeds):
    state = network.init_state(len(seeds), trial_seeds=torch.tensor(seeds))
    image = torch.full((len(seeds), 3, 8, 8), 0.7)
    return [s["integration"]["h"] for _, s in network.unroll(image, 3, state)]


def resampled(mode):
    wiring = build("greco2025-ff-dropout", input_size=8).wiring
    areas = tuple(
        a.model_copy(update={"noise": a.noise.model_copy(update={"resample": mode})})
        if a.noise
        else a
        for a in wiring.areas
    )
    return build(wiring.model_copy(update={"areas": areas}))


def silent(h):
    return h == 0


def test_resampling_per_step_trial_or_never():
    dense = unrolled(build("greco2025-ff", input_size=8), [1, 2])
    active = torch.stack(dense).amin(dim=(0, 1)) > 0  # units that only noise can silence
    masks = {
        m: [silent(h)[:, active] for h in unrolled(resampled(m), [1, 2])]
        for m in ("step", "trial", "frozen")
    }
    assert active.sum() > 20
    assert not torch.equal(masks["step"][0], masks["step"][1])
    assert torch.equal(masks["trial"][0], masks["trial"][2])
    assert not torch.equal(masks["trial"][0][0], masks["trial"][0][1])
    assert torch.equal(masks["frozen"][0][0], masks["frozen"][2][1])


def test_noise_acts_only_where_randomness_is_given():
    network, quiet = (
        build("greco2025-fb-dropout", input_size=8),
        build("greco2025-fb", input_size=8),
    )
    image = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(network(image), quiet(image))
    noisy = network(image, state=network.init_state(2, torch.Generator().manual_seed(0)))
    assert (noisy - quiet(image)).abs().max() > 1e-3


def test_dropout_keeps_the_mean():
    network, quiet = (
        build("greco2025-ff-dropout", input_size=8),
        build("greco2025-ff", input_size=8),
    )
    image = torch.rand(1, 3, 8, 8).expand(4000, 3, 8, 8)
    state = network.init_state(4000, trial_seeds=torch.arange(4000))
    h = next(network.unroll(image, 1, state))[1]["integration"]["h"].double()
    target = next(quiet.unroll(image[:1], 1))[1]["integration"]["h"].double()
    # With p = 1/2 a unit of mean m has standard deviation m; five standard errors.
    assert ((h.mean(0) - target[0]).abs() <= 5 * target[0] / np.sqrt(4000) + 1e-7).all()
