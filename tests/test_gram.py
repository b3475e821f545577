"""The Gram matrix over time."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from neurorec.assemblies import build, from_netcdf, to_netcdf
from neurorec.gram import (
    _together,
    ahead,
    centre,
    gram,
    gram_of_blocks,
    products_and_sums,
    resolve_device,
)


def assembly_of(values: np.ndarray) -> xr.DataArray:
    n_presentations, n_neuroids, n_time_bins = values.shape
    return build(
        values,
        presentation={
            "stimulus_id": [f"s{i}" for i in range(n_presentations)],
            "repetition": np.zeros(n_presentations, dtype=int),
        },
        neuroid={"neuroid_id": [f"n{i}" for i in range(n_neuroids)], "region": ["V4"] * n_neuroids},
        time_bin_start=10.0 * np.arange(n_time_bins),
        time_bin_end=10.0 * np.arange(1, n_time_bins + 1),
    )


def test_known_answer():
    # Rows (1, 0), (1, 1), (0, 2): every inner product by hand.
    values = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])[:, :, None]
    expected = torch.tensor([[[1.0, 1.0, 0.0], [1.0, 2.0, 2.0], [0.0, 2.0, 4.0]]]).double()
    torch.testing.assert_close(gram(values), expected, rtol=0, atol=0)
    # Means of the units are 2/3 and 1; the first row becomes (1/3, -1).
    assert centre(gram(values))[0, 0, 0].item() == pytest.approx(1 / 9 + 1)


@settings(deadline=None, max_examples=25)
@given(block=st.integers(1, 40), n=st.integers(1, 9), seed=st.integers(0, 9))
def test_any_block_gives_the_same(block, n, seed):
    x = np.random.default_rng(seed).normal(size=(n, 31, 3))
    expected = np.einsum("iut,jut->tij", x, x)
    # 31 products of numbers below 5 in float64: rounding below 31 * 25 * 2^-52.
    np.testing.assert_allclose(gram(x, block=block).numpy(), expected, rtol=0, atol=2e-13)


@pytest.mark.parametrize("kind", ["array", "float32", "tensor", "assembly", "integer", "bigendian"])
def test_every_kind_of_input(rng, kind):
    x = rng.integers(0, 9, size=(7, 12, 2)).astype(float)
    given_ = {
        "array": x,
        "float32": x.astype(np.float32),
        "tensor": torch.from_numpy(x),
        "assembly": assembly_of(x).transpose("time_bin", "presentation", "neuroid"),
        "integer": x.astype(np.uint8),
        "bigendian": x.astype(">f4"),
    }[kind]
    result = gram(given_, block=5)
    assert result.dtype == torch.float64
    np.testing.assert_array_equal(result.numpy(), np.einsum("iut,jut->tij", x, x))


def test_input_is_not_written_to(rng):
    x = rng.normal(size=(5, 6, 1))
    before = x.copy()
    gram(x, centred=True)
    np.testing.assert_array_equal(x, before)


def test_centred_is_centre_of_raw(rng):
    x = rng.normal(size=(20, 33, 2))
    torch.testing.assert_close(gram(x, centred=True, block=10), centre(gram(x)), rtol=0, atol=1e-11)


def test_centred_keeps_the_digits_of_a_small_variance(rng):
    # Mean 1e3 and standard deviation 1 in float32: the raw products are 1e6 times the variance,
    # so that in float32 they carry no more than one digit of it (2^-24 * 1e6 = 0.06 per unit).
    x = (1e3 + rng.normal(size=(12, 500, 1))).astype(np.float32)
    exact = centre(gram(x))
    single = gram(x, centred=True, dtype=torch.float32)
    scale = exact.diagonal(dim1=1, dim2=2).mean()
    assert (single - exact).abs().max() / scale < 500 * 2.0**-24
    assert (centre(gram(x, dtype=torch.float32)) - exact).abs().max() / scale > 1e-3


def test_symmetric_to_the_bit_and_positive(rng):
    result = gram(rng.normal(size=(30, 8, 2)).astype(np.float32), dtype=torch.float32)
    torch.testing.assert_close(result, result.mT, rtol=0, atol=0)
    assert torch.linalg.eigvalsh(result).min() > -1e-4  # float32 products of 8 units


def test_centring_twice_is_centring_once(rng):
    once = centre(gram(rng.normal(size=(9, 4, 1))))
    torch.testing.assert_close(centre(once), once, rtol=0, atol=1e-12)
    torch.testing.assert_close(once.sum(dim=-1), torch.zeros(1, 9).double(), rtol=0, atol=1e-12)


def test_an_assembly_in_a_file(rng, tmp_path):
    x = rng.normal(size=(6, 10, 2)).astype(np.float32)
    path = to_netcdf(assembly_of(x), tmp_path / "assembly.nc")
    torch.testing.assert_close(gram(from_netcdf(path), block=3), gram(x), rtol=0, atol=1e-13)
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        lazy = dataset.set_coords([str(v) for v in dataset.variables if v != "activity"])
        torch.testing.assert_close(gram(lazy["activity"], block=3), gram(x), rtol=0, atol=1e-13)


def test_device(device, rng):
    x = rng.normal(size=(6, 10, 2))
    result = gram(x, device=device)
    assert result.device.type == device
    np.testing.assert_allclose(result.cpu().numpy(), gram(x).numpy(), rtol=1e-12)


def test_auto_device_exists():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


def test_unknown_device():
    with pytest.raises(ValueError, match=r"device must be one of .*'auto'.* got 'tpu'"):
        resolve_device("tpu")


def test_absent_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no CUDA device; use device="):
        resolve_device("cuda")


def test_absent_numbered_gpu():
    with pytest.raises(ValueError, match="device 'cuda:99' is absent"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad):
    x = np.zeros((3, 4, 1))
    x[1, 2, 0] = bad
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        gram(x)


def test_two_dimensions():
    with pytest.raises(ValueError, match=r"shape \(3, 4\); a single time bin needs a last axis"):
        gram(np.zeros((3, 4)))


def test_no_units():
    with pytest.raises(ValueError, match="at least one unit"):
        gram(np.zeros((3, 0, 2)))


def test_no_blocks():
    with pytest.raises(ValueError, match="at least one block of units, got none"):
        gram_of_blocks(iter([]))


def test_block_of_nothing():
    with pytest.raises(ValueError, match="block must be at least 1 unit, got 0"):
        gram(np.zeros((3, 2, 2)), block=0)


def test_sums_and_means_of_presentations(rng, device):
    x = rng.normal(size=(7, 11, 3))
    rows = np.array([2, 0, 1, 0, 2, 2, 0])
    means = np.stack([x[rows == row].mean(axis=0) for row in range(3)])
    blocks = [x[:, :4], x[:, 4:10], x[:, 10:]]
    products, sums = products_and_sums(((0, b) for b in blocks), rows=rows, device=device)
    # Eleven products of numbers below 5: rounding far below 1e-13.
    expected = np.einsum("iut,jut->tij", means, means)
    np.testing.assert_allclose(products.cpu(), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(sums.cpu(), means.sum(axis=1).T, rtol=0, atol=1e-13)
    centred, sums = products_and_sums(((0, b) for b in blocks), rows=rows, centred=True)
    np.testing.assert_allclose(centred, centre(products.cpu()), rtol=0, atol=1e-13)
    deviations = means - means.mean(axis=0)
    np.testing.assert_allclose(sums, deviations.sum(axis=1).T, rtol=0, atol=1e-13)


def test_pieces_of_time_and_units(rng):
    x = rng.normal(size=(4, 9, 5))
    pieces = [(3, x[:, :5, 3:]), (0, x[:, :2, :3]), (3, x[:, 5:, 3:]), (0, x[:, 2:, :3])]
    products, sums = products_and_sums(pieces)
    np.testing.assert_allclose(products, gram(x), rtol=0, atol=1e-13)
    np.testing.assert_allclose(sums, x.sum(axis=1).T, rtol=0, atol=1e-13)


def test_timesteps_are_multiplied_together_however_many(rng, monkeypatch):
    x = rng.normal(size=(5, 6, 7)).astype(np.float32)
    expected = gram(x)
    for together in (1, 70, 90):  # one timestep at a time, two, three
        monkeypatch.setattr("neurorec.gram._TOGETHER", together)
        torch.testing.assert_close(gram(x), expected, rtol=0, atol=1e-13)
        parts = list(_together(torch.zeros(7, 5, 6), copied=True))
        assert len(parts) == -(-7 // max(together // 30, 1))
        assert [t for part in parts for t in range(7)[part]] == list(range(7))
    assert list(_together(torch.zeros(7, 5, 6), copied=False)) == [slice(0, 7)]


def test_memory_that_torch_can_not_take(rng):
    x = rng.normal(size=(5, 6, 2))
    fixed = x.copy()
    fixed.flags.writeable = False
    expected = np.einsum("iut,jut->tij", x, x)
    for given_ in (fixed, x[::-1][::-1], np.ascontiguousarray(x[:, ::-1])[:, ::-1]):
        np.testing.assert_allclose(gram_of_blocks([given_]), expected, atol=1e-13)


class TestAhead:
    def test_gives_the_same_in_order(self):
        assert list(ahead(range(9))) == list(range(9))
        assert list(ahead([])) == []

    def test_reads_one_ahead_and_no_more(self):
        read = []

        def blocks():
            for i in range(5):
                read.append(i)
                yield i

        coming = ahead(blocks())
        assert next(coming) == 0
        for i in range(1, 5):
            assert next(coming) == i
            assert max(read) <= i + 1
        coming.close()

    def test_raises_what_reading_raised(self):
        def blocks():
            yield 1
            raise OSError("the disk is gone")

        coming = ahead(blocks())
        assert next(coming) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(coming)

    def test_stops_when_it_is_left(self):
        read = []
        coming = ahead(read.append(i) for i in range(100))
        next(coming)
        coming.close()
        assert len(read) <= 2


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_timesteps_in_threads_of_their_own(rng, monkeypatch, n_threads):
    """Whatever the number of threads, and also where a timestep comes in several pieces."""
    monkeypatch.setattr("neurorec.gram._LARGE", 1)
    x = rng.normal(size=(6, 40, 7)).astype(np.float32)
    pieces = [(t, x[:, u : u + 10, t : t + 3]) for t in (0, 3) for u in range(0, 40, 10)]
    pieces += [(6, x[:, :, 6:])]
    expected = np.einsum("iut,jut->tij", x, x, dtype=np.float64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 1e-5)):
            products, sums = products_and_sums(pieces, dtype=dtype)
            np.testing.assert_allclose(products, expected, rtol=0, atol=tolerance * 40)
            np.testing.assert_allclose(sums, x.sum(axis=1, dtype=float).T, atol=tolerance * 40)
    finally:
        torch.set_num_threads(before)
    x[2, 3, 4] = np.nan
    with pytest.raises(ValueError, match="holds NaN or infinite values"):
        products_and_sums([(0, x)])


def test_more_rows_than_units_at_a_time(rng):
    """A timestep that comes alone, whose products are larger than the units of a thread."""
    x = rng.normal(size=(2100, 600, 1))
    found, _ = products_and_sums([(0, x)])
    np.testing.assert_allclose(found[0], x[..., 0] @ x[..., 0].T, rtol=0, atol=1e-11)


def test_memory_that_a_reader_uses_again(rng):
    """A timestep that comes alone is multiplied where the reader has put it."""
    whole = rng.normal(size=(300, 5 * 4096, 1))
    buffer = np.empty((300, 4096, 1))

    def pieces():
        for part in np.split(whole, 5, axis=1):
            buffer[:] = part
            yield 0, buffer

    found, _ = products_and_sums(pieces())
    buffer[:] = 0
    np.testing.assert_allclose(found[0], whole[..., 0] @ whole[..., 0].T, rtol=0, atol=1e-9)


def test_an_error_while_products_are_made(rng, monkeypatch):
    monkeypatch.setattr("neurorec.gram._LARGE", 1)

    def pieces():
        yield 0, rng.normal(size=(3, 5, 2))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        products_and_sums(pieces())
