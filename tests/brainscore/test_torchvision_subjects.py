"""Models of torchvision: their weights, their view of images, and Brain-Score's own activity."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

import torchvision
from brainscore_vision.model_helpers.activations.pytorch import (
    PytorchWrapper,
    load_preprocess_images,
)
from brainscore_vision.model_helpers.brain_transformation import ModelCommitment

from neurorec import datasets
from neurorec.brainscore import Viewing, benchmark, subject
from neurorec.brainscore.modules import found_areas
from neurorec.brainscore.of_torchvision import read_weights, torchvision_model

from .common import stimuli_of

LAYERS = {"V4": "layer2", "IT": "layer4"}
# Single-precision sums of at most 9 × 512 products, each of whose relative error grows as the root
# of their number, one after the other in 17 layers.
ROUNDING = 17 * np.sqrt(9 * 512) * np.finfo(np.float32).eps


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A state dict on disk, as a training would leave it."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5)
        module = torchvision.models.resnet18(weights=None)
    path = tmp_path_factory.mktemp("weights") / "mine.pt"
    torch.save(module.state_dict(), path)
    return path


def theirs(weights, regions=LAYERS):
    """The same weights in Brain-Score's wrapper, committed as its plugins are."""
    module = torchvision.models.resnet18(weights=None)
    module.load_state_dict(torch.load(weights, weights_only=True))
    preprocessing = partial(load_preprocess_images, image_size=224)
    wrapped = PytorchWrapper(module, preprocessing, identifier="mine", batch_size=4)
    return ModelCommitment(
        "mine", wrapped, list(regions.values()), region_layer_map=regions, visual_degrees=8
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestAsTheirs:
    """Equal to their ``PytorchWrapper`` in a ``ModelCommitment``, of the same weights."""

    @pytest.fixture(autouse=True)
    def _without_their_cache(self, monkeypatch):
        monkeypatch.setenv("RESULTCACHING_DISABLE", "1")

    def test_activity(self, weights, tmp_path):
        stimuli = stimuli_of(tmp_path, n=4, size=224)
        ours, peer = subject(f"torchvision:resnet18:{weights}", LAYERS), theirs(weights)
        # V4 is asked for after IT, which a cache may not have put in its place.
        for region, n_units in (("IT", 512 * 7 * 7), ("V4", 128 * 28 * 28)):
            found, expected = (answer(made, stimuli, region) for made in (ours, peer))
            assert found.shape == expected.shape == (4, n_units)
            np.testing.assert_allclose(found, expected, atol=ROUNDING * np.abs(expected).max())

    def test_score(self, weights, mirror, tmp_path):
        """On real recordings of V4; the images are those of the data set, at the model's size."""
        data = datasets.load("cowley-2023", session="210325")
        shown = data.stimuli.select(slice(0, 24))
        known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
        small = type(data)(
            **{
                **{k: getattr(data, k) for k in data.__dataclass_fields__},
                "assembly": data.assembly.isel(presentation=known),
                "stimuli": at_224(shown),
            }
        )
        call = benchmark(small, metric="rdm", visual_degrees=8, ceiling=0.8, folder=tmp_path)
        ours = call(subject(f"torchvision:resnet18:{weights}", LAYERS))
        peer = call(theirs(weights))
        assert abs(float(ours.raw)) > 0
        # A rank correlation of 276 distances: exchanging the ranks of two neighbours moves it by
        # 12 / 276³. What rounds to another order are few of them.
        assert float(ours.raw) == pytest.approx(float(peer.raw), abs=100 * 12 / 276**3)


def answer(made, stimuli, region):
    made.start_recording(region, [(70, 170)])
    x = made.look_at(stimuli)
    x = x.squeeze("time_bin") if "time_bin" in x.dims else x
    order = [list(x["stimulus_id"].values).index(s) for s in stimuli["stimulus_id"]]
    return x.transpose("presentation", "neuroid").values[order]


def at_224(stimuli):
    from dataclasses import replace

    from PIL import Image

    images = [np.asarray(Image.fromarray(x).resize((224, 224))) for x in stimuli.pixels[:]]
    return replace(stimuli, pixels=np.stack(images))


class TestWeights:
    def test_first_ones_follow_the_seed(self):
        one, again, other = (
            subject("torchvision:squeezenet1_1", {"V4": "features_5"}, seed=s) for s in (0, 0, 1)
        )
        assert one.identifier.startswith("squeezenet1_1-untrained-")
        assert one.identifier == again.identifier
        weights = [m.model.module.features[0].weight for m in (one, other)]
        assert not torch.equal(*weights)

    @pytest.mark.parametrize("kind", ["safetensors", "checkpoint", "parallel"])
    def test_of_a_file(self, tmp_path, kind):
        module = torchvision.models.squeezenet1_1(weights=None)
        tensors = module.state_dict()
        if kind == "safetensors":
            path = tmp_path / "w.safetensors"
            save_file(tensors, path)
        elif kind == "checkpoint":
            path = tmp_path / "w.pth"
            torch.save({"epoch": 3, "state_dict": tensors}, path)
        else:
            path = tmp_path / "w.pth.tar"
            torch.save({f"module.{name}": x for name, x in tensors.items()}, path)
        made = subject(f"torchvision:squeezenet1_1:{path}", {"V4": "features_5"})
        assert made.identifier.startswith("squeezenet1_1-")
        found = made.model.module.state_dict()
        assert all(torch.equal(found[name], x) for name, x in tensors.items())

    def test_of_torch_s_cache(self, tmp_path, monkeypatch):
        """Where weights with a name were downloaded to."""
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        module = torchvision.models.squeezenet1_1(weights=None)
        url = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.url
        path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
        path.parent.mkdir(parents=True)
        torch.save(module.state_dict(), path)
        for name in ("IMAGENET1K_V1", "DEFAULT"):
            made = subject(f"torchvision:squeezenet1_1:{name}", {"V4": "features_5"})
            assert torch.equal(
                made.model.module.features[0].weight, module.features[0].weight.detach()
            )

    @pytest.mark.slow
    def test_of_old_names(self, tmp_path):
        """DenseNet's published weights have dots where its modules have none."""
        module = torchvision.models.densenet121(weights=None)
        old = {
            re.sub(r"(denselayer\d+\.)(norm|conv)(\d)", r"\1\2.\3", name): x
            for name, x in module.state_dict().items()
        }
        assert "features.denseblock1.denselayer1.norm.1.weight" in old
        torch.save(old, tmp_path / "w.pth")
        made = subject(f"torchvision:densenet121:{tmp_path / 'w.pth'}", {"V4": "denseblock2"})
        found = made.model.module.state_dict()
        assert all(torch.equal(found[name], x) for name, x in module.state_dict().items())

    def test_code_in_a_file_is_not_run(self, tmp_path):
        path = tmp_path / "w.pt"
        torch.save(torchvision.models.squeezenet1_1(weights=None), path)
        with pytest.raises(ValueError, match="no file of weights that can be read without running"):
            read_weights(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"epoch": 3}, "must hold tensors by name"),
            (torch.zeros(3), "must hold tensors by name"),
            ({"weight": torch.zeros(3)}, r"does not fit SqueezeNet: .*Missing key\(s\)"),
        ],
        ids=["none", "one", "others"],
    )
    def test_of_a_wrong_file(self, tmp_path, content, message):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(ValueError, match=message):
            subject(f"torchvision:squeezenet1_1:{tmp_path / 'w.pt'}", {"V4": "features_5"})

    @pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
    def test_of_a_damaged_file(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ValueError, match="is no file of weights that can be read"):
            subject(f"torchvision:squeezenet1_1:{tmp_path / name}", {"V4": "features_5"})

    def test_that_cannot_be_reached(self, tmp_path, monkeypatch):
        """As on a machine without network: every connection is refused."""
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with pytest.raises(ValueError, match=r"resnet18-\w+.pth cannot be reached .* its path, as"):
            subject("torchvision:resnet18:IMAGENET1K_V1", LAYERS)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("torchvision:resnet81", r"no classifier 'resnet81'; did you mean \['resnet18'"),
            ("resnet18", r"no model 'resnet18': .*; did you mean torchvision:resnet18\?"),
            ("torchvision:fcn_resnet50", "no classifier 'fcn_resnet50'"),
            ("torchvision:", "no classifier ''; it has"),
            (
                "torchvision:resnet18:V7",
                "weights 'V7' of resnet18 are no file and none that torchvision has",
            ),
        ],
    )
    def test_that_do_not_exist(self, text, message):
        with pytest.raises(ValueError, match=message):
            subject(text, LAYERS)


def test_images_are_seen_as_in_training():
    made = subject("torchvision:squeezenet1_1", {"V4": "features_5"})
    assert made.model.input_size == 224
    assert made.model.input_mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    seen = Viewing(input_size=64, input_mean=0.5)
    mine = subject("torchvision:squeezenet1_1", {"V4": "features_5"}, viewing=seen)
    assert (mine.model.input_size, mine.model.input_mean.item()) == (64, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception_v3", "vit_h_14"])
def test_models_are_built_as_torchvision_builds_them(name, monkeypatch):
    """InceptionV3 with weights norms its input anew; ViT's largest weights take larger images.

    What torchvision passes on to its classes is compared; nothing is built.
    """
    from torchvision.models import inception, vision_transformer

    passed: list = []

    class Built(Exception):
        pass

    def stop(*_, **given):
        passed.append(given)
        raise Built

    monkeypatch.setattr(inception, "Inception3", stop)
    monkeypatch.setattr(vision_transformer, "VisionTransformer", stop)
    weights = next(iter(torchvision.models.get_model_weights(name).__members__))
    with pytest.raises(Built):
        torchvision.models.get_model(name, weights=weights)
    with pytest.raises(Built):
        torchvision_model(name, weights, seed=0)
    theirs, ours = passed
    for key in ("transform_input", "init_weights", "image_size"):
        assert ours.get(key) == theirs.get(key)


def test_labels_are_imagenet_s():
    made = subject("torchvision:squeezenet1_1", {"V4": "features_5"})
    assert made.behaviour.labels == "imagenet"
    few = torchvision.models.squeezenet1_1(weights=None, num_classes=7)
    assert subject(few, {"V4": "features_5"}).behaviour.labels is None


def test_no_area_bears_a_region_s_name():
    with pytest.raises(ValueError, match=r"no area of .* or --region IT=features_12"):
        subject("torchvision:squeezenet1_1")


@pytest.mark.parametrize(
    ("name", "first", "n_areas"),
    [
        ("resnet18", "layer1", 4),
        ("alexnet", "features_0", 13),
        ("densenet121", "denseblock1", 4),
        ("vit_b_16", "encoder_layer_0", 12),
        ("regnet_y_400mf", "block1", 4),
        ("shufflenet_v2_x0_5", "stage2", 3),
        ("googlenet", "inception3a", 9),
        ("maxvit_t", "blocks_0", 4),
        ("swin_t", "features_0", 8),
    ],
)
@pytest.mark.slow
def test_stages_are_found(name, first, n_areas):
    from neurorec.brainscore.modules import _called

    drawn = {"init_weights": False} if name == "googlenet" else {}
    module = torchvision.models.get_model(name, weights=None, **drawn).eval()
    found = found_areas(module, *_called(module, 224))
    assert (next(iter(found)), len(found)) == (first, n_areas)
