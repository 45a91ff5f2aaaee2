"""The rules of every math environment: one answer, judged by the verifier."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from ..actions import ActionSpec, Param
from ..errors import UnknownName, UserError
from ..rng import Rng
from ..rules import Rules, StopReason, Transition
from ..verify import Verdict, VerdictStatus, VerifyPolicy, verify
from .task import MathTask

_MESSAGES = {
    VerdictStatus.CORRECT: "The answer is correct.",
    VerdictStatus.WRONG: "The answer is wrong.",
    VerdictStatus.UNPARSABLE: "No final answer could be read.",
    VerdictStatus.TIMEOUT: "The verifier ran out of time on this answer.",
    VerdictStatus.ERROR: "The verifier failed on this answer.",
}
_STOPS = {
    VerdictStatus.CORRECT: StopReason.SOLVED,
    VerdictStatus.WRONG: StopReason.FAILED,
    VerdictStatus.UNPARSABLE: StopReason.FAILED,
    VerdictStatus.TIMEOUT: StopReason.VERIFIER_TIMEOUT,
    VerdictStatus.ERROR: StopReason.VERIFIER_ERROR,
}


class Submission(NamedTuple):
    """An answer as handed in, with its verdict once it is judged."""

    text: str
    verdict: Verdict | None = None


class MathState(NamedTuple):
    """The problem, and the verdict once there is one."""

    task: MathTask
    verdict: Verdict | None = None


class MathRules(Rules[MathTask, MathState, Submission]):
    r"""One turn: any text is an answer and ends the episode.

    The verifier looks for the final answer in the text (a `\boxed{}`, or the end of the text) and compares it with
    the gold answer. An empty or unreadable text is a wrong answer, not an error. A verdict that the verifier could
    not reach in time ends the episode with a stop reason of its own, which keeps it out of scores and training.

    Unlike in the verifier's own defaults, a number must be written out (`literal_numbers`), so that "3 + 4" is no
    answer to "Compute 3 + 4"; and a mere copy of the problem is wrong whatever is in it.

    Args:
        correct: Reward of a correct answer.
        wrong: Reward of a wrong answer.
        unparsable: Reward of a text without a readable answer; that of a wrong one if None.
        limit_s: Seconds of computing that one verdict may take.
        policy: Conventions of the verifier that differ from these rules' (fields of `VerifyPolicy`).
    """

    family = "math"
    task_type = MathTask
    judged: ClassVar[bool] = True

    def __init__(
        self,
        *,
        correct: float = 1.0,
        wrong: float = 0.0,
        unparsable: float | None = None,
        limit_s: float = 5.0,
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        if limit_s <= 0:
            raise UserError(f"limit_s must be positive, not {limit_s}.")
        self.limit_s = float(limit_s)
        self.policy = VerifyPolicy(literal_numbers=True)
        for name, value in (policy or {}).items():
            if name not in VerifyPolicy._fields:
                raise UnknownName("convention of the verifier", name, VerifyPolicy._fields)
            self.policy = self.policy._replace(**{name: value})
        self._rewards = {
            VerdictStatus.CORRECT: float(correct),
            VerdictStatus.WRONG: float(wrong),
            VerdictStatus.UNPARSABLE: float(wrong if unparsable is None else unparsable),
            VerdictStatus.TIMEOUT: 0.0,
            VerdictStatus.ERROR: 0.0,
        }
        self.reward_range = (min(self._rewards.values()), max(self._rewards.values()))
        self.actions = (
            ActionSpec(
                name="answer",
                pattern=r"(?P<answer>[\s\S]*)",
                template="\\boxed{{{answer}}}",
                example="\\boxed{42}",
                description="hand in the final answer",
                params=(Param("answer", "string", "the final answer, in LaTeX where it is not a plain number"),),
            ),
        )
        self.instructions = (
            "Solve the problem and hand in one final answer inside \\boxed{}, for example \\boxed{42}. Give the exact "
            "value unless the problem asks for an approximation, and write a number out instead of a calculation; if "
            "there are several answers, put all of them into one box, separated by commas. You have one attempt."
        )

    def initial(self, task: MathTask) -> MathState:
        """Return the state without an answer."""
        return MathState(task)

    def parse(self, state: MathState, text: str) -> Submission:
        """Take any text as the answer."""
        return Submission(text)

    def judge(self, state: MathState, action: Submission) -> Submission:
        """Ask the verifier; blocks for up to the time limit and the wait for a worker."""
        if action.text.split() == state.task.problem.split():
            return action._replace(verdict=Verdict(VerdictStatus.WRONG, None, "The text is a copy of the problem."))
        verdict = verify(state.task.answer, action.text, limit_s=self.limit_s, policy=self.policy)
        return action._replace(verdict=verdict)

    def with_verdict(self, action: Submission, verdict: Any) -> Submission:
        """Take a recorded verdict (an object or a mapping with `status`, `extracted` and `reason`)."""
        names = ("status", "extracted", "reason")
        data = verdict if isinstance(verdict, Mapping) else {name: getattr(verdict, name) for name in names}
        return action._replace(verdict=Verdict(VerdictStatus(str(data["status"])), data["extracted"], data["reason"]))

    def step(self, state: MathState, action: Submission) -> Transition:
        """Turn the verdict into reward and end; an action without one is judged here."""
        verdict = action.verdict
        if verdict is None:
            verdict = self.judge(state, action).verdict
            assert verdict is not None  # judge has set it
        status = verdict.status
        return Transition(
            MathState(state.task, verdict), self._rewards[status], True, _STOPS[status], _MESSAGES[status]
        )

    def view(self, state: MathState) -> str:
        """Return nothing: the statement is shown once, at the start."""
        return ""

    def statement(self, task: MathTask) -> str:
        """Return the problem."""
        return task.problem

    def key(self, state: MathState) -> str:
        """Return whether there is an answer yet, and how it was judged."""
        return "open" if state.verdict is None else f"answered:{state.verdict.status}"

    def score(self, state: MathState) -> float:
        """Return 1 for a correct answer, else 0."""
        return 1.0 if state.verdict is not None and state.verdict.status is VerdictStatus.CORRECT else 0.0

    def solve(self, state: MathState) -> list[str] | None:
        """Return the gold answer in a box; nothing is left to do after an answer."""
        return None if state.verdict is not None else [boxed(state.task.answer)]

    def random_action(self, state: MathState, rng: Rng) -> str:
        """Return an integer from 0 to 999 in a box, uniformly."""
        return boxed(str(rng.below(1000)))

    def verdict(self, state: MathState) -> Verdict | None:
        """Return the verdict, once there is one."""
        return state.verdict

    def horizon(self, task: MathTask) -> int:
        """Return 1: there is one attempt."""
        return 1

    def state_to_json(self, state: MathState) -> dict[str, Any]:
        """Return the verdict without its times, which say something about the machine only."""
        verdict = state.verdict
        if verdict is None:
            return {"verdict": None}
        return {"verdict": {"status": verdict.status.value, "extracted": verdict.extracted, "reason": verdict.reason}}

    def state_from_json(self, task: MathTask, data: Any) -> MathState:
        """Return the state that `state_to_json` wrote."""
        verdict = data["verdict"]
        if verdict is None:
            return MathState(task)
        status = VerdictStatus(verdict["status"])
        return MathState(task, Verdict(status, verdict["extracted"], verdict["reason"]))

    def reveal(self, state: MathState) -> dict[str, Any]:
        """Return the gold answer."""
        return {"solution": [boxed(state.task.answer)]}


def boxed(answer: str) -> str:
    r"""Return an answer in a box; a single pair of dollar signs around it goes, because a box is math already."""
    text = answer.strip()
    if len(text) > 2 and text[0] == text[-1] == "$" and "$" not in text[1:-1]:
        text = text[1:-1].strip()
    return f"\\boxed{{{text}}}"
