"""The verbs: options, errors, and what importing costs."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from neurorec import assemblies, datasets
from neurorec.datasets.access import read_options
from neurorec.datasets.neural_data import NeuralData
from neurorec.stimuli import StimulusSet


def test_importing_is_light():
    code = (
        "import sys, neurorec.datasets; "
        "print([m for m in ('torch', 'sklearn', 'rdata', 'pooch', 'requests', 'PIL', "
        "'matplotlib') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_unknown_data_set():
    with pytest.raises(
        ValueError, match=r"data set must be one of \['cifar10-jpeg', 'cowley-2023'"
    ):
        datasets.load("imagenet")


def test_unknown_option():
    with pytest.raises(ValueError, match=r"cowley-2023 has no option 'sesion'; .* \['session'\]"):
        datasets.load("cowley-2023", sesion="210325")


def test_a_data_set_without_options():
    with pytest.raises(ValueError, match="kriegeskorte-2008 has no option 'session'; it has none"):
        datasets.load("kriegeskorte-2008", session="1")


def test_unknown_reader(make_manifest):
    manifest = make_manifest({"x": b""}, reader="excel")
    with pytest.raises(ValueError, match=r"the reader of tiny must be one of .*got 'excel'"):
        read_options(manifest, {})


def test_no_copy_anywhere(cache, server, monkeypatch, make_manifest):
    manifest = make_manifest({"x.nc": b""}, url=server.address + "/{path}")
    monkeypatch.setattr("neurorec.datasets.access.info", lambda _: manifest)
    with pytest.raises(datasets.DataUnavailableError, match=r"tiny: x.nc is in no mirror"):
        datasets.load("tiny")


def test_stimuli_must_cover_the_assembly():
    assembly = assemblies.build(
        np.zeros((2, 1, 1)),
        presentation={"stimulus_id": ["a", "b"], "repetition": [0, 0]},
        neuroid={"neuroid_id": ["n"], "region": ["V4"]},
        time_bin_start=[0],
        time_bin_end=[1],
    )
    stimuli = StimulusSet(
        identifier="x",
        pixels=np.zeros((1, 2, 2, 3), np.uint8),
        table=pd.DataFrame({"stimulus_id": ["a"]}),
    )
    with pytest.raises(ValueError, match=r"1 stimuli of the assembly are not .* first is 'b'"):
        NeuralData(identifier="x", assembly=assembly, stimuli=stimuli, provenance={})
    with pytest.raises(ValueError, match="expected an assembly with dimensions"):
        NeuralData(identifier="x", assembly=assembly[0], provenance={})
