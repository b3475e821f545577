"""The files of a plugin that are text, of what they have to say."""

from dataclasses import dataclass, fields
from pprint import pformat
from string import Template
from textwrap import indent
from typing import Any, Final, final

from neurorec import __version__
from neurorec.brainscore.behaviour import Behaviour
from neurorec.brainscore.brain_model import NeurorecBrainModel
from neurorec.brainscore.time_bins import Timeline
from neurorec.recording.units import All


@final
@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the files of a plugin say.

    Parameters
    ----------
    name
        Under which the model is registered.
    subject
        Whose answers the plugin reproduces.
    sha256
        Of the checkpoint.
    url
        Where it is; None if it is part of the plugin.
    bibtex
        Of the model.
    """

    name: str
    subject: NeurorecBrainModel
    sha256: str
    url: str | None
    bibtex: str

    @property
    def checkpoint(self) -> str:
        """Name of its file."""
        return f"{self.name}.safetensors"

    @property
    def package(self) -> str:
        """A name for its folder, which Python imports."""
        return self.name.replace(".", "_")


_INIT: Final = Template("""\
\"\"\"$name: a plugin of Brain-Score, exported by neurorec $version.\"\"\"

from brainscore_vision import model_registry

from .model import get_model

model_registry['$name'] = lambda: get_model('$name')
""")

_MODEL: Final = Template("""\
\"\"\"$name: a model that answers in its own time.\"\"\"

import json
from pathlib import Path

from neurorec import models
from neurorec.brainscore import Behaviour, NeurorecBrainModel
from neurorec.brainscore.plugin_weights import weights
$imports
FOLDER = Path(__file__).parent
IDENTIFIER = $identifier

CHECKPOINT = $checkpoint
SHA256 = $sha256
#: None: the checkpoint is in this folder.
URL = $url

BIBTEX = $bibtex


def get_model(identifier):
    \"\"\"The subject; the checkpoint holds the weights and the wiring.\"\"\"
    assert identifier == IDENTIFIER, identifier
    checkpoint = weights(FOLDER / CHECKPOINT, sha256=SHA256, url=URL)
    return NeurorecBrainModel(
        models.load(checkpoint),
        get_regions(identifier),
        identifier=IDENTIFIER,
$settings
    )


def get_regions(identifier):
    \"\"\"Areas that each region is committed to.\"\"\"
    assert identifier == IDENTIFIER, identifier
    return json.loads((FOLDER / "region_layer_map" / f"{identifier}.json").read_text())


def get_layers(identifier):
    \"\"\"Areas of the model.\"\"\"
    assert identifier == IDENTIFIER, identifier
    return $layers


def get_bibtex(identifier):
    \"\"\"How to cite the model.\"\"\"
    assert identifier == IDENTIFIER, identifier
    return BIBTEX
""")

_TEST: Final = Template("""\
\"\"\"The plugin gives the model that was exported.\"\"\"

import brainscore_vision
import numpy as np
import pytest
from brainscore_core.supported_data_standards.brainio.stimuli import StimulusSet
from PIL import Image

IDENTIFIER = $identifier
#: With a digest of the weights, the wiring, the regions and all settings.
EXPORTED = $exported
REGIONS = $regions
#: Whose activity differs between trials.
NOISY = $noisy


@pytest.fixture(scope="module")
def model():
    return brainscore_vision.load_model(IDENTIFIER)


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stimuli")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    paths = {f"s{number}": folder / f"s{number}.png" for number in range(len(pixels))}
    for path, image in zip(paths.values(), pixels):
        Image.fromarray(image).save(path)
    stimuli = StimulusSet({"stimulus_id": list(paths)})
    stimuli.stimulus_paths = paths
    stimuli.identifier = "noise"
    return stimuli


def recorded(model, stimuli, region, **how):
    \"\"\"Activity at every timestep.\"\"\"
    time = model.timeline
    edges = [time.onset_ms + time.dt_ms * number for number in range(time.n_timesteps + 1)]
    model.start_recording(region, list(zip(edges[:-1], edges[1:])))
    return model.look_at(stimuli, **how)


def test_it_is_what_was_exported(model):
    assert model.identifier == EXPORTED


@pytest.mark.parametrize("region", REGIONS)
def test_activity(model, stimuli, region):
    activity = recorded(model, stimuli, region)
    assert activity.dims == ("presentation", "neuroid", "time_bin")
    assert set(activity["region"].values) == {region}
    assert len(set(activity["neuroid_id"].values)) == activity.sizes["neuroid"]
    assert np.isfinite(activity.values).all()
    assert (activity.values[0] != activity.values[1]).any(), "two stimuli evoke the same"


@pytest.mark.parametrize("region", REGIONS)
def test_activity_is_reproduced(model, stimuli, region):
    again = recorded(brainscore_vision.load_model(IDENTIFIER), stimuli, region)
    np.testing.assert_array_equal(recorded(model, stimuli, region).values, again.values)


@pytest.mark.parametrize("region", REGIONS)
def test_trials_differ_where_there_is_noise(model, stimuli, region):
    activity = recorded(model, stimuli, region, number_of_trials=2, require_variance=True)
    first, second = np.split(activity.values, 2)
    assert (first != second).any() == (region in NOISY)
""")

_README: Final = Template("""\
# $name

A plugin of Brain-Score for a model that answers in its own time: $n_timesteps timesteps of $dt_ms
ms from $onset_ms ms after stimulus onset. Exported by neurorec $version.

| file | what it is |
|---|---|
| `__init__.py` | the registration of `$name` |
| `model.py` | `get_model`, `get_layers`, `get_bibtex` |
| `region_layer_map/$name.json` | the areas that each region is committed to |
| `$checkpoint` | weights and wiring, sha256 `$sha256`; $where |
| `metadata.yaml` | what the model is; **add what only you know**: training, data, people, licence |
| `requirements.txt` | the neurorec that reproduces it |
| `test.py` | tests that Brain-Score runs before it scores |

## Before you submit

```
neurorec brainscore check FOLDER
```

runs the checks that a submission meets: structure, registration, metadata, Brain-Score's generic
tests and `test.py`. `requirements.txt` names a release of neurorec; with a version that is not
released, write its address there (`neurorec[brainscore] @ git+https://…`).
$hosting
## Submit

Brain-Score takes a zip file of one folder that holds `models/<plugin>/`, or a pull request that
adds `brainscore_vision/models/<plugin>/`. The name of the folder is imported by Python: no dots.

```
mkdir -p submission/models
cp -r FOLDER submission/models/$package
zip -r submission.zip submission -x '*__pycache__*'
```

Upload `submission.zip` at Brain-Score's website, domain vision. Scores are kept under the name
`$name` for good: a changed model needs another name.
""")

_HOSTING: Final = """
The checkpoint is part of this folder. A pull request cannot hold files of more than 100 MB, and an
installation that is no checkout leaves it out; then put it where it can be downloaded and export
with `--weights-url`.
"""


def texts(plugin: Plugin) -> dict[str, str]:
    """Text of each file, by its name."""
    return {
        "__init__.py": _INIT.substitute(name=plugin.name, version=__version__),
        "model.py": _model(plugin),
        "test.py": _test(plugin),
        "README.md": _readme(plugin),
        "requirements.txt": f"neurorec[brainscore]=={__version__}\n",
    }


def _model(plugin: Plugin) -> str:
    settings = plugin.subject.settings
    kind = type(settings["units"])
    imports = "" if kind is All else f"from neurorec.recording import {kind.__name__}\n"
    return _MODEL.substitute(
        name=plugin.name,
        identifier=repr(plugin.name),
        imports=imports,
        checkpoint=repr(plugin.checkpoint),
        sha256=repr(plugin.sha256),
        url=repr(plugin.url),
        bibtex=_long_text(plugin.bibtex),
        settings=indent(_arguments(settings), " " * 8),
        layers=repr(list(plugin.subject.model.area_shapes)),
    )


def _long_text(text: str) -> str:
    """A literal that shows the lines of ``text`` where it can."""
    readable = f'r"""{text}"""'
    return readable if '"""' not in text and not text.endswith(('"', "\\")) else repr(text)


def _arguments(settings: dict[str, Any]) -> str:
    rest = {name: value for name, value in settings.items() if name != "identifier"}
    return "\n".join(f"{name}={_literal(value)}," for name, value in rest.items())


def _literal(value: Any) -> str:
    """Python that makes ``value``."""
    if isinstance(value, All):
        return repr("all")
    if isinstance(value, Behaviour):
        parts = ((field.name, getattr(value, field.name)) for field in fields(value))
        inside = "\n".join(f"{name}={pformat(part, compact=True)}," for name, part in parts)
        return f"Behaviour(\n{indent(inside, ' ' * 4)}\n)"
    return repr(value)


def _test(plugin: Plugin) -> str:
    subject = plugin.subject
    noisy = subject.model.stochastic_areas if subject.settings["noise"] else frozenset()
    differ = [
        region
        for region, areas in subject.regions.items()
        if any(area.split(".", 1)[0] in noisy for area in areas)
    ]
    return _TEST.substitute(
        identifier=repr(plugin.name),
        exported=repr(subject.identifier),
        regions=repr(list(subject.regions)),
        noisy=repr(differ),
    )


def _readme(plugin: Plugin) -> str:
    time: Timeline = plugin.subject.timeline
    return _README.substitute(
        name=plugin.name,
        package=plugin.package,
        version=__version__,
        checkpoint=plugin.checkpoint,
        sha256=plugin.sha256,
        where="in this folder" if plugin.url is None else f"at <{plugin.url}>",
        hosting=_HOSTING if plugin.url is None else "",
        n_timesteps=time.n_timesteps,
        dt_ms=f"{time.dt_ms:g}",
        onset_ms=f"{time.onset_ms:g}",
    )
