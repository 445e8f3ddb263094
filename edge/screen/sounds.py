"""The sounds of the door: short tones made at the start, or WAV files of the owner's. `python -m edge.screen.sounds FOLDER` writes them.

Played by QtMultimedia where it is installed and finds a sound server, else by `aplay` of alsa-utils, else not at all: a door without a
loudspeaker is no fault. Idle and checking are silent on purpose.
"""

import shutil
import sys
import tempfile
import wave
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QProcess, QUrl

from edge.errors import SettingsError

Player = Callable[[Mapping[str, Path]], Callable[[str], None]]  # files by name -> who plays one by its name
Samples = npt.NDArray[np.int16]
RATE = 22_050  # samples a second of our own
FADE = 0.012  # seconds in which a tone comes and goes, so that it does not click
RATES = (8_000, 48_000)  # samples a second that a file may have, least and most
MOST_BYTES, MOST_SECONDS = 1_000_000, 4.0
# name -> tones, each hertz and seconds; 0 hertz is a pause. Up is good, down is not, low is a refusal
TONES: dict[str, tuple[tuple[float, float], ...]] = {
    "look_here": ((660, 0.09),),
    "welcome": ((523, 0.11), (659, 0.11), (784, 0.22)),
    "not_recognised": ((494, 0.15), (392, 0.25)),
    "denied": ((220, 0.18), (0, 0.06), (220, 0.30)),
    "try_later": ((330, 0.10), (0, 0.06), (330, 0.10), (0, 0.06), (262, 0.25)),
    "service": ((294, 0.12), (0, 0.05), (294, 0.12)),
}
SHUTTER = "shutter"
NAMES = (*TONES, SHUTTER)


def made(name: str) -> Samples:
    """One of our own sounds: mono, 16 bits, ``RATE``, as loud as can be."""
    if name == SHUTTER:
        return _click()
    parts = [_tone(hertz, seconds) for hertz, seconds in TONES[name]]
    return _whole(np.concatenate(parts))


def _tone(hertz: float, seconds: float) -> npt.NDArray[np.float64]:
    """A note with a little of its octave; it dies away."""
    time = np.arange(round(RATE * seconds)) / RATE
    note = np.sin(2 * np.pi * hertz * time) + 0.25 * np.sin(4 * np.pi * hertz * time)
    edges = np.minimum(1, np.minimum(time, seconds - time) / FADE)
    return np.asarray(note * edges * np.exp(-2.0 * time / seconds) if hertz else 0 * time)


def _click() -> Samples:
    """As of a shutter: two bursts of noise, always the same."""
    noise = np.random.default_rng(7).standard_normal(round(RATE * 0.07))
    time = np.arange(len(noise)) / RATE
    bursts = np.exp(-time / 0.006) + 0.7 * (time >= 0.035) * np.exp(-np.maximum(0, time - 0.035) / 0.008)
    return _whole(noise * bursts)


def _whole(sound: npt.NDArray[np.float64]) -> Samples:
    return np.asarray(np.round(sound / np.abs(sound).max() * 32_000), np.int16)


def packed(samples: Samples, rate: int = RATE) -> bytes:
    """A WAV file. samples: N, or N x channels."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def read(path: Path) -> tuple[Samples, int]:
    """A WAV file of the owner's: samples (N x channels), rate. Raises SettingsError for anything but short PCM of 16 bits."""
    wanted = "expected WAV, PCM of 16 bits, one or two channels, 8 to 48 kHz, at most 4 s and 1 MB; try sox IN -b 16 -r 22050 OUT.wav"
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise SettingsError(f"screen.sound_folder: {path}: no file, or too large; {wanted}")
        with wave.open(str(path), "rb") as file:
            channels, width, rate, frames = file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()
            sound = channels in (1, 2) and width == 2 and RATES[0] <= rate <= RATES[1] and 0 < frames <= MOST_SECONDS * rate
            raw = file.readframes(frames) if sound else b""
    except (wave.Error, EOFError, ValueError) as error:
        raise SettingsError(f"screen.sound_folder: {path}: not readable as WAV ({error or 'cut off'}); {wanted}") from error
    except OSError as error:
        raise SettingsError(f"screen.sound_folder: {path}: {error.strerror}; let the screen's user read it") from error
    if not sound or len(raw) != frames * channels * 2:
        raise SettingsError(f"screen.sound_folder: {path}: {channels} channels, {8 * width} bits, {rate} Hz, {frames} samples; {wanted}")
    return np.frombuffer(raw, "<i2").reshape(-1, channels).astype(np.int16), rate


def collected(folder: str) -> dict[str, tuple[Samples, int]]:
    """All sounds by name: the owner's where the folder has NAME.wav, else our own. folder: empty for none. Raises SettingsError."""
    found = {name: (made(name), RATE) for name in NAMES}
    if not folder:
        return found
    if not Path(folder).is_dir():
        raise SettingsError(f"screen.sound_folder = '{folder}': is no folder; make it, or leave the setting empty for the own sounds")
    for path in sorted(Path(folder).glob("*.wav")):
        if path.stem not in NAMES:
            raise SettingsError(f"{path}: there is no such sound; names are {', '.join(f'{name}.wav' for name in NAMES)}")
        found[path.stem] = read(path)
    return found


class Sounds:
    """Plays a sound by name, without waiting for it. volume: 0 (nothing, ever) .. 1. Raises SettingsError for a file that is no sound."""

    def __init__(self, volume: float, folder: str = "", player: Player | None = None) -> None:
        self._play: Callable[[str], None] = lambda name: None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if volume <= 0:
            return
        sounds = collected(folder)
        self._folder = tempfile.TemporaryDirectory(prefix="edge-sounds-")
        paths = {name: Path(self._folder.name) / f"{name}.wav" for name in sounds}
        for name, (samples, rate) in sounds.items():
            paths[name].write_bytes(packed(np.round(samples * min(volume, 1.0)).astype(np.int16), rate))
        self._play = (player or players)(paths)

    def play(self, name: str) -> None:
        """Begin that sound; nothing for a state that has none."""
        if name in NAMES:
            self._play(name)

    def close(self) -> None:
        """Play nothing more; the files are gone."""
        self._play = lambda name: None
        if self._folder is not None:
            self._folder.cleanup()


def players(paths: Mapping[str, Path]) -> Callable[[str], None]:
    """What this machine plays sounds with."""
    try:
        from PySide6.QtMultimedia import QMediaDevices
    except ImportError:  # PySide6-Essentials comes without it, or a library of the system is missing
        return by_program(shutil.which("aplay"), paths)
    return by_qt(paths) if QMediaDevices.audioOutputs() else by_program(shutil.which("aplay"), paths)


def by_qt(paths: Mapping[str, Path]) -> Callable[[str], None]:
    """QtMultimedia: needs PulseAudio or PipeWire."""
    from PySide6.QtMultimedia import QSoundEffect

    effects: dict[str, Any] = {}
    for name, path in paths.items():
        effects[name] = QSoundEffect()
        effects[name].setSource(QUrl.fromLocalFile(str(path)))
    return lambda name: effects[name].play()


def by_program(program: str | None, paths: Mapping[str, Path]) -> Callable[[str], None]:
    """`aplay`, straight to ALSA; silent where it is not installed."""
    if program is None:
        return lambda name: None

    def play(name: str) -> None:
        process = QProcess()
        process.setProgram(program)
        process.setArguments(["-q", str(paths[name])])
        process.setStandardOutputFile(QProcess.nullDevice())
        process.setStandardErrorFile(QProcess.nullDevice())
        process.startDetached()

    return play


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    for each in NAMES:
        (target / f"{each}.wav").write_bytes(packed(made(each)))
        print(f"{target / each}.wav: {len(made(each)) / RATE:.2f} s")
