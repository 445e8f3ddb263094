import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import NetworkError
from edge.inference import Network, NoTensorRTError, load_network, read_manifest, write_manifest
from edge.inference.make import describe
from edge.inference.manifest import CodeSize
from edge.inference.tensorrt import find_modules
from edge.template.tail import Bound
from tests.plan_kit import PlanKit, twin_of
from tests.tensorrt_twins import modules
from tests.tiny_networks import TAIL, M, Q, hash_file, ship_detector, ship_hash


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A hash network as training ships it: file and manifest; the manifest's path."""
    return ship_hash(tmp_path)


def alter(path: Path, change: Callable[[dict], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refusal(path: Path) -> str:
    with pytest.raises(NetworkError) as error:
        load_network(path)
    return str(error.value)


@pytest.fixture(params=["onnxruntime", "tensorrt: twin", "tensorrt: this machine's"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Path], Network]]:
    """Opens a network in each runtime: in TensorRT's twin by a plan built for it, and in a real TensorRT where there is one."""
    if request.param == "onnxruntime":
        yield partial(load_network, threads=2)
        return
    find = find_modules if "machine" in request.param else twin_of(modules())
    kit = PlanKit(tmp_path / "plans", find)
    try:
        kit.accelerator.board()
    except NoTensorRTError as error:
        pytest.skip(f"no TensorRT to run on here: {error}")
    yield kit.load
    kit.accelerator.close()


def test_a_described_network_loads_and_computes(shipped: Path, load: Callable[[Path], Network]) -> None:
    """What export wrote is read back, and a batch comes out by name."""
    network = load(shipped)
    assert network.manifest == read_manifest(shipped)
    assert network.manifest.code == CodeSize(m=M, q=Q)
    assert network.manifest.non_mated == TAIL
    assert network.manifest.facts == {"trained_on": "nothing", "accuracy": 0.5}
    computed = network.infer(np.full((3, 112, 112, 3), 10, np.uint8))
    assert {name: values.shape for name, values in computed.items()} == {"logits": (3, M * Q), "log_variance": (3, 1)}
    weights = np.random.default_rng(0).normal(size=(3, M * Q)).astype(np.float32)
    assert np.allclose(computed["logits"], 10 * weights.sum(axis=0), atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_a_batch_of_any_size_is_computed_crop_by_crop(shipped: Path, load: Callable[[Path], Network], count: int) -> None:
    """Also where a plan takes fewer at once, or other numbers; the arrays given out stay what they are."""
    network, crops = load(shipped), np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), np.uint8)
    computed = network.infer(crops)
    alone = [network.infer(crops[number : number + 1]) for number in range(count)]
    assert np.allclose(computed["logits"], np.concatenate([one["logits"] for one in alone]), atol=1e-3)
    before = computed["logits"].copy()
    network.infer(crops[::-1].copy())
    assert (computed["logits"] == before).all()


def test_inputs_may_be_named_and_outputs_chosen(shipped: Path, load: Callable[[Path], Network]) -> None:
    """A dictionary is the same as the one array; only what was asked for is computed."""
    network, crops = load(shipped), np.full((1, 112, 112, 3), 10, np.uint8)
    assert list(network.infer({"crops": crops}, ["log_variance"])) == ["log_variance"]
    assert (network.infer({"crops": crops})["logits"] == network.infer(crops)["logits"]).all()


def test_a_detector_takes_canvases_of_any_size(tmp_path: Path, load: Callable[[Path], Network]) -> None:
    """Free dimensions stay free in the manifest."""
    loaded = load(ship_detector(tmp_path))
    assert loaded.manifest.inputs[0].shape == (None, None, None, 3)
    assert loaded.manifest.preprocessing.alignment == "letterbox"
    assert loaded.manifest.golden.shape == (1, 64, 64, 3)
    assert loaded.infer(np.full((1, 96, 128, 3), 255, np.uint8))["scores"] == pytest.approx(np.ones((1, 12)))
    assert loaded.infer(np.full((1, 64, 32, 3), 255, np.uint8))["boxes"].shape == (1, 2, 4)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 112, 112, 3), np.float32),
        np.zeros((112, 112, 3), np.uint8),
        np.zeros((1, 96, 112, 3), np.uint8),
        np.zeros((0, 112, 112, 3), np.uint8),
        {"image": np.zeros((1, 112, 112, 3), np.uint8)},
        {},
    ],
)
def test_a_batch_of_another_kind_is_refused(shipped: Path, load: Callable[[Path], Network], batch: Any) -> None:
    """Type, shape, emptiness and names are held against the manifest."""
    with pytest.raises(ValueError, match="crops uint8"):
        load(shipped).infer(batch)


def test_an_unknown_output_is_refused(shipped: Path, load: Callable[[Path], Network]) -> None:
    """With the names there are."""
    with pytest.raises(ValueError, match="no output embedding; it has logits, log_variance"):
        load(shipped).infer(np.zeros((1, 112, 112, 3), np.uint8), ["embedding"])


def test_an_altered_network_stops_the_load(shipped: Path) -> None:
    """One flipped bit, a cut end, and nothing at all."""
    network = shipped.with_suffix(".onnx")
    sound = network.read_bytes()
    for broken in (sound[:-1] + bytes([sound[-1] ^ 1]), sound[:100], b""):
        network.write_bytes(broken)
        message = refusal(shipped)
        assert "SHA-256" in message
        assert "tiny.onnx" in message
        assert "restore" in message


def test_missing_files_are_named(shipped: Path, tmp_path: Path) -> None:
    """No network; no manifest; a folder in its place."""
    shipped.with_suffix(".onnx").unlink()
    assert "tiny.onnx" in refusal(shipped)
    assert "nowhere.json" in refusal(tmp_path / "nowhere.json")
    assert str(tmp_path) in refusal(tmp_path)


def test_a_file_that_is_no_network_stops_the_load(shipped: Path) -> None:
    """Even when its hash is right."""
    shipped.with_suffix(".onnx").write_bytes(b"not a network")
    alter(shipped, lambda facts: facts.update(sha256=hashlib.sha256(b"not a network").hexdigest()))
    assert "cannot open" in refusal(shipped)


def test_a_network_of_other_inputs_or_outputs_stops_the_load(shipped: Path, tmp_path: Path) -> None:
    """The session's names and shapes are believed, not the manifest's."""
    other = hash_file(tmp_path / "tiny.onnx", crops="faces")
    alter(shipped, lambda facts: facts.update(sha256=hashlib.sha256(other.read_bytes()).hexdigest()))
    message = refusal(shipped)
    assert "faces uint8 [free, 112, 112, 3]" in message
    assert "crops uint8 [free, 112, 112, 3]" in message


def test_another_network_of_the_same_shape_stops_the_load(shipped: Path, tmp_path: Path) -> None:
    """Golden vectors tell apart what names and shapes cannot."""
    other = hash_file(tmp_path / "tiny.onnx", seed=1)
    alter(shipped, lambda facts: facts.update(sha256=hashlib.sha256(other.read_bytes()).hexdigest()))
    assert "golden run: output 'logits' is off by" in refusal(shipped)


def test_golden_values_bear_rounding_but_not_error(shipped: Path) -> None:
    """Half the tolerance passes, twice the tolerance does not, and more values than the output has do not either."""
    stated = read_manifest(shipped).golden.outputs["logits"]

    def shift(share: float) -> Callable[[dict], object]:
        values = [value + share * stated.tolerance for value in stated.first]
        return lambda facts: facts["golden"]["outputs"]["logits"].update(first=values)

    alter(shipped, shift(0.5))
    load_network(shipped)
    alter(shipped, shift(2.0))
    assert "off by" in refusal(shipped)
    alter(shipped, lambda facts: facts["golden"]["outputs"]["logits"].update(first=[0.0] * 1000))
    assert "off by nan" in refusal(shipped)
    alter(shipped, lambda facts: facts["golden"].update(shape=[1, 96, 112, 3]))
    assert "golden run of its manifest is impossible" in refusal(shipped)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda facts: facts.update(format=3), "format"),
        (lambda facts: facts.update(colour="RGB"), "colour"),
        (lambda facts: facts.pop("sha256"), "sha256"),
        (lambda facts: facts.update(sha256="ab"), "sha256"),
        (lambda facts: facts.update(file="../tiny.onnx"), "file"),
        (lambda facts: facts.update(kind="detect"), "'code' belongs to kind 'hash'"),
        (lambda facts: facts.update(code=None), "'code' belongs to kind 'hash'"),
        (lambda facts: facts["code"].update(m=16), "not those of 'code'"),
        (lambda facts: facts.update(non_mated=None, code={"m": 16, "q": 4}), "'logits float32 [free, 32]' should be"),
        (lambda facts: facts["code"].update(m=9), "code.m"),
        (lambda facts: facts["non_mated"].update(scale=-1.0), "non_mated"),
        (lambda facts: facts["non_mated"].update(extra=1), "non_mated.extra"),
        (lambda facts: facts["preprocessing"].update(colour="RGB"), "preprocessing.colour"),
        (lambda facts: facts["preprocessing"].update(alignment="letterbox"), "alignment 'letterbox'"),
        (lambda facts: facts["inputs"][0].update(dtype="float32"), "'crops float32 [free, 112, 112, 3]' should be"),
        (lambda facts: facts["inputs"][0].update(shape=[None, 96, 112, 3]), "should be"),
        (lambda facts: facts["inputs"][0].update(shape=[None, "112", 112, 3]), "inputs.0.shape.1"),
        (lambda facts: facts["outputs"].pop(1), "'log_variance float32 [free, 1]' is missing"),
        (lambda facts: facts["outputs"].append(facts["outputs"][0]), "one name"),
        (lambda facts: facts.update(inputs=[]), "one input 'crops'"),
        (lambda facts: facts["golden"]["outputs"].pop("logits"), "cover every output"),
    ],
)
def test_a_wrong_manifest_stops_the_load(shipped: Path, change: Callable[[dict], object], told: str) -> None:
    """Each names the file, the key and the way out."""
    alter(shipped, change)
    message = refusal(shipped)
    assert str(shipped) in message
    assert told in message
    assert "export them again" in message


def test_a_manifest_of_format_1_is_read(shipped: Path) -> None:
    """People move from a network of an older release while they pass, so its manifest must be read."""
    bounds = tuple(Bound(dissimilarity, 0.001 * dissimilarity, 0.002 * dissimilarity) for dissimilarity in (4, 3))
    tail = replace(TAIL, people=20, bounds=bounds)
    write_manifest(read_manifest(shipped).model_copy(update={"non_mated": tail, "single": tail}), shipped)
    written = shipped.read_text()
    older = written.replace('"format": 2', '"format": 1').replace('"dissimilarity"', '"unequal"').replace('  "references": null,\n', "")
    assert older.count('"unequal"') == 4
    shipped.write_text(older)
    assert read_manifest(shipped).model_dump_json(indent=2) + "\n" == written


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"golden": NaN}'])
def test_a_file_that_is_no_manifest_stops_the_load(shipped: Path, content: bytes) -> None:
    """Empty, cut, another document, not text."""
    shipped.write_bytes(content)
    assert str(shipped) in refusal(shipped)


def test_a_huge_file_is_no_manifest(shipped: Path) -> None:
    """It is not even read."""
    shipped.write_bytes(b" " * (1 << 20) + b"{}")
    assert "larger than" in refusal(shipped)


def test_runtime_and_threads_are_checked(shipped: Path) -> None:
    """An unknown runtime is told with the known ones; no thread computes nothing."""
    with pytest.raises(NetworkError, match=r"abacus.*onnxruntime"):
        load_network(shipped, runtime="abacus")
    with pytest.raises(ValueError, match="0 threads"):
        load_network(shipped, threads=0)


def test_export_refuses_what_the_appliance_cannot_use(tmp_path: Path) -> None:
    """A hash network under another kind, code size or input name gets no manifest."""
    network = hash_file(tmp_path / "tiny.onnx")
    with pytest.raises(NetworkError, match=r"tiny\.onnx.*kind 'detect'"):
        describe(network, "detect", facts={})
    with pytest.raises(NetworkError, match=r"'logits float32 \[free, 32\]' should be 'logits float32 \[free, 64\]'"):
        describe(network, "hash", code=CodeSize(m=16, q=4), facts={})
    with pytest.raises(NetworkError, match="one input 'crops'"):
        describe(hash_file(tmp_path / "faces.onnx", crops="faces"), "hash", code=CodeSize(m=M, q=Q), facts={})
    with pytest.raises(NetworkError, match="takes no uint8 pictures"):
        describe(network, "hash", size=96, code=CodeSize(m=M, q=Q), facts={})
