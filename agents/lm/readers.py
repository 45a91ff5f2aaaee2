"""What probes have read so far, reduced piece by piece."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .hooks import AttentionProbe, HiddenProbe, Reduce, ReduceAttention


class Reader:
    """Collects what one probe reads, pass by pass; a token that is run again (after an eviction) counts once.

    Args:
        layers: The blocks that are read, counted from 0.
    """

    def __init__(self, layers: tuple[int, ...]) -> None:
        self.layers = layers
        self.places: list[int] = []
        self._pieces: dict[int, list[Tensor]] = {layer: [] for layer in layers}
        self._until: dict[int, int] = dict.fromkeys(layers, 0)

    def read(self, layer: int, values: Tensor, chosen: Sequence[int], first: int) -> None:
        """Take what is wanted of `[count, ...]`, one row a token."""
        chosen = [place for place in chosen if first + place >= self._until[layer]]
        if not chosen:
            return
        self._until[layer] = first + chosen[-1] + 1
        if layer == self.layers[0]:
            self.places += [first + place for place in chosen]
        consecutive = chosen[-1] - chosen[0] + 1 == len(chosen)
        values = values[chosen[0] : chosen[-1] + 1] if consecutive else values[list(chosen)]
        self._keep(self._pieces[layer], self._reduce(values.detach(), [first + place for place in chosen]))

    def _reduce(self, values: Tensor, places: Sequence[int]) -> Tensor:
        raise NotImplementedError("what is kept of a piece")

    def _keep(self, pieces: list[Tensor], piece: Tensor) -> None:
        pieces.append(piece)

    def result(self) -> Tensor:
        """Return the readings of all layers."""
        raise NotImplementedError("what is made of the pieces")


class HiddenReader(Reader):
    """Reads hidden states, a row `[hidden_size]` for each token."""

    def __init__(self, probe: HiddenProbe, layers: tuple[int, ...]) -> None:
        super().__init__(layers)
        self.probe = probe

    def _reduce(self, values: Tensor, places: Sequence[int]) -> Tensor:
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        match self.probe.reduce:
            case Reduce.MEAN:
                return values.sum(0)
            case Reduce.LAST:
                return values[-1].clone()
            case Reduce.NORM:
                return values.norm(dim=-1)
            case Reduce.PROJECT:
                assert self.probe.direction is not None
                return values @ self.probe.direction.to(values)
            case Reduce.FULL:
                return values.clone()

    def _keep(self, pieces: list[Tensor], piece: Tensor) -> None:
        if pieces and self.probe.reduce is Reduce.MEAN:
            pieces[0] += piece
        elif pieces and self.probe.reduce is Reduce.LAST:
            pieces[0] = piece
        else:
            pieces.append(piece)

    def result(self) -> Tensor:
        """Return the shape that `Reduce` names; no rows, or zeros, where no token was met."""
        if not self.places:
            return torch.empty(0, len(self.layers))
        if self.probe.reduce in (Reduce.MEAN, Reduce.LAST):
            found = torch.stack([self._pieces[layer][0] for layer in self.layers])
            return (found / len(self.places) if self.probe.reduce is Reduce.MEAN else found).cpu()
        return torch.stack([torch.cat(self._pieces[layer]) for layer in self.layers], dim=1).cpu()


class AttentionReader(Reader):
    """Reads attention weights, a row `[heads, s]` for each token."""

    def __init__(self, probe: AttentionProbe, layers: tuple[int, ...]) -> None:
        super().__init__(layers)
        self.probe = probe

    def _reduce(self, values: Tensor, places: Sequence[int]) -> Tensor:
        match self.probe.reduce:
            case ReduceAttention.ENTROPY:
                return torch.special.entr(values).sum(-1)
            case ReduceAttention.PEAK:
                return values.amax(-1)
            case ReduceAttention.FIRST:
                return values[..., 0].clone()
            case ReduceAttention.DISTANCE:
                own = torch.tensor(places, device=values.device, dtype=values.dtype)
                other = torch.arange(values.shape[-1], device=values.device, dtype=values.dtype)
                return (values * (own[:, None, None] - other)).sum(-1)
            case ReduceAttention.FULL:
                return values.clone()

    def result(self) -> Tensor:
        """Return the shape that `ReduceAttention` names; no rows where no token was met."""
        if not self.places:
            return torch.empty(0, len(self.layers))
        if self.probe.reduce is ReduceAttention.FULL:
            longest = max(piece.shape[-1] for piece in self._pieces[self.layers[0]])
            padded = {
                layer: [torch.nn.functional.pad(piece, (0, longest - piece.shape[-1])) for piece in pieces]
                for layer, pieces in self._pieces.items()
            }
            return torch.stack([torch.cat(padded[layer]) for layer in self.layers], dim=1).cpu()
        return torch.stack([torch.cat(self._pieces[layer]) for layer in self.layers], dim=1).cpu()
