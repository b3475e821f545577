"""What an unroll may leave out, compute again or stop early, and that nobody notices."""

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from neurorec.models import CELLS, RecurrentNetwork, build
from neurorec.models.halting import halting_weights
from neurorec.models.network import Memo

from .small import FLOAT64, built, chain, joined, responses, wired

EPSILON = 0.3
#: Fields of a wiring of three areas that make of it what the systems of the field are.
SYSTEMS = {
    "sweep": {},
    "biological": {},
    "on and off": {"on_timesteps": 2, "off_value": 0.5},
    "completion": {"schedule": "area_to_completion", "timesteps": 8},
    "halting": {"halting": {"epsilon": EPSILON}, "readout": {"area": "c", "over_time": "halting"}},
}


def system(name: str, **area):
    """Three areas that hear each other and themselves, or run one after the other."""
    area = {"nonlinearity": "tanh", "channels": 4, **area}
    areas = {x: dict(area) for x in "abc"}
    connections = [joined("image", "a"), joined("a", "b"), joined("b", "c")]
    connections += [joined(x, x, 1) for x in areas]
    if name == "completion":
        for x, n in zip(areas, (2, 2, 4), strict=True):
            areas[x] |= {"iterations": n}
    else:
        connections += [
            joined("c", "a", 1, kind="feedback"),
            joined("a", "c", 2, kind="skip", starts=1),
        ]
    wiring = wired(areas, connections, input_size=5, classes=3, **SYSTEMS[name])
    return wiring.unrolled("biological") if name == "biological" else wiring


def static_and_frames(network, x, timesteps):
    """Final states of an unroll of an image, and of one of as many copies of it."""
    frames = x.expand(timesteps, *x.shape).clone()
    for shown in (x, frames):
        *_, (_, state) = network.unroll(shown, timesteps)
        yield state


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_static_image_is_a_film_of_it(name):
    network = built(system(name))
    x = torch.rand(2, 3, 5, 5, **FLOAT64)
    assert_close(*static_and_frames(network, x, network.wiring.timesteps))


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_a_static_image_is_a_film_of_it_to_every_cell(kind):
    area = {"cell": {"kind": kind}, "cold_start": "drive" if kind == "residual" else "zeros"}
    network = built(chain(2, area=area, input_size=6, timesteps=4))
    assert_close(*static_and_frames(network, torch.rand(2, 3, 6, 6, **FLOAT64), 4))


def test_a_static_image_is_a_film_of_it_with_noise_on():
    wiring = system("sweep", noise={"p": 0.3, "place": "drive"})
    network = built(wiring)
    x, seeds = torch.rand(2, 3, 5, 5, **FLOAT64), torch.tensor([3, 4])
    logits = [
        network(shown, state=network.init_state(2, trial_seeds=seeds))
        for shown in (x, x.expand(8, *x.shape).clone())
    ]
    assert_close(*logits)
    assert not torch.equal(logits[0], network(x))


def test_a_static_image_is_a_film_of_it_in_training():
    network = built(system("sweep", norm="batch")).train()
    x = torch.rand(3, 3, 5, 5, **FLOAT64)
    assert_close(network(x), network(x.expand(8, *x.shape).clone()))


def flops(network, x, timesteps):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x, timesteps=timesteps)
    return counter.get_total_flops()


@pytest.mark.parametrize("timesteps", [1, 4])
def test_what_depends_on_the_image_alone_is_computed_once(timesteps):
    # Multiplications and additions of a 3 x 3 convolution of 5 x 5 pixels from and to 3 channels.
    convolution = 2 * 5 * 5 * 3 * 3 * 9
    readout = 2 * 3 * 10
    further = [joined("a0", "a0", 1)]
    network = built(chain(1, further=further, area={"kernel": 3}, input_size=5))
    x = torch.rand(1, 3, 5, 5, **FLOAT64)
    each = convolution + readout
    assert flops(network, x, timesteps) == timesteps * each + convolution
    assert flops(network, x.expand(timesteps, *x.shape), timesteps) == timesteps * (
        each + convolution
    )


def test_a_cell_prepares_a_constant_drive_once():
    network = built(chain(1, area={"kernel": 3, "cell": "conv_gru"}, input_size=5))
    x = torch.rand(1, 3, 5, 5, **FLOAT64)
    convolution = 2 * 5 * 5 * 3 * 3 * 9
    # The link, three convolutions of the drive; and at every timestep three of the state.
    assert flops(network, x, 4) == (1 + 3 + 4 * 3) * convolution + 4 * 2 * 3 * 10


def test_an_area_that_has_stopped_is_not_listened_to_again():
    network = built(system("completion"))
    x = torch.rand(1, 3, 5, 5, **FLOAT64)
    link = network.areas["b"].links["a_0"]
    calls = []
    link.register_forward_hook(lambda *_: calls.append(1))
    network(x)
    assert len(calls) == 1


def test_a_memo_knows_objects_not_values():
    memo, calls = Memo(), []

    def double(x):
        calls.append(x)
        return 2 * x

    x = torch.ones(2)
    first = memo("key", double, x)
    assert memo("key", double, x) is first
    assert memo("other", double, x) is not first
    assert memo("key", double, x.clone()) is not first
    assert len(calls) == 3


@pytest.mark.parametrize("every", [1, 2, 3, 8, 20])
def test_segments_computed_again_give_the_same_logits_and_gradients(every):
    network = built(system("sweep")).train()
    x = torch.rand(2, 3, 5, 5, **FLOAT64)
    gradients = []
    for checkpoint_every in (None, every):
        network.zero_grad()
        logits = network(x, checkpoint_every=checkpoint_every)
        logits.square().sum().backward()
        gradients.append([logits.detach(), *(p.grad.clone() for p in network.parameters())])
    for plain, again in zip(*gradients, strict=True):
        assert_close(again, plain)
    assert all(g.count_nonzero() for g in gradients[0])


def test_segments_of_a_film_with_noise_on():
    network = built(system("sweep", noise={"p": 0.3})).train()
    frames, seeds = torch.rand(8, 2, 3, 5, 5, **FLOAT64), torch.tensor([3, 4])
    logits = [
        network(frames, state=network.init_state(2, trial_seeds=seeds), checkpoint_every=every)
        for every in (None, 3)
    ]
    assert_close(*logits)


def test_segments_keep_less_for_the_backward_pass():
    network = built(system("sweep")).train()
    x = torch.rand(2, 3, 5, 5, **FLOAT64)
    kept = []
    for every in (None, 4):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t
        ):
            network(x, checkpoint_every=every)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


@pytest.mark.parametrize(("every", "n_segments"), [(1, 8), (3, 3), (8, 1), (20, 1)])
def test_segments_have_so_many_timesteps(every, n_segments, monkeypatch):
    segments = []

    def checkpoint(function, frames, n_timesteps, *arguments, **options):
        segments.append(n_timesteps)
        return function(frames, n_timesteps, *arguments)

    monkeypatch.setattr("neurorec.models.network.checkpoint", checkpoint)
    built(system("sweep"))(torch.rand(1, 3, 5, 5, **FLOAT64), checkpoint_every=every)
    assert len(segments) == n_segments
    assert (max(segments), sum(segments)) == (min(every, 8), 8)


@pytest.mark.parametrize("every", [0, -1])
def test_segments_have_a_length(every):
    with pytest.raises(ValueError, match=f"checkpoint_every must be at least 1, got {every}"):
        build("greco2025-ff", input_size=8)(torch.rand(1, 3, 8, 8), checkpoint_every=every)


def halting(bias: float, **fields):
    network = built(system("halting").model_copy(update={"timesteps": 8, **fields}), seed=1)
    torch.nn.init.normal_(network.halting.weight, std=0.05)
    torch.nn.init.constant_(network.halting.bias, bias)
    return network


def test_the_answer_is_weighted_by_the_probabilities_of_halting():
    network = halting(-1.0).train()
    x = torch.rand(4, 3, 5, 5, **FLOAT64)
    logits, p = network.outputs(x)
    states = [s for _, s in network.unroll(x, 8)]
    expected = torch.stack(
        [torch.sigmoid(s["c"]["h"].mean(dim=(2, 3)) @ network.halting.weight - 1) for s in states]
    )
    assert_close(p, expected)
    halted = halting_weights(p, EPSILON)
    assert_close(halted.weights.sum(dim=0), torch.ones(4, **FLOAT64))
    decision = network.answer(x)
    assert_close(decision.logits, (halted.weights[..., None] * logits).sum(dim=0))
    assert decision.timestep.tolist() == (halted.n_timesteps - 1).tolist()


@pytest.mark.parametrize("every", [None, 1, 3])
def test_time_after_all_have_halted_does_not_matter(every):
    network = halting(-1.0)  # p is about 0.27
    x = torch.rand(4, 3, 5, 5, **FLOAT64)
    whole, p = network.train().outputs(x)
    short, q = network.eval().outputs(x, checkpoint_every=every)
    assert (len(short), len(whole)) == (3, 8)
    assert_close(short, whole[: len(short)])
    # The first timestep at which all have.
    assert (p[: len(short) - 1].sum(dim=0) < 1 - EPSILON).any()
    assert (q.sum(dim=0) >= 1 - EPSILON).all()
    assert (q.sum(dim=0) < 1).all()
    for a, b in zip(network.decide(whole, p), network.decide(short, q), strict=True):
        assert_close(a, b)


def test_another_area_may_say_when_to_stop():
    fields = {"halting": {"area": "a"}, "readout": {"area": "c", "over_time": "halting"}}
    network = built(
        wired({"a": {"channels": 4}, "c": {}}, [joined("image", "a"), joined("a", "c")], **fields)
    )
    torch.nn.init.normal_(network.halting.weight)
    _, state = next(network.unroll(torch.rand(2, 3, 1, 1, **FLOAT64), 1))
    expected = torch.sigmoid(state["a"]["h"].mean(dim=(2, 3)) @ network.halting.weight - 1)
    assert_close(state["halting"]["p"], expected)


def test_a_network_that_halts_gives_one_label_per_pixel_too():
    wiring = system("halting").model_dump() | {
        "readout": {"area": "c", "pool": "none", "over_time": "halting"}
    }
    network = RecurrentNetwork(type(system("sweep")).model_validate(wiring)).eval()
    x = torch.rand(2, 3, 5, 5)
    logits, p = network.outputs(x)
    weights = halting_weights(p, EPSILON).weights
    expected = torch.einsum("ti,tikrc->ikrc", weights, logits)
    assert_close(network.answer(x).logits, expected)


def test_logits_without_probabilities_are_no_answer_of_a_network_that_halts():
    network = halting(-1.0)
    with pytest.raises(ValueError, match=r"halting.*outputs"):
        network.decide(network(torch.rand(1, 3, 5, 5, **FLOAT64)))


def test_what_is_not_recorded_is_not_there():
    assert network_states(system("sweep")) == {"h", "h_1"}
    assert network_states(system("halting"), "b") == {"h"}


def network_states(wiring, area="a"):
    network = built(wiring)
    x = torch.rand(1, 3, 5, 5, **FLOAT64)
    return set(next(network.unroll(x, 1))[1][area])


def test_responses_are_of_every_timestep():
    network = built(system("sweep"))
    assert responses(network, torch.rand(1, 3, 5, 5, **FLOAT64), 3, "a").shape == (3, 1, 4, 5, 5)


#: A preset of each family, and the smallest image that its maps allow, roughly.
FAMILIES = {
    "greco2025-fb-dropout": 16,
    "nayebi2018-rgc-shallow": 80,
    "cornet-rt": 32,
    "cornet-s": 64,
    "bl-spoerer2020": 64,
    "blt-ccn23": 64,
    "blt-vs": 64,
    "blt-vs-bio": 64,
    "veerabadran2023-locrnn-mazes": 16,
    "veerabadran2023-hconvgru-pathfinder": 32,
    "veerabadran2023-locrnn-pathfinder-act": 32,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_static_image_is_a_film_of_it_to_every_family(name):
    size = FAMILIES[name]
    network = build(name, input_size=size, classes=20 if "blt" in name else 2).eval()
    wiring = network.wiring
    x = torch.rand(1, wiring.input_channels, size, size)
    timesteps = 8 if wiring.schedule == "sweep" else wiring.timesteps
    with torch.no_grad():
        states = list(static_and_frames(network, x, timesteps))
    for area in network.area_shapes:
        assert_close(states[0][area]["h"], states[1][area]["h"], rtol=1e-4, atol=1e-5)
    assert states[0][wiring.readout.area]["h"].any()
