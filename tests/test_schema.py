"""The published JSON Schema says what the program accepts."""

import json
from pathlib import Path

import pytest

from edge.commands.schema import schema, schema_text
from edge.settings import DEFAULTS, flatten, load_settings
from edge.tables import tomllib

PUBLISHED = DEFAULTS.parent / "schema.json"


def tables() -> dict[str, dict]:
    """Table -> its settings in the schema."""
    made = schema()
    return {name: made["$defs"][one["$ref"].rpartition("/")[2]]["properties"] for name, one in made["properties"].items()}


def test_the_published_schema_is_the_program_s() -> None:
    """After a change of settings: `edge config schema > config/schema.json`."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json.loads(schema_text())


def test_it_knows_every_setting_with_its_reason() -> None:
    known = {f"{table}.{key}" for table, section in tables().items() for key in section}
    assert known == set(flatten(load_settings(environment={})))
    assert all(field["description"] for section in tables().values() for field in section.values())


def test_its_values_are_those_of_the_shipped_file() -> None:
    shipped = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    stated = {(table, key): field["default"] for table, section in tables().items() for key, field in section.items() if "default" in field}
    assert len(stated) > 40
    assert [place for place, value in stated.items() if shipped[place[0]][place[1]] != value] == []


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("", True),
        ("[decision]\nfpir = 0.001\n", True),
        ("[decision]\nfpri = 0.001\n", False),
        ("[decision]\nfpir = 2.0\n", False),
        ("[network]\nruntime = 'abacus'\n", False),
        ("[zebra]\n", False),
    ],
)
def test_it_accepts_what_the_program_accepts_and_refuses_what_it_refuses(text: str, sound: bool) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    errors = list(jsonschema.Draft202012Validator(schema()).iter_errors(tomllib.loads(text)))
    assert (errors == []) is sound


def test_the_shipped_file_itself_is_valid() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator(schema()).validate(tomllib.loads(Path(DEFAULTS).read_text(encoding="utf-8")))
