import math
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from evaluation import metrics

MATED, NON_MATED = [0.9, 0.8, 0.7, 0.3], [0.6, 0.4, 0.2, 0.1]
scored = st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({truth for _, truth in pairs}) == 2
)
counts = st.lists(st.integers(-20, 20), min_size=1, max_size=30).map(lambda values: np.array(values, np.float64))


def test_rates_at_every_threshold_by_hand() -> None:
    """From nothing accepted to everything accepted, a score at the threshold being accepted."""
    thresholds, fmr, fnmr = metrics.error_rates([3, 1], [2, 1])
    assert thresholds.tolist() == [math.inf, 3, 2, 1]
    assert fmr.tolist() == [0, 0, 0.5, 1]
    assert fnmr.tolist() == [1, 0.5, 0.5, 0]


@pytest.mark.parametrize(
    ("mated", "non_mated", "expected"),
    [
        (MATED, NON_MATED, 0.25),
        ([2, 3], [0, 1], 0.0),
        ([0, 1], [2, 3], 1.0),
        ([5, 5], [5, 5], 0.5),
        # between the thresholds above 1 (FMR 0, FNMR 1) and 1 (FMR 1/2, FNMR 0): both are 1/3 after two thirds of the way
        ([1, 1], [1, 0], 1 / 3),
    ],
)
def test_equal_error_rate_by_hand(mated: list[float], non_mated: list[float], expected: float) -> None:
    assert metrics.equal_error_rate(mated, non_mated) == pytest.approx(expected)


def test_area_under_the_curve_by_hand() -> None:
    """Of 16 couples 14 are in order; equal scores count half."""
    assert metrics.area_under_roc(MATED, NON_MATED) == 14 / 16
    assert metrics.area_under_roc([1, 2], [1, 0]) == 3.5 / 4


@pytest.mark.parametrize(("far", "tar"), [(0, 0.75), (0.24, 0.75), (0.25, 0.75), (0.5, 1.0), (1, 1.0)])
def test_tar_at_far_by_hand(far: float, tar: float) -> None:
    assert metrics.tar_at_far(MATED, NON_MATED, far) == tar


def test_a_share_of_whole_scores_is_not_lost_to_rounding() -> None:
    """A FAR of 0.1 % of 3,000 non-mated scores is three of them."""
    non_mated = np.arange(3000.0)
    assert np.count_nonzero(non_mated >= metrics.threshold_at(non_mated, 0.001)) == 3


def test_each_fold_is_judged_by_the_others() -> None:
    """The threshold from the second fold, 0.35, is right for the first; that of the first, 0.5, refuses a mated pair of the second."""
    accuracies = metrics.fold_accuracies([0.9, 0.1, 0.4, 0.3], [True, False, True, False], [0, 0, 1, 1])
    assert accuracies.tolist() == [1.0, 0.5]


@pytest.mark.parametrize("folds", [[0, 0, 0], [0, 1]])
def test_folds_that_cannot_be_judged_are_refused(folds: list[int]) -> None:
    with pytest.raises(ValueError, match="folds"):
        metrics.fold_accuracies([1.0, 2.0, 3.0], [True, False, True], folds)


def test_open_set_rates_by_hand() -> None:
    """At FPIR 1/4 one stranger's best score, -15, may be returned; of the mates -10 and -20 are above the next one."""
    mates, ranks = [-10, -20, -30, -math.inf], [1, 1, 2, math.inf]
    strangers = [-15, -25, -40, -50]
    fnir, threshold = metrics.fnir_at_fpir(mates, ranks, strangers, 0.25)
    assert fnir == 0.5
    assert -25 < threshold < -24.99
    assert metrics.fnir_at_fpir(mates, ranks, strangers, 0.5)[0] == 0.5
    assert metrics.fnir_at_fpir(mates, ranks, strangers, 0.5, rank=2)[0] == 0.25
    assert metrics.fnir_at_fpir(mates, ranks, strangers, 1, rank=2) == (0.25, -math.inf)


def test_ranks_by_hand() -> None:
    """A subject counts with its best reference; a tie counts against the mate."""
    scores = np.array([[5, 1, 9, 2], [3, 7, 1, 7], [1, 1, 4, 6]])
    ranks = metrics.mate_ranks(scores, ["anna", "bela", "anna", "carla"], ["anna", "carla", "bela"])
    assert ranks.tolist() == [1, 2, 3]
    assert metrics.cmc(ranks, 4).tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_a_mate_that_is_not_enrolled_is_refused() -> None:
    with pytest.raises(ValueError, match="not enrolled"):
        metrics.mate_ranks(np.zeros((1, 2)), ["anna", "bela"], ["carla"])


def test_a_mate_that_was_not_returned_is_at_no_rank() -> None:
    assert metrics.cmc([1, 2, 2, 5, math.inf], 5).tolist() == [0.2, 0.6, 0.6, 0.6, 0.8]


@pytest.mark.parametrize(
    ("events", "trials", "expected"),
    [(0, 10, (0.0, 0.3085)), (8, 10, (0.4439, 0.9748)), (10, 10, (0.6915, 1.0)), (1, 1000, (0.0000, 0.0056))],
)
def test_intervals_of_the_literature(events: int, trials: int, expected: tuple[float, float]) -> None:
    assert metrics.interval(events, trials) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("events", "trials"), [(1, 0), (3, 2), (-1, 5)])
def test_an_impossible_share_has_no_interval(events: int, trials: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        metrics.interval(events, trials)


@pytest.mark.parametrize("bad", [[], [math.nan], [[1.0]]])
def test_scores_that_are_none_are_refused(bad: list) -> None:
    with pytest.raises(ValueError, match="mated"):
        metrics.equal_error_rate(bad, [1.0])


@given(counts, counts)
def test_turning_all_signs_and_exchanging_the_kinds_changes_nothing(mated: npt.NDArray, non_mated: npt.NDArray) -> None:
    assert metrics.equal_error_rate(-non_mated, -mated) == pytest.approx(metrics.equal_error_rate(mated, non_mated))
    assert metrics.area_under_roc(-non_mated, -mated) == pytest.approx(metrics.area_under_roc(mated, non_mated))


@given(counts, counts)
def test_only_the_order_of_scores_counts(mated: npt.NDArray, non_mated: npt.NDArray) -> None:
    """Any rising function of the scores leaves every rate as it is."""

    def bent(scores: npt.NDArray) -> npt.NDArray:
        return scores**3 + scores

    assert metrics.equal_error_rate(bent(mated), bent(non_mated)) == metrics.equal_error_rate(mated, non_mated)
    assert metrics.area_under_roc(bent(mated), bent(non_mated)) == metrics.area_under_roc(mated, non_mated)
    assert metrics.tar_at_far(bent(mated), bent(non_mated), 0.3) == metrics.tar_at_far(mated, non_mated, 0.3)


@given(counts, counts)
def test_the_area_is_the_share_of_couples_in_order(mated: npt.NDArray, non_mated: npt.NDArray) -> None:
    order = np.sign(mated[:, None] - non_mated[None, :])
    assert metrics.area_under_roc(mated, non_mated) == pytest.approx(float((order + 1).mean() / 2))


@given(counts, counts)
def test_rates_run_from_one_end_to_the_other(mated: npt.NDArray, non_mated: npt.NDArray) -> None:
    _, fmr, fnmr = metrics.error_rates(mated, non_mated)
    assert (fmr[0], fnmr[0], fmr[-1], fnmr[-1]) == (0, 1, 1, 0)
    assert (np.diff(fmr) >= 0).all()
    assert (np.diff(fnmr) <= 0).all()


@given(counts, st.floats(0, 1))
def test_a_threshold_accepts_no_more_than_its_rate_and_as_many_as_it_may(scores: npt.NDArray, rate: float) -> None:
    threshold = metrics.threshold_at(scores, rate)
    assert (scores >= threshold).mean() <= rate + 1e-9
    refused = scores[scores < threshold]
    assert refused.size == 0 or (scores >= refused.max()).mean() > rate


@given(counts, counts, st.floats(0, 1), st.floats(0, 1))
def test_allowing_more_false_accepts_never_loses_true_ones(mated: npt.NDArray, non_mated: npt.NDArray, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert metrics.tar_at_far(mated, non_mated, low) <= metrics.tar_at_far(mated, non_mated, high)


@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=1, max_size=25))
def test_no_threshold_decides_better_than_the_best(scored: list[tuple[int, bool]]) -> None:
    scores, same = np.array([score for score, _ in scored], np.float64), np.array([truth for _, truth in scored])

    def right(threshold: float) -> int:
        return int(((scores >= threshold) == same).sum())

    assert right(metrics.best_threshold(scores, same)) == max(right(threshold) for threshold in (*(np.arange(-10, 11) - 0.5), math.inf))


@given(st.lists(st.tuples(st.integers(-50, 50), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40))
def test_accuracy_does_not_depend_on_the_scale_of_scores(scored: list[tuple[int, bool, int]]) -> None:
    scores, same, folds = (np.array(column) for column in zip(*scored, strict=True))
    assume(len(set(folds.tolist())) > 1)
    accuracies = metrics.fold_accuracies(scores, same, folds)
    assert ((accuracies >= 0) & (accuracies <= 1)).all()
    assert metrics.fold_accuracies(scores * 4.0 + 8, same, folds).tolist() == accuracies.tolist()


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(st.integers(0, 5), min_size=n, max_size=n), min_size=1, max_size=8)))
def test_a_rank_counts_whoever_is_as_good(rows: list[list[int]]) -> None:
    scores = np.array(rows)
    names = [f"person {number}" for number in range(scores.shape[1])]
    ranks = metrics.mate_ranks(scores, names, [names[0]] * len(scores))
    assert ranks.tolist() == [sum(score >= row[0] for score in row) for row in rows]
    shares = metrics.cmc(ranks, len(names))
    assert all(before <= after for before, after in pairwise(shares))
    assert shares[-1] == 1


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_is_where_the_observation_is_not_too_rare(share: tuple[int, int]) -> None:
    """Clopper and Pearson: at either end, as extreme an observation has a chance of 2.5 %."""
    events, trials = share
    low, high = metrics.interval(events, trials)
    assert low <= events / trials <= high
    assert binom.sf(events - 1, trials, low) == pytest.approx(0.025 if events else 1)
    assert binom.cdf(events, trials, high) == pytest.approx(0.025 if events < trials else 1)
    assert metrics.interval(trials - events, trials) == pytest.approx((1 - high, 1 - low))


@given(scored)
def test_areas_and_precisions_are_those_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, same = np.array([score for score, _ in pairs], np.float64), np.array([truth for _, truth in pairs])
    assert metrics.area_under_roc(scores[same], scores[~same]) == pytest.approx(roc_auc_score(same, scores))
    assert metrics.average_precision(scores, same) == pytest.approx(average_precision_score(same, scores))


@given(scored, st.floats(0, 1))
def test_every_operating_point_is_one_of_scikit_learn(pairs: list[tuple[int, bool]], far: float) -> None:
    """TAR at FAR is the best true positive rate of its curve that has no more false ones."""
    scores, same = np.array([score for score, _ in pairs], np.float64), np.array([truth for _, truth in pairs])
    fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
    assert metrics.tar_at_far(scores[same], scores[~same], far) == pytest.approx(tpr[fpr <= far * (1 + 1e-12)].max())


@pytest.mark.parametrize(
    ("scores", "relevant", "expected"),
    [
        ([4, 3, 2, 1], [True, False, True, False], (1 + 2 / 3) / 2),
        ([4, 3, 2, 1], [False, False, False, True], 1 / 4),
        ([1, 1, 1, 1], [True, False, False, True], 1 / 2),  # found together, two of four
        ([5, 4], [True, True], 1.0),
    ],
)
def test_average_precision_by_hand(scores: list[int], relevant: list[bool], expected: float) -> None:
    assert metrics.average_precision(scores, relevant) == pytest.approx(expected)


@pytest.mark.parametrize("relevant", [[False, False], [True], []])
def test_precision_needs_something_to_find(relevant: list[bool]) -> None:
    with pytest.raises(ValueError, match="average precision"):
        metrics.average_precision([1, 2], relevant)


@given(counts, st.floats(0, 1), st.integers(1, 7), st.integers(0, 5))
def test_a_threshold_from_blocks_is_that_of_all_scores(scores: npt.NDArray, rate: float, size: int, unseen: int) -> None:
    """Scores that no block holds count as the lowest ones."""
    blocks = (scores[start : start + size] for start in range(0, scores.size, size))
    found = metrics.threshold_of_blocks(blocks, scores.size + unseen, rate)
    assert found == metrics.threshold_at(np.append(scores, np.full(unseen, -np.inf)), rate)


def test_no_score_at_all_is_not_accepted_below_a_rate_of_one() -> None:
    """Half of two may be accepted; a search that returned nobody is not."""
    assert metrics.threshold_at([5, -math.inf], 0.5) > -math.inf
    assert metrics.threshold_at([5, -math.inf], 1) == -math.inf


def test_mate_scores_are_of_the_best_reference() -> None:
    own, ranks = metrics.mate_scores(np.array([[5, 1, 9], [3, 7, 1]]), ["anna", "bela", "anna"], ["anna", "anna"])
    assert (own.tolist(), ranks.tolist()) == ([9, 3], [1, 2])


def mean_of(values: npt.NDArray) -> object:
    return lambda places: float(values[places].mean())


def test_the_bootstrap_of_a_mean_is_its_standard_error() -> None:
    """Of 400 normal numbers: about 1.96 / 20 to each side, the same for the same seed, another for another."""
    values = np.random.default_rng(0).normal(size=400)
    found = metrics.bootstrap(mean_of(values), np.arange(400))
    error = 1.96 * values.std() / 20
    assert found == pytest.approx((values.mean() - error, values.mean() + error), abs=0.02)
    assert metrics.bootstrap(mean_of(values), np.arange(400)) == found
    assert metrics.bootstrap(mean_of(values), np.arange(400), seed=2) != found


def test_what_is_drawn_together_is_worth_no_more_than_one() -> None:
    """Ten copies of each number do not narrow the interval if they are one group; as things of their own they do."""
    values = np.random.default_rng(0).normal(size=40)
    once, copies = metrics.bootstrap(mean_of(values), np.arange(40)), np.repeat(values, 10)
    together = metrics.bootstrap(mean_of(copies), np.repeat(np.arange(40), 10))
    alone = metrics.bootstrap(mean_of(copies), np.arange(400))
    assert together == pytest.approx(once)
    assert alone[1] - alone[0] < 0.5 * (once[1] - once[0])


def test_groups_are_drawn_whole() -> None:
    """Names in any order: all places of a drawn name come, as often as it is drawn."""
    seen = []
    metrics.bootstrap(lambda places: seen.append(places.tolist()) or 0.0, ["b", "a", "b", "c"], repeats=20)
    for places in seen:
        assert places.count(0) == places.count(2)
        assert places.count(0) + places.count(1) + places.count(3) == 3


def test_both_intervals_of_a_skewed_statistic_are_those_of_scipy() -> None:
    """The variance of 30 exponential numbers: the corrected interval lies higher, as scipy's does."""
    values = np.random.default_rng(5).exponential(size=30)
    ours, theirs = [], []
    for corrected in (False, True):
        method = "BCa" if corrected else "percentile"
        ours += metrics.bootstrap(lambda places: float(values[places].var(ddof=1)), np.arange(30), 4000, corrected=corrected)
        drawn = scipy_bootstrap((values,), partial(np.var, ddof=1), n_resamples=4000, method=method, random_state=1)
        theirs += drawn.confidence_interval
    assert ours == pytest.approx(theirs, rel=0.08)
    assert ours[2] > 1.1 * ours[0]
    assert ours[3] > 1.03 * ours[1]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.booleans())
def test_an_interval_lies_within_what_can_be_drawn(values: list[float], corrected: bool) -> None:
    column = np.array(values)
    low, high = metrics.bootstrap(mean_of(column), np.arange(column.size), repeats=50, corrected=corrected and column.size > 1)
    assert column.min() - 1e-9 <= low <= high <= column.max() + 1e-9


@pytest.mark.parametrize(("groups", "repeats"), [([], 10), ([1], 1)])
def test_nothing_to_draw_is_refused(groups: list, repeats: int) -> None:
    with pytest.raises(ValueError, match="bootstrap"):
        metrics.bootstrap(lambda places: 0.0, groups, repeats)


def test_a_statistic_that_is_never_defined_has_no_interval() -> None:
    with pytest.raises(ValueError, match="undefined"):
        metrics.bootstrap(lambda places: math.nan, [1, 2])
