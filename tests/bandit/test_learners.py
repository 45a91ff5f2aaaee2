"""Learners: what they choose, how their random draws are distributed, and how their regret grows."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.tasks.bandit.generate import LEVELS, BanditSource
from rlvr.tasks.bandit.learners import UCB, Greedy, Oracle, Thompson, beta, gamma, normal, ucb_values
from rlvr.tasks.bandit.rules import BanditRules
from rlvr.tasks.rng import Rng


def test_ucb_on_arms_without_noise_repeats_a_trace_computed_by_hand():
    learner, trace = UCB(2), []
    for _ in range(8):
        arm = learner.choose()
        trace.append(arm)
        learner.update(arm, [0.5, 1.0][arm])
    # After one pull each, t = 2: 0.5 + b against 1 + b. The bonus of the first arm overtakes when
    # sqrt(ln t / 2) - sqrt(ln t / (2 (t - 1))) > 0.5, which is at t = 5: 0.897 - 0.448 = 0.449, t = 6: 0.947 - 0.423.
    assert trace == [0, 1, 1, 1, 1, 1, 0, 1]


def test_ucb_numbers():
    first, second, third = ucb_values([3, 1, 0], [1.5, 1.0, 0.0])
    assert first == (0.5, pytest.approx(math.sqrt(0.5 * math.log(4) / 3)))
    assert second == (1.0, pytest.approx(math.sqrt(0.5 * math.log(4))))
    assert third == (0.0, math.inf)
    assert ucb_values([0, 0], [0.0, 0.0]) == [(0.0, math.inf)] * 2
    assert ucb_values([1, 0], [1.0, 0.0])[0] == (1.0, 0.0)


counts_and_sums = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=2, max_size=8).map(
    lambda arms: ([n for n, _ in arms], [float(min(n, r)) for n, r in arms])
)


@given(counts_and_sums)
def test_greedy_has_no_bonus(statistics_):
    counts, sums = statistics_
    means = [total / count for count, total in zip(counts, sums, strict=True)]
    assert means[Greedy(len(counts), counts, sums).choose()] == max(means)


@given(counts_and_sums)
def test_asking_changes_nothing_and_statistics_are_all_that_counts(statistics_):
    counts, sums = statistics_
    for make in (UCB, Greedy, Thompson):
        learner = make(len(counts), counts, sums)
        assert learner.choose() == learner.choose() == make(len(counts), counts, sums).choose()
        assert (learner.counts, learner.sums) == (counts, sums)
        learner.update(0, 1.0)
        assert learner.counts[0] == counts[0] + 1 and learner.sums[0] == sums[0] + 1


def test_every_arm_is_tried_before_any_is_tried_again():
    for make in (UCB, Greedy):
        learner = make(6)
        chosen = []
        for _ in range(6):
            chosen.append(learner.choose())
            learner.update(chosen[-1], 1.0)
        assert chosen == list(range(6))


def test_the_oracle_knows():
    assert Oracle([0.1, 0.9, 0.3]).choose() == 1


def moments(draw, number=20_000):
    rng = Rng(11)
    values = [draw(rng) for _ in range(number)]
    return statistics.fmean(values), statistics.pvariance(values)


@pytest.mark.parametrize(
    ("draw", "mean", "variance"),
    [
        (normal, 0.0, 1.0),
        (lambda rng: gamma(rng, 1.0), 1.0, 1.0),
        (lambda rng: gamma(rng, 7.5), 7.5, 7.5),
        (lambda rng: beta(rng, 1.0, 1.0), 1 / 2, 1 / 12),
        (lambda rng: beta(rng, 2.0, 5.0), 2 / 7, 10 / 392),
        (lambda rng: beta(rng, 300.0, 100.0), 0.75, 0.1875 / 401),
    ],
)
def test_random_draws_have_their_mean_and_variance(draw, mean, variance):
    found_mean, found_variance = moments(draw)
    assert abs(found_mean - mean) < 4 * math.sqrt(variance / 20_000)
    assert found_variance == pytest.approx(variance, rel=0.06)


def test_beta_one_one_is_uniform():
    rng = Rng(5)
    draws = sorted(beta(rng, 1.0, 1.0) for _ in range(5000))
    distance = max(abs(value - (i + 0.5) / 5000) for i, value in enumerate(draws))
    assert distance < 1.95 / math.sqrt(5000)  # Kolmogorov-Smirnov at about 0.1 %


def test_thompson_chooses_by_the_chance_of_being_best():
    # Beta(9, 3) against Beta(3, 9): best with probability above 0.99. Gaussian posteriors N(0.5, 1/10), N(0, 1/10).
    firsts = sum(Thompson(2, [10, 10], [8.0, 2.0], seed=seed).choose() == 0 for seed in range(500))
    assert firsts >= 480
    firsts = sum(Thompson(2, [9, 9], [5.0, 0.0], deviation=1.0, seed=seed).choose() == 0 for seed in range(2000))
    expected = 0.5 * math.erfc(-0.5 / math.sqrt(2 / 10) / math.sqrt(2))
    assert firsts / 2000 == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 2000))


def regrets(level, expert, seeds, horizon):
    """Cumulative regret after each eighth of the horizon, divided by that of random pulls, averaged over tasks."""
    rules = BanditRules(expert=expert)
    source = BanditSource("ButtonPushing", horizon)
    marks = [horizon * part // 8 for part in range(1, 9)]
    curves = []
    for seed in range(seeds):
        state = rules.initial(source.sample(seed, "test", level))
        per_pull = statistics.fmean(state.bandit.gaps)
        curve = []
        for index, name in enumerate(rules.solve(state), start=1):
            before = state.regret
            state = rules.step(state, rules.parse(state, name)).state
            assert state.regret >= before >= 0
            if index in marks:
                curve.append(state.regret / per_pull)
        curves.append(curve)
    return [statistics.fmean(column) for column in zip(*curves, strict=True)], marks


MOST = {  # of what random pulls lose over the level's horizon
    "bernoulli-5-easy": 0.20,
    "bernoulli-20-easy": 0.60,
    "bernoulli-5-hard": 0.32,
    "bernoulli-20-hard": 0.80,
    "gaussian-5-easy": 0.25,
    "gaussian-20-easy": 0.25,
    "gaussian-5-hard": 0.15,
    "gaussian-20-hard": 0.20,
}


@pytest.mark.parametrize("level", LEVELS)
def test_ucb_regret_is_sublinear_on_evolves_configurations(level):
    curve, marks = regrets(level, "ucb", 12, LEVELS[level].horizon)
    shares = [lost / mark for lost, mark in zip(curve, marks, strict=True)]
    assert shares[-1] < MOST[level]
    assert shares[-1] < shares[3] < shares[0]  # the average regret of a pull falls
    assert curve[-1] - curve[3] < 0.85 * curve[3]  # the second half loses less than the first


@pytest.mark.parametrize("expert", ["thompson", "greedy", "oracle"])
def test_the_other_experts_beat_random_pulls_too(expert):
    curve, marks = regrets("bernoulli-5-easy", expert, 12, 300)
    assert curve[-1] / marks[-1] < {"thompson": 0.25, "greedy": 0.6, "oracle": 1e-9}[expert]


def test_greedy_may_settle_on_a_wrong_arm_for_good_where_ucb_does_not():
    source = BanditSource("ButtonPushing", 300)
    wrong = {"greedy": 0, "ucb": 0}
    for expert in wrong:
        rules = BanditRules(expert=expert)
        for seed in range(30):
            state = rules.initial(source.sample(seed, "test", "bernoulli-5-easy"))
            best = state.bandit.names[state.bandit.gaps.index(0.0)]
            wrong[expert] += best not in rules.solve(state)[150:]
    assert wrong["ucb"] == 0 < wrong["greedy"]
