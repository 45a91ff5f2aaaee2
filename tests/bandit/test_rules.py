"""Pulling arms: texts, rewards, regret, score, lost turns, saved states, and a cost that does not grow."""

import json
import statistics
import threading
import time

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.tasks.bandit.arms import Bandit
from rlvr.tasks.bandit.generate import LEVELS, SCENARIOS, BanditSource
from rlvr.tasks.bandit.rules import BanditRules
from rlvr.tasks.bandit.scenarios import ADVICE, STORIES, draw_names
from rlvr.tasks.bandit.streams import Draws, counter_draws, counter_uniforms, normal_quantile, numpy_draws
from rlvr.tasks.bandit.task import MAX_HORIZON, BanditTask
from rlvr.tasks.errors import UserError
from rlvr.tasks.rng import Rng, counter_uniform
from rlvr.tasks.rules import Invalid, StopReason

seeds = st.integers(0, 2**63 - 1)
levels = st.sampled_from(list(LEVELS))


def task(**changes):
    fields = {
        "scenario": "ButtonPushing",
        "distribution": "bernoulli",
        "names": ("Red", "Blue", "Green"),
        "means": (0.2, 1.0, 0.7),
        "horizon": 4,
        "key": 9,
    }
    return BanditTask(**fields | changes)


def play(some, *actions, **kwargs):
    env = gym.make("rlvr/bandit-v0", **kwargs)
    results = [env.reset(seed=0, options={"task": some})]
    for action in actions:
        results.append(env.step(action))
    return results


def test_an_episode_pull_by_pull():
    first, *steps = play(task(means=(0.0, 1.0, 0.25)), "Blue", " red\n", "BLUE", "green")
    assert first[0].startswith("You stand in front of a machine with buttons")
    assert "There are 3 buttons: Red, Blue, Green." in first[0] and "You choose 4 times" in first[0]
    assert first[0].endswith(ADVICE)
    assert first[1]["legal_actions"] == ("Red", "Blue", "Green") and first[1]["steps_left"] == 4
    assert (first[1]["score"], first[1]["regret"], first[1]["pulls"]) == (0.0, 0.0, 0)
    assert [step[0] for step in steps[:3]] == ["Blue: reward 1.", "Red: reward 0.", "Blue: reward 1."]
    assert [step[1] for step in steps[:3]] == [1.0, 0.0, 1.0]
    assert [step[4]["regret"] for step in steps] == [0.0, 1.0, 0.0, 0.75]
    assert [step[4]["cumulative_regret"] for step in steps] == [0.0, 1.0, 1.0, 1.75]
    assert [step[4]["score"] for step in steps] == [0.25, 0.25, 0.5, 1 - 1.75 / 4]
    assert [step[2] for step in steps] == [False, False, False, True] and not any(step[3] for step in steps)
    assert steps[-1][4]["stop_reason"] == StopReason.COMPLETED and steps[-1][4]["legal_actions"] == ()
    assert not any(key in steps[-1][4] for key in ("best_arm", "means", "solution"))


def test_the_answer_is_only_revealed_on_demand():
    (_, info), (*_, after) = play(task(), "Red", reveal=True)
    assert info["best_arm"] == after["best_arm"] == "Blue" and info["means"] == (0.2, 1.0, 0.7)


def test_the_base_instruction_gives_no_advice():
    assert ADVICE not in play(task(), instruction="base")[0][0]


def test_a_lost_turn_pulls_nothing_and_counts_as_the_worst_arm():
    _, first, second, third, fourth = play(task(), "Blue", "Purple", "", "Blue")
    assert second[4]["invalid"] == "this is none of the names Red, Blue, Green" and second[1] == 0.0
    assert second[4]["score"] == first[4]["score"] == 0.25 and third[4]["steps_left"] == 1
    assert (fourth[2], fourth[3], fourth[4]["stop_reason"]) == (False, True, StopReason.STEP_LIMIT)
    assert fourth[4]["score"] == 0.5 and fourth[4]["pulls"] == 2 and not fourth[4]["is_success"]


def test_a_random_arm_may_stand_in_for_an_invalid_text():
    some = task(horizon=300)
    env = gym.make("rlvr/bandit-v0", on_invalid="random")
    env.reset(seed=0, options={"task": some})
    pulled = []
    for _ in range(300):
        observation, _, terminated, _, info = env.step("I cannot decide")
        assert info["is_random"] and info["action_is_valid"]
        pulled.append(observation.partition(":")[0])
    assert terminated and all(70 < pulled.count(name) < 130 for name in some.names)
    env.reset(seed=0, options={"task": some})
    assert env.step("Red")[4]["is_random"] is False


def test_regret_may_be_the_reward():
    _, *steps = play(task(), "Red", "Blue", "Green", reward="regret")
    assert [step[1] for step in steps] == pytest.approx([-0.8, 0.0, -0.3])
    assert steps[0][0] in ("Red: reward 0.", "Red: reward 1.")  # what is seen stays the arm's reward


@settings(max_examples=40, deadline=None)
@given(seeds, levels, st.lists(st.integers(0, 19), max_size=40), st.integers(1, 60))
def test_scores_stay_in_bounds_and_never_fall(seed, level, pulls, horizon):
    rules = BanditRules()
    state = rules.initial(BanditSource(horizon=horizon).sample(seed, "train", level))
    score = rules.score(state)
    assert score == 0.0
    for pull in pulls[:horizon]:
        names = rules.legal_actions(state)
        transition = rules.step(state, rules.parse(state, names[pull % len(names)]))
        state = transition.state
        assert 0.0 <= score <= rules.score(state) + 1e-12 <= 1.0 + 1e-12
        assert transition.terminated == (state.pulls == horizon)
        score = rules.score(state)


@settings(max_examples=30, deadline=None)
@given(seeds, levels, st.integers(1, 200))
def test_the_oracle_scores_one_and_the_worst_arm_zero(seed, level, horizon):
    some = BanditSource(horizon=horizon).sample(seed, "test", level)
    for rules, worst in ((BanditRules(expert="oracle"), False), (BanditRules(), True)):
        state = rules.initial(some)
        plan = [some.names[some.means.index(min(some.means))]] * horizon if worst else rules.solve(state)
        assert len(plan) == horizon
        for name in plan:
            state = rules.step(state, rules.parse(state, name)).state
        assert rules.score(state) == (pytest.approx(0.0, abs=1e-9) if worst else 1.0)
        assert rules.is_success(state) is not worst


def test_arms_that_are_all_the_same_score_by_the_pulls_made():
    rules = BanditRules()
    state = rules.initial(task(means=(0.5, 0.5, 0.5)))
    scores = []
    for _ in range(4):
        assert not rules.is_success(state)
        state = rules.step(state, rules.parse(state, "Red")).state
        scores.append(rules.score(state))
    assert scores == [0.25, 0.5, 0.75, 1.0] and rules.is_success(state)


def test_success_is_half_the_regret_of_random_pulls():
    rules = BanditRules()
    some = task(means=(0.0, 1.0, 0.5), horizon=20)  # random pulls lose 0.5 each, 10 in all
    for reds, greens, success in ((5, 0, True), (5, 1, False), (4, 2, True)):
        state = rules.initial(some)
        for name in ["Red"] * reds + ["Green"] * greens + ["Blue"] * (20 - reds - greens):
            state = rules.step(state, rules.parse(state, name)).state
        assert rules.is_success(state) is success


@pytest.mark.parametrize("level", LEVELS)
def test_random_pulls_lose_the_mean_gap_each(level):
    rules = BanditRules()
    errors, spreads = [], []
    for seed in range(20):
        state = rules.initial(BanditSource(horizon=200).sample(seed, "test", level))
        gaps = state.bandit.gaps
        rng = Rng.named("random pulls", seed)
        for _ in range(200):
            state = rules.step(state, rules.parse(state, rng.choice(state.bandit.names))).state
        errors.append(state.regret - 200 * statistics.fmean(gaps))
        spreads.append(200 * statistics.pvariance(gaps))
    assert abs(sum(errors)) < 4 * sum(spreads) ** 0.5


@pytest.mark.parametrize("level", ["bernoulli-5-easy", "bernoulli-20-hard", "gaussian-5-hard"])
def test_rewards_have_the_arms_mean_and_deviation(level):
    some = BanditSource(horizon=4000).sample(4, "test", level)
    bandit = Bandit(some)
    rewards = [bandit.reward(2, index) for index in range(4000)]
    mean = some.means[2]
    deviation = some.deviation or (mean * (1 - mean)) ** 0.5
    assert abs(statistics.fmean(rewards) - mean) < 4 * deviation / 4000**0.5
    assert statistics.pstdev(rewards) == pytest.approx(deviation, rel=0.06)
    if not some.deviation:
        assert set(rewards) == {0.0, 1.0}


def test_rewards_are_told_exactly():
    env = gym.make("rlvr/bandit-v0", difficulty="gaussian-5-hard", horizon=50)
    env.reset(seed=2)
    for _ in range(50):
        observation, reward, *_, info = env.step(env.unwrapped.task.names[1])
        assert float(observation.removesuffix(".").rpartition(" ")[2]) == reward
        assert info["message"] == observation


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters()), st.sampled_from(["skip", "random"]))
def test_any_text_is_an_arm_or_invalid(text, on_invalid):
    rules = BanditRules(on_invalid=on_invalid)
    state = rules.initial(task())
    parsed = rules.parse(state, text)
    if on_invalid == "random":
        assert parsed.substituted or text.strip().casefold() in ("red", "blue", "green")
        assert 0.0 <= rules.score(rules.step(state, parsed).state) <= 1.0
    else:
        assert isinstance(parsed, Invalid)


def test_exactly_the_names_are_accepted_up_to_case_and_white_space():
    rules = BanditRules()
    state = rules.initial(task(names=("Straße", "Blue", "two words")))
    for text in ("Straße", "STRASSE", "strasse ", "\tblue", "TWO WORDS"):
        assert not isinstance(rules.parse(state, text), Invalid)
    for text in ("Stra", "Blue.", "two  words", "'Blue'", "Blue Blue", "1", "", " " * 10**7 + "Blue"):
        assert isinstance(rules.parse(state, text), Invalid)
    assert rules.exhaustive and rules.legal_actions(state) == ("Straße", "Blue", "two words")


@settings(max_examples=40, deadline=None)
@given(seeds, levels, st.lists(st.integers(0, 19), max_size=30), st.lists(st.integers(0, 19), max_size=30))
def test_a_saved_state_has_the_same_future(seed, level, before, after):
    rules = BanditRules(on_invalid="random")
    some = BanditSource(horizon=100).sample(seed, "train", level)
    state = rules.initial(some)

    def pull(state, number):
        # Number 19 is a text that names no arm.
        text = "nonsense" if number == 19 else some.names[number % len(some.names)]
        return rules.step(state, rules.parse(state, text))

    for number in before:
        state = pull(state, number).state
    saved = json.loads(json.dumps(rules.state_to_json(state)))
    copy = rules.state_from_json(BanditTask.model_validate_json(some.model_dump_json()), saved)
    assert copy == state and hash(copy) == hash(state)
    assert rules.expert(copy) == rules.expert(state)
    for number in after:
        one, two = pull(state, number), pull(copy, number)
        assert one == two
        state, copy = one.state, two.state
        assert rules.extra_info(state) == rules.extra_info(copy)


@settings(max_examples=10, deadline=None)
@given(seeds, levels, st.sampled_from(["ucb", "thompson", "greedy", "oracle"]))
def test_asking_the_expert_at_every_step_follows_its_plan(seed, level, expert):
    rules = BanditRules(expert=expert)
    state = rules.initial(BanditSource(horizon=60).sample(seed, "test", level))
    plan = rules.solve(state)
    assert len(plan) == 60
    for index, name in enumerate(plan):
        assert rules.expert(state) == name
        if index % 20 == 7:
            assert rules.solve(state) == plan[index:]
        state = rules.step(state, rules.parse(state, name)).state
    assert rules.expert(state) is None and rules.solve(state) is None


def test_every_state_has_the_same_dynamics_and_so_the_same_key():
    rules = BanditRules()
    state = rules.initial(task())
    after = rules.step(state, rules.parse(state, "Red")).state
    assert rules.key(state) == rules.key(after) == rules.observation_key(after)


def reached(pulls):
    rules = BanditRules()
    state = rules.initial(BanditSource(horizon=2000).sample(0, "test", "bernoulli-20-hard"))
    for index in range(pulls):
        state = rules.step(state, rules.parse(state, state.bandit.names[index % 20])).state
    return rules, state


def test_a_state_does_not_grow_with_the_pulls():
    rules, early = reached(40)
    _, late = reached(1040)
    assert len(late) == len(early) and len(late.counts) == len(early.counts) == 20
    sizes = [len(json.dumps(rules.state_to_json(state))) for state in (early, late)]
    assert sizes[1] < sizes[0] + 20 * 6  # the numbers get more digits, that is all


def test_pull_1000_takes_as_long_as_pull_1():
    env = gym.make("rlvr/bandit-v0", difficulty="bernoulli-20-hard")
    env.reset(seed=0)
    bare = env.unwrapped
    names = bare.legal_actions()
    early = bare.snapshot()
    for index in range(960):
        env.step(names[index % 20])
    late = bare.snapshot()
    best = {}
    for _ in range(40):
        for label, snapshot in (("early", early), ("late", late)):
            bare.restore(snapshot)
            start = time.perf_counter()
            for index in range(39):
                env.step(names[index % 20])
            best[label] = min(best.get(label, 1.0), time.perf_counter() - start)
    assert best["late"] < 1.5 * best["early"]


def test_cheating_policies_score_no_more_than_random_pulls():
    def score(policy, seed, **kwargs):
        env = gym.make("rlvr/bandit-v0", horizon=40, difficulty="bernoulli-5-easy", split="test", **kwargs)
        prompt, info = env.reset(seed=seed)
        names = info["legal_actions"]
        over = False
        while not over:
            *_, terminated, truncated, info = env.step(policy(prompt, names))
            over = terminated or truncated
        return info["score"]

    for nothing in ("", "x" * 5000, "{prompt}", "{all}", "I choose the best arm."):
        policy = lambda prompt, names, text=nothing: text.format(prompt=prompt, all=", ".join(names))  # noqa: E731
        assert [score(policy, seed) for seed in range(10)] == [0.0] * 10
    constant = [score(lambda prompt, names: names[0], seed) for seed in range(300)]
    assert statistics.fmean(constant) == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 300) ** 0.5)


# Draws


@given(seeds, st.integers(0, 10**6), st.integers(1, 80))
def test_blocks_of_draws_are_the_draws_one_by_one(key, start, count):
    assert counter_uniforms(key, start, count) == [counter_uniform(key, start + i) for i in range(count)]


@given(st.floats(0, 1, exclude_max=True))
def test_normal_quantiles_are_finite_and_symmetric(uniform):
    assert abs(normal_quantile(uniform)) < 9
    assert normal_quantile(0.0) < -8 and normal_quantile(1 - 2**-53) > 8 and abs(normal_quantile(0.5)) < 1e-15


@settings(max_examples=20, deadline=None)
@given(seeds, st.booleans(), st.booleans(), st.lists(st.integers(0, 700), min_size=2, max_size=12))
def test_draws_do_not_depend_on_the_order_in_which_they_are_asked_for(key, normal, numpy, indices):
    make = numpy_draws if numpy else counter_draws
    one, two = make(key, normal=normal), make(key, normal=normal)
    assert {i: one[i] for i in indices} == {i: two[i] for i in sorted(indices)}


def test_eight_threads_see_the_same_draws():
    def slowly(start, count):
        time.sleep(0.002)
        return [float(i) for i in range(start, start + count)]

    shared = Draws(slowly)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append([shared[i] for i in range(0, 500, 7)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[float(i) for i in range(0, 500, 7)]] * 8


# Tasks


@settings(max_examples=40, deadline=None)
@given(seeds, levels, st.sampled_from(SCENARIOS))
def test_generated_bandits_are_evolves_configurations(seed, level, scenario):
    some = BanditSource(scenario).sample(seed, "train", level)
    kind = LEVELS[level]
    assert (some.scenario, some.distribution, len(some.names), some.horizon) == (
        scenario, kind.distribution, kind.arms, 300 if "easy" in level else 1000,
    )  # fmt: skip
    if kind.distribution == "bernoulli":
        low, high = (0.25, 0.75) if "easy" in level else (0.4, 0.6)
        assert sorted(some.means) == [low] * (kind.arms - 1) + [high]
    else:
        assert some.deviation == (1.0 if "easy" in level else 3.0) and len(set(some.means)) > 1


def test_the_best_arm_and_the_gaussian_means_are_spread_as_they_should_be():
    source = BanditSource()
    best = [source.sample(seed, "train", "bernoulli-5-easy").means.index(0.75) for seed in range(500)]
    assert all(65 < best.count(arm) < 135 for arm in range(5))
    means = [mean for seed in range(200) for mean in source.sample(seed, "train", "gaussian-20-hard").means]
    assert abs(statistics.fmean(means)) < 4 * 3 / 4000**0.5 and statistics.pstdev(means) == pytest.approx(3, rel=0.05)


def test_a_gaussian_instance_does_not_repeat_its_means_in_its_first_rewards():
    # EVOLvE restarts one generator for both; ours must not, or an agent could read the means off.
    some = BanditSource().sample(1, "train", "gaussian-20-easy")
    draws = counter_draws(some.key, normal=True)
    assert not {round(draws[i], 3) for i in range(20)} & {round(mean, 3) for mean in some.means}


@settings(max_examples=20, deadline=None)
@given(seeds, levels)
def test_a_seed_names_a_bandit_and_no_arms_are_in_two_splits(seed, level):
    source = BanditSource()
    tasks = [source.sample(seed, split, level) for split in source.splits]
    assert tasks == [BanditSource().sample(seed, split, level) for split in source.splits]
    assert len({(some.names, some.means, some.key) for some in tasks}) == 3
    assert BanditSource(horizon=7).sample(seed, "test", level).means == tasks[2].means  # whatever the horizon


@pytest.mark.parametrize(
    ("level", "uid", "rewards"),
    [
        ("bernoulli-5-easy", "bandit-67a5397e6ab2fa31", [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]),
        ("gaussian-20-hard", "bandit-823206b8a9f83eb0", [-0.44, -3.585, -4.872]),
    ],
)
def test_what_a_seed_gives_is_part_of_the_contract(level, uid, rewards):
    some = BanditSource().sample(0, "test", level)
    bandit = Bandit(some)
    assert some.uid == uid and [bandit.reward(0, index) for index in range(len(rewards))] == rewards


def test_statements_say_nothing_about_what_an_arm_is_worth():
    for scenario in SCENARIOS:
        one = BanditSource(scenario).sample(0, "test", "gaussian-5-easy")
        two = one.model_copy(update={"means": tuple(reversed(one.means)), "key": 1})
        assert BanditRules().statement(one) == BanditRules().statement(two)
        for name in one.names:
            assert name in BanditRules().statement(one)


def test_there_are_names_enough_and_all_are_different():
    for scenario in SCENARIOS:
        names = draw_names(Rng(0), scenario, 20)
        story = STORIES[scenario]
        every = draw_names(Rng(0), scenario, max(len(story.first) * len(story.second), len(story.first)))
        assert len(set(names)) == 20 and len({name.casefold() for name in every}) == len(every) >= 30


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("Red", "red", "Blue")},
        {"names": ("Red", "Blue")},
        {"names": ("Red", "Blue", " Green")},
        {"names": ("Red", "Blue", "a\nb")},
        {"names": ("Red", "Blue", "")},
        {"means": (0.1, 0.2, 1.2)},
        {"means": (0.1, 0.2, float("nan"))},
        {"deviation": 1.0},
        {"distribution": "gaussian"},
        {"distribution": "gaussian", "deviation": float("inf")},
        {"horizon": 0},
        {"horizon": MAX_HORIZON + 1},
        {"key": -1},
    ],
)
def test_tasks_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValueError):
        task(**changes)


def test_wrong_arguments_are_named():
    for name, value, hint in (
        ("scenario", "VideoWatchin", "VideoWatching"),
        ("instruction", "detail", "detailed"),
        ("reward", "regrets", "regret"),
        ("on_invalid", "skipped", "skip"),
        ("expert", "ucb1", "ucb"),
        ("horizon", 0, "horizon"),
    ):
        with pytest.raises(UserError, match=hint):
            gym.make("rlvr/bandit-v0", **{name: value})
    with pytest.raises(UserError, match="scenario"):
        gym.make("rlvr/bandit-v0", scenario="OnlineAds", data="somewhere")
