"""The rules and environments: one answer, one verdict, and nothing that a text could break."""

import dataclasses
import json

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.tasks.errors import EpisodeOver, MissingData, UnknownName, UserError
from rlvr.tasks.math import rules as rules_module
from rlvr.tasks.math.rules import MathRules, MathState, Submission, boxed
from rlvr.tasks.math.task import MathTask
from rlvr.tasks.rules import EXCLUDED_STOPS, StopReason
from rlvr.tasks.verify import Verdict, VerdictStatus

TASK = MathTask(problem="What is $6 \\cdot 7$?", answer="42")


def answer(text, task=TASK, **options):
    rules = MathRules(**options)
    state = rules.initial(task)
    return rules.step(state, rules.judge(state, rules.parse(state, text)))


@pytest.mark.parametrize("text", ["\\boxed{42}", "\\boxed{042}", "So it is $\\boxed{42}$.", "\\boxed{42.0}"])
def test_correct_answers(text):
    after = answer(text)
    assert after.reward == 1.0 and after.terminated and after.stop_reason is StopReason.SOLVED
    assert MathRules().score(after.state) == 1.0 and MathRules().is_success(after.state)


@pytest.mark.parametrize(
    "text", ["", "   ", "\\boxed{43}", "\\boxed{}", "\\boxed{42} or \\boxed{43}", "I do not know."]
)
def test_wrong_and_unreadable_answers_end_the_episode(text):
    after = answer(text)
    assert after.reward == 0.0 and after.terminated and after.stop_reason is StopReason.FAILED
    assert MathRules().score(after.state) == 0.0
    assert "42" not in after.message


@pytest.mark.parametrize(
    "text", ["\\boxed{6 \\cdot 7}", "6 * 7", "\\boxed{40 + 2}", TASK.problem, f"  {TASK.problem}\n"]
)
def test_a_calculation_or_a_copy_of_the_problem_is_no_answer(text):
    assert answer(text).stop_reason is StopReason.FAILED


def test_conventions_of_the_verifier_are_options():
    share = MathTask(problem="Which share?", answer="42\\%")
    assert answer("\\boxed{42}", share).reward == 0.0
    assert answer("\\boxed{42}", share, policy={"percent": "unit"}).reward == 1.0
    assert answer("\\boxed{40 + 2}", policy={"literal_numbers": False}).reward == 1.0
    with pytest.raises(UnknownName, match="percent"):
        MathRules(policy={"percents": "unit"})


def test_rewards_are_options():
    options = {"correct": 2.0, "wrong": -0.5, "unparsable": -1.0}
    assert [answer(text, **options).reward for text in ("\\boxed{42}", "\\boxed{41}", "")] == [2.0, -0.5, -1.0]
    assert answer("", wrong=-0.25).reward == -0.25
    assert MathRules(**options).reward_range == (-1.0, 2.0)
    with pytest.raises(UserError, match="limit_s"):
        MathRules(limit_s=0)


@pytest.mark.parametrize(
    ("status", "stop"),
    [(VerdictStatus.TIMEOUT, StopReason.VERIFIER_TIMEOUT), (VerdictStatus.ERROR, StopReason.VERIFIER_ERROR)],
)
def test_no_verdict_is_neither_right_nor_wrong(monkeypatch, status, stop):
    monkeypatch.setattr(rules_module, "verify", lambda *a, **k: Verdict(status, None, "too slow", 5.0))
    after = answer("\\boxed{42}", wrong=-1.0)
    assert after.terminated and after.stop_reason is stop and stop in EXCLUDED_STOPS
    assert after.reward == 0.0 and MathRules().score(after.state) == 0.0


def test_a_recorded_verdict_takes_the_place_of_the_verifier(monkeypatch):
    monkeypatch.setattr(rules_module, "verify", lambda *a, **k: pytest.fail("the verifier was asked"))
    rules = MathRules()
    recorded = {"status": "correct", "extracted": "42", "reason": "equal"}
    state = rules.initial(TASK)
    for verdict in (recorded, Verdict(VerdictStatus.CORRECT, "42", "equal", 0.3)):
        after = rules.step(state, rules.with_verdict(rules.parse(state, "whatever"), verdict))
        assert after.stop_reason is StopReason.SOLVED
        assert rules.state_to_json(after.state) == {"verdict": recorded}


def test_states_survive_json_and_keys_tell_before_from_after():
    rules = MathRules()
    start = rules.initial(TASK)
    end = answer("\\boxed{41}").state
    for state in (start, end):
        data = json.loads(json.dumps(rules.state_to_json(state)))
        assert rules.state_from_json(TASK, data) == state
        assert hash(state) == hash(rules.state_from_json(TASK, data))
    assert rules.key(start) != rules.key(end) == rules.key(rules.state_from_json(TASK, rules.state_to_json(end)))
    assert rules.solve(start) == ["\\boxed{42}"] and rules.solve(end) is None


def test_boxed_drops_one_pair_of_dollar_signs():
    assert boxed("$\\frac{1}{2}$") == "\\boxed{\\frac{1}{2}}"
    assert boxed("$a$,$b$") == "\\boxed{$a$,$b$}"
    assert boxed(" 7 ") == "\\boxed{7}"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_an_action(text):
    rules = MathRules()
    parsed = rules.parse(rules.initial(TASK), text)
    assert parsed == Submission(text)
    after = rules.step(MathState(TASK), rules.judge(MathState(TASK), parsed))
    assert after.terminated and after.reward in (0.0, 1.0)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\ud800", "\x00" * 50, "\\boxed{" * 5000, "9^{9^{9^{9}}}"])
def test_hostile_texts_are_wrong_answers(text):
    after = answer(text, limit_s=2.0)
    assert after.terminated and after.reward == 0.0


@pytest.mark.parametrize("env_id", ["rlvr/aime-v0", "rlvr/arithmetic-v0"])
def test_environments_pass_gymnasiums_checker_and_the_expert_solves(env_id):
    check_env(gym.make(env_id).unwrapped, skip_render_check=True)
    for level in gym.make(env_id).unwrapped.source.difficulties:
        env = gym.make(env_id, difficulty=level, split="test")
        for seed in range(15):
            env.reset(seed=seed)
            _, reward, terminated, _, info = env.step(env.unwrapped.expert_action())
            assert reward == 1.0 and terminated and info["is_success"] and info["verdict"].correct


def test_an_episode_has_one_turn_and_shows_the_bare_problem():
    env = gym.make("rlvr/aime-v0")
    observation, info = env.reset(options={"task": TASK})
    assert observation == TASK.problem and info["steps_left"] == 1 and info["legal_actions"] is None
    assert "\\boxed" in env.unwrapped.instructions
    observation, *_, info = env.step("no idea")
    assert observation == info["message"] and info["stop_reason"] == "failed" and info["invalid"] is None
    with pytest.raises(EpisodeOver):
        env.step("\\boxed{42}")


def test_snapshot_before_the_answer_allows_another_one():
    env = gym.make("rlvr/arithmetic-v0").unwrapped
    env.reset(seed=1)
    before = env.snapshot()
    right = env.expert_action()
    assert env.step("\\boxed{x}")[1] == 0.0
    observation, info = env.restore(before)
    assert observation and info["state_key"] == "open"
    assert env.step(right)[1] == 1.0
    state = env.get_state()
    env.reset(seed=2)
    _, info = env.set_state(json.loads(json.dumps(state)))
    assert info["is_success"] and info["stop_reason"] == "solved"


def test_replay_uses_the_recorded_verdict():
    env = gym.make("rlvr/aime-v0").unwrapped
    env.reset(seed=5)
    verdict = env.step("\\boxed{-1}")[-1]["verdict"]
    env.reset(seed=5)
    assert env.replay("\\boxed{-1}", dataclasses.replace(verdict, status=VerdictStatus.TIMEOUT))[-1]["stop_reason"] == (
        StopReason.VERIFIER_TIMEOUT
    )


def test_prompt_copy_constant_and_hedging_stay_at_the_floor():
    env = gym.make("rlvr/aime-v0", split="test")
    scores = {"copy": 0.0, "constant": 0.0, "hedge": 0.0}
    for seed in range(40):
        observation, _ = env.reset(seed=seed)
        texts = {
            "copy": observation,
            "constant": "\\boxed{25}",
            "hedge": " ".join(f"\\boxed{{{n}}}" for n in range(0, 1000, 7)),
        }
        for name, text in texts.items():
            env.reset(seed=seed)
            scores[name] += env.step(text)[-1]["score"]
    assert max(scores.values()) <= 0.03 * 40, scores


def test_missing_data_says_which_command_gets_it():
    with pytest.raises(MissingData, match="rlvr data pull aime2024"):
        gym.make("rlvr/aime2024-v0")
    with pytest.raises(UnknownName, match="gsm8k"):
        gym.make("rlvr/gsm8k-v0", dataset="gsm8")


def test_a_copy_of_a_problem_that_ends_in_its_answer_is_wrong():
    task = MathTask(problem="Ann says: the answer is 42. Is she right? If so, write 42.", answer="42")
    assert answer(f" {task.problem}\n", task).stop_reason is StopReason.FAILED
    assert answer("42", task).reward == 1.0
