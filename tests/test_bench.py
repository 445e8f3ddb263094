"""The search bench: every contender is held to numpy's answer, ratios and bars are worked out as said, the page is that of its facts."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.template import compare
from evaluation import bench, contenders, search_page

ROOT = Path(__file__).parents[1]


def test_the_bench_ends_with_json_in_which_every_kernel_and_every_peer_that_is_here_has_a_ratio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rows", "300", "--rounds", "2", "--references", "30", "--json", "--document", str(tmp_path / "search.md")]
    assert bench.main(words) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    (size,), (gallery,) = facts["sizes"], facts["galleries"]
    assert {f"kernel {kernel}" for kernel in compare.kernels() if kernel != "numpy"} <= set(size["contenders"])
    here = {module for module, package in contenders.PEERS.items() if package not in facts["missing"]}
    assert here <= set(size["contenders"])
    assert all(each["of"]["sum"]["low"] <= each["of"]["sum"]["median"] <= each["of"]["sum"]["high"] for each in size["contenders"].values())
    assert size["contenders"][size["yardstick"]]["of"]["sum"]["median"] == 1
    assert min(gallery["load"]["edge"]["ratio"], *gallery["visible_ms"].values(), *gallery["memory"].values()) > 0
    assert [bar["met"] for bar in facts["bars"] if "1,000,000 rows" in bar["bar"]] == [None] * len(search_page.SEARCH_BARS)
    assert (tmp_path / "search.md").read_text(encoding="utf-8") == search_page.page(facts)
    assert (tmp_path / "plots" / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_its_interval_holds_the_median() -> None:
    """A round in which everything took ten times as long changes nothing."""
    found = bench.ratio([2.0, 20.0, 4.0, 6.0, 8.0], [1.0, 10.0, 1.0, 3.0, 2.0])
    assert found["median"] == 2.0
    assert (found["low"], found["high"]) == (2.0, 4.0)


def test_a_bar_is_met_at_its_limit_and_not_above_it_and_unknown_without_a_measurement() -> None:
    ratios = {"median": 0.8, "low": 0.7, "high": 0.9, "quiet": 0.8}
    above = {**ratios, "median": 1.11}
    names = (
        contenders.OURS,
        contenders.OURS_TWO,
        contenders.DOOR,
        contenders.DOOR_TWO,
        contenders.WITHIN,
        contenders.WITHIN_TWO,
        contenders.OURS_BATCH,
    )
    ours = {name: {"of": {"sum": above, "faiss": ratios}} for name in names}
    facts = {"sizes": [{"rows": 1_000_000, "contenders": ours}], "galleries": []}
    assert [bar["met"] for bar in search_page.bars(facts)] == [False, True, True, False, False, False, False, None]


@pytest.mark.parametrize("rows", [50, 2_000])
def test_a_door_that_is_timed_asks_costs_of_as_many_rows_as_it_may(rows: int) -> None:
    """They are those that were planted, evenly spread, and lie within a door's limit even of a million."""
    gallery, _ = contenders.random_gallery(rows)
    before = gallery.copy()
    known = contenders.plant(gallery)
    planted = np.flatnonzero((gallery != before).any(axis=1))
    assert len(planted) == min(compare.SHORTLIST, rows // 2)
    near = compare.candidates(compare.unequal(gallery, known, 3), compare.SHORTLIST, 512, bench.limits_of(1_000_000).door)
    assert sorted(near.tolist()) == planted.tolist()


def test_a_peer_with_another_nearest_row_is_not_timed() -> None:
    gallery, probes = contenders.random_gallery(50)
    planes = compare.unequal(gallery, probes[0], 1, kernel="numpy")
    assert contenders._plain_nearest(gallery, probes[0]) == int(planes.argmin())
    assert np.unpackbits(gallery[3] ^ probes[0]).sum() == planes[3]


def test_the_page_is_made_of_the_facts_beside_it() -> None:
    facts = json.loads((ROOT / "docs" / "search.json").read_text(encoding="utf-8"))
    assert facts["bars"] == json.loads(json.dumps(search_page.bars(facts)))
    assert (ROOT / "docs" / "search.md").read_text(encoding="utf-8") == search_page.page(facts)
