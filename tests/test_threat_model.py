"""What the threat model says is defended is held by tests that exist; and it claims nothing with words that it does not use."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
DEFENDED = TEXT.partition("## Defended")[2].partition("## Not defended")[0]
ROWS = [line for line in DEFENDED.splitlines() if line.startswith("|")][2:]


def named(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`(test_\w+)::(test_\w+)`", text)


def functions(file: str) -> set[str]:
    path = ROOT / "tests" / f"{file}.py"
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "function"), sorted(set(named(TEXT))), ids=lambda name: name)
def test_every_test_named_exists(file: str, function: str) -> None:
    assert function in functions(file)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_defence_names_its_test(row: str) -> None:
    threat, defence, tests = (cell.strip() for cell in row.strip("|").split("|"))
    assert threat
    assert defence
    assert named(tests)


def test_a_test_that_is_not_there_would_be_noticed() -> None:
    assert "test_that_is_not_there" not in functions("test_threat_model")
    assert functions("test_no_such_file") == set()


def test_the_table_of_defences_is_read_whole() -> None:
    assert len(ROWS) >= 15


def test_words_not_used_are_used_in_their_own_section_only() -> None:
    words = re.findall(r'"([A-Z]?[\w -]+)"', TEXT.partition("## Words not used")[2])
    assert "Irreversible" in words
    pages = [TEXT.partition("## Words not used")[0], *(path.read_text(encoding="utf-8") for path in ROOT.glob("docs/protection*.md"))]
    claims = ("irreversible", "non-invertible", "unbreakable", "military grade", "spoof-proof")
    assert [word for word in claims for page in pages if word in page.lower()] == []
    assert set(claims) <= {word.lower() for word in words}
