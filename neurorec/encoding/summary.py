"""One number per model time and time bin."""

from typing import Any, Final

import xarray as xr

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID
from neurorec.encoding.intervals import RESAMPLED
from neurorec.encoding.results import primary

_KEPT: Final = (
    "n_stimuli",
    "n_neuroids",
    "n_unreliable",
    "n_repetitions",
    "splits",
    "convention",
    "level",
    "provenance",
)
_OVER: Final = {"neuroids": "neuroids", "stimuli": "stimuli", "both": "neuroids and stimuli"}


def summary(
    scores: xr.Dataset, *, quantity: str | None = None, resampled: str = "both"
) -> xr.Dataset:
    """Median over neuroids of one quantity, with its bootstrap interval.

    Parameters
    ----------
    scores
        Result of :func:`fit`. No neuroid is left out; ``n_unreliable`` counts those whose
        reliability is below the stated rule in some time bin.
    quantity
        One of ``scores["quantity"]``. If left out, ``noise_corrected`` where there is a ceiling,
        otherwise ``score``; the attribute ``quantity`` says which.
    resampled
        What the interval is over: ``"neuroids"``, ``"stimuli"`` or ``"both"``.

    Returns
    -------
    Dataset
        ``median`` and, unless no draws were asked for, ``ci_low`` and ``ci_high``, each
        (model_time, time_bin), and, where there is one, ``ceiling_median`` (time_bin), the median
        noise ceiling.

    Raises
    ------
    ValueError
        If ``scores`` is no result of :func:`fit`, or has no such quantity.
    """
    if "median" not in scores or "quantity" not in scores.coords:
        raise ValueError(
            f"expected the result of encoding.fit, got a Dataset of {sorted(map(str, scores))}"
        )
    names = scores["quantity"].values.tolist()
    chosen = check_option("quantity", quantity or primary(names), names)
    check_option("resampled", resampled, RESAMPLED)
    one = scores.isel(quantity=names.index(chosen))
    variables = {"median": one["median"]}
    attrs: dict[str, Any] = {name: scores.attrs[name] for name in _KEPT if name in scores.attrs}
    attrs |= {"quantity": chosen, "statistic": "median over neuroids"}
    if "resampled" in scores.coords:
        place = scores["resampled"].values.tolist().index(resampled)
        variables |= {name: one[name].isel(resampled=place) for name in ("ci_low", "ci_high")}
        attrs["resampled"] = resampled
        attrs["interval"] = (
            f"percentile bootstrap over {_OVER[resampled]}, {scores.attrs['n_draws']} draws"
        )
    if "ceiling" in scores:
        variables["ceiling_median"] = scores["ceiling"].median(NEUROID)
    plain = {
        name: v.drop_vars(["quantity", "resampled"], errors="ignore")
        for name, v in variables.items()
    }
    return xr.Dataset(plain, attrs=attrs)
