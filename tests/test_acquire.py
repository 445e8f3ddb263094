"""From a picture to features: the one way, with networks that say what the test wants."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge.acquire import MOST_CROPS, Acquirer, DetectLimits, Sample
from edge.errors import NetworkError
from edge.face.detect import anchors
from edge.face.quality import Limits
from edge.records import Features, Reason
from edge.stages import Stages
from edge.template.hashing import costs_of, hash_logits

LIMITS = Limits(10, 20, 0.15, 50, 40, 35, 40, 215, 0.15, 0.0)
DETECT = DetectLimits(long_side=320, threshold=0.5, overlap=0.45, max_faces=3)


class FacesAt:
    """A detector that finds faces of given sides at given middles of a 320 x 320 canvas."""

    def __init__(self, *faces: tuple[float, float, float]) -> None:
        cells = anchors((320, 320))
        self.scores = np.zeros((1, len(cells)), np.float32)
        self.boxes = np.ones((1, len(cells), 4), np.float32)
        self.landmarks = np.zeros((1, len(cells), 10), np.float32)
        shape = np.array([(-0.2, -0.15), (0.2, -0.15), (0, 0.05), (-0.15, 0.25), (0.15, 0.25)])
        for place, (x, y, side) in enumerate(faces):
            cell = int(np.abs(cells[:1600, :2] - (x, y)).sum(1).argmin())
            offset = np.array([x, y]) - cells[cell, :2]
            self.scores[0, cell] = 0.9 - place / 100
            self.boxes[0, cell] = (side / 2 + np.array([-1, -1, 1, 1]) * np.tile(offset, 2)) / 8
            self.landmarks[0, cell] = ((shape * side + offset) / 8).ravel()

    def infer(self, batch: npt.NDArray[Any], outputs: Sequence[str] | None = None) -> Mapping[str, npt.NDArray[Any]]:
        assert batch.dtype == np.uint8
        return {"scores": self.scores, "boxes": self.boxes, "landmarks": self.landmarks}


class BrightnessHash:
    """A hash network whose symbols tell the crop's mean brightness; it remembers the batches it was given and what was asked."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.asked: set[str] = set()

    def infer(self, batch: npt.NDArray[Any], outputs: Sequence[str] | None = None) -> Mapping[str, npt.NDArray[Any]]:
        self.batches.append(len(batch))
        self.asked |= set(outputs or ())
        logits = np.zeros((len(batch), 64), np.float32)
        for row, crop in enumerate(batch):
            logits[row, int(crop.mean() // 32) :: 8] = 1
        return {"logits": logits, "log_variance": np.full((len(batch), 1), -2.0, np.float32)}


def made(*faces: tuple[float, float, float]) -> tuple[Acquirer, BrightnessHash]:
    hasher = BrightnessHash()
    return Acquirer(FacesAt(*faces), hasher, 8, DETECT, LIMITS, Stages()), hasher


def picture() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(80, 170, (320, 320, 3), np.uint8)


def test_faces_come_back_where_they_are_and_no_more_than_asked_for() -> None:
    acquirer, _ = made((80, 80, 60), (240, 80, 60), (80, 240, 60), (240, 240, 60))
    faces = acquirer.faces(picture())
    assert len(faces) == 3
    assert faces[0].box == pytest.approx([50, 50, 110, 110], abs=0.1)


def test_a_usable_face_becomes_an_aligned_crop_and_its_code() -> None:
    acquirer, hasher = made((160, 160, 120))
    sample, reasons = acquirer.only_face(picture())
    assert reasons == ()
    assert sample is not None
    assert sample.crop.shape == (112, 112, 3)
    (features,) = acquirer.features([sample])
    assert acquirer.code(features).symbols.tolist() == [3] * 8
    assert hasher.asked == {"logits", "log_variance"}, "the door never asks for an embedding"


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        ((), Reason.NO_FACE),
        (((100, 160, 80), (220, 160, 80)), Reason.SEVERAL_FACES),
        (((100, 160, 80), (220, 160, 45)), Reason.SEVERAL_FACES),
        (((160, 160, 16),), Reason.TOO_SMALL),
        (((10, 160, 100),), Reason.CUT_OFF),
    ],
)
def test_an_enrolment_picture_without_the_one_usable_face_says_why(faces: tuple[tuple[float, float, float], ...], reason: Reason) -> None:
    sample, reasons = made(*faces)[0].only_face(picture())
    assert sample is None
    assert reason in reasons


def test_a_face_in_the_background_does_not_keep_the_person_in_front_from_enrolling() -> None:
    sample, reasons = made((120, 160, 120), (260, 60, 50))[0].only_face(picture())
    assert sample is not None
    assert sample.face.box == pytest.approx([60, 100, 180, 220], abs=0.1)
    assert reasons == ()


def test_a_crowd_is_hashed_in_bounded_batches_and_nobody_is_lost() -> None:
    acquirer, hasher = made((160, 160, 120))
    sample, _ = acquirer.only_face(picture())
    assert isinstance(sample, Sample)
    assert len(acquirer.features([sample] * (MOST_CROPS + 3))) == MOST_CROPS + 3
    assert hasher.batches == [MOST_CROPS, 3]
    assert acquirer.features([]) == []


def test_every_stage_is_timed() -> None:
    acquirer, _ = made((160, 160, 120))
    sample, _ = acquirer.only_face(picture())
    assert sample is not None
    acquirer.features([sample])
    assert list(acquirer.stages.medians()) == ["detect", "align", "quality", "hash"]


def test_warming_up_runs_both_networks_once_and_shows_what_a_broken_one_says() -> None:
    acquirer, hasher = made()
    acquirer.warm()
    assert (hasher.batches, len(acquirer.stages.seconds["detect"])) == ([1], 1)

    class NotANumber(BrightnessHash):
        def infer(self, batch: npt.NDArray[Any], outputs: Sequence[str] | None = None) -> Mapping[str, npt.NDArray[Any]]:
            return {"logits": np.full((1, 64), np.nan, np.float32), "log_variance": np.zeros((1, 1), np.float32)}

    with pytest.raises(NetworkError, match="not finite"):
        Acquirer(FacesAt(), NotANumber(), 8, DETECT, LIMITS, Stages()).warm()


def test_whoever_listens_hears_of_every_stage_as_it_ends() -> None:
    acquirer, _ = made((160, 160, 120))
    heard: list[tuple[str, float]] = []
    acquirer.stages.heard = lambda name, seconds: heard.append((name, seconds))
    acquirer.only_face(picture())
    assert [name for name, _ in heard] == ["detect", "align", "quality"]
    assert heard[0][1] == acquirer.stages.seconds["detect"][0]


def test_a_code_carries_what_its_values_cost() -> None:
    """Without them a door would count unequal symbols and hold the counts against a threshold that is not theirs."""
    acquirer, _ = made((160, 160, 120))
    logits = np.random.default_rng(0).normal(size=64).astype(np.float32)
    code = acquirer.code(Features(logits, 0.0))
    assert code.symbols.tolist() == hash_logits(logits, 8).tolist()
    assert code.costs is not None
    assert code.costs.tolist() == costs_of(logits, 8).tolist()
