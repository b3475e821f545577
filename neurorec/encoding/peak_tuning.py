"""How well predictions reach the peaks of tuning, on the scale of the responses."""

from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from neurorec._checks import check_option
from neurorec.assemblies import PRESENTATION

#: Whose largest values are compared with the threshold.
MODES: Final = ("joint", "separate")

#: Whose order predictions are shown in.
RANKINGS: Final = ("shared", "separate")

Array = np.ndarray | xr.DataArray


class TuningCurve(NamedTuple):
    """Responses and predictions of every neuroid, from the largest on.

    Arrays have the rank in place of the stimulus, the dimension ``rank`` of an assembly. The mean
    over neuroids is the curve of the population.
    """

    responses: Array
    predictions: Array


def peak_tuning(
    r: Array, p: Array, mode: str = "joint", fraction: float | int = 0.01
) -> Array | np.floating:
    r"""Share of the largest responses that predictions reach.

    With ``k`` the nearest whole number to ``fraction`` times the number of stimuli, at least 1,
    and the k-th largest response :math:`\theta` as threshold,

    .. math:: PT_J = \frac{1}{k} \sum_{i \in \mathrm{top}_k(r)} [p_i \ge \theta], \qquad
              PT_S = \frac{1}{k} \sum_{i \in \mathrm{top}_k(p)} [p_i \ge \theta]

    so that :math:`PT_J \le PT_S`. Both need predictions on the scale of the responses: nothing is
    refitted here. Often reported times 100.

    Parameters
    ----------
    r
        Mean responses (stimulus, neuroid, ...), or an assembly with the dimension
        ``presentation``.
    p
        Predictions of the same shape, for the same stimuli in the same order.
    mode
        ``"joint"``: PT_J. ``"separate"``: PT_S.
    fraction
        Share of the stimuli that counts as the peak.

    Returns
    -------
    array
        One number per neuroid, and NaN where responses are constant: they have no peak. Where
        several stimuli tie at the threshold and not all of them belong to the ``k``, PT_J is the
        mean over all choices among them, so that it does not depend on the order of stimuli.

    Raises
    ------
    ValueError
        If shapes or stimuli differ, a value is not finite, or ``fraction`` is not in (0, 1].

    Notes
    -----
    PT_J and PT_S of the study of self-attention in models of V1.
    """
    check_option("mode", mode, MODES)
    responses, predictions, like = _matched(r, p)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    k = max(1, round(fraction * len(responses)))
    threshold = np.asarray(np.partition(responses, -k, axis=0)[-k])
    reached = predictions >= threshold
    if mode == "joint":
        share = _reached_in_top(responses, threshold, reached, k) / k
    else:
        share = np.minimum(reached.sum(axis=0), k) / k
    share = np.where((responses == responses[0]).all(axis=0), np.nan, share)[()]
    return share if like is None else _labelled(share, like.isel({PRESENTATION: 0}, drop=True))


def tuning_curve(r: Array, p: Array, ranking: str = "shared") -> TuningCurve:
    """Responses and predictions in the order of the responses, the largest first.

    Parameters
    ----------
    r
        Mean responses (stimulus, neuroid, ...), or an assembly with the dimension
        ``presentation``.
    p
        Predictions of the same shape, for the same stimuli in the same order.
    ranking
        ``"shared"``: predictions in the order of the responses, as PT_J takes them.
        ``"separate"``: in their own order, as PT_S does. Of equal values the earlier stimulus
        comes first.

    Raises
    ------
    ValueError
        If shapes or stimuli differ, or a value is not finite.
    """
    check_option("ranking", ranking, RANKINGS)
    responses, predictions, like = _matched(r, p)
    order = _descending(responses)
    own = order if ranking == "shared" else _descending(predictions)
    curves = np.take_along_axis(responses, order, 0), np.take_along_axis(predictions, own, 0)
    if like is None:
        return TuningCurve(*curves)
    along = {str(k): v for k, v in like.coords.items() if PRESENTATION not in v.dims}
    dims = ["rank", *like.dims[1:]]
    return TuningCurve(*(xr.DataArray(curve, dims=dims, coords=along) for curve in curves))


def _reached_in_top(
    responses: Float[np.ndarray, "stimulus ..."],
    threshold: Float[np.ndarray, "..."],
    reached: Bool[np.ndarray, "stimulus ..."],
    k: int,
) -> Float[np.ndarray, "..."]:
    """How many of the ``k`` largest responses are reached, the mean over choices among ties."""
    above, tied = responses > threshold, responses == threshold
    chosen = (k - above.sum(axis=0)) / tied.sum(axis=0)
    return np.asarray((reached & above).sum(axis=0) + chosen * (reached & tied).sum(axis=0))


def _descending(values: np.ndarray) -> np.ndarray:
    return np.argsort(-values, axis=0, kind="stable")


def _matched(r: Array, p: Array) -> tuple[np.ndarray, np.ndarray, xr.DataArray | None]:
    """Both as float arrays with stimuli first, and the assembly that labels the result."""
    like = None
    if isinstance(r, xr.DataArray) and isinstance(p, xr.DataArray):
        like, p = _same_stimuli(r, p)
        r = like
    elif isinstance(r, xr.DataArray) or isinstance(p, xr.DataArray):
        raise ValueError(
            f"responses and predictions must be of one kind, got {type(r).__name__} and "
            f"{type(p).__name__}; pass two assemblies or two arrays"
        )
    responses, predictions = np.asarray(r, dtype=float), np.asarray(p, dtype=float)
    if responses.shape != predictions.shape or responses.ndim == 0 or len(responses) == 0:
        raise ValueError(
            "responses and predictions must have one shape (stimulus, neuroid, ...), got "
            f"{responses.shape} and {predictions.shape}; select the stimuli and neuroids of both"
        )
    for name, values in (("responses", responses), ("predictions", predictions)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} hold NaN or infinite values; drop those stimuli or neuroids")
    return responses, predictions, like


def _same_stimuli(r: xr.DataArray, p: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    if PRESENTATION not in r.dims or set(r.dims) != set(p.dims):
        raise ValueError(
            f"responses and predictions need the dimension {PRESENTATION!r} and the same others, "
            f"got {tuple(r.dims)} and {tuple(p.dims)}"
        )
    for name in ("stimulus_id", "neuroid_id"):
        if name in r.coords and name in p.coords and not np.array_equal(r[name], p[name]):
            raise ValueError(
                f"responses and predictions differ in {name}; bring both to the same order"
            )
    r = r.transpose(PRESENTATION, ...)
    return r, p.transpose(*r.dims)


def _labelled(values: Any, like: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(values, dims=like.dims, coords=like.coords)
