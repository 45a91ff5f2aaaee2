"""Everything that is recorded, in one file: messages, requests, completions, events, episodes. Version 1.

An episode is an event log, because search restores and branches. All clock values sit under the one key `timing`,
so that two runs of the same seeds differ there and nowhere else.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from .lm.hooks import Hooks, Readings

EPISODE_VERSION: Literal[1] = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Role(StrEnum):
    """What a token of a conversation is; trainers mask by it."""

    PROMPT = "prompt"
    """Given before the first generation: system text, instructions, history; and the chat template's own tokens,
    wherever they stand."""
    OBSERVATION = "observation"
    """Said by the environment."""
    THOUGHT = "thought"
    """Generated, not acted upon."""
    PLAN = "plan"
    """Generated: a plan or blueprint."""
    ACTION = "action"
    """Generated: what is played."""
    SUB_DONE = "sub_done"
    """Generated: the mark that a sub-goal is reached."""
    TOOL = "tool"
    """A tool's result."""
    PAD = "pad"
    """Nothing."""


RESPONSE_ROLES = frozenset({Role.THOUGHT, Role.PLAN, Role.ACTION, Role.SUB_DONE})
"""Roles of tokens that a model generated; no other token ever gets a gradient as a response."""


class Fork(StrEnum):
    """Why a generation's prompt does not continue the tokens of its parent's conversation."""

    TEMPLATE = "template"
    """The chat template writes the past anew (it drops earlier thoughts, it moves the tools)."""
    HISTORY = "history"
    """The agent changed or left out earlier messages."""


class FinishReason(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """The model ended it, or a stop string was met."""
    LENGTH = "length"
    """`max_tokens` was reached."""
    TOOL_CALLS = "tool_calls"
    """The model called a tool."""
    CONTENT_FILTER = "content_filter"
    """The server withheld text."""


class EpisodeEnd(StrEnum):
    """Why an episode's log is closed."""

    SUBMITTED = "submitted"
    """The environment ended the submitted branch, or the agent handed in as it stood."""
    BUDGET = "budget"
    """A budget item was exhausted; `exhausted` names it."""
    POLICY_ERROR = "policy_error"
    """The policy failed for good; `error` says how."""
    ENV_ERROR = "env_error"
    """The environment failed; `error` says how."""
    CANCELLED = "cancelled"
    """The run was stopped."""


EXCLUDED_ENDS = frozenset({EpisodeEnd.POLICY_ERROR, EpisodeEnd.ENV_ERROR, EpisodeEnd.CANCELLED})
"""An episode that ends so counts neither as success nor as failure."""


class TextPart(_Record):
    """A piece of text in a message."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(_Record):
    """An image in a message, as a data URL."""

    type: Literal["image"] = "image"
    url: str


class ToolCall(_Record):
    """A tool that the model called."""

    id: str
    name: str
    arguments: str
    """The arguments as the model wrote them (usually JSON)."""


class Message(_Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | tuple[TextPart | ImagePart, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Sampling(_Record):
    """How tokens are drawn; the defaults are greedy-free temperature 1 sampling."""

    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    """0: no limit."""
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    max_tokens: Annotated[int, Field(ge=1)] = 512
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0)] = 0
    ignore_eos: bool = False
    """Whether tokens that end an answer do not end it; for measurements of a fixed length."""


class Request(_Record):
    """One call of a policy: messages or token ids, with its own sampling parameters and seed."""

    messages: tuple[Message, ...] | None = None
    token_ids: tuple[int, ...] | None = None
    sampling: Sampling = Sampling()
    seed: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    choices: tuple[str, ...] | None = Field(default=None, exclude=True)
    """Candidates, for test doubles (`random`, `oracle`) only; never recorded, never sent."""
    reference: str | None = Field(default=None, exclude=True)
    """What an expert would say, for test doubles only; never recorded, never sent."""
    hooks: InstanceOf[Hooks] | None = Field(default=None, exclude=True)
    """Probes, steering and input embeddings, for back ends that run the model themselves; never recorded."""


class Usage(_Record):
    """Tokens that one call cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    decoded_tokens: int = 0
    """Tokens actually decoded, pruned ones included; at least `completion_tokens`."""
    cached_tokens: int = 0
    """Prompt tokens whose keys and values were there already, where the back end says. It depends on what else
    ran at the time, so records hold its sum under `timing`, and 0 here."""
    forwarded_tokens: int = 0
    """Tokens that were run through the model, where the back end says; recorded likewise."""


class Completion(_Record):
    """What a policy answered."""

    text: str
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    """Of the sampled tokens, under the sampling distribution; as long as `token_ids`."""
    prompt_token_ids: tuple[int, ...] | None = None
    finish_reason: FinishReason = FinishReason.STOP
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    top_logprobs: tuple[tuple[tuple[int, float], ...], ...] | None = None
    """For every sampled token, the likeliest token ids with their log-probabilities, likeliest first."""
    reasoning: str | None = None
    """Thoughts that a server returned beside the text; None where they stand in it, or there are none."""
    readings: InstanceOf[Readings] | None = Field(default=None, exclude=True)
    """What the request's probes read; never recorded."""


class Span(_Record):
    """The role of a stretch of a completion, in tokens where there are token ids, else in characters."""

    role: Role
    start: int
    end: int


class Generation(_Record):
    """One recorded call of a policy."""

    id: int
    """Its position in the episode's `generations`."""
    agent: str
    """Which agent (or role) asked."""
    policy: str
    conversation: int = 0
    parent: int | None = None
    """The generation whose conversation this one continues or forks from."""
    kept: int = 0
    """How many messages of the parent's conversation (its prompt, then its reply) stand before
    `request.messages`, so that a long conversation is written once; `Episode.prompt` puts them together."""
    kept_tokens: int = 0
    """The same for token ids: before `request.token_ids` and `completion.prompt_token_ids`."""
    request: Request
    completion: Completion
    spans: tuple[Span, ...] = ()
    """Roles of the completion's tokens."""
    prompt_spans: tuple[Span, ...] = ()
    """Roles of the prompt's own tokens (those after `kept_tokens`), where the session wrote them."""
    fork: Fork | None = None
    """Set where the prompt writes tokens of the parent's conversation anew; such a prompt has a buffer of its own."""
    drift: bool | None = None
    """Whether the completion's text is tokenised otherwise than it was sampled; None: not known. The sampled ids
    are what is used."""
    template: str | None = None
    """The chat template's fingerprint, where the policy owns one."""

    @property
    def own_prompt_token_ids(self) -> tuple[int, ...]:
        """The prompt's token ids after `kept_tokens`; empty where the back end gave none."""
        return self.completion.prompt_token_ids or self.request.token_ids or ()


class VerdictRecord(_Record):
    """A verifier's verdict inside a step; its seconds are under `timing`."""

    status: str
    extracted: str | None = None
    reason: str = ""


class ResetEvent(_Record):
    """The environment was reset."""

    type: Literal["reset"] = "reset"
    seed: int | None
    options: dict[str, Any] = {}
    task_uid: str
    observation_hash: str
    state_key: str


class StepEvent(_Record):
    """One action was played."""

    type: Literal["step"] = "step"
    action: str
    """The text that the environment was given."""
    generation: int | None = None
    """The generation that the action was read from."""
    extraction: str | None = None
    """The name of the rule that read it (see `tasks.extract`)."""
    reward: float
    terminated: bool
    truncated: bool
    stop_reason: str | None = None
    invalid: str | None = None
    score: float
    observation_hash: str
    state_key: str
    verdict: VerdictRecord | None = None


class SnapshotEvent(_Record):
    """A snapshot was taken."""

    type: Literal["snapshot"] = "snapshot"
    id: int
    state_key: str


class RestoreEvent(_Record):
    """The environment went back to a snapshot."""

    type: Literal["restore"] = "restore"
    id: int
    observation_hash: str
    state_key: str


class AskEvent(_Record):
    """A policy was asked."""

    type: Literal["ask"] = "ask"
    generation: int


class SubmitEvent(_Record):
    """The agent handed in the present state; the episode's score is that state's."""

    type: Literal["submit"] = "submit"
    state_key: str


Event = Annotated[
    ResetEvent | StepEvent | SnapshotEvent | RestoreEvent | AskEvent | SubmitEvent, Field(discriminator="type")
]


class Ledger(_Record):
    """What an episode cost. Wall-clock time is counted too, but recorded under `timing`."""

    env_steps: int = 0
    policy_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    decoded_tokens: int = 0
    verifier_calls: int = 0


class Budget(_Record):
    """Limits on the ledger's items; an agent stops at the first one that is exhausted. None: no limit."""

    env_steps: Annotated[int, Field(ge=0)] | None = None
    policy_calls: Annotated[int, Field(ge=0)] | None = None
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None
    decoded_tokens: Annotated[int, Field(ge=0)] | None = None
    verifier_calls: Annotated[int, Field(ge=0)] | None = None
    wall_s: Annotated[float, Field(ge=0)] | None = None


class Episode(_Record):
    """One played episode: everything that a stranger needs to play it again and get the same score."""

    version: Literal[1] = EPISODE_VERSION
    key: str
    """Unique within a run: suite entry, group and member."""
    run: str
    """The run's name; with group and member it names every seed."""
    env_id: str
    env_kwargs: dict[str, Any] = {}
    suite: str | None = None
    entry: str | None = None
    """The suite's entry this episode belongs to."""
    split: str
    difficulty: str
    group: int
    """Same group: same task and initial state, different sampling seeds."""
    member: int
    env_seed: int
    sampling_seed: int
    task_uid: str
    agent: str
    agent_config: dict[str, Any] = {}
    policy: str | None = None
    budget: Budget = Budget()
    events: tuple[Event, ...]
    generations: tuple[Generation, ...] = ()
    ledger: Ledger
    end: EpisodeEnd
    exhausted: str | None = None
    error: str | None = None
    stop_reason: str | None = None
    """The environment's, of the submitted branch."""
    score: float
    is_success: bool
    total_reward: float
    """The sum of rewards along the submitted branch."""
    excluded: bool = False
    """Whether it counts neither as success nor as failure (verifier time-out, policy or environment error)."""
    privileged: tuple[str, ...] = ()
    """Expert-only features that were used; any of them bars the run from ranked tables."""
    packages: dict[str, str] = {}
    data: dict[str, str] = {}
    """Fingerprints (sha256) of the data sets used."""
    timing: dict[str, Any] = {}

    def prompt(self, generation: int) -> tuple[Message, ...]:
        """Return all messages that a generation answered, those shared with earlier ones included."""
        pieces: list[tuple[Message, ...]] = []
        asked, needed = self.generations[generation], None
        while True:
            own = asked.request.messages or ()
            pieces.append(own if needed is None else own[: max(0, needed - asked.kept)])
            wanted = asked.kept if needed is None else min(asked.kept, needed)
            if asked.parent is None or not wanted:
                break
            asked, needed = self.generations[asked.parent], wanted
            length = asked.kept + len(asked.request.messages or ())
            if needed > length:
                pieces.append((reply_message(asked.completion),))
                needed = length
        return tuple(message for piece in reversed(pieces) for message in piece)

    def prompt_token_ids(self, generation: int) -> tuple[int, ...]:
        """Return all token ids that a generation answered; empty where the back end gave none."""
        pieces: list[tuple[int, ...]] = []
        asked, needed = self.generations[generation], None
        while True:
            own = asked.own_prompt_token_ids
            pieces.append(own if needed is None else own[: max(0, needed - asked.kept_tokens)])
            wanted = asked.kept_tokens if needed is None else min(asked.kept_tokens, needed)
            if asked.parent is None or not wanted:
                break
            asked, needed = self.generations[asked.parent], wanted
            length = asked.kept_tokens + len(asked.own_prompt_token_ids)
            if needed > length:
                pieces.append((asked.completion.token_ids or ())[: needed - length])
                needed = length
        return tuple(token for piece in reversed(pieces) for token in piece)


def reply_message(completion: Completion) -> Message:
    """Return what a policy answered as the next message of its conversation."""
    return Message(role="assistant", content=completion.text, tool_calls=completion.tool_calls)
