"""The documented keys of `info`, the same for every environment."""

from typing import Any, TypedDict


class StepInfo(TypedDict, total=False):
    """What `reset`, `step` and `restore` return as `info`. Never the answer, unless `reveal=True`."""

    task_uid: str
    """The instance's stable name."""
    legal_actions: tuple[str, ...] | None
    """The legal actions where they are finitely many, else None."""
    action_is_valid: bool
    """Whether the last action was one (True after a reset)."""
    invalid: str | None
    """Why the last action was none."""
    is_success: bool
    """Whether the task counts as solved now."""
    score: float
    """The task's score in [0, 1] now."""
    state_key: str
    """The state's identity within its task: equal keys, equal dynamics (no step count, no history)."""
    observation_key: str
    """The identity of what is seen: the anchor of step-level advantage groups."""
    message: str
    """What changed, alone."""
    steps_left: int
    """Steps before truncation."""
    stop_reason: str | None
    """A `StopReason` once the episode has ended, else None."""
    verdict: Any
    """The verifier's `Verdict` on a submitted answer (verified families only)."""
    solution: Any
    """The expert's actions (only with `reveal=True`)."""
