"""Two networks side by side."""

import json
from pathlib import Path

import pytest

from calibration import speed
from edge.inference.make import describe
from edge.inference.manifest import write_manifest
from tests import tiny_int8
from tests.tiny_networks import detector_file


def test_a_network_takes_about_as_long_as_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_int8.network(tmp_path / "tiny.onnx")
    assert speed.main([str(path), str(path), "--rounds", "30"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["ms_first"] > 0
    assert 0.5 < facts["ratio"] < 2


def test_networks_of_two_kinds_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = detector_file(tmp_path / "seer.onnx")
    write_manifest(describe(file, "detect", facts={}, size=64), file.with_suffix(".json"))
    assert speed.main([str(tiny_int8.network(tmp_path / "tiny.onnx")), str(file.with_suffix(".json"))]) == 2
    assert "of kind 'hash', 'seer' of 'detect'" in " ".join(capsys.readouterr().err.split())
