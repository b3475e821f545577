"""From a checkpoint to the folder that Brain-Score takes as a model."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from torch import nn

from neurorec._checks import sha256_of
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.commitments import Regions
from neurorec.brainscore.plugin_metadata import metadata_text
from neurorec.brainscore.plugin_names import checked_name
from neurorec.brainscore.plugin_registries import registered
from neurorec.brainscore.plugin_texts import Plugin, texts
from neurorec.brainscore.subjects import BrainModel, subject
from neurorec.models import RecurrentNetwork, save

#: Of a subject, besides its name and regions: what its answers depend on.
SETTINGS: Final = (
    "dt_ms",
    "onset_ms",
    "timesteps",
    "visual_degrees",
    "behaviour",
    "noise",
    "seed",
    "units",
)
#: Files that torch writes, which say nothing of the model that their numbers belong to.
_OF_TORCH: Final = (".pt", ".pth", ".ckpt", ".tar", ".bin")
#: What to do with any other model.
_BY_HAND: Final = (
    "of a torch module, or a model of torchvision, write the plugin by hand: in model.py, "
    "get_model(identifier) returns neurorec.brainscore.subject(module, regions, "
    "identifier=identifier), where module may also be such as 'torchvision:resnet18:weights.pth', "
    "and __init__.py registers it as model_registry['NAME'] = lambda: get_model('NAME'); then type "
    "neurorec brainscore check FOLDER"
)


def export(
    model: Any,
    name: str,
    out: str | Path,
    regions: Regions | None = None,
    *,
    weights_url: str | None = None,
    bibtex: str | None = None,
    force: bool = False,
    **settings: Any,
) -> Path:
    """Write the plugin of a model, which Brain-Score loads and neurorec opens again.

    The model that it makes has the same identifier, regions, times, noise and behaviour as
    :class:`NeurorecBrainModel` here, and so the same answers. The same input gives the same bytes.
    The folder appears whole or not at all.

    Parameters
    ----------
    model
        Path of a checkpoint, a preset or a wiring file, whose first weights then are part of the
        plugin, a wiring's network, or a :class:`NeurorecBrainModel` of one.
    name
        Under which Brain-Score lists it.
    out
        Folder to write, whose files are those of ``brainscore_vision/models/<plugin>/``.
    regions
        As of :func:`neurorec.brainscore.subject`.
    weights_url
        Where the checkpoint is, or will be, for download; its file is then no part of the plugin.
    bibtex
        Entry to cite the model by; made of its name and the wiring's source if left out.
    force
        Replace a plugin at ``out``.
    **settings
        As of :func:`neurorec.brainscore.subject`: ``dt_ms``, ``onset_ms``, ``timesteps``,
        ``visual_degrees``, ``behaviour``, ``noise``, ``seed`` and ``units``.

    Raises
    ------
    ValueError
        If the model is not a wiring's, the name not allowed or taken, the regions unclear, or
        something else is at ``out``.
    """
    out = Path(out)
    checked_name(name)
    _check_place(out, force)
    subject, network = _subject(model, name, regions, settings)
    with _new_folder(out, replace=force) as folder:
        sha256 = _checkpoint(model, network, folder, name, weights_url)
        plugin = Plugin(
            name=name,
            subject=subject,
            sha256=sha256,
            url=weights_url,
            bibtex=_bibtex(bibtex, name, network),
        )
        metadata = metadata_text(name, subject, network.wiring, sha256, weights_url)
        committed = {k: v[0] if len(v) == 1 else list(v) for k, v in subject.regions.items()}
        files = texts(plugin) | {
            "metadata.yaml": metadata,
            f"region_layer_map/{name}.json": json.dumps(committed, indent=2) + "\n",
        }
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8", newline="\n")
    return out


def _subject(
    model: Any, name: str, regions: Regions | None, settings: dict[str, Any]
) -> tuple[NeurorecBrainModel, RecurrentNetwork]:
    """The subject under its new name, and the network that it is of."""
    unknown = sorted(set(settings) - {*SETTINGS})
    if unknown:
        raise ValueError(f"settings of an exported model are {list(SETTINGS)}, got {unknown}")
    _check_wiring(model)
    made = subject(model, regions, **settings)
    _check_wiring(made)
    assert isinstance(made, NeurorecBrainModel)
    assert isinstance(made.model, RecurrentNetwork)
    kept = {setting: made.settings[setting] for setting in SETTINGS}
    return NeurorecBrainModel(made.model, made.regions, identifier=name, **kept), made.model


def _check_wiring(model: Any) -> None:
    """Refuse what is not made of a wiring, with what to do instead."""
    if isinstance(model, str | Path) and Path(model).suffix in _OF_TORCH:
        raise ValueError(f"{model} holds numbers without a wiring; {_BY_HAND}")
    run = model.model if isinstance(model, NeurorecBrainModel) else model
    if isinstance(run, nn.Module | BrainModel) and not isinstance(run, RecurrentNetwork):
        raise ValueError(
            "a checkpoint of neurorec, a preset, a wiring file or the network of one is exported, "
            f"got {type(run).__name__}; {_BY_HAND}"
        )


def _checkpoint(
    model: Any, network: RecurrentNetwork, folder: Path, name: str, url: str | None
) -> str:
    """The digest of the checkpoint's file, which is put into ``folder`` if it has no address."""
    given = Path(model).expanduser() if isinstance(model, str | Path) else Path()
    is_file = given.suffix == ".safetensors" and given.is_file()
    if url is not None:
        if urlparse(url).scheme not in ("http", "https") or not urlparse(url).netloc:
            raise ValueError(f"the weights' URL must begin with https://, got {url!r}")
        if not is_file:
            raise ValueError(
                "weights with a URL are a file, of which the digest is kept; save the network with "
                "neurorec.models.save, export that checkpoint, and upload it as it is"
            )
        return sha256_of(given)
    path = folder / f"{name}.safetensors"
    if is_file:
        shutil.copyfile(given, path)
    else:
        save(network, path)
    return sha256_of(path)


def _bibtex(given: str | None, name: str, network: RecurrentNetwork) -> str:
    """An entry that can be parsed, as Brain-Score does."""
    from pybtex.database import parse_string
    from pybtex.exceptions import PybtexError

    text = _own_bibtex(name, network) if given is None else given.strip() + "\n"
    try:
        entries = parse_string(text, "bibtex").entries
    except PybtexError as error:
        raise ValueError(f"the BibTeX cannot be read: {error}") from None
    if not entries:
        raise ValueError("there is no entry in the BibTeX; one looks like @article{key, title={…}}")
    return text


def _own_bibtex(name: str, network: RecurrentNetwork) -> str:
    source = network.wiring.source.translate({ord(c): None for c in "{}\\"})
    note = f"  note = {{{source}}},\n" if source else ""
    return f"@misc{{{name},\n  title = {{{name}}},\n{note}}}\n"


def _check_place(out: Path, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not registered(out):
        raise ValueError(f"{out} exists and is no plugin; name another folder")
    if not force:
        raise ValueError(
            f"{out} holds the plugin of {', '.join(registered(out))}; name another folder, or "
            "replace it with --force"
        )


@contextmanager
def _new_folder(out: Path, *, replace: bool) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place when the block ends without error."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        folder = work / "new"
        folder.mkdir()
        yield folder
        if replace and out.exists():
            out.replace(work / "old")
        folder.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
