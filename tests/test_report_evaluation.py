"""The page of results says what was found, with which command, on which networks, and nothing that was not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from evaluation import __main__ as listing
from evaluation import report
from evaluation.pictures import answer, recording
from evaluation.protection_sections import PROTECTION
from evaluation.sections import SECTIONS, Section

SECTION = Section("tiny", "A tiny one", "pair", ("DATA/a.jpg", "--fpir", "0.1"), "Words.", (lambda facts: f"It is {facts['figure']}.",))
NETWORKS = {"drh": "a" * 64}


def found(figure: float, networks: dict[str, str] = NETWORKS) -> dict[str, object]:
    table = {"title": "T", "caption": "C", "header": ["what", "value"], "rows": [["a|b", f"{figure}"]]}
    return {"facts": {"figure": figure}, "tables": [table], "networks": networks, "machine": "m", "date": "2026-01-01", "commit": "c"}


def test_every_figure_of_a_section_comes_from_what_was_found() -> None:
    one, other = (report.rendered(SECTION, found(figure), NETWORKS) for figure in (1.5, 2.5))
    assert "It is 1.5." in one
    assert "| a\\|b | 1.5 |" in one
    assert one.replace("1.5", "2.5") == other


def test_the_command_stands_above_its_tables_as_a_person_types_it() -> None:
    text = report.rendered(SECTION, found(1), NETWORKS)
    assert text.index("    python -m evaluation.pair DATA/a.jpg --fpir 0.1") < text.index("| what | value |")
    assert SECTION.arguments(Path("/d"), Path("/o")) == ["/d/a.jpg", "--fpir", "0.1"]
    assert replace(SECTION, words=("--out", "OUT")).arguments(Path("/d"), Path("/o")) == ["--out", "/o"]


def test_only_the_plots_that_a_section_names_are_published(tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    for name in ("curve.png", "faces.png"):
        (found / name).write_bytes(b"picture")
    section = replace(SECTION, plots=(("curve.png", "A curve."), ("absent.png", "None.")))
    report.publish(section, found, tmp_path / "plots")
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["curve.png"]


def test_what_was_not_measured_or_measured_on_other_networks_says_so(tmp_path: Path) -> None:
    assert "Not measured" in report.rendered(SECTION, None, NETWORKS)
    assert "Measured on other networks" in report.rendered(SECTION, found(1, {"drh": "b" * 64}), NETWORKS)
    assert "Measured on other networks" not in report.rendered(SECTION, found(1), NETWORKS)
    assert SECTION.missing(tmp_path) == tmp_path / "a.jpg"
    (tmp_path / "a.jpg").touch()
    assert SECTION.missing(tmp_path) is None


def test_a_rich_table_becomes_the_same_table_in_markdown() -> None:
    table = Table("name", "value", title="Title", caption="Caption")
    table.add_row("x", "1")
    table.add_row("y", "2")
    lines = report.markdown(report.as_rows(table)).splitlines()
    assert lines == ["*Title*", "", "| name | value |", "|---|---|", "| x | 1 |", "| y | 2 |", "", "*Caption*"]


def test_no_table_says_where_the_data_lie_on_this_machine() -> None:
    table = {"title": "/mnt/x/sets/lfw.zip: 3 each", "caption": "of /mnt/x/sets", "header": [], "rows": []}
    assert report.without(table, Path("/mnt/x/sets")) == {"title": "DATA/lfw.zip: 3 each", "caption": "of DATA", "header": [], "rows": []}


def test_the_page_names_every_commit_that_something_was_measured_at() -> None:
    results = {name: {**found(1), "commit": name} for name in ("first", "second")}
    assert "measured at first, second." in report.document(results, NETWORKS)


def test_what_a_command_answers_is_heard_while_it_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    with recording() as made:
        assert answer(lambda: ([], {"a": 1})) == 0
    answer(lambda: ([], {"a": 2}))
    assert [facts for _, facts in made] == [{"a": 1}]
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"a": 2}


def test_the_page_is_written_again_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = SECTIONS[0].name
    facts = tmp_path / "facts"
    facts.mkdir()
    (facts / f"{first}.json").write_text(json.dumps(found(7.25)))
    arguments = [str(tmp_path), "--facts", str(facts), "--out", str(tmp_path / "page.md"), "--write-only"]
    assert report.main(arguments) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| a\\|b | 7.25 |" in page
    assert page.count("Not measured") == len(SECTIONS) - 1
    (facts / f"{first}.json").write_text("{")
    assert report.main(arguments) == 4
    assert "remove it and measure again" in capsys.readouterr().err.replace("\n", " ")


def test_the_page_of_protection_is_written_beside_that_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path), "--facts", str(tmp_path / "facts"), "--out", str(tmp_path / "page.md"), "--write-only"]
    assert report.main(arguments) == 0
    page = (tmp_path / "protection.md").read_text()
    assert page.startswith("# How far protection holds")
    assert page.count("Not measured") == len(PROTECTION.sections)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["written"] == [str(tmp_path / "page.md"), str(tmp_path / "protection.md")]


def test_sections_whose_data_are_absent_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tmp_path), "--facts", str(tmp_path / "f"), "--out", str(tmp_path / "page.md"), "--only", "detection", "lfw"]
    assert report.main(arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["sections"] == []


def test_sections_name_commands_that_exist_and_take_their_words(tmp_path: Path) -> None:
    assert {section.command for section in report.SECTIONS} <= set(listing.commands())
    assert len({section.name for section in report.SECTIONS}) == len(report.SECTIONS)


def test_every_measurement_is_listed_with_what_it_measures_and_run_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"lfw", "folders", "pair", "report", "bench", "latency", "detection"} <= set(listing.commands())
    assert listing.main([]) == 0
    assert "pair" in capsys.readouterr().out
    assert listing.main(["nonsense"]) == 2
    with pytest.raises(SystemExit) as ended:
        listing.main(["pair", "--help"])
    assert ended.value.code == 0
