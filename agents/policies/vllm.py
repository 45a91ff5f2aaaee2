"""`vllm:MODEL`: a model in vLLM's engine; token ids in, token ids out."""

import asyncio
import math
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...tasks.config import Config, read_config
from ...tasks.errors import UserError
from ...tasks.rng import derive_seed
from ..lm.fetch import fetch, fingerprint
from ..types import Completion, FinishReason, Request, Usage
from .codec import Codec
from .policy import Capability, Policy, PolicyError
from .template import ChatTemplate
from .vllm_engine import GIB, VllmEngine

if TYPE_CHECKING:
    from torch import Tensor


class VllmConfig(Config):
    """Settings of `VllmPolicy`."""

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    max_model_len: Annotated[int, Field(ge=2)] | None = None
    """Tokens of a prompt and its answer together; None: what the model was made for."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The part of a GPU's memory that vLLM takes."""
    kv_cache_gib: Annotated[float, Field(gt=0)] | None = None
    """Memory for keys and values, in GiB; None: what the GPU has left, or 4 GiB without one."""
    enforce_eager: bool = False
    """Whether nothing is compiled: the engine starts sooner and runs slower."""
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    seed: int = 0
    revision: str | None = None
    """A branch, tag or commit of the Hub's."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. It can do anything."""
    chat_template: Path | None = None
    """A file with a chat template (Jinja), for models without one or in place of theirs."""
    chat_variables: dict[str, Any] = Field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking`."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of vLLM's `AsyncEngineArgs`, such as `block_size` or `max_num_seqs`."""


class VllmPolicy(Policy):
    """Runs a model in vLLM (`AsyncLLM`), whose processes live from the first `start` to the last `aclose`.

    Prompts are tokens, made by the model's own chat template here or by a conversation; vLLM's prefix cache stays on,
    so a turn computes only what is new, but for the last block of keys (`cached_tokens` says how much was reused). A
    task that is cancelled while it waits takes its request out of the engine.

    Log-probabilities are vLLM's `processed_logprobs`: under the distribution that was sampled from, and at temperature
    0 under the model's own. vLLM applies min-p before top-k and top-p, where the back ends of this package apply it
    last: with both `min_p` and `top_p` set it keeps fewer tokens than they do, and reports what it did. A request's
    seed gives the same tokens again as far as rounding allows: vLLM's sums depend on the batch, and on its version.

    Args:
        model: A folder in the format of transformers, or a name on the Hub.
        config: See `VllmConfig`.
    """

    capabilities = frozenset(
        {
            Capability.TEXT,
            Capability.SEED,
            Capability.STOP,
            Capability.PREFILL,
            Capability.LOGPROBS,
            Capability.TOPK_LOGPROBS,
            Capability.TOKEN_IDS,
        }
    )

    def __init__(self, model: str, config: VllmConfig | None = None) -> None:
        if not model:
            raise UserError(
                "Name the model after the colon: a folder, or a name on the Hub such as vllm:Qwen/Qwen3-0.6B."
            )
        self.model = model
        self.name = f"vllm:{model}"
        self.config = config or VllmConfig()
        self._engine: VllmEngine | None = None
        self._codec: Codec | None = None
        self._users = 0
        self._loading = threading.Lock()

    @classmethod
    def from_name(cls, rest: str, **options: Any) -> "VllmPolicy":
        """Make the policy `vllm:MODEL`."""
        return cls(rest, read_config(VllmConfig, options, "The policy vllm"))

    @cached_property
    def folder(self) -> Path:
        """The folder with the model's files; fetches them if they are not there.

        Raises:
            UserError: There is no such model, or it cannot be fetched.
        """
        return fetch(self.model, revision=self.config.revision, code=self.config.trust_remote_code)

    @cached_property
    def _weights(self) -> str:
        return fingerprint(self.folder)

    def settings(self) -> dict[str, Any]:
        """Return the settings that answers depend on, and the weights' fingerprint."""
        machine = {"gpu_memory_utilization", "kv_cache_gib", "chat_template"}
        return {**self.config.model_dump(mode="json", exclude=machine), "weights": self._weights}

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the number of tokens of a request's prompt; None for messages before the tokenizer is there."""
        return None if request.token_ids is None and self.chat is None else len(self._prompt(request))

    async def start(self) -> None:
        """Load the model, or join those who use it already; an engine that has died is replaced.

        Raises:
            MissingExtra: vLLM is not installed.
            UserError: There is no GPU and no build for CPUs, or the model cannot be loaded.
        """
        self._users += 1
        try:
            await asyncio.to_thread(self._ready)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the engine and its processes, once everyone who started it has closed it."""
        self._users = max(0, self._users - 1)
        if not self._users:
            engine, self._engine = self._engine, None
            if engine is not None:
                await asyncio.to_thread(engine.stop)

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Hand all requests to the engine at once; it batches them with those of other calls."""
        engine = self._engine
        if engine is None:
            engine = await asyncio.to_thread(self._ready)
        outcomes = await engine.run(self._answers(engine, requests))
        completions: list[Completion] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            completions.append(outcome)
        return completions

    async def update_weights(self, tensors: "Mapping[str, Tensor]") -> None:
        """Replace the engine's weights in place.

        Requests under way are finished with the old weights first, later ones wait; keys and values that the old
        weights made are forgotten.

        Args:
            tensors: All tensors of the checkpoint by their names there (those of transformers); any float type.

        Raises:
            UserError: They are not the model's; nothing was changed.
            PolicyError: The engine is not running, or has died.
        """
        if self._engine is None:
            raise PolicyError(f"{self.name}: the engine is not running; call start first")
        await self._engine.run(self._engine.load_weights(tensors))

    # Plumbing

    def _ready(self) -> VllmEngine:
        """Return the engine, made if it is not there or has died."""
        with self._loading:
            if self._engine is not None and self._engine.dead:
                self._engine.stop()
                self._engine = None
            if self._engine is None:
                engine = VllmEngine(self.model, self._arguments())
                try:
                    self._read_tokenizer(engine)
                except BaseException:
                    engine.stop()
                    raise
                self.context_length = engine.model_config.max_model_len
                self._engine = engine
            return self._engine

    def _arguments(self) -> dict[str, Any]:
        config = self.config
        return {
            "model": str(self.folder),
            "dtype": config.dtype,
            "max_model_len": config.max_model_len,
            "gpu_memory_utilization": config.gpu_memory_utilization,
            "kv_cache_memory_bytes": None if config.kv_cache_gib is None else int(config.kv_cache_gib * GIB),
            "enforce_eager": config.enforce_eager,
            "tensor_parallel_size": config.tensor_parallel_size,
            "seed": config.seed,
            "trust_remote_code": config.trust_remote_code,
            "enable_prefix_caching": True,
            "logprobs_mode": "processed_logprobs",
            "max_logprobs": -1,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            "worker_extension_cls": f"{__package__}.vllm_worker.WorkerExtension",
            **config.extra,
        }

    def _read_tokenizer(self, engine: VllmEngine) -> None:
        tokenizer, config = engine.tokenizer, self.config
        if config.chat_template is not None:
            try:
                tokenizer.chat_template = config.chat_template.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"The chat template {config.chat_template} cannot be read: {error}.") from None
        self._codec = Codec.from_transformers(tokenizer)
        if tokenizer.chat_template is not None:
            ends = engine.model_config.try_get_generation_config().get("eos_token_id")
            self.chat = ChatTemplate.from_transformers(
                tokenizer,
                name=self.model,
                end_ids=ends if isinstance(ends, list) else [] if ends is None else [ends],
                variables=config.chat_variables,
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

    async def _answers(self, engine: VllmEngine, requests: Sequence[Request]) -> list[Completion | BaseException]:
        return await asyncio.gather(*(self._answer(engine, request) for request in requests), return_exceptions=True)

    async def _answer(self, engine: VllmEngine, request: Request) -> Completion:
        hooks = request.hooks
        if hooks is not None:
            asked = {Capability.HIDDEN: hooks.probes, Capability.STEER: hooks.steer, Capability.EMBEDS_IN: hooks.embeds}
            self.require({capability for capability, given in asked.items() if given}, "A request with hooks")
        prompt = self._prompt(request)
        length = self.context_length or 0
        if not prompt:
            raise PolicyError(f"The prompt for {self.name} is empty.")
        if len(prompt) >= length:
            raise PolicyError(
                f"The prompt has {len(prompt)} tokens, which leaves no room for an answer: {self.name} takes "
                f"{length} tokens, prompt and answer together."
            )
        parameters = self._parameters(request, prompt, length - len(prompt))
        return self._completion(request, prompt, await engine.complete(prompt, parameters))

    def _parameters(self, request: Request, prompt: Sequence[int], room: int) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        sampling = request.sampling
        seed = None
        if sampling.temperature > 0:  # without one, the order of calls would count
            seed = derive_seed("sample", *(prompt if request.seed is None else (request.seed,)))
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            seed=seed,
            stop=list(sampling.stop),
            stop_token_ids=[] if sampling.ignore_eos or self.chat is None else list(self.chat.end_ids),
            ignore_eos=sampling.ignore_eos,
            max_tokens=min(sampling.max_tokens, room),
            logprobs=sampling.top_logprobs if sampling.logprobs or sampling.top_logprobs else None,
            detokenize=bool(sampling.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )

    def _completion(self, request: Request, prompt: Sequence[int], output: Any) -> Completion:
        said, sampling = output.outputs[0], request.sampling
        if said.finish_reason not in ("stop", "length"):
            raise PolicyError(f"{self.name}: the engine gave the request up ({said.finish_reason})")
        assert self._codec is not None, "there is no engine without a tokenizer"
        ids = tuple(said.token_ids)
        if isinstance(said.stop_reason, str):
            text = said.text  # cut by the engine where the stop string began
        else:
            ended = said.finish_reason == "stop" and ids  # by a token, which is the last
            text = self._codec.decode(ids[:-1] if ended else ids, control=False)
        logprobs = top = None
        if said.logprobs is not None:
            if sampling.logprobs:
                logprobs = tuple(said.logprobs[place][token].logprob for place, token in enumerate(ids))
            if sampling.top_logprobs:
                top = tuple(_likeliest(found, sampling.top_logprobs) for found in said.logprobs)
        cached = output.num_cached_tokens or 0
        return Completion(
            text=text,
            token_ids=ids,
            logprobs=logprobs,
            top_logprobs=top,
            prompt_token_ids=tuple(prompt),
            finish_reason=FinishReason.LENGTH if said.finish_reason == "length" else FinishReason.STOP,
            usage=Usage(
                prompt_tokens=len(prompt),
                completion_tokens=len(ids),
                decoded_tokens=len(ids),
                cached_tokens=cached,
                forwarded_tokens=len(prompt) - cached + max(0, len(ids) - 1),  # the last one is not needed
            ),
        )


def _likeliest(found: Mapping[int, Any], count: int) -> tuple[tuple[int, float], ...]:
    """Return the likeliest tokens with their log-probabilities; tokens that could not be drawn are left out."""
    possible = [(token, one.logprob) for token, one in found.items() if one.logprob > -math.inf]
    return tuple(sorted(possible, key=lambda pair: (-pair[1], pair[0]))[:count])
