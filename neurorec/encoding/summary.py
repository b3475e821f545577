"""One number per model timestep and time bin."""

from typing import Any, Final

import numpy as np
import xarray as xr

from neurorec.assemblies import NEUROID, TIME_BIN
from neurorec.stats.bootstrap import bootstrap_interval

_KEPT: Final = (
    "n_stimuli",
    "n_unreliable",
    "n_repetitions",
    "splits",
    "convention",
    "provenance",
)


def summary(
    scores: xr.Dataset, *, n_draws: int = 1000, level: float = 0.95, seed: int = 0
) -> xr.Dataset:
    """Median over neuroids with a bootstrap interval over neuroids.

    Of ``noise_corrected`` where :func:`fit` could estimate a ceiling, otherwise of the mean of
    ``score`` over splits; the attribute ``quantity`` says which.

    Parameters
    ----------
    scores
        Result of :func:`fit`. No neuroid is left out; ``n_unreliable`` counts those whose
        reliability is below the stated rule in some time bin.
    n_draws
        Resampled populations.
    level
        Nominal coverage.

    Returns
    -------
    Dataset
        ``median``, ``ci_low`` and ``ci_high``, each (model_time, time_bin), and, where there is
        one, ``ceiling_median`` (time_bin), the median noise ceiling.

    Raises
    ------
    ValueError
        If ``scores`` is no result of :func:`fit`, or holds fewer than two neuroids.
    """
    if "score" not in scores:
        raise ValueError(
            f"expected the result of encoding.fit, got a Dataset of {sorted(map(str, scores))}"
        )
    quantity = "noise_corrected" if "noise_corrected" in scores else "score"
    values = scores[quantity]
    values = values.mean("split") if "split" in values.dims else values
    values = values.transpose("model_time", TIME_BIN, NEUROID)
    numbers = values.values
    low, high = bootstrap_interval(
        numbers, statistic=np.median, axis=-1, n_draws=n_draws, level=level, seed=seed
    )
    dims = ("model_time", TIME_BIN)
    attrs: dict[str, Any] = {name: scores.attrs[name] for name in _KEPT if name in scores.attrs}
    attrs |= {
        "quantity": quantity,
        "statistic": "median over neuroids",
        "interval": f"percentile bootstrap over neuroids, {n_draws} draws",
        "level": level,
        "seed": seed,
        "n_neuroids": numbers.shape[-1],
    }
    coords = {
        str(name): (coordinate.dims, coordinate.values, coordinate.attrs)
        for name, coordinate in values.coords.items()
        if NEUROID not in coordinate.dims
    }
    variables: dict[str, Any] = {
        "median": (dims, np.median(numbers, axis=-1)),
        "ci_low": (dims, low),
        "ci_high": (dims, high),
    }
    if "ceiling" in scores:
        variables["ceiling_median"] = scores["ceiling"].median(NEUROID).variable
    return xr.Dataset(variables, coords=coords, attrs=attrs)
