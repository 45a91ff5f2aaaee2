"""The two games behind one name, and countdown, as environments."""

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.tasks.game24.steps import StepsRules, StepsState
from rlvr.tasks.game24.task import CountdownTask, Game24Task
from rlvr.tasks.rules import Invalid


def play(env_id, task, *actions, **kwargs):
    env = gym.make(env_id, **kwargs)
    results = [env.reset(seed=0, options={"task": task})]
    for action in actions:
        results.append(env.step(action))
    return results


def test_a_won_game():
    task = Game24Task(numbers=(4, 5, 6, 10))
    start, first, second, last = play("rlvr/game24-v0", task, "10 - 6", "4*4 = 16", "16 + 5", division="exact")
    assert start[0].endswith("Numbers left: 4 5 6 10")
    assert first[0] == "10 - 6 = 4.\n\nNumbers left: 4 4 5"
    assert second[1:4] == (0.0, False, False)
    assert last[3] is False and last[2] is True and last[4]["stop_reason"] == "failed" and last[4]["score"] == 0.0
    won = play("rlvr/game24-v0", task, "10 - 4", "6 x 5", "30 - 6")[-1]
    assert won[1:3] == (1.0, True) and won[4]["is_success"] and won[4]["stop_reason"] == "solved"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("", "not one operation"),
        ("4 + 4", "4 is not among"),
        ("7 + 4", "7 is not among"),
        ("4 - 6", "larger one: 6 - 4"),
        ("5 / 4", "remainder"),
        ("4 + 5 + 6", "not one operation"),
        ("import os", "not one operation"),
    ],
)
def test_an_invalid_operation_says_why_and_costs_a_turn(action, reason):
    task = Game24Task(numbers=(4, 5, 6, 10))
    observation, reward, terminated, truncated, info = play("rlvr/game24-v0", task, action)[-1]
    assert reason in info["invalid"] and info["invalid"] in observation and "8 / 2" in observation
    assert (reward, terminated, truncated, info["steps_left"]) == (0.0, False, False, 5)


def test_fractions_are_exact_in_the_rational_game():
    task = Game24Task(numbers=(3, 3, 8, 8))
    steps = play("rlvr/game24-v0", task, "8 / 3", "3 - 8/3", "8 / 1/3", division="rational")
    assert steps[-1][4]["is_success"] and "8 / 1/3 = 24." in steps[-1][0]


@given(st.lists(st.integers(1, 13), min_size=2, max_size=4), st.sampled_from(["exact", "rational"]))
def test_every_legal_action_is_accepted_and_json_brings_states_back(numbers, division):
    rules = StepsRules(division)
    task = Game24Task(numbers=tuple(numbers))
    state = rules.initial(task)
    while rules.legal_actions(state):
        for text in rules.legal_actions(state):
            assert not isinstance(rules.parse(state, text), Invalid)
        a, sign, b = text.split()
        assert rules.parse(state, f"  {a} {sign}  {b} =  ") == rules.parse(state, text)
        state = rules.step(state, rules.parse(state, text)).state
        assert rules.state_from_json(task, rules.state_to_json(state)) == state


@settings(max_examples=200)
@given(st.integers(-5, 30), st.sampled_from("+-*/"), st.integers(-5, 30))
def test_accepted_operations_are_exactly_the_legal_ones_up_to_spelling(a, sign, b):
    rules = StepsRules("exact")
    state = StepsState((2, 6, 8, 13), 24)
    parsed = rules.parse(state, f"{a} {sign} {b}")
    legal = {rules.parse(state, text) for text in rules.legal_actions(state)}
    assert isinstance(parsed, Invalid) or parsed in legal


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("(10 - 4) * 5 - 6", 1.0),
        ("Steps: ...\nAnswer: (10-4)*5-6 = 24", 1.0),
        ("(10 - 4) * 5 - 6\n", 1.0),
        ("24", 0.0),
        ("6*4*1*1", 0.0),
        ("10 + 4 + 5 + 6", 0.0),
        ("(10-4)*5-6 + 0", 0.0),
        ("", 0.0),
        ("4 5 6 10", 0.0),
        ("(10-4)*5-6*(10-10+1)", 0.0),
    ],
)
def test_an_expression_must_use_the_given_numbers(answer, score):
    task = Game24Task(numbers=(4, 5, 6, 10))
    _, reward, terminated, truncated, info = play("rlvr/game24-text-v0", task, answer)[-1]
    assert (reward, info["score"], terminated, truncated) == (score, score, True, False)


def test_countdown_allows_unused_numbers_but_no_number_twice():
    task = CountdownTask(numbers=(3, 7, 25, 50), target=75)
    assert play("rlvr/countdown-v0", task, "50 + 25")[-1][1] == 1.0
    assert play("rlvr/countdown-v0", task, "25 + 25 + 25")[-1][1] == 0.0
    assert play("rlvr/countdown-v0", task, "75")[-1][1] == 0.0


def test_a_value_that_only_rounds_to_the_target_is_wrong():
    task = Game24Task(numbers=(4, 5, 6, 10))
    assert play("rlvr/game24-text-v0", task, "6 * 4 + 5 / 10")[-1][4]["score"] == 0.0
    task = CountdownTask(numbers=(3, 7, 25, 50), target=75)
    assert play("rlvr/countdown-v0", task, "50 + 25 + 3 / 7")[-1][4]["score"] == 0.0
