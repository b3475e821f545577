r"""How well each image's object is told from others, over time: I1, the d′ of an image.

With the probabilities :math:`P_s` that a readout gives image s of object o, for each other object d

.. math::

    p_{sd} = \frac{P_s(d)}{P_s(d) + P_s(o)}, \qquad
    d'_{sd} = Z(1 - p_{sd}) - Z(\langle p_{s'o} \rangle_{s' \in d}), \qquad
    I_1(s) = \langle d'_{sd} \rangle_{d \ne o}

with Z the inverse of the normal distribution and d′ clipped to ±5.

References
----------
Rajalingham, Issa et al. (2018) Journal of Neuroscience 38:7255; Kar et al. (2019) Nature
Neuroscience 22:974. The readout's penalty is that of brainscore-vision's ``ost``, which stops it
after 40 epochs of Adam; we take the minimum, which needs no seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float64, Int64
from scipy.special import expit, logsumexp, ndtri

from neurorec.assemblies import PRESENTATION, TIME_BIN
from neurorec.dynamics.decoding import labels_of
from neurorec.dynamics.folds import assign_folds
from neurorec.dynamics.softmax import softmax_evidence
from neurorec.gram import resolve_device
from neurorec.populations import Population, as_population
from neurorec.populations.labels import time_coords

#: Of brainscore-vision's ``ost``: 1 / (0.001 · 2160).
OST_PENALTY: Final = 0.463
_LARGEST_D_PRIME: Final = 5.0
# Numbers of the time bins that are fitted together.
_TOGETHER: Final = 2**25


@final
@dataclass(frozen=True, kw_only=True)
class ImageDecoder:
    """The readout whose probabilities are scored, and which presentations it does not see.

    Parameters
    ----------
    label
        Coordinate of ``presentation`` with the objects.
    fold, n_folds, seed
        ``"stratified"`` holds out images, ``"repetition"`` blocks of repetitions; see
        :func:`neurorec.dynamics.folds.assign_folds`.
    penalty
        Of the softmax regression; see :mod:`neurorec.dynamics.softmax`.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    label: str = "object_name"
    fold: str | int = "stratified"
    n_folds: int = 10
    penalty: float | int = OST_PENALTY
    seed: int = 0
    device: str = "cpu"

    def log_probabilities(
        self,
        population: Population,
        codes: Int64[np.ndarray, " presentation"],
        train: Int64[np.ndarray, " train"],
        test: Int64[np.ndarray, " test"],
    ) -> Float64[np.ndarray, "test n_classes time_bin"]:
        """Of each class, for the presentations ``test``, by a rule for each time bin."""
        n_classes, found = int(codes.max()) + 1, []
        known = torch.from_numpy(codes[train]).to(resolve_device(self.device))
        for values in _time_bins(population):
            activity = torch.from_numpy(values).to(known.device)
            logits = softmax_evidence(
                activity[:, train],
                activity[:, test],
                known,
                n_classes=n_classes,
                penalty=self.penalty,
            )
            found.append(logits.log_softmax(dim=2).permute(1, 2, 0).cpu().numpy())
        return np.concatenate(found, axis=2)


def image_scores(source: Any, decoder: ImageDecoder | None = None) -> xr.DataArray:
    """I1 of every image in every time bin, each presentation tested by a rule of the other folds.

    Probabilities are averaged over the presentations of an image, and false alarms counted over
    all images, whatever their fold.

    Parameters
    ----------
    source
        An assembly of single presentations or means, or an area of a recording.
    decoder
        ``ImageDecoder()`` if left out.

    Returns
    -------
    xr.DataArray
        I1 (presentation, time_bin), a presentation for each image, in order of first appearance.

    Raises
    ------
    ValueError
        If there is no such label, an image has several objects, there are fewer than two objects or
        too few images for the folds, or activity is not finite.
    """
    decoder = ImageDecoder() if decoder is None else decoder
    population = as_population(source)
    objects = labels_of(population.labels, decoder.label)
    names, codes = object_codes(objects)
    folds = assign_folds(
        population.labels,
        objects,
        fold=decoder.fold,
        n_folds=decoder.n_folds,
        seed=decoder.seed,
    )
    image, first = _images(population.labels, codes)
    found = np.empty((len(codes), len(names), population.n_times))
    for number in range(int(folds.max()) + 1):
        train, test = (np.flatnonzero(f) for f in (folds != number, folds == number))
        found[test] = decoder.log_probabilities(population, codes, train, test)
    scores = d_primes(_averaged(found, image), codes[first])
    identifiers = population.labels["stimulus_id"].values[first]
    return xr.DataArray(
        scores,
        dims=(PRESENTATION, TIME_BIN),
        coords={
            "stimulus_id": (PRESENTATION, identifiers),
            decoder.label: (PRESENTATION, objects[first]),
        }
        | time_coords(population.labels),
        attrs={"units": "d'", "n_neuroids": population.n_neuroids, "fold": str(decoder.fold)},
    )


def d_primes(
    log_probabilities: Float64[np.ndarray, "image n_classes time_bin"],
    codes: Int64[np.ndarray, " image"],
) -> Float64[np.ndarray, "image time_bin"]:
    """I1 of each image; NaN where no image of another object tells of false alarms."""
    n_classes = log_probabilities.shape[1]
    own = np.take_along_axis(log_probabilities, codes[:, None, None], axis=1)
    distracted = expit(log_probabilities - own)  # p_sd
    distracted[np.arange(len(codes)), codes] = np.nan
    false_alarms = np.full((n_classes, *distracted.shape[1:]), np.nan)
    for code in np.unique(codes):
        false_alarms[code] = distracted[codes == code].mean(axis=0)
    # Of image s and distractor d: how often images of d are taken for the object of s.
    alarms = false_alarms[:, codes].swapaxes(0, 1)
    with np.errstate(invalid="ignore"):  # both rates 1, or both 0, tell nothing
        d_prime = ndtri(1 - distracted) - ndtri(alarms)
    clipped = np.clip(d_prime, -_LARGEST_D_PRIME, _LARGEST_D_PRIME)
    known = np.isfinite(clipped)
    with np.errstate(invalid="ignore"):
        return np.where(known, clipped, 0).sum(axis=1) / known.sum(axis=1)


def object_codes(objects: np.ndarray) -> tuple[np.ndarray, Int64[np.ndarray, " presentation"]]:
    """Names of the objects, and the number of that of each presentation.

    Raises
    ------
    ValueError
        If there is only one.
    """
    names, codes = np.unique(objects, return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"an object is told from others, at least 2 are needed, got only {str(names[0])!r}"
        )
    return names, codes.ravel().astype(np.int64)


def _time_bins(population: Population) -> Iterator[Float64[np.ndarray, "time_bin presentation n"]]:
    """All neuroids in some time bins at a time."""
    n, n_times = population.labels.shape[0], population.n_times
    most = max(_TOGETHER // max(n * population.n_neuroids, 1), 1)
    for start in range(0, n_times, most):
        blocks = population.blocks(list(range(start, min(start + most, n_times))))
        values = np.concatenate(list(blocks), axis=1).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(
                "the activity holds NaN or infinite values; drop those presentations or neuroids"
            )
        yield np.ascontiguousarray(values.transpose(2, 0, 1))


def _images(
    labels: xr.DataArray, codes: Int64[np.ndarray, " presentation"]
) -> tuple[Int64[np.ndarray, " presentation"], Int64[np.ndarray, " image"]]:
    """Number of the image of each presentation, and the first presentation of each image."""
    _, first, inverse = np.unique(
        labels["stimulus_id"].values, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    image = np.argsort(order)[inverse.ravel()].astype(np.int64)
    first = first[order].astype(np.int64)
    if not np.array_equal(codes[first][image], codes):
        raise ValueError("an image has one object, but some stimulus_id has several labels")
    return image, first


def _averaged(
    log_probabilities: np.ndarray, image: np.ndarray
) -> Float64[np.ndarray, "image n_classes time_bin"]:
    """Logarithms of the mean probabilities over the presentations of each image."""
    means = [
        logsumexp(log_probabilities[image == i], axis=0) - np.log((image == i).sum())
        for i in range(int(image.max()) + 1)
    ]
    return np.stack(means)
