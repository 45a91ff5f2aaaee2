"""Runs inside the peers' virtual environment; imports nothing of ours.

Reads lines `NAME STEPS` and answers each with the seconds of one step (action in, text observation out), so that a
peer and ours can be timed in turn within one run. `deepcopy_sokoban N` answers the seconds of one copy.
"""

import contextlib
import copy
import io
import itertools
import re
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def textarena_step(env_id, actions, steps, **kwargs):
    """Time get_observation plus step, resetting whenever a game ends."""
    import textarena as ta

    env = ta.make(env_id, **kwargs)
    env.reset(num_players=1, seed=0)
    env.get_observation()
    choices = itertools.cycle(actions)
    spent = 0.0
    for _ in range(steps):
        action = next(choices)
        start = time.perf_counter()
        done, _ = env.step(action)
        if not done:
            env.get_observation()
        spent += time.perf_counter() - start
        if done:
            env.reset(num_players=1, seed=0)
            env.get_observation()
    return spent / steps


def bandit(steps, skip):
    """Time pulls after `skip` pulls of the same episode."""
    import textarena as ta

    env = ta.make("Bandit-v0", num_turns=skip + steps + 10)
    env.reset(num_players=1, seed=0)
    text = env.get_observation()[1]
    names = re.search(r"buttons: ([^.]+)\.", text).group(1).split(", ")
    spent = 0.0
    for i in range(skip + steps):
        start = time.perf_counter()
        env.step(f"[{names[i % len(names)]}]")
        env.get_observation()
        if i >= skip:
            spent += time.perf_counter() - start
    return spent / steps


def gem_sokoban(steps):
    """Time GEM's Sokoban step, resetting whenever a game ends."""
    import gem

    env = gem.make("game:Sokoban-v0-easy")
    env.reset(seed=0)
    choices = itertools.cycle(["\\boxed{up}", "\\boxed{right}", "\\boxed{down}", "\\boxed{left}"])
    spent = 0.0
    for _ in range(steps):
        action = next(choices)
        start = time.perf_counter()
        _, _, terminated, truncated, _ = env.step(action)
        spent += time.perf_counter() - start
        if terminated or truncated:
            env.reset(seed=0)
    return spent / steps


def deepcopy_sokoban(copies):
    """Time a deep copy of a TextArena Sokoban in play."""
    import textarena as ta

    env = ta.make("Sokoban-v0")
    env.reset(num_players=1, seed=0)
    env.step("[up]")
    start = time.perf_counter()
    for _ in range(copies):
        copy.deepcopy(env)
    return (time.perf_counter() - start) / copies


MOVES = ["[up]", "[right]", "[down]", "[left]"]
TIMINGS = {
    "textarena_sokoban": lambda n: textarena_step("Sokoban-v0", MOVES, n),
    "textarena_frozen_lake": lambda n: textarena_step("FrozenLake-v0", MOVES, n),
    "textarena_countdown": lambda n: textarena_step("Countdown-v0", ["[0 1 +]"], n),
    "textarena_bandit": lambda n: bandit(n, 0),
    "textarena_bandit_1000": lambda n: bandit(n, 1000),
    "gem_sokoban": gem_sokoban,
    "deepcopy_sokoban": deepcopy_sokoban,
}


def main():
    """Answer requests until the input ends."""
    for line in sys.stdin:
        name, count = line.split()
        with contextlib.redirect_stdout(io.StringIO()):
            value = TIMINGS[name](int(count))
        print(value, flush=True)


if __name__ == "__main__":
    main()
