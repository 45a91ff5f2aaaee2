"""The models that are trained: ours, or any causal one of transformers; from a folder or new, and back into one."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..agents.lm import qwen3
from ..agents.lm.load import load, pick_device
from ..agents.lm.model import CausalModel
from ..agents.lm.qwen3 import Qwen3, Qwen3Config
from ..agents.policies.template import ChatTemplate
from ..tasks.config import read_config
from ..tasks.errors import UserError
from ..tasks.rng import derive_seed
from .induction import set_induction
from .sft_config import ModelConfig


class Trained:
    """A model in training.

    Args:
        config: Where it comes from.
        seed: Names new weights.
        device: Where it is to be, `auto` too.
    """

    def __init__(self, config: ModelConfig, *, seed: int, device: str = "auto") -> None:
        self.config = config
        self.device = pick_device(device)
        self._original: Any = None
        if config.from_scratch is not None:
            self.model: CausalModel = new_model(config, seed).to(self.device)
        else:
            assert config.folder is not None, "checked when the configuration was read"
            self.model = self._load(config.folder)
        for weight in self.model.parameters():
            weight.requires_grad_(True)

    def _load(self, folder: Path) -> CausalModel:
        file = folder / qwen3.CONFIG_FILE
        if not file.is_file():
            raise UserError(f"There is no model in {folder}: {qwen3.CONFIG_FILE} is not there.")
        said = json.loads(file.read_text(encoding="utf-8"))
        ours = said.get("model_type") == "qwen3" and (folder / qwen3.WEIGHTS_FILE).is_file()
        if ours and not said.get("attention_bias") and not said.get("use_sliding_window"):
            return qwen3.load(folder, dtype=torch.float32, device=self.device)
        loaded = load(str(folder), device=str(self.device), dtype="float32")
        if loaded.routed is None:
            raise UserError(f"The model in {folder} cannot be trained on packed documents: {loaded.unroutable}.")
        self._original = loaded.original
        return loaded.routed

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights with their names."""
        module = self.model if self._original is None else self._original
        yield from cast(nn.Module, module).named_parameters()

    def count(self) -> int:
        """Return the number of weights."""
        return sum(weight.numel() for _, weight in self.named_parameters())

    def save(self, folder: Path, tokenizer: Path) -> None:
        """Write weights in half precision and the tokenizer, as transformers and vLLM load them."""
        folder.mkdir(parents=True, exist_ok=True)
        if self._original is None:
            qwen3.save(cast(Qwen3, self.model), folder)
        else:
            weights = {name: weight.to(torch.float16) for name, weight in self._original.state_dict().items()}
            self._original.save_pretrained(folder, state_dict=weights)
            config = json.loads((folder / qwen3.CONFIG_FILE).read_text(encoding="utf-8"))
            config["dtype"] = "float16"
            (folder / qwen3.CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        for name in self.config.copied:
            if (tokenizer / name).is_file():
                shutil.copyfile(tokenizer / name, folder / name)

    def state(self) -> dict[str, Tensor]:
        """Return all weights by name."""
        return dict(self.named_parameters())

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Put weights back.

        Raises:
            UserError: They are another model's.
        """
        own = self.state()
        if own.keys() != state.keys() or any(own[name].shape != state[name].shape for name in own):
            raise UserError("The checkpoint is of a model of another shape; choose another folder for this run.")
        with torch.no_grad():
            for name, weight in own.items():
                weight.copy_(state[name])


def new_model(config: ModelConfig, seed: int) -> Qwen3:
    """Return our own architecture with new weights, fitted to the tokenizer.

    Raises:
        UserError: The shape has an unknown key, or too small a vocabulary.
    """
    assert config.from_scratch is not None and config.tokenizer is not None
    chat = ChatTemplate.from_folder(config.tokenizer)
    given = {"vocab_size": chat.codec.size, "eos_token_id": chat.end_of_turn, **config.from_scratch}
    shape = read_config(Qwen3Config, given, "model.from_scratch")
    if shape.vocab_size < chat.codec.size:
        raise UserError(
            f"model.from_scratch: a vocabulary of {shape.vocab_size} is too small for the {chat.codec.size} tokens of "
            f"{config.tokenizer}."
        )
    model = Qwen3(shape)
    model.initialise(derive_seed("sft weights", seed))
    if config.induction:
        set_induction(model)
    return model
