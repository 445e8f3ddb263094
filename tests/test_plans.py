"""Plans on disk: whatever is cut off, the pointer names whole plans; the old one stays until the new one has run."""

import fcntl
import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.inference.manifest import Golden, read_manifest
from edge.inference.plan import Board, Options, PlanError, PlanManifest, differences, shapes
from edge.inference.plans import BusyError, PlanStore
from tests.plan_kit import OPTIONS, plan_manifest
from tests.tiny_networks import ship_detector, ship_hash

BOARD = Board(tensorrt="10.3.0", cuda="12.6", gpu="Orin", sm="8.7", power_mode="pmode:0000")


@pytest.fixture
def made(tmp_path: Path) -> PlanManifest:
    manifest = read_manifest(ship_hash(tmp_path))
    return plan_manifest(manifest, b"plan", BOARD, manifest.golden)


def put(store: PlanStore, made: PlanManifest, raw: bytes) -> str:
    with store.building() as staging:
        return store.install(staging, made.model_copy(update={"plan_sha256": hashlib.sha256(raw).hexdigest()}), raw)


def test_what_was_installed_is_read_back(tmp_path: Path, made: PlanManifest) -> None:
    store = PlanStore(tmp_path, "tiny")
    name = put(store, made, b"plan")
    assert store.names() == [name]
    assert store.read(name) == made
    assert store.plan(name, made) == b"plan"


def test_nothing_installed_is_no_error(tmp_path: Path) -> None:
    store = PlanStore(tmp_path / "never", "tiny")
    assert store.names() == []
    assert not store.is_building()
    assert not store.folder.exists()


def test_the_last_plan_that_ran_stays_until_the_new_one_has_run(tmp_path: Path, made: PlanManifest) -> None:
    store = PlanStore(tmp_path, "tiny")
    first = put(store, made, b"1")
    store.mark_run(first)
    second = put(store, made, b"2")
    third = put(store, made, b"3")
    assert store.names() == [third, first], "the second never ran, the first is what is known to work"
    with store.building() as staging:
        assert store.clean(staging) == [second]
    assert store.names() == [third, first]
    store.mark_run(third)
    with store.building() as staging:
        assert store.clean(staging) == [first]
    assert store.names() == [third]


def test_a_plan_that_does_not_run_is_taken_back(tmp_path: Path, made: PlanManifest) -> None:
    store = PlanStore(tmp_path, "tiny")
    first, second = put(store, made, b"1"), put(store, made, b"2")
    with store.building() as staging:
        assert store.withdraw(staging, second) == first
    assert store.names() == [first]
    with store.building() as staging:
        assert store.withdraw(staging, first) is None
    assert store.names() == []


def test_the_very_same_plan_again_replaces_one_that_was_damaged(tmp_path: Path, made: PlanManifest) -> None:
    """It gets a name of its own, so that nothing in use is ever written to."""
    store = PlanStore(tmp_path, "tiny")
    first = put(store, made, b"1")
    (store.folder / first / "plan.bin").write_bytes(b"damaged")
    second = put(store, made, b"1")
    assert store.names() == [second, first]
    assert store.plan(second, store.read(second)) == b"1"


def test_a_damaged_pointer_is_replaced_by_the_next_plan(tmp_path: Path, made: PlanManifest) -> None:
    store = PlanStore(tmp_path, "tiny")
    put(store, made, b"1")
    (store.folder / "current.json").write_text("{")
    name = put(store, made, b"2")
    assert store.names() == [name]


@pytest.mark.parametrize("ending", ["run", "withdraw"])
def test_killed_before_any_touch_of_the_disk_the_plans_in_use_are_whole(tmp_path: Path, made: PlanManifest, ending: str) -> None:
    """Every moment of putting a plan in use there is, one after the other: never none, never a broken one, never one of unknown worth
    without the old one behind it."""
    store = PlanStore(tmp_path / "old", "tiny")
    old = put(store, made, b"plan")
    store.mark_run(old)
    new = made.model_copy(update={"plan_sha256": hashlib.sha256(b"new").hexdigest()})
    (tmp_path / "plan.json").write_text(new.model_dump_json())
    (tmp_path / "plan.bin").write_bytes(b"new")
    words = [sys.executable, "-m", "tests.twin_swap", str(tmp_path), ending]
    done = subprocess.run(words, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lives) > 15
    assert [life["killed"] for life in lives] == [True] * (len(lives) - 1) + [False]
    assert not any(life["building"] for life in lives), "the lock dies with its process"
    seen = [tuple("old" if name == old else "new" for name in life["names"]) for life in lives]
    assert set(seen) == ({("old",), ("new", "old"), ("new",)} if ending == "run" else {("old",), ("new", "old")})
    assert seen[-1] == (("new",) if ending == "run" else ("old",))


def test_who_only_asks_whether_a_build_runs_does_not_turn_one_away(tmp_path: Path) -> None:
    """The door asks every few seconds, and has the lock for that moment."""
    store = PlanStore(tmp_path, "tiny")
    with store.building():
        pass
    with (store.folder / "lock").open("r") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.15, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        with store.building():
            assert store.is_building()


def test_two_do_not_build_at_once(tmp_path: Path) -> None:
    """The lock ends with the process that holds it, and so do the leavings of one that was killed."""
    store = PlanStore(tmp_path, "tiny")
    with store.building():
        assert store.is_building()
        with pytest.raises(BusyError, match="another build is running"), PlanStore(tmp_path, "tiny").building():
            pass
    assert not store.is_building()
    left = store.folder / ".building-1"
    left.mkdir()
    with store.building():
        assert not left.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"now": "x"}', "\0"])
def test_a_damaged_pointer_is_told_with_the_way_out(tmp_path: Path, content: str) -> None:
    store = PlanStore(tmp_path, "tiny")
    store.folder.mkdir()
    (store.folder / "current.json").write_text(content)
    with pytest.raises(PlanError, match="delete it, and run `edge engine build`"):
        store.names()


def test_every_difference_has_its_reason(tmp_path: Path, made: PlanManifest) -> None:
    manifest = read_manifest(tmp_path / "tiny.json")
    assert differences(made, manifest, BOARD, OPTIONS) == []
    for key, word in (("tensorrt", "TensorRT"), ("cuda", "CUDA"), ("gpu", "GPU"), ("sm", "compute"), ("power_mode", "power mode")):
        (reason,) = differences(made, manifest, BOARD.model_copy(update={key: "other"}), OPTIONS)
        assert word in reason
        assert "other" in reason
    for key, word in (("batch", "network.batch"), ("side", "detect.long_side"), ("workspace", "network.workspace")):
        (reason,) = differences(made, manifest, BOARD, OPTIONS.model_copy(update={key: 999}))
        assert f"{word} = " in reason
        assert "999" in reason
    assert "network" in differences(made, manifest.model_copy(update={"sha256": "0" * 64}), BOARD, OPTIONS)[0]


def test_crops_come_in_batches_and_canvases_one_by_one_in_any_size(tmp_path: Path) -> None:
    options = Options(batch=8, side=320, workspace=64)
    assert shapes(read_manifest(ship_hash(tmp_path)), options) == ((1, 112, 112, 3), (1, 112, 112, 3), (8, 112, 112, 3))
    assert shapes(read_manifest(ship_detector(tmp_path)), options) == ((1, 32, 32, 3), (1, 192, 320, 3), (1, 320, 320, 3))
    assert isinstance(read_manifest(tmp_path / "tiny.json").golden, Golden)
