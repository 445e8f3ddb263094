"""Each fault of docs/reliability.md, done once or twice to a real door process; and the rig itself, which must see what goes wrong."""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.camera.demo import DemoSource, Visit
from edge.door.webhook import signature
from evaluation.faults import load
from evaluation.faults.lock import KEY, Lock
from evaluation.faults.rig import PERSON, STRANGER, Finding, Rig, Unavailable, prepare, rigged
from evaluation.reliability import FAULTS, document, one, table

AT_ONCE = 3  # most of the time a fault waits for its door


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "ready"
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def found(ready: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[Finding]"]]:
    """Every fault that is asked for, some at a time."""
    here = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    names = [item.callspec.params["name"] for item in here if "name" in item.callspec.params]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(one, name, FAULTS[name].quick, ready, 1, brisk=True) for name in names}


@pytest.mark.parametrize("name", FAULTS)
def test_a_door_survives_the_fault_with_nothing_lost_and_no_false_unlock(name: str, found: dict[str, "Future[Finding]"]) -> None:
    try:
        finding = found[name].result()
    except Unavailable as error:
        pytest.skip(str(error))
    assert finding.survived, finding


@pytest.fixture
def rig(ready: Path, tmp_path: Path) -> Iterator[Rig]:
    with rigged(ready, tmp_path / "site") as made:
        yield made


def test_the_rig_sees_a_reference_that_is_lost_and_a_gallery_that_is_gone(rig: Rig) -> None:
    assert rig.lost() == 0
    with rig.gallery() as gallery:
        gallery.revoke(gallery.find("Person 3").id)
    assert rig.lost() == 1
    rig.settings.gallery.path.unlink()
    assert rig.lost() == len(rig.codes)


def test_the_rig_sees_a_false_unlock_and_a_name_given_to_nobody(rig: Rig) -> None:
    rig.lock.opened.append((time.monotonic(), rig.person))
    assert rig.false() == 0
    rig.lock.opened.append((time.monotonic(), "5d" * 16))
    assert rig.false() == 1
    hers, strangers = 0.6, 3.2
    lines = [{"subject": rig.person, "seconds": seconds} for seconds in (hers, strangers)]
    rig.doors.append(SimpleNamespace(plays=True, identified=lines, alive=False))  # type: ignore[arg-type]
    assert rig.false() == 2


def test_the_lock_opens_for_signed_unlocks_in_time_only() -> None:
    lock = Lock()
    unlock = {"kind": "unlock", "subject": "ab" * 16, "valid_for": 1.2}
    for facts, signed in ((unlock, False), (unlock | {"kind": "unlock_late"}, True), (unlock | {"kind": "denied"}, True), (unlock, True)):
        lock.take(json.dumps(facts).encode(), signed)
    lock.close()
    assert (len(lock.opened), lock.forged, lock.late) == (1, 1, 1)
    assert len(signature(KEY, "1", "2", b"")) == 64


def test_memory_that_grows_and_descriptors_that_stay_open_are_seen() -> None:
    assert load.ends([13, 17, 13, 14, 13, 13, 17, 13, 13]) == (13, 13)
    assert load.ends([13, 14, 15, 16, 17, 18]) == (13, 17)


def test_the_stream_shows_the_enrolled_person_and_a_stranger() -> None:
    with DemoSource([Visit((PERSON,), 1), Visit((STRANGER,), 1)]) as source:
        assert len(list(source.frames())) == 2


def test_the_page_counts_what_was_lost_and_names_what_was_not_done() -> None:
    rows = {
        "door_killed": Finding("kill -9 of the door", 3, "seen", lost=1, recovery=[1.0, 3.0]).facts(),
        "clock_jumps": {"fault": "clock_jumps", "not_done": "libfaketime is not installed"},
    }
    text = document({"command": "c", "machine": "m", "faults": rows})
    assert "1 references lost, 0 false unlocks, 1 kinds not survived" in text
    assert "| kill -9 of the door | 3 | seen | 1 | 0 | 2.0 s (3.0 s) | NO |" in text
    assert "not done: libfaketime" in text
    assert table(rows).row_count == 2


def test_a_full_disk_is_told_once_and_its_end_too(rig: Rig) -> None:
    door = rig.door()
    assert rig.recovered(door) < 60
    door.full_disk(16 << 10)
    until = time.monotonic() + 60
    while "event not recorded" not in door.said and time.monotonic() < until:
        time.sleep(0.05)
    assert rig.recovered(door, time.monotonic()) < 60
    door.full_disk(0)
    while "recorded again" not in door.said and time.monotonic() < until:
        time.sleep(0.05)
    door.stop()
    assert door.said.count("event not recorded") == 1
    assert door.said.count("events are recorded again") == 1


def test_the_rig_leaves_no_process_behind(ready: Path, tmp_path: Path) -> None:
    with rigged(ready, tmp_path / "site") as rig:
        number = rig.door().process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
