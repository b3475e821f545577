"""What the options of ``neurorec compare`` name: readouts, time, splits, ceilings, inputs."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from neurorec._checks import check_option

if TYPE_CHECKING:
    import xarray as xr

    from neurorec.datasets import NeuralData
    from neurorec.recording.area import RecordedArea

    Features = Mapping[str, xr.DataArray | RecordedArea]

#: Readouts by their names, and what they are called in ``neurorec.encoding``.
READOUTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ridge": "Ridge",
        "pls": "PLS",
        "banded": "BandedRidge",
        "one-to-one": "OneToOne",
        "soft-matching": "SoftMatching",
        "factorised": "Factorised",
        "identity": "Identity",
    }
)
#: Relations of model time to neural time.
TIMES: Final = ("grid", "match", "lag", "all", "cumulative")
#: Ways to hold stimuli out: the name in ``neurorec.encoding``, the kinds of the values that may
#: follow, and whether it draws.
SPLITS: Final[Mapping[str, tuple[str, tuple[type, ...], bool]]] = MappingProxyType(
    {
        "kfold": ("KFold", (int,), True),
        "random": ("RandomSplits", (int, float), True),
        "groups": ("GroupFolds", (str, int), False),
        "fixed": ("FixedSplit", (str,), False),
    }
)
#: Settings of ``encoding.Ceiling``.
CEILINGS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {"split-half": {}, "explainable-variance": {"method": "explainable_variance"}}
)
#: Feature sets that need no recording, by the names of their functions.
BASELINES: Final[Mapping[str, str]] = MappingProxyType(
    {"pixels": "pixels", "gabor": "gabor_energy"}
)


def a_readout(name: str) -> Any:
    """The readout that ``--readout`` names."""
    return _of_encoding(READOUTS[check_option("--readout", name, READOUTS)])()


def a_time(text: str) -> Any:
    """What ``--time`` names; ``match:50`` is a match with a latency of 50 ms."""
    kind, _, value = text.partition(":")
    check_option("--time", kind, TIMES)
    if not value:
        return kind
    if kind != "match":
        raise ValueError(f"--time {text}: only match takes a number, the latency in ms")
    return _of_encoding("Match")(latency_ms=_number(float, value, f"--time {text}"))


def a_split(text: str, seed: int) -> Any:
    """What ``--splits`` names."""
    kind, *values = text.split(":")
    name, types, draws = SPLITS[check_option("--splits", kind, SPLITS)]
    if len(values) > len(types):
        raise ValueError(
            f"--splits {text}: at most {len(types)} may follow {kind}, got {len(values)}; such as "
            "kfold:5, random:10:0.1, groups:COLUMN or fixed:COLUMN"
        )
    # Fewer values than there may be are those that come first.
    pairs = zip(types, values, strict=False)
    given = [_number(of, value, f"--splits {text}") for of, value in pairs]
    return _of_encoding(name)(*given, **({"seed": seed} if draws else {}))


def a_ceiling(name: str, seed: int) -> Any:
    """What ``--ceiling`` names."""
    return _of_encoding("Ceiling")(seed=seed, **CEILINGS[check_option("--ceiling", name, CEILINGS)])


def a_bootstrap(n_draws: int, seed: int) -> Any:
    """What ``--draws`` names."""
    return _of_encoding("Bootstrap")(n_draws=n_draws, seed=seed)


def _of_encoding(name: str) -> Any:
    from neurorec import encoding

    return getattr(encoding, name)


def measured(data: "NeuralData", region: str | None) -> "xr.DataArray":
    """Responses of the neurons of ``region``, with what is known of their stimuli."""
    import numpy as np

    if data.assembly is None:
        raise ValueError(f"data set {data.identifier} has no responses of neurons to predict")
    responses = data.assembly
    if region is not None:
        regions = responses["region"].values
        check_option("--region", region, sorted(set(regions.tolist())))
        responses = responses.isel(neuroid=np.flatnonzero(regions == region))
    return responses if data.stimuli is None else _described(responses, data.stimuli.table)


def _described(responses: "xr.DataArray", table: Any) -> "xr.DataArray":
    """With the columns of the stimulus set, by which stimuli may be grouped and held out."""
    rows = table.set_index("stimulus_id").loc[responses["stimulus_id"].values]
    columns = {
        str(name): ("presentation", rows[name].to_numpy())
        for name in rows
        if name not in responses.coords
    }
    return responses.assign_coords(columns)


def predictors(
    source: str, areas: Sequence[str], data: "NeuralData", responses: "xr.DataArray", device: str
) -> "tuple[dict[str, Any], Features]":
    """Where features come from, and the features themselves by the name of their area.

    A baseline is one of the stimuli that were shown.
    """
    if source in BASELINES and not Path(source).exists():
        if areas:
            raise ValueError(f"{source} is a baseline of the images and has no areas; omit --area")
        return {"baseline": source}, {source: _baseline(source, data, responses, device)}
    return _recorded(Path(source), areas)


def _baseline(
    name: str, data: "NeuralData", responses: "xr.DataArray", device: str
) -> "xr.DataArray":
    import numpy as np

    from neurorec import encoding

    if data.stimuli is None:
        raise ValueError(
            f"data set {data.identifier} comes without images, of which {name} could be computed"
        )
    shown = np.isin(data.stimuli.stimulus_ids, responses["stimulus_id"].values)
    stimuli = data.stimuli.select(np.flatnonzero(shown))
    if name == "gabor":
        return encoding.gabor_energy(stimuli, device=device)
    return encoding.pixels(stimuli)


def _recorded(path: Path, areas: Sequence[str]) -> "tuple[dict[str, Any], Features]":
    from neurorec.recording import open_recording

    recording = open_recording(path, partial=True)
    done, total = recording.progress
    if done < total:
        raise ValueError(
            f"{path} is not finished: {done} of {total} batches are whole; finish it with "
            "'neurorec record ... --resume'"
        )
    if not areas and len(recording.areas) > 1:
        raise ValueError(f"name one with --area; {path} has {', '.join(recording.areas)}")
    provenance = {"recording": str(path), **recording.provenance}
    return provenance, {name: recording.area(name) for name in areas or recording.areas}


def share(
    features: "Features",
    responses: "xr.DataArray",
    *,
    names: tuple[str, str],
    intersect: bool,
) -> None:
    """Refuse stimuli that do not match, in words of the command."""
    first: Any = next(iter(features.values()))
    labels = first if hasattr(first, "coords") else first.labels()
    recorded = set(labels["stimulus_id"].values.tolist())
    shown = set(responses["stimulus_id"].values.tolist())
    source, data = names
    both = len(recorded & shown)
    if not both:
        raise ValueError(
            f"{source} and {data} share no stimulus: {len(recorded)} and {len(shown)} have other "
            f"identifiers, such as {min(recorded)!r} and {min(shown)!r}; record the images of the "
            "data set"
        )
    if recorded != shown and not intersect:
        raise ValueError(
            f"{source} and {data} share {both} stimuli; {len(recorded) - both} are only in "
            f"{source} and {len(shown) - both} only in {data}; --intersect uses those of both"
        )


def labelled(scores: "xr.Dataset", data: "NeuralData", recorded: Mapping[str, Any]) -> "xr.Dataset":
    """With what is known of where features and responses come from."""
    provenance = json.loads(scores.attrs["provenance"])
    provenance |= {"features_of": recorded, "responses_of": data.provenance}
    return scores.assign_attrs(
        dataset=data.identifier, provenance=json.dumps(provenance, default=str)
    )


def _number(kind: type, text: str, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is not a number") from None
