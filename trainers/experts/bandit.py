"""The bandit's expert: UCB1's index out of the numbers that a summary shows, so that the choice can be computed."""

import math
from typing import Any, ClassVar

from ...agents.direct import Tally
from ...envs.core import TextEnv
from ...tasks.bandit.learners import UCB_ALPHA
from .advice import Advice, Adviser

MAX_TOLD = 6
"""With more options, a thought names the best one only."""


def index(times: int, mean: str, turns: int) -> tuple[str, str]:
    """Return an option's exploration bonus and index, with two digits, out of its mean with two digits."""
    bonus = f"{math.sqrt(UCB_ALPHA * math.log(turns) / times):.2f}"
    return bonus, f"{float(mean) + float(bonus):.2f}"


TRIES = 3
"""How often the style `tries` looks at every option."""


class BanditAdviser(Adviser):
    """What an expert of bandits says.

    `index`: mean + bonus = index of every option (UCB1). `best`: of the best one only. `tries`: every option three
    times, then always the one of the best mean; on wide gaps as good, and it asks for no arithmetic. `scan`: the same
    choice, told option by option with the best so far, so that every word follows from a few others.
    """

    styles: ClassVar[tuple[str, ...]] = ("index", "best", "tries", "scan")

    def advise(self, env: TextEnv[Any], state: Any, style: str, tally: Tally) -> list[Advice]:
        """Return the first option that was never tried, else the first of the largest index."""
        bandit, pulls = state.bandit, state.pulls
        if pulls >= bandit.horizon:
            return []
        if style == "tries":
            return [_explored_then_best(bandit.names, tally)]
        if style == "scan":
            return [_scanned(bandit.names, tally)]
        for name in bandit.names:
            if name not in tally.times:
                return [Advice(name, f"{name} was not tried")]
        told: list[tuple[float, str, str]] = []
        for name in bandit.names:
            times = tally.times[name]
            mean = f"{tally.reward[name] / times:.2f}"
            bonus, value = index(times, mean, pulls)
            told.append((float(value), name, f"{name} {mean}+{bonus}={value}"))
        _, best, said = max(told, key=lambda option: option[0])
        if style == "index" and len(told) <= MAX_TOLD:
            said = f"{', '.join(text for _, _, text in told)}: {best}"
        return [Advice(best, said)]


def _explored_then_best(names: tuple[str, ...], tally: Tally) -> Advice:
    for name in names:
        if (times := tally.times.get(name, 0)) < TRIES:
            return Advice(name, f"{name} was tried {times} times")
    means = {name: f"{tally.reward[name] / tally.times[name]:.2f}" for name in names}
    best = max(names, key=lambda name: float(means[name]))
    return Advice(best, f"{best} has the best mean, {means[best]}")


def _scanned(names: tuple[str, ...], tally: Tally) -> Advice:
    """Return the choice of `tries`, told as `Red 4 0.25; Blue 3 0.67 over 0.25: Blue; Pink 1`.

    It ends at the first option that was tried too rarely. After each other option's mean stands the best mean before
    it, then which of the two leads.
    """
    said: list[str] = []
    best, best_mean = "", ""
    for name in names:
        if (times := tally.times.get(name, 0)) < TRIES:
            return Advice(name, "; ".join([*said, f"{name} {times}"]))
        mean = f"{tally.reward[name] / times:.2f}"
        told = f"{name} {times} {mean}"
        if best:
            leader = name if float(mean) > float(best_mean) else best
            told += f" over {best_mean}: {leader}"
        if not best or leader == name:
            best, best_mean = name, mean
        said.append(told)
    return Advice(best, "; ".join(said))
