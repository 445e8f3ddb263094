"""A search within a limit gives of the whole search what lies within it, in the same order; a probe with costs is compared by them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery import Gallery, live
from edge.records import FREE, Code
from edge.template.compare import SHORTLIST, dissimilarities, graded
from edge.template.hashing import costs_of, hash_logits
from tests.test_gallery import NETWORK, code
from tests.test_gallery_head import opened

M, Q = NETWORK.m, NETWORK.q
FIRST = code()
PLAIN: list[Code] = []
"""What the gallery of this file holds."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Forty people of several references each, some of them at the same distance of one code."""
    random = np.random.default_rng(3)
    path: Path = tmp_path_factory.mktemp("search") / "gallery.db"
    with opened(path) as made:
        for number in range(40):
            near = np.stack([np.where(random.random(M) < share, random.integers(0, Q, M), FIRST.symbols) for share in (0.1, 0.3, 0.9)])
            codes = [Code(each.astype(np.uint8), Q) for each in near]
            PLAIN.extend(codes)
            made.enrol(f"person {number}", codes)
        yield made
        PLAIN.clear()


@given(st.integers(0, M), st.sampled_from([None, 1, 2, 5]), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_search_within_a_limit_is_the_whole_search_cut_there(
    gallery: Gallery, within: int, limit: int | None, share: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probe = Code(np.where(random.random(M) < share, random.integers(0, Q, M), FIRST.symbols).astype(np.uint8), Q)
    whole = gallery.search(probe, limit=limit)
    assert gallery.search(probe, limit=limit, within=within) == [each for each in whole if each.dissimilarity <= within]


def test_the_limit_itself_is_within_and_one_more_is_not(gallery: Gallery) -> None:
    whole = gallery.search(FIRST)
    for within in {each.dissimilarity + beside for each in whole for beside in (-1, 0)}:
        assert gallery.search(FIRST, within=within) == [each for each in whole if each.dissimilarity <= within]


def probes(share: float, seed: int) -> Code:
    """FIRST with a share of other symbols, and costs of its own."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(M, Q)).astype(np.float32)
    wanted = np.where(random.random(M) < share, random.integers(0, Q, M), FIRST.symbols)
    logits[np.arange(M), wanted] += 2
    flat = logits.ravel()
    return Code(hash_logits(flat, Q), Q, costs_of(flat, Q))


@given(st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_probe_with_costs_is_compared_by_them_with_everybody(gallery: Gallery, share: float, seed: int) -> None:
    """Without a limit: each subject's nearest by the plain codes, whatever key is in force."""
    probe, plain = probes(share, seed), dict(gallery_codes(gallery))
    found = {each.reference: each for each in gallery.search(probe)}
    for subject in {each.subject for each in found.values()}:
        own = {reference: int(dissimilarities(code[None], probe)[0]) for reference, (owner, code) in plain.items() if owner == subject}
        nearest = next(each for each in found.values() if each.subject == subject)
        assert nearest.dissimilarity == min(own.values()) == own[nearest.reference]
    assert len(found) == 40


@given(st.integers(0, M), st.sampled_from([1, 2]), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_probe_with_costs_finds_within_a_limit_what_it_finds_without(
    gallery: Gallery, within: int, limit: int, share: float, seed: int
) -> None:
    probe = probes(share, seed)
    whole = gallery.search(probe, limit=limit)
    assert gallery.search(probe, limit=limit, within=within) == [each for each in whole if each.dissimilarity <= within]


def test_where_nobody_is_near_no_costs_are_asked(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = probes(1.0, 5)
    asked = []
    monkeypatch.setattr(live, "graded", lambda rows, costs: asked.append(len(rows)) or graded(rows, costs))
    assert gallery.search(probe, limit=2, within=M // 4) == []
    assert asked == []
    assert gallery.search(probes(0.1, 5), limit=2, within=M // 2)
    assert asked == [SHORTLIST], "eighty are near, the nearest are asked"


def gallery_codes(gallery: Gallery) -> Iterator[tuple[str, tuple[str, np.ndarray]]]:
    """Reference -> subject and plain code, found by a probe of each symbol at each position that the gallery answers."""
    zero = np.full((M, Q), FREE, np.uint8)
    for each in PLAIN:
        probe = Code(each.symbols, Q, np.where(np.arange(Q) == each.symbols[:, None], zero, np.uint8(255)))
        first = gallery.search(probe, limit=1)[0]
        assert first.dissimilarity == 0
        yield first.reference, (first.subject, each.symbols)


@given(st.floats(0, 1), st.sampled_from([1, 2]), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_with_a_limit_the_shortlist_is_compared_and_holds_a_person_who_is_near(
    gallery: Gallery, share: float, limit: int, seed: int
) -> None:
    """120 references and a shortlist of 64: of who is near the answer is that of everybody; of who is far it never claims more."""
    probe = probes(share, seed)
    whole, listed = gallery.search(probe), gallery.search(probe, limit=limit)
    assert len(listed) == limit
    assert all(ours.dissimilarity >= theirs.dissimilarity for ours, theirs in zip(listed, whole, strict=False))
    if share < 0.5:
        assert listed == whole[:limit]


def test_a_subject_with_more_references_than_the_shortlist_hides_nobody(tmp_path: Path) -> None:
    """The runner-up is needed to tell whether two people are too alike."""
    with opened(tmp_path / "gallery.db") as made:
        many, other = (made.enrol(name, codes) for name, codes in (("Ada", [FIRST] * (SHORTLIST + 6)), ("Bo", [probes(0.9, 1)])))
        assert [each.subject for each in made.search(probes(0.0, 2), limit=2)] == [many.id, other.id]
