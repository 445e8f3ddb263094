"""Several galleries of one file in one process: none may take the locks of another away."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.gallery import Gallery, NetworkId, open_gallery
from edge.gallery.header import MOST_KEPT, first_bytes
from edge.keys import Keyring

KEYS, NETWORK = Keyring(bytes(range(32)), "site", "door"), NetworkId("a" * 64, 64, 8)
PASSER_BY = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute('SELECT count(*) FROM subjects').fetchone()[0]); db.close()"
)


def opened(path: Path) -> Gallery:
    return open_gallery(path, KEYS, NETWORK, "door-1")


def test_a_second_gallery_in_the_process_leaves_the_first_its_locks(tmp_path: Path) -> None:
    """Without them a passing process would think itself alone and take the journal away: a disk I/O error for the door."""
    with opened(tmp_path / "g.db") as first:
        for _ in range(3):
            with opened(tmp_path / "g.db") as second:
                second.record("unknown")
            subprocess.run([sys.executable, "-c", PASSER_BY, str(tmp_path / "g.db")], check=True, capture_output=True)
            first.record("unknown")
            first.refresh()
        assert len(first.events()) == 6


def test_the_bytes_are_those_of_the_file_at_the_path_also_after_it_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    assert first_bytes(path, 2) == (b"on", 3)
    (tmp_path / "g").write_bytes(b"another")
    (tmp_path / "g").replace(path)
    assert first_bytes(path, 100) == (b"another", 7)


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        first_bytes(tmp_path / "none", 1)


def test_descriptors_do_not_pile_up(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3 * MOST_KEPT):
        (tmp_path / str(number)).write_bytes(b"x")
        for _ in range(3):
            first_bytes(tmp_path / str(number), 1)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + MOST_KEPT
