"""Two pictures: how unlike they are, and what the door would say. The tiny network knows people by their colour."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.template.hashing import costs_of, hash_logits, unequal_of
from evaluation import pair
from tests.test_evaluation import PEOPLE, M, Q, config, face, put  # noqa: F401 - config is a fixture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("Ada", "Bo"):
        put(tmp_path, f"{name}.png", face(PEOPLE[name]))
        put(tmp_path, f"{name}_dark.png", face(PEOPLE[name], 0.8))
    put(tmp_path, "nobody.png", np.zeros((96, 96, 3), np.uint8))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert pair.main([str(argument) for argument in arguments]) == 0
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_two_pictures_of_one_person_are_and_of_two_are_not(
    pictures: Path,
    config: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = told(capsys, pictures / "Ada.png", pictures / "Ada_dark.png", "--config", config)
    other = told(capsys, pictures / "Ada.png", pictures / "Bo.png", "--config", config)
    assert same["same_person"]
    assert not other["same_person"]
    assert same["dissimilarity"] <= same["threshold"] < other["dissimilarity"]
    assert same["cosine"] > other["cosine"]
    assert same["symbols"] == M


def test_protection_does_not_change_the_number(pictures: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    facts = told(capsys, pictures / "Ada.png", pictures / "Bo.png", "--config", config)
    assert facts["dissimilarity"] == facts["dissimilarity_protected"] > 0


def test_a_stricter_operating_point_asks_for_more_likeness(pictures: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    both = (pictures / "Ada.png", pictures / "Ada_dark.png", "--config", config)
    strict, loose = (told(capsys, *both, "--fpir", fpir)["threshold"] for fpir in (0.0001, 0.005))
    assert strict < loose


def test_a_picture_without_a_usable_face_or_that_is_none_is_named(
    pictures: Path,
    config: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pair.main([str(pictures / "Ada.png"), str(pictures / "nobody.png"), "--config", str(config)]) == 8
    assert "nobody.png:nosample(no_face)" in "".join(capsys.readouterr().err.split())  # wherever the line was folded
    assert pair.main([str(pictures / "Ada.png"), str(pictures / "missing.png"), "--config", str(config)]) == 4


def test_the_number_is_counted_by_hand() -> None:
    logits = np.zeros((2, 8 * Q), np.float32)
    logits[0, ::Q] = logits[1, 1::Q] = 1.0
    logits[1, :Q] = logits[0, :Q]  # the first of eight symbols is equal
    facts = pair.compared({"logits": logits}, Q)
    assert (facts["unequal"], facts["symbols"], facts["cosine"]) == (7, 8, None)
    costs = costs_of(logits[1], Q)[range(8), hash_logits(logits[0], Q)].astype(int)
    assert facts["dissimilarity"] == unequal_of(8, Q)[costs.sum()]
