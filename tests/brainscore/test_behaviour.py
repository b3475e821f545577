"""Answers, against Brain-Score's own from the same activity."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from brainscore_core.supported_data_standards.brainio.assemblies import (
    BehavioralAssembly,
    NeuroidAssembly,
    walk_coords,
)
from brainscore_vision.model_helpers.brain_transformation import behavior as theirs
from brainscore_vision.model_interface import BrainModel

from neurorec.brainscore import Behaviour, NeurorecBrainModel
from neurorec.brainscore.behaviour import SIMILARITIES, LogisticReadout, odd_ones_out
from neurorec.models import adapters, to_images
from neurorec.stimuli.images import read_image

from .common import model, stimuli_of

TASK = BrainModel.Task
ANSWERS = {"areas": ["a2", "a3"], "time_bin_ms": (70, 90)}


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    return stimuli_of(tmp_path_factory.mktemp("stimuli"), n=9)


@pytest.fixture(scope="module")
def fitting(tmp_path_factory):
    return stimuli_of(tmp_path_factory.mktemp("fitting"), n=12, seed=1)


def subject(network=None, cache_dir=None, **behaviour):
    regions = {"IT": ["a2", "a3"]} if network is None else {"IT": "a2"}
    return NeurorecBrainModel(
        model("fb-dropout", classes=3) if network is None else network,
        regions,
        onset_ms=50,
        device="cpu",
        cache_dir=cache_dir,
        behaviour=Behaviour(**behaviour),
    )


class TheirActivations:
    """What their classes take for a model: the same activity, recorded."""

    def __init__(self, made, number_of_trials=1):
        self.made, self.n = made, number_of_trials

    def __call__(self, stimuli, layers, **_):
        self.made.start_recording("IT", [(70, 90)])
        x = self.made.look_at(stimuli, number_of_trials=self.n)
        flat = x.isel(time_bin=0, drop=True)
        return NeuroidAssembly(flat.astype(float))


def test_probabilities_are_theirs(stimuli, fitting):
    number_of_trials = 3
    made = subject(**ANSWERS)
    made.start_task(TASK.probabilities, fitting, number_of_trials=number_of_trials)
    x = made.look_at(stimuli, number_of_trials=number_of_trials)
    assert type(x) is BehavioralAssembly
    assert x.dims == ("presentation", "choice")
    other = theirs.ProbabilitiesMapping("x", TheirActivations(subject(), number_of_trials), "IT")
    with pytest.warns(FutureWarning, match="multi_class"):
        other.start_task(TASK.probabilities, fitting)
    expected = other.look_at(stimuli)
    assert (
        x["choice"].values.tolist() == expected["choice"].values.tolist() == ["dog", "cat", "car"]
    )
    np.testing.assert_array_equal(x["stimulus_id"].values, expected["stimulus_id"].values)
    np.testing.assert_array_equal(x["image_label"].values, expected["image_label"].values)
    # Both stop where the gradient is below 1e-4, of an objective that bends by at least 1 / 1.
    np.testing.assert_allclose(x.values, expected.values, atol=1e-4)


@pytest.mark.parametrize("n_features", [5, 90])
@pytest.mark.parametrize("n_labels", [2, 4])
def test_readout_is_theirs(rng, n_features, n_labels):
    """With more and with fewer features than stimuli; with two labels their penalty is half."""
    features, new = rng.normal(2, 3, (40, n_features)), rng.normal(2, 3, (7, n_features))
    labels = [f"label-{i % n_labels}" for i in range(40)]
    other = theirs.ProbabilitiesMapping.ProbabilitiesClassifier(classifier_c=0.1)
    packed = [
        NeuroidAssembly(
            x,
            coords={
                "stimulus_id": ("presentation", [str(i) for i in range(len(x))]),
                "image_label": ("presentation", (labels * 2)[: len(x)]),
                "neuroid_id": ("neuroid", range(n_features)),
                "region": ("neuroid", ["IT"] * n_features),
            },
            dims=["presentation", "neuroid"],
        )
        for x in (features, new)
    ]
    with pytest.warns(FutureWarning, match="multi_class"):
        other.fit(packed[0], packed[0]["image_label"])
    expected = other.predict_proba(packed[1]).values
    found = LogisticReadout(features, labels, strength=0.1)
    assert found.labels == labels[:n_labels]
    np.testing.assert_allclose(found.probabilities(new), expected, atol=2e-4)


@given(st.integers(0, 99), st.floats(0.1, 10), st.floats(-5, 5))
@pytest.mark.slow
def test_a_readout_knows_no_units(seed, scale, shift):
    rng = np.random.default_rng(seed)
    x, new, labels = rng.normal(size=(12, 20)), rng.normal(size=(3, 20)), ["a", "b", "c"] * 4
    a = LogisticReadout(x, labels, strength=0.1)
    b = LogisticReadout(x * scale + shift, labels, strength=0.1)
    np.testing.assert_allclose(
        a.probabilities(new), b.probabilities(new * scale + shift), atol=1e-6
    )
    np.testing.assert_allclose(a.probabilities(new).sum(axis=1), 1, rtol=1e-12)


def test_odd_ones_out_by_hand():
    features = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0, 4]])
    triplets = np.array([[0, 1, 2], [0, 2, 1], [2, 0, 1], [3, 2, 0], [1, 0, 3]])
    assert odd_ones_out(SIMILARITIES["cosine"](features), triplets) == [2, 2, 2, 0, 3]
    # The inner product of a large response is large: 4 × 0.1 against 0.9.
    assert odd_ones_out(SIMILARITIES["dot"](features * [1, 9]), triplets[-1:]) == [0]


@given(st.integers(0, 99), st.floats(0.1, 10))
def test_the_odd_one_knows_no_directions(seed, scale):
    rng = np.random.default_rng(seed)
    x, rotation = rng.normal(size=(6, 4)), np.linalg.qr(rng.normal(size=(4, 4)))[0]
    triplets = np.array([[0, 1, 2], [3, 4, 5], [5, 0, 3]])
    for similarity in SIMILARITIES.values():
        a, b = (odd_ones_out(similarity(y), triplets) for y in (x, scale * x @ rotation))
        assert a == b
        swapped = odd_ones_out(similarity(x), triplets[:, ::-1])
        assert a == swapped


def test_a_silent_stimulus_has_no_direction():
    assert SIMILARITIES["cosine"](np.array([[0.0, 0], [3, 4]])).tolist() == [[0, 0], [0, 1]]


def test_odd_one_out_is_theirs(stimuli, tmp_path):
    triplets = stimuli.iloc[[0, 1, 2, 3, 1, 2, 8, 0, 5, 5, 6, 7]]
    activations = TheirActivations(subject())
    for similarity in SIMILARITIES:
        made = subject(**ANSWERS, similarity=similarity, cache_dir=tmp_path)
        made.start_task(TASK.odd_one_out)
        x = made.look_at(triplets)
        other = theirs.OddOneOut("x", activations, "IT")
        other.set_similarity_measure(similarity)
        other.start_task(TASK.odd_one_out)
        expected = other.look_at(triplets)
        assert x.dims == expected.dims == ("choice", "presentation")
        np.testing.assert_array_equal(x.values, expected.values)
        # The one label is the dimension's own, as in theirs.
        assert x["presentation"].values.tolist() == expected["presentation"].values.tolist()
        assert x["presentation"].values[0] == "s0|s1|s2"


def test_odd_one_out_of_paths(stimuli):
    made = subject(**ANSWERS)
    made.start_task(TASK.odd_one_out)
    names = [f"s{i}" for i in (0, 1, 2, 2, 1, 0)]
    x = made.look_at([str(stimuli.get_stimulus(name)) for name in names])
    assert x.values[0, 0] == x.values[0, 1]


def mean_logits(network, stimuli, n_timesteps):
    """Logits (stimulus, class), averaged over the first timesteps."""
    pixels = np.stack([read_image(stimuli.get_stimulus(s)) for s in stimuli["stimulus_id"]])
    with torch.inference_mode():
        unroll = network.unroll(to_images(pixels, 8), n_timesteps)
        found = [network.readout(state) for _, state in unroll]
    return torch.stack(found).mean(dim=0).double().numpy()


def test_labels_follow_the_logits(stimuli):
    network, labels = model("fb", classes=3), ["dog", "cat", "car"]
    # Of fresh weights one class has the highest logits for all stimuli.
    with torch.no_grad():
        next(iter(network.decoder.parameters())).mul_(100)
    made = subject(network, labels=labels, time_bin_ms=(50, 70))
    made.start_task(TASK.label, ["car", "cat", "dog"])
    x = made.look_at(stimuli)
    assert x.dims == ("choice", "presentation")
    logits = mean_logits(network, stimuli, 2)
    expected = [labels[i] for i in logits.argmax(axis=1)]
    assert len(set(expected)) > 1
    assert x.values[0].tolist() == x["label"].values.tolist() == expected
    pair = [labels[i] for i in (2, np.bincount(logits.argmax(axis=1)).argmax())]
    made.start_task(TASK.label, pair)
    columns = [labels.index(label) for label in pair]
    expected = [pair[i] for i in logits[:, columns].argmax(axis=1)]
    assert made.look_at(stimuli).values[0].tolist() == expected


def test_classes_that_share_a_label(stimuli):
    network = model("fb", classes=4)
    logits = mean_logits(network, stimuli, 4)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    made = subject(network, labels=["a", "b", "a", "b"], time_bin_ms=(50, 90))
    for name, aggregate in (("mean", np.mean), ("max", np.max)):
        made.start_task(TASK.label, ["a", "b"], aggregation=name)
        of_label = [aggregate(p[:, k::2], axis=1) for k in (0, 1)]
        expected = np.array(["a", "b"])[np.argmax(of_label, axis=0)]
        np.testing.assert_array_equal(made.look_at(stimuli).values[0], expected)


@pytest.fixture(scope="module")
def of_imagenet():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    module = nn.Sequential(*layers, nn.Linear(32, 1000)).eval()
    return adapters.feedforward(module, {"a2": "1"}, input_size=8)


@pytest.mark.parametrize("choices", ["imagenet", ["knife", "Oven", "truck", "sewing machine"]])
def test_labels_of_imagenet_are_theirs(stimuli, of_imagenet, choices):
    made = subject(of_imagenet, labels="imagenet")
    made.start_task(TASK.label, choices)
    x = made.look_at(stimuli)
    logits = NeuroidAssembly(
        mean_logits(of_imagenet, stimuli, 1),
        coords={
            "stimulus_id": ("presentation", stimuli["stimulus_id"]),
            "image_label": ("presentation", stimuli["image_label"]),
            "neuroid_id": ("neuroid", range(1000)),
            "layer": ("neuroid", ["logits"] * 1000),
        },
        dims=["presentation", "neuroid"],
    )
    other = theirs.LabelBehavior("x", lambda *_, **__: logits)
    other.start_task(TASK.label, choices)
    expected = other.look_at(stimuli)
    assert x.dims == expected.dims
    np.testing.assert_array_equal(x.values, expected.values)
    for name, _, values in walk_coords(expected):
        np.testing.assert_array_equal(x[name].values, values)


@pytest.mark.slow
def test_each_trial_is_answered(stimuli, fitting):
    made = subject(**ANSWERS, labels=["dog", "cat", "car"])
    made.start_task(TASK.probabilities, fitting, number_of_trials=2, require_variance=True)
    x = made.look_at(stimuli, number_of_trials=2, require_variance=True)
    assert x.shape == (18, 3)
    assert x["repetition"].values.tolist() == [0] * 9 + [1] * 9
    assert (x.values[:9] != x.values[9:]).all()
    made.start_task(TASK.label, ["dog", "cat"])
    assert made.look_at(stimuli, number_of_trials=2, require_variance=True).shape == (1, 18)


@pytest.mark.slow
def test_the_time_of_the_answer_counts(stimuli, fitting):
    network = model("fb")
    early, late, last = (
        subject(network, time_bin_ms=limits) for limits in ((50, 60), (80, 90), None)
    )
    answers = []
    for made in (early, late, last):
        made.start_task(TASK.probabilities, fitting)
        answers.append(made.look_at(stimuli).values)
    assert (answers[0] != answers[1]).all()
    np.testing.assert_array_equal(answers[1], answers[2])


@pytest.mark.slow
def test_what_was_asked_for_last_is_answered(stimuli, fitting):
    made = subject(model("fb"))
    made.start_task(TASK.passive)
    assert made.look_at(stimuli) is None
    made.start_recording("IT", [(50, 60)])
    made.start_task(TASK.passive)
    assert type(made.look_at(stimuli)) is NeuroidAssembly
    made.start_task(TASK.probabilities, fitting)
    assert type(made.look_at(stimuli)) is BehavioralAssembly
    made.start_task(TASK.passive)
    assert type(made.look_at(stimuli)) is NeuroidAssembly
    made.start_task(TASK.odd_one_out)
    made.start_recording("IT", [(50, 60)])
    assert type(made.look_at(stimuli)) is NeuroidAssembly


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"similarity": "near"}, r"similarity must be one of \['cosine', 'dot'\], got 'near'"),
        ({"strength": 0.0}, "strength must be above 0, got 0.0"),
        ({"areas": ["V9"]}, "behaviour is committed to 'V9', which is no area of 'greco"),
        ({"labels": ["a", "b"]}, r"labels name 2 classes, but the logits .* have the shape \(3,\)"),
        ({"labels": "imagenet"}, r"labels name 1000 classes, but .* the shape \(3,\)"),
        ({"labels": "coco"}, r"labels must be one of \['imagenet'\], got 'coco'"),
    ],
)
def test_bad_behaviour(behaviour, message):
    with pytest.raises(ValueError, match=message):
        subject(**behaviour)


def test_bad_tasks(stimuli, fitting):
    made = subject(labels=["dog", "cat", "car"])
    for task, given_stimuli, message in (
        ("sleep", None, r"task must be one of \['label', 'odd_one_out', 'passive', 'prob.*'sleep'"),
        (TASK.label, None, "a label task needs the labels to choose among"),
        (TASK.label, "coco", r"the domain of labels must be one of \['imagenet'\], got 'coco'"),
        (
            TASK.label,
            ["dog", "owl"],
            r"no class for \['owl'\]; its labels are \['dog', 'cat', 'car'",
        ),
        (
            TASK.label,
            "imagenet",
            r"among \['n01440764', .*, …, 1000 in all\], but the model has no",
        ),
        (TASK.probabilities, None, "needs fitting_stimuli with a column 'image_label', got none"),
        (
            TASK.probabilities,
            fitting.drop(columns="image_label"),
            r"got the columns \['stimulus_id', 'contrast'\]",
        ),
        (
            TASK.probabilities,
            fitting.assign(image_label="dog"),
            r"needs at least 2 labels, the fitting stimuli have \['dog'\]",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            made.start_task(task, given_stimuli)
    with pytest.raises(ValueError, match="aggregation must be one of"):
        made.start_task(TASK.label, ["dog"], aggregation="sum")
    with pytest.raises(ValueError, match="whose classes have no names; give it behaviour="):
        subject().start_task(TASK.label, ["dog"])
    made.start_task(TASK.odd_one_out)
    with pytest.raises(ValueError, match="takes triplets, three stimuli each, got 4 stimuli"):
        made.look_at(stimuli.iloc[:4])
    late = subject(time_bin_ms=(0, 10))
    with pytest.raises(ValueError, match=r"no timestep in the time bins \(0, 10\) ms"):
        late.start_task(TASK.probabilities, fitting)


def test_imagenet_labels_it_does_not_have(of_imagenet):
    made = subject(of_imagenet, labels="imagenet")
    with pytest.raises(ValueError, match=r"no class for \['unicorn'\]; its labels are those of im"):
        made.start_task(TASK.label, ["knife", "unicorn"])
