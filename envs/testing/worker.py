"""The other end of `process.FreshProcess`: reads operations from stdin, one JSON line each, and answers on stdout."""

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

from .report import NotApplicable
from .traces import Walk, canonical, ended, follow, reset_record, step_record

INSIDE_WORKER = "RLVR_CONFORMANCE_WORKER"
"""Set in this process: a script that calls `check` at its top level is imported here, and must not start again."""


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes (its peak where the system tells no more)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        try:
            import resource
        except ImportError:
            raise NotApplicable("this system does not tell how much memory a process uses") from None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


class Operations:
    """What a process can be asked to do with the environment under test.

    Args:
        make: Makes the bare environment from keyword arguments.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._fuzzed: Any = None
        self._fuzz_over = True

    def replay(self, traces: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Play the actions of each trace from its reset."""
        env = self._make()
        played = []
        for trace in traces:
            record, _ = reset_record(env, trace["seed"], trace["options"])
            played.append([record, *follow(env, trace["actions"])])
        return played

    def resume(self, state: Any, actions: list[str]) -> dict[str, Any]:
        """Set a state and play on from there."""
        env = self._make()
        observation, info = env.set_state(state)
        moment = {"observation": canonical(observation), "info": canonical(info)}
        return {"moment": moment, "future": follow(env, actions), "state": env.get_state()}

    def fuzz(self, seed: int, text: str) -> dict[str, Any]:
        """Play one text, in the running episode or in a new one, and say what came of it."""
        if self._fuzzed is None:
            self._fuzzed = self._make()
        env = self._fuzzed
        if self._fuzz_over:
            env.reset(seed=seed)
        self._fuzz_over = True
        started = time.perf_counter()
        try:
            record, info = step_record(env, text)
        except Exception as error:
            # Whatever is raised is the result here: the contract is that nothing ever is.
            return {"raised": describe(error)}
        seconds = time.perf_counter() - started
        self._fuzz_over = ended(record)
        texts = [str(part or "") for part in (record["observation"], info.get("message"), info.get("invalid"))]
        return {
            "seconds": seconds,
            "length": max(len(part) for part in texts),
            "encodable": all(_encodable(part) for part in texts),
        }

    def memory(self, resets: int, warm_up: int, budget_s: float, options: dict[str, Any]) -> dict[str, Any]:
        """Reset and play a little, again and again; return the growth of the resident memory in bytes.

        Args:
            resets: How many resets to watch.
            warm_up: How many to do before, so that bounded caches have filled.
            budget_s: The time after which each of the two stops early, in seconds.
            options: Options of every reset.
        """
        env = self._make()
        started = time.perf_counter()
        for i in range(warm_up):
            self._short_episode(env, i, options)
            if time.perf_counter() - started > budget_s:
                break
        gc.collect()
        before = resident_bytes()
        started = time.perf_counter()
        done = 0
        while done < resets and time.perf_counter() - started <= budget_s:
            self._short_episode(env, warm_up + done, options)
            done += 1
        gc.collect()
        return {"grown": resident_bytes() - before, "resets": done}

    @staticmethod
    def _short_episode(env: Any, seed: int, options: dict[str, Any]) -> None:
        _, info = env.reset(seed=seed, options=dict(options) or None)
        walk = Walk("memory", seed)
        for _ in range(2):
            legal = info.get("legal_actions")
            action = walk.choose(env, info) if legal else env.examples[0]
            _, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                break


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def describe(error: BaseException) -> str:
    """Return an error's type, message and place, for a finding."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error)[:200]}{place}"


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer every request until the input ends."""
    from .subject import made_from

    operations: Operations | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if operations is None:
                operations = Operations(made_from(request["arguments"]["recipe"]))
                result = None
            else:
                result = getattr(operations, request["operation"])(**request["arguments"])
            answer = json.dumps({"result": result})
        except Exception as error:
            # The other end raises it again, as a finding.
            answer = json.dumps({"error": describe(error)})
        answers.write(answer + "\n")
        answers.flush()


def main() -> None:
    """Keep stdout for the answers: whatever the environment prints goes to stderr."""
    os.environ[INSIDE_WORKER] = "1"
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
