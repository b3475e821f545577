"""Object solution times of a model against those of a monkey, in torch."""

from typing import Any, Final, NamedTuple, final

import numpy as np
import xarray as xr
from jaxtyping import Float64

from neurorec import assemblies
from neurorec.assemblies import PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.brainscore.assemblies import from_brainio
from neurorec.brainscore.folds import shuffled
from neurorec.dynamics.image_scores import OST_PENALTY, ImageDecoder, d_primes, object_codes
from neurorec.dynamics.object_solution import rank_correlation, solution_times, solved_by_both
from neurorec.populations import as_population

import_brainscore()

from brainscore_core.metrics import Metric, Score  # noqa: E402
from brainscore_core.supported_data_standards.brainio.assemblies import (  # noqa: E402
    DataAssembly,
)

#: Threshold of each image, what a monkey achieves, as Brain-Score's data call it.
I1: Final = "i1"


class _Images(NamedTuple):
    """What is known of the images of the target."""

    names: list[Any]
    codes: np.ndarray
    thresholds: Float64[np.ndarray, " image"]
    times: Float64[np.ndarray, " image"]


@final
class ObjectSolutionTimes(Metric):
    r"""Rank correlation of the times at which model and monkey tell each image's object.

    In each split, softmax regressions of the objects are fitted to the model's z-scored activity
    for the training images, one for each time bin; the time of a held-out image is when its
    :math:`I_1` reaches that of the monkey; see
    :func:`neurorec.dynamics.object_solution_times`. Spearman's correlation over the images that
    both solve, the mean over splits. ``fraction_solved`` says how many the model solves: without it
    the correlation cannot be judged.

    The definition is that of Brain-Score's ``ost``, which needs TensorFlow. What differs: the
    regression is at its minimum (theirs: 40 epochs of Adam from random weights), and a split of
    which fewer than three images are solved by both counts as none.

    Parameters
    ----------
    label
        Coordinate of the target with the objects.
    penalty
        Of the softmax regression.
    n_splits, train_size, stratification_coord, random_state
        As ``crossvalidation_kwargs`` of Brain-Score's metrics; theirs are the defaults.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        *,
        label: str = "image_label",
        penalty: float | int = OST_PENALTY,
        n_splits: int = 10,
        train_size: float = 0.9,
        stratification_coord: str | None = None,
        random_state: int = 1,
        device: str = "cpu",
    ) -> None:
        self.decoder = ImageDecoder(label=label, penalty=penalty, device=device)
        self.splits = shuffled(
            n_splits=n_splits,
            train_size=train_size,
            stratification_coord=stratification_coord,
            random_state=random_state,
        )

    def __call__(self, source: DataAssembly, target: DataAssembly) -> Score:
        """Score of the model ``source`` (presentation, neuroid, time_bin).

        Parameters
        ----------
        target
            Solution times in ms (presentation), NaN where there is none, with the coordinates
            ``stimulus_id``, ``i1`` and the objects.

        Raises
        ------
        ValueError
            If the model has one time bin or lacks a stimulus, or the target lacks a coordinate.
        """
        images = self._images(target)
        features = from_brainio(source)
        features = features.isel(presentation=assemblies.match(images.names, features))
        if features.sizes["time_bin"] < 2:
            raise ValueError("object solution times need at least 2 time bins, the model has 1")
        if not _varies(features):
            return _undefined("the activity of the model does not change over time")
        splits = list(self.splits.split(_as_presentations(target, images)))
        times = np.stack([self._times(features, images, *split) for split in splits])
        return _score(times, [test for _, test in splits], images)

    def _images(self, target: DataAssembly) -> _Images:
        plain = xr.DataArray(target)
        needed = ("stimulus_id", I1, self.decoder.label)
        missing = [name for name in needed if name not in _names(plain)]
        if plain.dims != (PRESENTATION,) or missing:
            raise ValueError(
                f"the target must hold solution times over {PRESENTATION!r} with the coordinates "
                f"{needed}, got the dimensions {plain.dims}"
                + (f" and no coordinate {missing[0]!r}" if missing else "")
            )
        names, thresholds, objects = (plain[name].values for name in needed)
        return _Images(
            names=names.tolist(),
            codes=object_codes(objects)[1],
            thresholds=thresholds.astype(np.float64),
            times=plain.values.astype(np.float64),
        )

    def _times(
        self, features: xr.DataArray, images: _Images, train: np.ndarray, test: np.ndarray
    ) -> Float64[np.ndarray, " image"]:
        """Times of the images ``test``; NaN of the others."""
        population = as_population(features)
        found = self.decoder.log_probabilities(population, images.codes, train, test)
        scores = d_primes(found, images.codes[test])
        times = np.full(len(images.names), np.nan)
        starts = features["time_bin_start"].values.astype(np.float64)
        times[test] = solution_times(scores, images.thresholds[test], starts)
        return times


def _names(assembly: xr.DataArray) -> set[str]:
    """Of all coordinates, also those that are levels of an index."""
    levels = {level for index in assembly.indexes.values() for level in index.names}
    return {str(name) for name in (*assembly.coords, *levels)}


def _as_presentations(target: DataAssembly, images: _Images) -> xr.DataArray:
    """The images with their columns, as those who split them want it."""
    plain = xr.DataArray(target)
    columns = {
        name: (PRESENTATION, plain[name].values)
        for name in _names(plain) - {PRESENTATION}
        if plain[name].dims == (PRESENTATION,)
    }
    return xr.DataArray(images.times, dims=(PRESENTATION,), coords=columns)


def _varies(features: xr.DataArray) -> bool:
    return bool((features.values != features.values[:, :, :1]).any())


def _undefined(reason: str) -> Score:
    score = Score(np.nan)
    score.attrs["reason"] = reason
    return score


def _score(
    times: Float64[np.ndarray, "split image"], tests: list[np.ndarray], images: _Images
) -> Score:
    each = np.array(
        [
            rank_correlation(of[test], images.times[test])
            for of, test in zip(times, tests, strict=True)
        ]
    )
    solved = [np.isfinite(of[test]).mean() for of, test in zip(times, tests, strict=True)]
    both = [
        solved_by_both(of[test], images.times[test]).mean()
        for of, test in zip(times, tests, strict=True)
    ]
    known = each[np.isfinite(each)]
    if not len(known):
        score = _undefined("no split has three images that model and monkey solve")
    else:
        score = Score(known.mean())
        score.attrs["error"] = Score(known.std() / np.sqrt(len(known)))
    score.attrs["raw"] = Score(each, coords={"split": np.arange(len(each))}, dims=["split"])
    score.attrs["object_solution_time_ms"] = xr.DataArray(
        times,
        dims=("split", PRESENTATION),
        coords={"stimulus_id": (PRESENTATION, np.asarray(images.names))},
    )
    score.attrs["fraction_solved"] = float(np.mean(solved))
    score.attrs["fraction_solved_by_target"] = float(np.isfinite(images.times).mean())
    score.attrs["fraction_solved_by_both"] = float(np.mean(both))
    return score
