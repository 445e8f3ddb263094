"""The word of a door that refused to start: what is believed, and what is not."""

import os
from pathlib import Path

import pytest

from edge.service.messages import Trouble
from edge.service.refusal import REASONS, place_of, publish, refused, withdraw


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_a_word_is_read_as_it_was_left_and_is_gone_once_withdrawn(tmp_path: Path, reason: Trouble) -> None:
    publish(tmp_path / "s", Trouble.DEFECT, shared=False)
    publish(tmp_path / "s", reason, shared=False)
    assert refused(tmp_path / "s") is reason
    assert [path.name for path in tmp_path.iterdir()] == ["s.refusal"], "nothing lies about"
    withdraw(tmp_path / "s")
    withdraw(tmp_path / "s")
    assert refused(tmp_path / "s") is None


@pytest.mark.parametrize(
    "raw",
    [b"", b"key", b"key\n\n", b"KEY\n", b"wrong_pin\n", b"locked\n", b"key\nmore", b"\xff" * 10, b"k" * 100_000, b'{"trouble": "key"}\n'],
)
def test_what_is_no_word_of_a_refusal_is_not_shown(tmp_path: Path, raw: bytes) -> None:
    place_of(tmp_path / "s").write_bytes(raw)
    assert refused(tmp_path / "s") is None


def test_a_link_a_pipe_and_a_folder_are_no_word_and_hold_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "word").write_bytes(b"key\n")
    (tmp_path / "a.refusal").symlink_to("word")
    os.mkfifo(tmp_path / "b.refusal")
    (tmp_path / "c.refusal").mkdir()
    assert [refused(tmp_path / name) for name in ("a", "b", "c", "none")] == [None] * 4
    filled = os.open(tmp_path / "b.refusal", os.O_RDWR)
    try:
        os.write(filled, b"key\n")
        assert refused(tmp_path / "b") is None
    finally:
        os.close(filled)


def test_a_link_laid_where_the_word_goes_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "s.refusal").symlink_to("precious")
    publish(tmp_path / "s", Trouble.KEY, shared=False)
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert refused(tmp_path / "s") is Trouble.KEY


def test_a_draft_that_a_killed_door_of_the_same_number_left_keeps_no_word_from_being_told(tmp_path: Path) -> None:
    place_of(tmp_path / "s").with_name(f"s.refusal.{os.getpid()}").write_bytes(b"ga")
    publish(tmp_path / "s", Trouble.KEY, shared=False)
    assert refused(tmp_path / "s") is Trouble.KEY
    assert [path.name for path in tmp_path.iterdir()] == ["s.refusal"]


@pytest.mark.parametrize(("shared", "mode"), [(False, 0o600), (True, 0o644)])
def test_only_a_door_with_a_screen_of_another_user_leaves_a_word_that_others_may_read(tmp_path: Path, shared: bool, mode: int) -> None:
    before = os.umask(0o077)
    try:
        publish(tmp_path / "s", Trouble.KEY, shared=shared)
    finally:
        os.umask(before)
    assert place_of(tmp_path / "s").stat().st_mode & 0o777 == mode


def test_a_place_that_cannot_be_written_takes_nothing_from_the_door_s_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    publish(tmp_path / "file" / "s", Trouble.KEY, shared=False)
    withdraw(tmp_path / "file" / "s")
    assert refused(tmp_path / "file" / "s") is None
