"""Tiny sets: a face is a white square of 8 x 8 on one colour; whoever has the colour is the person."""

import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.assembly import build
from edge.camera.folder import natural_key
from edge.errors import SourceError
from edge.inference import write_manifest
from edge.inference.make import describe
from edge.inference.manifest import CodeSize
from edge.records import CROP_SIZE, Face, Frame
from edge.settings import Settings, load_settings
from edge.template.tail import NonMatedTail
from evaluation import detection, folders, latency, lfw, pictures

M, Q, SIDE = 64, 4, 96
PART, COLOURS = CROP_SIZE // 4, 3 * 16
MARK = 5  # the cell of the detector in which the white square lies: its middle is pixel 44
POINTS = np.array([(-1.5, -1.5), (1.5, -1.5), (0, 0), (-1.2, 1.5), (1.2, 1.5)], np.float32)  # from the middle, in cells of 8 pixels
REACH = 5  # cells from the middle to each side of the box
PEOPLE = {"Ada": (150, 20, 20), "Bo": (20, 150, 20), "Cy": (20, 20, 150), "Di": (130, 130, 10), "Ed": (130, 10, 130), "Flo": (10, 130, 130)}
TOLERANT = f"""
network.models = "MODELS"
detect.long_side = {SIDE}
decision.margin = 1
quality = {{ min_eye_distance = 1, min_box_side = 1, max_outside = 1, min_sharpness = 0, min_brightness = 0, max_brightness = 255 }}
"""


def save(path: Path, nodes: list, inputs: list, outputs: list, weights: Mapping[str, np.ndarray]) -> Path:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [numpy_helper.from_array(array, name) for name, array in weights.items()])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())
    return path


def real(**shapes: list) -> list:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def detector_file(path: Path) -> Path:
    """Scores every cell by how much brighter than half white it is, and sees the same face in each."""
    node = helper.make_node
    nodes = [node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT), node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2])]
    for stride in (8, 16, 32):
        nodes.append(node("AveragePool", ["planes"], [f"mean{stride}"], kernel_shape=[stride, stride], strides=[stride, stride]))
        nodes.append(node("Reshape", [f"mean{stride}", "flat"], [f"cells{stride}"]))
    nodes += [
        node("Concat", ["cells8", "cells16", "cells32"], ["cells"], axis=2),
        node("Transpose", ["cells"], ["rows"], perm=[0, 2, 1]),
        node("MatMul", ["rows", "bright"], ["sum"]),
        node("Squeeze", ["sum", "last"], ["sums"]),
        node("Add", ["sums", "less"], ["over"]),
        node("Clip", ["over", "zero", "one"], ["scores"]),
    ]
    weights = {"flat": np.array([0, 3, -1]), "last": np.array([2]), "bright": np.full((3, 1), 2 / 765, np.float32)}
    weights |= {name: np.array(value, np.float32) for name, value in (("less", -1), ("zero", 0), ("one", 1))}
    for name, values in (("boxes", np.full(4, REACH)), ("landmarks", POINTS.ravel())):
        nodes += [node("MatMul", ["rows", f"{name}0"], [f"{name}1"]), node("Add", [f"{name}1", f"{name}2"], [name])]
        weights |= {f"{name}0": np.zeros((3, len(values)), np.float32), f"{name}2": values.astype(np.float32)}
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", "H", "W", 3])
    return save(path, nodes, [image], real(scores=["B", "N"], boxes=["B", "N", 4], landmarks=["B", "N", 10]), weights)


def hash_file(path: Path) -> Path:
    """Mean colours of sixteen parts -> logits, which depend on their direction only, and an embedding of length 1."""
    random, node = np.random.default_rng(5), helper.make_node
    nodes = [
        node("Cast", ["crops"], ["numbers"], to=TensorProto.FLOAT),
        node("Transpose", ["numbers"], ["planes"], perm=[0, 3, 1, 2]),
        node("AveragePool", ["planes"], ["parts"], kernel_shape=[PART, PART], strides=[PART, PART]),
        node("Flatten", ["parts"], ["colour"]),
        node("MatMul", ["colour", "w"], ["logits"]),
        node("MatMul", ["colour", "v"], ["log_variance"]),
        node("LpNormalization", ["colour"], ["embedding"], axis=1, p=2),
    ]
    weights = {"w": random.normal(size=(COLOURS, M * Q)).astype(np.float32), "v": np.zeros((COLOURS, 1), np.float32)}
    crops = helper.make_tensor_value_info("crops", TensorProto.UINT8, ["B", CROP_SIZE, CROP_SIZE, 3])
    return save(path, nodes, [crops], real(logits=["B", M * Q], log_variance=["B", 1], embedding=["B", COLOURS]), weights)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings that name the tiny networks and refuse no sample."""
    folder = tmp_path_factory.mktemp("models")
    write_manifest(describe(detector_file(folder / "detector.onnx"), "detect", size=SIDE, facts={}), folder / "detector.json")
    tail = NonMatedTail(m=M, pairs=100_000, tail_at=7.5, tail_share=0.01, shape=0.0, scale=1.0)
    manifest = describe(hash_file(folder / "drh.onnx"), "hash", code=CodeSize(m=M, q=Q), non_mated=tail, references=tail, facts={})
    write_manifest(manifest, folder / "drh.json")
    (folder / "config.toml").write_text(TOLERANT.replace("MODELS", str(folder)))
    return folder / "config.toml"


def face(colour: tuple[int, int, int], light: float = 1.0, marks: tuple[tuple[int, int], ...] = ((MARK, MARK),)) -> np.ndarray:
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    image[:] = (np.array(colour) * light).astype(np.uint8)
    for column, row in marks:
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return image


def patchwork(seed: int, light: float = 1.0) -> np.ndarray:
    """The face of somebody who is told from many others: every cell of another colour."""
    cells = np.random.default_rng(seed).choice((5, 150), (SIDE // 8, SIDE // 8, 3)) * light
    image = np.kron(cells, np.ones((8, 8, 1))).astype(np.uint8)
    image[8 * MARK : 8 * MARK + 8, 8 * MARK : 8 * MARK + 8] = 255
    return image


def put(tree: Path, name: str, image: np.ndarray) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def people(tree: Path, names: tuple[str, ...] = tuple(PEOPLE), pictures: int = 3) -> Path:
    """Each person in so many pictures, in less and less light."""
    for name in names:
        for number in range(1, pictures + 1):
            put(tree, f"{name}/{name}_{number:04d}.png", face(PEOPLE[name], 1 - 0.1 * number))
    return tree


def zipped(tree: Path, above: str = "") -> Path:
    path = tree.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(tree.rglob("*")):
            archive.write(file, above + file.relative_to(tree).as_posix())
    return path


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line of output."""
    facts: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return facts


def test_a_folder_and_a_zip_file_hold_the_same_pictures(tmp_path: Path) -> None:
    """Folders above the person's do not count, nor do hidden files, other files and what lies beside the people."""
    tree = people(tmp_path / "set", ("Ada", "Bo"), 10)
    (tree / "Ada" / "notes.txt").write_text("no picture")
    (tree / "Bo" / ".hidden.png").write_bytes(b"")
    archive = pictures.Tree(zipped(tree, above="release/pictures/"))
    put(tree, "stray.png", face((1, 2, 3)))
    folder = pictures.Tree(tree)
    assert folder.people() == {name: [f"{name}/{name}_{number:04d}.png" for number in range(1, 11)] for name in ("Ada", "Bo")}
    assert archive.people() == folder.people()
    assert np.array_equal(folder.read("Bo/Bo_0002.png"), archive.read("Bo/Bo_0002.png"))


def test_trees_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    """No picture, no zip file, one name twice, a picture that is not there, a damaged one."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("text")
    twice = people(tmp_path / "twice" / "a", ("Ada",)).parent
    people(twice / "b", ("Ada",))
    cases = {tmp_path / "empty": "no picture", tmp_path / "text.zip": "zip file", twice: "twice", tmp_path / "nowhere": "no picture"}
    for path, reason in cases.items():
        with pytest.raises(SourceError, match=reason):
            pictures.Tree(path)
    archive = zipped(people(tmp_path / "damaged", ("Ada",)))
    raw = bytearray(archive.read_bytes())
    raw[60:80] = bytes(20)
    archive.write_bytes(raw)
    for key, reason in (("Ada/Ada_0001.png", "read|damaged|known kind"), ("Ada/Ada_0009.png", "no such picture")):
        with pytest.raises(SourceError, match=reason):
            pictures.Tree(archive).read(key)


def box(x: float, y: float, side: float, score: float = 0.9) -> Face:
    return Face(np.array([x, y, x + side, y + side], np.float32), np.zeros((5, 2), np.float32), score)


def test_the_central_face_holds_the_middle() -> None:
    """Of those that do it is the best one, not the one centred best; else the nearest; of none there is none."""
    image = np.zeros((100, 100, 3), np.uint8)
    large, small, left, corner = box(20, 10, 60), box(45, 45, 10, 0.6), box(5, 40, 20), box(0, 0, 10)
    assert pictures.central([corner, large, small], image) is large
    assert pictures.central([corner, left], image) is left
    assert pictures.central([], image) is None


trees = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 5), min_size=1, max_size=12).map(
    lambda sizes: {name: [f"{name}/{number}.png" for number in range(size)] for name, size in sizes.items()}
)


@given(trees, st.integers(1, 3), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_draw_parts_the_people(tree: dict[str, list[str]], enrol: int, share: float, seed: int) -> None:
    """Everybody is enrolled or a stranger, of whom there is a share at least; K pictures are enrolled, every other one is a probe."""
    split = folders.draw(tree, None, enrol, share, seed)
    assert split == folders.draw(tree, None, enrol, share, seed)
    strangers = {name for name, _ in split.strangers}
    assert strangers | set(split.enrolled) == set(tree)
    assert not strangers & set(split.enrolled)
    assert len(strangers) >= round(share * len(tree))
    assert all(len(keys) == enrol for keys in split.enrolled.values())
    used = [key for keys in split.enrolled.values() for key in keys] + [key for _, key in (*split.mated, *split.strangers)]
    assert sorted(used, key=natural_key) == sorted((key for keys in tree.values() for key in keys), key=natural_key)


@given(trees, trees)
def test_strangers_of_another_tree_are_not_those_of_the_first(tree: dict[str, list[str]], others: dict[str, list[str]]) -> None:
    """Whoever is in both is no stranger, and of the first tree nobody is."""
    split = folders.draw(tree, others, 1, 0.5, 0)
    assert {name for name, _ in split.strangers} == set(others) - set(tree)
    assert set(split.enrolled) == {name for name, keys in tree.items() if len(keys) > 1}


def test_people_of_a_folder_are_identified_and_strangers_are_not(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of six are enrolled from one picture each; their other pictures lead to them, those of the others to nobody."""
    assert folders.main([str(people(tmp_path / "set")), "--config", str(config)]) == 0
    facts = said(capsys)
    assert facts["people"] == {"enrolled": 3, "not_enrolled": 0, "strangers": 3}
    assert (facts["mated_searches"], facts["mated_acquired"], facts["strangers_acquired"]) == (6, 6, 9)
    assert (facts["fnir"], facts["dir"], facts["measured_fpir"], facts["named_wrongly"]) == (0, 1, 0, 0)
    assert facts["rank"]["1"] == 1
    assert facts["measured_fpir_interval"][0] == 0 < facts["measured_fpir_interval"][1] < 0.4
    assert facts["threshold"] == 4  # 0.01 exp(4 - 7.5 + 0.5) is 0.0005, within 0.003 / 3; at 5 it is 0.00135
    assert {"detect", "align", "quality", "hash", "search"} <= set(facts["stage_ms"])


def test_a_stricter_operating_point_lowers_the_threshold(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = str(zipped(people(tmp_path / "set")))
    found = []
    for fpir in ("0.1", "0.0001"):
        assert folders.main([tree, "--config", str(config), "--fpir", fpir, "--enrol", "2"]) == 0
        found.append(said(capsys))
    assert found[0]["fpir"] == 0.1
    assert found[0]["threshold"] > found[1]["threshold"]
    assert found[0]["mated_searches"] == 3


def test_a_stranger_who_looks_like_somebody_enrolled_is_counted(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the two strangers from another tree one has the colour of an enrolled person: half of the searches name somebody."""
    tree, others = people(tmp_path / "set", ("Ada", "Bo")), people(tmp_path / "others", ("Flo",), 2)
    for number in range(2):
        put(others, f"Twin/{number}.png", face(PEOPLE["Ada"], 0.75))
    people(others, ("Ada",))
    assert folders.main([str(tree), "--strangers-from", str(others), "--config", str(config)]) == 0
    facts = said(capsys)
    assert facts["people"] == {"enrolled": 2, "not_enrolled": 0, "strangers": 2}
    assert (facts["stranger_searches"], facts["strangers_named"], facts["measured_fpir"]) == (4, 2, 0.5)
    assert facts["fnir"] == 0


def test_failures_are_counted_with_their_reasons(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two faces on every picture: not enrolled, probes left out. No face, no picture: misses of enrolled people. All of it is told."""
    tree = people(tmp_path / "set", ("Ada",), 4)
    for number in range(3):
        put(tree, f"Pair/{number}.png", face(PEOPLE["Bo"], 1, ((2, 2), (9, 9))))
    others = people(tmp_path / "others", ("Cy",), 2)
    (others / "Cy" / "Cy_0001.png").write_bytes(b"no picture")
    put(others, "Nobody/1.png", face(PEOPLE["Di"], marks=()))
    arguments = [str(tree), "--strangers-from", str(others), "--config", str(config)]
    assert folders.main(arguments) == 0
    facts = said(capsys)
    assert facts["people"] == {"enrolled": 1, "not_enrolled": 1, "strangers": 2}
    assert facts["failure_to_enrol"] == {"several_faces": 1}
    assert facts["left_out"] == 2
    assert facts["failure_to_acquire"] == {"mated": {}, "strangers": {"unreadable": 1, "no_face": 1}}
    for path in (tree / "Ada").iterdir():
        put(tree, f"Ada/x{path.name}", face(PEOPLE["Ada"], marks=()))
    seeds = [(folders.main([*arguments, "--enrol", "4", "--seed", str(seed)]), said(capsys)) for seed in range(3)]
    for code, found in seeds:
        missed = sum(found["failure_to_acquire"]["mated"].values())
        assert code == 0
        assert found["mated_searches"] - found["mated_acquired"] == missed
        assert found["fnir"] == pytest.approx(missed / 4)
        assert found["fnir_of_acquired"] in (0, None)


def test_a_folder_with_nobody_to_enrol_is_refused(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folders.main([str(people(tmp_path / "set", pictures=1)), "--config", str(config)]) == SourceError.exit_code
    assert "left to enrol" in " ".join(capsys.readouterr().err.split())


PAIRS = """2 2
Ada 1 2
Bo 1 3
Ada 1 Bo 2
Cy 2 Di 2
Cy 1 2
Di 2 3
Cy 1 Flo 1
Ed 3 Flo 2
"""


@pytest.fixture
def small_lfw(tmp_path: Path) -> Path:
    """A folder in LFW's manner, its pairs beside it."""
    tree = tmp_path / "lfw"
    for name, colour in PEOPLE.items():
        for number in range(1, 4):
            put(tree, f"{name}/{name}_{number:04d}.jpg", face(colour, 1 - 0.1 * number))
    (tmp_path / "pairs.txt").write_text(PAIRS)
    return tree


def references(path: Path, keys: list[str], shift: float = 0.0) -> Path:
    """A table in which every face is at the mark, moved to the right by so many pixels."""
    middle = 8 * MARK + 4
    corners = [middle - 8 * REACH + shift, middle - 8 * REACH, middle + 8 * REACH + shift, middle + 8 * REACH]
    points = (8 * POINTS + middle + (shift, 0)).ravel().tolist()
    lines = [",".join([key, *map(str, corners), "0.9", *map(str, points)]) for key in keys]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(["path,x1,y1,x2,y2,score,lex,ley,rex,rey,nx,ny,lmx,lmy,rmx,rmy", *lines]) + "\n")
    return path


def test_pairs_are_read_with_their_folds(small_lfw: Path) -> None:
    pairs = lfw.pairs_of(small_lfw, None)
    assert pairs[0] == lfw.Pair("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", True, 0)
    assert pairs[3] == lfw.Pair("Cy/Cy_0002.jpg", "Di/Di_0002.jpg", False, 0)
    assert [pair.fold for pair in pairs] == [0] * 4 + [1] * 4
    assert [pair.same for pair in pairs] == [True, True, False, False] * 2
    assert [(pair.fold, pair.same) for pair in lfw.few(pairs, 4)] == [(0, True), (0, False), (1, True), (1, False)]


@pytest.mark.parametrize(
    "text",
    ["", "2 2\n", "300\nAda 1 2\n", "2 1\nAda 1 2\nAda 1 Bo 2 3\n", "1 1\nAda 1 2\nAda 1 Bo 1\n", PAIRS + "Ada 1 3\n", "0 0\nAda 1 2\n"],
)
def test_other_lists_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(SourceError, match=r"pairs\.txt"):
        lfw.read_pairs(tmp_path / "pairs.txt")


def test_lfw_tells_what_protection_costs(small_lfw: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Colours are told apart without an error; protection changes no score; under two keys everybody is a stranger to himself."""
    assert lfw.main([str(small_lfw), "--config", str(config)]) == 0
    facts = said(capsys)
    templates = facts["templates"]
    assert (facts["pairs"], facts["failures_to_acquire"], facts["landmarks"]) == (8, 0, "detector")
    assert list(templates) == ["embedding, cosine", "rank hash", "protected", "protected, two keys"]
    for name in ("embedding, cosine", "rank hash", "protected"):
        assert (templates[name]["eer"], templates[name]["auc"], templates[name]["tar_at_far_0.001"]) == (0, 1, 1)
    assert templates["rank hash"]["mean_mated"] > 0.9
    assert templates["protected, two keys"]["mean_mated"] == pytest.approx(1 / Q, abs=0.2)


def test_a_pair_without_a_face_is_like_nobody(small_lfw: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mated pair with a picture in which nothing is found has the lowest score; with reference landmarks nothing is lost."""
    put(small_lfw, "Ada/Ada_0002.jpg", face(PEOPLE["Ada"], marks=()))
    assert lfw.main([str(small_lfw), "--config", str(config)]) == 0
    facts = said(capsys)
    assert (facts["failures_to_acquire"], facts["pairs_without_sample"]) == (1, 1)
    assert facts["templates"]["protected"]["tar_at_far_0.01"] == 0.75
    table = references(tmp_path / "points.csv.gz", lfw.pictures_of(lfw.pairs_of(small_lfw, None)))
    assert lfw.main([str(small_lfw), "--config", str(config), "--landmarks", str(table)]) == 0
    facts = said(capsys)
    assert (facts["failures_to_acquire"], facts["landmarks"]) == (0, "reference")
    assert facts["templates"]["protected"]["tar_at_far_0.01"] == 1


def test_reference_landmarks_that_do_not_fit_are_refused(
    small_lfw: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of another set, of another form, damaged, absent."""
    other = references(tmp_path / "other.csv.gz", ["Zoe/Zoe_0001.jpg"])
    (tmp_path / "bad.csv").write_text("path,x1\nAda/Ada_0001.jpg,5\n")
    (tmp_path / "bad.csv.gz").write_text("not compressed")
    for path in (other, tmp_path / "bad.csv", tmp_path / "bad.csv.gz", tmp_path / "none.csv"):
        assert detection.main([str(small_lfw), "--config", str(config), "--landmarks", str(path)]) == SourceError.exit_code
        assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_the_landmark_error_is_told_in_eye_distances(
    shift: float, small_lfw: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The eyes are three cells of 8 pixels apart."""
    table = references(tmp_path / "points.csv.gz", lfw.pictures_of(lfw.pairs_of(small_lfw, None)), shift)
    assert detection.main([str(small_lfw), "--config", str(config), "--landmarks", str(table)]) == 0
    facts = said(capsys)
    assert (facts["found_share"], facts["central_is_right_share"], facts["extra_faces_per_picture"]) == (1, 1, 0)
    assert facts["landmark_error_median"] == pytest.approx(100 * shift / 24, abs=1e-3)
    assert facts["pictures"] == 12


def test_missed_and_further_faces_are_counted(small_lfw: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of twelve pictures one has no face, and one has a second face in the corner."""
    keys = lfw.pictures_of(lfw.pairs_of(small_lfw, None))
    put(small_lfw, keys[0], face(PEOPLE["Ada"], marks=()))
    put(small_lfw, keys[1], face(PEOPLE["Ada"], marks=((MARK, MARK), (11, 11))))
    table = references(tmp_path / "points.csv.gz", keys)
    assert detection.main([str(small_lfw), "--config", str(config), "--landmarks", str(table)]) == 0
    facts = said(capsys)
    assert (facts["found"], facts["found_by_overlap"], facts["found_by_landmarks"]) == (11, 11, 11)
    assert facts["extra_faces_per_picture"] == pytest.approx(1 / 12)
    assert facts["found_interval"][0] < 11 / 12 < facts["found_interval"][1]


def finding(overlap: float, error: float) -> detection.Finding:
    return detection.Finding(overlap, error, True, 1, 0.001)


def test_a_face_is_found_by_its_box_or_by_its_landmarks() -> None:
    """Each rule alone is enough; the error of what was not found does not count."""
    facts = detection.summary([finding(0.5, 0.4), finding(0.3, 0.2), finding(0.4, 0.25), finding(0.0, np.inf)])
    assert (facts["found"], facts["found_by_overlap"], facts["found_by_landmarks"]) == (2, 1, 1)
    assert facts["landmark_error_median"] == pytest.approx(30)


def loops(settings: Settings, folder: Path, count: int = 1) -> tuple[list[latency.Loop], Any]:
    own = settings.model_copy(
        update={
            "gallery": settings.gallery.model_copy(update={"path": folder / "gallery.db"}),
            "keys": settings.keys.model_copy(update={"file": folder / "root.key", "credential": "none"}),
        }
    )
    networks = build.Networks(own)
    gallery = build.gallery(own, build.network_id(own), lambda text: None, create=True)
    return [latency.Loop(own, networks, networks.hasher, gallery) for _ in range(count)], gallery


def test_every_usable_face_of_every_frame_is_searched_for(tmp_path: Path, config: Path) -> None:
    """One face, none, two; the same person again and again is a new approach each time."""
    settings = load_settings(config, flags=latency.EVERY_SAMPLE)
    one, none, two = face(PEOPLE["Ada"]), face(PEOPLE["Ada"], marks=()), face(PEOPLE["Bo"], 1, ((2, 2), (9, 9)))
    images = [one, none, two, one, one]
    frames = list(latency.apart((Frame(image, 0.01 * n, n, "test") for n, image in enumerate(images)), latency.beyond(settings)))
    (loop, other), gallery = loops(settings, tmp_path, 2)
    with gallery:
        latency.fill(gallery, 25, M, Q)
        assert len(gallery) == 25
        assert len(gallery.subjects()) == 3
        latency.run([loop, other], frames)
    assert [step.faces for step in loop.steps] == [step.faces for step in other.steps] == [1, 0, 2, 1, 1]
    assert len(loop.measured) == 4 - latency.WARM_UP
    facts = latency.summary(loop.measured)
    assert {"detect", "align", "hash", "search"} <= set(facts["stage_ms"])
    assert 0 < facts["search_share"] < 1
    assert sum(facts["stage_ms"].values()) < 1.5 * facts["frame_ms"]


def stock_file(path: Path) -> Path:
    """One picture 1 x 3 x 112 x 112 -> the mean of its channels as a network sees them."""
    nodes = [helper.make_node("ReduceMean", ["data"], ["embedding"], axes=[2, 3], keepdims=0)]
    return save(path, nodes, real(data=[1, 3, CROP_SIZE, CROP_SIZE]), real(embedding=[1, 3]), {})


def test_a_stock_network_sees_rgb_from_minus_one_to_one(tmp_path: Path) -> None:
    """Its embedding is repeated to the width of the logits."""
    stock = latency.Stock(stock_file(tmp_path / "stock.onnx"), 8)
    crops = np.zeros((2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    crops[1] = (0, 51, 255)
    made = stock.infer(crops)
    assert made["logits"][0].tolist() == pytest.approx([-1] * 8)
    assert made["logits"][1].tolist() == pytest.approx([1, -0.6, -1, 1, -0.6, -1, 1, -0.6], abs=1e-4)
    assert made["log_variance"].shape == (2, 1)


def test_latency_measures_the_demonstration_stream(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With and without a stock network; the brightest spot is a face here; too few frames, or portraits of nobody, end it with a reason."""
    pytest.importorskip("skimage", reason="a portrait of the demonstration is in scikit-image")
    pytest.importorskip("matplotlib", reason="a portrait of the demonstration is in matplotlib")
    bright = config.with_name("bright.toml")
    bright.write_text(config.read_text().replace("detect.", "detect.threshold = 0.01\ndetect.max_faces = 1\ndetect."))
    common = ["--references", "20", "--frames", "6", "--config"]
    assert latency.main([*common, str(bright), "--reference", str(stock_file(tmp_path / "stock.onnx"))]) == 0
    facts = said(capsys)
    assert (facts["frames"], facts["frames_with_face"], facts["reference"]["file"]) == (6, 4, "stock.onnx")
    assert facts["reference"]["ratio"] > 0
    assert latency.main([*common, str(bright), "--reference", str(tmp_path / "absent.onnx")]) == 0
    shown = capsys.readouterr().out
    assert "left out" in shown
    assert json.loads(shown.splitlines()[-1])["reference"] is None
    assert latency.main(["--references", "20", "--frames", "1", "--config", str(bright)]) == SourceError.exit_code
    assert "no usable face in 1 frames" in capsys.readouterr().err
    assert latency.main([*common, str(config)]) == SourceError.exit_code
    assert "the portrait of Eileen Collins cannot be enrolled" in " ".join(capsys.readouterr().err.split())


def test_the_tiny_detector_is_a_sound_network(tmp_path: Path) -> None:
    """The tests above rest on it."""
    onnx.checker.check_model(onnx.load(detector_file(tmp_path / "detector.onnx")))
