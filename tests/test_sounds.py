"""The sounds of the screen: our own, the owner's, and a machine without a loudspeaker."""

import io
import time
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PySide6.QtGui", reason="the screen needs .venv/bin/pip install -e '.[screen]'", exc_type=ImportError)

from edge.errors import SettingsError
from edge.screen.sounds import NAMES, RATE, Sounds, by_program, collected, made, packed, read


@pytest.mark.parametrize("name", NAMES)
def test_every_sound_is_short_begins_and_ends_in_silence_and_is_not_clipped(name: str) -> None:
    sound = made(name).astype(int)
    assert 0.05 < len(sound) / RATE < 1.0
    assert 30_000 < np.abs(sound).max() <= 32_000
    assert np.abs(sound[-20:]).max() < 1_500, "it would click"


def test_no_two_sounds_are_alike_and_each_is_the_same_every_time() -> None:
    assert len({made(name).tobytes() for name in NAMES}) == len(NAMES)
    assert [made(name).tobytes() for name in NAMES] == [made(name).tobytes() for name in NAMES]


def rises(name: str) -> bool:
    """Whether its last third is higher than its first, by crossings of zero."""
    sound = made(name)
    third = len(sound) // 3
    crossings = [np.count_nonzero(np.diff(np.signbit(part))) for part in (sound[:third], sound[-third:])]
    return bool(crossings[1] > crossings[0])


@pytest.mark.parametrize(("name", "up"), [("welcome", True), ("not_recognised", False)])
def test_a_welcome_rises_and_a_refusal_does_not(name: str, up: bool) -> None:
    assert rises(name) is up


class Player:
    """Notes what it is to play, and how loud the file is."""

    def __init__(self) -> None:
        self.files: Mapping[str, Path] = {}
        self.played: list[str] = []

    def __call__(self, files: Mapping[str, Path]) -> "Player":
        self.files = files
        return self

    def play(self, name: str) -> None:
        self.played.append(name)


def test_a_state_without_a_sound_is_silent_and_others_are_played() -> None:
    player = Player()
    sounds = Sounds(1.0, "", lambda files: player(files).play)
    for name in ("idle", "welcome", "checking", "shutter"):
        sounds.play(name)
    assert player.played == ["welcome", "shutter"]
    assert sorted(player.files) == sorted(NAMES)
    sounds.close()
    sounds.play("welcome")
    assert player.played == ["welcome", "shutter"]
    assert not any(path.exists() for path in player.files.values()), "nothing is left behind"


@pytest.mark.parametrize("volume", [0.25, 1.0])
def test_the_volume_is_that_of_the_file(volume: float) -> None:
    player = Player()
    sounds = Sounds(volume, "", lambda files: player(files).play)
    assert np.abs(read(player.files["welcome"])[0].astype(int)).max() == pytest.approx(32_000 * volume, abs=2)
    sounds.close()


def test_volume_zero_makes_no_file_and_asks_no_player(tmp_path: Path) -> None:
    player = Player()
    Sounds(0.0, str(tmp_path / "is not looked at"), lambda files: player(files).play).play("welcome")
    assert (player.files, player.played) == ({}, [])


def test_a_machine_with_neither_sound_server_nor_aplay_is_silent_and_does_not_fail() -> None:
    by_program(None, {})("welcome")


def test_aplay_is_given_the_file(tmp_path: Path) -> None:
    program, heard = tmp_path / "aplay", tmp_path / "heard"
    program.write_text(f'#!/bin/sh\necho "$@" > {heard}.new && mv {heard}.new {heard}\n')
    program.chmod(0o755)
    by_program(str(program), {"welcome": tmp_path / "welcome.wav"})("welcome")
    for _ in range(100):
        if heard.exists():
            break
        time.sleep(0.05)
    assert heard.read_text().split() == ["-q", str(tmp_path / "welcome.wav")]


def test_a_file_of_the_owner_s_takes_the_place_of_ours_and_the_others_stay(tmp_path: Path) -> None:
    theirs = np.arange(-1_000, 1_000, dtype=np.int16).reshape(-1, 2)
    (tmp_path / "welcome.wav").write_bytes(packed(theirs, 44_100))
    found = collected(str(tmp_path))
    assert (found["welcome"][0] == theirs).all()
    assert found["welcome"][1] == 44_100
    assert (found["denied"][0] == made("denied")).all()


def a_wav(width: int = 2, channels: int = 1, rate: int = 22_050, seconds: float = 0.1, cut: int = 0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(round(rate * seconds) * width * channels))
    return buffer.getvalue()[: -cut or None]


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"RIFF", b"ID3 an mp3"),
        *(a_wav(width=1), a_wav(width=3), a_wav(channels=3), a_wav(rate=4_000), a_wav(rate=96_000)),
        *(a_wav(seconds=5), a_wav(seconds=0), a_wav(cut=50), bytes(1_000_001)),
    ],
    ids=["empty", "header", "mp3", "8 bits", "24 bits", "3 channels", "slow", "fast", "long", "no samples", "cut off", "large"],
)
def test_what_is_no_short_wav_is_refused_with_its_name_and_the_way_out(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "welcome.wav").write_bytes(raw)
    with pytest.raises(SettingsError, match=r"welcome\.wav.*sox"):
        collected(str(tmp_path))


def test_a_sound_that_nobody_plays_and_a_folder_that_is_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "wellcome.wav").write_bytes(a_wav())
    with pytest.raises(SettingsError, match="no such sound"):
        collected(str(tmp_path))
    with pytest.raises(SettingsError, match="is no folder"):
        collected(str(tmp_path / "none"))
