"""EVOLvE's recorded instances: arms, UCB traces, regret and context numbers come out the same."""

import json
import math

import gymnasium as gym
import numpy as np
import pytest

import rlvr  # noqa: F401
from rlvr.tasks.bandit.generate import LEVELS
from rlvr.tasks.bandit.learners import UCB, ucb_values
from rlvr.tasks.bandit.recorded import load_bandits, recorded_means
from rlvr.tasks.bandit.rules import BanditRules
from rlvr.tasks.data import registry
from rlvr.tasks.errors import MalformedData, MissingData, UserError


@pytest.fixture(scope="module")
def recorded(shared_data):
    path = shared_data / "bandits" / "instances.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    source = load_bandits(path)
    assert [task.item for task in source.tasks] == [row["id"] for row in rows]
    return list(zip(rows, source.tasks, strict=True))


def spread(row):
    if row["distribution"] == "gaussian":
        return row["arm_params"][0][1]
    return 0.5 if row["difficulty"] == "easy" else 0.2  # "labelled easy, built small-gap" is small too


def test_arms_are_made_from_the_seed_as_evolve_makes_them(recorded):
    for row, task in recorded:
        means = [param[0] for param in row["arm_params"]] if row["distribution"] == "gaussian" else row["arm_params"]
        assert list(task.means) == means
        assert recorded_means(row["distribution"], row["K"], spread(row), row["seed"]) == means, row["id"]
        assert list(task.names) == row["action_names"] and task.horizon == row["horizon"]


def test_levels_are_named_by_what_the_arms_are(recorded):
    for row, task in recorded:
        level = LEVELS[task.difficulty]
        assert (level.distribution, level.arms, level.spread) == (row["distribution"], row["K"], spread(row))
        if row["bench"] == "FullBench":
            assert level.horizon == row["horizon"]


def test_ucb_repeats_the_recorded_traces_pull_by_pull(recorded):
    rules = BanditRules()
    for row, task in recorded:
        trace = row["ucb_alpha0.5_trace"]
        learner = UCB(row["K"], alpha=0.5)
        state = rules.initial(task)
        for arm, reward in trace["actions_rewards"]:
            assert learner.choose() == arm and rules.expert(state) == task.names[arm], row["id"]
            transition = rules.step(state, rules.parse(state, task.names[arm]))
            if task.distribution == "bernoulli":
                assert transition.reward == reward
            else:
                assert transition.reward == pytest.approx(reward, abs=5.1e-7)  # recorded with six decimals
            learner.update(arm, transition.reward)
            state = transition.state
        assert state.regret == pytest.approx(trace["cumulative_expected_regret"], abs=1e-5)


def test_the_environment_repeats_the_traces_through_the_expert(shared_data, recorded):
    env = gym.make("rlvr/bandit-v0", data=str(shared_data / "bandits"))
    for row, _ in recorded:
        trace = row["ucb_alpha0.5_trace"]["actions_rewards"]
        env.reset(seed=1, options={"item": row["id"]})
        for arm, reward in trace[:40]:
            name = env.unwrapped.expert_action()
            assert name == row["action_names"][arm]
            observation, received, *_ = env.step(name)
            assert received == pytest.approx(reward, abs=5.1e-7)
            assert observation == f"{name}: reward {received if row['distribution'] == 'gaussian' else int(received)}."
    assert "expert_action" in env.unwrapped.privileged


def test_context_numbers_follow_from_the_statistics(recorded):
    for row, task in recorded:
        contexts = row["contexts_after_12"]
        rules = BanditRules()
        state = rules.initial(task)
        unit = contexts["summary"].split("\n")[1].removeprefix(f"{task.names[0]} ").split(",")[0]
        raw = summary = guide = ""
        for arm in contexts["actions"]:
            transition = rules.step(state, rules.parse(state, task.names[arm]))
            reward = transition.reward if task.distribution == "gaussian" else int(transition.reward)
            raw += f"\n{task.names[arm]} {unit}, reward {reward}"
            state = transition.state
        for name, count, total, arm in zip(
            task.names, state.counts, state.sums, ucb_values(state.counts, state.sums), strict=True
        ):
            line = f"\n{name} {unit}, {count} times, average reward {total / (count + 1e-6):.2f}"
            summary += line
            bonus = "inf" if math.isinf(arm.bonus) else f"{arm.bonus:.2f}"
            guide += f"{line} exploration bonus {bonus}, exploitation value {arm.value:.2f}"
        assert raw == contexts["raw"], row["id"]
        # The record prints -0.00 where a tiny negative mean rounds to zero, and so do we: the texts are equal.
        assert summary == contexts["summary"], row["id"]
        assert guide == contexts["summary_guide"], row["id"]


def test_rewards_repeat_numpys_generator_in_any_order_of_pulls(recorded):
    for row, task in recorded[:6]:
        seed = row["ucb_alpha0.5_trace"]["reset_seed"]
        rules = BanditRules()
        for order in (range(200), reversed(range(200)), [7, 3, 3, 11] * 50):
            generator = np.random.default_rng(seed)
            state = rules.initial(task)
            for pull in order:
                arm = pull % len(task.names)
                if task.distribution == "bernoulli":
                    expected = float(generator.uniform(0, 1) < task.means[arm])
                else:
                    expected = generator.normal(task.means[arm], task.deviation)
                transition = rules.step(state, rules.parse(state, task.names[arm]))
                assert transition.reward == pytest.approx(expected, rel=1e-12)
                state = transition.state


def test_a_horizon_may_be_cut_short_for_all(shared_data):
    source = load_bandits(shared_data / "bandits", horizon=20)
    assert {task.horizon for task in source.tasks} == {20}
    with pytest.raises(UserError, match="horizon"):
        load_bandits(shared_data / "bandits", horizon=0)


def test_the_registered_set_is_found_by_its_name(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path))
    with pytest.raises(MissingData, match="rlvr data add bandits"):
        load_bandits("bandits")
    registry.add("bandits", shared_data / "bandits")
    assert len(load_bandits("bandits")) == len(load_bandits(shared_data / "bandits"))


GOOD = {
    "distribution": "bernoulli", "arm_params": [0.2, 0.7], "action_names": ["a", "b"], "horizon": 5,
    "domain": "ButtonPushing", "seed": 3,
}  # fmt: skip
GAUSSIAN = {"distribution": "gaussian", "arm_params": [[0.5, 1.0], [1.0, 1.0]]}


def test_a_row_of_ones_own_needs_no_more_than_the_arms(tmp_path):
    path = tmp_path / "mine.jsonl"
    traced = GOOD | {"ucb_alpha0.5_trace": {"reset_seed": 8}}
    path.write_text("\n".join(json.dumps(row) for row in (GOOD, GOOD | GAUSSIAN, traced)))
    first, second, third = load_bandits(path).tasks
    assert third.key == 8
    assert (first.item, first.key, first.stream, first.difficulty) == ("1", 3, "numpy", "bernoulli-2-easy")
    assert (second.deviation, second.difficulty) == (1.0, "gaussian-2-easy")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"distribution": "poisson"}, "distribution"),
        ({"distribution": None}, "distribution"),
        ({"arm_params": [0.2]}, "arm_params"),
        ({"arm_params": [0.2, 1.7]}, "arm_params"),
        ({"arm_params": ["x", 0.7]}, "arm_params"),
        ({"arm_params": [[0.2, 1.0], [0.7, 1.0]]}, "arm_params"),
        (GAUSSIAN | {"arm_params": [[0.2, 1.0], [0.7, 2.0]]}, "arm_params"),
        (GAUSSIAN | {"arm_params": [0.2, 0.7]}, "arm_params"),
        (GAUSSIAN | {"arm_params": [0.2, [0.7, 1.0]]}, "arm_params"),
        (GAUSSIAN | {"arm_params": [[0.2, 0.0], [0.7, 0.0]]}, "arm_params"),
        ({"action_names": ["a", "A"]}, "arm_params"),
        ({"action_names": ["a", " "]}, "arm_params"),
        ({"action_names": "ab"}, "action_names"),
        ({"action_names": [1, 2]}, "action_names"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": "soon"}, "horizon"),
        ({"domain": "Casino"}, "domain"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "reset_seed"),
    ],
)
def test_a_broken_row_is_refused_with_its_line_and_field(tmp_path, change, field):
    path = tmp_path / "bandits.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change) + "\n")
    with pytest.raises(MalformedData, match="line 2") as error:
        load_bandits(path)
    assert field in str(error.value)
