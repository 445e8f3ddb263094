"""The JSON Schema of a settings file: types and limits from ``edge.settings``, values and reasons from config/appliance.toml."""

import json
import re
from typing import Any

from edge.settings import DEFAULTS, Settings, flatten, load_settings


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12. Nothing is required: a file of one's own sets what it changes. Titles are left out."""
    made = Settings.model_json_schema()
    reasons, defaults = _reasons(), flatten(load_settings(environment={}))
    for table, reference in made["properties"].items():
        section = made["$defs"][reference["$ref"].rpartition("/")[2]]
        for key, field in section["properties"].items():
            field.pop("title", None)
            field["description"] = reasons[f"{table}.{key}"]
            if field.get("format") != "path":
                field["default"] = defaults[f"{table}.{key}"]
        for left_out in ("required", "title", "description"):
            section.pop(left_out, None)
    made.pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Settings of the appliance",
        "description": "A file that overrides config/appliance.toml",
    }


def schema_text() -> str:
    """The schema as it stands in config/schema.json."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _reasons() -> dict[str, str]:
    """Dotted name -> what stands behind it in the shipped file."""
    table, found = "", {}
    for line in DEFAULTS.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            table = header[1]
        elif entry := re.fullmatch(r'(\w+) = (?:"[^"]*"|[^#]*?)\s+# (.*)', line):
            found[f"{table}.{entry[1]}"] = entry[2]
    return found
