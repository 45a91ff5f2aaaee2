"""What an environment says to an argument that it cannot use: one sentence with what it takes."""

from typing import Any

import gymnasium as gym
import pytest

import rlvr  # noqa: F401 (registers the ids)
from rlvr.tasks.errors import UserError


@pytest.mark.parametrize(
    ("env_id", "kwargs", "message"),
    [
        ("game24", {"max_steps": "abc"}, "max_steps must be a whole number of at least 1, not 'abc'"),
        ("game24", {"max_steps": 1.5}, "max_steps must be a whole number of at least 1, not 1.5"),
        ("game24", {"max_steps": True}, "max_steps must be a whole number of at least 1, not True"),
        ("game24", {"invalid_penalty": "x"}, "invalid_penalty must be a number, not 'x'"),
        ("game24", {"invalid_penalty": float("nan")}, "invalid_penalty must be a number, not nan"),
        ("game24", {"reveal": "maybe"}, "reveal must be true or false, not 'maybe'"),
        ("game24", {"data": 5}, "data must be the path of a file or folder, not 5"),
        ("game24", {"division": "integer"}, "division must be one of exact, rational, not 'integer'"),
        ("game24", {"split": ["train"]}, r"split must be one of train, valid, test, not \['train'\]"),
        ("game24-text", {"data": ""}, "data must be the path of a file or folder"),
        ("sokoban", {"difficulty": 5}, "difficulty must be the name of a level, not 5"),
        ("sokoban", {"reward": "dense"}, "reward must be one of gym, sparse"),
        ("sokoban", {"symbols": ["x"]}, "symbols must be one of "),
        ("sokoban", {"dataset": "mazes"}, "dataset must be one of boxoban, microban"),
        ("sokoban", {"max_nodes": "many"}, "max_nodes must be a whole number"),
        ("sokoban", {"min_pushes": 0}, "min_pushes must be a whole number of at least 1"),
        ("maze", {"view": "local"}, "view must be one of full, partial, not 'local'"),
        ("maze", {"generator": "prim"}, "generator must be one of dfs, dfs_noforks, wilson"),
        ("maze", {"reward": 1}, "reward must be one of sparse, step_cost, not 1"),
        ("maze-path", {"format": "json"}, "format must be one of picture, tokens, mlmu"),
        ("bandit", {"horizon": "abc"}, "horizon must be a whole number from 1 to 100000, not 'abc'"),
        ("bandit", {"horizon": 1e9}, "horizon must be a whole number from 1 to 100000"),
        ("bandit", {"horizon": True}, "horizon must be a whole number from 1 to 100000"),
        ("bandit", {"scenario": "Cooking"}, "scenario must be one of VideoWatching, "),
        ("bandit", {"expert": None}, "expert must be one of ucb, thompson, greedy, oracle, not None"),
        ("aime", {"areas": "algebra"}, "areas must be a list of some of number theory, "),
        ("aime", {"areas": ["topology"]}, "areas must be a list of some of .*, without 'topology'"),
        ("aime", {"generators": 3}, "generators must be a list of texts, not 3"),
        ("aime", {"limit_s": 0}, "limit_s must be a number greater than 0"),
        ("aime", {"correct": None}, "correct must be a number, not None"),
        ("arithmetic", {"policy": ["percent"]}, "policy must be a mapping of conventions"),
        ("arithmetic", {"policy": {"percent": "some"}}, r"policy\.percent must be one of exact, unit, either"),
        ("arithmetic", {"policy": {"units": 1, "tolerance": "a"}}, r"policy\.units must be one of "),
        ("arithmetic", {"policy": {"box_required": "yes"}}, r"policy\.box_required must be true or false"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_with_what_is_accepted(
    env_id: str, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        gym.make(f"rlvr/{env_id}-v0", **kwargs)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("game24", {"max_steps": 3, "invalid_penalty": 1, "reveal": True, "division": "rational"}),
        ("sokoban", {"min_pushes": 3, "symbols": "letters", "reward": "sparse", "difficulty": "6x6-1"}),
        ("maze", {"view": "partial", "generator": "wilson", "reward": "step_cost"}),
        ("bandit", {"horizon": 7, "scenario": "OnlineAds", "expert": "oracle"}),
        ("aime", {"areas": ["algebra"], "limit_s": 2, "wrong": -1, "policy": {"percent": "unit", "approx_digits": 4}}),
    ],
)
def test_good_arguments_are_taken(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gym.make(f"rlvr/{env_id}-v0", **kwargs)
    assert env.reset(seed=1)[0]


@pytest.mark.parametrize("options", [{"difficulty": 5}, {"split": 5}, 5, ["difficulty"]])
def test_reset_refuses_options_of_the_wrong_kind(options: Any) -> None:
    with pytest.raises(UserError):
        gym.make("rlvr/sokoban-v0").unwrapped.reset(seed=1, options=options)
