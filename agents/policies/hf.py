"""`hf:MODEL`: any causal language model of transformers, in this process, behind the same engine as `tiny`."""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ...tasks.config import read_config
from ...tasks.errors import UserError
from ..lm.fetch import fetch, fingerprint
from .codec import Codec
from .local import Loaded, LocalConfig, LocalPolicy
from .template import ChatTemplate

if TYPE_CHECKING:
    from ..lm import load


class HFConfig(LocalConfig):
    """Settings of `HFPolicy`. With `dtype=auto` a model computes in its checkpoint's type, on a CPU in float32."""

    revision: str | None = None
    """A branch, tag or commit of the Hub's."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. It can do anything."""
    chat_template: Path | None = None
    """A file with a chat template (Jinja), for models without one or in place of theirs."""
    chat_variables: dict[str, Any] = Field(default_factory=dict)
    """Variables of the chat template, such as `enable_thinking`."""


class HFPolicy(LocalPolicy):
    """Answers with a model of transformers.

    A model that keeps to transformers' attention interface shares batches and keys and values with all requests (see
    `lm.routing`); of another kind (recurrent, linear attention, ALiBi), each request runs by itself, which is said
    once.

    Args:
        model: A folder, or a name on the Hub; `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_OFFLINE` and `HF_TOKEN` are obeyed.
        config: See `HFConfig`.
    """

    config: HFConfig

    def __init__(self, model: str, config: HFConfig | None = None) -> None:
        if not model:
            raise UserError(
                "Name the model after the colon: a folder, or a name on the Hub such as hf:Qwen/Qwen3-0.6B."
            )
        super().__init__(f"hf:{model}", partial(_load, self), config or HFConfig())
        self.model_name = model

    @classmethod
    def from_name(cls, rest: str, **options: Any) -> "HFPolicy":
        """Make the policy `hf:MODEL`."""
        return cls(rest, read_config(HFConfig, options, "The policy hf"))

    @cached_property
    def folder(self) -> Path:
        """The folder with the model's files; fetches them if they are not there.

        Raises:
            UserError: There is no such model, or it cannot be fetched.
        """
        return fetch(self.model_name, revision=self.config.revision, code=self.config.trust_remote_code)

    @cached_property
    def _weights(self) -> str:
        return fingerprint(self.folder)

    def settings(self) -> dict[str, Any]:
        """Return type and device, the weights' fingerprint, and what else answers depend on."""
        own = self.config.model_dump(mode="json", include={"revision", "chat_variables"})
        return {**super().settings(), **own, "weights": self._weights}


def _load(policy: HFPolicy) -> Loaded:
    from ..lm.load import load

    config = policy.config
    found = load(
        policy.model_name,
        dtype=config.dtype,
        device=config.device,
        revision=config.revision,
        trust_remote_code=config.trust_remote_code,
        compile=config.compile,
        folder=policy.folder,
    )
    chat = _chat(found, config)
    codec = Codec.from_transformers(found.tokenizer) if chat is None else chat.codec
    if found.routed is not None:
        return Loaded(found.routed, chat, codec=codec)
    from ..lm.one_by_one import OneByOneEngine, OwnStateModel

    alone = OwnStateModel(found.original, found.fingerprint)
    return Loaded(alone, chat, partial(OneByOneEngine, alone), codec)


def _chat(found: "load.Loaded", config: HFConfig) -> ChatTemplate | None:
    tokenizer: Any = found.tokenizer
    if config.chat_template is not None:
        try:
            tokenizer.chat_template = config.chat_template.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The chat template {config.chat_template} cannot be read: {error}.") from None
    if tokenizer.chat_template is None:
        return None
    return ChatTemplate.from_transformers(tokenizer, name=found.name, variables=config.chat_variables)
