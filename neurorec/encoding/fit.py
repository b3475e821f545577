"""Cross-validated prediction of responses from features, timestep by time bin."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from sklearn.base import BaseEstimator, clone
from torch import Tensor

import neurorec
from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, TIME_BIN, check
from neurorec.encoding.alignment import Alignment, align, averaged_blocks, restricted
from neurorec.encoding.ceilings import Ceiling, noise_ceiling, noise_corrected
from neurorec.encoding.readout import SampleSpaceReadout
from neurorec.encoding.ridge import Ridge
from neurorec.encoding.splits import KFold, Splits
from neurorec.gram import gram_of_blocks, resolve_device
from neurorec.stats.correlation import is_constant, pearson
from neurorec.stats.repetitions import by_stimulus

#: Which model timesteps predict which time bins. ``"grid"``: each predicts each.
TIMES: Final = ("grid",)

_BLOCK: Final = 4096  # units read at once
_FEWEST_HELD_OUT: Final = 3

Fold = tuple[np.ndarray, np.ndarray]
Predict = Callable[[Tensor, np.ndarray, np.ndarray], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Targets:
    """Mean responses to the shared stimuli, and the presentations they are means of."""

    presentations: xr.DataArray
    means: Float[np.ndarray, "stimulus neuroid time_bin"]
    n_repetitions: int

    def columns(self, device: torch.device) -> Float[Tensor, "stimulus target"]:
        """Every neuroid in every time bin as one target."""
        return torch.from_numpy(self.means.reshape(len(self.means), -1)).to(device)

    def held_out(self, test: np.ndarray) -> Float[np.ndarray, "test target"]:
        """Mean responses to the stimuli ``test``."""
        return self.means[test].reshape(len(test), -1)


def fit(
    features: xr.DataArray,
    responses: xr.DataArray,
    *,
    readout: BaseEstimator | None = None,
    splits: Splits | None = None,
    time: str = "grid",
    device: str = "auto",
    on_mismatch: str = "error",
    ceiling: Ceiling | None = None,
    progress: Callable[[int], Any] | None = None,
) -> xr.Dataset:
    """Score how well each timestep of a model predicts each time bin of each neuroid.

    The readout is fitted to mean responses on the training stimuli of each split and correlated
    with those to the held-out stimuli. One eigendecomposition per split and model timestep serves
    every neuroid, time bin and penalty.

    Parameters
    ----------
    features
        Assembly of a model area, read in blocks of units; repetitions of a stimulus are averaged
        first. Its time bins are the ``model_time`` of the result.
    responses
        Assembly of neurons: single trials, where NaN marks a missing repetition, or means. The
        stimuli are those of the features, in any order.
    readout
        :class:`Ridge` if left out; or any scikit-learn regressor of several targets, which is
        cloned, and then sees the features themselves.
    splits
        ``KFold(5)`` if left out.
    time
        ``"grid"``: every model timestep predicts every time bin.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    on_mismatch
        With ``"intersect"``, stimuli that one side lacks are left out and counted in the
        attributes; with ``"error"`` they are an error.
    ceiling
        How the noise ceiling is estimated; ``Ceiling()`` if left out.
    progress
        Called with 1 whenever a model timestep is finished.

    Returns
    -------
    Dataset
        ``score`` (split, neuroid, model_time, time_bin): Pearson r over held-out stimuli. Where
        responses or predictions do not vary over them it is 0, and the attributes
        ``n_constant_responses`` and ``n_constant_predictions`` count such cases.
        With single trials also ``reliability``, ``ceiling`` and ``reliable`` (neuroid, time_bin),
        see :func:`noise_ceiling`, and ``noise_corrected`` (neuroid, model_time, time_bin), the
        mean of ``score`` over splits divided by the ceiling.

    Raises
    ------
    ValueError
        If the stimuli do not match, a neuroid has the same response to every stimulus, features
        are constant or not finite, there are fewer stimuli than folds, or fewer than three
        stimuli are held out.
    """
    check_option("time", time, TIMES)
    readout = Ridge() if readout is None else readout
    splits = KFold() if splits is None else splits
    ceiling = ceiling or Ceiling()
    target = resolve_device(device)
    features, responses = check(features), check(responses)
    alignment = align(features, responses, on_mismatch=on_mismatch)
    targets = _targets(responses, alignment)
    folds = _folds(splits, targets.presentations, alignment)
    # Inner products where there are more features than training stimuli, features otherwise.
    many = features.sizes[NEUROID] >= len(folds[0][0])
    use_gram = many and isinstance(readout, SampleSpaceReadout)
    inputs = _inputs(features, alignment, use_gram=use_gram, device=target)
    columns = targets.columns(target)
    predict = _predictor(readout, columns, use_gram=use_gram)
    score = np.empty((len(folds), len(inputs), columns.shape[1]))
    counts = {"n_constant_responses": 0, "n_constant_predictions": 0}
    for t, sheet in enumerate(inputs):
        for k, (train, test) in enumerate(folds):
            predicted, measured = predict(sheet, train, test).cpu().numpy(), targets.held_out(test)
            score[k, t] = pearson(predicted, measured)
            counts["n_constant_predictions"] += int(is_constant(predicted).sum())
            # The same at every model timestep.
            counts["n_constant_responses"] += int(is_constant(measured).sum()) if t == 0 else 0
        if progress is not None:
            progress(1)
    options = {"readout": readout, "splits": splits, "time": time}
    attrs = _attributes(features, responses, alignment, **options) | counts
    return _dataset(score, features, targets, ceiling=ceiling, attrs=attrs)


def _targets(responses: xr.DataArray, alignment: Alignment) -> _Targets:
    presentations = restricted(responses, alignment.stimulus_ids)
    trials = by_stimulus(presentations)
    means = trials.means()
    silent = is_constant(means).all(axis=1)
    if silent.any():
        names = responses["neuroid_id"].values[silent].tolist()
        raise ValueError(
            f"{len(names)} of {len(silent)} neuroids respond the same to every stimulus: "
            f"{', '.join(map(str, names[:5]))}; they cannot be predicted, so leave them out"
        )
    return _Targets(
        presentations=presentations, means=means, n_repetitions=int(trials.counts().max())
    )


def _folds(splits: Splits, presentations: xr.DataArray, alignment: Alignment) -> list[Fold]:
    _, first = np.unique(presentations["stimulus_id"].values, return_index=True)
    folds = list(splits.split(presentations.isel(presentation=np.sort(first))))
    fewest = min(len(test) for _, test in folds)
    if fewest < _FEWEST_HELD_OUT:
        raise ValueError(
            f"a correlation needs at least {_FEWEST_HELD_OUT} held-out stimuli, got {fewest} of "
            f"{len(alignment.stimulus_ids)}; ask for fewer folds"
        )
    return folds


def _inputs(
    features: xr.DataArray, alignment: Alignment, *, use_gram: bool, device: torch.device
) -> Tensor:
    """Gram matrices (time_bin, stimulus, stimulus), or features (time_bin, stimulus, feature)."""
    blocks = averaged_blocks(features, alignment.stimulus_ids, block=_BLOCK)
    if use_gram:
        inputs = gram_of_blocks(blocks, centred=True, device=str(device))
        variance = inputs.diagonal(dim1=1, dim2=2).sum(dim=1)
    else:
        values = np.concatenate(list(blocks), axis=1).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("the features hold NaN or infinite values; drop those units")
        inputs = torch.from_numpy(values).permute(2, 0, 1).contiguous().to(device)
        variance = inputs.var(dim=1).sum(dim=1)
    if not bool((variance > 0).any()):
        raise ValueError(
            "every feature has zero variance: each unit responds the same to all stimuli at all "
            "timesteps; check that the recording saw the images"
        )
    return inputs


def _predictor(readout: Any, columns: Tensor, *, use_gram: bool) -> Predict:
    """Function of (inputs, train, test) that predicts the held-out responses."""
    if use_gram:
        return lambda gram, train, test: readout.predict_from_gram(
            gram, columns[:, :, None], train, test
        ).held_out[..., 0]
    if isinstance(readout, SampleSpaceReadout):
        return lambda x, train, test: readout.predict_from_features(
            x, columns[:, :, None], train, test
        ).held_out[..., 0]

    def predict(x: Tensor, train: np.ndarray, test: np.ndarray) -> Tensor:
        x_, y_ = x.cpu().numpy(), columns.cpu().numpy()
        fresh: Any = clone(readout)
        fitted = fresh.fit(x_[train], y_[train])
        return torch.from_numpy(np.asarray(fitted.predict(x_[test])).reshape(len(test), -1))

    return predict


def _attributes(
    features: xr.DataArray, responses: xr.DataArray, alignment: Alignment, **options: Any
) -> dict[str, Any]:
    """Attributes that netCDF can hold; ``provenance`` is JSON."""
    provenance = {
        "neurorec": neurorec.__version__,
        **{name: " ".join(repr(option).split()) for name, option in options.items()},
        "features": _provenance(features),
        "responses": _provenance(responses),
    }
    return {
        "splits": provenance["splits"],
        "n_stimuli": len(alignment.stimulus_ids),
        "n_stimuli_only_features": alignment.n_only_features,
        "n_stimuli_only_responses": alignment.n_only_responses,
        "n_features": features.sizes[NEUROID],
        "n_neuroids": responses.sizes[NEUROID],
        "provenance": json.dumps(provenance),
    }


def _provenance(assembly: xr.DataArray) -> Any:
    """What an assembly says of where it comes from."""
    stated = assembly.attrs.get("provenance", assembly.attrs.get("identifier"))
    return json.loads(json.dumps(stated, default=str))


def _dataset(
    score: Float[np.ndarray, "split model_time target"],
    features: xr.DataArray,
    targets: _Targets,
    *,
    ceiling: Ceiling,
    attrs: dict[str, Any],
) -> xr.Dataset:
    presentations = targets.presentations
    n_splits, n_times, _ = score.shape
    values = score.reshape(n_splits, n_times, *targets.means.shape[1:]).swapaxes(1, 2)
    dims = ("split", NEUROID, "model_time", TIME_BIN)
    coords = _coordinates(features, presentations) | {"split": np.arange(n_splits)}
    result = xr.Dataset(
        {"score": (dims, values, {"long_name": "Pearson r over held-out stimuli"})},
        coords=coords,
        attrs=attrs | {"n_repetitions": targets.n_repetitions},
    )
    if targets.n_repetitions < 2:
        return result
    limits = noise_ceiling(presentations, ceiling=ceiling)
    for name, variable in limits.data_vars.items():
        result[name] = ((NEUROID, TIME_BIN), variable.values, variable.attrs)
    mean = result["score"].mean("split")
    result["noise_corrected"] = noise_corrected(
        mean, limits, min_reliability=ceiling.min_reliability
    ).transpose(NEUROID, "model_time", TIME_BIN)
    limits.attrs["convention"] = limits["reliability"].attrs["convention"]
    unreliable = ~limits["reliable"].values
    return result.assign_attrs(limits.attrs, n_unreliable=int(unreliable.any(axis=1).sum()))


def _coordinates(features: xr.DataArray, responses: xr.DataArray) -> dict[str, Any]:
    """Coordinates of neuroids and time bins, and those of the model's time bins under new names."""
    ms = {"units": "ms"}
    coords: dict[str, Any] = {
        str(name): (coordinate.dims, coordinate.values, coordinate.attrs)
        for name, coordinate in responses.coords.items()
        if coordinate.dims in ((NEUROID,), (TIME_BIN,))
    }
    n_times = features.sizes[TIME_BIN]
    steps = features["timestep"].values if "timestep" in features.coords else np.arange(n_times)
    coords["timestep"] = ("model_time", steps)
    coords["model_time_start"] = ("model_time", features["time_bin_start"].values, ms)
    coords["model_time_end"] = ("model_time", features["time_bin_end"].values, ms)
    return coords
