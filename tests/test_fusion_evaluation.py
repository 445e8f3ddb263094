"""Fusion on planted data: where the uncertainty knows the bad frames it wins, where it knows nothing it does not; and the command."""

from pathlib import Path

import numpy as np
import pytest

from edge.template.hashing import costs_of
from evaluation import fusion
from evaluation.fusion import FRAME, Searches, difference, draw, fuse_ways, search, templates
from evaluation.samples import Samples
from evaluation.templates import Template
from tests.test_evaluation import config, people, said  # noqa: F401

MATES, STRANGERS, FRAMES, SIZE, M, Q = 150, 150, 5, 64, 256, 4


def planted(knows: bool) -> tuple[Samples, dict[str, list[str]], Samples]:
    """Frames of which half are good and half nearly noise, one good reference each of the mates; ln s true, or nothing but chance."""
    random = np.random.default_rng(2)
    directions = random.normal(size=(SIZE, M * Q)).astype(np.float32)
    centres = random.normal(size=(MATES + STRANGERS, SIZE))

    def samples(names: list[str], people: list[int], spreads: np.ndarray) -> Samples:
        vectors = centres[people] + spreads[:, None] * random.normal(size=(len(people), SIZE))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        logits = vectors @ directions
        codes = logits.reshape(len(logits), M, Q).argmax(axis=2).astype(np.uint8)
        logs = 2 * np.log(spreads) if knows else random.normal(size=spreads.size) / 4
        return Samples(
            {name: row for row, name in enumerate(names)}, Q, codes, costs_of(logits, Q), logs.astype(np.float32), vectors, logits
        )

    frames = {f"p{who}": [f"p{who}/{frame}" for frame in range(FRAMES)] for who in range(MATES + STRANGERS)}
    spreads = np.where(random.random((MATES + STRANGERS) * FRAMES) < 0.3, 1.0, 6.0)
    probes = samples([key for keys in frames.values() for key in keys], [who for who in range(len(frames)) for _ in range(FRAMES)], spreads)
    return probes, frames, samples([f"p{who}" for who in range(MATES)], list(range(MATES)), np.full(MATES, 0.8))


def searches(knows: bool) -> dict[str, dict[str, Searches]]:
    """Template -> way -> what came of it."""
    probes, frames, references = planted(knows)
    found: dict[str, dict[str, Searches]] = {}
    for way, made in fuse_ways(probes, frames).items():
        for template in templates(references, made):
            found.setdefault(template.name, {})[way] = search(template, MATES, STRANGERS)
    return found


@pytest.mark.parametrize("template", ["embedding, cosine", "protected"])
def test_uncertainty_that_knows_the_bad_frames_beats_the_mean(template: str) -> None:
    found = searches(knows=True)[template]
    gap = difference(found["mean"], found["uncertainty"], 0.01, seed=1)
    assert gap["fnir"] > 0.05
    assert gap["interval"][0] > 0


@pytest.mark.parametrize("template", ["embedding, cosine", "protected"])
def test_uncertainty_that_knows_nothing_changes_nothing_that_can_be_told(template: str) -> None:
    found = searches(knows=False)[template]
    low, high = difference(found["mean"], found["uncertainty"], 0.01, seed=1)["interval"]
    assert low <= 0 <= high


def test_a_way_does_not_differ_from_itself() -> None:
    found = searches(knows=True)["protected"]["mean"]
    assert difference(found, found, 0.01, seed=1) == {"fnir": 0.0, "interval": [0.0, 0.0]}


def test_with_one_frame_all_ways_are_one() -> None:
    probes, frames, _ = planted(knows=True)
    ways = fuse_ways(probes, {name: keys[:1] for name, keys in frames.items()})
    assert all((made.codes == ways["mean"].codes).all() for made in ways.values())


def test_equal_variances_fuse_to_the_mean_and_hopeless_frames_leave_the_best_one() -> None:
    probes, frames, _ = planted(knows=True)
    for logs, as_way in ((np.zeros(probes.log_variances.size), "mean"), (np.tile([0.0, 800, 800, 800, 800], len(frames)), "best frame")):
        same = Samples(probes.place, probes.q, probes.codes, probes.costs, logs.astype(np.float32), probes.embeddings, probes.logits)
        ways = fuse_ways(same, frames)
        assert (ways["uncertainty"].codes == ways[as_way].codes).all()


class Table:
    """A template that is its matrix of scores."""

    name, lowest = "table", 0.0

    def __init__(self, scores: list[list[float]]) -> None:
        self._scores = np.array(scores)

    def matrix(self, probes: np.ndarray, references: np.ndarray) -> np.ndarray:
        return self._scores

    pairs = matrix


def test_searches_by_hand() -> None:
    """Three mates and two strangers: one mate is second, one is below the strangers' best; at FPIR 50 % one stranger may pass."""
    table: Template = Table([[0.9, 0.1, 0.2], [0.7, 0.6, 0.1], [0.1, 0.2, 0.3], [0.4, 0.1, 0.1], [0.1, 0.8, 0.1]])
    found = search(table, 3, 2)
    assert found.rank.tolist() == [1, 2, 1]
    assert found.best.tolist() == [0.4, 0.8]
    assert found.rank_one == pytest.approx(2 / 3)
    assert found.fnir(0.5) == pytest.approx(2 / 3)  # only 0.9 is above 0.4 and first
    assert found.fnir(1.0) == pytest.approx(1 / 3)
    assert np.isnan(found.fnir(0.5, np.array([0, 1])))  # no stranger among them


def test_who_is_drawn() -> None:
    """Nobody is mate and stranger, references are no frames, frames of a kind are as its words say."""
    tree = {f"p{who}": [f"p{who}/{n}" for n in range(1 + who % 4)] for who in range(40)}
    for kind in fusion.SEQUENCES:
        drawn = draw(tree, kind, enrol=1, length=6, limit=None, seed=1)
        assert not set(drawn.mates) & set(drawn.strangers)
        assert len(drawn.strangers) <= len(drawn.mates)
        assert all(not set(drawn.mates[name]) & {key.partition(FRAME)[0] for key in drawn.frames[name]} for name in drawn.mates)
        lengths = {len(keys) for keys in drawn.frames.values()}
        assert lengths == {6} if kind == "degraded" else max(lengths) == 4
        assert len(draw(tree, kind, 1, 6, 10, 1).frames) <= 10


def test_the_command_measures_and_draws(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    arguments = [str(people(tmp_path / "set")), "--config", str(config), "--frames", "1", "2", "--out", str(tmp_path / "out")]
    assert fusion.main(arguments) == 0
    facts = said(capsys)
    assert facts["sequences"]["degraded"]["frames"]["2"]["mates"] == 4
    assert set(facts["sequences"]["pictures"]["frames"]["1"]["templates"]) == {"embedding, cosine", "protected"}
    assert [Path(path).read_bytes()[:4] for path in facts["plots"]] == [b"\x89PNG"]
