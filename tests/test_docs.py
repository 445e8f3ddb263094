"""What the documents say can be done, and what they point to exists."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.__main__ import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> set[str]:
    return {(command.name or command.callback.__name__).rstrip("_") for command in app.registered_commands if command.callback}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert (
        set(re.findall(r"`(?:\.venv/bin/)?edge ([a-z]+)", text)) | set(re.findall(r"^\.venv/bin/edge ([a-z]+)", text, re.M)) <= commands()
    )
    for module in re.findall(r"python -m ([a-z0-9_.]+)", text):
        assert importlib.util.find_spec(module) or module == "pip", f"{document.name}: no module {module}"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)|^make ([a-z]+)", text, re.M)) <= {(name, "") for name in targets} | {
        ("", name) for name in targets
    }


def test_every_module_that_a_message_or_a_run_names_exists() -> None:
    named = set()
    for folder in ("edge", "training", "evaluation", "calibration", "build_engine"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.sh")]:
            named |= set(
                re.findall(
                    r"(?:python|PYTHON) -m ((?:training|evaluation|edge|calibration|build_engine)[a-z0-9_.]*)",
                    path.read_text(encoding="utf-8"),
                )
            )
    assert len(named) > 10
    assert [module for module in sorted(named) if importlib.util.find_spec(module.rstrip(".")) is None] == []


def test_nothing_is_installed_by_a_name_that_is_on_no_index() -> None:
    shipped = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    texts = [path for path in shipped if path.endswith((".py", ".md", ".toml", ".sh", ".service")) and path != "tests/test_docs.py"]
    assert [path for path in texts if re.search(r"install .{0,9}edge-face\b", (ROOT / path).read_text(encoding="utf-8"))] == []


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    block = README.split("## Two commands")[1].split("```")[1]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == ["make run", "make test"]


def test_every_command_has_help() -> None:
    for name in sorted(commands()):
        shown = subprocess.run([sys.executable, "-m", "edge", name, "--help"], capture_output=True, text=True, cwd=ROOT)
        assert shown.returncode == 0, shown.stderr
        assert "Usage" in shown.stdout


def test_the_readme_names_every_command() -> None:
    assert {name for name in commands() if f"edge {name}" not in README} <= {"demo"}


@pytest.mark.parametrize("network", ["detector", "drh"])
def test_the_model_card_speaks_of_every_network(network: str) -> None:
    card = (ROOT / "models" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"## {network}" in card


def test_the_shipped_networks_stay_below_40_megabytes() -> None:
    """Those of the tree; the INT8 forms are made from a recipe where they are needed."""
    shipped = subprocess.run(["git", "ls-files", "models"], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split()
    assert "models/drh.onnx" in shipped
    assert "models/drh.recipe" in shipped
    assert sum((ROOT / path).stat().st_size for path in shipped) < 40_000_000


def test_no_document_and_no_source_names_a_path_of_one_machine() -> None:
    shipped = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT).stdout.split()
    texts = [path for path in shipped if path.endswith((".py", ".md", ".toml", ".json", ".sh", ".c")) or path in ("Makefile", ".ci/run")]
    # NVIDIA's camera service has its socket at the one place excepted
    private = re.compile(r"(?<![\w.])/(?:(?:root|home|work|var/tmp)/|tmp/(?!argus_socket))[a-z]")
    assert [path for path in texts if private.search((ROOT / path).read_text(encoding="utf-8"))] == []
