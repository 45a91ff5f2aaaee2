"""Environments that break the interface: members, spaces, `info`, ends, pictures, vectors, memory."""

from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rlvr.envs.testing import Check
from rlvr.tasks.rules import Transition

from .healthy import LockEnv, LockRules, LockState

StepResult = tuple[str, float, bool, bool, dict[str, Any]]


class NoRestore(LockEnv):
    """There is no restore."""

    caught_by = Check.CONTRACT
    restore = None  # type: ignore[assignment]


class SmallAlphabet(LockEnv):
    """The action space knows only the letters and digits of its commands."""

    caught_by = Check.SPACES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action_space = spaces.Text(20, charset="dial 0123456789")  # type: ignore[assignment]


class NoMessage(LockEnv):
    """`info` lacks a documented key."""

    caught_by = Check.INFO

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        del info["message"]
        return info


class TextScore(LockEnv):
    """The score is a whole number now and then."""

    caught_by = Check.INFO

    def _info(self) -> dict[str, Any]:
        info = super()._info()
        return {**info, "score": int(info["score"])}


class SilentEndRules(LockRules):
    def step(self, state: LockState, action: int) -> Transition:
        return super().step(state, action)._replace(stop_reason=None)


class SilentEnd(LockEnv):
    """The end has no stop reason."""

    caught_by = Check.STOP_REASON
    rules_class = SilentEndRules

    def _advance(self, action: str, verdict: Any) -> StepResult:
        result = super()._advance(action, verdict)
        self._over = result[2] or result[3]
        return result


class FreeTurns(LockEnv):
    """An invalid text costs no turn."""

    caught_by = Check.STOP_REASON

    def step(self, action: str) -> StepResult:
        observation, reward, terminated, truncated, info = super().step(action)
        if not info["action_is_valid"] and not (terminated or truncated):
            self._steps -= 1
            info = self._info()
        return observation, reward, terminated, truncated, info


class PlaysOn(LockEnv):
    """A step after the end starts a new episode by itself."""

    caught_by = Check.EPISODE_OVER

    def step(self, action: str) -> StepResult:
        if self._stop is not None:
            self.reset()
        return super().step(action)


class IgnoresOptions(LockEnv):
    """An unknown reset option is ignored."""

    caught_by = Check.RESET_OPTIONS

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        known = {key: value for key, value in (options or {}).items() if key in ("split", "difficulty", "task")}
        return super().reset(seed=seed, options=known)


class OneInfo(LockEnv):
    """The same dictionary is handed out at every step, changed in place."""

    caught_by = Check.GYMNASIUM

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shared: dict[str, Any] = {}

    def _info(self) -> dict[str, Any]:
        self._shared.update(super()._info())
        return self._shared


class FloatPicture(LockEnv):
    """The picture is of floats."""

    caught_by = Check.RENDER

    def render(self) -> str | NDArray[np.uint8] | None:
        picture = super().render()
        return picture.astype(np.float64) / 255 if isinstance(picture, np.ndarray) else picture  # type: ignore[return-value]


class LookingMoves(LockEnv):
    """Rendering is a move."""

    caught_by = Check.RENDER

    def render(self) -> str | NDArray[np.uint8] | None:
        picture = super().render()
        self._message = "Somebody looked."
        self._state = self._state._replace(dialled=0)
        return picture


class _Handle:
    """Something that no other process can have."""

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a handle stays in its process")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Handle)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<handle>"


class HandleInInfoRules(LockRules):
    def extra_info(self, state: LockState) -> dict[str, Any]:
        return {"handle": _Handle()}


class HandleInInfo(LockEnv):
    """`info` holds an object that cannot be pickled, so no vector environment with processes can hand it over."""

    caught_by = Check.VECTOR
    rules_class = HandleInInfoRules


class Hoarder(LockEnv):
    """Every reset leaves something behind."""

    caught_by = Check.MEMORY
    _kept: ClassVar[list[bytearray]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        self._kept.append(bytearray(b"x" * 100_000))
        return super().reset(seed=seed, options=options)


BROKEN: tuple[type[Any], ...] = (
    NoRestore,
    SmallAlphabet,
    NoMessage,
    TextScore,
    SilentEnd,
    FreeTurns,
    PlaysOn,
    IgnoresOptions,
    OneInfo,
    FloatPicture,
    LookingMoves,
    HandleInInfo,
    Hoarder,
)
