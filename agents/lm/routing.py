"""Whether a transformers model keeps to the attention interface, found out by trying it."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from ...tasks.rng import Rng
from .dense import DenseAttention
from .hf import ROUTED, UNLIMITED, NotRoutable, TransformersModel, attending, blocks_of, routed_attention
from .model import ModelInfo

PROBE = "rlvr_probe"
"""The name of the attention that looks at what it is given and at the mask that the model would have used."""

_LONG, _SHORT, _TAIL = 24, 7, 5


class _Seen:
    """What a probing forward pass has seen."""

    def __init__(self) -> None:
        self.masks: dict[int, tuple[Tensor, int | None]] = {}
        self.attentions: list[nn.Module] = []
        self.shapes: set[tuple[int, int, int]] = set()
        self.faults: list[str] = []


_seen: _Seen | None = None


def _window_of(mask_function: Any, window: int | None) -> bool:
    """Return whether a mask is the causal one, with a window or without, far beyond the probe's own length too."""
    edge = window or 4096
    places = torch.tensor(sorted({0, 1, 5, edge - 1, edge, edge + 1, 2 * edge + 3}))[:, None]
    other = torch.arange(0, 2 * edge + 5, max(1, edge // 512))
    other = torch.cat((other, torch.tensor([edge - 1, edge, edge + 1]), (places - edge).flatten().clamp(min=0)))[None]
    expected = other <= places
    if window is not None:
        expected &= other > places - window
    zero = torch.zeros((), dtype=torch.long)
    found = torch.as_tensor(mask_function(zero, zero, places, other))
    return bool((found == expected).all())


def _probe_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Any = None,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    device: Any = "cpu",
    **kwargs: Any,
) -> Tensor:
    assert _seen is not None
    try:
        plain = _window_of(mask_function, local_size)
    except (IndexError, RuntimeError, TypeError, ValueError):  # it looks something up that is not there
        plain = False
    place, other = torch.arange(q_length, device=device)[:, None], torch.arange(kv_length, device=device)
    mask = (other <= place).expand(batch_size, 1, -1, -1).clone()
    if plain:
        _seen.masks[id(mask)] = mask, local_size
    else:
        _seen.masks[id(mask)] = mask, -1
    return mask


def _probe_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    assert _seen is not None
    if any(module is other for other in _seen.attentions):
        _seen.faults.append("one attention is called twice")
    _seen.attentions.append(module)
    _seen.shapes.add((query.shape[1], key.shape[1], query.shape[3]))
    if kwargs.get("position_bias") is not None:
        _seen.faults.append("its attention adds a bias for positions")
    if key.shape[2] != query.shape[2] or value.shape[3] > query.shape[3]:
        _seen.faults.append("its attention looks at something other than the tokens themselves")
    if not isinstance(kwargs.get("scaling"), (int, float, type(None))):
        _seen.faults.append("its attention's scale is not one number")
    window = kwargs.get("sliding_window")
    if attention_mask is not None:
        _, meant = _seen.masks.get(id(attention_mask), (None, -1))
        if meant == -1:
            _seen.faults.append("its mask is not the causal one")
        elif meant != window:
            _seen.faults.append(f"its mask has a window of {meant}, its attention one of {window}")
    module._rlvr_layer = len(_seen.attentions) - 1  # type: ignore[assignment]
    return routed_attention(module, query, key, value, None, **kwargs)


AttentionInterface.register(PROBE, _probe_attention)
AttentionMaskInterface.register(PROBE, _probe_mask)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep back the warnings of trying; what comes of it is said by the caller."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(before)


def _set_attention(model: PreTrainedModel, name: str) -> None:
    try:
        model.set_attn_implementation(name)
    except (ValueError, KeyError, AttributeError) as error:
        raise NotRoutable("its attention cannot be replaced") from error
    if model.config.get_text_config(decoder=True)._attn_implementation != name:
        raise NotRoutable("its attention cannot be replaced")


def context_length(model: PreTrainedModel) -> int:
    """Return how many tokens a model takes.

    Where rotary frequencies depend on the longest sequence of a batch (`dynamic`, `longrope`), that is the length up
    to which they do not: a row must not depend on its neighbours.
    """
    config = model.config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "n_ctx")
    limits = [value for name in names if isinstance(value := getattr(config, name, None), int) and value > 0]
    limit = limits[0] if limits else UNLIMITED
    rope = getattr(config, "rope_parameters", None) or {}
    for parameters in (rope, *(one for one in rope.values() if isinstance(one, dict))):
        if parameters.get("rope_type") in ("dynamic", "longrope"):
            limit = min(limit, parameters.get("original_max_position_embeddings") or limit)
    return limit


def eos_ids(model: PreTrainedModel) -> tuple[int, ...]:
    """Return the tokens that end an answer: those of the generation settings, else those of the configuration."""
    config = model.config.get_text_config(decoder=True)
    for owner in (getattr(model, "generation_config", None), config):
        ids = getattr(owner, "eos_token_id", None)
        if ids is not None:
            return tuple(sorted(set(ids))) if isinstance(ids, (list, tuple)) else (int(ids),)
    return ()


def probe_ids(vocab_size: int, length: int) -> list[int]:
    """Return the tokens that models are tried on."""
    rng = Rng.named("routing", "probe")
    return [rng.below(vocab_size) for _ in range(length)]


def _info(model: PreTrainedModel, seen: _Seen, fingerprint: str) -> ModelInfo:
    ((heads, kv_heads, head_dim),) = seen.shapes
    return ModelInfo(
        layers=len(seen.attentions),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        hidden_size=model.config.get_text_config(decoder=True).hidden_size,
        vocab_size=model.config.get_text_config(decoder=True).vocab_size,
        context_length=min(context_length(model), UNLIMITED),
        eos_ids=eos_ids(model),
        fingerprint=fingerprint,
    )


def same(found: Tensor, expected: Tensor) -> bool:
    """Return whether logits agree as far as their type lets them: exactly in kind, not in the last digits."""
    half = expected.dtype.itemsize < 4
    found, expected = found.float(), expected.float()
    apart = (found - expected).abs()
    if half:  # one routed expert more or less moves a single row far, so the mean counts
        return bool(apart.mean() <= 0.1 * expected.std())
    return bool(apart.max() <= 1e-3 * (1 + expected.abs().max()))


def _reference(model: PreTrainedModel, ids: Sequence[Tensor]) -> list[Tensor]:
    return [model(input_ids=row[None], use_cache=False).logits[0] for row in ids]


def _look(model: PreTrainedModel, row: Tensor) -> _Seen:
    """Run one row past the probe and return what it saw."""
    global _seen
    _seen = seen = _Seen()
    try:
        _set_attention(model, PROBE)
        positions = torch.arange(len(row), device=row.device)
        with attending(DenseAttention(1).expect([(0, len(row))])):
            model.base_model(input_ids=row[None], position_ids=positions[None], use_cache=False)
    finally:
        _seen = None
    if seen.faults:
        raise NotRoutable(seen.faults[0])
    blocks = blocks_of(model)
    if len(seen.shapes) != 1 or len(blocks) != len(seen.attentions):
        raise NotRoutable("not every block has one attention of the same shape")
    for block, attention in zip(blocks, seen.attentions, strict=True):
        if not any(attention is module for module in block.modules()):
            raise NotRoutable("its attentions do not follow the order of its blocks")
    return seen


def _ragged(model: TransformersModel, ids: Sequence[Tensor]) -> list[Tensor]:
    """Return the logits of two rows, run as a long piece of the first and the second, then the rest of the first."""
    long, short = ids
    cut = len(long) - min(_TAIL, len(long) // 2)
    attend = DenseAttention(2)
    places = torch.arange(len(long), device=long.device)
    attend.expect([(0, cut), (1, len(short))])
    positions = torch.cat((places[:cut], places[: len(short)]))
    first = model.logits(model.forward(torch.cat((long[:cut], short)), positions, attend))
    rest = model.logits(model.forward(long[cut:], places[cut:], attend.expect([(0, len(long) - cut)])))
    return [torch.cat((first[:cut], rest)), first[cut:]]


@torch.no_grad()
def route(model: PreTrainedModel, fingerprint: str, *, compile: bool = False) -> TransformersModel:
    """Set a model's attention to ours, and try it on two ragged rows, one of them in two pieces.

    Args:
        model: The model as it was loaded, in evaluation mode.
        fingerprint: What names its weights.
        compile: See `TransformersModel`.

    Raises:
        NotRoutable: It carries another state than keys and values, or masks otherwise; its attention is then as it
            was.
    """
    config = model.config.get_text_config(decoder=True)
    kinds = sorted(set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"})
    if model.config.is_encoder_decoder:
        raise NotRoutable("it is an encoder and a decoder")
    if kinds:
        raise NotRoutable(f"it has layers of the kind {kinds[0]}")
    own = model.config._attn_implementation
    table: Any = model.get_input_embeddings()
    device: torch.device = table.weight.device
    length = min(_LONG, context_length(model))
    ids = [torch.tensor(probe_ids(config.vocab_size, n), device=device) for n in (length, min(_SHORT, length))]
    with _quietly():
        expected = _reference(model, ids)
        try:
            seen = _look(model, ids[0])
            _set_attention(model, ROUTED)
            found = _ragged(TransformersModel(model, _info(model, seen, fingerprint)), ids)
            if not all(same(one, other) for one, other in zip(found, expected, strict=True)):
                raise NotRoutable("with its attention replaced it computes something else")
            return TransformersModel(model, _info(model, seen, fingerprint), compile=compile)
        except torch.OutOfMemoryError:
            raise
        except (
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            RuntimeError,
            NotImplementedError,
        ) as error:
            model.set_attn_implementation(own)
            raise NotRoutable(f"it fails when its attention is replaced ({type(error).__name__})") from error
        except NotRoutable:
            model.set_attn_implementation(own)
            raise
