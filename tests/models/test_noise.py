"""Noise that belongs to the trial."""

import numpy as np
import pytest
import torch
from scipy import stats

from neurorec.models import build
from neurorec.models.noise import FROZEN_SEED, keep_mask, noisy, normal, stream
from neurorec.models.parts import AbstractNoise, Dropout, Gaussian, PoissonLike

N_TRIALS, N_UNITS = 200, 4099
KINDS = [
    Dropout(p=0.3),
    Dropout(p=0.3, over="channel"),
    Gaussian(std=0.5),
    PoissonLike(fano=0.7),
]


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


def test_normal_draws_are_normal():
    draws = normal(torch.arange(N_TRIALS), N_UNITS).double().numpy()
    n = draws.size
    # Standard errors of the first four moments of n normal draws; five of each.
    for moment, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((draws**moment).mean() - expected) < 5 * np.sqrt(variance / n), moment
    assert stats.kstest(draws.ravel(), stats.norm.cdf).pvalue > 1e-3
    for beyond in (3, 4, 4.5):
        expected = 2 * stats.norm.sf(beyond) * n
        assert abs((np.abs(draws) > beyond).sum() - expected) < 5 * np.sqrt(expected)


def test_normal_draws_are_independent():
    draws = normal(stream(torch.arange(N_TRIALS), 0, 0), N_UNITS).double().numpy()
    other = normal(stream(torch.arange(N_TRIALS), 0, 1), N_UNITS).double().numpy()
    between_trials = np.corrcoef(draws)[np.triu_indices(N_TRIALS, 1)]
    assert np.abs(between_trials).max() < 6 / np.sqrt(N_UNITS)
    assert abs(np.corrcoef(draws.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(draws.size)
    # The two draws of one word share their radius or their angle if the formula is wrong.
    first, second = draws[:, 0:-1:2].ravel(), draws[:, 1::2].ravel()
    for a, b in ((first, second), (first**2, second**2), (first, second**2)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(len(a))


def test_normal_draws_depend_on_their_trial_alone(device):
    seeds = torch.tensor([-5, 3, 2**62], device=device)
    together = normal(seeds, 1001)
    assert together.shape == (3, 1001)
    alone = torch.cat([normal(seeds[i : i + 1].cpu(), 1001) for i in range(3)])
    # Logarithm and cosine of the devices differ in their last places.
    torch.testing.assert_close(together.cpu(), alone, rtol=1e-5, atol=1e-5)
    assert torch.equal(normal(seeds, 10), together[:, :10])


def test_dropout_draws_the_numbers_it_always_drew():
    bits = ["1111001000111110111011111111010110101001", "0011101011110001000111101011111100111011"]
    kept = torch.tensor([[float(b) for b in trial] for trial in bits])
    x = torch.rand(2, 10, 2, 2)
    expected = x * (kept.view(x.shape) / (1 - 0.3))
    seen = noisy(x, Dropout(p=0.3), torch.tensor([1, -2]), 5, 3)
    assert torch.equal(seen, expected)
    held = ["010111111101", "110111011111"]
    kept = torch.tensor([[float(b) for b in trial] for trial in held])
    x = torch.rand(2, 3, 2, 2)
    seen = noisy(x, Dropout(p=0.3, resample="trial"), torch.tensor([1, -2]), 5, 3)
    assert torch.equal(seen, x * (kept.view(x.shape) / (1 - 0.3)))


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_noise_does_not_depend_on_memory_format_or_batch(options, dtype):
    x = torch.rand(4, 6, 5, 3, dtype=dtype)
    seeds = torch.tensor([7, -7, 0, 2**40])
    seen = noisy(x, options, seeds, 1, 2)
    last = noisy(x.contiguous(memory_format=torch.channels_last), options, seeds, 1, 2)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, seen)
    assert seen.dtype == dtype
    assert torch.equal(noisy(x[2:3], options, seeds[2:3], 1, 2), seen[2:3])
    assert not torch.equal(noisy(x, options, seeds, 2, 2), seen)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_when_noise_is_drawn_anew(options):
    x = torch.rand(1, 6, 8, 8).expand(2, 6, 8, 8)

    def draw(mode, step):
        return noisy(
            x, options.model_copy(update={"resample": mode}), torch.tensor([1, 2]), 3, step
        )

    assert not torch.equal(draw("step", 0), draw("step", 1))
    assert torch.equal(draw("trial", 0), draw("trial", 1))
    assert not torch.equal(draw("trial", 0)[0], draw("trial", 0)[1])
    assert torch.equal(draw("frozen", 0), draw("frozen", 1))
    assert torch.equal(draw("frozen", 0)[0], draw("frozen", 0)[1])
    own = options.model_copy(update={"resample": "trial"})
    assert torch.equal(draw("frozen", 0), noisy(x, own, torch.tensor([FROZEN_SEED] * 2), 3, 0))


def test_channels_are_silenced_as_a_whole():
    x = torch.rand(500, 40, 3, 3) + 1
    kept = noisy(x, Dropout(p=0.25, over="channel"), torch.arange(500), 0, 0) / x
    assert torch.equal(kept.amin(dim=(2, 3)) == 0, kept.amax(dim=(2, 3)) == 0)
    torch.testing.assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 4 / 3))
    fraction = (kept[:, :, 0, 0] > 0).double().mean().item()
    assert abs(fraction - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 20_000)


@pytest.mark.parametrize(
    ("options", "variance"),
    [
        (Gaussian(std=0.5), lambda x: 0.25 + 0 * x),
        (PoissonLike(fano=0.7, eps=0.01), lambda x: 0.7 * np.maximum(x, 0) + 0.01),
        (PoissonLike(fano=2.0, eps=0.0), lambda x: 2 * np.maximum(x, 0)),
    ],
    ids=["gaussian", "poisson", "poisson without a floor"],
)
def test_mean_and_variance_of_added_noise(options, variance):
    means = np.array([-1.0, 0.0, 0.3, 2.0])
    n = 40_000
    x = torch.tensor(means).view(1, 4, 1, 1).expand(n, 4, 1, 1)
    seen = noisy(x, options, torch.arange(n), 0, 0)[:, :, 0, 0].numpy()
    expected = variance(means)
    assert (np.abs(seen.mean(axis=0) - means) <= 5 * np.sqrt(expected / n)).all()
    # The variance of n normal draws has a relative standard error of sqrt(2 / n).
    assert (np.abs(seen.var(axis=0) - expected) <= 5 * expected * np.sqrt(2 / n)).all()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_gradient_is_that_of_the_draw(options):
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    seeds = torch.tensor([1, 2])
    assert torch.autograd.gradcheck(lambda x: noisy(x, options, seeds, 0, 0), x)


def test_gradient_of_silent_units_without_a_floor_is_finite():
    x = torch.tensor([-1.0, 0.0, 0.0, 1.0]).view(1, 4, 1, 1).requires_grad_()
    noisy(x, PoissonLike(eps=0.0), torch.tensor([1]), 0, 0).sum().backward()
    assert torch.equal(x.grad[0, :3, 0, 0], torch.ones(3))
    assert torch.isfinite(x.grad).all()


def test_noise_of_no_known_kind():
    with pytest.raises(TypeError, match=r"no noise is known .* AbstractNoise; use one of \['Drop"):
        noisy(torch.zeros(1, 1, 1, 1), AbstractNoise(kind="speckle"), torch.tensor([1]), 0, 0)
