"""Cross-validated prediction of responses from features, over the time of both."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurorec._checks import check_option
from neurorec.assemblies import NEUROID, columns_of
from neurorec.encoding.ceilings import Ceiling
from neurorec.encoding.engine import Best
from neurorec.encoding.evaluation import Evaluation, difference, summarised
from neurorec.encoding.intervals import Bootstrap
from neurorec.encoding.results import Outcome, Reduced, dataset, reduced
from neurorec.encoding.setup import Controls, Progress, Setup, options_of, setup
from neurorec.encoding.splits import Splits
from neurorec.encoding.times import TIMES, Design, Grid, Lag, TimeChoice, grid_designs, merged


def fit(
    features: Any,
    responses: Any,
    *,
    readout: Any = None,
    splits: Splits | Any = None,
    time: str | TimeChoice | Any = "grid",
    ceiling: Ceiling | None = None,
    bootstrap: Bootstrap | None = None,
    controls: Controls | None = None,
    model_trials: int | str | None = None,
    tested_on: Any = None,
    device: str = "auto",
    on_mismatch: str = "error",
    progress: Progress | None = None,
) -> xr.Dataset:
    """Score how well a model predicts each neuroid in each time bin.

    The readout is fitted to mean responses on the training stimuli of each split and judged by
    those to the held-out stimuli. One factorisation per split and model timestep serves every
    neuroid, time bin and penalty.

    Parameters
    ----------
    features
        Assembly of a model area, ``recording.area("IT")``, which is read in blocks of units, or an
        array (stimulus, unit, timestep); a mapping of such by name gives several areas. Trials of
        a stimulus are averaged first.
    responses
        Assembly of neurons: single trials, where NaN marks a missing repetition, or means; or an
        array (stimulus, neuroid, time bin), if the features are arrays with the same rows. Stimuli
        are matched by ``stimulus_id``, in any order.
    readout
        :class:`Ridge` if left out; or any scikit-learn regressor of several targets, which is
        cloned for each time bin.
    splits
        ``KFold(5)`` if left out.
    time
        Which timesteps predict which bins: ``"grid"``, each predicts each; ``"match"``, those at
        the same time in ms; ``"lag"``, as match with a latency of its own for each neuroid;
        ``"all"`` timesteps side by side; ``"cumulative"``, all up to each; or :class:`Grid`,
        :class:`Match`, :class:`Lag`, :class:`All`, :class:`Cumulative` with options.
    ceiling
        How the noise ceiling is estimated. If left out, as ``Ceiling()`` where there are single
        trials; of means there is none.
    bootstrap
        How intervals are drawn; ``Bootstrap()`` if left out.
    controls
        ``Controls()`` if left out: a static model, where there is time to speak of.
    model_trials
        Trials of the model to average; all if left out, ``"matched"`` as many as the median
        stimulus of the responses has.
    tested_on
        Responses of the same neuroids to the same stimuli in another session: readouts are fitted
        to ``responses`` and judged, on held-out stimuli, by these, whose ceiling is reported. For
        sessions with stimuli of their own, ``splits=GroupFolds("session")``; for other animals,
        :func:`between_animals`.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    on_mismatch
        With ``"intersect"``, stimuli that one side lacks are left out and counted in the
        attributes; with ``"error"`` they are an error.
    progress
        Called with how many feature sets are fitted and how many there are.

    Returns
    -------
    Dataset
        With dimensions split, neuroid, model_time, time_bin, as they apply:

        ``score``, ``r_squared``, ``determination`` of each split; where responses or predictions
        do not vary over held-out stimuli r is 0, and the attributes ``n_constant_responses`` and
        ``n_constant_predictions`` count such cases.

        ``reliability``, ``ceiling`` and ``reliable``, where there are trials, see
        :func:`noise_ceiling`, and ``ceiling_median`` with its intervals;
        ``prediction_reliability``, where the model has trials; and ``noise_corrected``, the mean
        of ``score`` over splits divided by the square root of both.

        ``median`` (quantity), ``ci_low``, ``ci_high`` (quantity, resampled): medians over neuroids
        with intervals over neuroids, stimuli, and both. ``neuroid_ci_low``, ``neuroid_ci_high``:
        of each neuroid's first corrected quantity, or its score, over stimuli.

        ``static_*``: the same of the static control; with a grid also ``dynamic_*``, of the
        timestep that each neuroid chose for each bin on training stimuli; ``over_static_*``: the
        median of the difference. ``lag_ms``: the latencies chosen. ``null_median``, ``p_value``:
        of shuffled stimuli.

    Raises
    ------
    ValueError
        If the stimuli do not match, a neuroid has the same response to every stimulus, features
        are constant or not finite, there are fewer stimuli than folds, fewer than three stimuli
        are held out, a ceiling is asked for of single repetitions, or time axes do not meet.
    TypeError
        If the readout is no regressor, or ``splits`` or ``time`` are of another kind.
    """
    choice = TIMES[check_option("time", time, TIMES)] if isinstance(time, str) else time
    if not isinstance(choice, TimeChoice):
        raise TypeError(
            f"time must be one of {sorted(TIMES)}, or such as encoding.Match(latency_ms=50), got "
            f"{time!r}"
        )
    options = options_of(
        readout=readout,
        splits=splits,
        ceiling=ceiling,
        bootstrap=bootstrap,
        controls=controls,
        model_trials=model_trials,
        device=device,
        on_mismatch=on_mismatch,
    )
    prepared = setup(features, responses, options, tested_on=tested_on)
    return dataset(prepared, choice, _outcome(prepared, choice, progress))


def _outcome(prepared: Setup, time: TimeChoice, progress: Progress | None) -> Outcome:
    """Every entry evaluated, and the best of those of which one is chosen."""
    axes, evaluate, bootstrap = prepared.axes, prepared.evaluator, prepared.options.bootstrap
    designs: Sequence[Design] = time.designs(axes)
    static = prepared.options.controls.static and axes.n_times > 1 and axes.n_bins > 1
    is_grid = isinstance(time, Grid)
    if static and not is_grid:
        designs = merged([*designs, *grid_designs(axes, "static")])
    choosing = ("static", "lag", "model_time") if static and is_grid else ("static", "lag")
    groups = groups_of(prepared, time.by) if isinstance(time, Lag) else None
    entries: dict[int, Reduced] = {}
    best: dict[str, Best] = {}
    last: Evaluation | None = None
    found = prepared.predictions(designs, choosing=choosing, progress=progress)
    for (kind, i), predicted in found:
        if kind == "model_time":
            # Draws of every timestep would fill the memory: summaries are kept, and the last.
            last = evaluate(predicted)
            entries[i] = reduced(last, bootstrap)
        if kind == "static" or (static and is_grid):
            best["static"] = Best.offer(best.get("static"), i, predicted)
        if static and is_grid:
            best["dynamic"] = Best.offer(best.get("dynamic"), i, predicted, per_bin=True)
        if kind == "lag":
            best["lag"] = Best.offer(best.get("lag"), i, predicted, groups=groups)
    chosen = {kind: evaluate(one.predicted) for kind, one in best.items()}
    if "lag" in chosen:
        last = chosen.pop("lag")
        entries[0] = reduced(last, bootstrap)
    changing = chosen.get("dynamic", last if len(entries) == 1 else None)
    over = None
    if "static" in chosen and changing is not None:
        over = summarised(*difference(changing, chosen["static"]), bootstrap)
    return Outcome(
        entries=[entries[i] for i in sorted(entries)],
        chosen={kind: reduced(one, bootstrap) for kind, one in chosen.items()},
        choices={kind: one.choice[:, :, 0].cpu().numpy() for kind, one in best.items()},
        over_static=over,
    )


def groups_of(prepared: Setup, by: str) -> np.ndarray | None:
    """Number of the group of each neuroid; None where each is its own.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if by == NEUROID:
        return None
    columns = columns_of(prepared.targets.presentations, NEUROID)
    check_option("by", by, [NEUROID, *columns])
    return np.unique(columns[by], return_inverse=True)[1].ravel()
