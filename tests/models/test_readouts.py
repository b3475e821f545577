"""From the logits of all timesteps to one answer."""

import inspect
import typing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from scipy.stats import entropy as scipy_entropy

from neurorec.models.parts import Readout
from neurorec.models.readouts import (
    OVER_TIME,
    TimeSoftmax,
    cumulative,
    entropy,
    last,
    max_confidence,
    threshold,
    time_max,
    w_avg,
    w_time_avg,
)

#: A threshold for every rule that has one.
THRESHOLDS = {"threshold": 0.8, "entropy": 0.5}
N_TIMESTEPS, N_TRIALS, N_CLASSES = 5, 40, 4


def decide(rule, logits):
    given_threshold = [THRESHOLDS[rule]] if rule in THRESHOLDS else []
    return OVER_TIME[rule](logits, *given_threshold)


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(3)
    shape = (N_TIMESTEPS, N_TRIALS, N_CLASSES)
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def of_certainty(*maxima):
    """Logits (timestep, 1, 2) whose softmax maximum is as given, the first class being likelier."""
    p = torch.tensor(maxima, dtype=torch.float64)
    return torch.stack([p.log(), (1 - p).log()], dim=-1)[:, None]


def test_every_rule_of_a_wiring_is_known():
    names = set(typing.get_args(Readout.model_fields["over_time"].annotation))
    assert names == set(OVER_TIME) | {"softmax", "halting"}
    with_threshold = {n for n, f in OVER_TIME.items() if len(inspect.signature(f).parameters) == 2}
    assert with_threshold == set(THRESHOLDS)


@pytest.mark.parametrize("rule", OVER_TIME)
def test_each_trial_is_answered_alone(rule, logits):
    together = decide(rule, logits)
    for trial in (0, 7):
        alone = decide(rule, logits[:, trial : trial + 1])
        torch.testing.assert_close(alone.logits[0], together.logits[trial])
        assert alone.timestep[0] == together.timestep[trial]


@pytest.mark.parametrize("rule", OVER_TIME)
def test_of_one_timestep_every_rule_gives_its_logits(rule, logits):
    decision = decide(rule, logits[:1])
    torch.testing.assert_close(decision.logits, logits[0])
    assert decision.timestep.tolist() == [0] * N_TRIALS


@pytest.mark.parametrize("rule", OVER_TIME)
def test_gradients_reach_the_logits(rule, logits):
    logits.requires_grad_()
    decide(rule, logits).logits.sum().backward()
    assert (logits.grad.abs().sum(dim=(0, 2)) > 0).all()


@pytest.mark.parametrize("rule", OVER_TIME)
def test_labels_per_pixel(rule, logits):
    # Maps of equal pixels are answered as one of these pixels is.
    decision = decide(rule, logits[..., None, None].expand(*logits.shape, 2, 3))
    expected = decide(rule, logits)
    assert decision.logits.shape == (N_TRIALS, N_CLASSES, 2, 3)
    torch.testing.assert_close(decision.logits[..., 1, 2], expected.logits)
    assert torch.equal(decision.timestep, expected.timestep)


def test_confidence_of_a_map_is_the_mean_over_pixels():
    # Pixels (timestep, pixel): the second timestep has the higher mean, the first the maximum.
    pixels = [of_certainty(0.99, 0.8), of_certainty(0.51, 0.8)]
    assert max_confidence(torch.stack(pixels, dim=-1)).timestep.item() == 1


def test_last_and_cumulative(logits):
    assert torch.equal(last(logits).logits, logits[4])
    torch.testing.assert_close(cumulative(logits).logits, sum(logits))
    assert last(logits).timestep.tolist() == cumulative(logits).timestep.tolist() == [4] * N_TRIALS


def test_most_confident_timestep():
    decision = max_confidence(of_certainty(0.6, 0.9, 0.7, 0.9))
    assert decision.timestep.item() == 1  # the first of equals
    torch.testing.assert_close(decision.logits, of_certainty(0.9)[0])


@pytest.mark.parametrize("rule", ["max_confidence", "threshold", "entropy", "time_max"])
def test_what_classes_share_does_not_decide(rule, logits):
    shift = 50.0 * torch.arange(N_TIMESTEPS, dtype=torch.float64).flip(0).view(-1, 1, 1)
    assert torch.equal(decide(rule, logits + shift).timestep, decide(rule, logits).timestep)
    seen = decide(rule, logits + shift).logits.diff(dim=1)
    if rule != "time_max":  # whose classes are of different timesteps
        torch.testing.assert_close(seen, decide(rule, logits).logits.diff(dim=1))


@pytest.mark.parametrize(
    ("level", "timestep"), [(0.6, 0), (0.75, 1), (0.9, 1), (0.95, 3), (1.0, 3), (1, 3)]
)
def test_first_timestep_above_a_threshold(level, timestep):
    maxima = (0.65, 0.9000001, 0.7, 0.8)
    decision = threshold(of_certainty(*maxima), level)
    assert decision.timestep.item() == timestep
    torch.testing.assert_close(decision.logits, of_certainty(maxima[timestep])[0])


def test_a_threshold_is_reached_where_it_is_equalled():
    assert threshold(torch.zeros(3, 1, 4), 0.25).timestep.item() == 0


def test_reaction_time_is_when_the_cumulative_entropy_is_low(logits):
    level = 0.5
    decision = entropy(logits, level)
    summed = np.cumsum(logits.numpy(), axis=0)
    nats = scipy_entropy(softmax(summed, axis=2), axis=2)  # (timestep, trial)
    for trial in range(N_TRIALS):
        reached = np.flatnonzero(nats[:, trial] < level)
        timestep = reached[0] if len(reached) else N_TIMESTEPS - 1
        assert decision.timestep[trial] == timestep
        np.testing.assert_allclose(decision.logits[trial], summed[timestep, trial])
    assert len(set(decision.timestep.tolist())) > 2


def test_entropy_of_equal_classes_is_the_logarithm_of_their_number():
    equal = torch.zeros(3, 1, 8, dtype=torch.float64)
    assert entropy(equal, np.log(8) + 1e-9).timestep.item() == 0
    assert entropy(equal, np.log(8) - 1e-9).timestep.item() == 2
    # A class that is certain has the entropy 0, not an undefined one.
    certain = torch.tensor([[[1e4, 0.0]]])
    assert entropy(certain.expand(3, 1, 2), 1e-6).timestep.item() == 0


def test_averages_against_loops(logits):
    x = logits.numpy()
    p = np.exp(x - logsumexp(x, axis=2, keepdims=True))
    decoded = {rule: decide(rule, logits).logits.numpy() for rule in OVER_TIME}
    for trial in range(N_TRIALS):
        certainty = np.exp(p[:, trial].max(axis=1))
        expected = sum(w * v for w, v in zip(certainty, x[:, trial], strict=True)) / certainty.sum()
        np.testing.assert_allclose(decoded["w_time_avg"][trial], expected)
        for k in range(N_CLASSES):
            course = x[:, trial, k]
            weights = np.exp(course) / np.exp(course).sum()
            np.testing.assert_allclose(decoded["w_avg"][trial, k], (weights * course).sum())
            best = p[:, trial, k].argmax()
            np.testing.assert_allclose(decoded["time_max"][trial, k], course[best])


@given(st.lists(st.floats(0.5, 0.999), min_size=1, max_size=6), st.floats(0.5, 1))
def test_higher_thresholds_answer_no_earlier(maxima, level):
    logits = of_certainty(*maxima)
    early, late = threshold(logits, 0.9 * level), threshold(logits, level)
    assert early.timestep <= late.timestep <= len(maxima) - 1


@pytest.mark.parametrize("level", [None, 0.0, 1.1, float("nan"), -1])
def test_wrong_thresholds(level):
    with pytest.raises(
        ValueError, match=r"a threshold in \(0, 1\], got (None|0.0|1.1|nan|-1); 0.9"
    ):
        threshold(torch.zeros(2, 1, 2), level)


@pytest.mark.parametrize("level", [None, 0.0, float("nan"), -1])
def test_wrong_entropies(level):
    with pytest.raises(
        ValueError, match=r"in nats, .* above 0, got (None|0.0|nan|-1); the entropy"
    ):
        entropy(torch.zeros(2, 1, 2), level)


def test_softmax_over_time():
    average = TimeSoftmax(3)
    x = torch.arange(6.0).view(3, 2, 1)
    torch.testing.assert_close(average(x), torch.tensor([[2.0], [3.0]]))  # the mean at first
    with torch.no_grad():
        average.weight.copy_(torch.tensor([1.0, 2.0, 5.0]).log())
    torch.testing.assert_close(average(x), torch.tensor([[24 / 8], [32 / 8]]))
    # Over the two timesteps there are, the weights 1/3 and 2/3.
    torch.testing.assert_close(average(x[:2]), torch.tensor([[4 / 3], [7 / 3]]))
    assert average(torch.rand(3, 2, 4, 5, 6)).shape == (2, 4, 5, 6)


def test_softmax_over_time_learns():
    average = TimeSoftmax(3)
    x = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    average(x).sum().backward()
    assert average.weight.grad[1] > 0 > average.weight.grad[0]


def test_softmax_over_time_of_more_timesteps_than_were_learned():
    with pytest.raises(
        ValueError, match=r"a weight for each of 3 timesteps .* other 2 of 5; run 3"
    ):
        TimeSoftmax(3)(torch.zeros(5, 1, 2))
    with pytest.raises(ValueError, match="at least 1 timestep, got 0"):
        TimeSoftmax(0)


def test_rules_are_the_functions_of_their_names():
    functions = (last, cumulative, max_confidence, threshold, entropy, time_max, w_avg, w_time_avg)
    assert {f.__name__: f for f in functions} == dict(OVER_TIME)
