"""The protection figures are those of hand-worked cases, and tell layers that link from layers that do not."""

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation import protection, schemes, unlinkability
from evaluation.attacks.door import default_rule
from evaluation.attacks.faces import Faces, synthetic
from evaluation.attacks.linkers import hamming
from evaluation.attacks.weights import read_projection

RULE = default_rule()
EDGES = np.array([0.0, 0.5, 1.0])
LOW, HIGH = 0.25, 0.75


@pytest.fixture(scope="module")
def faces() -> Faces:
    projection = read_projection(RULE.settings.network.models / f"{RULE.settings.network.hash}.onnx", RULE.network.q)
    return synthetic(projection, people=60, strangers=40)


@pytest.mark.parametrize(
    ("mated", "non_mated", "worked"),
    [
        ([HIGH] * 4, [LOW] * 4, 1.0),  # no non-mated score where the mated ones lie
        ([LOW, HIGH] * 2, [LOW, HIGH] * 2, 0.0),  # equal: LR is 1 everywhere
        ([LOW, LOW, HIGH, HIGH], [LOW] * 4, 0.5),  # LR 1/2 below: 0; above: 1 for half of them
        ([LOW, HIGH, HIGH, HIGH], [LOW, LOW, LOW, HIGH], 0.375),  # LR 3 above: 2 * 3/4 - 1 = 1/2, for three quarters
        ([HIGH, HIGH, HIGH, LOW], [LOW, LOW, HIGH, HIGH], 0.75 * (2 * 1.5 / 2.5 - 1)),  # LR 3/2 above
    ],
)
def test_d_sys_is_that_of_cases_worked_by_hand(mated: list[float], non_mated: list[float], worked: float) -> None:
    assert unlinkability.d_sys(np.array(mated), np.array(non_mated), EDGES) == pytest.approx(worked)


def test_d_sys_needs_scores_of_both_kinds() -> None:
    with pytest.raises(ValueError, match="both are needed"):
        unlinkability.d_sys(np.empty(0), np.array([1.0]), EDGES)


@pytest.mark.parametrize(("scores", "bins"), [(5, 1), (200, 20), (5000, 100)])
def test_bins_hold_ten_mated_scores_on_average_and_are_a_hundred_at_most(scores: int, bins: int) -> None:
    assert len(unlinkability.bins_of(np.linspace(0, 1, scores), np.linspace(0, 2, 9))) == bins + 1


def test_equal_distributions_lie_within_the_noise_and_shifted_ones_above_it() -> None:
    random = np.random.default_rng(5)
    one, other = random.normal(size=(2, 2000))
    assert not unlinkability.measured(one, other).linkable
    assert unlinkability.measured(one + 0.5, other).linkable


def test_the_noise_floor_falls_with_the_number_of_scores() -> None:
    """The specification's own measurement: about 0.02 at 6,000 pairs, 0.12 at 400; it depends on the bins."""
    random = np.random.default_rng(0)
    few, many = (unlinkability.measured(*random.normal(size=(2, n))).floor for n in (400, 6000))
    assert many < few < 0.2


@pytest.mark.parametrize(
    ("make", "linkable"),
    [
        (schemes.Plain, {"Hamming", "best assignment"}),
        (schemes.SharedTable, {"best assignment"}),
        (schemes.PerPosition, set()),
        (schemes.Whole, set()),
    ],
)
def test_each_layer_links_where_it_should(make: schemes.Make, linkable: set[str], faces: Faces) -> None:
    found = protection.unlinkability_of(make, faces)
    assert {name for name, each in found.items() if each["d_sys"] > 0.9} >= linkable
    if not linkable:
        assert max(each["d_sys"] for each in found.values()) < 0.4, "60 people: the noise alone gives 0.2"


def test_linking_scores_pair_people_with_themselves_and_then_with_others() -> None:
    rows = np.arange(8, dtype=np.uint8)[:, None].repeat(16, axis=1)
    mated, non_mated = protection.linking_scores(hamming, rows, rows)
    assert mated.tolist() == [1.0] * 8
    assert non_mated.tolist() == [0.0] * 8 * protection.SHIFTS


def test_plotted_bins_hold_equally_many_possible_shares() -> None:
    edges = protection.lattice(np.array([10, 300]) / 512, 512)
    shares = np.arange(513) / 512
    assert edges[0] < 10 / 512 < 300 / 512 < edges[-1]
    assert len(set(np.histogram(shares, edges)[0].tolist())) == 1
    assert 50 <= len(edges) - 1 <= protection.PLOT_BINS + 1


def test_a_new_epoch_makes_old_templates_look_like_impostors(faces: Faces) -> None:
    found = protection.revocability(faces, RULE)
    assert found["accepted"] == 0
    assert found["mean_old_against_new"] == pytest.approx(found["mean_impostors"], abs=0.01)
    assert found["eer"] == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("values", [2, 4, 8])
def test_tables_share_the_values_evenly_among_the_symbols(values: int) -> None:
    tables = protection.balanced_tables(16, 8, values)
    assert all((np.bincount(table, minlength=values) == 8 // values).all() for table in tables)
    assert len({table.tobytes() for table in tables}) > 1


@pytest.mark.parametrize("values", [1, 3, 16])
def test_values_that_do_not_divide_the_symbols_are_refused(values: int) -> None:
    with pytest.raises(ValueError, match="name a divisor of 8"):
        protection.balanced_tables(16, 8, values)


def test_keys_cost_no_accuracy_and_compression_gives_a_worse_pre_image(faces: Faces) -> None:
    rows = {row["template"]: row for row in protection.costs(faces)}
    assert rows["protected"]["eer"] == rows["3 bits a symbol (as shipped)"]["eer"] <= rows["rank hash"]["eer"]
    assert (rows["rank hash"]["bytes"], rows["protected"]["bytes"]) == (192, 223)
    cosines = [row["pre_image_cosine"] for row in rows.values() if "pre_image_cosine" in row]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] == pytest.approx(0.87, abs=0.04)
    assert cosines[-1] == pytest.approx(0.50, abs=0.05)


def test_accuracy_of_scores_that_separate_and_of_scores_that_do_not() -> None:
    assert protection.accuracy(lambda to: (to == np.arange(50)).astype(float), 50)["eer"] == 0
    assert protection.accuracy(lambda to: np.zeros(50), 50)["eer"] == pytest.approx(0.5)


def test_entropy_of_even_and_of_constant_symbols() -> None:
    even = np.arange(8, dtype=np.uint8)[:, None].repeat(4, axis=1)
    found = protection.entropy(even, 8)
    assert (found["entropy_mean"], found["least_share"], found["most_share"]) == (3.0, 0.125, 0.125)
    assert protection.entropy(np.zeros((8, 4), np.uint8), 8)["entropy_mean"] == 0


def test_independent_symbols_are_counted_as_a_binomial_law_has_it() -> None:
    """512 fair symbols count as about 512; each written twice, as half of that."""
    random = np.random.default_rng(0)
    fair = random.integers(0, 8, (3000, 512), np.uint8)
    assert protection.entropy(fair, 8)["free"] == pytest.approx(512, rel=0.1)
    assert protection.entropy(fair[:, :256].repeat(2, axis=1), 8)["free"] == pytest.approx(256, rel=0.1)


def test_the_command_writes_tables_json_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert protection.main(["--synthetic", "--people", "60", "--out", str(tmp_path)]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"unlinkability", "revocability", "costs", "entropy", "milliseconds"} <= set(facts)
    assert (tmp_path / "unlinkability.png").read_bytes()[:4] == b"\x89PNG"
