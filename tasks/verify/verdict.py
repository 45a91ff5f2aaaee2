"""The typed result of one verification."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class VerdictStatus(enum.StrEnum):
    """How a verification ended; only `correct` and `wrong` say something about the answer's mathematics."""

    CORRECT = "correct"
    """The answer is equivalent to the gold answer under the policy."""
    WRONG = "wrong"
    """A final answer was found and read, and it is not the gold answer, or it hedges between several."""
    UNPARSABLE = "unparsable"
    """No final answer was found, or the one found cannot be read or exceeds a static limit."""
    TIMEOUT = "timeout"
    """The computation was killed at its time limit; whether the answer is right is not known."""
    ERROR = "error"
    """The gold answer is unusable, the worker died or the queue was full; nothing is known about the answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of `verify`; picklable, hashable, JSON-able.

    Two verdicts are equal if they say the same, however long it took: the times belong to the machine, and a replay
    must not differ by them.

    Attributes:
        status: How the verification ended.
        extracted: The final answer as found in the text, `None` where there is none.
        reason: One short sentence that explains the status.
        seconds: Compute time in seconds, without any waiting.
        queued_s: Seconds spent waiting for a free worker (and for its start), apart from `seconds`.
    """

    status: VerdictStatus
    extracted: str | None
    reason: str
    seconds: float = field(default=0.0, compare=False)
    queued_s: float = field(default=0.0, compare=False)

    @property
    def correct(self) -> bool:
        """Whether the answer was judged equivalent to the gold answer."""
        return self.status is VerdictStatus.CORRECT

    @property
    def decided(self) -> bool:
        """Whether the verdict is about the answer (correct, wrong, unparsable), not about the machine."""
        return self.status not in (VerdictStatus.TIMEOUT, VerdictStatus.ERROR)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary with JSON types only; `from_json` reads it back."""
        return {
            "status": self.status.value,
            "extracted": self.extracted,
            "reason": self.reason,
            "seconds": self.seconds,
            "queued_s": self.queued_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Verdict":
        """Reads what `to_json` wrote.

        Args:
            data: A mapping with the keys `status`, `extracted`, `reason`, `seconds`, `queued_s`.

        Returns:
            The verdict.

        Raises:
            KeyError: A key is missing.
            ValueError: The status is not one of `VerdictStatus`.
        """
        return cls(
            VerdictStatus(data["status"]),
            data["extracted"],
            data["reason"],
            float(data["seconds"]),
            float(data["queued_s"]),
        )
