"""Properties of every family under play that hypothesis makes up: any seed, any mixture of moves and texts."""

import json
from functools import lru_cache
from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.registry import ENVS
from rlvr.envs.testing.traces import canonical, ended, follow, step_record

GENERATED = pytest.mark.parametrize("name", [row.id for row in ENVS if row.data is None])
SEEDS = st.integers(0, 2**40)
MOVES = st.lists(
    st.one_of(st.integers(0, 40), st.text(alphabet=st.characters(), max_size=12), st.just("expert")), max_size=10
)


@lru_cache(maxsize=32)
def made(name: str) -> Any:
    return gym.make(name).unwrapped


def action_of(env: Any, info: dict[str, Any], move: int | str) -> str:
    if move == "expert":
        return env.expert_action() or ""
    if isinstance(move, str):
        return move
    choices = info["legal_actions"] or env.examples
    return choices[move % len(choices)]


def played(env: Any, seed: int, moves: list[int | str]) -> list[str]:
    """Play the moves from the start as long as the episode lasts; returns the texts that were played."""
    _, info = env.reset(seed=seed)
    actions: list[str] = []
    for move in moves:
        if info["stop_reason"] is not None:
            break
        actions.append(action_of(env, info, move))
        info = env.step(actions[-1])[4]
    return actions


@GENERATED
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS, moves=MOVES, cut=st.integers(0, 10))
def test_a_restored_state_has_the_same_future(name: str, seed: int, moves: list[int | str], cut: int) -> None:
    env = made(name)
    actions = played(env, seed, moves)
    cut = min(cut, len(actions))
    env.reset(seed=seed)
    follow(env, actions[:cut])
    saved, state = env.snapshot(), json.loads(json.dumps(env.get_state()))
    future = follow(env, actions[cut:])
    here = canonical(env.restore(saved))
    assert follow(env, actions[cut:]) == future
    assert canonical(env.set_state(state)) == here
    assert follow(env, actions[cut:]) == future


@GENERATED
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS, moves=MOVES)
def test_scores_and_keys_are_sound_along_the_way(name: str, seed: int, moves: list[int | str]) -> None:
    env = made(name)
    _, info = env.reset(seed=seed)
    for move in moves:
        before = info
        record, info = step_record(env, action_of(env, info, move))
        assert 0.0 <= info["score"] <= 1.0
        assert info["action_is_valid"] or isinstance(info["invalid"], str)
        assert info["state_key"] == env.state_key() and info["legal_actions"] == env.legal_actions()
        assert before["task_uid"] == info["task_uid"]
        assert info["message"] in record["observation"]
        if ended(record):
            break


@GENERATED
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_legal_actions_are_accepted_everywhere(name: str, seed: int) -> None:
    env = made(name)
    _, info = env.reset(seed=seed)
    while info["legal_actions"] and info["stop_reason"] is None and env.steps < 12:
        saved = env.snapshot()
        for action in info["legal_actions"]:
            assert env.step(action)[4]["action_is_valid"], action
            env.restore(saved)
        info = env.step(info["legal_actions"][(seed >> env.steps) % len(info["legal_actions"])])[4]


@GENERATED
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_the_expert_solves_any_task(name: str, seed: int) -> None:
    row = next(row for row in ENVS if row.id == name)
    env = made(name)
    _, info = env.reset(seed=seed)
    while info["stop_reason"] is None:
        action = env.expert_action()
        assert action is not None
        info = env.step(action)[4]
    if row.expert_score >= 1.0:
        assert info["score"] == 1.0 and info["is_success"]
