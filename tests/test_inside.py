"""What Polygraphy says of the shipped INT8 networks, and what the report makes of it."""

from pathlib import Path

import pytest

from edge.errors import NetworkError
from evaluation import inside
from tests.shipped_int8 import MODELS, RECIPES

SAID = """[I] ==== ONNX Model ====
    Name: main_graph | ONNX Opset: 17

    ---- 1 Graph Input(s) ----
    {crops [dtype=uint8, shape=('batch', 112, 112, 3)]}

    ---- 2 Graph Output(s) ----
    {logits [dtype=float32, shape=('batch', 4096)],
     log_variance [dtype=float32, shape=('batch', 1)]}

    ---- 3 Initializer(s) ----
    {a.weight [dtype=float32, shape=(15, 64, 1, 1)]}

    ---- 3 Node(s) ----
    Node 0    | first [Op: QuantizeLinear]
        {x [dtype=float32, shape=(1,)]}
    Node 1    | second [Op: QuantizeLinear]
    Node 2    | [Op: Conv]
"""
POLYGRAPHY = inside.program()


def test_nodes_are_counted_and_ports_named() -> None:
    assert inside.understood(SAID) == {
        "nodes": {"QuantizeLinear": 2, "Conv": 1},
        "inputs": ["crops uint8 ('batch', 112, 112, 3)"],
        "outputs": ["logits float32 ('batch', 4096)", "log_variance float32 ('batch', 1)"],
    }


def test_without_polygraphy_the_report_says_what_is_missing() -> None:
    assert ".venv/bin/pip install -e '.[inspect]'" in str(inside.table(None).caption)


@pytest.mark.skipif(POLYGRAPHY is None, reason=inside.MISSING)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_network_has_a_pair_for_each_quantised_tensor_and_float_outputs(recipe: Path) -> None:
    found = inside.inspected(MODELS, recipe.stem)
    assert found is not None
    assert found["nodes"]["QuantizeLinear"] == found["nodes"]["DequantizeLinear"] > 10
    assert all(" float32 " in port for port in found["outputs"])
    assert [port.split()[1] for port in found["inputs"]] == ["uint8"]
    assert inside.table(found).row_count == len(found["nodes"])


@pytest.mark.skipif(POLYGRAPHY is None, reason=inside.MISSING)
def test_what_polygraphy_cannot_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no network")
    with pytest.raises(NetworkError, match=r"no\.onnx: polygraphy cannot read it"):
        inside.seen(tmp_path / "no.onnx", str(POLYGRAPHY))
