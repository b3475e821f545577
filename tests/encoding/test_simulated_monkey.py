"""Simulated monkeys whose code, latency and dynamics are known."""

import numpy as np
import pytest

from neurorec.assemblies import build
from neurorec.datasets.population import Population
from neurorec.datasets.simulate import simulate_population
from neurorec.encoding import (
    PLS,
    Bootstrap,
    Ceiling,
    Controls,
    KFold,
    Lag,
    OneToOne,
    Ridge,
    fit,
    unique_variance,
)
from neurorec.encoding.intervals import population_limits

NO_DRAWS = Bootstrap(n_draws=0)
N_NEUROIDS = 200


def assembly(values, name, start_ms=0.0, region="IT"):
    n_stimuli, n_neuroids, n_bins = values.shape
    starts = start_ms + 10.0 * np.arange(n_bins)
    return build(
        values,
        presentation={
            "stimulus_id": [f"s{i:04d}" for i in range(n_stimuli)],
            "repetition": np.zeros(n_stimuli, dtype=int),
        },
        neuroid={
            "neuroid_id": [f"{name}{i}" for i in range(n_neuroids)],
            "region": np.broadcast_to(region, n_neuroids),
        },
        time_bin_start=starts,
        time_bin_end=starts + 10.0,
    )


# Noise


@pytest.fixture(scope="module")
def noise():
    """Features, and 200 neuroids that have nothing to do with them, whose bins hang together."""
    rng = np.random.default_rng(5)
    y = rng.normal(size=(60, N_NEUROIDS, 2)) + rng.normal(size=(60, N_NEUROIDS, 1))
    return assembly(rng.normal(size=(60, 12, 3)), "unit"), assembly(y, "neuron")


READOUTS = [Ridge(), PLS(n_components=4), OneToOne()]
TIMES = {
    "grid": "grid",
    "lag": Lag(lags_ms=[-10, 0, 10], hold=True),
    "lag_of_region": Lag(lags_ms=[-10, 0, 10], hold=True, by="region"),
    "cumulative": "cumulative",
}


@pytest.mark.parametrize("readout", READOUTS, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("time", TIMES)
def test_noise_scores_nothing(noise, readout, time):
    # What is chosen, a timestep or a latency, is chosen on training stimuli: were the best of three
    # chosen on the held-out ones, the mean over 200 neuroids would be 8 standard errors above 0
    # (the largest of three normals is expected at 0.85 deviations, times sqrt(200), less what
    # timesteps share).
    scores = fit(
        *noise, readout=readout, time=TIMES[time], splits=KFold(3), bootstrap=NO_DRAWS, device="cpu"
    )
    kinds = [k for k in ("score", "dynamic_score", "static_score") if k in scores]
    assert len(kinds) == (3 if time == "grid" else 2)
    for kind in kinds:
        others = [dim for dim in scores[kind].dims if dim != "neuroid"]
        means = scores[kind].mean(others).values
        assert abs(means.mean()) < 3 * means.std() / np.sqrt(N_NEUROIDS)


@pytest.mark.slow
def test_intervals_of_noise_hold_zero():
    # 800 runs: as many populations of 25 neuroids, groups of those of four fits. Scores of noise
    # have the mean 0 but are skewed, as squares of normals are, by less the more features there
    # are.
    rng = np.random.default_rng(6)
    bootstrap = Bootstrap(n_draws=300)
    inside: dict[str, list[float]] = {}
    for _ in range(4):
        x, y = rng.normal(size=(90, 100, 3)), rng.normal(size=(90, 25 * 200, 2))
        features = assembly(x, "unit")
        grid, lagged = (
            fit(
                features,
                assembly(y, "neuron"),
                readout=Ridge(penalties=[30, 300, 3000]),
                time=time,
                splits=KFold(3),
                bootstrap=NO_DRAWS,
                device="cpu",
            )
            for time in ("grid", TIMES["lag"])
        )
        for kind, one in {
            "grid": grid["score"][:, :, 0],
            "dynamic": grid["dynamic_score"],
            "static": grid["static_score"],
            "lag": lagged["score"][:, :, 0],
        }.items():
            values = one.mean("split").values[:, 0].reshape(25, 200)
            low, high = population_limits(values, values[None].repeat(300, axis=0), bootstrap)[0]
            inside.setdefault(kind, []).append(float(np.mean((low <= 0) & (high >= 0))))
    # The binomial standard error of the share is sqrt(0.95 * 0.05 / 800) = 0.008.
    for kind, shares in inside.items():
        assert np.mean(shares) == pytest.approx(0.95, abs=0.03), kind


# Latency


def latent(rng, n, p, n_times, step):
    """Features that turn from timestep to timestep by an angle of ``step``."""
    x = [rng.normal(size=(n, p))]
    for _ in range(n_times - 1):
        x.append(np.cos(step) * x[-1] + np.sin(step) * rng.normal(size=(n, p)))
    return np.stack(x, axis=2)


@pytest.mark.parametrize(("noise", "right"), [(1.0, 0.99), (3.0, 0.7)])
def test_known_latencies(noise, right):
    # 200 neuroids in four regions; each region follows the model by a latency of its own. A signal
    # with the variance of the noise leaves no doubt about the latency of a single neuroid; with a
    # ninth of it, guessing would be right in a quarter of cases.
    rng = np.random.default_rng(7)
    x = latent(rng, 120, 10, 8, step=0.7)
    lags = np.repeat([0, 1, 2, 3], 50)
    w = rng.normal(size=(10, N_NEUROIDS))
    y = np.stack(
        [
            np.stack([x[:, :, 3 + b - lag] @ w[:, i] for b in range(5)], axis=1)
            for i, lag in enumerate(lags)
        ],
        axis=1,
    )
    y = y / y.std() + noise * rng.normal(size=y.shape)
    regions = np.array(["V1", "V2", "V4", "IT"])[lags]
    features, responses = assembly(x, "unit"), assembly(y, "neuron", 30.0, regions)
    options = {"splits": KFold(3), "bootstrap": NO_DRAWS, "device": "cpu"}
    options["controls"] = Controls(static=False)
    candidates = [0, 10, 20, 30]
    own = fit(features, responses, time=Lag(lags_ms=candidates), **options)["lag_ms"]
    shared = fit(features, responses, time=Lag(lags_ms=candidates, by="region"), **options)
    error = np.abs(own.values - 10 * lags)
    assert np.mean(error == 0) > right
    assert np.median(error) == 0
    np.testing.assert_array_equal(shared["lag_ms"], np.tile(10 * lags, (3, 1)))


# The true model


def test_the_true_model_reaches_the_ceiling():
    rng = np.random.default_rng(8)
    population = Population(
        n_neuroids=N_NEUROIDS,
        n_repetitions=8,
        noise="poisson",
        signal_to_noise=0.5,
        latency_ms=40,
        stop_ms=160,
        bin_width_ms=40,
    )
    x = rng.normal(size=(600, 6))
    simulated = simulate_population([f"s{i:04d}" for i in range(600)], population, features=x)
    responses = simulated.data.assembly
    features = assembly(simulated.truth.features[:, :, None], "unit")
    for method in ("split_half", "explainable_variance"):
        scores = fit(
            features,
            responses.isel(time_bin=slice(1, None)),
            ceiling=Ceiling(method=method, n_splits=20),
            bootstrap=Bootstrap(n_draws=0),
            device="cpu",
        )
        for quantity in ("noise_corrected", "noise_corrected_r_squared"):
            assert abs(scores[quantity].mean() - 1) < 0.02


# What time tells


@pytest.fixture(scope="module")
def turning():
    """A model that turns slowly, frozen at its first timestep, and neuroids that follow it."""
    rng = np.random.default_rng(9)
    x = latent(rng, 400, 8, 4, step=0.25)
    w = rng.normal(size=(8, 40))
    y = np.einsum("npt,pq->nqt", x, w)
    y = y / y.std() + 1.2 * rng.normal(size=y.shape)
    frozen = np.repeat(x[:, :, :1], 4, axis=2)
    return assembly(x, "unit"), assembly(frozen, "unit"), assembly(y, "neuron")


def test_a_static_model_scores_nearly_as_well_in_each_bin(turning):
    dynamic, static, responses = turning
    options = {"splits": KFold(3), "bootstrap": Bootstrap(n_draws=200), "device": "cpu"}
    of_one, of_other = (fit(x, responses, time="match", **options) for x in (dynamic, static))
    last = [float(s["score"].mean("split").median("neuroid")[0, -1]) for s in (of_one, of_other)]
    # Frozen, cos(0.25)^3 = 0.91 of the signal is left in the last bin.
    assert last[1] / last[0] == pytest.approx(np.cos(0.25) ** 3, abs=0.05)
    assert last[1] > 0.5
    # Against its own frozen self, though, only one of them gains.
    gain, none = (s["over_static_median"].sel(quantity="score")[-1] for s in (of_one, of_other))
    low = of_one["over_static_ci_low"].sel(quantity="score", resampled="both")[-1]
    assert float(gain) > float(low) > 0
    assert float(none) == 0


def test_unique_variance_and_grid_tell_them_apart(turning):
    dynamic, static, responses = turning
    options = {"splits": KFold(3), "bootstrap": Bootstrap(n_draws=200), "device": "cpu"}
    unique = [
        unique_variance(x, responses, readout=Ridge(), **options).sel(part="unique_late")
        for x in (dynamic, static)
    ]
    assert float(unique[0]["ci_low"][-1]) > 0.02
    assert float(np.abs(unique[1]["value"]).max()) < 1e-8
    grids = [fit(x, responses, **options) for x in (dynamic, static)]
    best = [g["score"].mean(("split", "neuroid")).argmax("model_time").values for g in grids]
    assert best[0].tolist() == [0, 1, 2, 3]
    across = np.ptp(grids[1]["score"].values, axis=2)
    assert across.max() < 1e-8
    assert (grids[0]["dynamic_timestep"].mean(("split", "neuroid")).diff("time_bin") > 0.5).all()
