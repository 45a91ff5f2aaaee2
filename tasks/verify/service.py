"""What a worker does with one job; imported in workers only, since it loads sympy and math-verify."""

from typing import Any

from . import mathverify
from .compare import Undecided
from .judge import Ruling, rule
from .policy import VerifyPolicy
from .symbolic import SymbolicOracle
from .verdict import VerdictStatus

_WARM_UP = (
    (r"\frac{\sqrt{3}}{2}", r"\frac{3}{2\sqrt{3}}"),
    (r"x^2+2x+1", r"(x+1)^2"),
    (r"\int x dx", r"y"),
)


def answer_job(job: dict[str, Any]) -> tuple[Ruling, bool]:
    """Judges one job.

    Args:
        job: `golds`, `answer`, `others` (texts) and `policy` (values in the order of `VerifyPolicy`).

    Returns:
        The ruling, and whether the process is fit for another job.
    """
    policy = VerifyPolicy(*job["policy"])
    try:
        ruling = rule(
            tuple(job["golds"]),
            job["answer"],
            tuple(job["others"]),
            policy,
            SymbolicOracle(policy),
            mathverify.texts_equal,
        )
    except Undecided:
        return Ruling(VerdictStatus.WRONG, "The answer could not be shown to equal the gold answer."), True
    except MemoryError:
        return Ruling(VerdictStatus.ERROR, "The computation reached the memory limit of its process."), False
    except RecursionError:
        return Ruling(VerdictStatus.UNPARSABLE, "The answer is nested too deeply to be computed."), False
    except Exception as error:
        # The boundary of the process: a defect in sympy, its parser or here is reported, never raised to the caller.
        name = type(error).__name__
        return Ruling(VerdictStatus.ERROR, f"The comparison failed inside the worker ({name}: {error})."[:300]), True
    return ruling, True


def warm_up() -> None:
    """Loads grammars and caches, so that the first job is as fast as the others."""
    policy = VerifyPolicy()
    for gold, answer in _WARM_UP:
        answer_job({"golds": [gold], "answer": answer, "others": [], "policy": list(policy)})
