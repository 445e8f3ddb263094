"""The threshold rule: the law of the tail, how sure it is, and what follows at an operating point."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge.errors import SettingsError
from edge.template.tail import SHAPES, Bound, NonMatedTail, fit_tail, per_approach

TAIL = NonMatedTail(m=512, pairs=1_000_000, tail_at=400.5, tail_share=0.01, shape=0.05, scale=8.0)

tails = st.builds(
    NonMatedTail,
    m=st.just(512),
    pairs=st.just(10**6),
    tail_at=st.integers(50, 500).map(lambda count: count + 0.5),
    tail_share=st.floats(0.001, 0.1),
    shape=st.floats(*SHAPES),
    scale=st.floats(0.5, 40),
)


def test_the_rate_is_scipys_generalised_pareto_law() -> None:
    """False match rate = share of the tail times the survival function, at, near and above the exponential."""
    for shape in (0.0, 1e-12, 0.05, 0.3, 0.49):
        tail = replace(TAIL, shape=shape)
        for unequal in (200, 330, 380, 399, 400):
            expected = 0.01 * stats.genpareto.sf(400.5 - unequal - 0.5, shape, scale=8.0)
            assert tail.false_match_rate(unequal) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_above_the_tail_nothing_is_claimed() -> None:
    """The rate at the tail's edge is its share; above it the safe answer is 1."""
    assert TAIL.false_match_rate(400) == pytest.approx(0.01)
    assert TAIL.false_match_rate(401) == 1


@given(tails)
def test_the_rate_never_falls_with_the_threshold(tail: NonMatedTail) -> None:
    """More unequal symbols allowed, more false matches; always within 0..1."""
    rates = [tail.false_match_rate(unequal) for unequal in range(tail.m + 1)]
    assert all(0 <= a <= b <= 1 for a, b in pairwise(rates))


@given(tails, st.floats(1e-4, 0.1), st.integers(0, 100_000), st.integers(1, 20))
def test_the_threshold_is_the_largest_that_keeps_the_operating_point(tail: NonMatedTail, fpir: float, size: int, looks: int) -> None:
    """At the threshold the promised rate holds, one symbol more breaks it; where even zero breaks it, there is no threshold."""

    def rate(unequal: int) -> float:
        false_match_rate = tail.false_match_rate(unequal)
        return 1.0 if false_match_rate >= 1 else -math.expm1(max(size, 1) * looks * math.log1p(-false_match_rate))

    try:
        threshold = tail.threshold(fpir, size, looks)
    except SettingsError:
        assert rate(0) > fpir * (1 - 1e-9)
        return
    assert rate(threshold) <= fpir * (1 + 1e-9)
    assert rate(threshold + 1) > fpir * (1 - 1e-9)


def test_a_larger_gallery_or_more_looks_ask_for_more_likeness() -> None:
    """Ten thousand people are searched with a stricter threshold than ten, and four looks with a stricter one than one."""
    assert TAIL.threshold(0.003, 10_000, 1) < TAIL.threshold(0.003, 10, 1) < 400
    assert TAIL.threshold(0.003, 1000, 4) < TAIL.threshold(0.003, 1000, 1)
    assert TAIL.threshold(0.003, 0, 1) == TAIL.threshold(0.003, 1, 1)


def test_an_operating_point_out_of_reach_is_told_with_the_way_out() -> None:
    """Eight symbols cannot keep a million people apart."""
    tail = NonMatedTail(m=8, pairs=10**6, tail_at=2.5, tail_share=0.01, shape=0.0, scale=1.0)
    with pytest.raises(SettingsError, match=r"1000000 references.*higher FPIR"):
        tail.threshold(0.003, 1_000_000, 1)


@pytest.mark.parametrize(("fpir", "size", "looks"), [(0, 1, 1), (1, 1, 1), (float("nan"), 1, 1), (0.1, -1, 1), (0.1, 1, 0)])
def test_an_impossible_operating_point_is_refused(fpir: float, size: int, looks: int) -> None:
    """FPIR lies between 0 and 1; sizes are not negative; there is at least one look."""
    with pytest.raises(ValueError, match="operating point"):
        TAIL.threshold(fpir, size, looks)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"m": 0}, {"pairs": 0}, {"tail_at": 513.0}, {"tail_share": 0.0}, {"tail_share": 1.0}),
        *({"shape": 0.6}, {"shape": -0.1}, {"scale": 0.0}, {"scale": math.nan}),
    ],
)
def test_an_impossible_tail_is_refused(wrong: dict) -> None:
    """Numbers read from a file are checked when the tail is made."""
    with pytest.raises(ValueError, match="fit it again"):
        replace(TAIL, **wrong)


def test_a_fitted_tail_tells_the_true_rate_far_below_its_edge() -> None:
    """Binomial dissimilarities of 400,000 pairs: at 1e-4..1e-6 the fitted rate is at least the exact one, and at most ten times it."""
    unequal = np.random.default_rng(5).binomial(512, 0.875, 400_000)
    tail = fit_tail(unequal, 512)
    assert tail == fit_tail(unequal.astype(np.uint16), 512)
    assert tail.pairs == 400_000
    assert tail.m == 512
    assert 0.01 <= tail.tail_share < 0.015
    assert tail.tail_share == (unequal < tail.tail_at).mean()
    for exact in (1e-4, 1e-5, 1e-6):
        count = int(stats.binom.ppf(exact, 512, 0.875))
        true = stats.binom.cdf(count, 512, 0.875)
        assert true <= tail.false_match_rate(count) <= 10 * true


def test_the_fit_agrees_with_scipys_maximum_likelihood() -> None:
    """On excesses drawn from a generalised Pareto law both estimators find its shape and scale."""
    random = np.random.default_rng(11)
    excess = stats.genpareto.rvs(0.1, scale=20, size=4000, random_state=random)
    body = np.full(396_000, 900)
    unequal = np.concatenate([np.clip(600 - np.floor(excess), 0, None).astype(np.int64), body])
    tail = fit_tail(unequal, 1024)
    shape, _, scale = stats.genpareto.fit(tail.tail_at - unequal[unequal < tail.tail_at], floc=0)
    assert tail.tail_at == 600.5
    assert tail.shape == pytest.approx(shape, abs=0.06)
    assert tail.scale == pytest.approx(scale, rel=0.08)
    assert tail.shape == pytest.approx(0.1, abs=0.06)


def test_a_blunt_tail_is_bounded_and_keeps_its_mean() -> None:
    """A uniform tail would have shape -1: it is taken as exponential, with the same mean excess."""
    tail = fit_tail(np.repeat(np.arange(500), 200), 512, share=0.1)
    assert tail.shape == SHAPES[0]
    assert tail.scale == pytest.approx(25)


@pytest.mark.parametrize(
    ("unequal", "message"),
    [
        (np.arange(100), "measure more"),
        (np.zeros(0, np.int64), "measure more"),
        (np.full(20_000, 7), "one value or everything"),
        (np.r_[np.full(300, 7), np.full(20_000, 400)], "one value or everything"),
        (np.full(20_000, 513), r"0\.\.512"),
        (np.linspace(0, 512, 20_000), r"0\.\.512"),
    ],
)
def test_pairs_that_show_no_tail_are_refused(unequal: np.ndarray, message: str) -> None:
    """Too few, all alike, or no counts of symbols."""
    with pytest.raises(ValueError, match=message):
        fit_tail(unequal, 512)


def crowd(people: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dissimilarities of everybody with everybody, some faces more common than others, and who was compared."""
    random = np.random.default_rng(seed)
    common = 0.015 * random.normal(size=people)
    first, second = np.triu_indices(people, 1)
    return random.binomial(512, np.clip(0.875 - common[first] - common[second], 0, 1)), np.column_stack([first, second])


def true_rate(count: int) -> float:
    """The share of all comparisons of such people with at most so many unequal symbols: over how common the two faces are together."""
    common = np.linspace(-6, 6, 501)
    likely = stats.norm.pdf(common)
    return float((likely * stats.binom.cdf(count, 512, np.clip(0.875 - common * 0.015 * math.sqrt(2), 0, 1))).sum() / likely.sum())


def test_the_interval_covers_the_true_rate() -> None:
    """Thirty crowds of 150 people: from the tail's edge to a thousandth of it, nine intervals in ten hold the exact rate, and more."""
    tails = [fit_tail(unequal, 512, people=people) for unequal, people in (crowd(150, seed) for seed in range(30))]
    for count in (415, 404, 395, 386):
        held = [low <= true_rate(count) <= high for low, high in (tail.interval(count) or (1, 0) for tail in tails)]
        assert np.mean(held) >= 0.9, count
    assert 1e-6 < true_rate(386) < 1.1e-5


def test_comparisons_that_share_a_person_are_worth_less_than_as_many_strangers() -> None:
    """Told that no two comparisons share a person, the same scores give a much narrower interval: a claim too bold."""
    unequal, people = crowd(150, 3)
    honest = fit_tail(unequal, 512, people=people).bounds[0]
    bold = fit_tail(unequal, 512, people=np.arange(2 * unequal.size).reshape(-1, 2)).bounds[0]
    assert honest.high / honest.low > 1.3 * bold.high / bold.low


def test_more_people_make_it_surer() -> None:
    """Four times the people, and the interval is less than two thirds as wide."""
    (unequal, people), (more, crowded) = crowd(150, 4), crowd(600, 4)
    few, many = fit_tail(unequal, 512, people=people), fit_tail(more, 512, people=crowded)
    assert (few.people, many.people) == (150, 600)
    (low, high), (surer_low, surer_high) = few.interval(395) or (0, 0), many.interval(395) or (0, 0)
    assert math.log(surer_high / surer_low) < math.log(high / low) / 1.5


def test_without_people_there_is_a_tail_and_no_interval() -> None:
    """The same law; what was not measured is not claimed."""
    unequal, people = crowd(150, 5)
    told, untold = fit_tail(unequal, 512, people=people), fit_tail(unequal, 512)
    assert replace(told, people=0, bounds=()) == untold
    assert untold.interval(390) is None
    assert untold.promise(0.003, 10, 1).interval is None
    with pytest.raises(ValueError, match="pairs have"):
        fit_tail(unequal, 512, people=people[:-1])


def test_the_interval_holds_the_fitted_rate_and_narrows_never_with_depth() -> None:
    """At every count it holds the rate; both ends fall with the count; above the tail it claims nothing, below the last bound little."""
    unequal, people = crowd(200, 6)
    tail = fit_tail(unequal, 512, people=people)
    within = [tail.interval(count) for count in range(tail.bounds[0].dissimilarity + 1)]
    assert all(low <= tail.false_match_rate(count) * 1.001 for count, (low, _) in enumerate(within))
    assert all(tail.false_match_rate(count) <= high * 1.001 for count, (_, high) in enumerate(within))
    assert all(a[0] <= b[0] * 1.001 and a[1] <= b[1] * 1.001 for a, b in pairwise(within))
    assert tail.interval(tail.bounds[0].dissimilarity + 1) == (tail.bounds[0].low, 1.0)
    assert tail.interval(0) == (0.0, tail.bounds[-1].high)


def test_a_promise_says_what_follows_and_how_far_it_was_stretched() -> None:
    """Expected FPIR just below the stated one; its interval from all looks alike to all looks independent; decades below 1 / pairs."""
    bounds = (Bound(400, 0.009, 0.011), Bound(300, 1e-6, 1e-5), Bound(200, 0.0, 1e-9))
    tail = replace(TAIL, shape=0.0, bounds=bounds)
    promise = tail.promise(0.003, 37, 10)
    assert promise.threshold == tail.threshold(0.003, 37, 10)
    assert 0.9 * 0.003 * math.exp(-1 / tail.scale) < promise.expected <= 0.003
    low, high = tail.interval(promise.threshold)
    assert promise.interval == (per_approach(low, 37, 1), per_approach(high, 37, 10))
    assert promise.decades == 0.0
    deep = tail.promise(0.003, 100_000, 10)
    assert deep.decades == pytest.approx(-math.log10(tail.false_match_rate(deep.threshold) * tail.pairs))
    assert 2 < deep.decades < 3


def test_a_foreign_threshold_is_held_against_the_tail() -> None:
    """Eight symbols more than the tail's own threshold: e times as many false matches."""
    tail = replace(TAIL, shape=0.0)
    own = tail.promise(0.003, 100, 1)
    assert tail.promise_at(own.threshold, 0.003, 100, 1) == own
    assert tail.promise_at(own.threshold + 8, 0.003, 100, 1).expected == pytest.approx(math.e * own.expected, rel=0.01)


def test_a_rate_adds_up_over_references_and_looks() -> None:
    """Ten comparisons at 10 %: 1 - 0.9^10; an empty gallery counts as one reference."""
    assert per_approach(0.1, 5, 2) == pytest.approx(1 - 0.9**10)
    assert per_approach(0.1, 0, 1) == pytest.approx(0.1)
    assert per_approach(1.0, 3, 3) == 1


@pytest.mark.parametrize(
    "bounds",
    [((400, 0.1, 0.2), (400, 0.1, 0.2)), ((400, 0.1, 0.2), (300, 0.15, 0.2)), ((400, 0.1, 0.2), (300, 0.1, 0.3))],
)
def test_bounds_that_do_not_fall_are_refused(bounds: tuple[tuple[int, float, float], ...]) -> None:
    """A file whose interval rises where fewer symbols are allowed was altered."""
    with pytest.raises(ValueError, match="fit it again"):
        replace(TAIL, bounds=tuple(Bound(*bound) for bound in bounds))


@pytest.mark.parametrize("bound", [(-1, 0.1, 0.2), (3, 0.2, 0.1), (3, -0.1, 0.1), (3, 0.1, 1.1), (3, math.nan, 0.1)])
def test_a_bound_that_is_no_interval_is_refused(bound: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="fit it again"):
        Bound(*bound)
