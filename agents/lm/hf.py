"""Any causal language model of transformers as a `CausalModel`: its blocks, our keys and values.

Transformers lets a model's attention be any registered function, and makes no mask for one that has no mask function.
So ragged rows can be laid end to end as one row of N tokens, each with its own position, and whoever owns the keys
and values answers for who sees whom. Whether a model really keeps to that interface is not believed but checked once,
when it is loaded (`routing.check`).
"""

import copy
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_outputs import MoeModelOutputWithPast

from .model import Attend, Edit, ModelInfo

ROUTED = "rlvr"
"""The name under which transformers finds our attention."""

UNLIMITED = (1 << 31) - 1
"""The context length of a model that sets none."""


class NotRoutable(Exception):
    """A model does not keep to the attention interface; the message says in what."""


class _Current(threading.local):
    attend: Attend | None = None


_current = _Current()


@contextmanager
def attending(attend: Attend) -> Iterator[None]:
    """Let an `Attend` answer for every routed model of this thread while the context is open."""
    before, _current.attend = _current.attend, attend
    try:
        yield
    finally:
        _current.attend = before


def _attend(
    layer: int,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    if _current.attend is None:
        raise RuntimeError("attention was called outside of TransformersModel.forward (gradient checkpointing?)")
    return _current.attend(layer, q, k, v, scale=scale, window=window, softcap=softcap, sinks=sinks)


@torch.library.custom_op("rlvr::attend", mutates_args=())
def _attend_op(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sinks: Tensor | None,
    layer: int,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    """The same for compiled models: to the compiler it is one opaque step, so that a model stays one graph."""
    return _attend(layer, q, k, v, scale, window, softcap, sinks).contiguous()


@_attend_op.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sinks: Tensor | None,
    layer: int,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> Tensor:
    return q.new_empty(q.shape)


def routed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Hand what a block's attention has computed to the present `Attend`.

    Args:
        module: The block's attention; carries the place that `routing.check` gave it.
        query: `[1, heads, N, head_dim]`.
        key: `[1, kv_heads, N, head_dim]`.
        value: `[1, kv_heads, N, value_dim]`, with value_dim at most head_dim.
        attention_mask: None; there is no mask function for this attention.
        scaling: What the products are multiplied by; None: the inverse root of head_dim.
        sliding_window: How many tokens are seen at most, itself included.
        softcap: See `Attend`.
        s_aux: Sinks, `[heads]` (gpt-oss).
        **kwargs: What other attentions need.

    Returns:
        `[1, N, heads, value_dim]`, and None for the weights.
    """
    q, k, v = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)
    head, value_dim = q.shape[-1], v.shape[-1]
    if value_dim < head:  # keys and values of one size in the cache (multi-head latent attention has two)
        v = nn.functional.pad(v, (0, head - value_dim))
    scale = head**-0.5 if scaling is None else float(scaling)
    layer: Any = module._rlvr_layer
    if torch.compiler.is_compiling():
        seen = _attend_op(q, k, v, s_aux, layer, scale, sliding_window, softcap)
    else:
        seen = _attend(layer, q, k, v, scale, sliding_window, softcap, s_aux)
    return seen[..., :value_dim].unsqueeze(0), None


AttentionInterface.register(ROUTED, routed_attention)


@dataclass
class _Output(MoeModelOutputWithPast):
    cross_attentions: None = None
    cache_params: None = None
    state: None = None


class _Given(nn.Module):
    """Stands for a model's body and returns the hidden states that it is handed."""

    def forward(self, *args: Any, inputs_embeds: Tensor, **kwargs: Any) -> _Output:
        return _Output(last_hidden_state=inputs_embeds)

    @property
    def decoder(self) -> "_Given":
        """Itself: some architectures (OPT) call the decoder inside of their body."""
        return self


def head_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return a model that shares everything but its body, which is gone: hidden states in, logits out.

    So whatever an architecture does after its body (scaling, soft caps) is done as it does it.
    """
    head = copy.copy(model)
    head._modules = dict(model._modules)
    head._modules[model.base_model_prefix] = _Given()
    return head


def blocks_of(model: PreTrainedModel) -> list[nn.Module]:
    """Return a model's blocks, in order.

    Raises:
        NotRoutable: There is no list of as many modules as the configuration says.
    """
    count = getattr(model.config.get_text_config(decoder=True), "num_hidden_layers", None)
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    raise NotRoutable("its blocks are not one list")


class TransformersModel:
    """A causal language model of transformers behind the protocol `CausalModel`; made by `routing.route`.

    Args:
        model: The model, with its attention set to `ROUTED`, in evaluation mode.
        info: Its measures.
        compile: Whether its body is compiled (`torch.compile`, dynamic shapes). A forward pass with an `edit` runs
            uncompiled.
    """

    def __init__(self, model: PreTrainedModel, info: ModelInfo, *, compile: bool = False) -> None:
        self.model = model
        self.info = info
        self._body: Any = model.base_model
        self._compiled: Any = torch.compile(self._body, dynamic=True) if compile else None
        self._head: Any = head_of(model)
        self._blocks = blocks_of(model)
        self._table: Any = model.get_input_embeddings()

    @property
    def device(self) -> torch.device:
        """Where the weights of its first module are."""
        device: torch.device = self._table.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.model.dtype

    def forward(
        self,
        ids: Tensor | None,
        positions: Tensor,
        attend: Attend,
        *,
        embeds: Tensor | None = None,
        edit: Edit | None = None,
        wanted: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states, normed: `[N, hidden_size]` (see `CausalModel.forward`)."""
        given: dict[str, Tensor] = {"position_ids": positions[None]}
        if embeds is not None:
            given["inputs_embeds"] = embeds[None]
        else:
            assert ids is not None, "ids or embeds"
            given["input_ids"] = ids[None]
        body = self._body if self._compiled is None or edit is not None else self._compiled
        with attending(attend), editing(self._blocks, edit):
            hidden: Tensor = body(**given, use_cache=False)[0]
        return hidden[0] if wanted is None else hidden[0][wanted]

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the next token's logits `[M, vocab_size]`."""
        found: Tensor = self._head(inputs_embeds=hidden[None], use_cache=False).logits
        return found[0]

    def embed(self, ids: Tensor) -> Tensor:
        """Return the input embeddings of token ids `[N]`: `[N, hidden_size]`."""
        found: Tensor = self._table(ids)
        return found

    def parameters(self) -> Sequence[Tensor]:
        """Return the weights that can be trained."""
        return list(self.model.parameters())


@contextmanager
def editing(blocks: Sequence[nn.Module], edit: Edit | None) -> Iterator[None]:
    """Let `edit` read or change what every block returns while the context is open."""
    if edit is None:
        yield
        return

    def after(layer: int) -> Any:
        def change(module: nn.Module, given: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            changed = edit(layer, hidden[0])[None]
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        return change

    handles = [block.register_forward_hook(after(layer)) for layer, block in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
