"""A camera that goes and comes: the stream goes on, numbered through, and says so once."""

from collections.abc import Iterator

import numpy as np
import pytest

from edge.assembly.appliance import Appliance
from edge.assembly.blind import Steadfast
from edge.assembly.fallback import source
from edge.assembly.report import Report
from edge.camera.source import Source
from edge.errors import SourceError
from edge.records import Frame
from edge.settings import load_settings


class Camera(Source):
    """So many frames from that second on, then it is gone."""

    name, live = "camera", True

    def __init__(self, frames: int, since: float) -> None:
        self._frames, self._since = frames, since
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        for number in range(self._frames):
            yield Frame(np.zeros((8, 8, 3), np.uint8), self._since + number / 10, number, self.name)
        raise SourceError("camera: has given no frame for 30 s; check its cable")

    def close(self) -> None:
        self.closed = True


def test_a_camera_that_is_not_there_at_the_start_goes_and_comes_back_gives_one_stream() -> None:
    script: list[Camera | None] = [None, None, Camera(2, 10.0), None, Camera(3, 50.0)]
    told, signs = list[str](), list[int]()
    opened: list[Camera] = []

    def open_() -> Source:
        found = script.pop(0)
        if found is None:
            raise SourceError("/dev/video0: there is no such device; list the cameras with: ls /dev/v4l/by-id")
        opened.append(found)
        return found

    with Steadfast("/dev/video0", open_, told.append, lambda: signs.append(1), again=0.01) as stream:
        frames = stream.frames()
        found = [next(frames) for _ in range(5)]
    assert [frame.number for frame in found] == [0, 1, 2, 3, 4]
    assert [frame.captured for frame in found] == [10.0, 10.1, 50.0, 50.1, 50.2]
    assert [text.partition(".")[0] for text in told] == [
        "/dev/video0: there is no such device; list the cameras with: ls /dev/v4l/by-id",
        "/dev/video0: gives frames again",
        "camera: has given no frame for 30 s; check its cable",
        "/dev/video0: gives frames again",
    ]
    assert len(signs) == 4
    assert opened[0].closed
    assert opened[1].closed


def test_closing_ends_a_stream_that_waits() -> None:
    def open_() -> Source:
        stream.close()
        raise SourceError("gone")

    stream = Steadfast("csi:0", open_, lambda text: None, lambda: None)
    assert list(stream.frames()) == []


def test_only_what_is_wrong_with_a_camera_is_waited_for() -> None:
    def open_() -> Source:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        next(Steadfast("csi:0", open_, print, print).frames())


def job(fallback: str, opens: bool, uri: str) -> Appliance:
    flags = {"access.fallback": fallback, "relay.enabled": opens, "camera.source": uri}
    return Appliance(load_settings(environment={}, flags=flags), Report(as_json=True, quiet=True))


def test_a_door_that_codes_open_begins_without_its_camera() -> None:
    with source(job("code", True, "v4l2:/dev/none")) as found:
        assert isinstance(found, Steadfast)


@pytest.mark.parametrize(
    ("fallback", "opens", "uri"), [("off", True, "v4l2:/dev/none"), ("code", False, "v4l2:/dev/none"), ("code", True, "none.mp4")]
)
def test_any_other_door_without_its_camera_says_so_and_ends(fallback: str, opens: bool, uri: str) -> None:
    with pytest.raises(SourceError):
        source(job(fallback, opens, uri))
