"""Secrets: from systemd, else from a private file; anything else is refused, and never shown."""

from pathlib import Path

import pytest

from edge.door.events import OutputError
from edge.door.secret import Place, read_secret


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("webhook key", "edge-webhook-key", tmp_path / "webhook.key")


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.parametrize("content", [b"sesame", b"sesame\n", b"sesame\r\n"])
def test_one_line_of_a_private_file_is_the_secret(place: Place, content: bytes) -> None:
    write(place.file, content)
    assert read_secret(place, {}) == "sesame"


def test_the_systemd_credential_comes_first(place: Place, tmp_path: Path) -> None:
    write(place.file, b"of the file")
    (tmp_path / "credentials").mkdir()
    write(tmp_path / "credentials" / place.credential, b"of systemd\n", 0o440)
    assert read_secret(place, {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}) == "of systemd"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_file_that_others_may_open_is_refused(place: Place, mode: int) -> None:
    write(place.file, b"sesame", mode)
    with pytest.raises(OutputError, match=r"lets others in; chmod 600") as caught:
        read_secret(place, {})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe", b"a\0b", b"x" * 5000])
def test_what_is_not_one_line_of_text_is_refused(place: Place, content: bytes) -> None:
    write(place.file, content)
    with pytest.raises(OutputError, match="webhook key"):
        read_secret(place, {})


def test_a_missing_file_a_link_and_a_folder_are_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="neither systemd credential edge-webhook-key nor file"):
        read_secret(place, {})
    write(tmp_path / "real", b"sesame")
    place.file.symlink_to(tmp_path / "real")
    with pytest.raises(OutputError, match="symbolic link"):
        read_secret(place, {})
    place.file.unlink()
    place.file.mkdir()
    with pytest.raises(OutputError, match="no regular file"):
        read_secret(place, {})
