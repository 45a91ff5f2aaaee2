"""What a supervised run is told: one file in YAML, every key of which the command line can override."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..agents.types import RESPONSE_ROLES, Role
from ..tasks.config import Config, read_config, read_yaml
from ..tasks.errors import UserError
from .packing import Packing

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class ModelConfig(Config):
    """What is trained: a folder's weights, or new ones."""

    folder: Path | None = None
    """A model's folder (`config.json`, weights, tokenizer): ours, or any causal one of transformers."""
    from_scratch: dict[str, Any] | None = None
    """The shape of a new model, as `Qwen3Config` names it; {} takes its defaults."""
    induction: bool = False
    """Whether a new model starts with a head that copies; see `trainers/induction.py`."""
    tokenizer: Path | None = None
    """A folder with `tokenizer.json` and a chat template; the model's own folder if None."""
    copied: tuple[str, ...] = (
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
        "special_tokens_map.json",
    )
    """Files of the tokenizer's folder that go beside the trained weights."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "ModelConfig":
        if (self.folder is None) == (self.from_scratch is None):
            raise ValueError("give either folder or from_scratch")
        if self.folder is None and self.tokenizer is None:
            raise ValueError("a model from scratch needs a tokenizer: name a folder that has one")
        if self.induction and self.from_scratch is None:
            raise ValueError("induction is a start for new weights: it needs from_scratch")
        return self


class DataConfig(Config):
    """What is learned from."""

    train: tuple[Path, ...]
    """Demonstrations folders, or files of JSON lines with `messages`."""
    held_out: tuple[Path, ...] = ()
    """The same, for the held-out loss."""
    held_out_share: Fraction = 0.0
    """Without `held_out`: this share of the documents is kept from training for it."""
    held_out_documents: Count = 512
    """The held-out loss is taken over at most so many documents, always the same ones."""
    roles: tuple[Role, ...] = tuple(sorted(RESPONSE_ROLES))
    """Whose tokens are learned."""
    context: Fraction = 0.0
    """What a token that the model was given (prompt, observation) counts for at the start, beside a learned one (1);
    it falls linearly to nothing at the end. A model from scratch learns to look and to copy from it, where replies
    are a hundredth of the tokens; a trained one does not need it."""
    longest: Count | None = None
    """Longer documents, in tokens, are left out; None: those longer than the model's context."""
    cache: Path | None = None
    """The folder for tokenised files; None: beside the conversations."""


class OrderConfig(Config):
    """How documents become steps."""

    packing: Packing = "packed"
    row_tokens: Count = 4096
    """Tokens in a row, which is what one forward pass takes."""
    rows: Count = 4
    """Rows in a step; more rows are a larger batch, not more memory."""
    window: Count = 2048
    """Documents that are packed at a time."""


class OptimizerConfig(Config):
    """AdamW (Loshchilov and Hutter 2019) or Muon (Jordan et al. 2024), with a warm-up and a cosine."""

    kind: Literal["adamw", "muon"] = "adamw"
    """`muon`: for the matrices of blocks, beside AdamW for all else; see `make_optimizer`."""
    learning_rate: Positive = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    final_share: Fraction = 0.1
    """The learning rate at the end, as a share of the highest."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.95)
    epsilon: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Of matrices only: gains and biases keep their size."""
    clip: Positive | None = 1.0
    """The greatest norm of a step's gradient."""


class SftConfig(Config):
    """A run of `rlvr sft`."""

    out: Path
    """The run's folder."""
    model: ModelConfig
    data: DataConfig
    order: OrderConfig = OrderConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    epochs: Positive = 1.0
    """How often every document is seen; ignored where `steps` is given."""
    steps: Count | None = None
    device: str = "auto"
    """auto, cpu, cuda, cuda:1."""
    precision: Literal["bfloat16", "float32"] = "bfloat16"
    """What products are computed in; weights, sums and the optimizer are float32."""
    workers: Count | None = None
    """On a CPU: threads that work on rows of a step side by side; None: one a core."""
    log_every: Count = 10
    held_out_every: Count = 500
    checkpoint_every: Count = 500
    keep_checkpoints: Count = 2
    exports: tuple[Count, ...] = ()
    """Steps at which the model is also written to `exports/step-N`."""
    max_minutes: Positive | None = None
    """Stop after so long, with a checkpoint to go on from."""

    @property
    def tokenizer(self) -> Path:
        """The folder of the tokenizer and the chat template."""
        folder = self.model.tokenizer or self.model.folder
        assert folder is not None, "checked when the configuration was read"
        return folder


UNSEEN_BY_RESUME = frozenset(
    {
        "workers",
        "log_every",
        "checkpoint_every",
        "keep_checkpoints",
        "exports",
        "max_minutes",
        "device",
        "held_out_every",
    }
)
"""Keys that may differ when a run goes on: they change nothing but, in the last digit, the order of sums."""


def read_sft_config(path: Path | None, overrides: Mapping[str, Any]) -> SftConfig:
    """Return the settings of a file, overridden by others (nested like it).

    Raises:
        UserError: The file cannot be read, a key is unknown (the nearest known one is named), a value is wrong.
    """
    given = read_yaml(path) if path is not None else {}
    if not isinstance(given, dict):
        raise UserError(f"{path}: the settings of a run are a mapping of keys to values.")
    where = "The settings" if path is None else str(path)
    return read_config(SftConfig, merged(given, overrides), where)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with another laid over it, at every depth."""
    found = dict(base)
    for key, value in over.items():
        below = found.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        found[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return found
