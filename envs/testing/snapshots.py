"""Checks of saving and restoring."""

import json
import time
from typing import Any

from ...tasks.errors import EpisodeOver
from ...tasks.rules import Rules
from .basics import needs_steps
from .report import NotApplicable, Violation
from .subject import Subject, json_or_violation
from .traces import JUNK, canonical, ended, first_difference, follow, reset_record, step_record

_REMEDY = "override state_to_json and state_from_json"
_BEYOND = ("steps_left",)
GROWTH_BYTES = 200
"""A state may grow by this much over a long episode (numbers get longer) before it counts as growing."""
GROWTH_TIMES = 4.0


def snapshot(subject: Subject) -> str:
    """See `Check.SNAPSHOT`."""
    env, other = subject.bare(), subject.bare()
    other.reset(seed=subject.seed + 1)
    count = 0
    for trace in subject.traces():
        record, _ = reset_record(env, trace.seed, trace.options)
        points = [env.snapshot()]
        moments = [_moment(record)]
        for action in trace.actions:
            record, _ = step_record(env, action)
            points.append(env.snapshot())
            moments.append(_moment(record))
            if ended(record):
                break
        # Far ones first, so that a snapshot that shares something with the present is found out.
        order = [len(points) - 1, 0, *range(len(points) // 2, len(points) - 1, max(1, len(points) // 4))]
        for i in order:
            for where, name in ((env, "the same instance"), (other, "another instance")):
                for _ in range(2):
                    _same_moment(moments[i], where.restore(points[i]), f"after step {i}, in {name}")
                    future = follow(where, trace.actions[i:]) if i < len(points) - 1 else []
                    _same_future(trace.records[i + 1 :], future, i, name)
                    count += 1
        env.reset(seed=subject.seed + 2)
        _same_moment(moments[0], env.restore(points[0]), "after another episode")
        if trace.over:
            _still_over(env, points[-1])
    return f"{count} restores gave the same moment and the same future"


def _moment(record: dict[str, Any]) -> dict[str, Any]:
    return {"observation": record["observation"], "info": _without_limit(record["info"])}


def _without_limit(info: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the step-limit check looks at."""
    left = {key: value for key, value in info.items() if key not in _BEYOND}
    if left.get("stop_reason") == "step_limit":
        left["stop_reason"] = None
    return left


def _same_moment(expected: dict[str, Any], restored: Any, where: str) -> None:
    if not (isinstance(restored, tuple) and len(restored) == 2 and isinstance(restored[1], dict)):
        raise Violation("restore() must return (observation, info)")
    observation, info = restored
    found = first_difference(expected, {"observation": canonical(observation), "info": _without_limit(canonical(info))})
    if found is not None:
        raise Violation(f"restore() {where} gave another moment than the one saved: {found.lstrip()}")


def _same_future(expected: list[dict[str, Any]], actual: list[dict[str, Any]], step: int, name: str) -> None:
    for i, (one, other) in enumerate(zip(expected, actual, strict=False), start=step + 1):
        if one["truncated"] or other["truncated"]:
            return
        found = first_difference(
            {**one, "info": _without_limit(one["info"])}, {**other, "info": _without_limit(other["info"])}
        )
        if found is not None:
            raise Violation(
                f"after restoring step {step} in {name}, step {i} went differently: {found.lstrip()}; "
                "states must be immutable and hold all that changes"
            )


def _still_over(env: Any, last: Any) -> None:
    env.restore(last)
    try:
        env.step(env.examples[0])
    except EpisodeOver:
        return
    raise Violation("after restoring the snapshot of an ended episode, step must raise EpisodeOver")


def step_limit(subject: Subject) -> str:
    """See `Check.STEP_LIMIT`."""
    needs_steps(subject)
    limit = 6
    compared = 0
    for seed in subject.seeds(4):
        env, other = subject.bare(max_steps=limit), subject.bare(max_steps=50)
        env.reset(seed=seed)
        other.reset(seed=seed + 1)
        observation_info = [step_record(env, JUNK)[1] for _ in range(2)]
        left = observation_info[-1]["steps_left"]
        saved = env.snapshot()
        rest = _until_cut(env)
        for where, name in ((env, "the same instance"), (other, "an instance with another max_steps")):
            _, info = where.restore(saved)
            if info["steps_left"] != left:
                raise Violation(
                    f"steps_left was {left} when saved and {info['steps_left']} when restored in {name}; "
                    "save the count of steps and the limit with the state"
                )
            again = _until_cut(where)
            if again != rest:
                raise Violation(f"the original was cut off after {rest} more steps, the copy in {name} after {again}")
            compared += 1
    return f"{compared} copies were cut off where the original was"


def _until_cut(env: Any) -> int | None:
    """Play texts that are no actions; the number of steps until truncation, None if it ended otherwise."""
    for i in range(1, 200):
        _, _, terminated, truncated, _ = env.step(JUNK)
        if truncated:
            return i
        if terminated:
            return None
    raise Violation("the episode was not cut off after 200 steps although max_steps is 6")


def state_json(subject: Subject) -> str:
    """See `Check.STATE_JSON`."""
    env = subject.bare()
    elsewhere = subject.apart()
    count = 0
    for trace in subject.traces()[: 2 + len(subject.difficulties(env))]:
        steps = len(trace.actions)
        reset_record(env, trace.seed, trace.options)
        played = 0
        for stop in sorted({0, steps // 2, steps}):
            follow(env, trace.actions[played:stop])
            played = stop
            state = env.get_state()
            json_or_violation(state, "what get_state() returns", _REMEDY)
            field = _changed_field(env)
            answer = elsewhere.call("resume", state=state, actions=trace.actions[stop:])
            moment = {key: trace.records[stop][key] for key in ("observation", "info")}
            found = first_difference(moment, answer["moment"])
            if found is not None:
                raise Violation(
                    f"set_state(get_state()) after step {stop} gave another moment: {found.lstrip()}{field}"
                )
            found = first_difference(trace.records[stop + 1 :], answer["future"])
            if found is not None:
                raise Violation(
                    f"after set_state(get_state()) at step {stop} the future differs: {found.lstrip()}{field}"
                )
            found = first_difference(canonical(state), canonical(env.get_state()))
            if found is not None:
                raise Violation(f"get_state() twice in a row differs: {found.lstrip()}")
            count += 1
    place = "another process" if elsewhere.isolated else "another instance"
    return f"{count} states went on in {place} as they would have here"


def _changed_field(env: Any) -> str:
    """Read the state back from its JSON; return a phrase on the first field that changed, empty where none can be told.

    A change alone is no violation: a state may leave out of its JSON what it can do without.
    """
    rules, saved = getattr(env, "rules", None), env.snapshot()
    state = getattr(saved, "state", None)
    if not isinstance(rules, Rules) or not isinstance(state, tuple):
        return ""
    try:
        back = rules.state_from_json(saved.task, json.loads(json.dumps(rules.state_to_json(state))))
    except Exception as error:
        # What an environment under test raises can be anything.
        raise Violation(f"state_from_json raised {type(error).__name__}: {error}; {_REMEDY}") from None
    if type(back) is not type(state):
        return f"; state_from_json gave a {type(back).__name__}, not a {type(state).__name__}: {_REMEDY}"
    names = getattr(state, "_fields", range(len(state)))
    for name, one, other in zip(names, state, back, strict=False):
        if _plain(one) and one != other:
            return f"; the state's field {name!r} was {one!r} and is read back as {other!r}: {_REMEDY}"
    return ""


def _plain(value: Any) -> bool:
    """Whether a value is made of JSON scalars and tuples, so that equality says everything about it."""
    if isinstance(value, tuple):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def snapshot_cost(subject: Subject) -> str:
    """See `Check.SNAPSHOT_COST`."""
    needs_steps(subject)
    env = subject.bare(max_steps=1_000_000)
    early, late = subject.sizes.long_episode // 10, subject.sizes.long_episode
    walk = subject.walk("long", junk=0.3)
    costs: dict[int, tuple[int, float]] = {}
    _, info = env.reset(seed=subject.seed)
    steps = 0
    while steps < late:
        # Where a move would end the game, junk keeps it going: turns count all the same.
        saved = env.snapshot()
        _, _, terminated, _, after = env.step(walk.choose(env, info))
        if terminated:
            env.restore(saved)
            _, _, terminated, _, after = env.step(JUNK)
            if terminated:
                raise NotApplicable("episodes are too short to grow")
        info = after
        steps += 1
        if steps in (early, late):
            costs[steps] = len(json.dumps(env.get_state())), _best_time(env)
    (small, quick), (large, slow) = costs[early], costs[late]
    if large > small * 1.5 + GROWTH_BYTES:
        raise Violation(f"the state grew from {small} characters at step {early} to {large} at step {late}")
    if slow > GROWTH_TIMES * quick + 20e-6:
        raise Violation(
            f"snapshot and restore took {quick * 1e6:.0f} us at step {early} and {slow * 1e6:.0f} us at step {late}; "
            "keep no history in the state"
        )
    return f"at step {late}: {large} characters, snapshot and restore in {slow * 1e6:.1f} us"


def _best_time(env: Any) -> float:
    best = float("inf")
    for _ in range(40):
        started = time.perf_counter()
        env.restore(env.snapshot())
        best = min(best, time.perf_counter() - started)
    return best
