"""The plain agent: show the observation, ask for an action, play it."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..envs.core import TextEnv
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
    history: Annotated[int, Field(ge=0)] | Literal["summary"] | None = None
    """How many past turns stay in the prompt, besides the first observation. None: all, as far as the policy's
    context reaches; then the older half is left out. `summary`: none, but how often every action was played and
    what it brought on average (what EVOLvE calls a summarised history; Nie et al. 2024, arXiv 2410.06238); what the
    environment refused was not played."""
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
        self._turns: list[Message] = []
        self._played = ""
        self._earned = 0.0
        self._left_out = 0
        self._tally = Tally()
        self._rule = self.config.extraction
        if self._rule == "auto" and session.env.rules.judged:
            self._rule = "raw"  # the verifier has rules of its own for replies with several answers
        self._system = Message(role="system", content=system_prompt(session.env, self.config))
        await super().run(session)

    async def act(self, observation: str, info: dict[str, Any]) -> Decision:
        """Ask for one action."""
        config, session = self.config, self.session
        said = user_text(observation, info["legal_actions"], config)
        if self._turns and info["action_is_valid"]:
            self._tally.add(self._played, session.total_reward - self._earned)
        self._turns.append(Message(role="user", content=said))
        self._earned = session.total_reward
        generation = await session.ask(
            self.policy,
            self._prompt(),
            sampling=config.sampling,
            tools=session.env.tools if self._rule == TOOL_RULE else (),
        )
        self._turns.append(reply_message(generation.completion))
        read = read_action(generation.completion, self._rule, session.actions)
        self._played = read.action
        return Decision(read.action, generation, read.rule)

    def _prompt(self) -> list[Message]:
        """Return the system prompt and as many turns as the configuration and the policy's context allow."""
        history, past = self.config.history, (len(self._turns) - 1) // 2
        if history == "summary":
            return [self._system, *summarised(self._turns, self._tally, self.session.legal_actions())]
        if history is not None:
            return [self._system, *shortened(self._turns, max(0, past - history))]
        prompt = [self._system, *shortened(self._turns, self._left_out)]
        while self._left_out < past and not self._fits(prompt):
            self._left_out += max(1, (past - self._left_out) // 2)
            prompt = [self._system, *shortened(self._turns, self._left_out)]
        return prompt

    def _fits(self, prompt: list[Message]) -> bool:
        """Say whether a prompt leaves a quarter of the policy's context, or a whole answer, free."""
        length = self.policy.context_length
        if length is None:
            return True
        count = self.session.count_prompt_tokens(self.policy, prompt)
        return count is None or count + min(self.config.sampling.max_tokens, length // 4) <= length


class Tally:
    """How often every action was played, and what it brought in all."""

    def __init__(self) -> None:
        self.times: dict[str, int] = {}
        self.reward: dict[str, float] = {}

    def add(self, action: str, reward: float) -> None:
        """Count one step."""
        self.times[action] = self.times.get(action, 0) + 1
        self.reward[action] = self.reward.get(action, 0.0) + reward

    def text(self, legal: Sequence[str]) -> str:
        """Return a line for every legal action, played or not, then one for every other that was played."""
        turns = sum(self.times.values())
        lines = [f"Summary of the {turns} turn{'s' if turns > 1 else ''} so far:"]
        for action in dict.fromkeys((*legal, *self.times)):
            times = self.times.get(action, 0)
            if times:
                lines.append(f"- {action}: {times} times, mean reward {self.reward[action] / times:.2f}")
            else:
                lines.append(f"- {action}: 0 times")
        return "\n".join(lines)


def shortened(turns: Sequence[Message], left_out: int) -> list[Message]:
    """Return the turns without the oldest ones, but always with the first observation: it alone states the task.

    Args:
        turns: Observations and replies in turn, an observation last.
        left_out: How many turns (an observation and its reply) are left out.
    """
    if not left_out:
        return list(turns)
    note = f"{turns[0].content}\n\n({left_out} earlier turn{'s' if left_out > 1 else ''} left out.)"
    rest = turns[1 + 2 * left_out :]
    if not rest:
        return [Message(role="user", content=f"{note}\n\n{turns[-1].content}")]
    return [Message(role="user", content=note), *rest]


def summarised(turns: Sequence[Message], tally: Tally, legal: Sequence[str] | None) -> list[Message]:
    """Return one message: the first observation, the tally of the turns if any counts, and the present observation."""
    if len(turns) == 1:
        return list(turns)
    parts = [turns[0].content, *([tally.text(legal or ())] if tally.times else []), turns[-1].content]
    return [Message(role="user", content="\n\n".join(map(str, parts)))]


def user_text(observation: str, legal: Sequence[str] | None, config: DirectConfig) -> str:
    """Return what the policy is told at a step."""
    if config.show_legal_actions and legal:
        return f"{observation}\n\nLegal actions: {'; '.join(legal)}"
    return observation


def system_prompt(env: TextEnv[Any], config: DirectConfig) -> str:
    """Return what the policy is told before the first observation."""
    specs = env.rules.actions
    parts = [config.system or "", env.instructions]
    if config.extraction == "auto" and env.rules.judged:
        parts.append("You may think first.")
    else:
        parts += [f"Accepted actions: {accepted(specs)}.", _REPLY[config.extraction].format(example=specs[0].example)]
    return "\n\n".join(part for part in parts if part)
