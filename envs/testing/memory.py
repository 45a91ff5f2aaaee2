"""Check that memory stays flat."""

from .report import Violation
from .subject import Subject

MAX_GROWTH_BYTES = 5 * 1024 * 1024


def memory(subject: Subject) -> str:
    """See `Check.MEMORY`."""
    return grown(subject, {})


def grown(subject: Subject, options: dict[str, str]) -> str:
    """Watch the memory of a fresh process over many resets with these options; too much growth is a violation."""
    where = subject.apart()
    resets = subject.sizes.resets
    seen = where.call("memory", resets=resets, warm_up=resets // 4, budget_s=subject.sizes.memory_s, options=options)
    megabytes = seen["grown"] / 1024 / 1024
    if seen["grown"] > MAX_GROWTH_BYTES:
        raise Violation(
            f"memory grew by {megabytes:.1f} MB over {seen['resets']} resets; look for lists and caches without bounds"
        )
    return f"memory grew by {megabytes:.2f} MB over {seen['resets']} resets"
