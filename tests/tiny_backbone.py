"""Pre-built face networks and a packed set, as small as can be: for the tests of training on a backbone that is not ours."""

import json
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 24
HELD_OUT, LEARNT = 75, 40  # people


def network(path: Path, layout: str, side: int = 32, fixed_batch: bool = False) -> Path:
    """Average colours of 4 x 4 fields -> 24 numbers, operator set 11, as old exports are; batch of 1 in its input, where there is a Reshape
    to that batch only with ``fixed_batch``. The tensor "fields" is inside."""
    random = np.random.default_rng(3)
    shape = [1, 3, side, side] if layout == "NCHW" else [1, side, side, 3]
    planes = "given" if layout == "NCHW" else "planes"
    nodes = [helper.make_node("Transpose", ["given"], ["planes"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []
    nodes.append(helper.make_node("AveragePool", [planes], ["pool"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2))
    flatten = (
        helper.make_node("Reshape", ["pool", "flat"], ["fields"]) if fixed_batch else helper.make_node("Flatten", ["pool"], ["fields"])
    )
    nodes += [flatten, helper.make_node("MatMul", ["fields", "w"], ["face"])]
    weights = {"w": random.standard_normal((48, WIDTH)).astype(np.float32), **({"flat": np.array([1, -1])} if fixed_batch else {})}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, [1, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
    return path


def describe(path: Path, layout: str, colour: str, side: int = 32, **more: object) -> Path:
    """The description beside a network."""
    told = {"layout": layout, "colour": colour, "size": [side, side], "mean": [100, 120, 140], "scale": [50, 60, 70], **more}
    path.with_suffix(".json").write_text(json.dumps(told))
    return path


def names(held_out: bool, count: int) -> list[str]:
    """So many names of people who are held out, or are not."""
    every = (f"p{number}" for number in range(10_000))
    return [name for name in every if (zlib.crc32(name.encode()) % 16 == 0) == held_out][:count]


def packed(folder: Path) -> Path:
    """Two crops each of 75 people held out and 40 not, whose fields have colours of their own, and three of nobody."""
    folder.mkdir()
    random = np.random.default_rng(4)
    crops, rows = [], []
    for identity, name in enumerate([*names(True, HELD_OUT), *names(False, LEARNT)]):
        fields = random.integers(20, 236, (4, 4, 3))
        for picture in range(2):
            noisy = fields + random.integers(-15, 16, fields.shape)
            crops.append(noisy.repeat(30, 0).repeat(30, 1).astype(np.uint8))
            rows.append({"name": f"{name}/{picture}.png", "source": "tiny", "identity": identity})
    for number in range(3):
        crops.append(random.integers(0, 256, (120, 120, 3), np.uint8))
        rows.append({"name": f"{number}.png", "source": "tiny", "identity": -1})
    np.save(folder / "crops.npy", np.stack(crops))
    (folder / "index.json").write_text(json.dumps(rows))
    return folder
