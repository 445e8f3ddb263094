"""GStreamer for real: videotestsrc as a camera, and an RTSP server on loopback as a network camera.

PyGObject belongs to the system's Python. Where this Python cannot import it, the last test lets the system's Python run this file.
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import time
from itertools import islice
from pathlib import Path

import pytest

from edge.camera.dark import is_dark
from edge.camera.gstreamer import GstGrabber, csi, load_gstreamer
from edge.camera.live import Patience
from edge.errors import SourceError
from tests.camera_kit import opened

ROOT = Path(__file__).parent.parent
SYSTEM = Path("/usr/bin/python3")
NEEDED = "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstApp', '1.0'); from gi.repository import GstApp"
SERVER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
HASTY = Patience(silent=3.0, frozen=0.5, dark=0.3, vanished=2.0, first_pause=0.05, longest_pause=0.2)
SNOW = "videotestsrc is-live=true pattern=snow ! video/x-raw,width=64,height=48,framerate=50/1"


@pytest.fixture(scope="module")
def gst():
    if importlib.util.find_spec("gi") is None:
        pytest.skip("PyGObject (gi) cannot be imported by this Python")
    try:
        return load_gstreamer()
    except SourceError as error:
        return pytest.skip(str(error))


def test_a_gstreamer_pipeline_ends_with_its_last_buffer(gst):
    with opened("gst:videotestsrc num-buffers=12 ! video/x-raw,width=33,height=20,framerate=50/1") as source:
        frames = list(source.frames())
    assert 2 <= len(frames) <= 12
    assert frames[0].image.shape == (20, 33, 3)


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ("nosuchelement", "no element .nosuchelement"),
        ("videotestsrc ! ! x", "refuses the pipeline"),
        ("filesrc location=/nobody/here.mp4 ! decodebin", "Resource not found"),
        (csi(0), "nvarguscamerasrc"),
    ],
)
def test_a_gstreamer_pipeline_that_cannot_start_is_refused(gst, pipeline, words):
    if "nvargus" in pipeline and gst.ElementFactory.find("nvarguscamerasrc") is not None:
        pytest.skip("this machine is a Jetson")
    with pytest.raises(SourceError, match=words):
        opened(f"gst:{pipeline}")


def test_a_live_gstreamer_pipeline_that_ends_has_lost_its_camera(gst):
    patience = Patience(silent=0.1, frozen=1.0, dark=1.0, vanished=0.05, first_pause=0.01, longest_pause=0.01)
    pipeline = "videotestsrc is-live=true num-buffers=3 pattern=snow ! video/x-raw,width=32,height=20,framerate=100/1"
    with opened(f"gst:{pipeline}", patience=patience) as source:
        stream = source.frames()
        next(stream)
        deadline = time.monotonic() + 1.0
        while len(source.problems) == 0 and time.monotonic() < deadline:
            next(stream)
        assert "the camera ended its stream" in next(iter(source.problems))


def test_the_exposure_of_a_jetson_s_camera_stays_one_property(gst):
    quoted = csi(0, exposure=8000).split()[2:4]
    pipeline = gst.parse_launch(f"videotestsrc {' '.join(quoted).replace('exposuretimerange', 'name')} ! fakesink")
    assert pipeline.get_by_name("8000000 8000000") is not None


def test_a_camera_on_its_side_is_turned(gst):
    plain = "gst:videotestsrc num-buffers=3 pattern=snow ! video/x-raw,width=64,height=48"
    with opened(plain, rotation=90) as source:
        assert next(source.frames()).image.shape == (64, 48, 3)


def test_a_covered_lens_is_told_once_and_the_camera_is_left_open(gst):
    black = SNOW.replace("snow", "black")
    with opened(f"gst:{black}", patience=HASTY) as source:
        frames = list(islice(source.frames(), 60))
        assert is_dark(frames[-1].image)
        assert [f"{word}" in note for note in source.problems for word in ("nothing but darkness", "lens covered")] == [True, True]


def test_snow_is_neither_dark_nor_frozen(gst):
    with opened(f"gst:{SNOW}", patience=HASTY) as source:
        assert len(list(islice(source.frames(), 60))) == 60
        assert list(source.problems) == []


def test_a_frozen_pipeline_is_opened_again_and_then_given_up(gst):
    still = SNOW.replace("snow", "checkers-8")
    with opened(f"gst:{still}", patience=HASTY) as source:
        with pytest.raises(SourceError, match=r"camera vanished \(the same picture for"):
            list(source.frames())
        assert len(source.problems) >= 2


def test_a_reader_that_was_away_gets_what_is_before_the_camera_now(gst):
    with opened(f"gst:{SNOW}") as source:
        stream = source.frames()
        first = next(stream)
        time.sleep(1.0)
        frame = next(stream)
        assert time.monotonic() - frame.captured < 0.5
        assert frame.number == first.number + 1  # some fifty pictures are gone, not waiting


@pytest.mark.parametrize("pipeline", ["v4l2src device=/dev/null", "( v4l2src device=/dev/null )", "v4l2src device=/dev/null ! queue"])
def test_a_video_device_of_a_pipeline_must_be_a_camera_before_it_is_opened(gst, pipeline):
    if gst.ElementFactory.find("v4l2src") is None:
        pytest.skip("v4l2src is not installed: gstreamer1.0-plugins-good")
    with pytest.raises(SourceError, match=r"/dev/null: it is no camera \("):
        opened(f"gst:{pipeline}")


def test_of_every_video_device_of_a_pipeline_it_is_asked_and_of_no_other_source(gst):
    if gst.ElementFactory.find("v4l2src") is None:
        pytest.skip("v4l2src is not installed: gstreamer1.0-plugins-good")
    asked = []

    def refuse(device):
        asked.append(str(device))
        raise SourceError(f"{device}: a loopback device")

    with pytest.raises(SourceError, match="/dev/video77: a loopback device"):
        GstGrabber("v4l2src device=/dev/video77", admit=refuse).open()
    grabber = GstGrabber(SNOW, admit=refuse)
    grabber.open()
    grabber.close()
    assert asked == ["/dev/video77"]


class Camera:
    """The RTSP server as a process; ``plug`` and ``unplug`` it at one and the same port."""

    def __init__(self):
        self.port, self._process = "0", None

    def plug(self):
        script = [sys.executable, str(Path(__file__).with_name("rtsp_server.py")), self.port]
        self._process = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
        self.port = self._process.stdout.readline().strip()
        assert self.port.isdigit()

    def unplug(self):
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def uri(self, password="hunter2", path="jpeg"):
        place = f"rtsp://guard:{password}@127.0.0.1:{self.port}/{path}"
        return f"gst:rtspsrc location={place} latency=0 protocols=tcp ! decodebin"


@pytest.fixture
def camera(gst):
    if subprocess.run([sys.executable, "-c", SERVER], capture_output=True).returncode:
        pytest.skip("gst-rtsp-server cannot be imported: apt-get install gir1.2-gst-rtsp-server-1.0")
    if gst.ElementFactory.find("rtspsrc") is None:
        pytest.skip("rtspsrc is not installed: gstreamer1.0-plugins-good")
    made = Camera()
    made.plug()
    yield made
    made.unplug()


@pytest.mark.parametrize("path", ["jpeg", "h264"])
def test_a_network_camera_gives_frames(gst, camera, path):
    if path == "h264" and None in (gst.ElementFactory.find("x264enc"), gst.ElementFactory.find("avdec_h264")):
        pytest.skip("x264enc or avdec_h264 is not installed: gstreamer1.0-plugins-ugly, gstreamer1.0-libav")
    with opened(camera.uri(path=path)) as source:
        frames = list(islice(source.frames(), 10))
    assert all(frame.image.shape == (48, 64, 3) for frame in frames)
    assert len({frame.image.tobytes() for frame in frames}) == 10
    assert "hunter2" not in source.name


def test_a_network_camera_that_is_unplugged_and_plugged_in_again_goes_on(camera):
    patience = Patience(silent=1.0, frozen=5.0, dark=5.0, vanished=60.0, first_pause=0.2, longest_pause=0.5)
    heard = []
    with opened(camera.uri(), patience=patience, on_problem=heard.append) as source:
        stream = source.frames()
        before = next(stream)
        camera.unplug()
        deadline = time.monotonic() + 20
        while not heard and time.monotonic() < deadline:
            time.sleep(0.05)
        unplugged = time.monotonic()
        camera.plug()
        after = next(frame for frame in stream if frame.captured > unplugged)
    assert after.number > before.number
    assert "the camera is opened again" in heard[0]
    assert "hunter2" not in " ".join(heard)


def test_a_network_camera_that_wants_another_password_is_refused_and_no_password_is_told(camera):
    with pytest.raises(SourceError, match=r"Unauthorized|[Nn]ot authorized|does not start") as caught:
        opened(camera.uri("wrong-one"))
    assert "wrong-one" not in str(caught.value)


def test_a_network_camera_that_is_not_there_is_refused(camera):
    camera.unplug()
    with pytest.raises(SourceError, match="rtspsrc"):
        opened(camera.uri())


def test_a_door_whose_camera_is_gone_for_good_ends_so_that_the_service_manager_starts_it_again(gst, tmp_path):
    still = SNOW.replace("snow", "checkers-8")
    (tmp_path / "mine.toml").write_text(
        f'[camera]\nsource = "gst:{still}"\nfrozen = 0.5\nvanished = 1.0\n[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n'
    )
    ended = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--config", "mine.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == SourceError.exit_code, ended.stderr
    assert "camera vanished" in ended.stderr


def test_the_system_s_python_passes_these_tests_where_this_one_has_no_gstreamer():
    if importlib.util.find_spec("gi") is not None:
        pytest.skip("this Python runs them itself")
    same = f"import sys; assert sys.version_info[:2] == {tuple(sys.version_info[:2])}; {NEEDED}"
    if not SYSTEM.exists() or subprocess.run([SYSTEM, "-c", same], capture_output=True).returncode:
        pytest.skip(f"{SYSTEM} is another version of Python, or lacks python3-gi or gir1.2-gst-plugins-base-1.0")
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    done = subprocess.run(
        [SYSTEM, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", __file__, str(Path(__file__).with_name("test_camera.py"))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(done.stdout[-2000:])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "cannot be imported by this Python" not in done.stdout
