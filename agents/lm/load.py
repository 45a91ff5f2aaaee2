"""From a model's name to the model itself: which device, which numbers, whose code, and what to say where it fails."""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...tasks.errors import MissingExtra, UserError
from .fetch import fetch, fingerprint

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from .hf import TransformersModel

DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True)
class Loaded:
    """A model and its tokenizer."""

    name: str
    folder: Path
    fingerprint: str
    """SHA-256 of the weights."""
    original: "PreTrainedModel"
    """The model as transformers made it."""
    tokenizer: "PreTrainedTokenizerBase"
    routed: "TransformersModel | None"
    """The model for the engine; None where it keeps another state than keys and values, or masks in its own way."""
    unroutable: str
    """Why it is None."""


def pick_device(device: str) -> "torch.device":
    """Return the device of a name; `auto` is a CUDA device where there is one.

    Raises:
        UserError: There is no such device here.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise UserError(f"{device!r} is no device; write auto, cpu, cuda or cuda:1.") from None
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise UserError("There is no CUDA device here; set device=cpu, or leave it at auto.")
        if (found.index or 0) >= count:
            raise UserError(f"There is no device {device}; there are {count} CUDA devices, counted from 0.")
    elif found.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("There is no MPS device here; set device=cpu, or leave it at auto.")
    elif found.type not in ("cpu", "mps"):
        raise UserError(f"Models run on cpu, cuda or mps, not on {device!r}.")
    return found


def pick_dtype(dtype: str, device: "torch.device") -> "torch.dtype | str":
    """Return the type of a name; `auto` is the checkpoint's own type, but float32 on a CPU.

    Raises:
        UserError: It is none of `DTYPES`.
    """
    import torch

    if dtype not in DTYPES:
        raise UserError(f"dtype is one of {', '.join(DTYPES)}, not {dtype!r}.")
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    found: torch.dtype = getattr(torch, dtype)
    return found


def load(
    name: str,
    *,
    dtype: str = "auto",
    device: str = "auto",
    revision: str | None = None,
    trust_remote_code: bool = False,
    compile: bool = False,
    cache: Path | None = None,
    folder: Path | None = None,
) -> Loaded:
    """Load a causal language model of transformers.

    Args:
        name: A folder, or a model's name on the Hub.
        dtype: One of `DTYPES`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        revision: A branch, tag or commit of the Hub's.
        trust_remote_code: Whether code that comes with the model may run. It can do anything; off by default.
        compile: Whether the model is compiled (`torch.compile`).
        cache: Where downloads are kept.
        folder: Where the model was fetched to, if it was.

    Raises:
        MissingExtra: torch or transformers is not installed.
        MissingData: There is no such model, or a part of it is missing.
        UserError: It cannot be used so; the message says how it can.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "hf") from None
    place = pick_device(device)
    number = pick_dtype(dtype, place)
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError:
        raise MissingExtra("transformers", "hf") from None
    folder = folder or fetch(name, revision=revision, code=trust_remote_code, cache=cache)
    config = _config(transformers, folder, name, trust_remote_code)
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(f"{name} is an encoder with a decoder ({config.model_type}); only causal models can play.")
    tokenizer = _tokenizer(transformers, folder, name, trust_remote_code)
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    try:
        made: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=number,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
        original, info = made
        original = original.to(place).eval()
    except torch.OutOfMemoryError:
        raise UserError(f"{name} does not fit into the memory of {place}; use a smaller model or device=cpu.") from None
    except ImportError as error:
        raise UserError(f"{name} needs a package that is not installed: {_first_line(error)}") from error
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{name} cannot be loaded as a causal language model: {_first_line(error)}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(f"The weights of {name} are not whole: {len(missing)} are missing, such as {missing[0]}.")
    original.requires_grad_(False)
    mark = fingerprint(folder)
    from .hf import NotRoutable
    from .routing import route

    try:
        routed, reason = route(original, mark, compile=compile), ""
    except NotRoutable as error:
        routed, reason = None, str(error)
        warnings.warn(
            f"{name} cannot share batches, because {reason}: each request is run by itself, which is correct but slow.",
            stacklevel=2,
        )
    return Loaded(name, folder, mark, original, tokenizer, routed, reason)


def _config(transformers: Any, folder: Path, name: str, trust_remote_code: bool) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError) as error:
        if not trust_remote_code and "trust_remote_code" in str(error):
            raise UserError(
                f"{name} comes with code of its own; if you trust it, set trust_remote_code=true (it can do anything)."
            ) from None
        raise UserError(f"The config.json of {name} cannot be used: {_first_line(error)}") from error


def _tokenizer(transformers: Any, folder: Path, name: str, trust_remote_code: bool) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError, AttributeError, TypeError) as error:
        raise UserError(f"The tokenizer of {name} cannot be loaded: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."
