import pytest
import torch
import torch.nn.functional as F

from neurorec.models.cells._wide import WIDE, convolved, prepared_kernel

from .twins import normal


def direct(x, kernel):
    before = (kernel.shape[-1] - 1) // 2
    after = kernel.shape[-1] // 2
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel)


@pytest.mark.parametrize("size", [1, 2, 5, WIDE, WIDE + 1, WIDE + 2, 31])
@pytest.mark.parametrize("shape", [(20, 17), (5, 4), (7, 1)])
def test_values_and_gradients(size, shape, rng):
    x = normal(rng, 2, 3, *shape).requires_grad_()
    kernel = normal(rng, 4, 3, size, size).requires_grad_()
    ours, theirs = convolved(x, prepared_kernel(kernel, x), size), direct(x, kernel)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    weights = normal(rng, *ours.shape)
    wanted = torch.autograd.grad((theirs * weights).sum(), (x, kernel))
    got = torch.autograd.grad((ours * weights).sum(), (x, kernel))
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_single_precision(rng):
    x, kernel = normal(rng, 2, 8, 40, 40), normal(rng, 8, 8, 15, 15)
    exact = direct(x, kernel)
    x = x.float().contiguous(memory_format=torch.channels_last)
    ours = convolved(x, prepared_kernel(kernel.float(), x), 15)
    assert ours.is_contiguous()
    # Rounding of 24 bits, in sums of 1800 products and in transforms of length 48.
    assert (ours - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize(
    ("size", "dtype", "multiplied"),
    [(WIDE, torch.float32, True), (WIDE - 1, torch.float32, False), (WIDE, torch.bfloat16, False)],
)
def test_which_kernels_are_multiplied(size, dtype, multiplied):
    x, kernel = torch.zeros(1, 2, 5, 5, dtype=dtype), torch.zeros(2, 2, size, size, dtype=dtype)
    assert prepared_kernel(kernel, x).is_complex() == multiplied
    assert not prepared_kernel(kernel, x.to("meta")).is_complex()
