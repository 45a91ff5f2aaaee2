"""Statistics against hand computations, and the coverage that the intervals promise."""

import itertools
import statistics as stdlib_statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.leaderboard.statistics import (
    Interval,
    counter_uniforms,
    estimate,
    group_means,
    interquartile_mean,
    majority_at_k,
    normalised,
    pass_at_k,
    plain_mean,
    resampled_means,
)
from rlvr.tasks.rng import Rng, counter_uniform


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], 7.0),
        ([1.0, 4.0], 2.5),
        ([9.0, 0.0, 3.0], (0.25 * 0 + 1.0 * 3 + 0.25 * 9) / 1.5),
        ([0.0, 1.0, 2.0, 100.0], 1.5),
        ([0.0, 1.0, 2.0, 4.0, 100.0], (0.75 * 1 + 2 + 0.75 * 4) / 2.5),
        ([0.0, 0.0, 1.0, 2.0, 3.0, 6.0, 50.0, 99.0], (1 + 2 + 3 + 6) / 4),
    ],
)
def test_interquartile_mean_by_hand(values: list[float], expected: float) -> None:
    assert float(interquartile_mean(values)) == pytest.approx(expected)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_interquartile_mean_is_that_of_each_value_repeated_four_times(values: list[float]) -> None:
    """Repeated four times, n/4 is an integer: cutting whole values must agree with the fractional weights."""
    repeated = sorted(values * 4)
    middle = repeated[len(values) : 3 * len(values)]
    assert float(interquartile_mean(values)) == pytest.approx(stdlib_statistics.fmean(middle), abs=1e-9)


def test_interquartile_mean_works_along_the_last_axis_and_refuses_nothing() -> None:
    rows = np.array([[0.0, 1.0, 2.0, 100.0], [4.0, 3.0, 2.0, 1.0]])
    assert interquartile_mean(rows).tolist() == [1.5, 2.5]
    with pytest.raises(ValueError, match="not defined"):
        interquartile_mean([])


def test_vectorised_uniforms_are_the_scalar_stream() -> None:
    key = 0xFFFF_FFFF_FFFF_FFF1
    assert counter_uniforms(key, 50).tolist() == [counter_uniform(key, i) for i in range(50)]


def test_pass_at_k_is_the_mean_over_all_subsets() -> None:
    for samples in range(1, 7):
        for correct in range(samples + 1):
            marks = [1] * correct + [0] * (samples - correct)
            for k in range(1, samples + 1):
                subsets = list(itertools.combinations(marks, k))
                expected = sum(any(subset) for subset in subsets) / len(subsets)
                assert pass_at_k(samples, correct, k) == pytest.approx(expected)
    with pytest.raises(ValueError, match="pass@3"):
        pass_at_k(2, 1, 3)


def test_majority_counts_votes_and_shares_ties() -> None:
    assert majority_at_k(["7", "7", "3"], [True, True, False]) == 1.0
    assert majority_at_k(["7", "3", "3"], [True, False, False]) == 0.0
    assert majority_at_k(["7", "3"], [True, False]) == 0.5
    assert majority_at_k([None, None, "7"], [False, False, True]) == 1.0
    assert majority_at_k([None, None], [False, False]) == 0.0


def test_normalised_score_is_undefined_where_the_references_are_equal_or_missing() -> None:
    assert normalised(0.6, 0.2, 1.0) == pytest.approx(0.5)
    assert normalised(0.1, 0.2, 1.0) == pytest.approx(-0.125)
    assert normalised(0.6, 0.5, 0.5) is None
    assert normalised(0.6, None, 1.0) is None
    assert normalised(0.6, 0.1, None) is None


def test_members_of_a_group_are_one_task_and_excluded_groups_leave_no_trace() -> None:
    assert group_means({2: [1.0, 0.0], 0: [1.0, 1.0, 0.0, 0.0], 1: []}).tolist() == [0.5, 0.5]


def test_bootstrap_replicates_have_the_unbiased_variance_of_the_mean() -> None:
    scores = np.array([0.0, 0.25, 1.0, 0.5, 0.75])
    replicates = resampled_means([scores], name="variance", resamples=40_000)
    assert replicates.mean() == pytest.approx(scores.mean(), abs=2e-3)
    assert replicates.var() == pytest.approx(scores.var(ddof=1) / len(scores), rel=0.03)


def test_bootstrap_is_named_and_reproducible() -> None:
    tasks = [np.array([0.0, 1.0, 1.0]), np.array([0.5, 0.25])]
    one = resampled_means(tasks, name="a", resamples=100)
    assert np.array_equal(one, resampled_means(tasks, name="a", resamples=100))
    assert not np.array_equal(one, resampled_means(tasks, name="b", resamples=100))
    assert not np.array_equal(one[:, 0], one[:, 1])


def test_strata_do_not_mix() -> None:
    """Two entries without any spread inside have none in their mean, however far apart they are."""
    tasks = [np.full(5, 0.25), np.full(5, 0.75)]
    replicates = resampled_means(tasks, name="strata", resamples=200)
    found = estimate(tasks, plain_mean, replicates)
    assert found.value == 0.5
    assert found.interval == pytest.approx((0.5, 0.5))


def test_perfect_and_hopeless_scores_keep_an_honest_open_end() -> None:
    for mark, expected in ((1.0, Interval(0.025 ** (1 / 20), 1.0)), (0.0, Interval(0.0, 1 - 0.025 ** (1 / 20)))):
        tasks = [np.full(10, mark), np.full(10, mark)]
        found = estimate(tasks, plain_mean, resampled_means(tasks, name="edge"), bounds=(0, 1))
        assert found.value == mark
        assert found.interval == pytest.approx(expected)


def test_what_certain_entries_leave_open_adds_to_the_rest_as_a_root_of_squares() -> None:
    wavering, certain = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]), np.ones(12)
    replicates = resampled_means([wavering, certain], name="mover")
    alone = estimate([wavering], plain_mean, replicates[:, :1]).interval
    both = estimate([wavering, certain], plain_mean, replicates)
    assert alone is not None and both.interval is not None
    from_bootstrap = (0.625 - alone.low) / 2
    from_certain = (1 - 0.025 ** (1 / 12)) / 2
    assert both.value - both.interval.low == pytest.approx(np.hypot(from_bootstrap, from_certain))
    assert both.interval.high - both.value == pytest.approx((alone.high - 0.625) / 2)


def test_an_entry_of_one_task_has_no_interval() -> None:
    tasks = [np.array([0.5]), np.array([0.0, 1.0])]
    found = estimate(tasks, plain_mean, resampled_means(tasks, name="one"))
    assert found.value == 0.5
    assert found.interval is None


def test_bounds_clip_the_interval() -> None:
    tasks = [np.array([1.0, 1.0, 1.0, 0.0])]
    found = estimate(tasks, plain_mean, resampled_means(tasks, name="clip"), bounds=(0, 1))
    assert found.interval is not None
    assert found.interval.high == 1.0


@pytest.mark.parametrize("chance", [0.5, 0.8, 0.97])
def test_intervals_cover_the_truth_about_as_often_as_they_say(chance: float) -> None:
    """300 experiments of three entries with ten tasks each; the truth must be inside in 90 to 99.5 % of them."""
    rng = Rng.named("coverage", str(chance))
    rates = [chance, chance - 0.1, min(1.0, chance + 0.02)]
    truth = sum(rates) / 3
    hits = 0
    for trial in range(300):
        tasks = [np.array([float(rng.random() < rate) for _ in range(10)]) for rate in rates]
        replicates = resampled_means(tasks, name=f"coverage {trial}", resamples=400)
        interval = estimate(tasks, plain_mean, replicates, bounds=(0, 1)).interval
        assert interval is not None
        hits += interval.low - 1e-9 <= truth <= interval.high + 1e-9
    assert 0.90 <= hits / 300 <= 0.995


def test_members_of_a_group_are_resampled_together() -> None:
    """Ten copies of each of six tasks are six observations, not sixty."""
    marks = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    single = [group_means({i: [mark] for i, mark in enumerate(marks)})]
    copied = [group_means({i: [mark] * 10 for i, mark in enumerate(marks)})]
    wide = estimate(single, plain_mean, resampled_means(single, name="c")).interval
    same = estimate(copied, plain_mean, resampled_means(copied, name="c")).interval
    assert wide == same
