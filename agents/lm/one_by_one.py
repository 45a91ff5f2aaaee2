"""Models that keep another state than keys and values, or mask in a way of their own: one request at a time.

Whatever an architecture does between two tokens, transformers' `generate` knows how to do it; here it only does not
choose the tokens. That is correct for every causal model, and slower than a batch by as many times as it has rows.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    Cache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from ...tasks.errors import UserError
from .engine import Counters, Finish, Job, OutOfMemory, is_out_of_memory, stopped
from .hf import NotRoutable, blocks_of, editing, head_of
from .hooked import HookedRow, edit_rows, mixed_embeds
from .model import Attend, Edit, ModelInfo
from .routing import context_length, eos_ids
from .sampling import Sampler

KEPT = 16
"""So many sequences are kept for requests that go on from them."""


class OwnStateModel:
    """A model behind the protocol `CausalModel` that looks after its own past.

    Its `forward` takes whole sequences only, each from its beginning; that is what training gives it.

    Args:
        original: The model as transformers made it, in evaluation mode.
        fingerprint: SHA-256 of its weights.
    """

    def __init__(self, original: PreTrainedModel, fingerprint: str) -> None:
        self.original: Any = original
        config = original.config.get_text_config(decoder=True)
        self._table: Any = original.get_input_embeddings()
        self._head: Any = head_of(original)
        try:
            self._blocks: Sequence[torch.nn.Module] = blocks_of(original)
        except NotRoutable:
            self._blocks = ()
        heads = getattr(config, "num_attention_heads", None) or 1
        self.info = ModelInfo(
            layers=len(self._blocks) or config.num_hidden_layers,
            heads=heads,
            kv_heads=getattr(config, "num_key_value_heads", None) or heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
            hidden_size=config.hidden_size,
            vocab_size=config.vocab_size,
            context_length=context_length(original),
            eos_ids=eos_ids(original),
            fingerprint=fingerprint,
        )
        original.generation_config = GenerationConfig()  # whose penalties and limits are not to meddle

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = self._table.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        dtype: torch.dtype = self.original.dtype
        return dtype

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
        """Return the final hidden states, normed: `[N, hidden_size]`; `attend` is not asked.

        Raises:
            ValueError: A row does not start at its beginning.
        """
        starts = (positions == 0).nonzero()[:, 0].tolist()
        if not starts or starts[0] != 0:
            raise ValueError("this model keeps its own state, so rows must be whole")
        if edit is not None and len(starts) > 1:
            raise ValueError("this model runs row after row, so rows with an edit come alone")
        bounds = [*starts[1:], len(positions)]
        given, name = (ids, "input_ids") if embeds is None else (embeds, "inputs_embeds")
        assert given is not None, "ids or embeds"
        with self.edited(edit):
            pieces = [
                self.original.base_model(**{name: given[start:end][None]}, use_cache=False)[0][0]
                for start, end in zip(starts, bounds, strict=True)
            ]
        hidden = torch.cat(pieces)
        return hidden if wanted is None else hidden[wanted]

    def edited(self, edit: Edit | None) -> Any:
        """Let `edit` read or change what every block returns while the context is open.

        Raises:
            UserError: The blocks of this model cannot be told apart.
        """
        if edit is not None and not self._blocks:
            raise UserError("The blocks of this model cannot be told apart, so it can be neither read nor steered.")
        return editing(self._blocks, edit)

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
        return list(self.original.parameters())


class OneByOneEngine:
    """Answers requests with an `OwnStateModel`, one after the other; has the face of `engine.Engine`.

    A request that goes on from all tokens of an earlier one goes on from its state, where that is made of keys and
    values alone; otherwise its prompt is read anew.
    """

    def __init__(self, model: OwnStateModel) -> None:
        self.model = model
        self.counters = Counters()
        self._inbox: deque[Job] = deque()
        self._wake = threading.Event()
        self._kept: list[tuple[list[int], Cache]] = []

    def submit(self, job: Job) -> None:
        """Hand in a request."""
        self._inbox.append(job)
        self._wake.set()

    def cancel(self, job: Job) -> None:
        """Take a request back; one that is under way ends at its next token."""
        job.cancelled = True

    def wake(self) -> None:
        """End a `wait`."""
        self._wake.set()

    def wait(self) -> None:
        """Return as soon as there may be something to do."""
        if not self._inbox:
            self._wake.wait()
        self._wake.clear()

    def clear(self) -> None:
        """Forget the states of requests that are over."""
        self._kept.clear()

    def fail_all(self, error: Exception) -> None:
        """End all that waits with an error."""
        while self._inbox:
            _finish(self._inbox.popleft(), Finish.ERROR, error)

    def step(self) -> bool:
        """Answer one request; returns whether there are more."""
        if self._inbox:
            job = self._inbox.popleft()
            try:
                reason = self._answer(job)
            except (RuntimeError, MemoryError) as error:
                self.clear()
                if is_out_of_memory(error):
                    short = OutOfMemory(f"The machine's memory does not suffice for {len(job.prompt)} tokens.")
                    short.__cause__ = error
                    _finish(job, Finish.ERROR, short)
                else:
                    _finish(job, Finish.ERROR, error)
            except (UserError, ValueError) as error:
                _finish(job, Finish.ERROR, error)
            else:
                _finish(job, reason)
        return bool(self._inbox)

    @torch.no_grad()
    def _answer(self, job: Job) -> Finish:
        if job.cancelled:
            return Finish.CANCELLED
        model, hooked = self.model, job.hooked
        if hooked is not None and hooked.attends:
            raise UserError("This model attends in its own way, so its attention cannot be read.")
        names = list(job.prompt) if hooked is None else hooked.cache_keys(job.prompt)
        reused, cache = self._take(names, len(names) if hooked is None else hooked.reusable())
        ids = torch.tensor([list(job.prompt)], device=model.device)
        given: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if cache is not None:
            given["past_key_values"] = cache
        if hooked is not None:
            embeds = mixed_embeds(model, ids[0], [HookedRow(hooked, 0, ids.shape[1], 0)])
            if embeds is not None:
                given["inputs_embeds"] = embeds[None]
                del given["input_ids"]
        draw = _Draw(job, model.device)
        edit = None if hooked is None or not hooked.edits else _Follow(hooked, reused, model.info.layers)
        with model.edited(edit):
            made = model.original.generate(
                **given,
                generation_config=GenerationConfig(
                    do_sample=False, max_new_tokens=job.max_tokens, return_dict_in_generate=True, use_cache=True
                ),
                logits_processor=LogitsProcessorList([draw]),
                stopping_criteria=StoppingCriteriaList([draw.end]),
            )
        job.cached, job.forwarded = reused, len(job.prompt) - reused + len(job.tokens) - 1
        self.counters.steps += len(job.tokens)
        self.counters.forwarded_tokens += job.forwarded
        self.counters.cached_tokens += reused
        self.counters.sampled_tokens += len(job.tokens)
        later = job.tokens[:-1] if hooked is None else hooked.cache_keys(job.tokens[:-1], len(job.prompt))
        self._keep([*names, *later], getattr(made, "past_key_values", None))
        return draw.end.reason or Finish.LENGTH

    def _take(self, names: list[int], reusable: int) -> tuple[int, Cache | None]:
        """Return the longest kept state that a request goes on from, and how many tokens it holds."""
        best = -1
        for i, (known, _) in enumerate(self._kept):
            longer = best < 0 or len(known) > len(self._kept[best][0])
            if longer and len(known) < len(names) and len(known) <= reusable and names[: len(known)] == known:
                best = i
        if best < 0:
            return 0, None
        known, cache = self._kept.pop(best)
        return len(known), cache

    def _keep(self, names: list[int], state: Any) -> None:
        # Recurrent layers cannot read several tokens behind a state; see transformers' linear attention.
        if isinstance(state, Cache) and not any(state.is_linear) and state.get_seq_length() == len(names):
            self._kept.append((names, state))
            del self._kept[:-KEPT]


class _End(StoppingCriteria):
    def __init__(self) -> None:
        self.reason: Finish | None = None

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return torch.full((input_ids.shape[0],), self.reason is not None, device=input_ids.device)


class _Draw(LogitsProcessor):
    """Draws each token as the engine does, and leaves `generate` no choice."""

    def __init__(self, job: Job, device: torch.device) -> None:
        self._job = job
        self._sampler = Sampler([job.sampling], device)
        self.end = _End()

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        job = self._job
        drawn = self._sampler(scores, np.array([len(job.tokens)], dtype=np.int64))
        token = int(drawn.tokens[0])
        job.tokens.append(token)
        if drawn.logprobs is not None and job.sampling.logprobs:
            job.logprobs.append(float(drawn.logprobs[0]))
        if drawn.top_ids is not None and drawn.top_logprobs is not None:
            pairs = zip(drawn.top_ids[0].tolist(), drawn.top_logprobs[0].tolist(), strict=True)
            job.top_logprobs.append(tuple(pair for pair in pairs if pair[1] > float("-inf")))
        if job.cancelled:
            self.end.reason = Finish.CANCELLED
        elif token in job.stop_ids or (job.stop and stopped(job.tokens, job.stop, job.decode)):
            self.end.reason = Finish.STOP
        elif len(job.tokens) >= job.max_tokens:
            self.end.reason = Finish.LENGTH
        forced = torch.full_like(scores, float("-inf"))
        forced[0, token] = 0
        return forced


class _Follow:
    """An `Edit` that knows where in its sequence it is: passes follow each other without a gap."""

    def __init__(self, hooked: Any, first: int, layers: int) -> None:
        self._hooked = hooked
        self._first = first
        self._last_layer = layers - 1

    def __call__(self, layer: int, hidden: Tensor) -> Tensor:
        row = HookedRow(self._hooked, 0, hidden.shape[0], self._first)
        if layer == self._last_layer:
            self._first += hidden.shape[0]
        return edit_rows(layer, hidden, [row])


def _finish(job: Job, reason: Finish, error: Exception | None = None) -> None:
    job.finish, job.error = reason, error
    if job.on_done is not None:
        job.on_done(job)
