"""Environments that treat actions wrongly."""

import re
from typing import Any, ClassVar

from rlvr.envs.testing import Check
from rlvr.tasks.rules import Invalid

from .healthy import LockEnv, LockRules, LockState


class RefusesLegalRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        action = super().parse(state, text)
        return Invalid("the 7 is stuck") if action == 7 and state.dialled > 0 else action


class RefusesLegal(LockEnv):
    """A listed action is refused."""

    caught_by = Check.LEGAL_ACTIONS
    rules_class = RefusesLegalRules


class HidesLegalRules(LockRules):
    def legal_actions(self, state: LockState) -> tuple[str, ...]:
        right = state.code[state.dialled] if state.dialled < len(state.code) else -1
        return tuple(text for text in super().legal_actions(state) if text != f"dial {right}")


class HidesLegal(LockEnv):
    """The rules say that they list every action and leave one out."""

    caught_by = Check.EXHAUSTIVE
    rules_class = HidesLegalRules


class WrongExampleRules(LockRules):
    actions = (LockRules.actions[0]._replace(example="dial five"),)


class WrongExample(LockEnv):
    """The example is no action."""

    caught_by = Check.GRAMMAR
    rules_class = WrongExampleRules


class UnnamedGroupRules(LockRules):
    actions = (LockRules.actions[0]._replace(pattern=r"dial\s+([0-9])"),)

    def parse(self, state: LockState, text: str) -> int | Invalid:
        found = re.fullmatch(self.actions[0].pattern, text.strip(), re.IGNORECASE)
        return Invalid("this is not a digit to dial") if found is None else int(found[1])


class UnnamedGroup(LockEnv):
    """The pattern does not name the parameter that schema and tool require."""

    caught_by = Check.GRAMMAR
    rules_class = UnnamedGroupRules


class EncodesTextRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        return super().parse(state, text.encode("utf-8").decode("utf-8"))


class EncodesText(LockEnv):
    """A lone surrogate raises."""

    caught_by = Check.FUZZ
    rules_class = EncodesTextRules


class ReadsFirstCharacterRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        return Invalid("commands start with d") if text[0] not in "dD " else super().parse(state, text)


class ReadsFirstCharacter(LockEnv):
    """The empty text raises."""

    caught_by = Check.FUZZ
    rules_class = ReadsFirstCharacterRules


class SlowPatternRules(LockRules):
    _greedy: ClassVar[re.Pattern[str]] = re.compile(r"(?:a|aa)*b|(?:[a ]+)+b")

    def parse(self, state: LockState, text: str) -> int | Invalid:
        self._greedy.fullmatch(text)
        return super().parse(state, text)


class SlowPattern(LockEnv):
    """A pattern that backtracks without end."""

    caught_by = Check.FUZZ
    rules_class = SlowPatternRules


class RepeatsTextRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        action = super().parse(state, text)
        return Invalid(f"{text} is no digit") if isinstance(action, Invalid) else action


class RepeatsText(LockEnv):
    """The answer to a bad text repeats it as it is, with whatever is in it."""

    caught_by = Check.FUZZ
    rules_class = RepeatsTextRules


class InvalidMoves(LockEnv):
    """A text that is no action sends the lock back."""

    caught_by = Check.INVALID_TURN

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._stop is None and self._task is not None and isinstance(self.rules.parse(self._state, action), Invalid):
            self._state = self._state._replace(dialled=0)
        return super().step(action)


class UnexplainedRules(LockRules):
    def parse(self, state: LockState, text: str) -> int | Invalid:
        action = super().parse(state, text)
        return Invalid("no") if isinstance(action, Invalid) else action


class Unexplained(LockEnv):
    """The observation after a bad text does not say what is wrong with it."""

    caught_by = Check.INVALID_TURN
    rules_class = UnexplainedRules

    def _observe(self) -> str:
        return "Try again." if self._invalid else super()._observe()


BROKEN: tuple[type[Any], ...] = (
    RefusesLegal,
    HidesLegal,
    WrongExample,
    UnnamedGroup,
    EncodesText,
    ReadsFirstCharacter,
    SlowPattern,
    RepeatsText,
    InvalidMoves,
    Unexplained,
)
