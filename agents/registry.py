"""The one table of agents. Plain tuples: listing it loads nothing else."""

from typing import NamedTuple

from ..tasks.errors import UnknownName


class AgentRow(NamedTuple):
    """One agent of the table."""

    name: str
    entry: str
    """Module and class below `rlvr.agents`."""
    needs_policy: bool
    privileged: bool
    """Whether it uses what only experts may; its records are never ranked."""
    summary: str


AGENTS: tuple[AgentRow, ...] = (
    AgentRow("random", "random:RandomAgent", False, False, "Legal actions, or texts of the right form, uniformly."),
    AgentRow("expert", "expert:ExpertAgent", False, True, "The environment's exact or best known expert."),
    AgentRow("direct", "direct:DirectAgent", True, False, "Asks the policy for the next action and plays it."),
)  # fmt: skip


def find_agent(name: str) -> AgentRow:
    """Return the row of an agent; an unknown name is an error that names the nearest."""
    for row in AGENTS:
        if row.name == name:
            return row
    raise UnknownName("agent", name, (row.name for row in AGENTS))
