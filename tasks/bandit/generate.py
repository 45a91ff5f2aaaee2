"""Bandits drawn at random in EVOLvE's configurations (Nie et al. 2024, BanditBench)."""

from typing import Any, NamedTuple, get_args

from ..errors import UnknownName, UserError
from ..rng import Rng
from ..task import GeneratedSource
from .learners import normal
from .scenarios import draw_names
from .task import MAX_HORIZON, BanditTask, Distribution, Scenario

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
MEAN_DIGITS = 4


class Level(NamedTuple):
    """One configuration."""

    distribution: Distribution
    arms: int
    spread: float
    """Bernoulli: the best arm's mean minus the others'. Gaussian: deviation of the means and of the rewards."""
    horizon: int


def _levels() -> dict[str, Level]:
    spreads: dict[Distribution, dict[str, float]] = {
        "bernoulli": {"easy": 0.5, "hard": 0.2},
        "gaussian": {"easy": 1.0, "hard": 3.0},
    }
    horizons = {"easy": 300, "hard": 1000}
    return {
        f"{distribution}-{arms}-{label}": Level(distribution, arms, spread, horizons[label])
        for distribution, labels in spreads.items()
        for label, spread in labels.items()
        for arms in (5, 20)
    }


LEVELS = _levels()
"""`bernoulli-5-easy`, ...: distribution, number of arms, easy or hard. Bernoulli easy: one arm of mean 0.75, the
others 0.25; hard: 0.6 and 0.4. Gaussian: means from N(0, s^2), rewards with deviation s; easy 1, hard 3. Easy ones
run for 300 pulls, hard ones for 1,000."""


class BanditSource(GeneratedSource[BanditTask]):
    """Endless bandits; levels are EVOLvE's configurations.

    Means and rewards come from independent streams. (In EVOLvE both restart numpy's generator with one seed, so that
    a Gaussian instance's first rewards repeat the numbers that made its means; recorded instances keep that.)

    Args:
        scenario: The story; a random one for each task if None.
        horizon: Number of pulls; the level's if None.
    """

    difficulties = tuple(LEVELS)

    def __init__(self, scenario: Scenario | None = None, horizon: int | None = None) -> None:
        if scenario is not None and scenario not in SCENARIOS:
            raise UnknownName("bandit scenario", str(scenario), SCENARIOS)
        check_horizon(horizon)
        self.scenario = scenario
        self.horizon = horizon

    def generate(self, rng: Rng, difficulty: str) -> BanditTask:
        """Return one bandit of the level, of any split."""
        level = LEVELS[difficulty]
        scenario: Scenario = rng.choice(SCENARIOS) if self.scenario is None else self.scenario
        if level.distribution == "bernoulli":
            means = [round(0.5 - level.spread / 2, MEAN_DIGITS)] * level.arms
            means[rng.below(level.arms)] = round(0.5 + level.spread / 2, MEAN_DIGITS)
        else:
            means = [round(level.spread * normal(rng), MEAN_DIGITS) for _ in range(level.arms)]
        return BanditTask(
            scenario=scenario,
            distribution=level.distribution,
            names=draw_names(rng, scenario, level.arms),
            means=tuple(means),
            deviation=0.0 if level.distribution == "bernoulli" else level.spread,
            horizon=self.horizon or level.horizon,
            key=rng.u64() >> 11,
        )

    def split_content(self, task: BanditTask) -> Any:
        """Return the arms: a bandit is in the same split whatever its horizon."""
        return [task.scenario, task.names, task.means, task.key]


def check_horizon(horizon: int | None) -> None:
    """Raise for a horizon that no task may have."""
    if horizon is not None and not 1 <= horizon <= MAX_HORIZON:
        raise UserError(f"The horizon must be from 1 to {MAX_HORIZON} pulls, not {horizon}.")
