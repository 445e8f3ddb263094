"""The attack bench finds the shipped scheme sound and weaker ones broken; its numbers are those of hand-worked cases."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from evaluation import schemes
from evaluation.attacks import bench, command, known_faces, linkers, linking, other_network, preimage
from evaluation.attacks import faces as whose
from evaluation.attacks.bench import COIN, NEVER, Chance, Knowledge, Result
from evaluation.attacks.door import Rule, default_rule
from evaluation.attacks.faces import Elsewhere, Faces, synthetic
from evaluation.attacks.weights import Projection, read_projection
from evaluation.pictures import Tree
from evaluation.samples import Samples

one = partial(Result, "an attack", success="it works", trials=100)


@pytest.fixture(scope="module")
def rule() -> Rule:
    return default_rule()


@pytest.fixture(scope="module")
def projection(rule: Rule) -> Projection:
    return read_projection(rule.settings.network.models / f"{rule.settings.network.hash}.onnx", rule.network.q)


@pytest.fixture(scope="module")
def faces(projection: Projection) -> Faces:
    return synthetic(projection, people=80, strangers=40)


class Eye:
    """The embedding of a picture is its brightness; in a dark one there is no face. blind: its network gives no embedding."""

    def __init__(self, *, blind: bool = False) -> None:
        self.blind = blind

    def samples(self, tree: Tree, keys: list[str]) -> Samples:
        bright = {key: float(tree.read(key).mean()) for key in keys}
        seen = [key for key in keys if bright[key] > 1]
        embeddings = np.array([[bright[key]] for key in seen], np.float32)
        place = {key: row for row, key in enumerate(seen)}
        return Samples(
            place,
            8,
            *(np.zeros((len(seen), *size), np.uint8) for size in ((8,), (8, 8))),
            np.zeros(len(seen), np.float32),
            None if self.blind else embeddings,
        )


def tree(folder: Path, people: dict[str, list[int]]) -> Tree:
    for person, pictures in people.items():
        (folder / person).mkdir(parents=True)
        for number, bright in enumerate(pictures):
            cv2.imwrite(str(folder / person / f"{number}.png"), np.full((4, 4, 3), bright, np.uint8))
    return Tree(folder)


@pytest.mark.parametrize(
    ("most", "expected", "name"),
    [
        (2, [30, 40], "LFW, 2 people and 2 strangers"),
        (4, [30, 40, 50, 60], "LFW, 2 people and 2 strangers, 2 of more"),
        (9, [30, 40, 50, 60, 70, 90], "LFW, 2 people and 2 strangers, 3 of more, 1 of most"),
    ],
)
def test_strangers_of_other_trees_come_after_those_of_the_first_until_there_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, expected: list[int], name: str
) -> None:
    monkeypatch.setattr(whose, "STRANGERS", most)
    first = tree(tmp_path / "first", {"ana": [10, 20], "ada": [11, 21], "ben": [30], "cem": [40]})
    more = tree(tmp_path / "more", {"dia": [50, 55], "dark": [0], "eva": [60], "fay": [70]})
    last = tree(tmp_path / "most", {"gil": [90]})
    found = whose.of_lfw(first, Eye(), None, None, more=[more, last])  # type: ignore[arg-type]
    assert (found.first.tolist(), found.second.tolist(), found.strangers.ravel().tolist()) == ([[11], [10]], [[21], [20]], expected)
    assert found.name == name


def test_attacks_need_a_network_that_gives_embeddings(tmp_path: Path) -> None:
    people = tree(tmp_path / "first", {"ana": [10, 20], "ada": [11, 21], "ben": [30]})
    with pytest.raises(SourceError, match="gives no embedding"):
        whose.of_lfw(people, Eye(blind=True), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("knowledge", "successes", "chance", "holds"),
    [
        (Knowledge.DATABASE, 0, NEVER, True),
        (Knowledge.DATABASE, 3, NEVER, False),
        (Knowledge.ORACLE, 3, NEVER, False),
        (Knowledge.ORACLE, 3, Chance.measured(3, 100), True),
        (Knowledge.ROW_KEY, 100, NEVER, True),
        (Knowledge.ALL_KEYS, 100, NEVER, True),
        (Knowledge.DATABASE, 55, COIN, True),
        (Knowledge.DATABASE, 90, COIN, False),
        (Knowledge.DATABASE, 10, COIN, False),
        (Knowledge.DATABASE, 0, Chance.measured(90, 100), True),
    ],
)
def test_the_gate_fails_when_an_attack_without_keys_does_better_than_chance(
    knowledge: Knowledge, successes: int, chance: Chance, holds: bool
) -> None:
    results = [one(knowledge=knowledge, successes=successes, chance=chance)]
    assert (bench.broken(results) == []) == holds
    assert bench.facts_of(results)["gate"]["holds"] == holds


def test_the_interval_of_a_result_is_that_of_clopper_and_pearson() -> None:
    assert one(knowledge=Knowledge.DATABASE, successes=0, chance=NEVER).interval() == pytest.approx((0, 0.0362167), abs=1e-6)


def test_many_attacks_together_alarm_falsely_as_seldom_as_one() -> None:
    lucky = one(knowledge=Knowledge.DATABASE, successes=68, chance=COIN)
    assert bench.broken([lucky]) == [lucky]
    assert bench.broken([lucky] * 40) == []


@pytest.mark.parametrize(("successes", "trials"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="attack an attack"):
        Result("an attack", Knowledge.ORACLE, "it works", trials, successes, NEVER)


def test_the_projection_read_from_the_file_is_the_one_that_the_network_computes(rule: Rule, projection: Projection) -> None:
    from edge.assembly.build import Networks

    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    found = Networks(rule.settings).hasher.infer(crops, ("logits", "embedding"))
    assert np.allclose(found["embedding"] @ projection.weight.T + projection.bias, found["logits"], atol=1e-3)


def test_synthetic_people_are_as_alike_as_they_are_said_to_be(projection: Projection) -> None:
    made = synthetic(projection, people=400, strangers=10)
    assert (made.first * made.second).sum(axis=1).mean() == pytest.approx(0.53, abs=0.01)
    assert (made.first[1:] * made.second[:-1]).sum(axis=1).mean() == pytest.approx(0, abs=0.01)


def test_the_best_assignment_sees_through_one_table_and_not_through_one_for_each_position() -> None:
    code = np.arange(512, dtype=np.uint8)[None] % 8
    table = np.random.default_rng(0).permutation(8).astype(np.uint8)
    tables = schemes.PerPosition(512, 8)
    assert linkers.hamming(code, table[code])[0] < 0.5
    assert linkers.best_assignment(code, table[code])[0] == 1
    assert linkers.best_assignment(code, tables.transform(code))[0] < 0.3


def test_a_linker_wins_every_trial_on_equal_rows_and_half_of_them_by_coin_on_constant_scores() -> None:
    rows = np.random.default_rng(0).integers(0, 8, (200, 64), np.uint8)
    assert linking.linked(linkers.hamming, rows, rows) == (100, 100)
    assert linking.linked(lambda a, b: -linkers.hamming(a, b), rows, rows) == (0, 100)
    won, trials = linking.linked(lambda a, b: np.zeros(len(a)), rows, rows)
    assert trials == 100
    assert 30 < won < 70


def test_the_shipped_scheme_cannot_be_linked_or_undone_without_keys(faces: Faces, rule: Rule) -> None:
    few = faces.some(slice(0, 20))
    results = [
        *linking.attack(schemes.Whole, faces),
        *linking.multiplicity(schemes.Whole, faces),
        *linking.same_file(schemes.Whole, faces),
        *linking.pads(faces, 2000),
        *preimage.attack(schemes.Whole, few, rule),
    ]
    assert bench.broken(results) == []
    assert {result.knowledge for result in results} >= {Knowledge.DATABASE, Knowledge.ROW_KEY, Knowledge.ALL_KEYS}


def test_with_all_keys_the_scheme_falls_and_the_table_says_so(faces: Faces, rule: Rule) -> None:
    results = preimage.attack(schemes.Whole, faces.some(slice(0, 20)), rule)
    fallen = {result.attack for result in results if result.knowledge is Knowledge.ALL_KEYS and result.successes == result.trials}
    assert {"pre-image by one matrix product, same door", "pre-image by optimisation, same door after rotation"} <= fallen


def broken_names(results: list[Result]) -> set[str]:
    return {result.attack for result in bench.broken(results)}


def test_one_shared_table_is_found_broken_by_the_best_assignment(faces: Faces) -> None:
    assert "linking two databases, best assignment" in broken_names(linking.attack(schemes.SharedTable, faces))


def test_a_pad_used_twice_is_found_broken(faces: Faces) -> None:
    assert broken_names(linking.same_file(schemes.ReusedPad, faces)) == {"pad used twice: rows of one database xored"}


def test_plain_codes_are_found_broken_by_a_pre_image(faces: Faces, rule: Rule) -> None:
    found = broken_names(preimage.attack(schemes.Plain, faces.some(slice(0, 20)), rule))
    assert found == {"pre-image by one matrix product, same door", "pre-image by optimisation, same door"}


def test_the_optimised_pre_image_gives_more_of_the_symbols_than_the_product(faces: Faces) -> None:
    codes, _ = faces.codes
    shares = [(faces.projection.codes(recover(codes, faces.projection)) == codes).mean() for recover in preimage.METHODS.values()]
    assert 0.5 < shares[0] < shares[1]


@pytest.mark.parametrize("make", [*schemes.LAYERS, schemes.ReusedPad])
def test_every_scheme_opens_what_it_sealed_to_what_its_door_compares(make: schemes.Make) -> None:
    codes = np.random.default_rng(0).integers(0, 8, (3, 64), np.uint8)
    scheme = make(64, 8)
    for code, shown in zip(codes, scheme.transform(codes), strict=True):
        assert (scheme.open(scheme.seal(code, "subject", "reference"), "subject", "reference") == shown).all()


@pytest.mark.parametrize(("make", "code"), [(schemes.Whole, 0), (schemes.Plain, 1)])
def test_the_command_fails_when_the_gate_does(make: schemes.Make, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    only = {"linking": command.ATTACKS["linking"]}
    assert command.main(["--synthetic", "--json", "--people", "80"], make, only) == code
    assert json.loads(capsys.readouterr().out)["gate"]["holds"] == (code == 0)


def test_too_few_people_are_told_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--synthetic", "--people", "12"]) == 4
    assert "the bench needs 40, so take more with --people" in " ".join(capsys.readouterr().err.split())


def test_known_pairs_of_rows_and_codes_give_the_transform_away() -> None:
    codes = np.random.default_rng(0).integers(0, 8, (120, 64), np.uint8)
    rows = schemes.PerPosition(64, 8).transform(codes)
    permutation, tables = known_faces.recovered(codes[:80], rows[:80], 8)
    assert (known_faces.undone(rows[80:], permutation, tables) == codes[80:]).all()


def test_known_faces_undo_the_transform_when_the_row_key_is_lost_and_not_before(projection: Projection, rule: Rule) -> None:
    results = known_faces.attack(schemes.Whole, synthetic(projection, people=300, strangers=2), rule)
    assert bench.broken(results) == []
    assert results[0].knowledge is Knowledge.DATABASE
    assert results[-1].successes == results[-1].trials
    lost = known_faces.attack(schemes.PerPosition, synthetic(projection, people=300, strangers=2), rule)
    assert broken_names(lost) == {"transform from 150 known faces, then pre-images"}


def test_a_map_between_networks_is_learned_from_strangers(faces: Faces) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0].astype(np.float32)
    many = synthetic(faces.projection, people=2, strangers=1500).strangers
    found = many[:5] @ other_network.taught(many, many @ turn)
    cosines = (found * (many[:5] @ turn)).sum(axis=1) / np.linalg.norm(found, axis=1)
    assert cosines.min() > 0.95


def test_pre_images_pass_at_another_network_with_all_keys_and_not_without(projection: Projection) -> None:
    """The other network is the shipped one, turned."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0].astype(np.float32)
    made = synthetic(projection, people=60, strangers=1000)
    other = Elsewhere("turned", made.first @ turn, made.second @ turn, made.strangers @ turn)
    results = other_network.attack(schemes.Whole, Faces("f", made.first, made.second, made.strangers, projection, other))
    assert bench.broken(results) == []
    assert results[-1].knowledge is Knowledge.ALL_KEYS
    assert results[-1].rate > 0.9
    assert other_network.attack(schemes.Whole, made) == []
