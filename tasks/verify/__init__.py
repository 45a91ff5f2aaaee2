"""Answer verification: `verify(gold, answer)` says whether a model's answer equals the gold answer."""

from collections.abc import Sequence

from .verdict import Verdict, VerdictStatus

__all__ = ["Verdict", "VerdictStatus", "verify"]


def verify(gold: str | Sequence[str], answer: str, *, limit_s: float = 5.0) -> Verdict:
    """Compares stripped strings; replaced by the full verifier in the next commits."""
    golds = [gold] if isinstance(gold, str) else list(gold)
    same = answer.strip() in (g.strip() for g in golds)
    return Verdict(VerdictStatus.CORRECT if same else VerdictStatus.WRONG, answer.strip(), "Compared as text.")
