"""Models on benchmarks: Brain-Score's numbers, in one pass, resumed after a killed process."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import neurorec

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

import brainscore_vision
from brainscore_vision.model_interface import BrainModel

from neurorec.brainscore import (
    NeurorecBrainModel,
    Scores,
    benchmark,
    controls,
    facts_of,
    fingerprint,
    score,
    subject,
)
from neurorec.brainscore import scoring as module
from neurorec.models import build

from .common import v4_session

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)

N_STIMULI = 40


@pytest.fixture(scope="module")
def v4(shared_data):
    data = v4_session(shared_data, N_STIMULI)
    return replace(data, assembly=data.assembly.isel(neuroid=slice(0, 12)))


def in_time(data, *edges, region="V4"):
    """The same responses, said to be of another region and of these time bins."""
    n_bins = len(edges) - 1
    values = data.assembly.isel(time_bin=np.zeros(n_bins, int))
    values = values.assign_coords(
        region=("neuroid", [region] * values.sizes["neuroid"]),
        time_bin_start=("time_bin", np.array(edges[:-1], float)),
        time_bin_end=("time_bin", np.array(edges[1:], float)),
    )
    return replace(data, assembly=values)


@pytest.fixture
def opened(v4, tmp_path):
    """Makes benchmarks of the responses with other labels."""

    def make(*edges, metric="ridge", region="V4", **settings):
        data = in_time(v4, *edges, region=region)
        return benchmark(data, metric=metric, visual_degrees=8, folder=tmp_path, **settings)

    return make


class Theirs(BrainModel):
    """A model of Brain-Score's own interface, whose name says nothing of its weights."""

    identifier = "theirs"

    def __init__(self, name):
        self._inside = model(name)

    def visual_degrees(self):
        return self._inside.visual_degrees()

    def start_recording(self, recording_target, time_bins):
        self._inside.start_recording(recording_target, time_bins)

    def look_at(self, stimuli, number_of_trials=1):
        return self._inside.look_at(stimuli, number_of_trials)


def network(name="fb", **settings):
    return build(f"greco2025-{name}", input_size=16, timesteps=5, **settings)


def model(name="fb", regions=None, **settings):
    regions = {"V4": "a2", "IT": ["a3", "integration"]} if regions is None else regions
    return NeurorecBrainModel(network(name), regions, **{"dt_ms": 20, "device": "cpu", **settings})


class Passes:
    """How many presentations a model was shown."""

    def __init__(self):
        self.n_shown = 0

    def __call__(self, n_presentations):
        self.n_shown += n_presentations


class TestScore:
    @pytest.mark.slow
    def test_their_call(self, opened):
        """The number, raw, ceiling and error that Brain-Score's own call of each gives."""
        calls = [opened(0, 100), opened(0, 100, metric="cka"), opened(0, 40, 100)]
        found = score(model(), calls)
        for call in calls:
            theirs = brainscore_vision.score_benchmark(call, model())
            rows = found.table[found.table["benchmark"] == call.identifier]
            first = rows.iloc[0]
            assert first["score"] == float(theirs)
            assert first["raw"] == float(theirs.attrs["raw"])
            assert first["ceiling"] == float(theirs.attrs["ceiling"])
            if call is not calls[1]:  # cka has no splits, hence no error over them
                assert first["error"] == float(theirs.attrs["error"])
        np.testing.assert_array_equal(rows["score"][1:], theirs.attrs["per_bin"].values)
        assert found.table["error"].isna().tolist()[:3] == [False, True, False]

    def test_table(self, opened):
        static, timed = opened(0, 100), opened(0, 40, 100, region="IT")
        table = score(model(), [static, timed]).table
        assert table["region"].tolist() == ["V4", "IT", "IT", "IT"]
        assert table["at"].tolist() == ["", "all bins", "", ""]
        assert table["time_bin_start"].tolist() == [0, 0, 0, 40]
        assert table["time_bin_end"].tolist() == [100, 100, 40, 100]
        assert set(table["metric"]) == {"ridge"}
        assert set(table["n_stimuli"]) == {N_STIMULI}
        assert set(table["n_neuroids"]) == {12}
        static = table.drop(index=1)
        np.testing.assert_allclose(static["score"], static["raw"] ** 2 / static["ceiling"])
        assert table["score"][1] == pytest.approx(table["score"][2:].mean())

    @pytest.mark.slow
    def test_one_pass_for_all_regions_and_bins(self, opened):
        """And with what each would have had from a pass of its own."""
        calls = [opened(0, 100), opened(0, 40, 100, region="IT"), opened(20, 60)]
        counted = Passes()
        together = score(model(progress=counted), calls, force=True)
        assert counted.n_shown == N_STIMULI
        alone = [score(model(), call) for call in calls]
        assert together.pairs == tuple(
            replace(one.pairs[0], seconds=pair.seconds)
            for one, pair in zip(alone, together.pairs, strict=True)
        )

    @pytest.mark.slow
    def test_trials_that_do_not_differ_share_a_pass(self, opened):
        calls = [opened(0, 100), opened(0, 100, metric="cka", number_of_trials=4)]
        for name, n_shown in (("fb", N_STIMULI), ("fb-dropout", 5 * N_STIMULI)):
            counted = Passes()
            score(model(name, progress=counted), calls, force=True)
            assert counted.n_shown == n_shown, name

    def test_v4_after_it_is_v4(self, opened):
        subjects, v4 = model(), opened(0, 100)
        both = score(subjects, [opened(0, 100, region="IT"), v4]).table
        alone = score(model(), v4).table
        assert both["score"][1] == alone["score"][0] != both["score"][0]

    def test_weights_are_digested_once(self, opened, monkeypatch):
        """Not for each benchmark; a second time where a pass is kept by their digest."""
        asked = []
        of = NeurorecBrainModel.identifier.fget
        counted = property(lambda self: asked.append(1) or of(self))
        monkeypatch.setattr(NeurorecBrainModel, "identifier", counted)
        numbers = []
        for edges in ([40, 60], [40, 60, 80]):
            calls = [opened(0, edge) for edge in edges]
            score(model(), calls)
            numbers.append(len(asked))
            asked.clear()
        assert numbers[0] == numbers[1]

    @pytest.mark.slow
    def test_several_models_and_what_subject_takes(self, opened):
        given = [model(), subject(network("ff"), {"V4": "a1"}, dt_ms=20)]
        found = score(given, opened(0, 100))
        assert [pair.model for pair in found.pairs] == [one.identifier for one in given]
        pixels = score("pixels", opened(0, 100))
        assert pixels.pairs[0].given == "pixels"

    def test_controls(self, opened):
        trained = model()
        for p in trained.model.parameters():
            p.data.mul_(1.1)
        pixels, fresh = controls(trained, seed=0)
        assert pixels.regions == {"V4": ("pixels",), "IT": ("pixels",)}
        assert fresh.facts() == model().facts()
        assert fresh.regions == trained.regions
        (only,) = controls(model(), seed=0)
        assert only.name.startswith("pixels")


class TestKeys:
    def test_contents_and_settings_count(self, opened):
        call = opened(0, 100)
        first = fingerprint(model().identifier, call)
        assert fingerprint(model().identifier, opened(0, 100)) == first
        recommitted = NeurorecBrainModel(network(), {"V4": "a2"}, dt_ms=20)
        others = [
            fingerprint(recommitted.identifier, call),
            fingerprint(model().identifier, opened(0, 100, metric="pls")),
            fingerprint(model().identifier, opened(0, 100, number_of_trials=2)),
            fingerprint(model().identifier, opened(0, 100, ceiling=0.5)),
            fingerprint(model().identifier, opened(0, 60)),
        ]
        assert len({first, *others}) == 6

    def test_settings_of_the_metric_count(self, opened):
        from neurorec.brainscore import metric

        made = [
            opened(0, 100, metric=metric("ridge", stratification_coord=None, n_splits=n))
            for n in (3, 4, 3)
        ]
        assert made[0].identifier == made[1].identifier
        keys = [fingerprint("m", one) for one in made]
        assert keys[0] == keys[2] != keys[1]

    def test_facts(self, opened):
        facts = facts_of(opened(0, 40, 100, number_of_trials=3))
        assert (facts.region, facts.metric, facts.trials) == ("V4", "ridge", 3)
        assert facts.time_bins == ((0, 40), (40, 100))
        assert (facts.n_stimuli, facts.n_neuroids) == (N_STIMULI, 12)


class TestFiles:
    @pytest.mark.slow
    def test_resume_scores_what_is_missing(self, opened, tmp_path, monkeypatch):
        out, first, second = tmp_path / "s.json", opened(0, 100), opened(0, 60)
        alone = score(model(), first, out=out)
        called = []
        scored = module._scored
        monkeypatch.setattr(
            module, "_scored", lambda *a, **k: called.append(a[1].identifier) or scored(*a, **k)
        )
        both = score(model(), [first, second], out=out, resume=True)
        assert called == [second.identifier]
        assert both.pairs[0] == alone.pairs[0]
        assert Scores.from_json(out) == both
        score(model(seed=1), first, out=out, resume=True)
        assert len(called) == 2, "another model is another pair"
        assert len(Scores.from_json(out).pairs) == 3
        before = out.stat().st_mtime_ns, out.read_bytes()
        again = score(model(), [second, first], out=out, resume=True)
        assert again.pairs == both.pairs[::-1]
        assert (out.stat().st_mtime_ns, out.read_bytes()) == before
        assert len(called) == 2, "nothing was missing"

    def test_a_model_known_by_its_name_alone_is_scored_again(self, opened, tmp_path):
        out, call = tmp_path / "s.json", opened(0, 100)
        before = score(Theirs("fb"), call, out=out)
        after = score(Theirs("ff"), call, out=out, resume=True)
        assert after.pairs[0].key == before.pairs[0].key
        assert after.table["score"][0] == score(model("ff"), call).table["score"][0]
        assert after.table["score"][0] != before.table["score"][0]
        assert Scores.from_json(out) == after
        with pytest.raises(ValueError, match=r"several models are called \['theirs'\]"):
            score([Theirs("fb"), Theirs("ff")], call)

    def test_an_existing_file_is_not_replaced(self, opened, tmp_path):
        out = tmp_path / "s.json"
        out.write_text("{}")
        with pytest.raises(ValueError, match="exists; name another file, or continue it"):
            score(model(), opened(0, 100), out=out)
        with pytest.raises(ValueError, match="holds no scores that"):
            score(model(), opened(0, 100), out=out, resume=True)

    def test_errors_come_before_all_work(self, opened, tmp_path):
        counted = Passes()
        made = model(regions={"V4": "a2"}, progress=counted)
        with pytest.raises(ValueError, match="'IT' is not committed to an area"):
            score(made, [opened(0, 100), opened(0, 100, region="IT")])
        with pytest.raises(ValueError, match="no timestep in the time bins"):
            score(made, [opened(0, 100), opened(0, 100, 400)])
        with pytest.raises(ValueError, match="at least one model and one benchmark"):
            score([], opened(0, 100))
        with pytest.raises(ValueError, match="an object of Brain-Score or the name of one"):
            score(made, 3)
        assert counted.n_shown == 0

    def test_what_is_done_is_kept(self, opened, tmp_path):
        """An interrupt in the second pair."""
        out, calls = tmp_path / "s.json", [opened(0, 100), opened(0, 60)]

        def stop(done, total, pair):
            if done == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            score(model(), calls, out=out, progress=stop)
        assert [p.benchmark for p in Scores.from_json(out).pairs] == [calls[0].identifier]


#: Scores the pairs of one call, as a program of its own that can be killed.
PROGRAM = """
import sys
from dataclasses import replace
import numpy as np
from neurorec import datasets
from neurorec.brainscore import NeurorecBrainModel, benchmark, score
from neurorec.models import build

folder, out = sys.argv[1:]
data = datasets.load("cowley-2023", session="210325")
shown = data.stimuli.select(slice(0, 40))
known = np.isin(data.assembly["stimulus_id"].values, shown.stimulus_ids)
data = replace(data, stimuli=shown, assembly=data.assembly.isel(presentation=known))
calls = [
    benchmark(data, metric=m, visual_degrees=8, folder=folder) for m in ("cka", "ridge", "pls")
]
model = NeurorecBrainModel(
    build("greco2025-fb", input_size=16, timesteps=5), {"V4": "a2"}, dt_ms=20, device="cpu"
)


def say(done, total, pair):
    print(done, flush=True)
    if done == 2:
        sys.stdin.readline()  # until it is killed, or told to go on


score(model, calls, out=out, resume=True, progress=say)
"""


@pytest.mark.slow
def test_after_a_killed_process(shared_data, tmp_path):
    """What was finished is in the file, whole, and is not done again."""
    out = tmp_path / "s.json"
    environment = os.environ | {"NEUROREC_MIRROR": str(shared_data / "mirror")}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(out)]
    root = Path(neurorec.__file__).parents[1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, cwd=root, env=environment, **pipes)
    assert [first.stdout.readline().strip() for _ in range(3)] == ["0", "1", "2"]
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdin.close()
    first.stdout.close()
    kept = Scores.from_json(out)
    assert [pair.rows[0].metric for pair in kept.pairs] == ["cka", "ridge"]
    second = subprocess.run(
        command, cwd=root, env=environment, input="\n", capture_output=True, text=True, check=True
    )
    assert second.stdout.split() == ["2", "3"]
    both = Scores.from_json(out)
    assert both.pairs[:2] == kept.pairs
    assert [pair.rows[0].metric for pair in both.pairs] == ["cka", "ridge", "pls"]
