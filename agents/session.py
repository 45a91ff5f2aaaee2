"""A session: one environment, everything that is done to it recorded, and a budget that is never exceeded."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple, TypeVar

from ..envs.core import Snapshot, TextEnv
from ..tasks.actions import ActionSpec
from ..tasks.errors import EpisodeOver, UserError
from ..tasks.rng import Rng, derive_seed
from ..tasks.rules import EXCLUDED_STOPS
from ..tasks.task import text_hash
from .conversation import Conversations, fitted, prompt_tokens
from .packages import package_versions
from .plan import EpisodeSpec
from .policies.policy import Policy, PolicyError, Prompt, as_request
from .types import (
    EXCLUDED_ENDS,
    AskEvent,
    Budget,
    Completion,
    Episode,
    EpisodeEnd,
    Event,
    Generation,
    Ledger,
    Message,
    Request,
    ResetEvent,
    RestoreEvent,
    Sampling,
    SnapshotEvent,
    Span,
    StepEvent,
    SubmitEvent,
    Usage,
    VerdictRecord,
)

T = TypeVar("T")
StepResult = tuple[str, float, bool, bool, dict[str, Any]]


class BudgetExhausted(Exception):
    """An item of the budget is used up; an agent may still restore and submit, which cost nothing."""

    def __init__(self, item: str) -> None:
        super().__init__(f"the budget item {item} is exhausted")
        self.item = item


class EnvError(RuntimeError):
    """The environment failed; the episode ends with `env_error`, the others go on."""


class _Saved(NamedTuple):
    snapshot: Snapshot
    total_reward: float
    over: bool


class Session:
    """One episode in the making.

    Args:
        env: A text environment, unwrapped.
        spec: Which episode this is; names the task, the seeds and the key.
        budget: What it may cost.
        agent: The agent's name, for the record.
        policy: The policy's name, for the record.
        agent_config: The agent's settings, for the record.
        executor: Where steps of a blocking environment run; the event loop's threads if None.
    """

    def __init__(
        self,
        env: TextEnv[Any],
        spec: EpisodeSpec,
        *,
        budget: Budget | None = None,
        agent: str = "custom",
        policy: str | None = None,
        agent_config: dict[str, Any] | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.env = env
        self.spec = spec
        self.budget = budget or Budget()
        self.agent = agent
        self.policy = policy
        self.agent_config = agent_config or {}
        self.observation = ""
        self.info: dict[str, Any] = {}
        self.over = False
        """Whether the environment has ended the present branch."""
        self.submitted = False
        self.exhausted: str | None = None
        """The first budget item that ran out."""
        self.abandoned = False
        """Whether the agent was cancelled while the environment was at work in a thread, where it still may be."""
        self.total_reward = 0.0
        """The sum of rewards along the present branch."""
        self._executor = executor
        self._threaded = env.blocking or executor is not None
        self._events: list[Event] = []
        self._conversations = Conversations()
        self._saved: list[_Saved] = []
        self._ask_lock = asyncio.Lock()
        self._cost = dict.fromkeys(Ledger.model_fields, 0)
        self._started = time.time()
        self._clock = time.monotonic()
        self._seconds = {"env_s": 0.0, "policy_s": 0.0}
        self._load = {"cached_tokens": 0, "forwarded_tokens": 0}
        self._verifier_s: list[float] = []

    # What an agent may know

    @property
    def instructions(self) -> str:
        """The rules of play, for a system prompt."""
        return self.env.instructions

    @property
    def actions(self) -> tuple[ActionSpec, ...]:
        """The kinds of action; grammar, JSON schema and tools derive from them."""
        return self.env.rules.actions

    @property
    def ledger(self) -> Ledger:
        """What the episode has cost so far."""
        return Ledger(**self._cost)

    def remaining(self, item: str) -> float:
        """Return what is left of a budget item; infinity where it has no limit."""
        limit = getattr(self.budget, item)
        if limit is None:
            return math.inf
        used = time.monotonic() - self._clock if item == "wall_s" else self._cost[item]
        return max(0.0, limit - used)

    def rng(self, *names: str | int) -> Rng:
        """Return a generator of this episode's own; other names, other numbers."""
        return Rng.named("agent", self.spec.sampling_seed, *names)

    def legal_actions(self) -> tuple[str, ...] | None:
        """Return the legal actions where they are finitely many, else None."""
        legal: tuple[str, ...] | None = self.info.get("legal_actions")
        return legal

    def random_action(self, rng: Rng) -> str:
        """Return a legal action, or a text of the right form where they are infinitely many."""
        return self.env.random_action(rng)

    async def expert_action(self) -> str | None:
        """Return the expert's next action, or None where there is none. Privileged: flagged in the record."""
        return await self._in_env(self.env.expert_action)

    # Playing

    async def reset(self) -> tuple[str, dict[str, Any]]:
        """Start the task, always the same one; returns the observation and `info`."""
        self._check_open()
        spec = self.spec
        self.observation, self.info = await self._in_env(
            lambda: self.env.reset(seed=spec.env_seed, options=dict(spec.options))
        )
        self.over = False
        self.total_reward = 0.0
        self._events.append(
            ResetEvent(
                seed=spec.env_seed,
                options=spec.options,
                task_uid=self.info["task_uid"],
                observation_hash=text_hash(self.observation),
                state_key=self.info["state_key"],
            )
        )
        return self.observation, self.info

    async def step(
        self, action: str, *, generation: Generation | int | None = None, extraction: str | None = None
    ) -> StepResult:
        """Play one action.

        Args:
            action: The bare command.
            generation: The recorded call that it was read from.
            extraction: The rule that read it (`tasks.extract`), where there is a generation.

        Raises:
            BudgetExhausted: No step (or verdict, where steps need one) is left.
            EnvError: The environment failed.
            EpisodeOver: Before `reset`, or after the end.
        """
        self._check_open()
        self._need("env_steps")
        if self.env.rules.judged:
            self._need("verifier_calls")
        self._need_time()
        observation, reward, terminated, truncated, info = await self._in_env(lambda: self.env.step(action))
        reward = float(reward)
        self.observation, self.info = observation, info
        self.over = terminated or truncated
        self.total_reward += reward
        self._cost["env_steps"] += 1
        self._events.append(
            StepEvent(
                action=action,
                generation=generation.id if isinstance(generation, Generation) else generation,
                extraction=extraction,
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                stop_reason=info["stop_reason"],
                invalid=info["invalid"],
                score=info["score"],
                observation_hash=text_hash(observation),
                state_key=info["state_key"],
                verdict=self._verdict(info),
            )
        )
        return observation, reward, terminated, truncated, info

    def _verdict(self, info: dict[str, Any]) -> VerdictRecord | None:
        verdict = info.get("verdict")
        if verdict is None or info["invalid"] is not None:
            return None
        self._cost["verifier_calls"] += 1
        self._verifier_s.append(float(verdict.seconds))
        return VerdictRecord(status=str(verdict.status), extracted=verdict.extracted, reason=verdict.reason)

    async def snapshot(self) -> int:
        """Save the present state; returns the number to restore it by. Costs nothing of the budget."""
        self._check_open()
        snapshot = await self._in_env(self.env.snapshot)
        self._saved.append(_Saved(snapshot, self.total_reward, self.over))
        number = len(self._saved) - 1
        self._events.append(SnapshotEvent(id=number, state_key=self.info["state_key"]))
        return number

    async def restore(self, snapshot: int) -> tuple[str, dict[str, Any]]:
        """Go back to a saved state; returns its observation and `info`. Costs nothing of the budget."""
        self._check_open()
        saved = self._saved[snapshot]
        self.observation, self.info = await self._in_env(lambda: self.env.restore(saved.snapshot))
        self.total_reward = saved.total_reward
        self.over = saved.over
        self._events.append(
            RestoreEvent(id=snapshot, observation_hash=text_hash(self.observation), state_key=self.info["state_key"])
        )
        return self.observation, self.info

    def submit(self) -> None:
        """Hand in the present state: the episode's score is its score. Nothing can be done afterwards."""
        self._check_open()
        self._events.append(SubmitEvent(state_key=self.info["state_key"]))
        self.submitted = True

    # Asking

    async def ask(self, policy: Policy, prompt: Prompt, **options: Any) -> Generation:
        """Ask a policy once; see `ask_many` for the options. The answer is in `.completion`."""
        return (await self.ask_many(policy, [prompt], **options))[0]

    def count_prompt_tokens(
        self,
        policy: Policy,
        messages: Sequence[Message],
        tools: Sequence[dict[str, Any]] = (),
        *,
        conversation: int = 0,
        parent: Generation | None = None,
    ) -> int | None:
        """Return how many tokens a prompt would have if it were asked next; None where only the answer tells.

        Where the policy owns a chat template the number is exact, and only new messages are tokenised, once.

        Args:
            policy: Who would be asked.
            messages: The whole prompt.
            tools: Tool definitions to offer.
            conversation: Which of the episode's conversations it would belong to.
            parent: The generation that it would continue; the last of the conversation by default.

        Raises:
            PolicyError: The chat template cannot show these messages.
        """
        parent = parent or self._conversations.last(conversation, policy.name)
        prepared = self._conversations.prepare(policy, messages, tools, parent)
        request = Request(messages=tuple(messages), tools=tuple(tools))
        return policy.count_prompt_tokens(request) if prepared is None else len(prepared.ids)

    async def ask_many(
        self,
        policy: Policy,
        prompts: Sequence[Prompt],
        *,
        sampling: Sampling | None = None,
        tools: Sequence[dict[str, Any]] = (),
        agent: str | None = None,
        conversation: int = 0,
        parent: Generation | None = None,
        spans: tuple[Span, ...] = (),
    ) -> list[Generation]:
        """Ask a policy several things at once and record the answers, in order.

        Every request gets a seed of its own, derived from the episode's sampling seed and the position of the
        call. `max_tokens` is lowered to what the budget leaves.

        Args:
            policy: Whom to ask.
            prompts: A text, messages, or whole requests.
            sampling: How to draw; a whole request brings its own.
            tools: Tool definitions to offer.
            agent: Who asks; the session's agent by default.
            conversation: Which of the episode's conversations this belongs to.
            parent: The generation that it continues; the last of the conversation by default.
            spans: Roles of stretches of the completion.

        Raises:
            BudgetExhausted: No call, token or time is left; nothing was asked (unless the answer itself came out
                dearer than announced: then it is recorded, and cannot be used).
            PolicyError: A call failed for good.
        """
        async with self._ask_lock:
            self._check_open()
            first = len(self._conversations)
            requests = [
                self._request(policy, prompt, first + i, sampling, tools, len(prompts))
                for i, prompt in enumerate(prompts)
            ]
            if policy.wants_reference and self.info and not self.over:
                reference = await self.expert_action()
                requests = [request.model_copy(update={"reference": reference}) for request in requests]
            self._need("policy_calls", len(requests))
            parent = parent or self._conversations.last(conversation, policy.name)
            prepared = [self._conversations.prepare_request(policy, request, parent) for request in requests]
            requests = [fitted(policy, *each) for each in zip(requests, prepared, strict=True)]
            self._need_prompt_tokens(policy, requests)
            completions = await self._generate(policy, requests)
            made: list[Generation] = []
            for request, completion, tokens in zip(requests, completions, prepared, strict=True):
                one = self._conversations.add(
                    policy,
                    request,
                    completion,
                    agent=agent or self.agent,
                    conversation=conversation,
                    parent=parent,
                    spans=spans,
                    prepared=tokens,
                )
                self._count(one, completion.usage)
                made.append(one)
                parent = made[0]  # its siblings fork from the first, so that a common prompt is written once
            for item in self._cost:
                limit = getattr(self.budget, item)
                if limit is not None and self._cost[item] > limit:
                    self._exhaust(item)
            return made

    def _request(
        self,
        policy: Policy,
        prompt: Prompt,
        number: int,
        sampling: Sampling | None,
        tools: Sequence[dict[str, Any]],
        share: int,
    ) -> Request:
        request = as_request(prompt, sampling, tools)
        changes: dict[str, Any] = {}
        if request.seed is None:
            changes["seed"] = derive_seed("ask", self.spec.sampling_seed, number)
        if policy.wants_choices and request.choices is None and self.info and not self.over:
            changes["choices"] = self.legal_actions() or (self.random_action(self.rng("choices", number)),)
        limit = min(self._need("completion_tokens", share), self._need("decoded_tokens", share)) // share
        if limit < request.sampling.max_tokens:
            changes["sampling"] = request.sampling.model_copy(update={"max_tokens": int(limit)})
        return request.model_copy(update=changes)

    def _need_prompt_tokens(self, policy: Policy, requests: Sequence[Request]) -> None:
        if self.budget.prompt_tokens is not None:
            counts = [prompt_tokens(policy, request) for request in requests]
            self._need("prompt_tokens", max(1, sum(count for count in counts if count is not None)))

    async def _generate(self, policy: Policy, requests: Sequence[Request]) -> list[Completion]:
        self._need_time()
        left = self.remaining("wall_s")
        began = time.monotonic()
        limit = asyncio.timeout(None if math.isinf(left) else left)
        try:
            async with limit:
                completions = await policy.generate(requests)
        except TimeoutError:
            if limit.expired():
                self._exhaust("wall_s")
            raise
        finally:
            self._seconds["policy_s"] += time.monotonic() - began
        if len(completions) != len(requests):
            raise PolicyError(f"{policy.name} gave {len(completions)} answers to {len(requests)} requests")
        return completions

    def _count(self, made: Generation, usage: Usage) -> None:
        self._load["cached_tokens"] += usage.cached_tokens
        self._load["forwarded_tokens"] += usage.forwarded_tokens
        self._cost["policy_calls"] += 1
        self._cost["prompt_tokens"] += usage.prompt_tokens
        self._cost["completion_tokens"] += usage.completion_tokens
        self._cost["decoded_tokens"] += max(usage.decoded_tokens, usage.completion_tokens)
        self._events.append(AskEvent(generation=made.id))

    # Budget

    def _need(self, item: str, amount: int = 1) -> float:
        left = self.remaining(item)
        if left < amount:
            self._exhaust(item)
        return left

    def _need_time(self) -> None:
        if self.budget.wall_s is not None and self.remaining("wall_s") <= 0:
            self._exhaust("wall_s")

    def _exhaust(self, item: str) -> None:
        self.exhausted = self.exhausted or item
        raise BudgetExhausted(item)

    # Plumbing

    def _check_open(self) -> None:
        if self.submitted:
            raise EpisodeOver("The episode was submitted; nothing can be done any more.")

    async def _in_env(self, call: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            if self._threaded:
                return await asyncio.get_running_loop().run_in_executor(self._executor, call)
            return call()
        except (UserError, EpisodeOver):
            raise
        except asyncio.CancelledError:
            self.abandoned = True
            raise
        except Exception as error:
            raise EnvError(f"{type(error).__name__}: {error}") from error
        finally:
            self._seconds["env_s"] += time.monotonic() - began

    def episode(self, end: EpisodeEnd, error: str | None = None) -> Episode:
        """Close the log and return the record."""
        info = self.info
        spec = self.spec
        label = self.env.label if info else None
        source = self.env.source
        stop = info.get("stop_reason")
        return Episode(
            key=spec.key,
            run=spec.run,
            env_id=spec.env_id,
            env_kwargs=spec.env_kwargs,
            suite=spec.suite,
            entry=spec.entry,
            split=label.split if label else spec.options.get("split", ""),
            difficulty=label.difficulty if label else spec.options.get("difficulty", ""),
            group=spec.group,
            member=spec.member,
            env_seed=spec.env_seed,
            sampling_seed=spec.sampling_seed,
            task_uid=label.uid if label else "",
            agent=self.agent,
            agent_config=self.agent_config,
            policy=self.policy,
            budget=self.budget,
            events=tuple(self._events),
            generations=tuple(self._conversations.generations),
            ledger=self.ledger,
            end=end,
            exhausted=self.exhausted,
            error=error,
            stop_reason=stop,
            score=float(info.get("score", 0.0)),
            is_success=bool(info.get("is_success", False)),
            total_reward=self.total_reward,
            excluded=end in EXCLUDED_ENDS or stop in EXCLUDED_STOPS,
            privileged=tuple(sorted(self.env.privileged)),
            packages=package_versions(),
            data={} if source.fingerprint is None else {getattr(source, "name", "data"): source.fingerprint},
            timing={
                "started": self._started,
                "wall_s": time.monotonic() - self._clock,
                **self._seconds,
                "verifier_s": self._verifier_s,
                **{item: count for item, count in self._load.items() if count},
            },
        )
