"""What outlives a power cut: a folder is synced, a file replaced whole or not at all, and what cannot be is an error."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from edge.durable import replace_file, sync_folder


def test_a_replaced_file_is_of_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_bytes(b"before")
    path.chmod(0o644)
    replace_file(path, b"after")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"after", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["count"]


def test_what_cannot_be_put_in_place_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    place = tmp_path / "count"
    (place / "held").mkdir(parents=True)
    with pytest.raises(OSError) as raised:
        replace_file(place, b"after")
    assert raised.value.errno in (errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY)
    assert [each.name for each in tmp_path.iterdir()] == ["count"]
    assert (place / "held").is_dir()


def test_killed_before_it_is_in_place_the_file_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "count"
    path.write_bytes(b"before")
    child = os.fork()
    if not child:
        Path.replace = lambda self, target: os.kill(os.getpid(), 9)  # type: ignore[assignment,method-assign,return-value]
        replace_file(path, b"after")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert path.read_bytes() == b"before"
    (draft,) = (each for each in tmp_path.iterdir() if each != path)
    assert (draft.name[:7], draft.name[-4:], draft.read_bytes()) == (".count.", ".new", b"after")


def test_the_folder_itself_is_opened_and_nothing_stays_open(tmp_path: Path) -> None:
    seen: list[tuple[object, ...]] = []
    watching = True
    sys.addaudithook(lambda event, words: seen.append(words) if watching and event == "open" else None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    sync_folder(tmp_path)
    watching = False
    assert sum(str(words[0]) == str(tmp_path) for words in seen) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=name):
        sync_folder(tmp_path / name)
