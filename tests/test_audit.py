"""The audit log: what is in it cannot be changed unnoticed, what was promised is in it, and nothing about a face or a name is."""

import fcntl
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import AuditError
from edge.service.audit import Audit, files
from edge.service.verify import lines, verify

KEY = bytes(range(32))
DAY = 86400.0
ROOT = Path(__file__).parent.parent


class Clock:
    """Wall-clock seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def log(
    folder: Path, clock: Callable[[], float] = time.time, *, key: bytes = KEY, size: int = 10**5, total: int = 10**9, days: int = 30
) -> Audit:
    return Audit(folder, key, max_bytes=size, max_total=total, keep_days=days, clock=clock)


def filled(folder: Path, count: int = 10, *, size: int = 100_000) -> Audit:
    audit = log(folder, size=size)
    for number in range(count):
        audit.append("outcome", verdict="unknown", number=number)
    return audit


def problems(folder: Path, key: bytes = KEY) -> str:
    return "\n".join(verify(folder, key).problems)


def rows(folder: Path) -> list[bytes]:
    return files(folder)[-1].read_bytes().splitlines(keepends=True)


def test_lines_come_back_in_order_with_their_facts(tmp_path: Path) -> None:
    log(tmp_path).append("enrol", subject="0f" * 16, samples=12)
    log(tmp_path).append("run", state="start", live=True, source=None, reasons=["blurred", "too_dark"])
    shown = [(line.number, line.kind, dict(line.facts)) for line in lines(tmp_path, KEY)]
    assert shown[1:] == [
        (2, "enrol", {"subject": "0f" * 16, "samples": 12}),
        (3, "run", {"state": "start", "live": True, "source": None, "reasons": ["blurred", "too_dark"]}),
    ]
    assert problems(tmp_path) == ""


def test_an_empty_folder_is_a_sound_log_without_lines(tmp_path: Path) -> None:
    log(tmp_path / "audit")
    found = verify(tmp_path / "audit", KEY)
    assert (found.lines, found.problems, found.head) == (0, (), "")


@pytest.mark.parametrize(
    "facts", [{"subject": "Ada Lovelace"}, {"score": 0.5}, {"name": "Ada"}, {"code": b"x"}, {"Subject": 1}, {"path": "/x y"}]
)
def test_names_scores_and_bytes_are_refused(tmp_path: Path, facts: dict) -> None:
    with pytest.raises(ValueError, match="only ids"):
        log(tmp_path).append("enrol", **facts)
    assert verify(tmp_path, KEY).lines == 0


def test_only_its_owner_can_read_the_log(tmp_path: Path) -> None:
    filled(tmp_path / "audit", 1)
    assert (tmp_path / "audit").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "audit").iterdir())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda all_: [*all_[:4], all_[4].replace(b"unknown", b"unknowm"), *all_[5:]], "jsonl:5: altered"),
        (lambda all_: [*all_[:4], *all_[5:]], "jsonl:5: altered"),
        (lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]], "jsonl:5: altered"),
        (lambda all_: [*all_[:4], all_[3], *all_[4:]], "jsonl:5: altered"),
        (lambda all_: [*all_[:4], b"\n", *all_[4:]], "jsonl:5: no line"),
        (lambda all_: [*all_[:4], b"x" * 9000 + b"\n", *all_[4:]], "jsonl:5: no line"),
        (lambda all_: all_[1:], "jsonl:1: the first line of a file is of kind 'outcome'"),
        (lambda all_: all_[:-2], "lines 10 to 11 are missing at the end"),
        (lambda all_: [], "lines 1 to 11 are missing at the end"),
        (lambda all_: [*all_[:-1], all_[-1][:-9]], "lines 11 to 11 are missing at the end"),
    ],
    ids=["changed", "removed", "swapped", "doubled", "blank", "long", "first", "cut", "emptied", "half"],
)
def test_every_change_to_a_line_is_found_at_its_place(tmp_path: Path, change: Callable, told: str) -> None:
    filled(tmp_path)
    files(tmp_path)[-1].write_bytes(b"".join(change(rows(tmp_path))))
    assert told in problems(tmp_path)


def test_no_flipped_bit_stays_unseen(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    path = files(tmp_path)[0]
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert problems(tmp_path), f"byte {place}"


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    assert "another key" in problems(tmp_path, bytes(32))


@pytest.mark.parametrize(
    ("gone", "told"), [(0, "and not because they were too old"), (1, "what lay between is missing"), (-1, "missing at the end")]
)
def test_a_missing_file_is_found_wherever_it_stood(tmp_path: Path, gone: int, told: str) -> None:
    filled(tmp_path, 40, size=1500)
    assert len(files(tmp_path)) > 3
    files(tmp_path)[gone].unlink()
    assert told in problems(tmp_path)


def test_a_log_without_its_head_says_that_cuts_cannot_be_told(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "head").unlink()
    assert "cannot be told" in problems(tmp_path)


def test_a_whole_older_copy_is_found_by_a_head_noted_elsewhere_and_only_so(tmp_path: Path) -> None:
    audit = filled(tmp_path, 3)
    old = {path: path.read_bytes() for path in tmp_path.iterdir()}
    audit.append("revoke", subject="0f" * 16)
    number, code = verify(tmp_path, KEY).head.split(":")
    for path, raw in old.items():
        path.write_bytes(raw)
    assert problems(tmp_path) == "", "the limit that the document states"
    assert "an older copy was put back" in "\n".join(verify(tmp_path, KEY, (int(number), code)).problems)


def test_files_change_with_the_day_and_when_full_and_the_chain_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    audit = log(tmp_path, clock, size=900)
    for number in range(12):
        audit.append("outcome", number=number)
        clock.now += DAY / 4
    assert len(files(tmp_path)) >= 4
    assert all(path.stat().st_size < 900 + 600 for path in files(tmp_path))
    assert [line.facts["number"] for line in lines(tmp_path, KEY) if line.kind == "outcome"] == list(range(12))
    assert problems(tmp_path) == ""


def test_what_is_older_than_is_kept_goes_and_the_rest_stays_verifiable(tmp_path: Path) -> None:
    clock = Clock()
    audit = log(tmp_path, clock, days=5)
    for number in range(20):
        audit.append("outcome", number=number)
        clock.now += DAY
        assert problems(tmp_path) == ""
    left = [line.facts["number"] for line in lines(tmp_path, KEY) if line.kind == "outcome"]
    assert left == list(range(left[0], 20))
    assert 5 <= len(left) <= 8
    files(tmp_path)[0].unlink()
    assert "and not because they were too old" in problems(tmp_path)


def test_all_files_together_stay_below_their_limit_and_verifiable(tmp_path: Path) -> None:
    audit = log(tmp_path, size=1500, total=8000)
    for number in range(150):
        audit.append("outcome", number=number)
        assert sum(path.stat().st_size for path in files(tmp_path)) < 8000 + 2 * 1500
    left = [line.facts["number"] for line in lines(tmp_path, KEY) if line.kind == "outcome"]
    assert 15 < len(left) < 150
    assert left == list(range(left[0], 150))
    assert problems(tmp_path) == ""


def test_a_clock_that_jumps_ahead_does_not_empty_the_log(tmp_path: Path) -> None:
    clock = Clock()
    audit = log(tmp_path, clock)
    for _ in range(10):
        audit.append("outcome", verdict="unknown")
        clock.now += DAY
    clock.now += 3650 * DAY
    audit.append("outcome", verdict="unknown")
    clock.now -= 3650 * DAY
    audit.append("outcome", verdict="unknown")
    assert len(files(tmp_path)) >= 8
    assert problems(tmp_path) == ""


def test_a_line_torn_by_a_power_cut_is_cut_off_and_told_and_no_other_is_lost(tmp_path: Path) -> None:
    audit = filled(tmp_path, 5)
    with files(tmp_path)[0].open("ab") as file:
        file.write(b'{"n":7,"time":"2026-')
    found = verify(tmp_path, KEY)
    assert (found.torn, found.problems) == (20, ())
    audit.append("outcome", verdict="unknown")
    kinds = [(line.kind, line.facts.get("bytes")) for line in lines(tmp_path, KEY)]
    assert kinds[-2:] == [("repaired", 20), ("outcome", None)]
    assert len(kinds) == 8
    assert problems(tmp_path) == ""


def test_a_power_cut_between_a_line_and_its_note_loses_nothing(tmp_path: Path) -> None:
    audit = filled(tmp_path, 3)
    head = (tmp_path / "head").read_bytes()
    audit.append("outcome", verdict="unknown")
    (tmp_path / "head").write_bytes(head)
    assert problems(tmp_path) == ""
    audit.append("outcome", verdict="unknown")
    assert problems(tmp_path) == ""


@pytest.mark.parametrize("first", [b"", b'{"n":1,"ti'])
def test_a_power_cut_while_a_file_is_begun_loses_nothing(tmp_path: Path, first: bytes) -> None:
    filled(tmp_path, 3)
    (tmp_path / "audit-000000000005.jsonl").write_bytes(first)
    log(tmp_path).append("outcome", verdict="unknown")
    assert problems(tmp_path) == ""


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-150], lambda raw: raw.replace(b"unknown", b"unknowm"), lambda raw: b""], ids=["cut", "altered", "gone"]
)
def test_a_damaged_log_is_gone_on_with_and_never_looks_sound_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Neither does damage stop the door, nor does going on hide it."""
    audit = filled(tmp_path)
    path = files(tmp_path)[0]
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(3):
        audit.append("outcome", verdict="identified", subject="0f" * 16)
    assert "a new chain begun" in problems(tmp_path)
    assert [line.kind for line in lines(tmp_path, KEY)][-3:] == ["outcome"] * 3


@pytest.mark.parametrize("name", ["audit-000000000001.jsonl", "audit-000000000099.jsonl", "audit-999999999999.jsonl"])
def test_rubbish_in_the_place_of_a_file_does_not_stop_the_log(tmp_path: Path, name: str) -> None:
    audit = filled(tmp_path, 2)
    (tmp_path / name).write_bytes(b"x" * 9000)
    (tmp_path / "head").unlink()
    (tmp_path / "audit-9.jsonl").write_bytes(b"not a name of this log")
    for _ in range(3):
        audit.append("outcome", verdict="unknown")
    assert "a new chain begun" in problems(tmp_path)
    assert len(files(tmp_path)) <= 3
    assert [line.kind for line in lines(tmp_path, KEY)][-3:] == ["outcome"] * 3


def test_damage_does_not_end_retention(tmp_path: Path) -> None:
    audit = filled(tmp_path, 60, size=1500)
    files(tmp_path)[1].write_bytes(b"x" * 1500 + b"\n")
    audit = log(tmp_path, size=1500, total=6000)
    for _ in range(60):
        audit.append("outcome", verdict="unknown")
    assert sum(path.stat().st_size for path in files(tmp_path)) < 6000 + 2 * 1500
    assert problems(tmp_path) == "", "what was damaged is gone with the rest, as the log says"


def test_another_root_key_begins_a_chain_of_its_own(tmp_path: Path) -> None:
    filled(tmp_path)
    log(tmp_path, key=bytes(32)).append("enrol", subject="0f" * 16)
    assert "a new chain begun" in problems(tmp_path, bytes(32))


def test_a_log_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("in the way")
    with pytest.raises(AuditError, match=r"audit: cannot be written \(.*\); check its owner"):
        log(tmp_path / "audit")


def test_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    audit = filled(tmp_path / "audit", 1)
    path = files(tmp_path / "audit")[0]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditError, match="cannot be written"):
        audit.append("enrol", subject="0f" * 16)


def test_a_full_disk_is_an_error_and_leaves_the_log_sound(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from edge.service.audit import Audit; from edge.errors import AuditError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "audit = Audit(Path(sys.argv[1]), bytes(range(32)), max_bytes=100000, max_total=10**9, keep_days=9)\n"
        "audit.append('outcome', number=0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))\n"
        "for number in range(9):\n"
        "    try: audit.append('outcome', number=number)\n"
        "    except AuditError as error: print(error); break\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert "cannot be written" in done.stdout, done.stderr
    assert problems(tmp_path) == ""
    log(tmp_path).append("outcome", number=99)
    assert problems(tmp_path) == ""
    assert verify(tmp_path, KEY).last.facts == {"number": 99}


def start(folder: Path, count: int, pause: float = 0.0) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.twin_auditor", str(folder), str(count), str(pause)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_several_processes_append_to_one_chain(tmp_path: Path) -> None:
    writers = [start(tmp_path, 40) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = [line.facts["number"] for line in lines(tmp_path, KEY) if line.kind == "outcome"]
    assert sorted(found) == sorted([*range(40)] * 3)
    assert problems(tmp_path) == ""


def test_a_log_that_is_written_to_meanwhile_verifies(tmp_path: Path) -> None:
    with start(tmp_path, 10_000, 0.01) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        try:
            found = [verify(tmp_path, KEY) for _ in range(30) if time.sleep(0.02) is None]
        finally:
            writer.kill()
    assert {one.problems for one in found} == {()}
    assert found[-1].lines > found[0].lines


def test_a_log_held_by_a_process_that_hangs_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    audit = Audit(tmp_path, KEY, max_bytes=10_000, max_total=10**9, keep_days=9, patience=0.05)
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match="another process holds it"):
            audit.append("outcome", verdict="unknown")
    audit.append("outcome", verdict="unknown")


def test_a_copy_of_a_log_is_verified_without_its_lock(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "lock").unlink()
    assert problems(tmp_path) == ""


def test_what_was_appended_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    promised = 0
    dice = random.Random(7)
    for _ in range(12):
        writer = start(tmp_path, 10_000)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(dice.random() * 0.15)
        writer.kill()
        promised += len([row for row in writer.stdout.read().split("\n") if row])
        writer.wait()
    found = verify(tmp_path, KEY)
    assert found.problems == ()
    kept = sum(line.kind == "outcome" for line in lines(tmp_path, KEY))
    assert promised <= kept <= promised + 12, "at most one line more, of which the writer could not tell any more"
    assert promised > 20


def test_every_line_is_json_for_whoever_reads_it_with_other_tools(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    assert [json.loads(row)["n"] for row in rows(tmp_path)] == [1, 2, 3]
