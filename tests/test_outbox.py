"""The outbox keeps what it was given through kill -9, damage and a full disk, and never grows beyond its limit."""

import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge.door.events import OutputError
from edge.door.outbox import Letter, Outbox

ROOT = Path(__file__).parent.parent


def letter(number: int) -> Letter:
    return Letter(f"{number:032x}", "denied", "{}")


def test_letters_leave_in_the_order_in_which_they_came_and_stay_until_removed(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", 10)
    for number in range(3):
        box.add(letter(number))
    assert box.first() == letter(0)
    box.remove(letter(0).id)
    assert box.first() == letter(1)
    box.to_the_end(letter(1).id)
    assert box.first() == letter(2)
    box.add(letter(2))
    assert len(box) == 2, "the same event twice is one letter"
    box.close()
    assert Outbox(tmp_path / "outbox.db", 10).first() == letter(2)


def test_beyond_the_limit_the_oldest_are_lost_and_counted(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", 5)
    for number in range(12):
        box.add(letter(number))
    assert (len(box), box.lost, box.first()) == (5, 7, letter(7))


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.db", 5).add(letter(1))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


CHILD = """
import sys
from pathlib import Path
from edge.door.outbox import Letter, Outbox
box, number = Outbox(Path(sys.argv[1]), 100000), 0
while True:
    box.add(Letter(f"{number:032x}", "denied", "{}"))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("after", [1, 17, 60])
def test_what_was_kept_is_there_after_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "outbox.db"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        kept = [int(child.stdout.readline()) for _ in range(after)]
        child.send_signal(signal.SIGKILL)
        kept += [int(line) for line in child.stdout.read().split()]
    box = Outbox(path, 100_000)
    assert len(box) - len(kept) in (0, 1), "the one more may have been written and not told"
    assert box.get(letter(kept[-1]).id) == letter(kept[-1])


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_put_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    box = Outbox(path, 10)
    box.add(letter(1))
    assert len(box) == 1
    assert (tmp_path / "outbox.db.damaged").read_bytes() == content


def test_damage_in_the_middle_is_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    box = Outbox(path, 1000)
    for number in range(300):
        box.add(Letter(f"{number:032x}", "denied", "x" * 200))
    box.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    box = Outbox(path, 1000)
    box.add(letter(1))
    assert len(box) == 1
    assert (tmp_path / "outbox.db.damaged").exists()


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE waiting (something TEXT)")
    other.close()
    with pytest.raises(OutputError, match="no such column"):
        Outbox(path, 10)


def test_a_place_that_cannot_be_written_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="check the disk, its room and the user's rights"):
        Outbox(tmp_path / "none" / "outbox.db", 10)


def test_a_full_disk_is_an_error_and_what_was_kept_stays(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", 100_000)
    box.add(letter(0))
    box._file.execute("PRAGMA max_page_count = 1")  # SQLite's own way to a full disk
    with pytest.raises(OutputError, match="full"):
        box.add(Letter("1", "denied", "x" * 100_000))
    assert box.first() == letter(0)
