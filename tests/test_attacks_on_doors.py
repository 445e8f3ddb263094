"""Attacks that need a door, a file or bytes on a disk: the shipped door admits nobody; a scheme without authentication is found broken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.door.throttle import Limits
from edge.inference.plan import PlanError
from edge.inference.plans import POINTER, PlanStore
from edge.records import ALWAYS, NEVER
from edge.template.protect import RowCipher, TemplateError, open_record
from evaluation import schemes
from evaluation.attacks import backups, bench, climbing, edits, parsers, strangers, throttled
from evaluation.attacks.bench import Knowledge
from evaluation.attacks.door import Door, Rule, default_rule
from evaluation.attacks.faces import Faces, synthetic
from evaluation.attacks.weights import read_projection

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def rule() -> Rule:
    return default_rule()


@pytest.fixture(scope="module")
def faces(rule: Rule) -> Faces:
    projection = read_projection(rule.settings.network.models / f"{rule.settings.network.hash}.onnx", rule.network.q)
    return synthetic(projection, people=30, strangers=60)


@pytest.fixture
def door(tmp_path: Path, rule: Rule, faces: Faces) -> Door:
    return Door(tmp_path, rule, faces.some(slice(0, edits.PEOPLE)).codes[0], "own")


def test_a_door_admits_whom_it_enrolled_and_no_stranger(door: Door, faces: Faces) -> None:
    probes, strange = faces.probes[0], faces.projection.probes(faces.strangers[:1])[0]
    with door.opened() as gallery:
        assert door.admits(gallery, probes[2]) == door.ids[2]
        assert door.admits(gallery, strange) is None


def test_no_edit_of_the_database_lets_anybody_in(faces: Faces, rule: Rule) -> None:
    results = edits.attack(faces, rule, trials=3)
    assert bench.broken(results) == []
    assert {result.attack for result in results if result.knowledge.keyless} == {*edits.EDITS, *edits.REPLAYS}


@pytest.mark.parametrize("edit", [*edits.EDITS, *edits.REPLAYS, *edits.ROLL_BACKS])
def test_every_edit_changes_the_file(edit: str, door: Door, tmp_path: Path, rule: Rule, faces: Faces) -> None:
    """An edit that did nothing would prove nothing."""
    stranger = faces.projection.codes(faces.strangers[:1])[0]
    foreign = Door(tmp_path, rule, stranger[None], "foreign")
    edits.restored(door.path.parent, tmp_path / "old")
    with door.opened() as gallery:
        edits.end(gallery, door)
    before = door.path.read_bytes()
    act = (edits.EDITS | edits.REPLAYS | edits.ROLL_BACKS)[edit]
    act(edits.Scene(door.path, door.ids, stranger, rule.network.q, foreign.path, tmp_path / "old", np.random.default_rng(0)))
    assert door.path.read_bytes() != before


def test_an_edit_that_does_let_somebody_in_is_counted(door: Door, faces: Faces) -> None:
    """The yard-stick of the edits: here the door itself enrols the stranger, and does not revoke."""
    probes, strange = faces.probes[0], faces.projection.probes(faces.strangers[:1])[0]
    with door.opened() as gallery:
        edits.end(gallery, door)
    assert not edits.admitted(door, probes[: edits.PEOPLE], strange)
    with door.opened() as gallery:
        gallery.limit(door.ids[-2], ALWAYS)
    assert edits.admitted(door, probes[: edits.PEOPLE], strange)
    with door.opened() as gallery:
        gallery.limit(door.ids[-2], NEVER)
    with door.opened() as gallery:
        gallery.enrol("stranger", [strange])
    assert edits.admitted(door, probes[: edits.PEOPLE], strange)


def test_rows_without_a_tag_are_found_broken_and_sealed_ones_are_not(faces: Faces) -> None:
    assert bench.broken(edits.rows(schemes.Whole, faces)) == []
    assert {result.attack for result in bench.broken(edits.rows(schemes.ReusedPad, faces))} == {
        "single row, a bit flipped",
        "single row, moved",
    }


def test_an_id_too_long_for_a_label_is_damage_and_stops_nothing() -> None:
    cipher = RowCipher(parsers.KEY, network=schemes.NETWORK, device=schemes.DEVICE, transform_epoch=1, row_epoch=1)
    raw = cipher.seal(bytes(parsers.WIDTH), "subject", "reference").to_bytes()
    with pytest.raises(TemplateError, match="its id has 70000 characters"):
        cipher.open(raw, parsers.WIDTH, "subject", "x" * 70_000)
    with pytest.raises(TemplateError, match="its id has 70000 characters"):
        open_record(bytes(64), parsers.KEY, "subject", "x" * 70_000)


def test_no_answer_tells_how_near_a_probe_was(faces: Faces, rule: Rule, tmp_path: Path) -> None:
    door = Door(tmp_path, rule, faces.codes[0])
    with door.opened() as gallery:
        result = climbing.no_score(door, gallery, faces)
    assert (result.successes, result.trials) == (0, 150)


def test_an_answer_that_tells_how_near_a_probe_was_is_found(faces: Faces, rule: Rule, tmp_path: Path) -> None:
    """A door that says in its outcome's number of frames how unlike the probe was."""

    class Talking(Rule):
        def judge(self, gallery, probe):  # type: ignore[no-untyped-def]
            return replace(super().judge(gallery, probe), frames=gallery.search(probe, limit=1)[0].dissimilarity)

    door = Door(tmp_path, Talking(rule.settings, rule.network, rule.threshold), faces.codes[0])
    with door.opened() as gallery:
        result = climbing.no_score(door, gallery, faces)
    assert bench.broken([result]) == [result]


def test_climbing_from_a_probe_that_passes_comes_nearer_to_the_face(faces: Faces, rule: Rule, tmp_path: Path) -> None:
    door = Door(tmp_path, rule, faces.codes[0])
    target = faces.first[0]
    start = climbing._at_cosine(target, faces.strangers[0], 0.75)
    with door.opened() as gallery:
        found = climbing.climb(
            lambda probe: door.admits(gallery, faces.projection.probes(probe[None])[0]) == door.ids[0],
            start,
            np.random.default_rng(0),
            1500,
        )
    assert list(found) == list(range(climbing.FEELERS, 1501, climbing.FEELERS))
    assert found[1500] @ target > found[100] @ target
    assert found[1500] @ target > 0.76


def test_the_time_of_decisions_follows_from_the_settings(rule: Rule) -> None:
    """12 samples, 0.1 s apart, and 1 s until an approach is over: 2.2 s a denial; 16 faces at once; and the door's own throttle."""
    found = climbing.hours(rule, 3600 / 2.2)
    told, _, throttled = found.partition(", 4 min with 16 faces at once, ")
    assert told == "1.0 h one by one"
    hours, words, limits = throttled.partition(" h with the throttle ")
    assert float(hours) > 4.0, "by bursts it was 1.4 h while pauses did not grow"
    assert words + limits == " h with the throttle (10 denials in 60 s or 100 an hour pause 30 s, doubling to 900 s)"


def test_nobody_gets_round_the_throttle_by_patience() -> None:
    allowed = Limits(failures=10, window=60.0, pause=30.0, longest=900.0, quiet=3600.0, hourly=100)
    found = throttled.in_a_day(allowed, 0.2)
    assert found == {
        "sits out every pause": pytest.approx(1000, abs=30),
        "stays below the window": pytest.approx(5800, abs=150),
        "stays below the hour too": pytest.approx(99 * 24, abs=30),
    }
    assert throttled.soonest(allowed, 0.2, 100) < 700.0 < 1300.0 < throttled.soonest(allowed, 0.2, 200)
    assert throttled.soonest(allowed, 0.2, 5) == pytest.approx(1.0)


def test_the_figures_of_the_throttles_are_those_of_the_documents(capsys: pytest.CaptureFixture[str]) -> None:
    throttled.main([])
    printed = capsys.readouterr().out
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    assert len(printed.splitlines()) == 10
    assert printed.strip() in page


def test_a_door_without_a_throttle_is_said_to_have_none(rule: Rule) -> None:
    access = rule.settings.access.model_copy(update={"failures": 0})
    open_door = Rule(rule.settings.model_copy(update={"access": access}), rule.network, rule.threshold)
    assert climbing.hours(open_door, 100).endswith("faces at once; no throttle")


def test_no_edited_or_forged_backup_lets_anybody_in(faces: Faces, rule: Rule) -> None:
    results = backups.attack(faces, rule, trials=8)
    assert {result.attack for result in results} == {*backups.EDITS, "backup forged"}
    assert all(result.knowledge.keyless for result in results)
    assert bench.broken(results) == []


def test_the_forged_backup_is_a_sound_one_that_an_operator_could_let_in(faces: Faces, rule: Rule, tmp_path: Path) -> None:
    """The yard-stick: said to come from elsewhere, it is restored, and the stranger passes."""
    recipient = backups.new_identity(tmp_path / "identity")
    stranger = faces.projection.probes(faces.strangers[:1])[0]
    forged = Door(tmp_path, rule, stranger.symbols[None], "forger").back_up(tmp_path / "forged.age", recipient)
    assert [backups._lets_in(tmp_path, forged, rule, stranger, elsewhere=said) for said in (False, True)] == [False, True]


COUNTS = np.array([[100, 300, 300], [299, 300, 420], [310, 330, 420]], np.uint16)


@pytest.mark.parametrize(
    ("threshold", "margin", "named"), [(300, 8, [True, False, False]), (310, 8, [True, False, True]), (99, 1, [False] * 3)]
)
def test_strangers_are_named_by_the_doors_own_rule(threshold: int, margin: int, named: list[bool]) -> None:
    assert strangers.named(COUNTS, threshold, margin).tolist() == named


def test_a_wolf_and_a_lamb_are_seen_in_the_zoo() -> None:
    counts = np.random.default_rng(0).integers(400, 480, (200, 200)).astype(np.uint16)
    counts[7, :40] = 300
    assert "worst wolves have 100 % (by chance" in strangers.zoo(counts)
    assert "worst lambs 100 %" in strangers.zoo(counts.T)


def test_strangers_who_are_enrolled_people_break_the_gate(faces: Faces, rule: Rule) -> None:
    planted = Faces("planted", faces.first, faces.second, faces.first, faces.projection)
    assert bench.broken(strangers.attack(faces, rule)) == []
    assert "every stranger once" in {result.attack for result in bench.broken(strangers.attack(planted, rule))}


@pytest.mark.parametrize("name", sorted(parsers.PARSERS))
def test_what_mutations_start_from_is_taken(name: str, tmp_path: Path) -> None:
    """A parser that refuses all would be proven nothing. A pointer leads on to a plan that is not there."""
    if name == "plan pointer":
        with pytest.raises(PlanError, match="No such file"):
            parsers.PARSERS[name](parsers.sound()[name], tmp_path)
    else:
        parsers.PARSERS[name](parsers.sound()[name], tmp_path)


@pytest.mark.parametrize("name", sorted(parsers.PARSERS))
def test_a_parser_of_bytes_from_the_disk_refuses_with_an_error_of_the_tree(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bytes")

    @given(st.binary(max_size=400) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def refuses(data: bytes) -> None:
        assert parsers.defect(name, data, folder) is None

    refuses()


@pytest.mark.parametrize("name", sorted(parsers.PARSERS))
def test_mutated_bytes_crash_no_parser_and_altered_rows_do_not_open(name: str, tmp_path: Path) -> None:
    random, data = np.random.default_rng(1), parsers.sound()[name]
    assert [wrong for _ in range(60) if (wrong := parsers.defect(name, parsers.mutated(data, random), tmp_path, data))] == []


@pytest.mark.parametrize(
    "pointer", ['{"now": 5, "before": null}', '{"now": "../../etc", "before": null}', '{"now": "a\\u0000", "before": null}', "[" * 100_000]
)
def test_a_pointer_to_no_plan_is_damage(pointer: str, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / POINTER).write_text(pointer)
    with pytest.raises(PlanError, match="delete it, and run"):
        PlanStore(tmp_path, "net").names()


def test_a_parser_that_crashes_or_takes_altered_rows_is_found(tmp_path: Path) -> None:
    good = parsers.sound()["row"]
    assert parsers.defect("row", good, tmp_path, good + b"x") == "row: altered bytes open"
    assert "RuntimeError" in str(parsers.defect("row", RaisesWhenRead(), tmp_path))  # type: ignore[arg-type]


class RaisesWhenRead(bytes):
    def __len__(self) -> int:
        raise RuntimeError("read")


def test_what_is_not_promised_is_not_gated() -> None:
    assert {knowledge for knowledge in Knowledge if knowledge.keyless} == {
        Knowledge.DATABASE,
        Knowledge.OLD_COPY,
        Knowledge.BACKUPS,
        Knowledge.ORACLE,
    }
