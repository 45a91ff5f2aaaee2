r"""Answer verification: `verify(gold, answer)` says whether a model's answer equals the gold answer.

    >>> verify(r"\frac{1}{2}", "The answer is 0.5.").status
    <VerdictStatus.CORRECT: 'correct'>

The final answer is found in the text (`extraction`), read by a grammar of LaTeX and calculator notation (`parser`), and
compared structurally (`compare`); conventions on which people differ are switches (`VerifyPolicy`). Rational numbers
are compared exactly in the caller's process. Everything else goes to a persistent worker process with a time and a
memory limit, where sample points with fifty digits and math-verify decide (`symbolic`). Nothing raises for any text.

Hedging is wrong: the final answer is the last statement of the highest rank that the text has (boxed, `<answer>`,
`####`, announced, bare, last value in prose; reasoning in `<think>` tags never counts), several different statements of
that rank are wrong, and "43, or 42" is two values, which never equal a single gold answer.
"""

from collections.abc import Sequence

from .extraction import Extraction, extract
from .local import plain_integers, settle
from .policy import VerifyPolicy
from .pool import PoolSettings, configure, shutdown
from .verdict import Verdict, VerdictStatus

__all__ = [
    "Extraction",
    "PoolSettings",
    "Verdict",
    "VerdictStatus",
    "VerifyPolicy",
    "averify",
    "configure",
    "extract",
    "shutdown",
    "verify",
    "warm",
]

_DEFAULT = VerifyPolicy()


def verify(gold: str | Sequence[str], answer: str, *, limit_s: float = 5.0, policy: VerifyPolicy = _DEFAULT) -> Verdict:
    """Judges an answer. Never raises for any text; safe from every thread.

    Args:
        gold: The gold answer, or several accepted ones of which any suffices.
        answer: The model's text: a whole completion or a bare answer.
        limit_s: Seconds of computing after which the verdict is `timeout`; waiting for a worker does not count.
        policy: The conventions.

    Returns:
        The verdict.

    Raises:
        ValueError: `limit_s` is not positive.
    """
    if limit_s <= 0:
        raise ValueError("limit_s must be positive.")
    quick = None if policy.box_required else plain_integers(gold, answer, policy)
    if quick is not None:
        return quick
    settled = settle(gold, answer, policy)
    if isinstance(settled, Verdict):
        return settled
    from .drive import run_blocking
    from .remote import remote_verdict

    return run_blocking(remote_verdict(settled, policy, limit_s))


async def averify(
    gold: str | Sequence[str], answer: str, *, limit_s: float = 5.0, policy: VerifyPolicy = _DEFAULT
) -> Verdict:
    """`verify` for event loops: waits without blocking the loop and without a thread.

    Args:
        gold: The gold answer, or several accepted ones of which any suffices.
        answer: The model's text: a whole completion or a bare answer.
        limit_s: Seconds of computing after which the verdict is `timeout`; waiting for a worker does not count.
        policy: The conventions.

    Returns:
        The verdict.

    Raises:
        ValueError: `limit_s` is not positive.
    """
    if limit_s <= 0:
        raise ValueError("limit_s must be positive.")
    quick = None if policy.box_required else plain_integers(gold, answer, policy)
    if quick is not None:
        return quick
    settled = settle(gold, answer, policy)
    if isinstance(settled, Verdict):
        return settled
    from .drive import run_async
    from .remote import remote_verdict

    return await run_async(remote_verdict(settled, policy, limit_s))


def warm() -> None:
    """Starts the workers ahead of the first verification and waits until they are loaded."""
    from .drive import run_blocking
    from .pool import current_pool

    run_blocking(current_pool().warm())
