"""A search within a limit gives of the whole search what lies within it, in the same order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery import Gallery
from edge.records import Code
from tests.test_gallery import NETWORK, code
from tests.test_gallery_head import opened

M, Q = NETWORK.m, NETWORK.q
FIRST = code()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Forty people of several references each, some of them at the same distance of one code."""
    random = np.random.default_rng(3)
    path: Path = tmp_path_factory.mktemp("search") / "gallery.db"
    with opened(path) as made:
        for number in range(40):
            near = np.stack([np.where(random.random(M) < share, random.integers(0, Q, M), FIRST.symbols) for share in (0.1, 0.3, 0.9)])
            made.enrol(f"person {number}", [Code(each.astype(np.uint8), Q) for each in near])
        yield made


@given(st.integers(0, M), st.sampled_from([None, 1, 2, 5]), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_search_within_a_limit_is_the_whole_search_cut_there(
    gallery: Gallery, within: int, limit: int | None, share: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probe = Code(np.where(random.random(M) < share, random.integers(0, Q, M), FIRST.symbols).astype(np.uint8), Q)
    whole = gallery.search(probe, limit=limit)
    assert gallery.search(probe, limit=limit, within=within) == [each for each in whole if each.unequal <= within]


def test_the_limit_itself_is_within_and_one_more_is_not(gallery: Gallery) -> None:
    whole = gallery.search(FIRST)
    for within in {each.unequal + beside for each in whole for beside in (-1, 0)}:
        assert gallery.search(FIRST, within=within) == [each for each in whole if each.unequal <= within]
