"""A grid of heads: each size random and trained, as files; what is there is not made again. Needs torch (extra ``train``)."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.template.hashing import hash_logits  # noqa: E402
from evaluation.sizes import read_head  # noqa: E402
from tests.test_drh import WIDTH, features, save  # noqa: E402
from training import heads  # noqa: E402
from training.projection import random_projection  # noqa: E402

QUICK = ["--steps", "2", "--people", "10", "--others", "5", "--threads", "1"]


def made(tmp_path: Path, *more: str) -> dict[str, int]:
    """The heads' files and when they were written."""
    heads.main([str(save(tmp_path / "f.npz", features(60, 3))), str(tmp_path / "heads"), *QUICK, *more])
    return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "heads").iterdir()}


def test_every_size_is_written_random_and_trained_with_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(made(tmp_path, "--sizes", "32x4", "40x2")) == {f"{size}_{kind}.npz" for size in ("32x4", "40x2") for kind in heads.KINDS}
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(said) == {"32x4_random", "32x4_trained", "40x2_random", "40x2_trained"}
    assert 0 < said["32x4_random"]["EER"] < 0.5
    assert read_head(tmp_path / "heads" / "40x2_trained.npz").kind == "trained"


def test_evaluation_reads_from_the_file_the_codes_that_training_meant(tmp_path: Path) -> None:
    made(tmp_path, "--sizes", "32x4")
    embedding = features(60, 3).embedding[:, 0]
    found = read_head(tmp_path / "heads" / "32x4_random.npz").hashed(embedding)[0]
    meant = hash_logits(random_projection(32, 4, 1, WIDTH)(torch.from_numpy(embedding)).detach().numpy(), 4)
    assert (found == meant).mean() > 0.99  # float16 in the file
    assert (found == hash_logits(embedding @ np.load(tmp_path / "heads" / "32x4_random.npz")["weight"].astype(np.float32).T, 4)).all()


def test_what_is_there_by_the_same_recipe_is_not_made_again(tmp_path: Path) -> None:
    first = made(tmp_path, "--sizes", "32x4")
    more = made(tmp_path, "--sizes", "32x4", "32x2")
    assert {name: more[name] for name in first} == first
    assert len(more) == 4
    other = made(tmp_path, "--sizes", "32x4", "--contrast", "1")
    assert other["32x4_trained.npz"] != first["32x4_trained.npz"]


@pytest.mark.parametrize("size", ["64", "64x8x2", "x8", "24x8", "64x65"])
def test_what_is_no_size_is_refused(tmp_path: Path, size: str) -> None:
    with pytest.raises(SystemExit):
        made(tmp_path, "--sizes", size)
