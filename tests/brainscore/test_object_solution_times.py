"""Object solution times of a model against brainscore-vision's ``ost``.

That one needs TensorFlow, which none of its requirements names; its readout is therefore replaced
by scikit-learn's, of the same objective, and everything else is theirs.
"""

import warnings

import numpy as np
import pytest

pytest.importorskip("brainscore_vision", reason="brainscore-vision is not part of this stack")

from sklearn.linear_model import LogisticRegression

from neurorec import assemblies
from neurorec.brainscore import ObjectSolutionTimes, from_brainio, to_brainio

N_IMAGES, N_BINS, PENALTY = 120, 5, 0.463


@pytest.fixture
def model(rng):
    """Activity in which objects grow apart over time, image by image."""
    # So that each object is among the images held out in every split, without which theirs fails.
    objects = np.arange(N_IMAGES) // (N_IMAGES // 3)
    code = rng.normal(size=(3, 20))[objects]
    speed = rng.uniform(0.3, 2, N_IMAGES)
    growth = np.clip(np.arange(N_BINS) * speed[:, None] - 0.5, 0, 1.5)
    values = rng.normal(size=(N_IMAGES, 20, N_BINS)) + code[:, :, None] * growth[:, None]
    assembly = assemblies.build(
        values,
        presentation={
            "stimulus_id": [f"s{i:03d}" for i in range(N_IMAGES)],
            "repetition": np.zeros(N_IMAGES, dtype=np.int64),
            "image_label": np.array(["car", "dog", "hat"])[objects],
        },
        neuroid={"neuroid_id": [f"u{j}" for j in range(20)], "region": ["IT"] * 20},
        time_bin_start=70.0 + 10 * np.arange(N_BINS),
        time_bin_end=80.0 + 10 * np.arange(N_BINS),
    )
    return to_brainio(assembly)


@pytest.fixture
def target(rng, model):
    """Solution times and d′ of a monkey; some images are never solved."""
    from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly

    times = rng.uniform(80, 120, N_IMAGES)
    times[rng.random(N_IMAGES) < 0.1] = np.nan
    columns = {
        name: ("presentation", model[name].values) for name in ("stimulus_id", "image_label")
    }
    columns["truth"] = columns["image_label"]
    columns["i1"] = ("presentation", rng.uniform(-0.5, 1.2, N_IMAGES))
    return BehavioralAssembly(times, dims=["presentation"], coords=columns)


class Softmax:
    """Their classifier's objective, minimised by scikit-learn."""

    def fit(self, features, labels):
        labels, values = labels.values, features.values
        self.mean, self.scale = values.mean(axis=0), values.std(axis=0)
        strength = 1 / (len(values) * PENALTY)
        self.rule = LogisticRegression(C=strength, fit_intercept=False, tol=1e-12, max_iter=10**5)
        self.rule.fit(self._seen(values), labels)

    def _seen(self, values):
        return np.column_stack([(values - self.mean) / self.scale, np.ones(len(values))])

    def predict_proba(self, features):
        from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly

        names = ("stimulus_id", "image_label", "truth")
        return BehavioralAssembly(
            self.rule.predict_proba(self._seen(features.values)),
            dims=["presentation", "choice"],
            coords={name: ("presentation", features[name].values) for name in names}
            | {"choice": ("choice", self.rule.classes_)},
        )

    def close(self):
        pass


def theirs(model, target, monkeypatch):
    from brainscore_vision.metrics.ost import metric

    monkeypatch.setattr(metric, "TFProbabilitiesClassifier", Softmax)
    plain = from_brainio(model)
    truth = ("presentation", plain["image_label"].values)
    # It selects time bins by their start, which fails with starts that are no integers.
    starts = ("time_bin", plain["time_bin_start"].values.astype(int))
    known = to_brainio(plain.assign_coords(truth=truth, time_bin_start=starts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of deprecated calls and empty means
        return metric.OSTCorrelation()(known, target)


@pytest.mark.slow
def test_the_score_of_brainscore(model, target, monkeypatch):
    expected = theirs(model, target, monkeypatch)
    score = ObjectSolutionTimes()(model, target)
    each = expected.attrs["raw"].values
    assert np.isfinite(each).all()
    # Ranks are the same, and with them the correlations.
    np.testing.assert_allclose(score.attrs["raw"].values, each, atol=1e-12)
    assert float(score) == pytest.approx(float(expected), abs=1e-12)
    assert float(score.attrs["error"]) == pytest.approx(float(expected.attrs["error"]), abs=1e-12)


def test_the_time_of_each_image(model, target):
    score = ObjectSolutionTimes()(model, target)
    times = score.attrs["object_solution_time_ms"]
    assert times.dims == ("split", "presentation")
    assert dict(times.sizes) == {"split": 10, "presentation": N_IMAGES}
    assert times["stimulus_id"].values.tolist() == target["stimulus_id"].values.tolist()
    solved = np.isfinite(times.values)
    assert (solved.sum(axis=1) <= N_IMAGES // 10).all()  # held out, of each split
    assert score.attrs["fraction_solved"] == pytest.approx(solved.sum() / N_IMAGES)
    assert times.values[solved].min() == 70  # the start of the bin, of what is told at once
    assert times.values[solved].max() <= 110
    known = np.isfinite(target.values)
    assert score.attrs["fraction_solved_by_target"] == known.mean()
    both = (solved & known).sum() / N_IMAGES
    assert score.attrs["fraction_solved_by_both"] == pytest.approx(both)
    each = score.attrs["raw"].values
    assert float(score.attrs["error"]) == pytest.approx(each.std() / np.sqrt(10), abs=1e-12)


def test_images_may_come_in_another_order(model, target, rng):
    shuffled = model.isel(presentation=rng.permutation(N_IMAGES))
    score, same = (ObjectSolutionTimes(n_splits=2)(one, target) for one in (model, shuffled))
    np.testing.assert_allclose(same.attrs["raw"].values, score.attrs["raw"].values, atol=1e-12)


def test_a_model_that_does_not_change_has_no_times(model, target):
    still = model.copy(data=np.repeat(model.values[..., :1], N_BINS, axis=2))
    score = ObjectSolutionTimes()(still, target)
    assert np.isnan(float(score))
    assert score.attrs["reason"] == "the activity of the model does not change over time"


def test_a_model_that_solves_nothing(model, target):
    harder = from_plain(target, i1=np.full(N_IMAGES, 99.0))
    score = ObjectSolutionTimes()(model, harder)
    assert np.isnan(float(score))
    assert "no split has three images" in score.attrs["reason"]
    assert score.attrs["fraction_solved"] == 0


def from_plain(target, **changes):
    """The target with other columns, or without those that are None."""
    names = ("stimulus_id", "image_label", "i1")
    columns = {name: target[name].values for name in names} | changes
    coords = {k: ("presentation", v) for k, v in columns.items() if v is not None}
    return type(target)(target.values, dims=["presentation"], coords=coords)


def test_what_can_not_be_compared(model, target):
    metric = ObjectSolutionTimes()
    with pytest.raises(ValueError, match="at least 2 time bins, the model has 1"):
        metric(model.isel(time_bin=[0]), target)
    for name in ("i1", "image_label"):
        with pytest.raises(ValueError, match=f"no coordinate '{name}'"):
            metric(model, from_plain(target, **{name: None}))
    with pytest.raises(ValueError, match="must hold solution times over 'presentation'"):
        metric(model, model)
    with pytest.raises(ValueError, match="1 of 120 stimuli are not in"):
        metric(model[1:], target)
    with pytest.raises(ValueError, match="penalty must be above 0"):
        ObjectSolutionTimes(penalty=0)(model, target)
