"""`tiny` and `tiny-base`: the models that ship with the package; `tiny:FOLDER` for any of their kind."""

import json
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...tasks.config import read_config
from ...tasks.errors import MissingData, MissingExtra, UserError
from .local import Loaded, LocalConfig, LocalPolicy
from .template import ChatTemplate

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float64", "float32", "bfloat16")

WEIGHTS = "weights"
"""Folder of the package `rlvr.agents` that holds the embedded models."""


def tiny_folder(name: str) -> Path:
    """Return the folder of an embedded model."""
    return Path(str(files("rlvr.agents") / WEIGHTS / name))


class TinyPolicy(LocalPolicy):
    """A model of our own Qwen3 module, which needs torch but not transformers.

    It computes in float64 on a CPU, so that answers do not depend on what else is in the batch; `dtype=float32` is
    faster, and differs in the last digits.

    Args:
        folder: Holds `model.safetensors`, `config.json`, `tokenizer.json` and `chat_template.jinja`.
        name: The policy's name, for records.
        config: See `LocalConfig`.

    Raises:
        MissingData: A file is not there.
        MissingExtra: torch is not installed.
        UserError: The type is none.
    """

    def __init__(self, folder: Path, name: str, config: LocalConfig | None = None) -> None:
        config = config or LocalConfig()
        if config.dtype not in DTYPES:
            raise UserError(f"The policy {name} computes in one of {', '.join(DTYPES)}, not in {config.dtype!r}.")
        for file in ("model.safetensors", "config.json", "tokenizer.json"):
            if not (folder / file).is_file():
                raise MissingData(f"There is no model in {folder}: {file} is missing.")
        if find_spec("torch") is None:
            raise MissingExtra("torch", "hf")
        super().__init__(name, partial(_load, folder, config), config, chat=ChatTemplate.from_folder(folder))
        self.folder = folder
        shape = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.context_length = shape.get("max_position_embeddings")

    @classmethod
    def tiny(cls, rest: str, **options: Any) -> "TinyPolicy":
        """Make the policy `tiny`, or `tiny:FOLDER`."""
        config = read_config(LocalConfig, options, "The policy tiny")
        if rest:
            return cls(Path(rest), f"tiny:{rest}", config)
        return cls(tiny_folder("tiny"), "tiny", config)

    @classmethod
    def base(cls, rest: str, **options: Any) -> "TinyPolicy":
        """Make the policy `tiny-base`."""
        if rest:
            raise UserError(f"The policy tiny-base takes nothing after its name; write tiny:{rest} for a folder.")
        return cls(tiny_folder("tiny-base"), "tiny-base", read_config(LocalConfig, options, "The policy tiny-base"))

    def settings(self) -> dict[str, Any]:
        """Return the device and type, and the fingerprint of the weights."""
        from hashlib import sha256

        return {**super().settings(), "weights": sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()}


def _load(folder: Path, config: LocalConfig) -> Loaded:
    from ..lm.load import pick_device
    from ..lm.qwen3 import load

    device = pick_device(config.device)
    model = load(folder, dtype=_dtype(config.dtype, device), device=device)
    model.requires_grad_(False)
    if config.compile:
        model.compile_blocks()
    return Loaded(model, None)


def _dtype(name: str, device: "torch.device") -> "torch.dtype":
    import torch

    if name == "auto":
        return torch.float64 if device.type == "cpu" else torch.float32
    found: torch.dtype = getattr(torch, name)
    return found
