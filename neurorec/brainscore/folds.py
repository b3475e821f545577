"""Brain-Score's divisions of stimuli, by the options that its metrics take."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final, final

import numpy as np
import xarray as xr
from jaxtyping import Int64

from neurorec.assemblies import PRESENTATION
from neurorec.brainscore._import import import_brainscore
from neurorec.encoding.splits import stimulus_column

import_brainscore()

from brainscore_vision.metric_helpers.transformations import Split  # noqa: E402

# Each division has numbers of rows of its own, so that they are not named.
Rows = Int64[np.ndarray, "..."]

#: Options that would divide something else than stimuli.
_NOT_OURS: Final = ("split_coord", "preprocess_indices")


@final
class Folds:
    """Rows of training and held-out stimuli, drawn by Brain-Score's own code.

    Parameters
    ----------
    crossvalidation_kwargs
        As its metrics take them: ``splits``, ``train_size``, ``test_size``,
        ``stratification_coord`` (None for no balance), ``kfold``, ``unique_split_values``,
        ``random_state``.

    Raises
    ------
    ValueError
        If an option is unknown, asks for another division than one of stimuli, or for none.
    """

    def __init__(
        self,
        crossvalidation_kwargs: Mapping[str, Any],
    ) -> None:
        known = set(inspect.signature(Split).parameters) - set(_NOT_OURS)
        options = dict(crossvalidation_kwargs)
        if options.get("split_coord", "stimulus_id") == "stimulus_id":
            options.pop("split_coord", None)
        unknown = sorted(set(options) - known)
        if unknown:
            raise ValueError(
                f"crossvalidation_kwargs has {unknown}; metrics in sample space divide stimuli "
                f"and take {sorted(known)}"
            )
        if options.get("splits", 1) < 1:
            raise ValueError(f"splits must be at least 1, got {options['splits']}")
        self.stratification_coord = options.get(
            "stratification_coord", Split.Defaults.stratification_coord
        )
        self._split = Split(**options)
        self.described = _in_words(options)

    def split(self, responses: xr.DataArray) -> Iterator[tuple[Rows, Rows]]:
        """Yield rows of training and of held-out stimuli, both in ascending order.

        Raises
        ------
        ValueError
            If the stimuli lack the column that the sets are balanced over, or are too few for the
            sets.
        """
        ids = responses["stimulus_id"].values
        columns = {"stimulus_id": (PRESENTATION, ids)}
        if self.stratification_coord:
            name = self.stratification_coord
            columns[name] = (PRESENTATION, stimulus_column(responses, name))
        values, divided = self._drawn(
            xr.DataArray(np.zeros(len(ids)), coords=columns, dims=PRESENTATION)
        )
        order = np.argsort(ids, kind="stable")
        # In the order of ``values``, which are sorted where unique_split_values is asked for.
        rows = order[np.searchsorted(ids[order], values["stimulus_id"].values)]
        for train, test in divided:
            yield np.sort(rows[train]), np.sort(rows[test])

    def _drawn(self, stimuli: xr.DataArray) -> tuple[xr.DataArray, list[tuple[Rows, Rows]]]:
        try:
            return self._split.build_splits(stimuli)
        except ValueError as error:
            over = self.stratification_coord
            balanced = f" balanced over {over!r}" if over else ""
            raise ValueError(
                f"{stimuli.size} stimuli cannot be divided into {self.described}{balanced}: "
                f"{str(error).rstrip('.')}; give more stimuli, or sets of other sizes"
                + (", or stratification_coord=None" if over else "")
            ) from None


def _in_words(options: Mapping[str, Any]) -> str:
    n = options.get("splits", Split.Defaults.splits)
    return f"{n} {'folds' if options.get('kfold') else 'splits'}"


def shuffled(
    *,
    n_splits: int,
    train_size: float,
    stratification_coord: str | None,
    random_state: int,
    crossvalidation_kwargs: Mapping[str, Any] | None = None,
) -> Folds:
    """Random divisions, by the names that our metrics have for their options; the last one wins."""
    named = {
        "splits": n_splits,
        "train_size": train_size,
        "stratification_coord": stratification_coord,
        "random_state": random_state,
    }
    return Folds(named | dict(crossvalidation_kwargs or {}))
