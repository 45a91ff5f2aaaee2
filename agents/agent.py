"""Agents: who plays. An agent drives a session; a reactive one only says what it would play next."""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from ..tasks.config import Config, read_config
from ..tasks.errors import UserError
from .policies.policy import Capability, Policy
from .registry import find_agent
from .session import Session
from .types import Generation


class AgentConfig(Config):
    """Settings of an agent; subclasses add fields."""


ConfigT = TypeVar("ConfigT", bound=AgentConfig)


_UNNAMED: set[type] = set()
"""Agents that go by their class's name."""


class Agent(ABC, Generic[ConfigT]):
    """Plays one episode. Made anew for every episode, so it may keep what it likes in itself.

    Args:
        config: Its settings.
        policy: The model behind it, shared with all other episodes; None where it needs none.
    """

    name: ClassVar[str] = ""
    """What records call it; the class's name where a subclass says nothing."""
    config_type: type[ConfigT] = AgentConfig  # type: ignore[assignment]
    needs_policy: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.TEXT})
    """What the policy must be able to do."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if not any(base.__dict__.get("name") for base in cls.__mro__ if base not in _UNNAMED):
            cls.name = cls.__name__
            _UNNAMED.add(cls)

    def __init__(self, config: ConfigT, policy: Policy | None = None) -> None:
        self.config = config
        self._policy = policy

    @property
    def policy(self) -> Policy:
        """The model behind the agent."""
        if self._policy is None:
            raise UserError(f"The agent {self.name} needs a policy, such as --policy scripted.")
        return self._policy

    @abstractmethod
    async def run(self, session: Session) -> None:
        """Play: reset, step, ask, snapshot, restore, submit.

        What is not submitted explicitly is submitted as it stands when this returns. `BudgetExhausted` may be
        left to the caller, or caught to restore and submit the best state so far.
        """


class Decision(NamedTuple):
    """What a reactive agent plays, and where it came from."""

    action: str
    generation: Generation | None = None
    extraction: str | None = None


class ReactiveAgent(Agent[ConfigT]):
    """An agent that looks and acts, step after step, until the environment ends the episode."""

    session: Session

    @abstractmethod
    async def act(self, observation: str, info: dict[str, Any]) -> Decision | str | None:
        """Return the next action, or None to hand in the state as it is; `self.session` is there for asking."""

    async def run(self, session: Session) -> None:
        """Reset, then act until it is over."""
        self.session = session
        observation, info = await session.reset()
        while not session.over:
            decision = await self.act(observation, info)
            if decision is None:
                break
            if isinstance(decision, str):
                decision = Decision(decision)
            observation, _, _, _, info = await session.step(
                decision.action, generation=decision.generation, extraction=decision.extraction
            )


def agent_class(name: str) -> type[Agent[Any]]:
    """Return the class of an agent: one of the table, or your own as `module:Class`.

    Raises:
        UnknownName: There is no such agent; the message names the nearest.
        UserError: The module or the class is not there, or is no agent.
    """
    if ":" in name:
        return checked_class(_own_class(name), name)
    row = find_agent(name)
    module, _, attribute = row.entry.partition(":")
    found: type[Agent[Any]] = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    return found


def checked_class(found: Any, name: str) -> type[Agent[Any]]:
    """Return an agent's class if it is one.

    Raises:
        UserError: It is something else, or lacks a method.
    """
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise UserError(f"{name!r} is not an agent: a subclass of rlvr.agents.agent.Agent.")
    lacking = sorted(getattr(found, "__abstractmethods__", ()))
    if lacking:
        raise UserError(f"The agent {name!r} cannot play: its class does not define {', '.join(lacking)}.")
    return found


def _own_class(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UserError(f"There is no module {module!r} to take the agent {name!r} from.") from None


def agent_config(kind: type[Agent[Any]], settings: Mapping[str, Any] | AgentConfig | None) -> AgentConfig:
    """Return an agent's settings, checked; an unknown key is an error that names the nearest."""
    if isinstance(settings, kind.config_type):
        return settings
    config: AgentConfig = read_config(kind.config_type, dict(settings or {}), f"The agent {kind.name}")
    return config
