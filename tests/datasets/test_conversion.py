"""Kept conversions: used while intact, made anew when damaged or when their key changes."""

import numpy as np
import pytest

from neurorec import assemblies
from neurorec.datasets.conversion import kept


@pytest.fixture
def convert(rng):
    """Counts how often it is called."""
    calls = []

    def make():
        calls.append(1)
        return assemblies.build(
            rng.poisson(2, size=(3, 2, 1)).astype(np.int16),
            presentation={"stimulus_id": ["a", "b", "ç"], "repetition": [0, 0, 0]},
            neuroid={"neuroid_id": ["n1", "n2"], "region": ["V4", "V4"]},
            time_bin_start=[0],
            time_bin_end=[10],
        )

    make.calls = calls
    return make


KEY = {"sha256": ["0" * 64], "bin_width_ms": 10}


def test_converted_once(cache, convert):
    first = kept("tiny", KEY, convert)
    again = kept("tiny", KEY, convert)
    assert len(convert.calls) == 1
    np.testing.assert_array_equal(again.values, first.values)
    assert again.dtype == first.dtype
    assert again["stimulus_id"].values.tolist() == ["a", "b", "ç"]
    assert again["stimulus_id"].dtype.kind == "U"


@pytest.mark.parametrize("change", [{"sha256": ["1" * 64]}, {"bin_width_ms": 20}, {"reader": 2}])
def test_another_key_is_another_conversion(change, cache, convert):
    kept("tiny", KEY, convert)
    kept("tiny", KEY | change, convert)
    assert len(convert.calls) == 2


def stored(cache):
    (path,) = (cache / "converted").glob("*.nc")
    return path


def flip_a_bit(path):
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


DAMAGES = {
    "bit": flip_a_bit,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:500]),
    "empty": lambda path: path.write_bytes(b""),
    "absent": lambda path: path.unlink(),
    "no digest": lambda path: path.with_suffix(".sha256").unlink(),
    "digest of something else": lambda path: path.with_suffix(".sha256").write_text("0" * 64),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_conversion_is_made_anew(damage, cache, convert):
    kept("tiny", KEY, convert)
    DAMAGES[damage](stored(cache))
    second = kept("tiny", KEY, convert)
    assert len(convert.calls) == 2
    third = kept("tiny", KEY, convert)
    assert len(convert.calls) == 2
    np.testing.assert_array_equal(third.values, second.values)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch, convert):
    (tmp_path / "occupied").write_text("")
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "occupied"))
    with pytest.warns(UserWarning, match="could not be kept in .*set NEUROREC_CACHE"):
        assembly = kept("tiny", KEY, convert)
    assert assembly.shape == (3, 2, 1)
