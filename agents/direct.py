"""The plain agent: show the observation, ask for an action, play it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..tasks.actions import accepted
from .agent import AgentConfig, Decision, ReactiveAgent
from .reading import TOOL_RULE, read_action
from .session import Session
from .types import Message, Sampling, reply_message

_REPLY = {
    "raw": "Reply with the action and nothing else.",
    "tag": "You may think first. End your reply with your action in tags, like this: <action>{example}</action>",
    "json": 'You may think first. End your reply with your action as JSON, like this: {{"action": "{example}"}}',
    "boxed": "You may think first. End your reply with your action in a box, like this: \\boxed{{{example}}}",
    "last_line": "You may think first. Write your action, and nothing else, on the last line of your reply.",
    "tool": "You may think first. Then act by calling a tool.",
}
_REPLY["auto"] = _REPLY["tag"]


class DirectConfig(AgentConfig):
    """Settings of `DirectAgent`."""

    extraction: Literal["auto", "raw", "tag", "json", "boxed", "last_line", "tool"] = "auto"
    """Where in a reply the action stands; the system prompt asks for that form. `auto`: the whole reply where a
    verifier reads it (mathematics), else the first of tag, JSON, box and last line that is there."""
    history: Annotated[int, Field(ge=0)] | None = None
    """How many past turns stay in the prompt, besides the first observation; None: all."""
    show_legal_actions: bool = False
    """Whether the legal actions are listed with every observation."""
    system: str | None = None
    """Said before the environment's instructions."""
    sampling: Sampling = Sampling(max_tokens=2048)
    """How the policy draws its tokens."""


class DirectAgent(ReactiveAgent[DirectConfig]):
    """Asks the policy at every step and plays the action that its reply contains.

    The environment's instructions, the forms of action it accepts and the form of reply go into the system
    prompt; each observation is a user message. A reply without an action is played as the empty text.
    """

    name: ClassVar[str] = "direct"
    config_type = DirectConfig

    async def run(self, session: Session) -> None:
        """Write the system prompt, then act until it is over."""
        self._first = ""
        self._turns: list[Message] = []
        self._rule = self.config.extraction
        if self._rule == "auto" and session.env.rules.judged:
            self._rule = "raw"  # the verifier has rules of its own for replies with several answers
        self._system = Message(role="system", content=system_prompt(session, self.config))
        await super().run(session)

    async def act(self, observation: str, info: dict[str, Any]) -> Decision:
        """Ask for one action."""
        config, session = self.config, self.session
        said = observation
        legal = info["legal_actions"]
        if config.show_legal_actions and legal:
            said = f"{said}\n\nLegal actions: {'; '.join(legal)}"
        if self._turns:
            self._turns.append(Message(role="user", content=said))
        else:
            self._first = said
            self._turns = [Message(role="user", content=said)]
        generation = await session.ask(
            self.policy,
            self._prompt(),
            sampling=config.sampling,
            tools=session.env.tools if self._rule == TOOL_RULE else (),
        )
        self._turns.append(reply_message(generation.completion))
        read = read_action(generation.completion, self._rule, session.actions)
        return Decision(read.action, generation, read.rule)

    def _prompt(self) -> list[Message]:
        """Return the system prompt, the first observation (it alone states the task) and the last turns."""
        turns = self._turns
        keep = self.config.history
        if keep is None or len(turns) <= 1 + 2 * keep:
            return [self._system, *turns]
        left_out = (len(turns) - 1) // 2 - keep
        note = f"{self._first}\n\n({left_out} earlier turn{'s' if left_out > 1 else ''} left out.)"
        if keep == 0:
            return [self._system, Message(role="user", content=f"{note}\n\n{turns[-1].content}")]
        return [self._system, Message(role="user", content=note), *turns[-2 * keep :]]


def system_prompt(session: Session, config: DirectConfig) -> str:
    """Return what the policy is told before the first observation."""
    specs = session.actions
    parts = [config.system or "", session.instructions]
    if config.extraction == "auto" and session.env.rules.judged:
        parts.append("You may think first.")
    else:
        parts += [f"Accepted actions: {accepted(specs)}.", _REPLY[config.extraction].format(example=specs[0].example)]
    return "\n\n".join(part for part in parts if part)
