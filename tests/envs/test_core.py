"""The text environment itself: what the kit does not look at."""

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.core import TextEnv
from rlvr.envs.registry import ENVS, EnvRow
from rlvr.tasks.errors import EpisodeOver, UserError
from rlvr.tasks.rules import StopReason

from .broken.healthy import LockEnv, LockTask, SumEnv


def test_an_invalid_action_is_answered_with_reason_and_form() -> None:
    env = LockEnv()
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step("open")
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["invalid"] == "this is not a digit to dial"
    assert "Invalid action: this is not a digit to dial. Accepted: dial one digit (for example: dial 5)." in observation
    assert info["message"] in observation and "Dialled: 0 of" in observation


def test_a_penalty_applies_only_if_configured() -> None:
    env = LockEnv(invalid_penalty=0.25)
    env.reset(seed=0)
    assert env.step("open")[1] == -0.25
    assert env.step("dial 1")[1] >= 0.0


def test_a_final_invalid_action_fails_the_task() -> None:
    env = SumEnv()
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step("do not know")
    assert terminated and not truncated and info["stop_reason"] is StopReason.FAILED


def test_solving_on_the_last_step_is_no_truncation() -> None:
    env = LockEnv(max_steps=3, difficulty="3-digits")
    env.reset(seed=0)
    for _ in range(3):
        _, _, terminated, truncated, info = env.step(str(env.expert_action()))
    assert terminated and not truncated and info["stop_reason"] is StopReason.SOLVED and info["steps_left"] == 0


def test_every_step_shows_the_view_and_only_the_first_the_statement() -> None:
    env = LockEnv()
    first, _ = env.reset(seed=0)
    assert first.startswith("The code is") and first.endswith("Dialled: 0 of 3.")
    second = env.step(str(env.expert_action()))[0]
    assert second == "Click.\n\nDialled: 1 of 3."


def test_a_sequence_of_resets_goes_on_from_its_seed() -> None:
    env, other = LockEnv(), LockEnv()
    tasks = [env.reset(seed=9)[1]["task_uid"], *(env.reset()[1]["task_uid"] for _ in range(5))]
    assert len(set(tasks)) > 3
    assert [other.reset(seed=9)[1]["task_uid"], *(other.reset()[1]["task_uid"] for _ in range(5))] == tasks


def test_without_any_seed_two_environments_play_different_tasks() -> None:
    assert len({LockEnv().reset()[1]["task_uid"] for _ in range(8)}) > 1


def test_a_task_can_be_handed_in() -> None:
    env = LockEnv()
    task = LockTask(code=(4, 0, 2))
    observation, info = env.reset(options={"task": task})
    assert "The code is 4 0 2." in observation and info["task_uid"] == task.uid
    assert env.reset(options={"task": task.model_dump(mode="json")})[0] == observation
    assert env.privileged == set()


def test_a_task_of_another_family_is_refused() -> None:
    other = SumEnv()
    other.reset(seed=0)
    with pytest.raises(UserError, match="plays LockTask, not SumTask"):
        LockEnv().reset(options={"task": other.task})


def test_items_need_a_data_set() -> None:
    with pytest.raises(UserError, match="items need a data set"):
        LockEnv().reset(options={"item": 0})


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no option 'dificulty'\. Did you mean 'difficulty'"):
        LockEnv().reset(options={"dificulty": "x"})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max_steps": 0}, "max_steps must be a whole number of at least 1, not 0"),
        ({"split": "dev"}, "split must be one of train, valid, test, not 'dev'"),
        ({"difficulty": "huge"}, "no difficulty 'huge'"),
        ({"render_mode": "human"}, "no render mode 'human'"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LockEnv(**kwargs)


@pytest.mark.parametrize(
    "use",
    [
        lambda env: env.step("dial 1"),
        lambda env: env.snapshot(),
        lambda env: env.get_state(),
        lambda env: env.state_key(),
        lambda env: env.legal_actions(),
        lambda env: env.expert_action(),
        lambda env: env.label,
        lambda env: env.task,
    ],
)
def test_nothing_works_before_reset(use: Any) -> None:
    with pytest.raises(EpisodeOver, match=r"Call reset\(\) first"):
        use(LockEnv())


def test_a_state_of_another_version_is_refused() -> None:
    env = LockEnv()
    env.reset(seed=0)
    with pytest.raises(UserError, match="version 99"):
        env.set_state({**env.get_state(), "version": 99})


def test_a_snapshot_can_be_pickled() -> None:
    env = LockEnv()
    env.reset(seed=0)
    env.step("dial 1")
    saved = pickle.loads(pickle.dumps(env.snapshot()))
    expected = env.step("dial 2")
    env.restore(saved)
    assert env.step("dial 2") == expected


def test_the_expert_follows_its_plan_and_makes_a_new_one_when_left() -> None:
    env = LockEnv()
    env.reset(seed=0)
    asked: list[Any] = []
    solve = env.rules.solve
    env.rules.solve = lambda state: asked.append(state) or solve(state)  # type: ignore[method-assign, func-returns-value]
    env.step(str(env.expert_action()))
    env.step(str(env.expert_action()))
    assert len(asked) == 1
    env.reset(seed=1)
    env.expert_action()
    assert len(asked) == 2


def test_reveal_tells_the_solution_and_is_flagged() -> None:
    env = LockEnv(reveal=True)
    _, info = env.reset(seed=0)
    assert info["solution"] and env.privileged == {"reveal"}
    for action in info["solution"]:
        info = env.step(action)[4]
    assert info["is_success"]


def test_what_an_agent_is_told_comes_from_the_actions() -> None:
    env = LockEnv()
    assert env.examples == ("dial 5",)
    assert env.action_schema["oneOf"][0]["properties"]["digit"]["enum"] == list("0123456789")
    assert env.tools[0]["function"]["name"] == "dial"
    assert "dial" in env.action_grammar and "dial" in env.instructions


def test_rendering_without_a_mode_warns() -> None:
    env = LockEnv()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="needs a render mode"):
        assert env.render() is None


def test_a_grid_is_painted_cell_by_cell() -> None:
    env = LockEnv(render_mode="rgb_array", difficulty="4-digits")
    env.reset(seed=0)
    picture: Any = env.render()
    assert picture.shape == (16, 64, 3)
    assert (picture == 90).all()
    env.step(str(env.expert_action()))
    assert (env.render()[:, :16] == (0, 200, 0)).all()  # type: ignore[index]


def test_a_family_without_a_picture_says_so() -> None:
    with pytest.raises(UserError, match="no render mode 'rgb_array'"):
        SumEnv(render_mode="rgb_array")


def test_the_environment_is_a_gymnasium_environment() -> None:
    env = gym.make("rlvr/game24-v0")
    assert isinstance(env.unwrapped, TextEnv) and isinstance(env.unwrapped, gym.Env)


@pytest.mark.parametrize("action", [None, ["up"], 3, b"dial 1"])
def test_an_action_that_is_no_text_is_a_type_error_and_no_turn(action: Any) -> None:
    env = LockEnv()
    env.reset(seed=0)
    with pytest.raises(TypeError, match=f"An action is a text, not {type(action).__name__}"):
        env.step(action)
    assert env.steps == 0


def test_a_text_of_a_subclass_is_an_action() -> None:
    env = LockEnv()
    env.reset(seed=0)
    assert env.step(np.str_("dial 1"))[4]["action_is_valid"]  # type: ignore[arg-type]


def test_only_a_snapshot_of_these_rules_is_restored() -> None:
    env, other = LockEnv(), SumEnv()
    observation, _ = env.reset(seed=0)
    other.reset(seed=0)
    for junk in ("junk", None, env.get_state()):
        with pytest.raises(UserError, match=r"restore\(\) takes what snapshot\(\) returned, not "):
            env.restore(junk)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="belongs to SumRules; this environment plays LockRules"):
        env.restore(other.snapshot())
    assert env.restore(env.snapshot())[0] == observation


def test_only_a_state_of_these_rules_is_set() -> None:
    env, other = LockEnv(), SumEnv()
    env.reset(seed=0)
    other.reset(seed=0)
    for junk in ("junk", {}, {"version": 1}):
        with pytest.raises(UserError, match=r"set_state\(\) takes what get_state\(\) returned"):
            env.set_state(junk)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="The task of this state: "):
        env.set_state(other.get_state())
    with pytest.raises(UserError, match="LockRules cannot read this state"):
        env.set_state({**env.get_state(), "state": 5})


@pytest.mark.parametrize("row", ENVS, ids=lambda row: row.name)
def test_gymnasiums_checker_stays_on(row: EnvRow) -> None:
    assert not gym.spec(row.id).disable_env_checker


def test_reading_the_task_is_flagged_and_reading_its_label_is_not() -> None:
    env = LockEnv()
    env.reset(seed=0)
    label = env.label
    assert env.privileged == set()
    assert env.task.uid == label.uid
    assert env.privileged == {"task"}
