"""Hard selection of channels, weights of single timesteps, and projections of states."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurorec.models import RecurrentNetwork, build
from neurorec.models.masks import committed, top_k_mask


def changed(**changes):
    """The feedback network on small images, with fields of one area or connection changed."""
    base = build("greco2025-fb", input_size=8).wiring.model_dump()
    for key, fields in changes.items():
        entries = base["connections" if "_" in key else "areas"]
        for entry in entries:
            name = entry.get("name") or f"{entry.get('source')}_{entry.get('target')}"
            if name == key:
                entry.update(fields)
    return RecurrentNetwork(type(build("greco2025-fb").wiring).model_validate(base)).double()


@given(st.integers(1, 6), st.integers(0, 1000))
def test_exactly_k_are_chosen_and_they_are_the_largest(k, seed):
    scores = torch.rand(4, 6, generator=torch.Generator().manual_seed(seed))
    mask = top_k_mask(scores, k)
    assert mask.sum(dim=1).tolist() == [k] * 4
    assert scores[mask].view(4, k).amin() >= 0
    for row, chosen in zip(scores, mask, strict=True):
        assert chosen.all() or row[chosen].min() >= row[~chosen].max()


@pytest.mark.parametrize("k", [0, 7])
def test_more_channels_than_there_are(k):
    with pytest.raises(ValueError, match=f"k must be from 1 to the 6 channels there are, got {k}"):
        top_k_mask(torch.rand(2, 6), k)


def test_what_is_not_taken_over_keeps_its_value_and_gets_no_gradient(rng):
    new = {"h": torch.tensor(rng.random((2, 5, 3, 3)), requires_grad=True)}
    old = {"h": torch.tensor(rng.random((2, 5, 3, 3)))}
    state = committed(new, old, ("h",), 2)
    active = state["active"][:, :, None, None].expand(2, 5, 3, 3)
    assert torch.equal(state["h"][~active], old["h"][~active])
    assert torch.equal(state["h"][active], new["h"][active])
    state["h"].sum().backward()
    assert torch.equal(new["h"].grad, active.double())


def test_a_network_updates_only_its_active_channels():
    network = changed(a2={"active_channels": 5})
    image = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    before = network.init_state(3)["a2"]["h"]
    for _, state in network.unroll(image, 4):
        same = (state["a2"]["h"] == before).all(dim=(2, 3))
        assert state["a2"]["active"].sum(dim=1).tolist() == [5, 5, 5]
        assert same[~state["a2"]["active"]].all()
        before = state["a2"]["h"]


def test_all_channels_active_is_the_plain_network():
    plain, masked = changed(), changed(a2={"active_channels": 32})
    masked.load_state_dict(plain.state_dict())
    image = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    assert torch.equal(plain(image), masked(image))


def test_weights_of_single_timesteps():
    shared, single = changed(), changed(a2_a2={"weights": "per_step"})
    link = single.areas["a2"].links["a2_1"]
    assert len(link.operator) == single.wiring.timesteps
    weights = shared.state_dict()
    same = weights.pop("areas.a2.links.a2_1.operator.weight")
    weights |= {f"areas.a2.links.a2_1.operator.{t}.weight": same for t in range(8)}
    single.load_state_dict(weights)
    image = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(single(image), shared(image))
    torch.nn.init.zeros_(link.operator[3].weight)
    differs = (single(image) != shared(image)).flatten(1).any(dim=1)
    assert differs.tolist() == [False] * 3 + [True] * 5
    with pytest.raises(ValueError, match=r"can run for 8 timesteps, not for 9: area 'a2' has para"):
        single(image, timesteps=9)


def test_a_projection_acts_on_what_other_areas_hear():
    network = changed()
    image = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    clamp = {"a1": lambda h, timestep: h.clamp(max=0.1 * timestep)}
    for timestep, state in network.unroll(image, 3, projections=clamp):
        assert state["a1"]["h"].max() <= 0.1 * timestep
        if timestep == 0:  # nothing comes from a1, and biases are 0
            assert state["a3"]["h"].abs().max() == 0
    with pytest.raises(ValueError, match="no area 'V1'"):
        next(network.unroll(image, 3, projections={"V1": clamp["a1"]}))
