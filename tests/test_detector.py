"""The detector's training, from labelled pictures to a checkpoint. Needs torch (extra ``train``)."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training import cycle, detector  # noqa: E402

FACE = [0.9, 85, 85, 165, 165, 105, 110, 145, 110, 125, 130, 110, 150, 140, 150]


def labelled(folder: Path, count: int) -> Path:
    """``count`` noisy pictures of 250 x 250 with one face in the middle."""
    folder.mkdir()
    np.save(folder / "images.npy", np.random.default_rng(2).integers(0, 256, (count, 250, 250, 3), np.uint8))
    (folder / "faces.json").write_text(json.dumps({"faces": [[FACE]] * count}))
    return folder


def asked(folder: Path, out: Path, steps: int = 2) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cycle.options(parser, minutes=1, batch=2, rate=1e-3)
    arguments = parser.parse_args(["--steps", str(steps), "--threads", "1", "--device", "cpu"])
    arguments.labelled, arguments.out = folder, out
    return arguments


def test_the_detector_has_about_a_hundred_thousand_parameters() -> None:
    assert 60_000 <= sum(p.numel() for p in detector.Detector().parameters()) <= 120_000


def test_the_same_seed_gives_the_same_detector_also_when_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = labelled(tmp_path / "faces", 4)
    detector.train(asked(folder, tmp_path / "a.pt"))
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"found", "landmark_error_of_eye_distance"} < set(figures)
    stopped = asked(folder, tmp_path / "b.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector.Cycle, "over", property(lambda self: self.steps >= 1))
        detector.train(stopped)
    detector.train(stopped)
    first, second = (torch.load(tmp_path / name)["mean"] for name in ("a.pt", "b.pt"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_one_picture_is_too_few_and_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="1 pictures with a sure face in the middle; two at least are needed"):
        detector.train(asked(labelled(tmp_path / "faces", 1), tmp_path / "a.pt"))
