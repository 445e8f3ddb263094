"""What is exported is what was trained: one file, loaded through the appliance's door. Needs torch (extra ``train``)."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.inference import load_network, write_manifest  # noqa: E402
from edge.inference.make import describe  # noqa: E402
from edge.inference.manifest import CodeSize  # noqa: E402
from edge.template.hashing import hash_logits  # noqa: E402
from tests import tiny_backbone as tiny  # noqa: E402
from training import drh, export, features  # noqa: E402
from training.backbones.dense import Dense  # noqa: E402
from training.packed import centres, load  # noqa: E402
from training.prebuilt import Embedder, read_description  # noqa: E402
from training.projection import random_projection  # noqa: E402
from training.uncertainty import Uncertainty  # noqa: E402

M, Q = 64, 4


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.packed(tmp_path_factory.mktemp("set") / "packed")


def headed(packed: Path, network: Path, folder: Path) -> Path:
    """The head trained on a network's features."""
    features.main([str(packed), str(network), str(folder / "f.npz"), "--views", "2", "--threads", "1"])
    sizes = ["--m", str(M), "--q", str(Q), "--steps", "4", "--people", "10", "--others", "5", "--threads", "1"]
    drh.main([str(folder / "f.npz"), str(folder / "head.pt"), *sizes])
    (folder / "facts.json").write_text('{"data": "tiny"}')
    return folder / "head.pt"


def exported(network: Path, head: Path, out: Path) -> Path:
    export.main(["drh", str(network), str(head), str(out), "--facts", str(head.parent / "facts.json")])
    return out.with_suffix(".json")


def test_our_own_network_loads_through_the_door_of_the_appliance(tmp_path: Path) -> None:
    pictures = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    names = {name: {0: "batch"} for name in export.OUTPUTS}
    network = export.HashNetwork(Dense((8, 8, 16, 32), (1, 1, 1)), random_projection(64, 8, 1), Uncertainty())
    path = tmp_path / "tiny.onnx"
    assert export.write(network, pictures, path, {"crops": {0: "batch"}}, names) < export.TOLERANCE
    write_manifest(describe(path, "hash", facts={}, code=CodeSize(m=64, q=8)), path.with_suffix(".json"))
    found = load_network(path.with_suffix(".json")).infer(pictures.numpy())
    with torch.inference_mode():
        computed = network(pictures)
    for name, expected in zip(export.OUTPUTS, computed, strict=True):
        assert found[name] == pytest.approx(expected.numpy(), abs=1e-3)


@pytest.mark.parametrize(
    ("layout", "colour", "side", "more"),
    [("NCHW", "RGB", 32, {}), ("NHWC", "BGR", 128, {"window": [8, 0, 104, 112]}), ("NCHW", "BGR", 112, {"pooled": "fields"})],
)
def test_a_pre_built_network_goes_the_whole_way_and_its_codes_are_pytorch_s(
    tmp_path: Path, packed: Path, layout: str, colour: str, side: int, more: dict[str, object]
) -> None:
    network = tiny.network(tmp_path / "face.onnx", layout, side)
    tiny.describe(network, layout, colour, side, **more)
    head = headed(packed, network, tmp_path)
    manifest = exported(network, head, tmp_path / "whole.onnx")
    crops = centres(load(packed).crops[:7])
    found = load_network(manifest).infer(crops)
    _, projection, _ = export.read_head(head)
    _, embedding = Embedder(network, read_description(network), 1).embed(crops)
    with torch.inference_mode():
        logits = projection(torch.from_numpy(embedding)).numpy()
    assert found["embedding"] == pytest.approx(embedding, abs=1e-4)
    assert found["logits"] == pytest.approx(logits, abs=1e-3)
    assert (hash_logits(found["logits"], Q) == hash_logits(logits, Q)).all()
    facts = json.loads(manifest.read_text())
    assert facts["code"] == {"m": M, "q": Q}
    assert facts["facts"]["backbone"] == features.digest(network)
    assert facts["non_mated"]["m"] == M


def test_the_uncertainty_of_a_pre_built_network_is_told_from_its_embedding() -> None:
    uncertainty = Uncertainty().eval()
    torch.nn.init.normal_(uncertainty.layers[3].weight)
    head = export.HeadNetwork(random_projection(32, 4, 1), uncertainty).eval()
    raw, pooled = torch.randn(3, 512, 1, 1), torch.randn(3, 512)
    assert torch.equal(head(raw)[1], uncertainty(raw.flatten(1)))
    assert torch.equal(head(raw, pooled)[1], uncertainty(pooled))
    assert head(raw)[2].norm(dim=1).detach().numpy() == pytest.approx(np.ones(3), abs=1e-5)


def test_a_head_of_another_backbone_is_refused(tmp_path: Path, packed: Path) -> None:
    network = tiny.network(tmp_path / "face.onnx", "NCHW")
    tiny.describe(network, "NCHW", "RGB")
    head = headed(packed, network, tmp_path)
    other = tiny.network(tmp_path / "other.onnx", "NHWC")
    tiny.describe(other, "NHWC", "RGB")
    with pytest.raises(SystemExit, match=r"head\.pt: was trained on features of another backbone"):
        exported(other, head, tmp_path / "whole.onnx")


def test_a_head_of_another_width_is_refused(tmp_path: Path) -> None:
    network = tiny.network(tmp_path / "face.onnx", "NCHW")
    tiny.describe(network, "NCHW", "RGB")
    with pytest.raises(SystemExit, match=r"gives 24 numbers, the head takes 512"):
        export.write_prebuilt(network, None, export.HeadNetwork(random_projection(32, 4, 1), None), tmp_path / "whole.onnx")


def test_a_file_that_differs_from_pytorch_is_not_shipped(tmp_path: Path) -> None:
    network = tiny.network(tmp_path / "face.onnx", "NCHW")
    example = np.zeros((1, 3, 32, 32), np.float32)
    with pytest.raises(SystemExit, match=r"face\.onnx: onnxruntime differs from PyTorch by 1,? ?.*do not ship"):
        export.difference(network, "given", example, {"face": torch.ones(1, tiny.WIDTH)})
