"""Checks of the interface: members, spaces, `info`, rewards, ends, options, Gymnasium's own checker, pictures."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from ...tasks.errors import EpisodeOver, UserError
from ...tasks.rules import StopReason
from .report import NotApplicable, Violation
from .subject import Subject, json_or_violation
from .traces import Trace, Walk, difference, ended, first_difference, play, reset_record, shown, step_record

METHODS = (
    "reset",
    "step",
    "render",
    "snapshot",
    "restore",
    "get_state",
    "set_state",
    "state_key",
    "legal_actions",
    "expert_action",
)
TEXTS = ("instructions", "action_grammar")

INFO_TYPES: dict[str, tuple[type, ...]] = {
    "task_uid": (str,),
    "legal_actions": (tuple, type(None)),
    "action_is_valid": (bool,),
    "invalid": (str, type(None)),
    "is_success": (bool,),
    "score": (float,),
    "state_key": (str,),
    "observation_key": (str,),
    "message": (str,),
    "steps_left": (int,),
    "stop_reason": (StopReason, type(None)),
}
"""The documented keys of `info` (see `envs.info.StepInfo`) and the types that their values have exactly."""


def contract(subject: Subject) -> str:
    """See `Check.CONTRACT`."""
    json_or_violation(subject.kwargs, "the arguments of the environment")
    env = subject.make()
    bare = env.unwrapped
    if not isinstance(bare, gym.Env):
        raise Violation(f"the factory returned {type(bare).__name__}, which is no gymnasium.Env")
    for name in METHODS:
        if not callable(getattr(bare, name, None)):
            raise Violation(f"it has no method {name}(); subclass rlvr.envs.core.TextEnv or write it")
    for name in TEXTS:
        text = getattr(bare, name, None)
        if not isinstance(text, str) or not text.strip():
            raise Violation(f"{name} must be a text that says how to play, not {shown(str(text))}")
    examples = getattr(bare, "examples", None)
    if not isinstance(examples, tuple) or not examples or not all(isinstance(text, str) for text in examples):
        raise Violation("examples must be a tuple with at least one action text")
    if not isinstance(getattr(bare, "privileged", None), set):
        raise Violation("privileged must be a set of names of the expert-only features that were used")
    if env.spec is not None:
        json_or_violation(dict(env.spec.kwargs), "the arguments in the environment's spec")
    first = env.reset(seed=subject.seed)
    if not (isinstance(first, tuple) and len(first) == 2 and isinstance(first[1], dict)):
        raise Violation("reset() must return (observation, info) with a dictionary as info")
    result = env.step(examples[0])
    if not (isinstance(result, tuple) and len(result) == 5 and isinstance(result[4], dict)):
        raise Violation("step() must return (observation, reward, terminated, truncated, info)")
    _, _, terminated, truncated, _ = result
    if not (isinstance(terminated, bool) and isinstance(truncated, bool)):
        raise Violation("terminated and truncated must be Python's bool")
    env.close()
    return "it is made, reset and stepped, and has all the members"


def text_spaces(subject: Subject) -> str:
    """See `Check.SPACES`."""
    env, twin = subject.bare(), subject.bare()
    for name in ("observation_space", "action_space"):
        space = getattr(env, name)
        if not isinstance(space, spaces.Text):
            raise Violation(f"{name} must be a text space, such as rlvr.envs.spaces.UnicodeText")
        for text in ("", "\n", "\x00", "\ud800", "中🙂", "x" * 100_000):
            if text not in space:
                raise Violation(f"{name} does not contain {shown(text)}; a text space must contain every string")
        if space != getattr(twin, name):
            raise Violation(f"{name} of two instances are not equal, so vector environments refuse them")
        space.seed(subject.seed)
        if not all(isinstance(space.sample(), str) for _ in range(8)):
            raise Violation(f"samples of {name} must be strings")
    for trace in subject.traces():
        for record in trace.records:
            if not isinstance(record["observation"], str) or record["observation"] not in env.observation_space:
                raise Violation(f"the observation {shown(record['observation'])} is not in the observation space")
    return "both spaces contain every text"


def info(subject: Subject) -> str:
    """See `Check.INFO`."""
    env = subject.bare()
    walk = subject.walk("info")
    seen = 0
    for seed in subject.seeds(subject.sizes.episodes):
        observation, values = env.reset(seed=seed)
        if not isinstance(observation, str):
            raise Violation(f"the observation must be a string, not {type(observation).__name__}")
        if values.get("action_is_valid") is not True or values.get("invalid") is not None:
            raise Violation("after reset, info must say action_is_valid=True and invalid=None")
        for _ in range(subject.sizes.steps):
            _check_info(values)
            seen += 1
            _, _, terminated, truncated, values = env.step(walk.choose(env, values))
            if terminated or truncated:
                break
        _check_info(values)
    return f"{seen} infos have all {len(INFO_TYPES)} keys with their types"


def _check_info(values: dict[str, Any]) -> None:
    for key, types in INFO_TYPES.items():
        if key not in values:
            raise Violation(f"info has no {key!r}; add it (rlvr.envs.info lists every key)")
        if type(values[key]) not in types:
            names = " or ".join(kind.__name__ for kind in types)
            raise Violation(f"info[{key!r}] must be {names}, not {type(values[key]).__name__}")
    legal = values["legal_actions"]
    if legal is not None and not all(type(action) is str for action in legal):
        raise Violation("info['legal_actions'] must hold texts")
    if values["action_is_valid"] is not (values["invalid"] is None):
        raise Violation("info['invalid'] must be None exactly when action_is_valid is True, and else say why")
    if values["invalid"] == "":
        raise Violation("info['invalid'] must say why the action was none, not be empty")
    for key, value in values.items():
        if not isinstance(key, str) or key.startswith("_"):
            raise Violation(f"the key {key!r} clashes with Gymnasium's vector layout; use a name without _ in front")
        if isinstance(value, set | frozenset):
            raise Violation(f"info[{key!r}] is a set, whose order depends on hash(); use a sorted tuple")


def score(subject: Subject) -> str:
    """See `Check.SCORE`."""
    infos = [record["info"] for trace in subject.traces() for record in trace.records]
    for values in infos:
        value = values["score"]
        if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise Violation(f"a score was {shown(value)}; scores lie in [0, 1] (rewards need not)")
        if values["is_success"] and value == 0.0:
            raise Violation("is_success was True with score 0")
    return f"{len(infos)} scores lie in [0, 1]"


def reward(subject: Subject) -> str:
    """See `Check.REWARD`."""
    rules = getattr(subject.bare(), "rules", None)
    bounds = subject.documented.reward_range or getattr(rules, "reward_range", None)
    rewards = [record["reward"] for trace in subject.traces() for record in trace.records[1:]]
    for value in rewards:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise Violation(f"a reward was {shown(value)}; it must be a finite number")
        if bounds is not None and not bounds[0] - 1e-9 <= value <= bounds[1] + 1e-9:
            raise Violation(f"a reward was {value}, outside of the documented range {bounds[0]:g} to {bounds[1]:g}")
    return f"{len(rewards)} rewards lie in {'the documented range' if bounds else 'the finite numbers'}"


def stop_reason(subject: Subject) -> str:
    """See `Check.STOP_REASON`."""
    reasons: set[str] = set()
    traces = [*subject.traces(), *_cut_short(subject)]
    for trace in traces:
        left = trace.records[0]["info"]["steps_left"]
        if left < 1:
            raise Violation(f"steps_left is {left} after reset; it counts the steps before truncation")
        if trace.records[0]["info"]["stop_reason"] is not None:
            raise Violation("stop_reason must be None after reset")
        for record in trace.records[1:]:
            reason = record["info"]["stop_reason"]
            if record["info"]["steps_left"] != left - 1:
                raise Violation(f"steps_left went from {left} to {record['info']['steps_left']} in one step")
            left -= 1
            if ended(record) != (reason is not None):
                raise Violation(
                    f"stop_reason was {reason} with terminated={record['terminated']} and "
                    f"truncated={record['truncated']}; set it exactly at the end"
                )
            if record["terminated"] and record["truncated"]:
                raise Violation("terminated and truncated were both True; the goal or failure goes before the limit")
            if record["truncated"] != (reason == StopReason.STEP_LIMIT):
                raise Violation(f"truncated was {record['truncated']} with stop_reason {reason}")
            if record["truncated"] != (left == 0 and not record["terminated"]):
                raise Violation(f"truncated was {record['truncated']} with {left} steps left")
            if reason is not None:
                reasons.add(reason)
    return f"{len(traces)} episodes ended with: {', '.join(sorted(reasons)) or 'none of them ended'}"


def _cut_short(subject: Subject) -> list[Trace]:
    env = subject.bare(max_steps=3)
    return [play(env, seed, subject.walk("short", seed, junk=0.5), 10) for seed in subject.seeds(4)]


def episode_over(subject: Subject) -> str:
    """See `Check.EPISODE_OVER`."""
    env = subject.bare(max_steps=2)
    _refused(env, "before reset")
    for seed in subject.seeds(3):
        trace = play(env, seed, subject.walk("over", seed), 10)
        if not trace.over:
            raise Violation("with max_steps=2 an episode must end after two steps")
        _refused(env, "after the end")
    return "step is refused before reset and after the end"


def _refused(env: Any, when: str) -> None:
    try:
        env.step(env.examples[0])
    except EpisodeOver:
        return
    raise Violation(f"step {when} must raise rlvr.tasks.errors.EpisodeOver")


def reset_options(subject: Subject) -> str:
    """See `Check.RESET_OPTIONS`."""
    env = subject.bare()
    try:
        env.reset(seed=subject.seed, options={"dificulty": "easy"})
    except UserError as error:
        if "dificulty" not in str(error):
            raise Violation("the error about an unknown reset option must name the option") from None
    else:
        raise Violation("reset must refuse an unknown option with a UserError that names it")
    tried = []
    for split in subject.splits(env):
        env.reset(seed=subject.seed, options={"split": split})
        if env.label.split != split:
            raise Violation(f"reset(options={{'split': {split!r}}}) gave a task of split {env.label.split!r}")
        tried.append(split)
    for level in subject.difficulties(env):
        record, _ = reset_record(env, subject.seed, {"difficulty": level})
        if env.label.difficulty != level:
            raise Violation(f"reset(options={{'difficulty': {level!r}}}) gave difficulty {env.label.difficulty!r}")
        tried.append(level)
        task = env.get_state()["task"]
        again, _ = reset_record(env, None, {"task": task})
        found = first_difference(record, again)
        if found is not None:
            raise Violation(f"reset(options={{'task': ...}}) with the task as JSON gave another start: {found}")
    for option, value in (("split", "no-such-split"), ("difficulty", "no-such-level")):
        try:
            env.reset(seed=subject.seed, options={option: value})
        except UserError:
            continue
        raise Violation(f"reset must refuse {option}={value!r} with a UserError")
    if hasattr(getattr(env, "source", None), "find"):
        for item in (0, len(env.source) - 1):
            env.reset(options={"item": item})
            uid = env.label.uid
            if env.label.item is not None:
                env.reset(options={"item": env.label.item})
                if env.label.uid != uid:
                    raise Violation(f"item {item} and the id it has ({env.label.item!r}) are different tasks")
        tried.append("items")
    return f"obeyed: {', '.join(tried) or 'nothing to choose from'}; an unknown option is refused"


def gymnasium(subject: Subject) -> str:
    """See `Check.GYMNASIUM`."""
    env = subject.bare()
    env.action_space.seed(subject.seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env, skip_render_check=env.spec is None)
        except (AssertionError, gym.error.Error, AttributeError, TypeError) as error:
            raise Violation(f"gymnasium.utils.env_checker.check_env says: {_first_line(error)}") from None
        wrapped = subject.make()
        play(wrapped, subject.seed, _WalkOfWrapped(subject, wrapped), 5)
    for warning in caught:
        raise Violation(f"Gymnasium warns: {_first_line(warning.message)}")
    return "check_env and the passive checker of gym.make are content"


class _WalkOfWrapped(Walk):
    """A walk over a wrapped environment, which forwards no attributes."""

    def __init__(self, subject: Subject, env: gym.Env[Any, Any]) -> None:
        super().__init__(subject.seed, "wrapped")
        self._bare = env.unwrapped

    def choose(self, env: Any, info: Mapping[str, Any]) -> str:
        return super().choose(self._bare, info)


def _first_line(message: object) -> str:
    return str(message).replace("\x1b[33m", "").replace("\x1b[0m", "").strip().split("\n")[0]


def render(subject: Subject) -> str:
    """See `Check.RENDER`."""
    modes = subject.bare().metadata.get("render_modes", [])
    if "ansi" not in modes:
        raise Violation("metadata['render_modes'] must have 'ansi'")
    if "render_fps" not in subject.bare().metadata:
        raise Violation("metadata['render_fps'] is missing; Gymnasium's recorders need it")
    for mode in modes:
        env = subject.bare(render_mode=mode)
        if env.render_mode != mode:
            raise Violation(f"render_mode={mode!r} was accepted but env.render_mode is {env.render_mode!r}")
        trace = subject.traces()[-1]
        records = [reset_record(env, trace.seed, trace.options)[0]]
        for action in trace.actions:
            _check_picture(mode, env.render())
            records.append(step_record(env, action)[0])
        _check_picture(mode, env.render())
        found = difference(trace, records)
        if found is not None:
            raise Violation(f"looking, in render mode {mode!r}, changed the episode: {found}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium warns of the very thing that is tried.
        try:
            subject.bare(render_mode="no-such-mode")
        except UserError:
            return f"modes {', '.join(modes)} work"
    raise Violation("an unknown render mode must be refused with a UserError")


def _check_picture(mode: str, picture: Any) -> None:
    if mode == "ansi":
        if not isinstance(picture, str) or not picture.strip():
            raise Violation("render() in mode 'ansi' must return a text that is not empty")
    elif mode == "rgb_array" and not (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and picture.ndim == 3
        and picture.shape[2] == 3
        and picture.size > 0
    ):
        kind = (
            f"{picture.dtype} of shape {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        )
        raise Violation(f"render() in mode 'rgb_array' must return uint8 of shape (H, W, 3), not {kind}")


def needs_steps(subject: Subject) -> int:
    """Return the step limit of a task, or skip where an episode is a single step."""
    _, values = subject.bare().reset(seed=subject.seed)
    if values["steps_left"] < 2:
        raise NotApplicable("episodes are one step long")
    return int(values["steps_left"])
