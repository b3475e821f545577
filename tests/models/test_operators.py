"""What a connection does to a map, against numbers worked out by hand and plain torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from neurorec.models.operators import (
    RESIZES,
    Convolution,
    GaborBank,
    Link,
    SeparableConvolution,
    TransposedConvolution,
    build_operator,
    pad_same,
    pool,
)
from neurorec.models.parts import Conv, Gabor, Identity, Pool, Separable, Transposed
from neurorec.models.sizes import operated, pooled, transposed_size
from neurorec.models.wiring import Connection

MAP = torch.rand(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))


def ramp(n: int):
    return torch.arange(1.0, n * n + 1).reshape(1, 1, n, n)


def test_tf_same_of_stride_2_begins_at_the_first_pixel_of_an_even_map():
    # Four pixels, a kernel of 3, a stride of 2: one zero is needed, and it goes to the end.
    convolution = Convolution(Conv(kernel=3, stride=2, padding="tf_same"), 1, 1)
    torch.nn.init.ones_(convolution.weight)
    #  1  2  3  4
    #  5  6  7  8      1+2+3+5+6+7+9+10+11 = 54     3+4+7+8+11+12 = 45
    #  9 10 11 12      9+10+11+13+14+15    = 72     11+12+15+16    = 54
    # 13 14 15 16
    assert convolution(ramp(4)).flatten().tolist() == [54, 45, 72, 54]
    symmetric = Convolution(Conv(kernel=3, stride=2, padding="same"), 1, 1)
    torch.nn.init.ones_(symmetric.weight)
    assert symmetric(ramp(4)).flatten().tolist() == [14, 30, 57, 99]


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "before", "after"),
    [
        (4, 3, 2, 0, 1),
        (5, 3, 2, 1, 1),
        (224, 7, 2, 2, 3),
        (4, 2, 2, 0, 0),
        (7, 2, 2, 0, 1),
        (5, 3, 1, 1, 1),
        (5, 2, 1, 0, 1),
        (5, 4, 1, 1, 2),
        (9, 1, 4, 0, 0),
    ],
)
def test_tf_same_pads_by_the_published_rule(n, kernel, stride, before, after):
    padded = pad_same(torch.ones(1, 1, n, n), kernel, stride)[0, 0, n // 2]
    expected = [0] * before + [1] * n + [0] * after
    assert padded.tolist() == expected


@pytest.mark.parametrize("padding", ["same", "tf_same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [5, 8])
def test_a_convolution_has_the_predicted_size(n, kernel, stride, padding):
    options = Conv(kernel=kernel, stride=stride, padding=padding)
    seen = Convolution(options, 1, 2)(torch.ones(1, 1, n, n)).shape[2:]
    assert tuple(seen) == operated(options, (n, n))


def test_an_even_kernel_keeps_the_map_with_one_zero_at_the_end():
    convolution = Convolution(Conv(kernel=2), 1, 1)
    torch.nn.init.ones_(convolution.weight)
    assert convolution(ramp(2)).flatten().tolist() == [10, 6, 7, 4]


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize(("groups", "inner"), [(None, 4), (2, 6)])
def test_a_separable_convolution_is_two(kernel, groups, inner):
    options = Separable(kernel=kernel, groups=groups, bias=True)
    separable = SeparableConvolution(options, 4, 6)
    first, second = separable.depthwise, separable.pointwise
    assert first.weight.shape[0] == inner
    middle = F.conv2d(pad_same(MAP, kernel, 1), first.weight, first.bias, groups=groups or 4)
    assert_close(separable(MAP), F.conv2d(middle, second.weight, second.bias))
    assert separable(MAP).shape == (2, 6, 9, 9)


def test_groups_of_a_convolution_do_not_mix():
    convolution = Convolution(Conv(groups=2), 4, 2)
    first, second = convolution(MAP).split(1, dim=1)
    assert_close(first, F.conv2d(MAP[:, :2], convolution.weight[:1], padding=1))
    assert_close(second, F.conv2d(MAP[:, 2:], convolution.weight[1:], padding=1))


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (4, 2), (5, 3), (3, 1), (1, 1)])
def test_a_transposed_convolution_makes_the_map_that_is_met(kernel, stride):
    options = Transposed(kernel=kernel, stride=stride)
    low = transposed_size(options, 5)
    for n in range(low, low + stride):
        transposed = TransposedConvolution(options, 4, 2, (n, n))
        seen = transposed(MAP[..., :5, :5])
        assert seen.shape == (2, 2, n, n)
        # It is the gradient of the convolution that goes down.
        x = torch.zeros(2, 2, n, n, requires_grad=True)
        down = F.conv2d(x, transposed.weight, stride=stride, padding=(kernel - 1) // 2)
        (gradient,) = torch.autograd.grad(down, x, MAP[..., :5, :5])
        assert_close(seen, gradient)


def test_the_gabor_bank_is_as_released():
    bank = GaborBank(Gabor(kernel=11, stride=2), 3, 32)
    weight = bank.weight.numpy()
    assert weight.shape == (32, 3, 11, 11)
    assert not bank.state_dict().keys() ^ {"weight"}
    assert not list(bank.parameters())
    np.testing.assert_allclose(weight[:, 0], weight[:, 2])
    np.testing.assert_allclose(weight[::2], -weight[1::2], atol=1e-6)  # opposite polarities
    np.testing.assert_allclose(weight[0], weight[30], atol=1e-5)  # 0 and π
    y, x = np.mgrid[-5:6, -5:6]
    for index, angle in ((0, 0.0), (10, np.pi / 3)):
        along = x * np.cos(angle) + y * np.sin(angle)
        expected = np.exp(-(x**2 + y**2) / (2 * 2.75**2)) * np.cos(2 * np.pi * along * 2 / 11) / 2
        np.testing.assert_allclose(weight[index, 1], expected, atol=1e-6)
    assert_close(bank(MAP[:, :3]), F.conv2d(MAP[:, :3], bank.weight, stride=2, padding=5))


@pytest.mark.parametrize(("kernel", "stride"), [(4, 1), (4, 2), (5, 3), (6, 3)])
def test_a_gabor_bank_has_the_predicted_size(kernel, stride):
    options = Gabor(kernel=kernel, stride=stride)
    assert tuple(GaborBank(options, 4, 2)(MAP).shape[2:]) == operated(options, (9, 9))


def test_every_operator_is_built():
    kinds = {
        type(build_operator(options, 4, 4, (17, 17))).__name__
        for options in (Conv(), Separable(), Transposed(), Gabor(), Identity())
    }
    assert kinds == {
        "Convolution",
        "SeparableConvolution",
        "TransposedConvolution",
        "GaborBank",
        "Identity",
    }


POOLS = [
    Pool(kind="max"),
    Pool(kind="max", size=3, stride=2),
    Pool(kind="max", size=3, stride=2, padding=1),
    Pool(kind="average", size=3, stride=1, padding=1),
    Pool(kind="average", size=4),
    *(
        Pool(kind=kind, size=size, stride=stride, padding="tf_same")
        for kind in ("max", "average")
        for size, stride in ((2, 2), (3, 2), (2, 1), (3, 3))
    ),
    Pool(kind="max", size="all"),
    Pool(kind="average", size="all"),
]


@pytest.mark.parametrize("options", POOLS, ids=str)
@pytest.mark.parametrize("n", [8, 9])
def test_a_pool_has_the_predicted_size(options, n):
    assert tuple(pool(options, MAP[..., :n, :n]).shape[2:]) == pooled(options, (n, n))


def test_pools_by_hand():
    x = ramp(3)
    assert pool(None, x) is x
    assert pool(Pool(kind="max", size=2, stride=1), x).flatten().tolist() == [5, 6, 8, 9]
    assert pool(Pool(kind="average", size=2, stride=1), x).flatten().tolist() == [3, 4, 6, 7]
    assert pool(Pool(kind="max", size="all"), x).tolist() == [[[[9]]]]
    assert pool(Pool(kind="average", size="all"), x).tolist() == [[[[5]]]]


def test_beyond_the_edge_there_is_nothing_for_a_pool():
    # Two pixels of the last window are outside: neither zeros for the maximum of negative values
    # nor for the mean.
    options = {"size": 2, "stride": 2, "padding": "tf_same"}
    assert pool(Pool(kind="max", **options), -ramp(3)).flatten().tolist() == [-1, -3, -7, -9]
    assert pool(Pool(kind="average", **options), ramp(3)).flatten().tolist() == [3, 4.5, 7.5, 9]


def test_resize_rules_by_hand():
    x = torch.tensor([[[[0.0, 3.0]] * 2]])
    rows = {name: rule(x, (2, 4))[0, 0, 0].tolist() for name, rule in RESIZES.items()}
    assert rows["nearest"] == [0, 0, 3, 3]
    # Centres of four pixels in the units of two: -1/4, 1/4, 3/4, 5/4.
    assert rows["bilinear"] == [0, 0.75, 2.25, 3]
    # Corners on corners: 0, 1/3, 2/3, 1.
    assert rows["bilinear_corners"] == pytest.approx([0, 1, 2, 3])
    assert RESIZES["average"](ramp(4), (2, 2)).flatten().tolist() == [3.5, 5.5, 11.5, 13.5]
    assert RESIZES["nearest"](ramp(4), (2, 2)).flatten().tolist() == [1, 3, 9, 11]


def link(size: tuple[int, int], channels=(4, 3), **fields) -> Link:
    connection = Connection.model_validate(
        {"source": "a", "target": "b", "kind": "feedback", "delay": 1, **fields}
    )
    operator = connection.operator or Conv(kernel=3)
    return Link(connection, operator, channels=channels, size=size, timesteps=3)


def test_a_link_pools_resizes_convolves_norms_bends_and_weighs_in_this_order():
    how = link(
        (7, 7),
        pool="max",
        resize="bilinear",
        norm={"kind": "group", "groups": 3},
        nonlinearity="tanh",
        weight=-2,
    )
    torch.nn.init.normal_(how.norm.norms[0].weight)
    x = F.interpolate(F.max_pool2d(MAP, 2), (7, 7), mode="bilinear")
    x = F.conv2d(x, how.operator.weight, padding=1)
    x = F.group_norm(x, 3, how.norm.norms[0].weight, how.norm.norms[0].bias)
    assert_close(how(MAP, 0), -2 * torch.tanh(x))


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("n", [6, 9, 20])
def test_mixing_channels_and_resizing_commute(resize, n):
    mixing = link((n, n), resize=resize, operator={"kind": "conv", "kernel": 1})
    resized = RESIZES[resize](MAP, (n, n))
    assert_close(mixing(MAP, 0), F.conv2d(resized, mixing.operator.weight))


@pytest.mark.parametrize("resize", RESIZES)
def test_a_bias_commutes_with_resizing_too(resize):
    biased = link((20, 20), resize=resize, operator={"kind": "conv", "kernel": 1, "bias": True})
    assert biased.mixes_first
    torch.nn.init.normal_(biased.operator.bias)
    resized = RESIZES[resize](MAP, (20, 20))
    assert_close(biased(MAP, 0), F.conv2d(resized, biased.operator.weight, biased.operator.bias))


def test_mixing_first_works_on_the_smaller_map():
    sizes = []
    mixing = link((20, 20), resize="nearest", operator={"kind": "conv", "kernel": 1})
    mixing.operator.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[-1]))
    mixing(MAP, 0)
    shrinking = link((4, 4), resize="average", operator={"kind": "conv", "kernel": 1})
    shrinking.operator.register_forward_hook(lambda _, x, __: sizes.append(x[0].shape[-1]))
    shrinking(MAP, 0)
    assert sizes == [9, 4]


def test_a_map_of_the_right_size_is_not_resized():
    same = link((9, 9), channels=(4, 4), resize="bilinear", operator="identity")
    assert same(MAP, 0) is MAP
