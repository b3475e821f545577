"""Benchmarks by name, and what is said of those that cannot be had."""

import pytest

pytest.importorskip("brainscore_core", reason="brainscore-vision is not part of this stack")
pytest.importorskip("neurorec.brainscore")  # before theirs, which warns when it is imported alone

from neurorec.brainscore import brainscore_identifiers, facts_of, local_benchmarks, open_benchmark
from neurorec.brainscore.benchmark_facts import metric_name
from neurorec.datasets import DataUnavailableError

from .storage import out_of_reach, serving

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:xarray|brainscore_core|brainscore_vision"
)


@pytest.fixture(autouse=True)
def mirror(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("NEUROREC_MIRROR", str(shared_data / "mirror"))
    monkeypatch.setenv("NEUROREC_CACHE", str(tmp_path / "cache"))


class TestLocal:
    @pytest.mark.slow
    def test_name(self, tmp_path):
        made = open_benchmark("cowley-2023@210325/V4:ridge", folder=tmp_path, number_of_trials=2)
        facts = facts_of(made)
        assert (facts.region, facts.metric) == ("V4", "ridge")
        assert (facts.n_stimuli, facts.n_neuroids, facts.trials) == (640, 50, 2)
        assert facts.visual_degrees == 8
        wide = open_benchmark("cowley-2023@210325:ridge", folder=tmp_path, visual_degrees=4)
        assert facts_of(wide).visual_degrees == 4

    def test_what_is_here(self, tmp_path, monkeypatch):
        names = local_benchmarks()
        assert "cowley-2023@210325:pls" in names
        assert len(set(names)) == len(names)
        assert not [name for name in names if not name.startswith("cowley-2023@")]
        monkeypatch.setenv("NEUROREC_MIRROR", str(tmp_path))
        assert local_benchmarks() == ()

    @pytest.mark.slow
    def test_wrong_names(self):
        with pytest.raises(
            ValueError, match=r"no data set 'cowley-2024'.* but cowley-2023@210325:pls"
        ):
            open_benchmark("cowley-2024@210325:pls")
        with pytest.raises(ValueError, match="metric must be one of"):
            open_benchmark("cowley-2023@210325:plss")
        with pytest.raises(ValueError, match="session must be one of"):
            open_benchmark("cowley-2023@1:pls")
        with pytest.raises(ValueError, match="region must be one of"):
            open_benchmark("cowley-2023@210325/IT:pls")
        with pytest.raises(ValueError, match="no option 'session'"):
            open_benchmark("kriegeskorte-2008@1:pls")
        with pytest.raises(ValueError, match="needs responses and the stimuli"):
            open_benchmark("kriegeskorte-2008:pls")
        with pytest.raises(ValueError, match="give single trials, or the reliability"):
            open_benchmark("cowley-2023@210224:pls")


class TestBrainScores:
    def test_identifiers(self):
        known = brainscore_identifiers()
        assert {"MajajHong2015public.IT-pls", "MajajHong2015.IT-pls", "Kar2019-ost"} <= set(known)
        assert list(known) == sorted(set(known))
        assert "Bracci2019_RSA-V1" not in known, "it is in a comment, and cannot be loaded"

    def test_unknown(self):
        with pytest.raises(
            ValueError,
            match=r"no benchmark 'MajajHong2015publik.IT-pls', but MajajHong2015public.IT",
        ):
            open_benchmark("MajajHong2015publik.IT-pls")
        with pytest.raises(ValueError, match=r"DATASET\[@SESSION\]\[/REGION\]:METRIC"):
            open_benchmark("nothing of the kind")

    def test_a_package_that_is_missing(self):
        """Tensorflow is in no declared dependency of Brain-Score 2.4.2."""
        with pytest.raises(ImportError, match=r"needs tensorflow, .*neurorec does not install"):
            open_benchmark("Kar2019-ost")

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_offline(self, tmp_path, monkeypatch):
        """What may be done about it, of theirs and without them."""
        out_of_reach(monkeypatch, tmp_path)
        with pytest.raises(
            DataUnavailableError,
            match=r"^MajajHong2015public.IT-pls: .* cannot be reached; connect to the network .*"
            r"; benchmarks of local data \(cowley-2023@.*\) need no network$",
        ):
            open_benchmark("MajajHong2015public.IT-pls")

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (403, r"^MajajHong2015.IT-pls is private: .*; public: .*MajajHong2015public.IT-pls.*;"),
            (404, "is not where this version of Brain-Score looks for it"),
        ],
    )
    def test_refused(self, tmp_path, monkeypatch, status, said):
        with serving(tmp_path, monkeypatch) as storage:
            storage.status = status
            with pytest.raises(DataUnavailableError, match=f"{said}.* need no network$"):
                open_benchmark("MajajHong2015.IT-pls")


@pytest.mark.parametrize(
    ("identifier", "region", "metric"),
    [
        ("cowley-2023/210325.V4-pls-575ec7cdec6c", "V4", "pls"),
        ("MajajHong2015.IT.public-temporal-pls", "IT", "temporal-pls"),
        ("FreemanZiemba2013.V1-pls", "V1", "pls"),
        ("Rajalingham2018-i2n", "", "i2n"),
        ("Kar2019-ost", "IT", "ost"),
    ],
)
def test_metric_of_an_identifier(identifier, region, metric):
    assert metric_name(identifier, region) == metric
