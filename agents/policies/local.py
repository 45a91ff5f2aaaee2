"""A model in this process as a policy: requests of all sessions share one engine and its batches."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ...tasks.config import Config
from ...tasks.errors import UserError
from ...tasks.rng import derive_seed
from ..types import Completion, FinishReason, Request, Usage
from .codec import Codec
from .policy import Capability, Policy, PolicyError
from .template import ChatTemplate

if TYPE_CHECKING:
    from ..lm.engine import Job
    from ..lm.model import CausalModel, ModelInfo
    from ..lm.worker import Steps, Worker


class LocalConfig(Config):
    """Settings of a model that runs in this process. None of them but `dtype` and `device` changes an answer."""

    dtype: str = "auto"
    """What it computes in; see the back end for what `auto` is."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`; auto: a CUDA device where there is one."""
    cache_mb: Annotated[int, Field(ge=1)] | None = None
    """Memory for keys and values, in MiB; None: a share of what is there."""
    batch_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens that one step runs at most; None: what suits the device."""
    max_rows: Annotated[int, Field(ge=1)] = 256
    """Requests that are under way at once; more wait their turn."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads that one operation may use on a CPU; None: as many as torch chooses."""
    compile: bool = False
    """Whether the model is compiled (`torch.compile`): a slow start, then fewer and larger operations."""


@dataclass(frozen=True)
class Loaded:
    """A model and all that is needed to talk to it."""

    model: "CausalModel"
    chat: ChatTemplate | None
    make_engine: "Callable[[], Steps] | None" = None
    """Makes another engine than `lm.engine.Engine`, for models that cannot share batches."""
    codec: Codec | None = None
    """The tokenizer of a model that has no chat template."""


class LocalPolicy(Policy):
    """Answers with a model in this process.

    The engine has a thread of its own, started by the first request and ended by the last `aclose`; the model is
    loaded once, in that thread, and stays as long as the policy does. Callers may live in any number of event loops.

    Args:
        name: The policy's name, for records.
        load: Loads the model.
        config: See `LocalConfig`.
        chat: The chat template, where it is known before the model is.
    """

    capabilities = frozenset(Capability)  # all there are: the model is in our hands

    def __init__(
        self,
        name: str,
        load: Callable[[], Loaded],
        config: LocalConfig | None = None,
        *,
        chat: ChatTemplate | None = None,
    ) -> None:
        self.name = name
        self.config = config or LocalConfig()
        self.chat = chat
        self._load = load
        self._loaded: Loaded | None = None
        self._worker: Worker | None = None
        self._users = 0
        self._lock = threading.Lock()

    @classmethod
    def of(
        cls, model: "CausalModel", chat: ChatTemplate | None, *, name: str = "local", config: LocalConfig | None = None
    ) -> "LocalPolicy":
        """Return a policy over a model that is there already: one that is being trained, say."""
        policy = cls(name, lambda: Loaded(model, chat), config, chat=chat)
        policy.context_length = model.info.context_length
        return policy

    @property
    def model(self) -> "CausalModel":
        """The model; loads it if it is not there yet. To change its weights, use `update`."""
        self._ready()
        assert self._loaded is not None
        return self._loaded.model

    @property
    def engine(self) -> "Steps":
        """The engine; its thread is running."""
        return self._ready().engine()

    async def start(self) -> None:
        """Load the model, or join those who use it already.

        Raises:
            UserError: It cannot be loaded; the message says why.
        """
        with self._lock:
            self._users += 1
        try:
            await asyncio.to_thread(self._ready)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give back the memory of keys and values, once everyone who started it has closed it. The model stays."""
        with self._lock:
            self._users = max(0, self._users - 1)
            worker = self._worker if self._users == 0 else None
            if worker is not None:
                self._worker = None
        if worker is not None:
            await asyncio.to_thread(worker.stop)

    async def update(self, change: Callable[["CausalModel"], Any]) -> Any:
        """Change the weights between two steps of the engine; keys and values of the old weights are forgotten.

        Nothing should be under way: an answer that is would go on from keys and values of the old weights.

        Args:
            change: Called with the model, in the engine's thread.

        Returns:
            What it returned.
        """

        def apply(engine: "Steps") -> Any:
            assert self._loaded is not None
            result = change(self._loaded.model)
            engine.clear()
            return result

        worker = await asyncio.to_thread(self._ready)
        return await asyncio.wrap_future(worker.call(apply))

    def settings(self) -> dict[str, Any]:
        """Return what answers depend on besides the name."""
        return {"dtype": self.config.dtype, "device": self.config.device}

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the number of tokens of a request's prompt."""
        return None if request.token_ids is None and self.chat is None else len(self._prompt(request))

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request, in order; all of them are under way at once.

        Raises:
            PolicyError: A prompt is too long for the model, or there was not enough memory for it.
            UserError: A hook does not fit the model.
        """
        worker = self._worker
        if worker is None or not worker.ready:
            worker = await asyncio.to_thread(self._ready)
        engine = worker.engine()
        loop = asyncio.get_running_loop()
        assert self._loaded is not None
        info = self._loaded.model.info
        jobs: list[Job] = []
        futures: list[asyncio.Future[None]] = []
        for request in requests:
            job = self._job(request, info)
            future = loop.create_future()
            job.on_done = partial(_tell, loop, future)
            jobs.append(job)
            futures.append(future)
        try:
            for job in jobs:
                engine.submit(job)
            for future in futures:
                await future
        except BaseException:
            for job in jobs:
                engine.cancel(job)
            raise
        return [self._completion(request, job) for request, job in zip(requests, jobs, strict=True)]

    # Plumbing

    def _run(self) -> "Worker":
        """Return the worker, started if it is not."""
        from ..lm.worker import Worker

        with self._lock:
            if self._worker is None:
                self._worker = Worker(self._make, self.config.threads)
            return self._worker

    def _ready(self) -> "Worker":
        """Return the worker once its engine is there; one that failed makes room for another try."""
        worker = self._run()
        try:
            worker.engine()
        except BaseException:
            with self._lock:
                if self._worker is worker:
                    self._worker = None
            raise
        return worker

    def _make(self) -> "Steps":
        from ..lm.engine import Engine

        if self._loaded is None:
            self._loaded = self._load()
        loaded, config = self._loaded, self.config
        self.chat = self.chat or loaded.chat
        self.context_length = loaded.model.info.context_length
        if loaded.make_engine is not None:
            return loaded.make_engine()
        return Engine(
            loaded.model, cache_mb=config.cache_mb, batch_tokens=config.batch_tokens, max_rows=config.max_rows
        )

    def _prompt(self, request: Request) -> Sequence[int]:
        if request.token_ids is not None:
            return request.token_ids
        if self.chat is None:
            raise UserError(
                f"{self.name} has no chat template: set chat_template to a file with one, use an instruction-tuned "
                "model, or send token ids instead of messages."
            )
        return [token for piece in self.chat.start(request.messages or (), request.tools) for token in piece.ids]

    def _job(self, request: Request, info: "ModelInfo") -> "Job":
        from ..lm.engine import Job
        from ..lm.hooked import Hooked
        from ..lm.sampling import RowSampling

        prompt = self._prompt(request)
        room = info.context_length - len(prompt)
        if not prompt:
            raise PolicyError(f"The prompt for {self.name} is empty.")
        if room < 1:
            raise PolicyError(
                f"The prompt has {len(prompt)} tokens, which leaves no room for an answer: {self.name} takes "
                f"{info.context_length} tokens, prompt and answer together."
            )
        if not 0 <= min(prompt) <= max(prompt) < info.vocab_size:
            raise PolicyError(f"The prompt holds token ids that {self.name} does not have; it has {info.vocab_size}.")
        sampling = request.sampling
        if sampling.stop and self._codec is None:
            raise UserError(f"{self.name} has no tokenizer, so it cannot look for stop strings.")
        ends = {*info.eos_ids, *(() if self.chat is None else self.chat.end_ids)}
        return Job(
            prompt,
            RowSampling(
                temperature=sampling.temperature,
                top_k=sampling.top_k,
                top_p=sampling.top_p,
                min_p=sampling.min_p,
                key=derive_seed("sample", *(prompt if request.seed is None else (request.seed,))),
                logprobs=sampling.logprobs,
                top_logprobs=sampling.top_logprobs,
            ),
            max_tokens=min(sampling.max_tokens, room),
            stop_ids=frozenset() if sampling.ignore_eos else frozenset(ends),
            stop=sampling.stop,
            decode=self._text,
            hooked=None if request.hooks is None else Hooked(request.hooks, len(prompt), info),
        )

    @property
    def _codec(self) -> Codec | None:
        if self.chat is not None:
            return self.chat.codec
        return None if self._loaded is None else self._loaded.codec

    def _text(self, ids: Sequence[int]) -> str:
        return "" if self._codec is None else self._codec.decode(ids, control=False)

    def _completion(self, request: Request, job: "Job") -> Completion:
        sampling = request.sampling
        if job.error is not None:
            from ..lm.engine import OutOfMemory
            from ..lm.kv import CacheFull
            from ..lm.worker import Stopped

            if isinstance(job.error, (OutOfMemory, CacheFull, Stopped)):
                raise PolicyError(f"{self.name}: {job.error}") from job.error
            raise job.error
        said = job.tokens
        if said and said[-1] in job.stop_ids:
            said = said[:-1]
        text = self._text(said)
        cuts = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
        count = len(job.tokens)
        return Completion(
            text=text[: min(cuts)] if cuts else text,
            token_ids=tuple(job.tokens),
            logprobs=tuple(job.logprobs) if sampling.logprobs else None,
            top_logprobs=tuple(job.top_logprobs) if sampling.top_logprobs else None,
            prompt_token_ids=tuple(job.prompt),
            finish_reason=FinishReason(job.finish or "stop"),
            usage=Usage(
                prompt_tokens=len(job.prompt),
                completion_tokens=count,
                decoded_tokens=count,
                cached_tokens=job.cached,
                forwarded_tokens=job.forwarded,
            ),
            readings=None if job.hooked is None else job.hooked.readings(),
        )


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]", job: "Job") -> None:
    """Let the caller know, in its own event loop, that its request is done."""

    def done() -> None:
        if not future.done():
            future.set_result(None)

    try:
        loop.call_soon_threadsafe(done)
    except RuntimeError:  # its loop is closed: nobody waits any more
        if not loop.is_closed():
            raise
