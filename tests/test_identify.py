"""The loop: one approach, one outcome; unknown rather than a guess; nothing late."""

from collections.abc import Iterable, Iterator

import pytest

from edge.assembly.appliance import Appliance
from edge.assembly.build import Matching
from edge.assembly.report import Report
from edge.face.track import Tracker
from edge.face.zone import Attention, Zone
from edge.identify import Identifier, run
from edge.records import Code, Frame, Outcome, Reason, Verdict
from edge.settings import load_settings
from edge.template.decide import Policy
from tests.twins import ListGallery, ScriptedAcquirer, frame, person

ADA, BEN, EVE = 1, 2, 3
POLICY = Policy(min_samples=3, max_samples=6, margin=4, max_log_variance=5.0, interval=0.0, window=1.5)
Script = dict[int, list[tuple[float, int, tuple[Reason, ...]]]]


def visits(*spans: tuple[Iterable[int], int, float]) -> Script:
    """(frames, person, place) -> script."""
    script: Script = {}
    for numbers, who, place in spans:
        for number in numbers:
            script.setdefault(number, []).append((place, who, ()))
    return script


def loop(
    script: Script,
    *,
    enrolled: tuple[int, ...] = (ADA, BEN),
    expiry: float = 1.5,
    lag: float = 0.0,
    frames: int = 80,
    zone: Zone | None = None,
) -> tuple[list[Outcome], Identifier, ScriptedAcquirer]:
    acquirer = ScriptedAcquirer(script)
    gallery = ListGallery({str(who): acquirer.code(person(who)) for who in enrolled})
    attention = Attention(zone) if zone else None
    tracker = Tracker(1.0, 0.3, 3.0, 16)
    identifier = Identifier(acquirer, gallery, tracker, POLICY, lambda size: 20, expiry=expiry, consistency=0.7, attention=attention)
    shown = iter(range(frames))
    now = [0.0]

    def frames_of() -> Iterator[Frame]:
        for number in shown:
            now[0] = number / 10 + lag
            yield frame(number, size=(640, 480) if zone else (8, 8))

    outcomes = [outcome for _, found in run(frames_of(), identifier, lambda: now[0]) for outcome in found]
    return outcomes, identifier, acquirer


def told(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.verdict.value, outcome.subject) for outcome in outcomes]


def test_an_enrolled_person_is_named_once_an_approach_however_long_it_is() -> None:
    outcomes, _, _ = loop(visits((range(5, 60), ADA, 100.0)))
    assert told(outcomes) == [("identified", str(ADA))]


def test_somebody_not_enrolled_is_unknown_and_never_the_nearest_one() -> None:
    assert told(loop(visits((range(5, 40), EVE, 100.0)))[0]) == [("unknown", None)]


def test_an_empty_gallery_knows_nobody() -> None:
    assert told(loop(visits((range(5, 40), ADA, 100.0)), enrolled=())[0]) == [("unknown", None)]


def changed(code: Code, changes: int) -> Code:
    """A code of which so many symbols are others."""
    symbols = code.symbols.copy()
    symbols[:changes] = (symbols[:changes] + 1) % code.q
    return Code(symbols, code.q)


@pytest.mark.parametrize(("other", "what"), [(20 + POLICY.margin - 1, ("unknown", None)), (20 + POLICY.margin, ("identified", "ada"))])
def test_who_is_nearly_as_like_to_somebody_else_is_nobody_also_where_that_one_lies_beyond_the_threshold(
    other: int, what: tuple[str, str | None]
) -> None:
    acquirer = ScriptedAcquirer(visits((range(5, 30), ADA, 100.0)))
    code = acquirer.code(person(ADA))
    gallery = ListGallery({"ada": changed(code, 20), "other": changed(code, other)})
    identifier = Identifier(acquirer, gallery, Tracker(1.0, 0.3, 3.0, 16), POLICY, lambda size: 20, expiry=1.5, consistency=0.7)
    assert told([outcome for number in range(40) for outcome in identifier.step(frame(number), lambda: 0.0)]) == [what]


@pytest.mark.parametrize(("beside", "verdict"), [(-1, Verdict.UNKNOWN), (0, Verdict.IDENTIFIED)])
def test_of_a_single_picture_nobody_is_named_either_who_is_nearly_as_like_to_somebody_else(beside: int, verdict: Verdict) -> None:
    job = Appliance(load_settings(environment={}), Report(as_json=True, quiet=True))
    job.acquirer = acquirer = ScriptedAcquirer(visits((range(5), ADA, 100.0)))  # type: ignore[assignment]  # a twin
    code, other = acquirer.code(person(ADA)), 20 + job.settings.decision.margin + beside
    gallery = ListGallery({"ada": changed(code, 20), "other": changed(code, other)})
    match = Matching(acquirer, gallery, lambda looks: lambda size: 20, lambda size: 20)
    picture = frame(1)
    (face,) = acquirer.faces(picture.image)
    assert job.judge(match, picture, 1, face).verdict is verdict


def test_two_people_at_once_are_two_approaches() -> None:
    outcomes, _, _ = loop(visits((range(5, 30), ADA, 50.0), (range(5, 30), EVE, 400.0)))
    assert sorted(told(outcomes), key=str) == [("identified", str(ADA)), ("unknown", None)]


def test_who_comes_back_after_the_track_has_ended_is_named_again() -> None:
    assert told(loop(visits((range(5, 15), ADA, 100.0), (range(40, 50), ADA, 100.0)))[0]) == [("identified", str(ADA))] * 2


def test_who_was_only_glimpsed_is_neither_named_nor_called_unknown() -> None:
    assert told(loop(visits((range(5, 7), ADA, 100.0)))[0]) == [("not_acquired", None)]


def test_refused_samples_do_not_count_and_their_reasons_are_told() -> None:
    script: Script = {number: [(100.0, ADA, (Reason.BLURRED,))] for number in range(5, 20)}
    (outcome,) = loop(script)[0]
    assert (outcome.verdict, outcome.reasons) == (Verdict.NOT_ACQUIRED, (Reason.BLURRED,))


def test_the_stream_s_end_closes_what_is_open() -> None:
    assert told(loop(visits((range(76, 80), EVE, 100.0)))[0]) == [("unknown", None)]


def test_an_identification_older_than_its_expiry_is_dropped_and_counted() -> None:
    outcomes, identifier, _ = loop(visits((range(5, 30), ADA, 100.0)), lag=2.0)
    assert (told(outcomes), identifier.dropped) == ([], 1)
    assert told(loop(visits((range(5, 30), ADA, 100.0)), lag=1.0)[0]) == [("identified", str(ADA))]


def test_a_decided_approach_costs_no_more_inference() -> None:
    _, _, acquirer = loop(visits((range(5, 60), ADA, 100.0)))
    assert acquirer.hashed == 3


def test_the_gallery_is_asked_for_news_at_every_frame() -> None:
    acquirer, gallery = ScriptedAcquirer({}), ListGallery({})
    identifier = Identifier(acquirer, gallery, Tracker(1.0, 0.3, 3.0, 16), POLICY, lambda size: 20, expiry=1.5, consistency=0.7)
    for number in range(7):
        identifier.step(frame(number), lambda: 0.0)
    assert gallery.refreshed == 7


@pytest.mark.parametrize("frames", [0, 1])
def test_a_stream_without_faces_ends_without_outcomes(frames: int) -> None:
    assert loop({}, frames=frames)[0] == []


def test_nobody_is_named_by_frames_of_somebody_who_has_left() -> None:
    """Two good frames of Ada; then Eve stands in the same place, refused for a while, then in good frames."""
    script = visits((range(2), ADA, 100.0))
    script |= {number: [(100.0, EVE, (Reason.TURNED,))] for number in range(2, 30)}
    script |= visits((range(30, 32), EVE, 100.0))
    assert not [outcome for outcome in loop(script)[0] if outcome.subject]


def test_when_somebody_steps_in_front_the_samples_before_do_not_count_for_him() -> None:
    outcomes, _, _ = loop(visits((range(2), ADA, 100.0), (range(2, 12), EVE, 100.0)))
    assert told(outcomes) == [("unknown", None)]
    outcomes, _, _ = loop(visits((range(2), EVE, 100.0), (range(2, 12), ADA, 100.0)))
    assert told(outcomes) == [("identified", str(ADA))]
    assert Reason.INCONSISTENT in outcomes[0].reasons


def test_time_that_inference_took_counts_towards_the_expiry() -> None:
    """The clock is read when the outcome is made, not when the frame came."""
    acquirer = ScriptedAcquirer(visits((range(5), ADA, 100.0)))
    gallery = ListGallery({"ada": acquirer.code(person(ADA))})
    identifier = Identifier(acquirer, gallery, Tracker(1.0, 0.3, 3.0, 16), POLICY, lambda size: 20, expiry=1.5, consistency=0.7)
    late = [outcome for number in range(5) for outcome in identifier.step(frame(number), lambda: 3.0)]
    assert (late, identifier.dropped) == ([], 1)


DOORSTEP = Zone(size=0.15, width=0.5, dwell=0.5)
MIDDLE, EDGE = 280.0, 20.0


@pytest.mark.parametrize(
    ("spans", "what"),
    [
        ([(range(5, 40), ADA, MIDDLE)], [("identified", str(ADA))]),
        ([(range(5, 40), EVE, MIDDLE)], [("unknown", None)]),
        ([(range(5, 40), ADA, EDGE)], []),  # stands aside: nothing is decided, not even that he is not known
        ([(range(5, 9), ADA, MIDDLE)], []),  # walks past, too quickly
        ([(range(5, 40), ADA, MIDDLE), (range(5, 40), EVE, EDGE)], [("identified", str(ADA))]),
        ([(range(5, 20), ADA, EDGE), (range(20, 40), ADA, EDGE + 20 * 12)], [("identified", str(ADA))]),  # waits aside, then comes
    ],
)
def test_with_a_zone_the_door_decides_only_of_who_stands_in_it(
    spans: list[tuple[range, int, float]], what: list[tuple[str, str | None]]
) -> None:
    assert told(loop(visits(*spans), zone=DOORSTEP)[0]) == what


def test_of_who_walks_past_no_sample_is_taken_and_the_screen_still_sees_the_face() -> None:
    _, identifier, acquirer = loop(visits((range(5, 40), ADA, EDGE)), zone=DOORSTEP, frames=30)
    assert acquirer.hashed == 0
    assert [(sighting.track, sighting.samples, sighting.decided) for sighting in identifier.sightings] == [(1, 0, False)]


def test_the_first_sample_is_taken_when_the_time_in_the_zone_is_over() -> None:
    (now, *_), _, _ = loop(visits((range(5, 40), ADA, MIDDLE)))
    (later, *_), _, _ = loop(visits((range(5, 40), ADA, MIDDLE)), zone=DOORSTEP)
    assert later.captured - now.captured == pytest.approx(DOORSTEP.dwell, abs=0.01)
