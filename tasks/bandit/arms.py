"""A bandit laid out for play: gaps, names, messages and the stream of rewards.

Built once a task and shared by all of its states, so that a pull costs the same at any point of an episode.
"""

from typing import NamedTuple

from .streams import counter_draws, numpy_draws
from .task import BanditTask

REWARD_DIGITS = 3
"""Gaussian rewards of generated tasks are rounded, so that the text tells the reward exactly."""


class Pull(NamedTuple):
    """One choice of an arm."""

    arm: int
    substituted: bool = False
    """Whether the text named no arm and this one was drawn at random instead (EVOLvE's rule)."""


class Bandit:
    """One bandit.

    Attributes:
        names: The arms' names, which are the actions.
        gaps: For each arm, the best mean minus its own: the expected regret of a pull.
        widest: The largest gap.
        horizon: Number of pulls.
        allowance: The most regret of a success: half of what uniformly random pulls expect over the horizon.
        by_text: The pull that a text stands for: names as written, and in lower (folded) case.
        by_chance: For each arm, the pull of it in place of an invalid action.
    """

    def __init__(self, task: BanditTask) -> None:
        self.definition = task.definition()
        self.names = task.names
        self.means = task.means
        self.deviation = task.deviation
        self.horizon = task.horizon
        self.key = task.key
        best = max(task.means)
        self.gaps = tuple([best - mean for mean in task.means])
        self.widest = max(self.gaps)
        self.allowance = 0.5 * self.horizon * sum(self.gaps) / len(self.gaps)
        pulls = [Pull(arm) for arm in range(len(task.names))]
        self.by_text = {name.casefold(): pull for name, pull in zip(task.names, pulls, strict=True)}
        self.by_text.update(zip(task.names, pulls, strict=True))
        self.by_chance = tuple([Pull(arm, True) for arm in range(len(task.names))])
        self._gaussian = task.distribution == "gaussian"
        self._recorded = task.stream == "numpy"
        self._draws = (numpy_draws if self._recorded else counter_draws)(task.key, normal=self._gaussian)
        self._openings = tuple([f"{name}: reward " for name in task.names])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bandit) and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(self.definition)

    def reward(self, arm: int, index: int) -> float:
        """Return the reward of pulling an arm as pull number `index`."""
        if not self._gaussian:
            return 1.0 if self._draws[index] < self.means[arm] else 0.0
        reward = self.means[arm] + self.deviation * self._draws[index]
        return reward if self._recorded else round(reward, REWARD_DIGITS)

    def message(self, arm: int, reward: float) -> str:
        """Return what a pull brought, as a sentence."""
        return f"{self._openings[arm]}{reward if self._gaussian else int(reward)}."
