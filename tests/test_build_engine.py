"""The builder's parts: releases of TensorRT, graphs, boards, room, proof. Releases are twins of what NVIDIA's own bindings offer."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from build_engine.boards import FOLDER, allowed, profile_of, read_profiles
from build_engine.builder import Order, build
from build_engine.errors import BuildError, RefusedError
from build_engine.graph import cast_first, halved, is_quantised, read_model
from build_engine.prove import GATES, failures, gate, measures, samples
from build_engine.release import PRECISIONS, Release
from build_engine.resources import check_room, free_memory
from edge.inference import load_network
from edge.inference.manifest import read_manifest
from edge.inference.plan import Board, Options
from tests import shipped_int8
from tests.tensorrt_twins import RELEASES, UINT8_REFUSED, Script, modules
from tests.tiny_networks import ship_detector, ship_hash

ROOT = Path(__file__).parent.parent
SHAPES = ((1, 112, 112, 3), (1, 112, 112, 3), (4, 112, 112, 3))
WEAK, STRONG = "8.6.0", "10.3.0"


def twin(release: str, **script: Any) -> Any:
    return modules(Script(release=release, **script)).trt


def quantised(step: float = 0.02) -> onnx.ModelProto:
    """The tiny hash network with Q/DQ at a weight and at what it is multiplied with; step: of the weights, 0.02 loses next to nothing."""
    nodes = [
        helper.make_node("Transpose", ["crops"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["real"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["colour"]),
        helper.make_node("QuantizeLinear", ["colour", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        helper.make_node("QuantizeLinear", ["w", "ws", "z"], ["wq"]),
        helper.make_node("DequantizeLinear", ["wq", "ws", "z"], ["wdq"]),
        helper.make_node("MatMul", ["dq", "wdq"], ["logits"]),
        helper.make_node("MatMul", ["colour", "v"], ["log_variance"]),
    ]
    random = np.random.default_rng(0)
    weights = {"w": random.normal(size=(3, 32)), "v": random.normal(size=(3, 1)), "s": np.array(2.0), "ws": np.array(step)}
    graph = helper.make_graph(
        nodes,
        "q",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["B", 112, 112, 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 32]),
            helper.make_tensor_value_info("log_variance", TensorProto.FLOAT, ["B", 1]),
        ],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
        + [numpy_helper.from_array(np.array(0, np.int8), "z")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def graph_of(precision: str, release: Release, folder: Path) -> bytes:
    model = quantised() if precision in ("int8", "mixed") else read_model(ship_hash(folder).with_suffix(".onnx").read_bytes(), "tiny")
    model = cast_first(model)
    return (halved(model) if release.halves_graph(precision) else model).SerializeToString()


def order(precision: str, **more: Any) -> Order:
    return Order(precision=precision, shapes=SHAPES, workspace=64, optimisation_level=3, **more)


def ignore(phase: str, done: int, steps: int) -> bool:
    return True


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("release", RELEASES)
def test_every_precision_is_built_by_every_release_in_its_own_way(tmp_path: Path, release: str, precision: str) -> None:
    """Flags where there are flags, float16 in the graph where types are strong; no name is called that the release lacks."""
    trt = twin(release)
    built = build(trt, graph_of(precision, Release(trt), tmp_path), order(precision), ignore)
    assert trt.asked == [precision]
    assert built.cache == f"cache of {release}".encode()


@pytest.mark.parametrize(
    ("release", "strong", "flags"),
    [("8.6.0", False, ["INT8", "FP16"]), ("10.3.0", True, []), ("10.16.1", True, []), ("11.4.0", True, [])],
)
def test_what_differs_stands_in_one_place(release: str, strong: bool, flags: list[str]) -> None:
    known = Release(twin(release))
    assert known.strong is strong
    assert [flag.name for flag in known.precision_flags("mixed")] == flags
    assert known.halves_graph("fp16") is strong
    assert not known.halves_graph("int8")


def test_only_one_file_asks_for_the_release() -> None:
    asking = ("BuilderFlag.INT8", "BuilderFlag.FP16", "STRONGLY_TYPED", "EXPLICIT_BATCH", "IProgressMonitor", "flag.INT8")
    found = {path.name for path in (ROOT / "build_engine").glob("*.py") if any(word in path.read_text() for word in asking)}
    assert found == {"release.py"}


def test_the_uint8_input_must_feed_a_cast_and_does(tmp_path: Path) -> None:
    """Both shipped networks transpose first; as exported the parser refuses them, rewritten they compute the same."""
    raw = (ROOT / "models" / "drh.onnx").read_bytes()
    with pytest.raises(BuildError, match="does not parse the graph") as refused:
        build(twin(STRONG), raw, order("fp32"), ignore)
    assert UINT8_REFUSED in str(refused.value)
    for name, shape in (("drh", (2, 112, 112, 3)), ("detector", (1, 96, 128, 3))):
        raw = (ROOT / "models" / f"{name}.onnx").read_bytes()
        picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        before, after = (run(graph, picture) for graph in (raw, cast_first(read_model(raw, name)).SerializeToString()))
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def run(graph: bytes, picture: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: picture})


def test_a_uint8_input_that_feeds_something_else_is_refused_by_node(tmp_path: Path) -> None:
    model = read_model(ship_detector(tmp_path).with_suffix(".onnx").read_bytes(), "eyes")
    model.graph.node[0].op_type = "Identity"
    del model.graph.node[0].attribute[:]
    with pytest.raises(BuildError, match=r"\(Identity\) takes the uint8 input 'image'"):
        cast_first(model)


@pytest.mark.parametrize(("name", "shape"), [("drh", (2, 112, 112, 3)), ("detector", (1, 96, 128, 3))])
def test_a_halved_network_is_half_as_large_and_says_nearly_the_same(name: str, shape: tuple[int, ...]) -> None:
    """Inputs and outputs keep their types; what squares or normalises stays in float32."""
    raw = (ROOT / "models" / f"{name}.onnx").read_bytes()
    half = halved(cast_first(read_model(raw, name)))
    assert len(half.SerializeToString()) < 0.6 * len(raw)
    assert {weight.data_type for weight in half.graph.initializer} >= {TensorProto.FLOAT16}
    assert [port.type.tensor_type.elem_type for port in half.graph.output] == [TensorProto.FLOAT] * len(half.graph.output)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for a, b in zip(run(raw, picture), run(half.SerializeToString(), picture), strict=True):
        assert np.abs(a - b).max() < 0.05 * a.std()


def test_a_halved_quantised_network_keeps_its_integers(tmp_path: Path) -> None:
    """Weights are quantised from float32 as before; only what stands between is half."""
    full = quantised()
    half = halved(cast_first(full))
    assert is_quantised(half)
    picture = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    for a, b in zip(run(full.SerializeToString(), picture), run(half.SerializeToString(), picture), strict=True):
        assert np.abs(a - b).max() < 0.01 * np.abs(a).max()


def test_a_builder_that_gives_nothing_is_told(tmp_path: Path) -> None:
    trt = twin(STRONG, refuse=["fp32"])
    with pytest.raises(BuildError, match=r"TensorRT 10\.3\.0 built no plan in fp32"):
        build(trt, graph_of("fp32", Release(trt), tmp_path), order("fp32"), ignore)


@pytest.mark.parametrize(("kept", "noted"), [(b"cache of 10.3.0", False), (b"cache of 8.6.0", True), (b"broken", True)])
def test_a_timing_cache_is_kept_and_one_of_another_release_begun_anew(tmp_path: Path, kept: bytes, noted: bool) -> None:
    trt, notes = twin(STRONG), []
    built = build(trt, graph_of("fp32", Release(trt), tmp_path), order("fp32", cache=kept), ignore, notes.append)
    assert built.cache == b"cache of 10.3.0"
    assert bool(notes) is noted


def test_progress_comes_step_by_step_where_the_release_tells_it(tmp_path: Path) -> None:
    """Of the outermost phase, which is what the time left follows from."""
    for release, steps in ((WEAK, []), (STRONG, [("Building Engine", n, 4) for n in (1, 2, 3, 4)])):
        seen: list[tuple[str, int, int]] = []
        trt = twin(release)
        build(trt, graph_of("fp32", Release(trt), tmp_path), order("fp32"), lambda *step, seen=seen: seen.append(step) or True)
        assert seen == steps


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_told_workspace_level_and_shapes_and_gives_its_timing_cache(tmp_path: Path, release: str) -> None:
    trt = twin(release)
    built = build(trt, graph_of("fp32", Release(trt), tmp_path), order("fp32", cache=f"cache of {release}".encode()), ignore)
    (config,), (profile,) = trt.configs, trt.profiles
    assert config.pools == {"WORKSPACE": 64 << 20}
    assert config.builder_optimization_level == 3
    assert profile.shapes == {"crops": SHAPES}, "any number of crops from one to four"
    assert config.default_device_type is None
    assert "GPU_FALLBACK" not in config.flags
    assert built.cache == f"cache of {release}".encode()


@pytest.mark.parametrize("release", RELEASES)
def test_dla_is_used_where_there_is_one_and_what_it_cannot_do_stays_on_the_gpu(tmp_path: Path, release: str) -> None:
    trt = twin(release, dla=2)
    build(trt, graph_of("fp16", Release(trt), tmp_path), order("fp16", dla=True), ignore)
    (config,) = trt.configs
    assert (config.default_device_type.name, config.DLA_core) == ("DLA", 0)
    assert "GPU_FALLBACK" in config.flags
    with pytest.raises(BuildError, match="no deep learning accelerator"):
        build(twin(release), graph_of("fp16", Release(trt), tmp_path), order("fp16", dla=True), ignore)


def board(sm: str, gpu: str = "a GPU") -> Board:
    return Board(tensorrt="10.3.0", cuda="12.6", gpu=gpu, sm=sm, power_mode="unknown")


@pytest.mark.parametrize(
    ("sm", "name"), [("5.3", "nano"), ("6.2", "nano"), ("7.2", "xavier"), ("8.7", "orin"), ("11.0", "thor"), ("8.9", "pc"), ("9.0", "pc")]
)
def test_a_board_is_known_by_its_compute_capability(sm: str, name: str) -> None:
    assert profile_of(board(sm), read_profiles())[0] == name


def test_every_board_has_its_file_and_every_line_its_reason() -> None:
    assert sorted(read_profiles()) == ["nano", "orin", "pc", "pi", "thor", "xavier"]
    for path in FOLDER.glob("*.toml"):
        assert [line for line in path.read_text().splitlines() if "=" in line and "#" not in line] == []


@pytest.mark.parametrize("precision", ["int8", "mixed"])
def test_nano_and_tx2_are_refused_int8_by_name(precision: str) -> None:
    profile = read_profiles()["nano"]
    with pytest.raises(RefusedError, match=rf"Jetson Nano or TX2: {precision} is refused: FP16 only"):
        allowed(profile, (precision,))
    assert allowed(profile, ()) == ("fp16",)


def test_a_precision_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(RefusedError, match="'int4' is not known; choose from fp32, fp16, int8, mixed"):
        allowed(read_profiles()["orin"], ("int4",))


def test_a_profile_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text("name = 1\n")
    with pytest.raises(RefusedError, match=r"odd\.toml"):
        read_profiles(tmp_path)


def meminfo(folder: Path, available: int) -> Path:
    path = folder / "meminfo"
    path.write_text(f"MemTotal: 8000000 kB\nMemAvailable: {available * 1024} kB\nSwapFree: 0 kB\n")
    return path


def test_a_build_that_would_run_out_is_refused_with_numbers(tmp_path: Path) -> None:
    profile = read_profiles()["orin"]
    with pytest.raises(RefusedError, match="900 MiB of memory are free, a build needs 1024"):
        check_room(profile, tmp_path, meminfo(tmp_path, 900))
    check_room(profile, tmp_path, meminfo(tmp_path, 1100))
    huge = profile.model_copy(update={"free_disk": 1 << 40})
    with pytest.raises(RefusedError, match=r"MiB of disk are free, a build needs 1099511627776"):
        check_room(huge, tmp_path, meminfo(tmp_path, 1100))
    assert free_memory(tmp_path / "none") is None


def test_symbols_are_counted_and_boxes_measured_where_faces_are(tmp_path: Path) -> None:
    hasher, detector = read_manifest(ship_hash(tmp_path)), read_manifest(ship_detector(tmp_path))
    logits, variance = np.random.default_rng(0).normal(size=(4, 32)).astype(np.float32), np.zeros((4, 1), np.float32)
    other = logits.copy()
    other[0, :4] = -logits[0, :4]
    measured = measures(hasher, {"logits": logits, "log_variance": variance}, {"logits": other, "log_variance": variance - 0.5})
    assert measured == {"symbols_least": 31 / 32, "log_variance_most": 0.5}
    seen = np.array([[0.9, 0.1, 0.1]], np.float32)
    boxes = np.zeros((1, 3, 4), np.float32)
    off = boxes.copy()
    off[0, 1] = 100.0
    same = {"scores": seen, "boxes": boxes, "landmarks": np.zeros((1, 3, 10), np.float32)}
    assert measures(detector, same, same | {"boxes": off})["boxes_most"] == 0.0, "where there is no face its box does not count"
    assert measures(detector, same, same | {"boxes": off[:, ::-1] + off[:, [1, 0, 2]]})["boxes_most"] == 100.0


def test_outputs_that_are_no_numbers_never_pass(tmp_path: Path) -> None:
    hasher = read_manifest(ship_hash(tmp_path))
    bad = {"logits": np.full((1, 32), np.nan, np.float32)}
    measured = measures(hasher, {"logits": np.zeros((1, 32), np.float32)}, bad)
    assert failures(GATES["hash"], measured)[0] == "symbols agree to 0.0000, at least 0.95 is asked"
    assert len(failures(GATES["hash"], measured)) == 2


def test_the_gate_is_what_is_asked_and_not_less() -> None:
    assert failures({"symbols_least": 0.95, "boxes_most": 0.1}, {"symbols_least": 0.95, "boxes_most": 0.1}) == []
    assert len(failures({"symbols_least": 0.95, "boxes_most": 0.1}, {"symbols_least": 0.949, "boxes_most": float("nan")})) == 2


def test_the_shipped_int8_detector_passes_the_gate_of_its_precision_and_of_no_other(tmp_path: Path) -> None:
    """In onnxruntime, on the pictures that a board without samples takes: scores move too much for float, boxes and landmarks do not."""
    (recipe,) = [path for path in shipped_int8.RECIPES if path.stem == "detector"]
    quantised_form = load_network(shipped_int8.tensorrt_form(recipe, tmp_path).with_suffix(".json"))
    detector = load_network(recipe.with_suffix(".json"))
    pictures = samples(detector.manifest, Options(batch=1, side=320, workspace=64), None)
    ours, theirs = ([network.infer(picture[None]) for picture in pictures] for network in (detector, quantised_form))
    joined = [{name: np.concatenate([one[name] for one in outputs]) for name in outputs[0]} for outputs in (ours, theirs)]
    measured = measures(detector.manifest, *joined)
    assert failures(gate("detect", "int8"), measured) == failures(gate("detect", "mixed-dla"), measured) == []
    assert [reason.split()[0] for reason in failures(gate("detect", "fp16"), measured)] == ["scores"]


def test_codes_are_held_to_the_same_bar_in_every_precision() -> None:
    assert gate("hash", "int8") == gate("hash", "fp16") == GATES["hash"]


def test_proof_is_on_the_pictures_given_or_on_made_up_ones(tmp_path: Path) -> None:
    import cv2

    manifest, options = read_manifest(ship_hash(tmp_path)), Options(batch=4, side=128, workspace=64)
    made = samples(manifest, options, None)
    assert made.shape == (32, 112, 112, 3)
    assert made.std() > 10
    assert np.array_equal(made, samples(manifest, options, None))
    with pytest.raises(BuildError, match="no pictures"):
        samples(manifest, options, tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((120, 120, 3), 9, np.uint8))
    assert (samples(manifest, options, tmp_path) == 9).all()
