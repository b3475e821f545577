"""Adaptive computation time, against Graves's algorithm written as a loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurorec.models.halting import HaltingUnit, halting_weights, ponder_cost
from neurorec.models.parts import Halting

EPSILON = 0.01
PROBABILITIES = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(0, 1)
)


def graves(p, epsilon):
    """Weights, number of steps and remainder of one trial."""
    weights, accumulated = [0.0] * len(p), 0.0
    for n, probability in enumerate(p):
        if accumulated + probability >= 1 - epsilon or n == len(p) - 1:
            weights[n] = 1 - accumulated
            return weights, n + 1, 1 - accumulated
        weights[n] = probability
        accumulated += probability
    raise AssertionError("every trial halts at its last step")


@given(PROBABILITIES, st.sampled_from([0.01, 0.1, 0.5]))
def test_graves_loop(p, epsilon):
    halted = halting_weights(torch.tensor(p), epsilon)
    for trial in range(p.shape[1]):
        weights, n, remainder = graves(p[:, trial].tolist(), epsilon)
        assert halted.n_timesteps[trial] == n
        np.testing.assert_allclose(halted.weights[:, trial], weights, atol=1e-12)
        np.testing.assert_allclose(halted.remainder[trial], remainder, atol=1e-12)


@given(PROBABILITIES)
def test_weights_sum_to_one(p):
    halted = halting_weights(torch.tensor(p), EPSILON)
    np.testing.assert_allclose(halted.weights.sum(dim=0), 1, atol=1e-12)
    assert (halted.weights >= 0).all()
    assert ((halted.n_timesteps >= 1) & (halted.n_timesteps <= len(p))).all()
    late = torch.arange(len(p))[:, None] >= halted.n_timesteps
    assert (halted.weights[late] == 0).all()


@pytest.mark.parametrize("p", [0.04, 0.1, 0.2, 0.34, 0.5, 0.98, 1.0])
def test_constant_probability(p):
    # None of these divides 1 - epsilon, where rounding would decide.
    halted = halting_weights(torch.full((50, 3), p), EPSILON)
    n = math.ceil((1 - EPSILON) / p)
    assert halted.n_timesteps.tolist() == [n] * 3
    torch.testing.assert_close(halted.remainder, torch.full((3,), 1 - (n - 1) * p))


def test_a_sum_that_just_reaches_the_bound_is_enough():
    assert halting_weights(torch.full((4, 1), 0.5), 0.5).n_timesteps.item() == 1
    assert halting_weights(torch.full((4, 1), 0.25), 0.25).n_timesteps.item() == 3


def test_time_runs_out():
    halted = halting_weights(torch.full((4, 1), 0.1), EPSILON)
    assert halted.n_timesteps.item() == 4
    torch.testing.assert_close(halted.weights[:, 0], torch.tensor([0.1, 0.1, 0.1, 0.7]))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_one_timestep_is_the_model_without_halting(p):
    halted = halting_weights(torch.full((1, 2), p), EPSILON)
    assert halted.weights.tolist() == [[1.0, 1.0]]
    assert ponder_cost(halted).tolist() == [2.0, 2.0]


def test_further_timesteps_change_nothing_once_all_have_halted():
    p = torch.tensor([[0.5, 0.2], [0.6, 0.3], [0.3, 0.6], [0.9, 0.9]])
    short, long = halting_weights(p[:3], EPSILON), halting_weights(p, EPSILON)
    assert torch.equal(long.n_timesteps, short.n_timesteps)
    assert torch.equal(long.weights[:3], short.weights)


def test_gradient_against_finite_differences():
    p = torch.tensor([[0.2, 0.5, 0.1], [0.3, 0.3, 0.1], [0.4, 0.9, 0.1], [0.6, 0.1, 0.1]])
    p = p.double().requires_grad_()
    outputs = torch.rand(4, 3, dtype=torch.float64)
    assert halting_weights(p, EPSILON).n_timesteps.tolist() == [4, 3, 4]

    def loss(p):
        halted = halting_weights(p, EPSILON)
        return (halted.weights * outputs).sum() + 0.3 * ponder_cost(halted).sum()

    assert torch.autograd.gradcheck(loss, p)


def test_gradient_of_the_ponder_cost_is_that_of_the_remainder():
    p = torch.tensor([[0.4], [0.4], [0.4], [0.4]], requires_grad=True)
    halted = halting_weights(p, EPSILON)
    torch.testing.assert_close(ponder_cost(halted), torch.tensor([3 + 0.2]))
    ponder_cost(halted).sum().backward()
    assert p.grad[:, 0].tolist() == [-1, -1, 0, 0]


def test_halting_weights_depend_on_nothing_else(device):
    p = torch.rand(6, 5, generator=torch.Generator().manual_seed(0))
    seen = halting_weights(p.to(device), EPSILON)
    for ours, expected in zip(seen, halting_weights(p, EPSILON), strict=True):
        torch.testing.assert_close(ours.cpu(), expected)


@pytest.mark.parametrize("epsilon", [0.0, 1.0, -0.1])
def test_wrong_epsilon(epsilon):
    with pytest.raises(ValueError, match=f"epsilon must be between 0 and 1, got {epsilon}; 0.01"):
        halting_weights(torch.rand(3, 2), epsilon)


def test_no_timestep():
    with pytest.raises(ValueError, match="at least 1 timestep, got 0"):
        halting_weights(torch.rand(0, 2), EPSILON)


def test_unit_is_a_logistic_function_of_the_spatial_mean():
    unit = HaltingUnit(2, Halting(bias=-2.0)).double()
    with torch.no_grad():
        unit.weight.copy_(torch.tensor([1.0, -0.5]))
    h = torch.rand(3, 2, 4, 5, dtype=torch.float64)
    mean = h.mean(dim=(2, 3))
    expected = 1 / (1 + torch.exp(-(mean[:, 0] - 0.5 * mean[:, 1] - 2)))
    torch.testing.assert_close(unit(h), expected)


def test_first_weights():
    unit = HaltingUnit(16, Halting(bias=-3.0))
    h = torch.rand(5, 16, 2, 2)
    torch.testing.assert_close(unit(h), torch.full((5,), 1 / (1 + math.exp(3))))
    unit.initialise(torch.Generator().manual_seed(1))
    first = unit.weight.clone()
    assert 0 < first.abs().max() < 0.05
    assert unit.bias.item() == -3
    torch.nn.init.ones_(unit.bias)
    unit.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(unit.weight, first)
    assert unit.bias.item() == -3


def test_unit_learns_to_stop():
    unit = HaltingUnit(2, Halting())
    p = torch.stack([unit(torch.rand(3, 2, 4, 4)) for _ in range(6)])
    ponder_cost(halting_weights(p, EPSILON)).sum().backward()
    assert unit.bias.grad < 0  # a smaller cost is a larger bias
