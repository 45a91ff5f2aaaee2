"""Environments that can be solved without solving the task, or that say what they should not."""

import re
from typing import Any

from rlvr.envs.testing import Check
from rlvr.tasks.rng import Rng, derive_seed
from rlvr.tasks.rules import Invalid, Transition
from rlvr.tasks.task import Split

from .healthy import LockEnv, LockRules, LockSource, LockState, LockTask, SumEnv, SumRules, SumSource, SumState, SumTask


class AnswerInInfoRules(SumRules):
    def extra_info(self, state: SumState) -> dict[str, Any]:
        return {"debug": f"gold={state.a + state.b}"}


class AnswerInInfo(SumEnv):
    """The answer stands in `info`."""

    caught_by = Check.LEAKS
    rules_class = AnswerInInfoRules


class AnswerInKeyRules(SumRules):
    def key(self, state: SumState) -> str:
        return f"{super().key(state)}|{state.a + state.b}"


class AnswerInKey(SumEnv):
    """The answer is part of the state key."""

    caught_by = Check.LEAKS
    rules_class = AnswerInKeyRules


class HintRules(LockRules):
    def extra_info(self, state: LockState) -> dict[str, Any]:
        return {"hint": "" if state.dialled == len(state.code) else f"dial {state.code[state.dialled]}"}


class Hint(LockEnv):
    """`info` tells the expert's next action."""

    caught_by = Check.LEAKS
    rules_class = HintRules


class QuietReveal(LockEnv):
    """`reveal=True` is not flagged."""

    caught_by = Check.PRIVILEGED

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.privileged.discard("reveal")


class OverlappingSource(LockSource):
    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> LockTask:
        # Each split has seeds of its own, but nothing keeps an instance in one split.
        level = self.check_difficulty(difficulty)
        task = self.generate(Rng(derive_seed(seed, self.check_split(split))), level)
        return task.model_copy(update={"split": self.check_split(split), "difficulty": level})


class Overlapping(LockEnv):
    """Splits go by seed."""

    caught_by = Check.SPLITS
    source_class = OverlappingSource


class WrongExpertRules(LockRules):
    def solve(self, state: LockState) -> list[str] | None:
        return [f"dial {digit}" for digit in sorted(state.code[state.dialled :])]


class WrongExpert(LockEnv):
    """The expert dials in the wrong order."""

    caught_by = Check.EXPERT
    rules_class = WrongExpertRules


class GivesUpRules(LockRules):
    def solve(self, state: LockState) -> list[str] | None:
        return None if 7 in state.code else super().solve(state)


class GivesUp(LockEnv):
    """The expert gives up on tasks that can be solved."""

    caught_by = Check.EXPERT
    rules_class = GivesUpRules


class SameAnswerSource(SumSource):
    def generate(self, rng: Rng, difficulty: str) -> SumTask:
        a = rng.integer(1, 999)
        return SumTask(a=a, b=1000 - a)


class SameAnswer(SumEnv):
    """Every task has the same answer."""

    caught_by = Check.CHEATING
    source_class = SameAnswerSource


class AnyNumberRules(SumRules):
    def parse(self, state: SumState, text: str) -> int | Invalid:
        numbers = [int(found) for found in re.findall(r"[0-9]{1,9}", text[:1000])]
        right = state.a + state.b
        return Invalid("there is no number", final=True) if not numbers else right if right in numbers else numbers[0]


class AnyNumber(SumEnv):
    """The answer counts wherever it stands, so listing numbers wins."""

    caught_by = Check.CHEATING
    rules_class = AnyNumberRules


class CalculatesRules(SumRules):
    def parse(self, state: SumState, text: str) -> int | Invalid:
        found = re.search(r"([0-9]{1,9}) \+ ([0-9]{1,9})", text[:1000])
        return int(found[1]) + int(found[2]) if found else super().parse(state, text)


class Calculates(SumEnv):
    """It adds up the question itself, so repeating the question wins."""

    caught_by = Check.CHEATING
    rules_class = CalculatesRules


class DoubleScoreRules(LockRules):
    def score(self, state: LockState) -> float:
        return 2.0 * super().score(state)


class DoubleScore(LockEnv):
    """A solved task scores 2."""

    caught_by = Check.SCORE
    rules_class = DoubleScoreRules


class BigRewardRules(LockRules):
    def step(self, state: LockState, action: int) -> Transition:
        after = super().step(state, action)
        return after._replace(reward=10.0 * after.reward)


class BigReward(LockEnv):
    """A solved task is rewarded with 10 where 1 is documented."""

    caught_by = Check.REWARD
    rules_class = BigRewardRules


BROKEN: tuple[type[Any], ...] = (
    AnswerInInfo,
    AnswerInKey,
    Hint,
    QuietReveal,
    Overlapping,
    WrongExpert,
    GivesUp,
    SameAnswer,
    AnyNumber,
    Calculates,
    DoubleScore,
    BigReward,
)
