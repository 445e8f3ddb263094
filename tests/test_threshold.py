"""The threshold rule held against people it has not seen: counted by hand, and on a crowd for which the law is right."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.template.tail import NonMatedTail
from evaluation import threshold
from tests.samples import told, whole_costs
from tests.test_evaluation import config, patchwork, people, put  # noqa: F401 - config is a fixture

M, Q = 64, 4
OWN = NonMatedTail(m=M, pairs=100_000, tail_at=40.5, tail_share=0.01, shape=0.0, scale=2.0)


def counted(codes: np.ndarray) -> threshold.Faces:
    return threshold.Faces(codes, whole_costs(codes, Q))


def crowd(number: int, seed: int = 0) -> threshold.Faces:
    return counted(np.random.default_rng(seed).integers(0, Q, (number, M)).astype(np.uint8))


def test_everybody_is_compared_with_everybody_once() -> None:
    four = np.zeros((4, 8), np.uint8)
    four[1, :3] = four[3, :1] = 1
    counts, who = threshold.all_pairs(counted(four))
    assert who.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert counts.tolist() == [told(unequal, 8, Q) for unequal in (3, 0, 1, 3, 2, 1)]


def test_a_stranger_comes_once_to_one_gallery_in_turn() -> None:
    """Five references are two galleries of two; the first and third stranger search the first, the second stranger the second."""
    gallery = np.zeros((5, 8), np.uint8)
    gallery[0, :4], gallery[1, :6], gallery[2, :1], gallery[3, :2] = 1, 1, 1, 1
    assert threshold.nearest(counted(gallery), counted(np.zeros((3, 8), np.uint8)), 2).tolist() == [
        told(unequal, 8, Q) for unequal in (4, 1, 4)
    ]


def test_the_curve_tells_the_share_at_each_decade() -> None:
    """Counts of the prediction are those at which the tail's share falls to a tenth, a hundredth, ...; below, what was measured there."""
    held = np.repeat([30, 35, 45], [1, 9, 990])
    rows = threshold.curve(OWN, held)
    assert [row["dissimilarity"] for row in rows] == [40, 35, 30, 26, 21]
    assert [row["matches"] for row in rows] == [10, 10, 1, 0, 0]
    assert rows[0]["measured"] == rows[0]["predicted"] == pytest.approx(0.01)
    assert all(row["predicted"] <= 0.01 * 10.0**-decade for decade, row in enumerate(rows))
    assert rows[0]["predicted_interval"] is None


def test_on_random_codes_the_rule_holds_and_another_tail_does_not() -> None:
    """Fitted to half of 800 people the promise is kept on the other half; a tail that begins far too high names too many, and shows it."""
    facts = threshold.facts_of(crowd(800), OWN, seed=1)
    own, foreign = facts["tails"]["of the other half"], facts["tails"]["in force"]
    assert all(row["holds"] for row in own["searches"])
    assert {row["references"] for row in own["searches"]} == {10, 100}
    assert (facts["held_people"], facts["held_comparisons"], own["people"], own["comparisons"]) == (400, 79_800, 400, 79_800)
    loose = threshold.facts_of(crowd(800), NonMatedTail(m=M, pairs=10**6, tail_at=48.5, tail_share=0.01, shape=0.0, scale=0.5), seed=1)
    assert any(row["measured_interval"][0] > row["fpir"] for row in loose["tails"]["in force"]["searches"])
    assert foreign["searches"][0]["holds"] is None


def test_a_small_set_says_how_many_people_are_needed(
    tmp_path: Path,
    config: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert threshold.main([str(people(tmp_path / "set")), "--config", str(config)]) == 4
    assert "6 people; 300 are needed" in " ".join(capsys.readouterr().err.split())


def test_the_whole_way_ends_in_facts_and_a_plot(
    tmp_path: Path,
    config: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From pictures of three hundred people."""
    for number in range(300):
        put(tmp_path, f"set/p{number}/1.png", patchwork(number))
    arguments = [str(tmp_path / "set"), "--config", str(config), "--out", str(tmp_path / "out")]
    assert threshold.main(arguments) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["people"] == 300
    assert all(row["expected"] <= row["fpir"] for tail in facts["tails"].values() for row in tail["searches"])
    assert Path(facts["plot"]).read_bytes()[:4] == b"\x89PNG"
