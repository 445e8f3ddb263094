"""The loop with a second hashing network: both see the same frames, and what each stage takes of the processor is held side by side."""

import json

import pytest

from edge.errors import NetworkError
from evaluation import latency

WORDS = ["--references", "20", "--frames", "40"]


def step(busy: float, **work: float) -> latency.Step:
    return latency.Step(busy, 0.0, 9.0, {}, 1, work)


def faced(busy: float, faces: int) -> latency.Step:
    return latency.Step(busy, busy / 10, 2 * busy, {"search": busy}, faces)


def test_the_ratio_is_of_medians_per_face() -> None:
    """Two faces at 20 ms are 10 ms a face; the middle of ours is 10 ms, of the other loop 20 ms."""
    ours, stock = [faced(0.020, 2), faced(0.008, 1), faced(0.012, 1)], [faced(0.040, 2), faced(0.016, 1), faced(0.024, 1)]
    found = latency.against(ours, stock)
    assert (found["ratio"], *found["ratio_quartiles"]) == pytest.approx((0.5, 0.5, 0.5))
    assert found["met"]
    assert not latency.against(stock, ours)["met"]
    assert latency.summary(ours)["busy_ms_per_face"] == pytest.approx(10)
    assert latency.summary(ours)["search_share"] == pytest.approx(0.1)


def test_the_share_is_the_median_of_the_frames_shares_of_processor_time() -> None:
    """The clock (9 s a frame here) plays no part, nor does a stage that some frame lacks."""
    ours = [step(0.010, hash=0.008, fuse=0.001), step(0.020, hash=0.010), step(0.030, hash=0.020)]
    theirs = [step(0.005, hash=0.002, fuse=0.001), step(0.010, hash=0.004), step(0.030, hash=0.010)]
    found = latency.parts(ours, theirs)
    assert found == {
        "hash": {"ms": 10.0, "ms_against": 4.0, "share": pytest.approx(0.4)},
        "whole frame": {"ms": 20.0, "ms_against": 10.0, "share": pytest.approx(0.5)},
    }


def test_only_frames_in_which_both_see_equally_many_faces_are_compared() -> None:
    def seen(*faces: int) -> list[latency.Step]:
        return [latency.Step(number, 0.0, 0.0, {}, count) for number, count in enumerate(faces)]

    ours, theirs = latency.alike(seen(1, 1, 1, 0, 2, 1), seen(1, 1, 1, 0, 1, 1))
    assert [one.busy for one in ours] == [one.busy for one in theirs] == [2, 5], "two to warm up, one without a face, one unlike"


def test_a_stage_is_timed_by_the_clock_and_by_the_processor() -> None:
    stages = latency.Clocks()
    for _ in range(2):
        with stages.stage("work"):
            sum(range(200_000))
    assert len(stages.seconds["work"]) == 2
    assert 0 < stages.work["work"] <= 1.5 * sum(stages.seconds["work"])


def test_the_loop_runs_with_the_network_named(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skimage", reason="a portrait of the demonstration is in scikit-image")
    pytest.importorskip("matplotlib", reason="a portrait of the demonstration is in matplotlib")
    assert latency.main([*WORDS, "--against", "drh", "--against-detector", "detector"]) == 0
    shown = capsys.readouterr().out
    assert "processor time, medians of ms per frame" in shown
    facts = json.loads(shown.splitlines()[-1])["against"]
    assert (facts["network"], facts["detector"]) == ("drh", "detector")
    assert {"detect", "hash", "search", "whole frame"} <= set(facts["busy"])
    assert 0.2 < facts["busy"]["hash"]["share"] < 5


def test_what_is_no_detector_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skimage", reason="a portrait of the demonstration is in scikit-image")
    pytest.importorskip("matplotlib", reason="a portrait of the demonstration is in matplotlib")
    assert latency.main([*WORDS, "--against", "drh", "--against-detector", "drh"]) == NetworkError.exit_code
    assert "--against-detector drh: is a network of kind 'hash'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("name", "said"), [("detector", "its codes are not of 512 symbols of 8"), ("nobody", "the manifest cannot be read")]
)
def test_what_is_no_form_of_the_network_is_refused(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skimage", reason="a portrait of the demonstration is in scikit-image")
    pytest.importorskip("matplotlib", reason="a portrait of the demonstration is in matplotlib")
    assert latency.main([*WORDS, "--against", name]) == NetworkError.exit_code
    assert said in " ".join(capsys.readouterr().err.split())
