"""A folder is synced, and what cannot be is an error."""

import sys
from pathlib import Path

import pytest

from edge.durable import sync_folder


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
