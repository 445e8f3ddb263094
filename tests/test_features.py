"""Features of a frozen backbone: the same again, in parts or whole, and of nobody who must not be read. Needs torch (extra ``train``)."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from tests import tiny_backbone as tiny  # noqa: E402
from training import features  # noqa: E402
from training.packed import load  # noqa: E402


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.packed(tmp_path_factory.mktemp("set") / "packed")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tiny.network(tmp_path_factory.mktemp("net") / "tiny.onnx", "NCHW")
    tiny.describe(path, "NCHW", "RGB")
    return path


def extract(packed: Path, network: Path, out: Path, *more: str) -> features.Features:
    features.main([str(packed), str(network), str(out), "--threads", "1", *more])
    return features.read_features(out)


def test_every_labelled_crop_is_read_in_every_view(packed: Path, network: Path, tmp_path: Path) -> None:
    found = extract(packed, network, tmp_path / "f.npz", "--views", "2")
    assert found.embedding.shape == (2 * (tiny.HELD_OUT + tiny.LEARNT), 2, tiny.WIDTH)
    assert np.linalg.norm(found.embedding, axis=2) == pytest.approx(1, abs=1e-3)
    assert (found.identity >= 0).all()
    assert found.held_out.sum() == 2 * tiny.HELD_OUT
    assert not (found.embedding[:, 0] == found.embedding[:, 1]).all()
    assert not (tmp_path / "f.part").exists()


def test_unlabelled_crops_are_read_when_asked_for_and_those_like_a_test_set_never(packed: Path, network: Path, tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    for name in ("crops.npy", "index.json"):
        (left / name).symlink_to(packed / name)
    (left / "left_out.json").write_text(json.dumps({"crops": [{"row": 0}, {"row": 5}]}))
    found = extract(left, network, tmp_path / "f.npz", "--views", "1", "--unlabelled")
    assert (found.identity < 0).sum() == 3
    assert not {0, 5} & set(found.rows.tolist())
    assert len(found.rows) == 2 * (tiny.HELD_OUT + tiny.LEARNT) + 3 - 2


def test_a_limit_takes_whole_people(packed: Path) -> None:
    rows = features.rows_of(load(packed), False, 31)
    assert len(rows) == 30
    assert (np.unique(load(packed).identity[rows], return_counts=True)[1] == 2).all()


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(
    packed: Path, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes only what was missing."""
    monkeypatch.setattr(features, "BATCH", 50)
    whole = extract(packed, network, tmp_path / "whole.npz", "--views", "2")
    one, rows = load(packed), features.rows_of(load(packed), False, 0)
    facts, embed, calls = {"views": 2, "seed": 1}, features.backbone_of(network, None, 1), []

    def stops(crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(len(crops))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return embed(crops)

    with pytest.raises(KeyboardInterrupt):
        features.compute(one, rows, stops, tmp_path / "parts", facts)
    begun = len(calls)
    arrays = features.compute(one, rows, lambda crops: (calls.append(len(crops)), embed(crops))[1], tmp_path / "parts", facts)
    assert len(calls) - begun == 1 + 2 * 5 - 2  # the size, five batches of two views, less the two that were there
    assert (arrays["embedding"] == whole.embedding.astype(np.float16)).all()


def test_a_finished_run_is_not_repeated_and_another_one_is_refused(packed: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.npz"
    extract(packed, network, out, "--views", "1")
    written = out.stat().st_mtime_ns
    extract(packed, network, out, "--views", "1")
    assert out.stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match=r"f\.npz: holds .*'views': 1.*remove it or name another file"):
        extract(packed, network, out, "--views", "2")


def test_what_was_begun_otherwise_is_not_gone_on_with(tmp_path: Path) -> None:
    shapes = {"embedding": (4, 1, 8)}
    features.opened(tmp_path / "parts", {"views": 1, "seed": 1}, shapes)
    with pytest.raises(SystemExit, match="begun with seed 1, now it is 2"):
        features.opened(tmp_path / "parts", {"views": 1, "seed": 2}, shapes)


def test_a_file_that_holds_no_features_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(SystemExit, match=r"other\.npz: these are no features"):
        features.read_features(tmp_path / "other.npz")


@pytest.mark.parametrize("state", [{"taken_from": "feed"}, {"taken_from": ""}, {}])
def test_what_was_taken_out_of_a_network_goes_by_the_name_of_its_backbone_anything_else_by_its_file(
    tmp_path: Path, state: dict[str, str]
) -> None:
    """So that heads made for what ``training.warm`` wrote are heads of the shipped network."""
    torch.save({"mean": {}, **state}, tmp_path / "backbone.pt")
    own = hashlib.sha256((tmp_path / "backbone.pt").read_bytes()).hexdigest()
    assert features.digest(tmp_path / "backbone.pt") == (state.get("taken_from") or own)
