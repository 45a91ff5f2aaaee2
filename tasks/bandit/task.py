"""The instance: the arms, their names, the story around them, and where the rewards' randomness comes from."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, FiniteFloat, model_validator

from ..task import Task

Distribution = Literal["bernoulli", "gaussian"]
Scenario = Literal["VideoWatching", "ClothesShopping", "ButtonPushing", "OnlineAds"]
"""The story; the names are EVOLvE's, the sentences in `scenarios` our own."""

MAX_ARMS = 100
MAX_HORIZON = 100_000


class BanditTask(Task):
    """One bandit with named arms."""

    family: ClassVar[str] = "bandit"

    scenario: Scenario
    distribution: Distribution
    names: Annotated[tuple[str, ...], Field(min_length=2, max_length=MAX_ARMS)]
    """The arms' names, without white space around them, different even if case is ignored."""
    means: tuple[FiniteFloat, ...]
    """Each arm's expected reward."""
    deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Standard deviation of a Gaussian arm's reward, the same for all; 0 for Bernoulli arms."""
    horizon: Annotated[int, Field(ge=1, le=MAX_HORIZON)]
    """Number of pulls."""
    stream: Literal["counter", "numpy"] = "counter"
    """How pull number i draws: from a hash of (key, i), or as the i-th draw of `numpy.random.default_rng(key)`."""
    key: Annotated[int, Field(ge=0, lt=2**63)]
    """Names the stream of rewards."""

    @model_validator(mode="after")
    def _consistent(self) -> "BanditTask":
        if len(self.means) != len(self.names):
            raise ValueError(f"there are {len(self.names)} names for {len(self.means)} arms")
        if any(not name or name != name.strip() or "\n" in name for name in self.names):
            raise ValueError("an arm's name is empty, has white space around it, or more than one line")
        if len({name.casefold() for name in self.names}) < len(self.names):
            raise ValueError("two arms have the same name")
        if self.distribution == "bernoulli":
            if not all(0 <= mean <= 1 for mean in self.means):
                raise ValueError("a Bernoulli arm's mean is a probability between 0 and 1")
            if self.deviation:
                raise ValueError("Bernoulli arms have no deviation of their own")
        elif self.deviation == 0:
            raise ValueError("Gaussian arms need a deviation above 0")
        return self

    def definition(self) -> tuple[Any, ...]:
        """Return everything that play depends on, as one hashable value."""
        return (self.names, self.means, self.deviation, self.distribution, self.horizon, self.stream, self.key)
