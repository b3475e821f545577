r"""A simulated monkey: a population whose code, latency, dimension and noise are known.

Neuroid :math:`u` responds to stimulus :math:`i` in time bin :math:`t` with the mean

.. math:: \mu_{iut} = b_u + p_u(t)\,(g_u + \sum_d F_{id} W_{du})

where the features :math:`F` are white over the stimuli, and the profile :math:`p_u` is zero
before the latency of the neuroid and 1 at its largest. The variance of the noise of one trial is
constant (Gaussian) or :math:`\mu_{iut}` (Poisson). With :math:`R_i` repetitions, the reliability
of the means over repetitions is then

.. math:: \frac{\sigma^2_s}{\sigma^2_s + \langle \sigma^2_n / R_i \rangle_i},
          \quad \sigma^2_s = p_u(t)^2 \sum_d W_{du}^2 .
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, final

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from neurorec import assemblies
from neurorec.datasets.neural_data import NeuralData
from neurorec.datasets.population import Population
from neurorec.datasets.simulate_images import image_features, synthetic_images, whiten
from neurorec.stimuli import StimulusSet

SIMULATED: Final = "SIMULATED"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What an analysis of a simulated population should find.

    Parameters
    ----------
    features
        White over the stimuli: means 0, covariance the identity.
    weights
        From features to the mean response where the profile is 1.
    latency_ms
        Of each neuroid.
    profile
        Of the response over time, 1 at its largest.
    mean_activity
        Expectation over trials.
    signal_variance
        Variance of ``mean_activity`` over stimuli.
    noise_variance
        Variance over trials, averaged over stimuli.
    expected_reliability
        Of the means over repetitions: what split halves with the Spearman-Brown correction tend to.
    participation_ratio
        Of the mean responses without noise where the profile is 1.
    """

    stimulus_ids: list[str]
    features: Float[np.ndarray, "stimulus dimension"]
    weights: Float[np.ndarray, "dimension neuroid"]
    latency_ms: Float[np.ndarray, " neuroid"]
    profile: Float[np.ndarray, "neuroid time_bin"]
    mean_activity: Float[np.ndarray, "stimulus neuroid time_bin"]
    signal_variance: Float[np.ndarray, "neuroid time_bin"]
    noise_variance: Float[np.ndarray, "neuroid time_bin"]
    expected_reliability: Float[np.ndarray, "neuroid time_bin"]
    participation_ratio: float

    @property
    def dimension(self) -> int:
        """Number of features."""
        return self.features.shape[1]

    @property
    def noise_ceiling(self) -> Float[np.ndarray, "neuroid time_bin"]:
        """Correlation that a perfect model can expect with the means over repetitions."""
        return np.sqrt(self.expected_reliability)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Simulated:
    """Simulated recordings with the truth behind them."""

    data: NeuralData
    truth: Truth


def simulate_population(
    stimuli: StimulusSet | Sequence[str] | int = 100,
    population: Population | None = None,
    *,
    features: np.ndarray | None = None,
    seed: int | np.random.Generator = 0,
) -> Simulated:
    """Single trials of a population that is driven by known features of the stimuli.

    Parameters
    ----------
    stimuli
        Images; or a number of synthetic ones to make; or identifiers of stimuli without images,
        for which features must be given.
    features
        What drives the population (stimulus, feature), in the order of the stimuli; whitened,
        which leaves responses linear in them. If left out, a random projection of the Gabor
        energy and colour of the images.

    Raises
    ------
    ValueError
        If features are missing or do not fit the stimuli or are linearly dependent, the
        population has fewer neuroids than dimensions, or no time bin lies after a latency.
    """
    rng = np.random.default_rng(seed)
    population = Population() if population is None else population
    if isinstance(stimuli, int):
        stimuli = synthetic_images(np.arange(stimuli), seed=rng)
    if isinstance(stimuli, StimulusSet):
        images, identifiers = stimuli, stimuli.stimulus_ids
    else:
        images, identifiers = None, list(stimuli)
    if features is None:
        if images is None:
            raise ValueError("stimuli without images need features; give features=")
        features = image_features(images, dimension=population.dimension, seed=rng)
    if len(features) != len(identifiers):
        raise ValueError(f"got features of {len(features)} stimuli for {len(identifiers)} stimuli")
    least, most = population.repetition_range
    n_repetitions = rng.integers(least, most, size=len(identifiers), endpoint=True)
    truth = make_truth(identifiers, whiten(features), population, n_repetitions, seed=rng)
    provenance = {
        "source": f"{SIMULATED} by neurorec.datasets.simulate_population",
        "seed": seed if isinstance(seed, int) else None,
        "population": asdict(population),
        "simulated": True,
    }
    data = NeuralData(
        identifier="simulated-population",
        assembly=draw_trials(truth, population, n_repetitions, seed=rng),
        stimuli=images,
        provenance=provenance,
    )
    return Simulated(data=data, truth=truth)


def make_truth(
    stimulus_ids: list[str],
    features: Float[np.ndarray, "stimulus dimension"],
    population: Population,
    n_repetitions: Int[np.ndarray, " stimulus"],
    *,
    seed: int | np.random.Generator = 0,
) -> Truth:
    """Everything about the responses but the noise of the trials.

    Parameters
    ----------
    features
        White over the stimuli.

    Raises
    ------
    ValueError
        If the population has fewer neuroids than dimensions, or no time bin lies after a latency.
    """
    rng = np.random.default_rng(seed)
    directions = _directions(features.shape[1], population.n_neuroids, rng)
    latency_ms = population.per_neuroid("latency_ms")
    profile = _profile(population, latency_ms)
    gain, weights = _scale(features, directions, population)
    response = gain + features @ weights  # (stimulus, neuroid)
    mean = (gain * population.baseline)[:, None] + profile * response[:, :, None]
    signal_variance = profile**2 * (weights**2).sum(axis=0)[:, None]
    if population.noise == "poisson":
        mean = np.maximum(mean, 0)  # rounding may leave the smallest a hair below
    noise_variance = _noise_variance(mean, weights, population)
    of_means = (noise_variance / n_repetitions[:, None, None]).mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(weights @ weights.T)
    with np.errstate(invalid="ignore"):  # no signal and no noise: no reliability either
        reliability = signal_variance / (signal_variance + of_means)
    return Truth(
        stimulus_ids=stimulus_ids,
        features=features,
        weights=weights,
        latency_ms=latency_ms,
        profile=profile,
        mean_activity=mean,
        signal_variance=signal_variance,
        noise_variance=noise_variance.mean(axis=0),
        expected_reliability=np.nan_to_num(reliability),
        participation_ratio=float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum()),
    )


def _directions(dimension: int, n_neuroids: int, rng: np.random.Generator) -> np.ndarray:
    """Weights (dimension, neuroid) that use every dimension alike; mean square length 1."""
    if n_neuroids < dimension:
        raise ValueError(
            f"{n_neuroids} neuroids cannot span {dimension} dimensions; "
            "give more neuroids or a smaller dimension"
        )
    q, _ = np.linalg.qr(rng.normal(size=(n_neuroids, dimension)))
    return np.sqrt(n_neuroids / dimension) * q.T


def _profile(population: Population, latency_ms: np.ndarray) -> np.ndarray:
    """Response over time (neuroid, time_bin): the mean over each bin of a step that decays."""
    edges = np.append(population.bin_starts_ms, population.stop_ms)
    since = np.maximum(edges - latency_ms[:, None], 0.0)  # (neuroid, edge)
    fast = population.decay_ms * -np.expm1(-since / population.decay_ms)
    integral = population.sustained * since + (1 - population.sustained) * fast
    means = np.diff(integral, axis=1) / population.bin_width_ms
    largest = means.max(axis=1, keepdims=True)
    if np.any(largest <= 0):
        raise ValueError(
            f"a latency of {latency_ms.max()} ms leaves no response before the last bin ends, "
            f"at {population.stop_ms} ms; give a shorter latency or a later stop_ms"
        )
    return means / largest


def _scale(
    features: np.ndarray, directions: np.ndarray, population: Population
) -> tuple[np.ndarray, np.ndarray]:
    """Mean response of each neuroid and weights, at the largest value of the profile.

    Gaussian neuroids take their signal-to-noise ratio from their noise. Poisson noise is the mean
    itself, so there the ratio sets the scale: with the signal s scaled to at least -1, counts
    c (baseline + 1 + s) are never negative and have the ratio c var(s) / (baseline + 1).
    """
    if population.noise == "gaussian":
        return np.ones(population.n_neuroids), directions
    unit = directions / -(features @ directions).min(axis=0)
    ratio = population.per_neuroid("signal_to_noise")
    counts = ratio * (population.baseline + 1) / (unit**2).sum(axis=0)
    return counts, counts * unit


def _noise_variance(mean: np.ndarray, weights: np.ndarray, population: Population) -> np.ndarray:
    """Variance over trials (stimulus, neuroid, time_bin)."""
    if population.noise == "poisson":
        return mean
    variance = (weights**2).sum(axis=0) / population.per_neuroid("signal_to_noise")
    return np.broadcast_to(variance[:, None], mean.shape)


def draw_trials(
    truth: Truth,
    population: Population,
    n_repetitions: Int[np.ndarray, " stimulus"],
    *,
    seed: int | np.random.Generator = 0,
) -> xr.DataArray:
    """Assembly of single trials, the repetitions of a stimulus one after the other."""
    rng = np.random.default_rng(seed)
    stimulus = np.repeat(np.arange(len(n_repetitions)), n_repetitions)
    repetition = np.concatenate([np.arange(n) for n in n_repetitions])
    mean = truth.mean_activity[stimulus]
    if population.noise == "poisson":
        activity = rng.poisson(mean).astype(np.int16)
    else:
        activity = mean + np.sqrt(truth.noise_variance) * _standard_noise(
            mean.shape, population.noise_correlation, rng
        )
    starts = population.bin_starts_ms
    return assemblies.build(
        activity,
        presentation={
            "stimulus_id": np.asarray(truth.stimulus_ids)[stimulus],
            "repetition": repetition,
        },
        neuroid={
            "neuroid_id": [f"simulated_{i:04d}" for i in range(population.n_neuroids)],
            "region": np.full(population.n_neuroids, population.region),
            "animal": np.full(population.n_neuroids, "simulated"),
        },
        time_bin_start=starts,
        time_bin_end=starts + population.bin_width_ms,
        # netCDF has no booleans.
        attrs={"simulated": 1, "title": SIMULATED, "units": "spikes per bin"},
    )


def _standard_noise(
    shape: tuple[int, ...], correlation: float, rng: np.random.Generator
) -> np.ndarray:
    """Normal noise (presentation, neuroid, time_bin) of variance 1, correlated over neuroids."""
    own = rng.normal(size=shape)
    common = rng.normal(size=(shape[0], 1, shape[2]))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
