"""What counts in the running moments of batch norms, and what does not."""

import copy

import pytest
import torch
from torch.testing import assert_close

from neurorec.models import RecurrentNetwork

from .small import FLOAT64, built, chain, joined, wired

FILM = torch.rand(6, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0), **FLOAT64)
MOMENTS = ("running_mean", "running_var", "num_batches_tracked")


def moments(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {n: x.clone() for n, x in network.named_buffers() if n.endswith(MOMENTS)}


def normed(frozen=False, link_frozen=False) -> RecurrentNetwork:
    """Two areas: the lower with norms of its drive and of a connection, the upper of its cell."""
    cell = {"kind": "simple_rnn", "norm": "batch"}
    areas = {"a": {"norm": "batch", "frozen": frozen}, "b": {"cell": cell}}
    climbing = joined("a", "b", norm="batch", frozen=link_frozen)
    wiring = wired(
        areas,
        [joined("image", "a"), joined("a", "a", 1, norm="batch"), climbing],
        input_size=5,
        timesteps=6,
        readout={"area": "b", "norm": "batch"},
    )
    return built(wiring).train()


def predicting(frozen=False, prediction_frozen=False) -> RecurrentNetwork:
    """The upper of two areas predicts the lower, and what it misses corrects it."""
    wiring = wired(
        {
            "a": {"norm": "batch", "frozen": frozen},
            "b": {"frozen": frozen, "pc_update": {"feedforward": 0.5, "error": 3.0}},
        },
        [
            joined("image", "a"),
            joined("a", "b", norm="batch"),
            joined("b", "a", 1, norm="batch", frozen=prediction_frozen)
            | {"kind": "feedback", "role": "prediction"},
        ],
        input_size=5,
        timesteps=6,
    )
    return built(wiring).train()


@pytest.mark.parametrize("made", [normed, predicting])
@pytest.mark.parametrize("every", [1, 4])
def test_a_segment_that_is_computed_again_counts_once(made, every):
    plain, again = made(), made()
    for network, checkpoint_every in ((plain, None), (again, every)):
        network(FILM, checkpoint_every=checkpoint_every).square().sum().backward()
    assert_close(moments(again), moments(plain))
    counts = [x for n, x in moments(plain).items() if n.endswith("num_batches_tracked")]
    assert counts
    assert all(count == 6 for count in counts)
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert_close(one.grad, other.grad)


def test_moments_are_the_network_s_own_after_a_computation_that_fails():
    network = normed()
    own = {id(x) for x in network.buffers()}
    logits = network(FILM, checkpoint_every=2)

    def stop(*_):
        raise RuntimeError("stopped")

    network.areas["b"].cell.register_forward_pre_hook(stop)
    with pytest.raises(RuntimeError, match="stopped"):
        logits.sum().backward()
    assert {id(x) for x in network.buffers()} == own


def changed(network: RecurrentNetwork) -> set[str]:
    """Areas and links whose moments a pass in training changes."""
    before = moments(network)
    network(FILM)
    after = moments(network)
    return {n.rpartition(".norms.")[0] for n in after if not torch.equal(after[n], before[n])}


ALL = {
    "areas.a.norm",
    "areas.a.links.a_1.norm",
    "areas.b.links.a_0.norm",
    "areas.b.cell.norm",
    "decoder.norm",
}
OF_A = {"areas.a.norm", "areas.a.links.a_1.norm"}


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ({}, set()),
        ({"frozen": True}, OF_A),
        ({"link_frozen": True}, {"areas.b.links.a_0.norm"}),
        ({"frozen": 2, "link_frozen": 1}, {*OF_A, "areas.b.links.a_0.norm"}),
    ],
    ids=["none", "area", "link", "both"],
)
def test_what_is_frozen_keeps_its_moments(options, held):
    network = normed(**options)
    assert changed(network) == ALL - held
    # Whoever goes from test to training, or copies the network, finds it frozen still.
    assert changed(copy.deepcopy(network.eval()).train()) == ALL - held


def test_a_prediction_is_frozen_and_trained_by_itself():
    areas, prediction = {"areas.a.norm", "areas.b.links.a_0.norm"}, {"areas.b.prediction.norm"}
    assert changed(predicting()) == areas | prediction
    assert changed(predicting(frozen=True)) == prediction
    assert changed(predicting(prediction_frozen=True)) == areas
    assert changed(predicting(frozen=True, prediction_frozen=True)) == set()
    released = predicting(frozen=True, prediction_frozen=1)
    released.eval().freeze(1)
    assert changed(released) == set()
    assert changed(released.train()) == prediction


def test_what_is_released_has_its_moments_change_again():
    network = normed(frozen=2, link_frozen=1)
    network.freeze(1)
    assert changed(network) == ALL - OF_A
    network.freeze(2)
    assert changed(network) == ALL
    network.eval().freeze(0)
    assert not any(module.training for module in network.modules())
    assert changed(network) == set()


def test_a_frozen_norm_norms_by_the_moments_it_has():
    network = built(chain(1, area={"norm": "batch", "frozen": True}, input_size=5, timesteps=1))
    norm = network.areas["a0"].norm.norms[0]
    torch.nn.init.constant_(norm.running_mean, 0.25)
    torch.nn.init.constant_(norm.running_var, 4.0)
    tested = network(FILM[0])
    assert_close(network.train()(FILM[0]), tested)
