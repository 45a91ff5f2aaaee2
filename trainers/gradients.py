"""The loss of a step and its gradient: row by row, on as many threads as there are, always the same sums.

A row's loss is the weighted sum over its targets, divided by the weight of the *whole* step. So rows may be
computed one after the other or side by side, and the step's gradient is that of one big batch.
"""

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..agents.lm.model import CausalModel
from .attention import DocumentAttention
from .packing import Row

LOGITS = 1 << 20
"""Logits that are there at a time; larger chunks leave a core's cache."""


class Loss(NamedTuple):
    """What a step or a held-out set came to."""

    total: float
    """The sum of the learned targets' negative log-likelihoods, in nats; tokens that were given do not count."""
    targets: int
    """Learned targets."""
    tokens: int
    """All tokens that went through the model."""

    @property
    def mean(self) -> float:
        """Nats a target."""
        return self.total / max(1, self.targets)


def row_tensors(row: Row, device: torch.device) -> tuple[Tensor, Tensor, DocumentAttention, Tensor, Tensor]:
    """Return ids, positions, the attention, the rows that predict, and what they should."""
    ids, positions, predicts, targets = (
        torch.from_numpy(part).to(device) for part in (row.ids, row.positions, row.predicts, row.targets)
    )
    return ids, positions, DocumentAttention(row.lengths, device, predicts), predicts, targets


def row_losses(model: CausalModel, row: Row, precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return every target's negative log-likelihood and whether it was the likeliest token, both `[M]`; no gradient."""
    ids, positions, attend, predicts, targets = row_tensors(row, model.device)
    losses, hits = [], []
    with torch.no_grad(), autocast(model, precision):
        hidden = model.forward(ids, positions, attend, wanted=predicts)
        for part, wanted in _chunks(model, hidden, targets):
            logits = model.logits(part).float()
            losses.append(F.cross_entropy(logits, wanted, reduction="none"))
            hits.append(logits.argmax(dim=-1) == wanted)
    return torch.cat(losses), torch.cat(hits)


def backward(model: CausalModel, row: Row, weight_in_step: float, precision: torch.dtype) -> Tensor:
    """Add a row's part of the step's gradient to the parameters' `grad`, and return its learned targets' loss, float64.

    Logits are computed for targets only, a chunk at a time, and each chunk's gradient at once: no more than one
    chunk's logits are ever there.
    """
    ids, positions, attend, predicts, targets = row_tensors(row, model.device)
    with autocast(model, precision):
        hidden = model.forward(ids, positions, attend, wanted=predicts)
    leaf = hidden.detach().requires_grad_()
    total = torch.zeros((), dtype=torch.float64, device=leaf.device)
    weights, learned = (torch.from_numpy(one).to(leaf.device) for one in (row.weights, row.learned))
    for (part, wanted), weight, told in zip(
        _chunks(model, leaf, targets), _split(model, weights), _split(model, learned), strict=True
    ):
        with autocast(model, precision):
            logits = model.logits(part)
        losses = F.cross_entropy(logits.float(), wanted, reduction="none")
        ((losses * weight).sum() / weight_in_step).backward()
        total += losses.detach()[told].sum()
    hidden.backward(leaf.grad)
    return total


def _chunks(model: CausalModel, hidden: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
    return list(zip(_split(model, hidden), _split(model, targets), strict=True))


def _split(model: CausalModel, tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.split(max(64, LOGITS // model.info.vocab_size))


def autocast(model: CausalModel, precision: torch.dtype) -> torch.autocast:
    """Return the context in which products are computed in a lower precision."""
    return torch.autocast(model.device.type, dtype=precision, enabled=precision != torch.float32)


def parameters(model: CausalModel) -> list[Tensor]:
    """Return the weights that are trained."""
    return [weight for weight in model.parameters() if weight.requires_grad]


class Workers:
    """Threads that compute the rows of a step side by side.

    Each works on one core, on a replica that shares the weights and has gradients of its own: row i goes to worker
    i modulo their number, and the gradients are added in the workers' order. So the sums do not depend on which
    thread was faster, and a core that is busy with something else stalls nobody at a barrier, as it would inside of
    every operation if torch's own threads shared one row.

    Args:
        model: What is trained.
        count: How many; 1 leaves torch's own threads as they are.
        precision: What products are computed in.
    """

    def __init__(self, model: CausalModel, count: int, precision: torch.dtype) -> None:
        self.model = model
        self.count = count
        self.precision = precision
        self._replicas = [model, *(replica(model) for _ in range(count - 1))]
        self._weights = [parameters(one) for one in self._replicas]
        self._pool: ThreadPoolExecutor | None = None
        self._threads = torch.get_num_threads()

    def __enter__(self) -> "Workers":
        if self.count > 1:
            torch.set_num_threads(1)
            self._pool = ThreadPoolExecutor(self.count, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
            torch.set_num_threads(self._threads)

    def step(self, rows: Sequence[Row]) -> Loss:
        """Leave the gradient of a step's mean loss in the parameters' `grad`."""
        targets = sum(int(row.learned.sum()) for row in rows)
        whole = float(sum(row.weights.sum(dtype="float64") for row in rows))

        def work(worker: int) -> list[Tensor]:
            for weight in self._weights[worker]:
                weight.grad = None
            mine = rows[worker :: self.count]
            return [backward(self._replicas[worker], row, whole, self.precision) for row in mine]

        totals = [loss for losses in self._map(work) for loss in losses]
        for other in self._weights[1:]:
            have = [(ours, theirs.grad) for ours, theirs in zip(self._weights[0], other, strict=True)]
            for ours, gradient in have:
                if gradient is not None:
                    ours.grad = gradient if ours.grad is None else ours.grad.add_(gradient)
        return Loss(float(sum(totals)), targets, sum(len(row.ids) for row in rows))

    def losses(self, rows: Sequence[Row]) -> list[tuple[Tensor, Tensor]]:
        """Return `row_losses` of every row, in order."""

        def work(worker: int) -> list[tuple[Tensor, Tensor]]:
            return [row_losses(self._replicas[worker], row, self.precision) for row in rows[worker :: self.count]]

        found = self._map(work)
        return [found[number % self.count][number // self.count] for number in range(len(rows))]

    def _map(self, work: Any) -> list[Any]:
        if self._pool is None:
            return [work(worker) for worker in range(self.count)]
        return list(self._pool.map(work, range(self.count)))


def replica(model: CausalModel) -> CausalModel:
    """Return a model that computes with the same weights, in the same memory, but collects gradients of its own."""
    other = copy.deepcopy(model)
    for mine, shared in zip(other.parameters(), model.parameters(), strict=True):
        mine.data = shared.data
    return other
