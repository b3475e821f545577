import copy
import pickle

import numpy as np
import pytest
import torch

from neurorec.models.cell_options import HGRU, HConvGRU
from neurorec.models.cells import build_cell
from neurorec.models.parts import Norm

from .twins import (
    batch_norm,
    check_twin,
    conv2d,
    counted,
    fill,
    frame,
    normal,
    numpy_parameters,
    random_case,
    relu,
    sigmoid,
    unrolled,
)

#: As published by Linsley et al. (2018), with a smaller kernel.
PUBLISHED = HGRU(kernel=3, adaptation=True)
BATCH = Norm(kind="batch", per_step=True, eps=1e-3)
FUNCTIONS = {"tanh": np.tanh, "relu": relu, "identity": lambda x: x}


def transposed(weight):
    return weight.transpose(1, 0, 2, 3)


def twin(p, x, h, n, options):
    """Every step, with the kernels as they are used."""
    kernels = [p[f"kernels.{i}"] for i in ((0, 0) if options.tie_kernels else (0, 1))]
    if options.symmetric == "full":
        kernels = [(kernel + transposed(kernel)) / 2 for kernel in kernels]
    alpha, mu, kappa, gamma, omega = (p[k] for k in ("alpha", "mu", "kappa", "gamma", "omega"))
    f = FUNCTIONS[options.nonlinearity]
    inner, outer = (
        FUNCTIONS[name] for name in (options.inner_nonlinearity, options.output_nonlinearity)
    )
    out = []
    for t in range(n):

        def normed(site, z, t=t):
            if options.norm is None or (site in (0, 2) and not options.gate_norm):
                return z
            step = t if options.norm.per_step else 0
            return batch_norm(z, p, f"norms.{site}.norms.{step}", options.norm.eps)

        def gate(number, site, z):
            weight, bias = p[f"gate_{number}.weight"], p[f"gate_{number}.bias"]
            return sigmoid(normed(site, conv2d(z, weight, bias)))

        g1 = gate(1, 0, h)
        c1 = normed(1, conv2d(g1 * h, kernels[0]))
        h1 = f(x - inner(c1 * (alpha * h + mu)))
        g2 = gate(2, 2, h1)
        c2 = normed(3, conv2d(h1, kernels[1]))
        if options.excitation == "scaled":
            e = gamma * c2
            h2 = f(kappa * (h1 + e) + omega * (h1 * e))
        else:
            h2 = f(kappa * h1 + gamma * c2 + omega * h1 * c2)
        mixed = g2 * h + (1 - g2) * h2 if options.gate == "keep" else (1 - g2) * h + g2 * h2
        h = outer(mixed * p["eta"][t] if options.adaptation else mixed)
        out.append(
            {
                "h": h,
                "gate_1": g1,
                "inhibition": c1,
                "inhibited": h1,
                "gate_2": g2,
                "excitation": c2,
            }
        )
    return out


@pytest.mark.parametrize(
    "options",
    [
        PUBLISHED,
        HGRU(kernel=2, tie_kernels=False, gate="new", excitation="plain"),
        HGRU(kernel=3, symmetric="none", inner_nonlinearity="relu", output_nonlinearity="relu"),
        HGRU(kernel=5, norm=Norm(kind="batch"), symmetric="gradient"),
        HGRU(kernel=3, norm=BATCH, gate_norm=True, adaptation=True),
        HConvGRU(kernel=3),
        HConvGRU(kernel=13),
    ],
)
def test_twin(options):
    cell, drive, state = random_case(options, frame(3, 3))
    theirs = twin(numpy_parameters(cell), drive.numpy(), state["h"].numpy(), 4, options)
    check_twin(unrolled(cell, drive, state, 4), theirs)


def test_scaled_excitation_is_plain_with_other_factors():
    cell, drive, state = random_case(HGRU(kernel=3), frame(3, 3))
    plain, _, _ = random_case(HGRU(kernel=3, excitation="plain"), frame(3, 3))
    with torch.no_grad():
        plain.omega.copy_(cell.omega * cell.gamma)
        plain.gamma.copy_(cell.kappa * cell.gamma)
    for a, b in zip(*(unrolled(c, drive, state, 3) for c in (cell, plain)), strict=True):
        torch.testing.assert_close(a["h"], b["h"])


def test_what_the_second_gate_gives():
    cells = [random_case(HGRU(kernel=3, gate=gate), frame(3, 3)) for gate in ("new", "keep")]
    (new, drive, state), (keep, _, _) = cells
    [a], [b] = (unrolled(cell, drive, state, 1) for cell in (new, keep))
    assert (a["gate_2"] - 0.5).abs().max() > 0.1
    assert (a["h"] - b["h"]).abs().max() > 0.1
    # What one keeps the other lets in, so that a gate of the other sign makes them equal.
    with torch.no_grad():
        for parameter in keep.gate_2.parameters():
            parameter.neg_()
    [b] = unrolled(keep, drive, state, 1)
    torch.testing.assert_close(a["h"], b["h"])
    with torch.no_grad():
        for cell in (new, keep):
            for parameter in cell.gate_2.parameters():
                parameter.zero_()
    [a], [b] = (unrolled(cell, drive, state, 1) for cell in (new, keep))
    assert torch.equal(a["gate_2"], torch.full_like(a["gate_2"], 0.5))
    torch.testing.assert_close(a["h"], b["h"])


def test_tied_kernels_are_one():
    sizes = frame(3, 3)
    tied, drive, state = random_case(HGRU(kernel=3, symmetric="none"), sizes)
    loose, _, _ = random_case(HGRU(kernel=3, symmetric="none", tie_kernels=False), sizes)
    assert counted(tied.options, sizes) == counted(loose.options, sizes) - 81
    weights = tied.state_dict()
    loose.load_state_dict({**weights, "kernels.1": weights["kernels.0"]})
    [a], [b] = (unrolled(cell, drive, state, 1) for cell in (tied, loose))
    assert torch.equal(a["h"], b["h"])


def gradients(cell, drive, state):
    cell.zero_grad()
    unrolled(cell, drive, state, 3)[-1]["h"].square().sum().backward()
    return [kernel.grad.clone() for kernel in cell.kernels]


def test_symmetric_gradient():
    sizes = frame(3, 3)
    free, drive, state = random_case(HConvGRU(kernel=3, symmetric="none"), sizes)
    cell = build_cell(HConvGRU(kernel=3), sizes).double().eval()
    cell.load_state_dict(free.state_dict())
    for a, b in zip(*(unrolled(c, drive, state, 3) for c in (cell, free)), strict=True):
        assert torch.equal(a["h"], b["h"])
    gradient = gradients(free, drive, state)
    assert all((g - g.transpose(0, 1)).abs().max() > 0.01 * g.abs().max() for g in gradient)
    expected = [(g + g.transpose(0, 1)) / 2 for g in gradient]
    # Copies keep the property, whichever way they are made.
    loaded = pickle.loads(pickle.dumps(cell))
    for copied in (cell, copy.deepcopy(cell), loaded):
        for gradient, wanted in zip(gradients(copied, drive, state), expected, strict=True):
            torch.testing.assert_close(gradient, wanted)


def test_fully_symmetric_kernels():
    cell = build_cell(PUBLISHED, frame(3, 3))
    cell.initialise(torch.Generator().manual_seed(7))
    [kernel] = cell.kernels
    torch.testing.assert_close(kernel, kernel.transpose(0, 1))
    cell = fill(cell, seed=1)
    rng = np.random.default_rng(2)
    drive, h = normal(rng, 2, 3, 5, 4), normal(rng, 2, 3, 5, 4)
    [gradient] = gradients(cell, drive, {"h": h})
    torch.testing.assert_close(gradient, gradient.transpose(0, 1))


@pytest.mark.parametrize(("timesteps", "longest"), [(8, 7.0), (1, 1.0), (2, 1.0)])
def test_chronos_biases(timesteps, longest):
    cell = build_cell(PUBLISHED, frame(64, 64, timesteps=timesteps))
    cell.initialise(torch.Generator().manual_seed(7))
    first, second = (gate.bias.detach() for gate in (cell.gate_1, cell.gate_2))
    assert torch.equal(second, -first)
    spans = torch.exp(-first)
    assert spans.min() >= 1 - 1e-6
    assert spans.max() <= longest + 1e-5
    # Of 64 uniform values the mean is within 5 standard errors.
    assert abs(spans.mean() - (1 + longest) / 2) <= 5 * (longest - 1) / np.sqrt(12 * 64) + 1e-6


def test_chronos_biases_as_released():
    cell = build_cell(HConvGRU(kernel=3), frame(64, 64))
    cell.initialise(torch.Generator().manual_seed(7))
    first, second = (gate.bias.detach() for gate in (cell.gate_1, cell.gate_2))
    assert torch.equal(second, -first)
    assert 1 <= first.min() < 1.5 < 6.5 < first.max() <= 7


def test_initial_weights():
    cell = fill(build_cell(HConvGRU(kernel=3, adaptation=True), frame(3, 3)), seed=1)
    cell.initialise(torch.Generator().manual_seed(7))
    p = numpy_parameters(cell)
    for name in ("kernels.0", "kernels.1", "gate_1.weight", "gate_2.weight"):
        rows = p[name].reshape(3, -1)
        np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
    assert not np.allclose(p["kernels.0"], p["kernels.1"])
    factors = {"alpha": 0.1, "mu": 1, "kappa": 0.5, "gamma": 1, "omega": 0.5, "eta": 1}
    for name, value in factors.items():
        assert np.all(p[name] == value), name
    norm = build_cell(HConvGRU(kernel=3), frame(3, 3)).norms[1].norms[0]
    assert torch.all(norm.weight == 0.1)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (HGRU(), None),
        (PUBLISHED, 4),
        (HConvGRU(), 4),
        (HConvGRU(norm=Norm(kind="batch")), None),
        (HConvGRU(norm=None), None),
    ],
)
def test_how_long_it_can_run(options, limit):
    assert build_cell(options, frame(3, 3)).max_timesteps == limit


def test_drive_of_other_width():
    with pytest.raises(ValueError, match=r"'hconvgru' .* got 2 in the drive and 3 in the state"):
        build_cell(HConvGRU(), frame(2, 3))


def test_every_parameter_counts():
    for options in (PUBLISHED, HConvGRU(kernel=3)):
        cell, drive, state = random_case(options, frame(3, 3))
        unrolled(cell, drive, state, 4)[-1]["h"].square().sum().backward()
        for name, parameter in cell.named_parameters():
            assert parameter.grad.any(), name


def test_parameters_of_the_published_models():
    # The norm of the output, 2 parameters per channel, belongs to what follows the cell.
    assert counted(HConvGRU(kernel=9), frame(32, 32, timesteps=12)) + 2 * 32 == 171_296
    mazes = counted(HConvGRU(kernel=5), frame(64, 64, timesteps=15))
    assert 22_816 + mazes + 2 * 64 == 244_064
    # One kernel of 15 x 15 among 25 channels, two gates, five factors, and one per timestep.
    published = counted(HGRU(adaptation=True), frame(25, 25, timesteps=8))
    assert published == 25 * 25 * 225 + 2 * (25 * 25 + 25) + 5 * 25 + 8
