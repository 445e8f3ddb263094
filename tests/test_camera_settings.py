"""The cameras' settings, and what the doctor says of a camera."""

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.assembly import build
from edge.camera import SourceOptions
from edge.commands.doctor import examine
from edge.errors import SettingsError, SourceError
from edge.settings import load_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "exposure"),
    [("", "auto"), ("exposure = 'auto'\n", "auto"), ("exposure = 8000\n", 8000), ("exposure = '8000'\n", 8000)],
)
def test_an_exposure_is_automatic_or_microseconds(tmp_path: Path, text: str, exposure: object) -> None:
    assert load_settings(written(tmp_path, "[camera]\n" + text), {}).camera.exposure == exposure


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "true", "'fast'", "''", "[1]"])
def test_any_other_exposure_is_refused_with_file_and_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match=r'mine\.toml:2: camera\.exposure = .* choose "auto" or a whole number of microseconds'):
        load_settings(written(tmp_path, f"[camera]\nexposure = {value}\n"), {})


def test_an_exposure_longer_than_a_frame_is_refused_with_the_longest(tmp_path: Path) -> None:
    text = "[camera]\nfps = 30\nexposure = "
    with pytest.raises(SettingsError, match=r"mine\.toml:3: .* longer than a frame at camera\.fps = 30; shorten the exposure to 33333"):
        load_settings(written(tmp_path, text + "33334\n"), {})
    assert load_settings(written(tmp_path, text + "33333\n"), {}).camera.exposure == 33333


@pytest.mark.parametrize("degrees", [45, -90, 360])
def test_only_quarters_of_a_turn_are_possible(tmp_path: Path, degrees: int) -> None:
    with pytest.raises(SettingsError, match=r"camera\.rotation = .* choose one of 0, 90, 180, 270"):
        load_settings(written(tmp_path, f"[camera]\nrotation = {degrees}\n"), {})


def test_the_camera_s_settings_come_from_the_environment_too() -> None:
    camera = load_settings(None, {"EDGE_CAMERA_EXPOSURE": "8000", "EDGE_CAMERA_ROTATION": "270", "EDGE_CAMERA_MIRROR": "true"}).camera
    assert (camera.exposure, camera.rotation, camera.mirror) == (8000, 270, True)


def test_no_option_of_a_source_has_a_second_default_in_the_code() -> None:
    assert [field.name for field in fields(SourceOptions) if not repr(field.default).startswith("<dataclasses._MISSING")] == []


def picture(folder: Path, image: np.ndarray) -> Path:
    pictures = folder / "pictures"
    pictures.mkdir()
    assert cv2.imwrite(str(pictures / "1.png"), image)
    return pictures


def test_settings_reach_the_source(tmp_path: Path) -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    folder = picture(tmp_path, image)
    settings = load_settings(written(tmp_path, f"[camera]\nsource = '{folder}'\nrotation = 90\nmirror = true\n"), {})
    with build.source(settings, lambda problem: None) as source:
        assert next(source.frames()).image[..., 0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_pipeline_with_an_exposure_is_refused_with_the_way_out(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "[camera]\nsource = 'gst:videotestsrc'\nexposure = 8000\n"), {})
    with pytest.raises(SourceError, match="exposure is not for a pipeline"):
        build.source(settings, lambda problem: None)


@pytest.mark.parametrize(
    ("level", "text", "state", "words"),
    [
        (120, "", "pass", "64 x 48"),
        (5, "", "warn", "nothing but darkness"),
        (120, "allow_loopback = true\n", "warn", "a film may stand in for the camera"),
        (120, "rotation = 90\n", "pass", "48 x 64"),
    ],
)
def test_the_doctor_looks_at_the_picture(tmp_path: Path, level: int, text: str, state: str, words: str) -> None:
    folder = picture(tmp_path, np.full((48, 64, 3), level, np.uint8))
    own = f"[gallery]\npath = 'gallery.db'\n[keys]\nfile = 'root.key'\n[camera]\nsource = '{folder}'\n{text}"
    (found,) = [check for check in examine(written(tmp_path, own)) if check.id == "camera"]
    assert (found.state, words in found.found) == (state, True)
    assert bool(found.remedy) is (state != "pass")


def test_the_doctor_fails_a_device_that_is_no_camera_with_the_remedy(tmp_path: Path) -> None:
    (found,) = [check for check in examine(written(tmp_path, "[camera]\nsource = '/dev/null'\n")) if check.id == "camera"]
    assert (found.state, found.remedy) == ("fail", "list the cameras with: ls /dev/v4l/by-id")
