"""The floor: an agent that plays at random."""

from typing import Any, ClassVar

from .agent import AgentConfig, Decision, ReactiveAgent


class RandomAgent(ReactiveAgent[AgentConfig]):
    """Plays legal actions uniformly; where they are infinitely many, a random text of the right form."""

    name: ClassVar[str] = "random"
    config_type = AgentConfig
    needs_policy: ClassVar[bool] = False
    needs = frozenset()

    async def act(self, observation: str, info: dict[str, Any]) -> Decision:
        """Draw one action; every step has a random stream of its own."""
        return Decision(self.session.random_action(self.session.rng("random", self.session.ledger.env_steps)))
