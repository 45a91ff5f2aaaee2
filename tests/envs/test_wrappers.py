"""Wrappers: replies, numbered actions, bytes, and records."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.wrappers import ByteObservations, DiscreteActions, ExtractAction, RecordEpisode
from rlvr.tasks.errors import UserError
from rlvr.tasks.task import text_hash

from .broken.healthy import LockEnv, SumEnv

GAME = "rlvr/game24-v0"


def first_action(env: Any, seed: int = 0) -> str:
    """The expert's first action of a task, asked of another instance."""
    twin = type(env.unwrapped)()
    twin.reset(seed=seed)
    return str(twin.expert_action())


# ExtractAction


@pytest.mark.parametrize(
    ("rule", "form"),
    [
        ("raw", "{}"),
        ("tag", "I combine two.\n<action>{}</action>"),
        ("tag", "<think><action>0 + 0</action></think><action>{}"),
        ("last_line", "Let me see.\nAction: {}"),
        ("json", 'So: {{"action": "{}"}}'),
        ("boxed", "The move is \\boxed{{{}}}."),
        ("auto", "hm\n<action> {} </action>"),
        ("auto", "Action: `{}`"),
    ],
)
def test_a_whole_reply_is_played_like_its_action(rule: str, form: str) -> None:
    wrapped, bare = ExtractAction(gym.make(GAME), rule), gym.make(GAME)
    wrapped.reset(seed=0)
    bare.reset(seed=0)
    action = first_action(bare)
    assert wrapped.step(form.format(action)) == bare.step(action)


def test_tool_arguments_become_a_command() -> None:
    env = ExtractAction(LockEnv(), "json")
    env.reset(seed=0)
    info = env.step('{"action": "dial", "digit": "4"}')[4]
    assert info["action_is_valid"]


@pytest.mark.parametrize("reply", ["", "<think>only thoughts", "\ud800", "no tag"])
def test_a_reply_without_an_action_is_an_invalid_action(reply: str) -> None:
    env = ExtractAction(LockEnv(), "tag")
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step(reply)
    assert not info["action_is_valid"] and info["invalid"] and not (terminated or truncated)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="'regex'"):
        ExtractAction(LockEnv(), "regex")


def test_wrappers_survive_the_spec() -> None:
    env = ExtractAction(gym.make(GAME), "tag")
    again = gym.make(env.spec)  # type: ignore[arg-type]
    assert isinstance(again, ExtractAction)
    again.reset(seed=0)
    assert again.step(f"<action>{first_action(again)}</action>")[4]["action_is_valid"]


def test_snapshots_work_through_stateless_wrappers() -> None:
    env = ExtractAction(LockEnv(), "tag")
    env.reset(seed=0)
    saved = env.unwrapped.snapshot()  # type: ignore[attr-defined]
    reply = f"<action>{first_action(env)}</action>"
    first = env.step(reply)
    env.unwrapped.restore(saved)  # type: ignore[attr-defined]
    assert env.step(reply) == first


# DiscreteActions


def test_numbers_stand_for_the_legal_actions_of_the_state() -> None:
    env = DiscreteActions(LockEnv())
    _, info = env.reset(seed=0)
    assert env.action_space == gym.spaces.Discrete(10)
    assert [env.text_of(i) for i in range(10)] == list(info["legal_actions"])
    assert info["action_mask"].dtype == np.int8 and info["action_mask"].tolist() == [1] * 10


def test_numbers_beyond_the_legal_actions_are_invalid() -> None:
    env = DiscreteActions(gym.make(GAME), size=60)
    _, info = env.reset(seed=0)
    legal = len(info["legal_actions"])
    assert info["action_mask"].sum() == legal < 60
    _, _, _, _, info = env.step(legal)
    assert not info["action_is_valid"]
    _, _, _, _, info = env.step(np.int64(0))
    assert info["action_is_valid"] and info["action_mask"].sum() == len(info["legal_actions"])


def test_masked_random_play_is_always_valid() -> None:
    env = DiscreteActions(gym.make(GAME), size=60)
    env.action_space.seed(0)
    for seed in range(10):
        _, info = env.reset(seed=seed)
        while info["stop_reason"] is None:
            _, _, _, _, info = env.step(env.action_space.sample(info["action_mask"]))
            assert info["action_is_valid"]


@pytest.mark.parametrize("name", ["rlvr/sokoban-v0", "rlvr/maze-v0"])
def test_moves_on_a_grid_keep_their_numbers(name: str) -> None:
    env = DiscreteActions(gym.make(name))
    assert env.action_space == gym.spaces.Discrete(4)
    _, info = env.reset(seed=0)
    texts = [env.text_of(i) for i in range(env.action_space.n)]  # type: ignore[attr-defined]
    assert set(info["legal_actions"]) <= set(texts)
    assert [texts[i] in info["legal_actions"] for i in range(len(texts))] == info["action_mask"].astype(bool).tolist()
    for i, legal in enumerate(info["action_mask"]):
        env.reset(seed=0)
        assert env.step(i)[4]["action_is_valid"] or not legal


def test_gymnasium_is_content_with_numbered_actions_and_bytes() -> None:
    with pytest.warns(UserWarning, match="different from the unwrapped version") as caught:
        check_env(ByteObservations(DiscreteActions(LockEnv()), length=64), skip_render_check=True)
    assert len(caught) == 1


def test_what_cannot_be_numbered_is_refused() -> None:
    with pytest.raises(UserError, match="pass size="):
        DiscreteActions(gym.make(GAME))
    env = DiscreteActions(SumEnv(), size=5)
    with pytest.raises(UserError, match="infinitely many"):
        env.reset(seed=0)
    with pytest.raises(UserError, match="text environments"):
        DiscreteActions(gym.make("CartPole-v1"), size=2)  # type: ignore[arg-type]


# ByteObservations


def test_bytes_are_cut_and_padded() -> None:
    env = ByteObservations(LockEnv(), length=20)
    observation, _ = env.reset(seed=0)
    text, _ = LockEnv().reset(seed=0)
    assert observation.dtype == np.uint8 and observation.shape == (20,)
    assert observation.tobytes() == text.encode()[:20]
    wide, _ = ByteObservations(LockEnv(), length=500).reset(seed=0)
    assert bytes(wide[: len(text)]) == text.encode() and not wide[len(text) :].any()
    assert wide in ByteObservations(LockEnv(), length=500).observation_space


# RecordEpisode


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_finished_episode_is_one_line_that_replays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "episodes.jsonl"
    env = RecordEpisode(gym.make(GAME, difficulty="easy"), str(path), agent="me")
    bare: Any = env.unwrapped
    for seed in (3, 4):
        _, info = env.reset(seed=seed)
        while info["stop_reason"] is None:
            _, _, _, _, info = env.step(info["legal_actions"][0])
    found = records(path)
    assert len(found) == 2 and {record["agent"] for record in found} == {"me"}
    for record in found:
        again: Any = gym.make(record["env_id"], **record["env_kwargs"]).unwrapped
        start, *steps = record["events"]
        observation, _ = again.reset(seed=start["seed"], options=start["options"])
        assert text_hash(observation) == start["observation_hash"]
        for event in steps:
            observation, reward, terminated, _, info = again.step(event["action"])
            assert (text_hash(observation), reward, terminated) == (
                event["observation_hash"],
                event["reward"],
                event["terminated"],
            )
        assert record["score"] == info["score"] and record["privileged"] == []
    assert bare.privileged == set()


def test_an_episode_that_was_left_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    env = RecordEpisode(gym.make(GAME), str(path))
    env.reset(seed=0)
    env.step("?")
    env.reset(seed=1)
    assert not path.exists()


def test_a_reset_without_a_seed_is_recorded_with_one(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    env = RecordEpisode(gym.make("rlvr/game24-text-v0"), str(path))
    uids = []
    for _ in range(3):
        _, info = env.reset()
        uids.append(info["task_uid"])
        env.step("1 + 1")
    for uid, record in zip(uids, records(path), strict=True):
        again = gym.make(record["env_id"])
        assert again.reset(seed=record["env_seed"])[1]["task_uid"] == uid == record["task_uid"]
    assert len(set(uids)) > 1


def test_odd_texts_are_recorded_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    env = RecordEpisode(gym.make(GAME, max_steps=2), str(path))
    env.reset(seed=0)
    texts = ["\ud800\x00\u2028", "line\nbreak"]
    for text in texts:
        env.step(text)
    (record,) = records(path)
    assert [event["action"] for event in record["events"][1:]] == texts
    assert record["stop_reason"] == "step_limit"


def test_help_of_the_expert_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    env = RecordEpisode(gym.make("rlvr/game24-text-v0"), str(path))
    env.reset(seed=0)
    env.step(env.unwrapped.expert_action())  # type: ignore[attr-defined]
    (record,) = records(path)
    assert record["privileged"] == ["expert_action"] and record["score"] == 1.0 and record["is_success"] is True


def test_only_made_text_environments_are_recorded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gym\.make"):
        RecordEpisode(LockEnv(), str(tmp_path / "x.jsonl"))
