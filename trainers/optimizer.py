"""AdamW for everything, or Muon for the matrices inside of blocks and AdamW for the rest."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .sft_config import OptimizerConfig


class Optimizers:
    """Several optimizers, each over weights of its own, stepped together.

    Args:
        parts: The optimizers.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = tuple(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all of them; to change a group's `lr` is to change it there."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """Change all weights by their gradients."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what a checkpoint holds."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, state: Sequence[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for part, one in zip(self.parts, state, strict=True):
            part.load_state_dict(one)


def make_optimizer(named: Iterable[tuple[str, Tensor]], config: OptimizerConfig) -> Optimizers:
    """Return the optimizer of a model; the learning rate is set at each step.

    Matrices decay, gains and biases do not. Muon (Jordan et al. 2024) steps along the orthogonalised momentum; it
    takes the matrices of blocks, with steps of the size of AdamW's (Liu et al. 2025, arXiv 2502.16982), so that one
    learning rate serves both. Embeddings and heads stay with AdamW, as both sources advise.

    Args:
        named: The weights by name.
        config: See `OptimizerConfig`.
    """
    inner: list[Tensor] = []
    outer: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in named:
        if weight.dim() < 2 or "norm" in name.lower():
            others.append(weight)
        elif weight.dim() == 2 and not any(part in name.lower() for part in ("embed", "head", "wte", "wpe")):
            inner.append(weight)
        else:
            outer.append(weight)
    parts: list[torch.optim.Optimizer] = []
    if config.kind == "muon" and inner:
        parts.append(
            torch.optim.Muon(
                inner, lr=0.0, weight_decay=config.weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            )
        )
        inner = []
    groups = [
        {"params": [*outer, *inner], "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if groups:
        parts.append(torch.optim.AdamW(groups, lr=0.0, betas=config.betas, eps=config.epsilon, fused=True))
    return Optimizers(parts)
