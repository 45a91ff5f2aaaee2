"""Our vector environment: the same as Gymnasium's, in process, with texts that arrive whole."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.vector import TextVectorEnv, batch_infos
from rlvr.tasks.errors import EpisodeOver, UserError

from .broken.healthy import LockEnv, LockRules, LockState, SumEnv

GAME = "rlvr/game24-v0"


def lock_envs(n: int = 3, **kwargs: Any) -> TextVectorEnv:
    return TextVectorEnv(LockEnv, n, **kwargs)


def dial(envs: TextVectorEnv) -> tuple[str, ...]:
    """The right next digit in every environment."""
    return tuple(action or "wait" for action in envs.call("expert_action"))


def test_make_vec_uses_it_by_itself() -> None:
    envs = gym.make_vec(GAME, num_envs=4, difficulty="hard")
    assert isinstance(envs.unwrapped, TextVectorEnv)
    assert envs.num_envs == 4
    assert envs.get_attr("difficulty") == ("hard",) * 4
    observations, _ = envs.reset(seed=0)
    assert observations in envs.observation_space
    assert envs.spec is not None and envs.spec.id == GAME
    envs.close()


def test_a_batch_is_a_tuple_of_whole_strings() -> None:
    observations, infos = lock_envs().reset(seed=3)
    assert isinstance(observations, tuple)
    singles = [LockEnv() for _ in range(3)]
    expected = [env.reset(seed=3 + i) for i, env in enumerate(singles)]
    assert observations == tuple(text for text, _ in expected)
    assert list(infos["task_uid"]) == [info["task_uid"] for _, info in expected]


def test_observations_of_a_step_are_not_changed_by_the_next() -> None:
    envs = lock_envs()
    first, _ = envs.reset(seed=0)
    kept = tuple(first)
    second = envs.step(dial(envs))[0]
    envs.step(dial(envs))
    assert first == kept and second != envs.step(dial(envs))[0]


def test_seeds_may_be_one_or_one_each() -> None:
    envs = lock_envs()
    assert envs.reset(seed=5)[0] == envs.reset(seed=[5, 6, 7])[0]
    assert envs.reset(seed=[5, 5, 5])[0] == (envs.reset(seed=5)[0][0],) * 3
    with pytest.raises(UserError, match="one seed for each of the 3"):
        envs.reset(seed=[1, 2])


def test_rewards_and_ends_have_gymnasiums_types() -> None:
    envs = lock_envs()
    envs.reset(seed=0)
    _, rewards, terminations, truncations, infos = envs.step(("", "x", "dial 1"))
    assert rewards.dtype == np.float64 and terminations.dtype == truncations.dtype == np.bool_
    assert infos["score"].dtype == np.float64 and infos["steps_left"].dtype.kind == "i"
    assert infos["is_success"].dtype == np.bool_ and infos["_score"].all()
    assert infos["invalid"].dtype == object and infos["invalid"][2] is None


def test_next_step_resets_one_step_later() -> None:
    envs = lock_envs(2, difficulty="3-digits")
    envs.reset(seed=[1, 2])
    for _ in range(3):
        actions = (dial(envs)[0], "wait")
        observations, rewards, terminations, _, infos = envs.step(actions)
    assert terminations.tolist() == [True, False] and rewards.tolist() == [1.0, 0.0]
    assert infos["stop_reason"][0] == "solved"
    observations, rewards, terminations, _, infos = envs.step(("ignored", "wait"))
    assert rewards.tolist() == [0.0, 0.0] and not terminations.any()
    assert observations[0].startswith("The code is") and infos["stop_reason"][0] is None


def test_same_step_hands_over_the_last_moment() -> None:
    envs = lock_envs(2, autoreset_mode="SameStep", difficulty="3-digits")
    envs.reset(seed=[1, 2])
    for _ in range(3):
        actions = (dial(envs)[0], "wait")
        observations, rewards, _, _, infos = envs.step(actions)
    assert rewards[0] == 1.0 and observations[0].startswith("The code is")
    assert infos["final_obs"][0].startswith("The lock opens") and infos["final_obs"][1] is None
    assert infos["_final_obs"].tolist() == [True, False]
    assert infos["final_info"]["stop_reason"][0] == "solved" and infos["final_info"]["score"][0] == 1.0
    assert infos["stop_reason"][0] is None


def test_disabled_leaves_resets_to_the_caller() -> None:
    envs = lock_envs(2, autoreset_mode=AutoresetMode.DISABLED, difficulty="3-digits")
    envs.reset(seed=[1, 2])
    for _ in range(3):
        observations, _, terminations, _, _ = envs.step((dial(envs)[0], "dial 0"))
    assert terminations[0]
    with pytest.raises(EpisodeOver):
        envs.step(("dial 0", "dial 0"))
    before = observations[1]
    observations, infos = envs.reset(options={"reset_mask": np.array([True, False])})
    assert observations[0].startswith("The code is") and observations[1] == before
    assert infos["_score"].tolist() == [True, False]
    envs.step(("dial 0", "dial 0"))


def test_reset_options_reach_every_environment() -> None:
    envs = lock_envs()
    _, infos = envs.reset(seed=0, options={"difficulty": "5-digits"})
    assert {label.difficulty for label in envs.get_attr("label")} == {"5-digits"}
    assert infos["steps_left"].tolist() == [20, 20, 20]


@pytest.mark.parametrize("mask", [np.zeros(3, dtype=bool), np.ones(2, dtype=bool)])
def test_a_wrong_mask_is_refused(mask: Any) -> None:
    with pytest.raises(UserError, match="reset_mask must have shape"):
        lock_envs().reset(options={"reset_mask": mask})


@pytest.mark.parametrize("actions", ["up!", ("dial 1",), ["dial 1"] * 4])
def test_a_wrong_number_of_actions_is_refused(actions: Any) -> None:
    envs = lock_envs()
    envs.reset(seed=0)
    with pytest.raises(UserError, match="3 actions"):
        envs.step(actions)


def test_no_environment_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        lock_envs(0)


def test_attributes_can_be_read_and_set() -> None:
    envs = lock_envs()
    envs.reset(seed=0)
    assert envs.call("legal_actions")[0][0] == "dial 0"
    envs.set_attr("max_steps", 2)
    envs.set_attr("difficulty", ["3-digits", "4-digits", "5-digits"])
    _, infos = envs.reset(seed=0)
    assert infos["steps_left"].tolist() == [2, 2, 2]
    assert [label.difficulty for label in envs.get_attr("label")] == ["3-digits", "4-digits", "5-digits"]
    with pytest.raises(UserError, match="one value for each"):
        envs.set_attr("max_steps", [1, 2])


def test_pictures_come_from_every_environment() -> None:
    envs = lock_envs(render_mode="rgb_array")
    envs.reset(seed=0)
    pictures = envs.render()
    assert pictures is not None and len(pictures) == 3 and pictures[0].shape[2] == 3


class RichRules(LockRules):
    def extra_info(self, state: LockState) -> dict[str, Any]:
        extra: dict[str, Any] = {"nested": {"depth": state.dialled}, "row": np.arange(3), "share": np.float32(0.5)}
        return extra if state.dialled else {**extra, "only_at_start": 1}


class RichEnv(LockEnv):
    rules_class: ClassVar[type[LockRules]] = RichRules


def test_nested_and_numeric_infos_have_gymnasiums_layout() -> None:
    own: VectorEnv[Any, Any, Any] = TextVectorEnv(RichEnv, 2)
    theirs: VectorEnv[Any, Any, Any] = SyncVectorEnv([RichEnv, RichEnv])
    right = own.reset(seed=0)[0][0].split("is ")[1][0]
    theirs.reset(seed=0)
    infos = [envs.step((f"dial {right}", "wait"))[4] for envs in (own, theirs)]
    for key in ("share", "row", "nested", "only_at_start", "_only_at_start"):
        _same(infos[0][key], infos[1][key])
    assert infos[0]["only_at_start"].tolist() == [0, 1]


def _same(own: Any, theirs: Any) -> None:
    assert type(own) is type(theirs)
    if isinstance(own, dict):
        assert own.keys() == theirs.keys()
        for key in own:
            _same(own[key], theirs[key])
    else:
        assert own.dtype == theirs.dtype and own.shape == theirs.shape and (own == theirs).all()


def test_nothing_to_batch_is_an_empty_dictionary() -> None:
    assert batch_infos([None, None]) == {}


def test_a_single_turn_environment_ends_at_every_step() -> None:
    envs = TextVectorEnv(SumEnv, 2, autoreset_mode="SameStep")
    envs.reset(seed=0)
    for _ in range(3):
        _, rewards, terminations, _, _ = envs.step((dial(envs)[0], "not a number"))
        assert rewards.tolist() == [1.0, 0.0] and terminations.all()


def test_our_vector_entry_point_knows_the_class() -> None:
    import rlvr.envs.vector as vector

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vector.nothing
    with pytest.raises(AttributeError):
        _ = vector._private


def test_a_masked_reset_in_the_middle_of_autoreset_leaves_the_others_to_be_reset() -> None:
    """An environment that ended, and was not among those reset by hand, is still reset at its next step."""
    own: VectorEnv[Any, Any, Any] = lock_envs(2, difficulty="3-digits")
    theirs: VectorEnv[Any, Any, Any] = SyncVectorEnv([lambda: LockEnv(difficulty="3-digits")] * 2)
    seen = []
    for envs in (own, theirs):
        envs.reset(seed=[1, 2])
        for _ in range(3):
            actions = (envs.call("expert_action")[0], "wait")
            terminations = envs.step(actions)[2]
        assert terminations.tolist() == [True, False]
        envs.reset(options={"reset_mask": np.array([False, True])})
        observations, rewards, terminations, _, infos = envs.step(("ignored", "wait"))
        seen.append((tuple(observations), rewards.tolist(), terminations.tolist(), infos["steps_left"].tolist()))
    assert seen[0] == seen[1]
    assert seen[0][0][0].startswith("The code is")
