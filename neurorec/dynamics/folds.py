"""Which presentations are held out together."""

import numpy as np
import xarray as xr
from jaxtyping import Int64, Shaped

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION

FOLDS = ("repetition", "stratified")


def assign_folds(
    assembly: xr.DataArray,
    labels: Shaped[np.ndarray, " presentation"],
    *,
    fold: str | int,
    n_folds: int,
    seed: int | np.random.Generator,
) -> Int64[np.ndarray, " presentation"]:
    """Number of the fold in which each presentation is tested.

    Parameters
    ----------
    labels
        Classes to decode, for stratification and for the errors.
    fold
        ``"repetition"``: repetitions are cut, in order, into ``n_folds`` blocks of (nearly)
        equal length (repetitions 0 and 1 of 20 are fold 0 of 10); every stimulus is then in
        training and test. ``"stratified"``: the stimuli of each class are dealt to the folds at
        random, all presentations of a stimulus to the same one, so that no image is in both. An
        integer is ``"stratified"`` with that number of folds.
    n_folds
        Number of folds unless ``fold`` is an integer.
    seed
        For the stratified deal alone.

    Raises
    ------
    ValueError
        If a class, or the repetitions, are fewer than the folds.
    """
    if isinstance(fold, bool) or not isinstance(fold, str | int):
        raise ValueError(f"fold must be one of {sorted(FOLDS)} or a number of folds, got {fold!r}")
    kind, n_folds = ("stratified", fold) if isinstance(fold, int) else (fold, n_folds)
    check_option("fold", kind, FOLDS)
    if n_folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, got {n_folds}")
    if kind == "repetition":
        return _by_repetition(assembly, labels, n_folds)
    return _by_stimulus(assembly, labels, n_folds, np.random.default_rng(seed))


def exchangeable(
    assembly: xr.DataArray, folds: Int64[np.ndarray, " presentation"], *, fold: str | int
) -> tuple[Int64[np.ndarray, " presentation"], Int64[np.ndarray, " presentation"]]:
    """What exchanges labels under the null hypothesis: items, and the strata they stay in.

    Folds by repetition: presentations, within their repetition, so that what drifts from one to
    the next stays where it is. Stratified folds: stimuli with all their presentations, within
    their fold, since presentations of a stimulus are alike whatever its class.
    """
    if fold == "repetition":
        _, strata = np.unique(assembly["repetition"].values, return_inverse=True)
        return np.arange(len(folds)), strata.ravel().astype(np.int64)
    _, items = np.unique(assembly["stimulus_id"].values, return_inverse=True)
    return items.ravel().astype(np.int64), folds


def _by_repetition(
    assembly: xr.DataArray, labels: np.ndarray, n_folds: int
) -> Int64[np.ndarray, " presentation"]:
    values, position = np.unique(assembly["repetition"].values, return_inverse=True)
    if len(values) < n_folds:
        raise ValueError(
            f"{n_folds} folds by repetition need as many repetitions, got {len(values)}; give "
            f'n_folds of at most {len(values)}, or fold="stratified" to hold out stimuli'
        )
    folds = position.ravel() * n_folds // len(values)
    _require_per_class(labels, n_folds, "presentations", labels)
    return folds.astype(np.int64)


def _by_stimulus(
    assembly: xr.DataArray, labels: np.ndarray, n_folds: int, rng: np.random.Generator
) -> Int64[np.ndarray, " presentation"]:
    stimuli, first, position = np.unique(
        assembly["stimulus_id"].values, return_index=True, return_inverse=True
    )
    of_stimulus = labels[first]
    if not np.array_equal(of_stimulus[position.ravel()], labels):
        raise ValueError(
            "folds by stimulus need one label per stimulus, but some stimulus has several; "
            'give fold="repetition" or another label'
        )
    _require_per_class(of_stimulus, n_folds, "stimuli", labels)
    folds = np.empty(len(stimuli), dtype=np.int64)
    dealt = 0
    for value in np.unique(labels):
        members = rng.permutation(np.flatnonzero(of_stimulus == value))
        # Go on where the last class stopped, so that the folds are equally large together.
        folds[members] = (dealt + np.arange(len(members))) % n_folds
        dealt += len(members)
    return folds[position.ravel()]


def _require_per_class(of_items: np.ndarray, n_folds: int, items: str, labels: np.ndarray) -> None:
    values, counts = np.unique(of_items, return_counts=True)
    if counts.min() < n_folds:
        poorest = values[counts.argmin()]
        raise ValueError(
            f"class {str(poorest)!r} has {counts.min()} {items} for {n_folds} folds "
            f"({len(labels)} {PRESENTATION}s in all); give n_folds of at most {counts.min()}, or "
            "drop the class"
        )
