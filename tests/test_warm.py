"""A shipped network trained on: it begins at exactly what it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.inference import write_manifest  # noqa: E402
from edge.inference.make import describe  # noqa: E402
from edge.inference.manifest import CodeSize  # noqa: E402
from training import export  # noqa: E402
from training.backbone import TAKEN_FROM, Backbone, make  # noqa: E402
from training.backbones.iresnet import IResNet  # noqa: E402
from training.detector import Detector  # noqa: E402
from training.packed import to_network  # noqa: E402
from training.projection import random_projection  # noqa: E402
from training.uncertainty import Uncertainty  # noqa: E402
from training.warm import NORM, head_of, warm  # noqa: E402


def lived_in(network: "torch.nn.Module", seed: int) -> "torch.nn.Module":
    """Statistics, scales and shifts that are not those of the beginning."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            for part, low, high in (("weight", 0.5, 1.5), ("bias", -0.2, 0.2), ("running_mean", -0.2, 0.2), ("running_var", 0.5, 2)):
                getattr(module, part).data.uniform_(low, high)
    return network.eval()


def pictures(side: int) -> "torch.Tensor":
    return to_network(np.random.default_rng(3).integers(0, 256, (4, side, side, 3), np.uint8))


def hash_file(path: Path, backbone: Backbone) -> Path:
    network = export.HashNetwork(backbone, random_projection(32, 8, 1), Uncertainty())
    example = torch.zeros((1, 112, 112, 3), dtype=torch.uint8)
    outputs = {name: {0: "batch"} for name in ("logits", "log_variance", "embedding")}
    export.write(network, example, path, {"crops": {0: "batch"}}, outputs)
    return path


@pytest.mark.parametrize(
    "new", [make, lambda: make("mobilefacenet"), lambda: IResNet((1, 1, 1, 1))], ids=["dense", "mobilefacenet", "iresnet"]
)
def test_a_backbone_taken_from_its_file_computes_what_it_did(tmp_path: Path, new: Callable[[], Backbone]) -> None:
    before = lived_in(new(), 1)
    after, change = warm(new(), hash_file(tmp_path / "hash.onnx", before), [pictures(112)])
    assert change < 1e-3
    with torch.inference_mode():
        assert torch.allclose(before(pictures(112)), after(pictures(112)), rtol=1e-3, atol=1e-3)


def test_a_detector_taken_from_its_file_computes_what_it_did(tmp_path: Path) -> None:
    before = lived_in(Detector(), 2)
    outputs = {name: {0: "batch", 1: "cells"} for name in ("scores", "boxes", "landmarks")}
    example = torch.zeros((1, 64, 64, 3), dtype=torch.uint8)
    export.write(export.DetectNetwork(before), example, tmp_path / "d.onnx", {"image": {0: "batch", 1: "h", 2: "w"}}, outputs)
    after, _ = warm(Detector(), tmp_path / "d.onnx", [pictures(64)])
    with torch.inference_mode():
        for one, other in zip(before(pictures(64)), after(pictures(64)), strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)


def test_every_normalisation_has_the_statistics_of_what_it_sees_and_every_filter_the_norm_of_a_new_one(tmp_path: Path) -> None:
    network, _ = warm(make(), hash_file(tmp_path / "hash.onnx", lived_in(make(), 1)), [pictures(112)])
    convolution, norm = network.features[0][0], network.features[0][1]
    with torch.inference_mode():
        seen = convolution(pictures(112))
    assert norm.running_mean == pytest.approx(seen.mean((0, 2, 3)).numpy(), abs=1e-4)
    assert convolution.weight.flatten(1).norm(dim=1).detach().numpy() == pytest.approx(np.full(32, NORM), rel=1e-4)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not this network's file"):
        warm(Detector(), hash_file(tmp_path / "hash.onnx", make()), [pictures(64)])


@pytest.mark.parametrize(("facts", "name"), [({"backbone": "feed"}, "feed"), ({}, "")])
def test_the_head_of_a_shipped_network_is_taken_with_its_size_and_the_name_of_its_backbone(
    tmp_path: Path, facts: dict[str, str], name: str
) -> None:
    layer = random_projection(32, 8, 1)
    path = tmp_path / "hash.onnx"
    with torch.no_grad():
        layer.bias.fill_(0.5)
    network = export.HashNetwork(make(), layer, Uncertainty())
    names = {name: {0: "batch"} for name in ("logits", "log_variance", "embedding")}
    export.write(network, torch.zeros((1, 112, 112, 3), dtype=torch.uint8), path, {"crops": {0: "batch"}}, names)
    write_manifest(describe(path, "hash", facts=facts, code=CodeSize(m=32, q=8)), path.with_suffix(".json"))
    taken = head_of(path)
    assert (taken["m"], taken["q"]) == (32, 8)
    assert torch.equal(taken["projection"]["weight"], layer.weight)
    assert torch.equal(taken["projection"]["bias"], layer.bias)
    assert taken[TAKEN_FROM] == name
