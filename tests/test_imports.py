"""Who may import whom. The table of the house, held against the code."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STANDARD = set(sys.stdlib_module_names)
WORKSHOPS = ("training", "calibration", "build_engine", "evaluation")
FLOOR = ("edge.records", "edge.errors", "edge.stages", "edge.watch", "edge.words", "edge.face", "edge.template")
GROUND = ("edge.durable",)  # touches the disk and imports nothing of ours: doors stand on it, the floor does not
DOORS = ("edge.camera", "edge.inference", "edge.gallery", "edge.keys", "edge.door", "edge.service")
ASSEMBLY = ("appliance", "attend", "build", "fallback", "kiosk", "ruled")
COMMANDS = ("care", "codes", "demo", "doctor")
BUILDERS = {"edge/__main__.py", *(f"edge/assembly/{name}.py" for name in ASSEMBLY), *(f"edge/commands/{name}.py" for name in COMMANDS)}
# the world touched by one named file or folder each
BEHIND = {
    "tensorrt": ("edge/inference/", "build_engine/"),
    "pycuda": ("edge/inference/",),
    "picamera2": ("edge/camera/picamera2.py",),
    "gi": ("edge/camera/gstreamer.py",),
    "sqlite_utils": ("edge/gallery/", "evaluation/keeping.py"),  # there it is the yardstick of loading
    # the outbox must survive kill -9, and holds no template and no name; who edits a gallery past its door is an attacker
    "sqlite3": ("edge/gallery/", "edge/door/outbox.py", "evaluation/attacks/edits.py"),
    "PySide6": ("edge/screen/",),
    "pypinyin": ("edge/screen/pinyin.py",),
    "argon2": ("edge/service/pin.py",),
    "pyrage": ("edge/gallery/backup.py",),
    "gpiod": ("edge/door/gpio.py",),
    "paho": ("edge/door/mqtt.py",),
    "osdp": ("edge/door/osdp.py",),
    "osdp_sys": ("edge/door/osdp.py",),
    # an attacker reads the public network's weights
    "onnx": (
        "calibration/",
        "build_engine/",
        "training/export.py",
        "training/prebuilt.py",
        "training/warm.py",
        "evaluation/attacks/weights.py",
    ),
    "onnxruntime": ("edge/inference/", "calibration/", "evaluation/", "training/"),
    "torch": ("training/",),
    "cryptography": ("edge/template/protect.py", "edge/gallery/", "edge/keys/"),
    "prometheus_client": ("edge/service/metrics.py",),
    "typer": ("edge/__main__.py", "edge/commands/options.py", "edge/commands/keeping.py"),
    "skimage": ("edge/camera/demo.py",),
}
TOUCHES_THE_WORLD = {"os", "pathlib", "shutil", "socket", "subprocess", "sqlite3", "tempfile", "threading", "time", "urllib", "http"}


def sources() -> list[str]:
    folders = ("edge", *WORKSHOPS)
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: str) -> set[str]:
    """Full dotted names that a file imports, anywhere in it, also inside functions; not those for type checking only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def room(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("path", sources())
def test_a_file_imports_only_from_where_its_room_may(path: str) -> None:
    here = room(path)
    ours = {name for name in imported(path) if name.split(".")[0] in ("edge", *WORKSHOPS)}
    for name in ours:
        if within(here, GROUND):
            raise AssertionError(f"the ground imports nothing of ours: {path} imports {name}")
        if within(here, FLOOR):
            assert within(name, FLOOR), f"the floor imports the floor only: {path} imports {name}"
        elif within(here, DOORS):
            own = next(door for door in DOORS if within(here, (door,)))
            assert within(name, (*FLOOR, *GROUND, own)), f"a door imports the floor, the ground and itself: {path} imports {name}"
        elif path in ("edge/acquire.py", "edge/identify.py", "edge/enrol.py", "edge/rebind.py"):
            assert within(name, (*FLOOR, "edge.acquire")), f"doors are handed in: {path} imports {name}"
        elif within(here, ("edge.assembly",)):
            assert not within(name, ("edge.commands",)), f"parts know nothing of who asks for them: {path} imports {name}"
        elif within(here, ("edge.screen",)):
            allowed = ("edge.screen", "edge.service.link", "edge.settings", "edge.errors")
            assert within(name, allowed), f"the screen only displays: {path} imports {name}"
        elif here.split(".")[0] in WORKSHOPS:
            allowed = (here.split(".")[0], *FLOOR, "edge.inference")
            if here.startswith("evaluation"):
                allowed = (*allowed, "edge")
            assert within(name, allowed), f"between workshops go files: {path} imports {name}"


@pytest.mark.parametrize("path", [path for path in sources() if within(room(path), FLOOR) and path != "edge/stages.py"])
def test_the_floor_does_not_touch_the_world(path: str) -> None:
    allowed = {"numpy"}
    if path.startswith("edge/face/"):
        allowed |= {"cv2"}
    if path == "edge/template/protect.py":
        allowed |= {"cryptography"}
    for name in imported(path):
        top = name.split(".")[0]
        if top == "os" and path in ("edge/template/compare.py", "edge/template/protect.py"):
            continue  # how many cores there are; fresh random nonces
        assert top not in TOUCHES_THE_WORLD, f"{path} imports {name}"
        assert top in STANDARD | allowed | {"edge"}, f"{path} imports {name}"


@pytest.mark.parametrize("path", sources())
def test_each_part_of_the_world_lies_behind_its_named_place(path: str) -> None:
    for name in imported(path):
        places = BEHIND.get(name.split(".")[0])
        assert places is None or path.startswith(places), f"{path} imports {name}; that belongs to {places}"


@pytest.mark.parametrize("path", [path for path in sources() if path.startswith("edge/")])
def test_only_the_builders_know_several_doors(path: str) -> None:
    doors = {door for name in imported(path) for door in DOORS if within(name, (door,))}
    assert len(doors) <= 1 or path in BUILDERS, f"{path} imports {sorted(doors)}; only {sorted(BUILDERS)} put parts together"


def test_the_warp_of_the_one_preprocessing_stands_once() -> None:
    assert [path for path in sources() if "warpAffine" in (ROOT / path).read_text(encoding="utf-8")] == ["edge/face/align.py"]


def test_no_file_is_longer_than_500_lines_and_no_function_than_60() -> None:
    long = []
    for path in [*sources(), *(file.relative_to(ROOT).as_posix() for file in (ROOT / "tests").rglob("*.py"))]:
        text = (ROOT / path).read_text(encoding="utf-8")
        long += [path] if text.count("\n") > 500 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno > 60:
                long.append(f"{path}:{node.lineno} {node.name}")
    assert long == []


@pytest.mark.parametrize("folder", ["config", "systemd"])
def test_data_folders_hold_no_python(folder: str) -> None:
    assert list((ROOT / folder).rglob("*.py")) == []
