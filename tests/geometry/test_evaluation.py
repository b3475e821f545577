"""Dual bootstrap: explicit resampling, rsatoolbox on the same draws, labels, calibration, input."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t as student

from neurorec.geometry import (
    COMPARISONS,
    Permutations,
    Resampling,
    compare,
    evaluate_models,
    noise_ceiling,
    permutation_test,
)
from neurorec.geometry._draws import drawn_copies, evaluations
from neurorec.geometry.ceiling import SCALES, ceiling_bounds
from neurorec.geometry.resampling import degrees_of_freedom, spread, t_tests

N, SUBJECTS = 9, 4
UPPER = np.triu_indices(N, 1)
PLAIN = sorted(m for m in COMPARISONS if not m.startswith("whitened"))


@pytest.fixture(scope="module")
def alike(random_rdms_of):
    """Three models and four subjects that have something in common."""
    rng = np.random.default_rng(5)
    base = random_rdms_of(rng, 1, N)
    models = base + 0.8 * random_rdms_of(rng, 3, N)
    return models, base + 0.8 * random_rdms_of(rng, SUBJECTS, N)


def vectors(rdms):
    return rdms[:, UPPER[0], UPPER[1]]


def labelled(models, subjects, rdms_of):
    return rdms_of(models, dim="model"), rdms_of(subjects, dim="subject")


def resampled(rdms, stimuli):
    rows, columns = UPPER
    other = stimuli[rows] != stimuli[columns]
    return rdms[:, stimuli[rows][other], stimuli[columns][other]]


def explicit(method, models, subjects, stimuli, members):
    """Mean scores and bounds of the ceiling from copied RDMs."""
    x, y = (resampled(rdms, stimuli) for rdms in (models, subjects))
    scores = COMPARISONS[method](x, y[members]).mean(axis=1)
    scaled = SCALES[method][1](y)
    upper = COMPARISONS[method](y[members], scaled[members].mean(axis=0)[None]).mean()
    lower = [
        COMPARISONS[method](y[[s]], scaled[members[members != s]].mean(axis=0)[None]).item()
        if (members != s).any()
        else np.nan
        for s in members
    ]
    return scores, [np.mean(lower), upper]


@pytest.mark.parametrize("method", PLAIN)
def test_draws_are_resampled_experiments(alike, method):
    copies, uses = drawn_copies(N, SUBJECTS, n_draws=5, seed=3)
    uses[0] = [4, 0, 0, 0]  # nobody is left for the lower bound
    drawn = evaluations(method, *map(vectors, alike), copies, uses)
    everyone, everything = np.arange(SUBJECTS), np.arange(N)
    for d in range(len(copies)):
        stimuli, members = np.repeat(everything, copies[d]), np.repeat(everyone, uses[d])
        kinds = [(stimuli, members), (everything, members), (stimuli, everyone)]
        for kind, (some, who) in enumerate(kinds):
            scores, bounds = explicit(method, *alike, some, who)
            np.testing.assert_allclose(drawn.scores[kind, d], scores, atol=1e-12)
            np.testing.assert_allclose(drawn.ceilings[kind, d], bounds, atol=1e-12)


@pytest.mark.parametrize("method", sorted(COMPARISONS))
def test_a_draw_of_everything_is_the_sample(alike, rdms_of, method):
    ones = np.ones((2, N), dtype=int), np.ones((2, SUBJECTS), dtype=int)
    drawn = evaluations(method, *map(vectors, alike), *ones)
    scores = compare(*labelled(*alike, rdms_of), method=method).mean("subject")
    ceiling = noise_ceiling(rdms_of(alike[1]), method=method)
    for kind in range(3):
        np.testing.assert_allclose(drawn.scores[kind, 1], scores, atol=1e-12)
        bounds = [ceiling["lower"], ceiling["upper"]]
        np.testing.assert_allclose(drawn.ceilings[kind, 1], bounds, atol=1e-12)


THEIRS = {"cosine": "cosine", "pearson": "corr", "rho_a": "rho-a", "whitened_cosine": "cosine_cov"}


@pytest.mark.parametrize("method", THEIRS)
def test_equals_rsatoolbox_on_its_draws(alike, method, monkeypatch):
    """Scores of every draw, and the variances from them.

    Its ceilings in a draw are means over different subjects, whatever their number of copies,
    while its scores weigh copies: ours weigh copies in both.
    """
    pytest.importorskip("rsatoolbox")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rsatoolbox.inference import evaluate
        from rsatoolbox.model import ModelFixed
        from rsatoolbox.rdm import RDMs

        drawn = []
        draw = evaluate.bootstrap_sample
        monkeypatch.setattr(
            evaluate, "bootstrap_sample", lambda *a, **k: drawn.append(draw(*a, **k)) or drawn[-1]
        )
        monkeypatch.setattr(evaluate.tqdm, "trange", range)
        models = [ModelFixed(str(i), RDMs(m[None])) for i, m in enumerate(alike[0])]
        theirs = evaluate.eval_dual_bootstrap(models, RDMs(alike[1]), method=THEIRS[method], N=8)
    copies, uses = (
        np.stack([np.bincount(one[k], minlength=n) for one in drawn])
        for k, n in ((2, N), (1, SUBJECTS))
    )
    ours = evaluations(method, *map(vectors, alike), copies, uses)
    expected = theirs.evaluations[:, :, 0, 0].transpose(2, 0, 1)
    np.testing.assert_allclose(ours.scores, expected, atol=1e-10)
    measured = spread(ours, over="both", n_subjects=SUBJECTS, n_stimuli=N)
    np.testing.assert_allclose(measured.scores, theirs.model_var, atol=1e-10)
    first, second = np.triu_indices(3, 1)
    np.testing.assert_allclose(measured.differences[first, second], theirs.diff_var, atol=1e-10)
    assert theirs.dof == degrees_of_freedom("both", SUBJECTS, N) == 3


def test_tests_by_hand(alike, rdms_of):
    models, subjects = labelled(*alike, rdms_of)
    result = evaluate_models(models, subjects, resampling=Resampling(n_draws=50, level=0.9))
    score, error = result["score"].values, result["standard_error"].values
    np.testing.assert_allclose(result["p_zero"], student.sf(score / error, 3), rtol=1e-12)
    np.testing.assert_allclose(result["ci_high"] - score, student.ppf(0.95, 3) * error, rtol=1e-12)
    np.testing.assert_allclose(score - result["ci_low"], result["ci_high"] - score, rtol=1e-12)
    ratio = (result["difference"] / result["difference_standard_error"]).values[0, 1]
    assert result["p_difference"].values[0, 1] == pytest.approx(2 * student.sf(abs(ratio), 3))
    assert result["difference"].values[0, 1] == score[0] - score[1]
    assert np.isnan(np.diagonal(result["p_difference"])).all()
    ceiling = noise_ceiling(subjects, method="cosine")
    assert result["ceiling_lower"].item() == pytest.approx(ceiling["lower"].item(), abs=1e-12)
    assert result["ceiling_upper"].item() == pytest.approx(ceiling["upper"].item(), abs=1e-12)
    assert result.attrs["degrees_of_freedom"] == 3


def test_variance_to_the_ceiling_is_that_of_the_difference(alike):
    copies, uses = drawn_copies(N, SUBJECTS, n_draws=300, seed=3)
    drawn = evaluations("cosine", *map(vectors, alike), copies, uses)
    for over, kind, n in (("subjects", 1, SUBJECTS), ("stimuli", 2, N)):
        keep = np.isfinite(drawn.ceilings[kind]).all(axis=1)
        to_lower = drawn.scores[kind][keep] - drawn.ceilings[kind][keep][:, :1]
        measured = spread(drawn, over=over, n_subjects=SUBJECTS, n_stimuli=N)
        expected = to_lower.var(axis=0, ddof=1) * n / (n - 1)
        np.testing.assert_allclose(measured.to_ceiling, expected, rtol=1e-10)
        expected = drawn.ceilings[kind][keep].var(axis=0, ddof=1) * n / (n - 1)
        np.testing.assert_allclose(measured.ceiling, expected, rtol=1e-10)


def test_labels_over_time(rng, rdms_of, random_rdms_of):
    """Models over time with subjects over time: cross-temporal, differences at one time."""
    values = random_rdms_of(rng, 1, 8) + random_rdms_of(rng, 3 * 2, 8)
    dims = ("condition", "condition_b")
    ids = {"stimulus_id": ("condition", [f"s{i}" for i in range(8)])}
    ends = {"time_bin_end": ("time_bin", [10.0, 20.0])}
    models = xr.DataArray(
        values.reshape(3, 2, 8, 8),
        dims=("model", "time_bin", *dims),
        coords=ids | ends | {"model": ["a", "b", "c"]},
    )
    subjects = xr.DataArray(
        random_rdms_of(rng, 5 * 4, 8).reshape(4, 5, 8, 8),
        dims=("time_bin", "subject", *dims),
        coords=ids | {"time_bin_end": ("time_bin", 10.0 * np.arange(1, 5))},
    )
    options = Resampling(n_draws=20, correction="bonferroni")
    result = evaluate_models(models, subjects, resampling=options)
    assert result["score"].dims == ("model", "time_bin", "time_bin_b")
    assert result["p_difference"].dims == ("model", "model_b", "time_bin", "time_bin_b")
    assert result["ceiling_lower"].dims == ("time_bin_b",)
    assert result["model_b"].values.tolist() == ["a", "b", "c"]
    assert result["time_bin_end_b"].values.tolist() == [10, 20, 30, 40]
    expected = compare(models, subjects, method="cosine").mean("subject")
    np.testing.assert_allclose(result["score"], expected, atol=1e-12)
    one = evaluate_models(models.isel(time_bin=1), subjects.isel(time_bin=2), resampling=options)
    for name in ("score", "standard_error", "p_zero", "p_difference", "p_ceiling"):
        cell = result[name].isel(time_bin=1, time_bin_b=2)
        np.testing.assert_allclose(cell.values, one[name].values, atol=1e-12)
    p = result["p_zero"].values
    np.testing.assert_allclose(result["p_zero_corrected"], np.minimum(1, p * p.size))
    p = result["p_difference"].values
    corrected = result["p_difference_corrected"].values
    np.testing.assert_allclose(corrected[2, 1], np.minimum(1, p[2, 1] * 3 * 8))


def test_timesteps_against_timesteps(alike, rdms_of):
    """Differences between the timesteps of a model, at each time of the subjects."""
    model = rdms_of(alike[0], dim="time_bin", coords={"time_bin_end": ("time_bin", [1, 2, 3])})
    subjects = rdms_of(alike[1], dim="subject").expand_dims(time_bin=2)
    result = evaluate_models(model, subjects, resampling=Resampling(n_draws=20))
    assert result["p_difference"].dims == ("time_bin", "time_bin_c", "time_bin_b")
    assert result["time_bin_end_c"].values.tolist() == [1, 2, 3]
    score = result["score"]
    for t in range(3):
        expected = score - score.isel(time_bin=t)
        np.testing.assert_allclose(result["difference"].isel(time_bin_c=t), expected)


def test_draws_without_a_score_are_counted(rdms_of, random_rdms_of, rng):
    """A model of one odd stimulus is constant in the (5/6)^6 of draws that lack it."""
    odd = np.arange(6) == 0
    model = rdms_of((odd[:, None] != odd).astype(float)[None], dim="model")
    subjects = rdms_of(random_rdms_of(rng, 3, 6), dim="subject")
    result = evaluate_models(model, subjects, method="pearson", resampling=Resampling(n_draws=300))
    count = result["n_undefined_draws"].item()
    assert abs(count / 300 - 0.335) < 4 * np.sqrt(0.335 * 0.665 / 300)
    assert np.isfinite(result["standard_error"]).all()


def test_one_model_has_no_differences(alike, rdms_of):
    models, subjects = labelled(*alike, rdms_of)
    result = evaluate_models(models.isel(model=0), subjects, resampling=Resampling(n_draws=20))
    assert result["score"].shape == ()
    assert "p_difference" not in result


def test_one_subject(alike, rdms_of):
    models, subjects = labelled(*alike, rdms_of)
    alone = subjects.isel(subject=[0])
    with pytest.raises(ValueError, match=r"at least 2, got 1; give Resampling\(over=.stimuli"):
        evaluate_models(models, alone)
    options = Resampling(over="stimuli", n_draws=50)
    result = evaluate_models(models, alone, resampling=options)
    assert np.isfinite(result["p_zero"]).all()
    assert np.isnan(result["ceiling_lower"])
    assert np.isnan(result["p_ceiling"]).all()
    assert result.attrs["degrees_of_freedom"] == N - 1


def test_undefined_model(alike, rdms_of):
    models, subjects = labelled(*alike, rdms_of)
    models = models.copy()
    models[1] = 1 - np.eye(N)
    with pytest.raises(ValueError, match="undefined for an RDM whose dissimilarities are all"):
        evaluate_models(models, subjects, method="pearson")
    options = {"method": "pearson", "resampling": Resampling(n_draws=30)}
    result = evaluate_models(models, subjects, undefined="nan", **options)
    assert np.isnan(result["p_zero"].values).tolist() == [False, True, False]
    without = evaluate_models(models.isel(model=[0, 2]), subjects, **options)
    np.testing.assert_allclose(result["p_zero"].values[[0, 2]], without["p_zero"])
    np.testing.assert_allclose(result["p_zero_corrected"][[0, 2]], without["p_zero_corrected"])


def test_same_seed_same_result_and_written(alike, rdms_of, tmp_path):
    models, subjects = labelled(*alike, rdms_of)
    once, again, other = (
        evaluate_models(models, subjects, resampling=Resampling(n_draws=20, seed=s))
        for s in (1, 1, 2)
    )
    xr.testing.assert_identical(once, again)
    assert (once["standard_error"] != other["standard_error"]).all()
    once.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as read:
        np.testing.assert_array_equal(read["p_zero"], once["p_zero"])


def test_order_of_conditions_and_scale_do_not_matter(alike, rdms_of, rng):
    """Stimuli are matched by identifier; RDMs of other scale score alike."""
    models, subjects = labelled(*alike, rdms_of)
    order = rng.permutation(N)
    shuffled = 3 * subjects.isel(condition=order, condition_b=order)
    options = Resampling(n_draws=20)
    for method in ("cosine", "rho_a"):
        a, b = (
            evaluate_models(models, s, method=method, resampling=options)
            for s in (subjects, shuffled)
        )
        np.testing.assert_allclose(a["p_zero"], b["p_zero"], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": "units"}, "over must be one of"),
        ({"correction": "tukey"}, "correction must be one of"),
        ({"n_draws": 1}, "n_draws of at least 2"),
        ({"level": 1.0}, "level between 0 and 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Resampling(**options)


def test_no_subjects(alike, rdms_of):
    models, subjects = labelled(*alike, rdms_of)
    with pytest.raises(ValueError, match="need the dimension 'subject'"):
        evaluate_models(models, rdms_of(alike[1]))
    with pytest.raises(ValueError, match="models must not have it"):
        evaluate_models(rdms_of(alike[0], dim="subject"), subjects)
    with pytest.raises(ValueError, match="method must be one of"):
        evaluate_models(models, subjects, method="tau-b")


@pytest.mark.data
def test_human_subjects(objects_92):
    """Animacy explains human IT, V1 does not, and neither reaches the ceiling of 0.372."""
    names = objects_92["rdm_name"].values
    models = objects_92.isel(
        rdm=[np.flatnonzero(names == f"model_{m}")[0] for m in ("animacy", "V1")]
    )
    human = objects_92.isel(rdm=objects_92["rdm_kind"].values == "neural_subject")
    subjects = human.groupby("subject").mean()
    models = models.rename(rdm="model").drop_vars(["subject"], errors="ignore")
    options = Resampling(n_draws=40)
    result = evaluate_models(models, subjects, method="spearman", resampling=options)
    np.testing.assert_allclose(result["ceiling_lower"], 0.372, atol=0.0005)
    np.testing.assert_allclose(result["ceiling_upper"], 0.666, atol=0.0005)
    animacy, v1 = result["score"].values
    assert animacy > 0.2 > v1
    assert (result["p_zero"] < 0.05).values.tolist() == [True, False]
    assert result["difference"].values[0, 1] == pytest.approx(animacy - v1)
    assert result.attrs["degrees_of_freedom"] == 3
    relation = permutation_test(
        models, subjects, subject="subject", permutations=Permutations(n_permutations=199)
    )
    np.testing.assert_allclose(relation["score"], result["score"], atol=1e-12)
    assert relation["p"].values[0] == 1 / 200


def squared_distances(features):
    """Upper triangles of squared Euclidean RDMs of (..., stimulus, feature)."""
    products = features @ features.swapaxes(-1, -2)
    squares = np.diagonal(products, axis1=-2, axis2=-1)
    distances = squares[..., :, None] + squares[..., None, :] - 2 * products
    upper = np.triu_indices(features.shape[-2], 1)
    return distances[..., upper[0], upper[1]]


def experiment(rng, *, n_stimuli, n_subjects):
    """Two models equally like the subjects, one unrelated to them, and one that is their mean.

    Subjects share three sets of features of the stimuli, two of which are the models'; they weigh
    those differently, and have a set of their own.
    """
    a, b, c, unrelated = rng.normal(size=(4, n_stimuli, 6))
    gains = 1 + 0.5 * rng.normal(size=(2, n_subjects, 1, 1))
    own = rng.normal(size=(n_subjects, n_stimuli, 6))
    common = np.broadcast_to(c, own.shape)
    subjects = np.concatenate([gains[0] * a, gains[1] * b, common, own], axis=2)
    models = squared_distances(np.stack([a, b, unrelated]))
    # The expected RDM of a subject: the mean square of a gain is 1.25.
    true = squared_distances(np.concatenate([np.sqrt(1.25) * a, np.sqrt(1.25) * b, c], axis=1))
    return np.concatenate([models, true[None]]), squared_distances(subjects)


@pytest.mark.slow
def test_calibration():
    """1000 experiments: coverage of other stimuli and subjects, and false positives.

    The standard error of a rate of 5 % is 0.7 %.
    """
    n_stimuli, n_subjects, n = 30, 10, 1000
    rng = np.random.default_rng(n_stimuli)
    freedom = degrees_of_freedom("both", n_subjects, n_stimuli)
    scores, results, below = [], [], []
    for seed in range(n):
        models, subjects = experiment(rng, n_stimuli=n_stimuli, n_subjects=n_subjects)
        copies, uses = drawn_copies(n_stimuli, n_subjects, n_draws=200, seed=seed)
        drawn = evaluations("pearson", models, subjects, copies, uses)
        measured = spread(drawn, over="both", n_subjects=n_subjects, n_stimuli=n_stimuli)
        score = COMPARISONS["pearson"](models, subjects).mean(axis=1)
        lower = ceiling_bounds(subjects, "pearson")[0].mean()
        results.append(t_tests(score, float(lower), measured, level=0.95, freedom=freedom))
        scores.append(score)
        below.append((results[-1]["p_ceiling"][3] < 0.05) & (score[3] < lower))
    truth = np.mean(scores, axis=0)
    low, high = (np.array([r[name] for r in results]) for name in ("ci_low", "ci_high"))
    covered = ((low <= truth) & (truth <= high)).mean(axis=0)
    p_equal = np.array([r["p_difference"][0, 1] for r in results])
    p_zero = np.array([r["p_zero"][2] for r in results])
    assert ((covered[[0, 1, 3]] > 0.93) & (covered[[0, 1, 3]] < 0.975)).all()
    assert 0.035 <= (p_equal < 0.05).mean() <= 0.065
    # Conservative, as the docstring says: stimuli that stand twice inflate the variance at zero.
    assert 0.005 <= (p_zero < 0.05).mean() <= 0.065
    assert covered[2] >= 0.95
    # The lower bound is below what the true model reaches.
    assert np.mean(below) <= 0.05
