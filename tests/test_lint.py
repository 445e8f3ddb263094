"""The linter of Q/DQ networks against a table of planted faults (tests/planted.py)."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from build_engine.lint import lint, lint_file, main
from edge.errors import NetworkError
from edge.inference.make import describe
from edge.inference.manifest import CodeSize, write_manifest
from edge.inference.onnx_runtime import open_session
from edge.template.hashing import hash_logits
from tests.planted import PLANTED
from tests.tiny_int8 import M, Q, crops, tensorrt_form


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    return tensorrt_form(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def shipped(sound: onnx.ModelProto, tmp_path: Path) -> Path:
    """The sound network with its manifest; the network's path."""
    path = tmp_path / "tiny_int8.onnx"
    path.write_bytes(sound.SerializeToString())
    write_manifest(describe(path, "hash", facts={}, code=CodeSize(m=M, q=Q)), path.with_suffix(".json"))
    return path


def spoilt(sound: onnx.ModelProto, fault: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(sound)
    PLANTED[fault].plant(model)
    return model


def symbols(model: onnx.ModelProto) -> np.ndarray:
    session = open_session(model.SerializeToString(), 1, "planted")
    return hash_logits(session.run(["logits"], {"crops": crops(64, 5)})[0], Q)


def test_a_sound_network_has_no_fault(sound: onnx.ModelProto) -> None:
    assert lint(sound) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_every_planted_fault_is_found_and_told_with_its_node_and_a_remedy(sound: onnx.ModelProto, fault: str) -> None:
    model = spoilt(sound, fault)
    found = [each for each in lint(model) if each.rule == PLANTED[fault].rule]
    assert found, f"not found; found were {lint(model)}"
    known = {node.name for node in model.graph.node} | {tensor.name for tensor in model.graph.initializer} | {"the file"}
    assert all(each.node in known and each.what and each.remedy for each in found)


@pytest.mark.parametrize("fault", [fault for fault, planted in PLANTED.items() if planted.harm == "symbols"])
def test_a_fault_that_is_said_to_change_symbols_does(sound: onnx.ModelProto, fault: str) -> None:
    true = symbols(sound)
    assert (symbols(spoilt(sound, fault)) == true).mean() < 0.999


@pytest.mark.parametrize("fault", [fault for fault, planted in PLANTED.items() if planted.harm == "unreadable"])
def test_a_fault_that_is_said_to_be_unreadable_is(sound: onnx.ModelProto, fault: str) -> None:
    with pytest.raises(NetworkError):
        symbols(spoilt(sound, fault))


def test_there_are_at_least_fifteen_faults_of_at_least_twelve_kinds() -> None:
    assert len(PLANTED) >= 15
    assert len({planted.rule for planted in PLANTED.values()}) >= 12


def test_the_command_says_that_a_shipped_network_is_sound(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(shipped)]) == 0
    assert "no fault found" in capsys.readouterr().out


def test_the_command_tells_faults_as_json(sound: onnx.ModelProto, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped.write_bytes(spoilt(sound, "scale 0").SerializeToString())
    assert main([str(shipped), "--json"]) == NetworkError.exit_code
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert {fault["rule"] for fault in faults} == {"manifest", "scale-value"}


def alter(manifest: Path, **changes: object) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.with_suffix(".json").unlink(), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\x22\x00"), "SHA-256"),
        (lambda path: alter(path.with_suffix(".json"), file="other.onnx"), "is of other.onnx"),
    ],
    ids=["no manifest", "another file", "a manifest of another network"],
)
def test_a_network_without_its_own_manifest_is_a_fault(shipped: Path, spoil: object, said: str) -> None:
    spoil(shipped)  # type: ignore[operator]
    assert [fault.what for fault in lint_file(shipped) if fault.rule == "manifest" and said in fault.what]


def test_outputs_of_another_name_than_the_manifests_are_a_fault(sound: onnx.ModelProto, shipped: Path) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(sound)
    model.graph.output[1].name = next(node for node in model.graph.node if node.name == "uncertain").output[0] = "var_31"
    shipped.write_bytes(model.SerializeToString())
    import hashlib

    alter(shipped.with_suffix(".json"), sha256=hashlib.sha256(shipped.read_bytes()).hexdigest())
    assert any("var_31" in fault.what for fault in lint_file(shipped) if fault.rule == "manifest")


def test_weights_in_another_file_are_a_fault(sound: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(sound, str(tmp_path / "outside.onnx"), save_as_external_data=True, size_threshold=0, location="weights")
    outside = onnx.load(str(tmp_path / "outside.onnx"), load_external_data=False)
    assert {fault.rule for fault in lint(outside)} >= {"external"}


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x08"])
def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    assert main([str(path)]) == NetworkError.exit_code
    assert "broken.onnx: is no sound ONNX network" in capsys.readouterr().err
