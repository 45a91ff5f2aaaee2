"""Checks that an episode is a function of its seed and actions, and of nothing else."""

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .report import Violation
from .subject import Subject
from .traces import Trace, difference, play, replay, reset_record, shown, step_record

THREADS = 8
_SWITCH_S = 1e-5
_WRAPPERS = ("seed", "ranf", "sample")


class _Poisoned(Exception):
    """A global generator was used."""


@contextmanager
def poisoned_globals() -> Iterator[None]:
    """Make every function of the global generators of `random` and `numpy.random` raise while inside."""
    saved: list[tuple[Any, str, Any]] = []
    # What draws from a global generator is a bound method of it, or one of numpy's three wrappers around one.
    for module, owner in ((random, random.Random), (np.random, np.random.RandomState)):
        for name, function in vars(module).items():
            if isinstance(getattr(function, "__self__", None), owner) or name in _WRAPPERS:
                saved.append((module, name, function))
    for module, name, _ in saved:
        setattr(module, name, _poison(f"{module.__name__}.{name}"))
    try:
        yield
    finally:
        for module, name, function in saved:
            setattr(module, name, function)


def _poison(name: str) -> Callable[..., Any]:
    def poison(*args: Any, **kwargs: Any) -> Any:
        raise _Poisoned(name)

    return poison


def global_random(subject: Subject) -> str:
    """See `Check.GLOBAL_RANDOM`."""
    advice = "draw from rlvr.tasks.rng.Rng, seeded by the task's seed"
    before = random.getstate(), np.random.get_state(legacy=False)
    _play_a_little(subject)
    after = random.getstate(), np.random.get_state(legacy=False)
    if before[0] != after[0]:
        raise Violation(f"playing moved the global generator of the module random; {advice}")
    if repr(before[1]) != repr(after[1]):
        raise Violation(f"playing moved numpy's global generator; {advice}")
    with poisoned_globals():
        try:
            _play_a_little(subject)
        except _Poisoned as error:
            raise Violation(f"playing calls {error}, the global generator; {advice}") from None
    return "the global generators are not touched"


def _play_a_little(subject: Subject) -> None:
    env = subject.bare()
    env.reset()
    for seed in subject.seeds(min(4, subject.sizes.episodes)):
        play(env, seed, subject.walk("globals", seed), subject.sizes.steps)
    env.reset()
    env.expert_action()


def same_seed(subject: Subject) -> str:
    """See `Check.SAME_SEED`."""
    env = subject.bare()
    for trace in subject.traces():
        found = difference(trace, replay(env, trace))
        if found is not None:
            raise Violation(f"seed {trace.seed} gave two different episodes: {found}")
    sequences = [_sequence(env, subject.seed) for _ in range(2)]
    if sequences[0] != sequences[1]:
        raise Violation("reset(seed=s) and then reset() twice gave other tasks the second time")
    return f"{len(subject.traces())} episodes replay"


def _sequence(env: Any, seed: int) -> list[str]:
    return [reset_record(env, choice)[0]["observation"] for choice in (seed, None, None)]


def different_seeds(subject: Subject) -> str:
    """See `Check.DIFFERENT_SEEDS`."""
    env = subject.bare()
    count = 12
    if hasattr(getattr(env, "source", None), "find") and len(env.source) < 3:
        count = 60
    uids = [env.reset(seed=seed)[1]["task_uid"] for seed in subject.seeds(count)]
    if len(set(uids)) == 1 and not _one_task(env):
        raise Violation(f"{count} seeds gave the same task {shown(uids[0])}; use the seed")
    env.reset(seed=subject.seed)
    further = [env.reset()[1]["task_uid"] for _ in range(count)]
    if len(set(further)) == 1 and not _one_task(env):
        raise Violation("reset() without a seed gave the same task every time; go on in the seed's sequence")
    return f"{count} seeds gave {len(set(uids))} tasks"


def _one_task(env: Any) -> bool:
    source: Any = getattr(env, "source", None)
    if not hasattr(source, "find"):
        return False
    return len({source[i].uid for i in range(len(source)) if source[i].split == source.splits[0]}) == 1


def instances(subject: Subject) -> str:
    """See `Check.INSTANCES`."""
    traces = subject.traces()
    pairs = list(zip(traces[::2], traces[1::2], strict=False))
    for left, right in pairs:
        played = _in_turn(subject, left, right)
        for trace, records in zip((left, right), played, strict=True):
            found = difference(trace, records)
            if found is not None:
                raise Violation(f"two instances played in turn disturb each other: {found}; keep state in the instance")
    return f"{len(pairs)} pairs of episodes played in turn"


def _in_turn(subject: Subject, *traces: Trace) -> list[list[dict[str, Any]]]:
    envs = [subject.bare() for _ in traces]
    played = [[reset_record(env, trace.seed, trace.options)[0]] for env, trace in zip(envs, traces, strict=True)]
    for i in range(max(len(trace.actions) for trace in traces)):
        for env, trace, records in zip(envs, traces, played, strict=True):
            if i < len(trace.actions) and not (i and records[-1]["info"]["stop_reason"]):
                records.append(step_record(env, trace.actions[i])[0])
    return played


def threads(subject: Subject) -> str:
    """See `Check.THREADS`."""
    traces = subject.traces()
    problems: list[str] = []
    ready = threading.Barrier(THREADS)

    def play_all(index: int) -> None:
        try:
            env = subject.bare()
            ready.wait()
            for i in range(len(traces)):
                trace = traces[(i + index) % len(traces)]
                found = difference(trace, replay(env, trace))
                if found is not None:
                    problems.append(found)
                    return
        except Exception as error:
            # Reported from the main thread: an exception in a thread would only be printed.
            ready.abort()
            problems.append(f"{type(error).__name__}: {error}")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        workers = [threading.Thread(target=play_all, args=(i,)) for i in range(THREADS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)
    if problems:
        raise Violation(
            f"{THREADS} instances in {THREADS} threads do not play what one plays alone: {problems[0]}; "
            "share nothing that changes between instances"
        )
    return f"{THREADS} threads played {THREADS * len(traces)} episodes as one does alone"


def processes(subject: Subject) -> str:
    """See `Check.PROCESSES`."""
    traces = subject.traces()
    played = subject.elsewhere().call("replay", traces=[trace._asdict() for trace in traces])
    for trace, records in zip(traces, played, strict=True):
        found = difference(trace, records)
        if found is not None:
            raise Violation(
                f"another process with another PYTHONHASHSEED played seed {trace.seed} differently: {found}; "
                "look for hash(), id() and the order of sets"
            )
    return f"{len(traces)} episodes are the same in another process"
