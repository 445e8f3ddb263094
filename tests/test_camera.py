"""The camera door: one contract for every kind of source, then what only one driver does.

The twins stand for hardware: a ``cv2.VideoCapture`` that needs no device, and a module ``picamera2`` with exactly the calls that are made.
GStreamer is run for real where Python can import it.
"""

import importlib.util
import re
from itertools import pairwise

import cv2
import numpy as np
import pytest

from edge.camera import LiveReader, Source
from edge.camera.gstreamer import GstGrabber, bgr_rows, csi, load_gstreamer
from edge.camera.live import Patience
from edge.camera.picamera2 import Picamera2Grabber, load_picamera2
from edge.camera.v4l2 import V4l2Grabber, numbering_note, pinned_names
from edge.errors import SourceError
from tests.camera_kit import BGR, DEVICE, NOWHERE, PATIENCE, SIZE, FakeCapture, FakeKernel, FakePicamera2, colour, opened


def folder(path):
    for number in range(6):
        assert cv2.imwrite(str(path / f"{number}.png"), colour(number))
    return opened(str(path))


def video(path, name, code):
    writer = cv2.VideoWriter(str(path / name), cv2.VideoWriter_fourcc(*code), 25, SIZE)
    assert writer.isOpened()
    for number in range(6):
        writer.write(colour(number))
    writer.release()
    return opened(str(path / name))


def v4l2(device=DEVICE, kernel=None, **options):
    return V4l2Grabber(device, ioctl=kernel or FakeKernel(), characters=NOWHERE, **options)


def gstreamer(_path):
    if importlib.util.find_spec("gi") is None:
        pytest.skip("PyGObject (gi) cannot be imported by this Python")
    try:
        load_gstreamer()
    except SourceError as error:
        pytest.skip(str(error))
    argb = 0xFF000000 | BGR[2] << 16 | BGR[1] << 8 | BGR[0]
    width, height = SIZE
    return opened(
        f"gst:videotestsrc num-buffers=30 pattern=solid-color foreground-color={argb}"
        f" ! video/x-raw,format=BGRx,width={width},height={height},framerate=60/1"
    )


KINDS = {
    "folder": (folder, False),
    "video avi": (lambda path: video(path, "a.avi", "MJPG"), False),
    "video mp4": (lambda path: video(path, "a.mp4", "mp4v"), False),
    "v4l2": (lambda path: LiveReader(v4l2(capture=FakeCapture()), patience=PATIENCE), True),
    "picamera2": (lambda path: LiveReader(Picamera2Grabber(0, load=FakePicamera2), patience=PATIENCE), True),
    "gstreamer": (gstreamer, True),
}


@pytest.fixture(params=KINDS)
def source(request, tmp_path):
    make, live = KINDS[request.param]
    with make(tmp_path) as made:
        assert made.live is live
        yield made


def test_every_source_gives_bgr_frames_numbered_from_0_with_increasing_stamps(source: Source):
    frames = [frame for frame, _ in zip(source.frames(), range(3), strict=False)]
    assert len(frames) >= 2
    for number, frame in enumerate(frames):
        assert (frame.image.dtype, frame.image.shape) == (np.uint8, (SIZE[1], SIZE[0], 3))
        assert frame.image[8:, 8:].reshape(-1, 3).mean(axis=0) == pytest.approx(BGR, abs=8)
        assert (frame.number, frame.source) == (number, source.name)
    assert all(later.captured > earlier.captured for earlier, later in pairwise(frames))


def test_every_source_ends_when_closed_and_may_be_closed_again(source: Source):
    stream = source.frames()
    next(stream)
    source.close()
    source.close()
    assert next(stream, None) is None
    assert list(source.frames()) == []


def test_every_source_goes_on_where_the_first_reader_stopped(source: Source):
    first, second = next(source.frames()), next(source.frames())
    assert (first.number, second.number) == (0, 1)
    assert second.captured > first.captured


def test_one_picture_is_a_source_of_one_frame(tmp_path):
    path = tmp_path / "portrait without suffix"
    path.write_bytes(cv2.imencode(".png", colour())[1].tobytes())
    with opened(str(path)) as source:
        assert [frame.number for frame in source.frames()] == [0]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("no/such/thing", "no such folder, picture or video; a path or one of csi:, gst:, picamera2:, v4l2: is wanted"),
        ("", "no source is named"),
        ("a\0b", "no such folder"),
        ("x" * 5000, "no such folder"),
        ("/dev/video-nobody", "no such device; list the cameras"),
        ("rtsp://user:secret@host/stream", "gst:rtspsrc"),
        ("v4l2:/dev/video-nobody", "is not there; cameras present:"),
        ("picamera2:front", "number is wanted, as in picamera2:0"),
        ("csi:-1", "number is wanted, as in csi:0"),
    ],
)
def test_a_source_that_does_not_exist_is_refused_with_the_way_out(uri, words):
    with pytest.raises(SourceError, match=re.escape(words)) as caught:
        opened(uri)
    assert "secret" not in str(caught.value)


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(SourceError, match="no camera"):
        opened(str(DEVICE))


def test_a_file_of_text_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("once upon a time\n" * 50)
    with pytest.raises(SourceError, match="text, not a video"):
        opened(str(path))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="holds no picture"):
        opened(str(tmp_path))


def test_added_schemes_get_the_text_after_the_colon(tmp_path):
    assert opened("demo:two words", schemes={"demo": lambda text: text.upper()}) == "TWO WORDS"


def test_options_reach_folder_and_listener(tmp_path):
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), colour(number))
    (tmp_path / "2.png").write_bytes(b"")
    heard = []
    with opened(str(tmp_path), interval=0.25, clock=lambda: 1.0, on_problem=heard.append) as source:
        assert [frame.captured for frame in source.frames()] == [1.0, 1.25]
    assert len(heard) == 1


def test_v4l2_asks_for_motion_jpeg_before_size_and_rate():
    capture = FakeCapture()
    with LiveReader(v4l2(width=1280, height=720, fps=30, capture=capture), patience=PATIENCE) as reader:
        next(reader.frames())
    assert capture.calls == [
        ("open", "/dev/null", cv2.CAP_V4L2),
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30),
        "release",
    ]


def test_v4l2_leaves_the_camera_its_own_choice():
    capture = FakeCapture()
    grabber = v4l2(capture=capture)
    grabber.open()
    grabber.close()
    grabber.close()
    assert capture.calls == [("open", "/dev/null", cv2.CAP_V4L2), "release"]


def test_a_v4l2_device_that_does_not_open_is_refused_and_let_go():
    capture = FakeCapture(opens=False)
    with pytest.raises(SourceError, match="another program holds it"):
        v4l2(capture=capture).open()
    assert capture.calls[-1] == "release"


def test_a_v4l2_camera_that_fails_for_good_has_vanished():
    patience = Patience(silent=0.02, frozen=1.0, dark=1.0, vanished=0.05, first_pause=0.01, longest_pause=0.01)
    with LiveReader(v4l2(capture=FakeCapture(frames=2)), patience=patience) as reader:
        with pytest.raises(SourceError, match="/dev/null: camera vanished"):
            list(reader.frames())
        assert "no picture for" in next(iter(reader.problems))


def test_an_unplugged_v4l2_device_is_noticed_at_the_first_failed_read(tmp_path):
    device = tmp_path / "by-id-camera"
    device.symlink_to(DEVICE)
    grabber = v4l2(device, capture=FakeCapture(frames=1))
    grabber.open()
    assert grabber.read(0.1).shape == (48, 64, 3)
    assert grabber.read(0.1) is None
    device.unlink()
    with pytest.raises(SourceError, match="the device is gone"):
        grabber.read(0.1)


def test_a_device_named_by_its_number_is_noted_with_its_lasting_name(tmp_path):
    links = tmp_path / "v4l"
    (links / "by-id").mkdir(parents=True)
    (links / "by-path").mkdir()
    device, other = tmp_path / "video0", tmp_path / "video1"
    device.touch()
    other.touch()
    lasting = links / "by-id" / "usb-Good_Camera-index0"
    lasting.symlink_to(device)
    (links / "by-path" / "pci-usb-0:1").symlink_to(device)
    assert pinned_names(links) == [lasting, links / "by-path" / "pci-usb-0:1"]
    assert f"name it {lasting}" in numbering_note(device, links)
    assert "by a link below" in numbering_note(other, links)
    assert numbering_note(lasting, links) is None


def test_a_missing_v4l2_device_is_refused_with_those_that_are_there(tmp_path):
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-Other").symlink_to(DEVICE)
    with pytest.raises(SourceError, match=r"is not there; cameras present: .*usb-Other"):
        V4l2Grabber(tmp_path / "video7", links=tmp_path).open()
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="is no camera device"):
        V4l2Grabber(tmp_path / "file", links=tmp_path).open()


def test_picamera2_is_used_with_exactly_these_calls():
    module = FakePicamera2()
    grabber = Picamera2Grabber(0, width=1280, height=720, fps=30, load=lambda: module)
    grabber.open()
    assert np.array_equal(grabber.read(1.0), colour(1))
    grabber.close()
    grabber.close()
    wanted = {
        "main": {"format": "RGB888", "size": (1280, 720)},
        "buffer_count": 4,
        "queue": False,
        "controls": {"FrameDurationLimits": (33333, 33333)},
    }
    assert module.calls == [("Picamera2", 0), ("create_video_configuration", wanted), ("configure", wanted), "start", "close"]


def test_a_silent_picamera2_is_flushed_before_it_is_closed():
    module = FakePicamera2(delivers=False)
    grabber = Picamera2Grabber(0, load=lambda: module)
    grabber.open()
    assert grabber.read(0.01) is None
    assert grabber.read(0.01) is None
    assert module.count == 1
    grabber.close()
    assert module.calls[-2:] == ["cancel_all_and_flush", "close"]


def test_a_picamera2_that_is_not_there_is_refused():
    with pytest.raises(SourceError, match="libcamera sees 1 cameras"):
        Picamera2Grabber(1, load=FakePicamera2).open()


def test_a_picamera2_that_another_program_holds_is_refused_and_let_go():
    class Held(FakePicamera2):
        def configure(self, wanted):
            raise RuntimeError("Failed to acquire camera: Device or resource busy")

    module = Held()
    with pytest.raises(SourceError, match=r"does not start \(Failed to acquire camera"):
        Picamera2Grabber(0, load=lambda: module).open()
    assert module.calls[-1] == "close"


def missing(name):
    raise ModuleNotFoundError(f"No module named {name!r}")


def test_what_is_not_installed_is_told_with_the_way_to_get_it():
    with pytest.raises(SourceError, match=r"sudo apt-get install python3-gi .*--system-site-packages"):
        load_gstreamer(missing)
    with pytest.raises(SourceError, match=r"sudo apt-get install python3-picamera2.*--system-site-packages"):
        load_picamera2(missing)


def test_the_jetson_pipeline_goes_from_device_memory_to_bgrx():
    assert csi(1, 1280, 720, 30) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=30/1 ! nvvidconv ! video/x-raw,format=BGRx"
    )
    assert csi(0, exposure=8000).startswith('nvarguscamerasrc sensor-id=0 exposuretimerange="8000000 8000000" ! video/x-raw(memory:NVMM) !')
    assert csi(0) == "nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM) ! nvvidconv ! video/x-raw,format=BGRx"


@pytest.mark.parametrize("width", [4, 5, 6, 7])
def test_padded_rows_are_unpacked(width):
    stride = (3 * width + 3) // 4 * 4
    padded = np.full((3, stride), 255, np.uint8)
    padded[:, : 3 * width] = np.arange(9 * width, dtype=np.uint8).reshape(3, -1)
    image = bgr_rows(padded.tobytes(), width, 3)
    assert np.array_equal(image, np.arange(9 * width, dtype=np.uint8).reshape(3, width, 3))
    with pytest.raises((TypeError, ValueError)):
        bgr_rows(padded.tobytes()[: 2 * stride], width, 3)


@pytest.mark.parametrize(
    "secret", ["location=rtsp://guard:hunter2@10.0.0.1/a", "user-id=guard user-pw=hunter2", "location=rtsp://g:hunter2@x@h/"]
)
def test_the_password_of_a_network_camera_stays_out_of_its_name(secret):
    name = GstGrabber(f"rtspsrc {secret} ! decodebin").name
    assert "hunter2" not in name
    assert name.startswith("gst:rtspsrc")
