"""The table over m x q: three ways of comparing codes, by hand and on a tiny LFW."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import NetworkError
from evaluation import sizes
from evaluation.lfw import Pair
from evaluation.samples import Samples
from evaluation.templates import BinaryHamming, IndexDistance, Shares
from tests.samples import whole_costs
from tests.test_evaluation import COLOURS, config, said, small_lfw  # noqa: F401  (fixtures)

CODES = np.array([[0, 7, 3], [0, 6, 3], [7, 7, 4], [0, 0, 3]], np.uint8)


def test_binary_hamming_by_hand() -> None:
    """7 and 6 differ in one bit of three, 7 and 0 in all of them."""
    assert BinaryHamming(CODES, 8).pairs([0, 0, 0], [1, 3, 0]) == pytest.approx([8 / 9, 6 / 9, 1])


def test_index_distance_by_hand() -> None:
    assert IndexDistance(CODES).pairs([0, 0, 0], [1, 3, 2]) == pytest.approx([-1, -7, -(50**0.5)])


codes = st.integers(2, 64).flatmap(
    lambda q: st.tuples(st.just(q), st.lists(st.lists(st.integers(0, q - 1), min_size=8, max_size=8), min_size=2, max_size=6))
)


@given(codes)
def test_a_matrix_holds_the_scores_of_the_pairs_and_oneself_is_nearest(drawn: tuple[int, list[list[int]]]) -> None:
    q, rows = drawn[0], np.array(drawn[1], np.uint8)
    places = np.arange(len(rows))
    for template in (BinaryHamming(rows, q), IndexDistance(rows), Shares(rows, q)):
        matrix = template.matrix(places, places)
        for place in places:
            assert matrix[place] == pytest.approx(template.pairs(np.full(len(rows), place), places), abs=1e-6)
            assert matrix[place, place] == matrix[place].max()


@given(codes)
def test_at_two_values_all_three_give_one_order(drawn: tuple[int, list[list[int]]]) -> None:
    rows = np.array(drawn[1], np.uint8) % 2
    first, second = np.triu_indices(len(rows), 1)
    shares, bits, numbers = (t.pairs(first, second) for t in (Shares(rows, 2), BinaryHamming(rows, 2), IndexDistance(rows)))
    assert bits == pytest.approx(shares)
    assert numbers == pytest.approx(-np.sqrt(8 * (1 - shares)))


@given(codes, st.integers(0, 1000))
def test_other_names_for_the_symbols_leave_the_share_of_equal_ones_alone(drawn: tuple[int, list[list[int]]], seed: int) -> None:
    q, rows = drawn[0], np.array(drawn[1], np.uint8)
    renamed = np.random.default_rng(seed).permutation(q).astype(np.uint8)[rows]
    first, second = np.triu_indices(len(rows), 1)
    assert (Shares(rows, q).pairs(first, second) == Shares(renamed, q).pairs(first, second)).all()


def write(folder: Path, m: int, q: int, kind: str, width: int = COLOURS, **change: Any) -> Path:
    """A random head as training writes it."""
    folder.mkdir(exist_ok=True)
    weight = np.random.default_rng(1 if kind == "random" else 2).standard_normal((m * q, width)).astype(np.float16)
    parts = {"weight": weight, "bias": np.zeros(m * q, np.float32), "m": m, "q": q, "kind": kind, "facts": json.dumps({})}
    np.savez(folder / f"{m}x{q}_{kind}.npz", **{**parts, **change})
    return folder


def test_lfw_becomes_a_table_of_every_head_and_comparison(
    small_lfw: Path,  # noqa: F811
    config: Path,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for m, q in ((256, 8), (32, 2)):
        for kind in ("trained", "random"):
            write(tmp_path / "heads", m, q, kind)
    assert sizes.main([str(small_lfw), "--heads", str(tmp_path / "heads"), "--config", str(config)]) == 0
    facts = said(capsys)
    lines = [(line.get("m"), line.get("q"), line["projection"], line["comparison"]) for line in facts["table"]]
    assert lines[0] == (None, None, "none", "cosine")
    ways = ("the probe's costs", "equal symbols", "binary Hamming", "index distance")
    assert lines[1:] == [(m, q, kind, way) for m, q in ((32, 2), (256, 8)) for kind in ("random", "trained") for way in ways]
    assert facts["table"][0]["eer"] == 0
    assert facts["table"][9]["eer"] == 0


def test_by_how_much_training_helped() -> None:
    def line(kind: str, eer: float, m: int = 64, way: str = "equal symbols") -> dict[str, object]:
        return {"m": m, "q": 8, "projection": kind, "comparison": way, "eer": eer}

    table = [{"m": None, "q": None, "projection": "none", "comparison": "cosine", "eer": 0.01}]
    table += [line("random", 0.04), line("trained", 0.03), line("trained", 0.5, way="index distance"), line("random", 0.02, 512)]
    assert sizes.gains(table, sizes.COUNTED) == {"64x8": 0.25}


def test_a_pair_without_a_face_is_as_unlike_as_the_most_unlike() -> None:
    pairs = [Pair(f"{name}/1", f"{name}/{other}", same, fold) for fold in (0, 1) for name, other, same in (("a", 2, True), ("b", 3, False))]
    samples = Samples({"a/1": 0, "a/2": 1}, 8, CODES[:2], whole_costs(CODES[:2], 8), np.zeros(2, np.float32), None)
    found = sizes.score(pairs, samples, IndexDistance(CODES[:2]))
    assert found["mean_non_mated"] == found["mean_mated"] == -1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"weight": np.zeros((5, 3), np.float16)}, r"weight \(5, 3\)"),
        ({"facts": "no JSON"}, "no rank-hash head"),
        ({"width": 7}, "takes embeddings of 7 numbers, the network gives 3"),
        ({"facts": json.dumps({"features": {"backbone": "feed"}})}, "was made for backbone feed"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_with_its_file(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    with pytest.raises(NetworkError, match=rf"32x4_random\.npz: .*{fault}"):
        sizes.read_heads(write(tmp_path / "heads", 32, 4, "random", **{"width": 3, **change}), 3, "beef")


def test_a_folder_without_heads_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"holds no head \(\*\.npz\); write some with training\.heads"):
        sizes.read_heads(tmp_path, 512, "")
