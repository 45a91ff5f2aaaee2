"""The ceiling: an agent that plays what the environment's expert says."""

from typing import Any, ClassVar

from .agent import AgentConfig, ReactiveAgent


class ExpertAgent(ReactiveAgent[AgentConfig]):
    """Plays the exact (or best known) expert's actions. Privileged: its records are never ranked."""

    name: ClassVar[str] = "expert"
    config_type = AgentConfig
    needs_policy: ClassVar[bool] = False
    needs = frozenset()

    async def act(self, observation: str, info: dict[str, Any]) -> str | None:
        """Return the expert's action; None, and the episode is handed in, where it knows no way on."""
        return await self.session.expert_action()
