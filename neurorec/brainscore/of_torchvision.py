"""Models of torchvision by their names, with the weights that are asked for."""

import difflib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import torch
from torch import Tensor, nn

from neurorec._torchvision import make_torchvision_importable
from neurorec.models.abstract_adapter import Viewing

#: What a file of weights may be called.
WEIGHT_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".tar")
# What a module that runs on several devices puts before every name.
_PARALLEL: Final = "module."
# Names of DenseNet's parts in its published weights, from before torch forbade dots in names.
_DOTTED: Final = re.compile(r"\.(norm|relu|conv)\.([12])\.")


def torchvision_model(name: str, weights: str, *, seed: int) -> tuple[nn.Module, Viewing]:
    """A classifier of torchvision, and how its weights were trained to see images.

    Size and moments are those of the named weights; of a file and of none, those that torchvision
    lists first for the model. The whole image is shown, not its centre as in torchvision's tests
    of accuracy: stimuli of a benchmark span degrees of visual angle, of which none may be cut.

    Parameters
    ----------
    weights
        Path of a state dict (safetensors, or one that torch reads without running code), or a name
        that torchvision gives to weights, which are downloaded; none with ``""``.
    seed
        Of the weights where none are given.

    Raises
    ------
    ValueError
        If there is no such model or weights, or they do not fit, or cannot be downloaded.
    """
    zoo = _zoo()
    known = zoo.list_models(module=zoo)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=4)
        raise ValueError(
            f"torchvision has no classifier {name!r}; "
            f"{f'did you mean {close}?' if close else f'it has {known}'}"
        )
    listed = zoo.get_model_weights(name)
    chosen = listed[weights] if weights in listed.__members__ else next(iter(listed))
    seen = chosen.transforms()
    size = int(seen.crop_size[0])
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        module = zoo.get_model(name, weights=None, **_how_built(name, weights, size)).eval()
    if weights:
        load_weights(module, _weights(name, weights, listed), weights)
    return module, Viewing(input_size=size, input_mean=tuple(seen.mean), input_std=tuple(seen.std))


def has_torchvision(name: str) -> bool:
    """Whether it has a classifier of that name."""
    return make_torchvision_importable() and name in _zoo().list_models(module=_zoo())


def _how_built(name: str, weights: str, input_size: int) -> dict[str, Any]:
    """What torchvision itself passes on when it builds a model for its weights, or for none."""
    if name in ("googlenet", "inception_v3"):
        # Their weights expect another norm of the input, which these modules then make of ours.
        return {"transform_input": bool(weights), "init_weights": not weights}
    return {"image_size": input_size} if name.startswith("vit_") else {}


def _zoo() -> Any:
    if not make_torchvision_importable():
        raise ImportError("torchvision is not installed here; type pip install torchvision")
    import torchvision

    return torchvision.models


def _weights(name: str, weights: str, listed: Any) -> dict[str, Tensor]:
    """Of the name that torchvision gives them, or of a file."""
    path = Path(weights).expanduser()
    if weights in listed.__members__:
        tensors = _downloaded(name, listed[weights])
    elif path.is_file():
        tensors = read_weights(path)
    else:
        raise ValueError(
            f"weights {weights!r} of {name} are no file and none that torchvision has, which are "
            f"{sorted(listed.__members__)}"
        )
    return {_DOTTED.sub(r".\1\2.", key): x for key, x in tensors.items()}


def _downloaded(name: str, chosen: Any) -> Mapping[str, Tensor]:
    """From torch's cache, where it is downloaded to; its hash is part of its name."""
    try:
        return torch.hub.load_state_dict_from_url(
            chosen.url, map_location="cpu", check_hash=True, weights_only=True
        )
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ValueError(
            f"{chosen.url} cannot be reached ({error}); download it elsewhere and give its path, "
            f"as torchvision:{name}:PATH"
        ) from None


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a state dict; nothing in the file is run.

    Of a training checkpoint its ``state_dict``; ``module.`` before every name is left out.

    Raises
    ------
    ValueError
        If the file is no such thing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        first = str(error).split(". ")[0].split("\n")[0]
        raise ValueError(
            f"{path} is no file of weights that can be read without running code: {first}; save "
            "model.state_dict() with torch.save or safetensors"
        ) from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(x, Tensor) for x in content.values()):
        raise ValueError(f"{path} must hold tensors by name, as model.state_dict() gives them")
    prefixed = all(name.startswith(_PARALLEL) for name in content)
    return {n.removeprefix(_PARALLEL): x for n, x in content.items()} if prefixed else content


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Give ``module`` its weights, all of them.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:300]
        raise ValueError(f"{origin} does not fit {type(module).__name__}: {problem}") from None
