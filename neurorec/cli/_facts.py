"""Facts about this machine for ``neurorec doctor``, each with what to type if it is amiss.

Every function asks the thing itself; nothing is remembered or guessed.
"""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, final

from neurorec._words import size_in_words

if TYPE_CHECKING:
    from neurorec.datasets.manifest import Manifest

#: Libraries whose versions tell the two stacks apart.
TELLING: Final = ("numpy", "pandas", "xarray", "scikit-learn", "scipy")
#: Free space, in bytes, below which downloads and recordings soon fail.
LITTLE_SPACE: Final = 5 * 10**9


@final
@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the report.

    Parameters
    ----------
    name
        What was looked at.
    found
        What was found.
    remedy
        What to type, or to do, to have more.
    mark
        ``"broken"`` if neurorec cannot work like this, ``"missing"`` if a part of it cannot.
    """

    name: str
    found: str
    remedy: str = ""
    mark: Literal["ok", "missing", "broken"] = "ok"


def installed(distribution: str) -> str | None:
    """Version of an installed distribution; None if it is absent."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def stack() -> list[Fact]:
    """Which of the two stacks this is, and whether it is complete."""
    from neurorec import __version__

    folder = Path(__file__).parents[1]
    brainscore = installed("brainscore-vision")
    name = "current releases" if brainscore is None else "Brain-Score"
    versions = ", ".join(f"{part} {installed(part)}" for part in TELLING)
    return [
        Fact(name="neurorec", found=f"{__version__} in {folder}"),
        Fact(name="Python", found=f"{platform.python_version()} on {_system()}"),
        Fact(name="stack", found=f"{name}: {versions}"),
        requirements("neurorec"),
    ]


def _system() -> str:
    return f"{platform.system()} {platform.machine()}"


def requirements(distribution: str) -> Fact:
    """Whether everything that ``distribution`` requires is here in a fitting version."""
    from packaging.requirements import Requirement

    name = "requirements"
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return Fact(
            name=name,
            found=f"not checked: {distribution} runs from a folder, it is not installed",
            remedy="pip install --no-deps -e .",
            mark="missing",
        )
    declared = [Requirement(line) for line in lines]
    needed = [r for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})]
    unmet = [r for r in needed if not _is_met(installed(r.name), str(r.specifier))]
    if not unmet:
        return Fact(name=name, found=f"all {len(needed)} are met")
    return Fact(
        name=name,
        found="; ".join(
            f"{r.name} {installed(r.name) or 'is absent'}, needed {r.specifier}" for r in unmet
        ),
        remedy="pip install " + " ".join(f"'{r.name}{r.specifier}'" for r in unmet),
        mark="broken",
    )


def _is_met(version: str | None, specifier: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return version is not None and SpecifierSet(specifier).contains(version, prereleases=True)


def machine() -> list[Fact]:
    """torch, the device it computes on, and memory."""
    try:
        import torch
    except (ImportError, OSError) as error:
        found = f"cannot be imported: {error}"
        return [Fact(name="torch", found=found, remedy="pip install torch", mark="broken")]
    cuda = torch.version.cuda
    build = "a CPU build" if cuda is None else f"built for CUDA {cuda}"
    return [
        Fact(name="torch", found=f"{torch.__version__}, {build}"),
        _device(),
        Fact(name="memory", found=f"{size_in_words(_memory_bytes())}"),
    ]


def _device() -> Fact:
    import torch

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        found = "; ".join(f"{card.name}, {size_in_words(card.total_memory)}" for card in cards)
        return Fact(name="device", found=f"cuda: {found}")
    found = f"cpu: {torch.get_num_threads()} threads, {os.cpu_count()} cores"
    if shutil.which("nvidia-smi") is None:
        return Fact(name="device", found=found)
    return Fact(
        name="device",
        found=f"{found}; an NVIDIA driver is here, but this torch does not see a GPU",
        remedy="nvidia-smi   (is the GPU listed? then install a CUDA build of torch)",
        mark="missing",
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def parts() -> list[Fact]:
    """Libraries that neurorec works without."""
    on_brainscore = installed("brainscore-vision") is not None
    rsatoolbox = "'rsatoolbox<0.3'" if on_brainscore else "rsatoolbox"
    return [
        _part(
            "brainscore-vision",
            "scores on Brain-Score",
            "pip install 'neurorec[brainscore]'   (in an environment of Python 3.11)",
        ),
        _torchvision(),
        _part("av", "stimuli in video files", "pip install 'neurorec[video]'"),
        _part("hdf5plugin", "recordings compressed with zstd", "pip install 'neurorec[zstd]'"),
        _part("dask", "recordings larger than memory", "pip install dask"),
        _part("rsatoolbox", "tests against another RSA", f"pip install {rsatoolbox}"),
    ]


def _part(distribution: str, purpose: str, remedy: str) -> Fact:
    version = installed(distribution)
    if version is None:
        return Fact(
            name=distribution, found=f"not installed ({purpose})", remedy=remedy, mark="missing"
        )
    return Fact(name=distribution, found=f"{version} ({purpose})")


def _torchvision() -> Fact:
    """Whether torchvision loads; its wheels are CUDA builds and need help beside a CPU torch."""
    from neurorec._torchvision import make_torchvision_importable

    name = "torchvision"
    fact = _part(name, "models and transforms of torchvision", "pip install 'neurorec[brainscore]'")
    if fact.mark == "missing":
        return fact
    try:
        make_torchvision_importable()
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:
        return Fact(
            name=name,
            found=f"{installed(name)} cannot be imported: {error}",
            remedy="pip install torch==2.13.0 torchvision==0.28.0   (they come in pairs)",
            mark="missing",
        )
    if torchvision.extension._has_ops():
        return fact
    return Fact(
        name=name,
        found=f"{fact.found}; neurorec mends its import beside this CPU torch, "
        "without ops.nms and io.read_image",
        remedy="import neurorec.brainscore   (before torchvision, in scripts of your own)",
    )


def data() -> list[Fact]:
    """Which recordings are on this machine, and where more would go."""
    from neurorec import datasets

    return [*_folders(), *(_data_set(datasets.info(name)) for name in datasets.names())]


def _folders() -> list[Fact]:
    from neurorec.datasets.fetch import cache_folder, mirrors

    facts = [
        Fact(name="mirror", found=str(folder))
        if folder.is_dir()
        else Fact(
            name="mirror",
            found=f"{folder} does not exist",
            remedy="export NEUROREC_MIRROR=FOLDER   (a folder that holds NAME/..., or unset it)",
            mark="missing",
        )
        for folder in mirrors()
    ]
    cache = cache_folder()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    little = free < LITTLE_SPACE
    cached = Fact(
        name="cache",
        found=f"{cache}, {size_in_words(free)} free",
        remedy="export NEUROREC_CACHE=FOLDER   (on a disk with more space)" if little else "",
        mark="missing" if little else "ok",
    )
    return [*facts, cached]


def _data_set(manifest: "Manifest") -> Fact:
    from neurorec.datasets.fetch import file_statuses

    statuses = file_statuses(manifest)
    here = [status for status in statuses if status.path is not None]
    size = size_in_words(manifest.size)
    if len(here) == len(statuses):
        places = " and ".join(sorted({status.place for status in here}))
        return Fact(name=manifest.name, found=f"in the {places}, {size}")
    public = all(manifest.url_of(s.file) is not None for s in statuses if s.path is None)
    return Fact(
        name=manifest.name,
        found=f"{len(here)} of {len(statuses)} files are here, {size} in all",
        remedy=f"neurorec data fetch {manifest.name}"
        if public
        else f"export NEUROREC_MIRROR=FOLDER   (no public source: a folder with {manifest.name}/)",
        mark="missing",
    )
