"""Let classical agents play: a finite action set as `spaces.Discrete`."""

from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...tasks.actions import all_commands
from ...tasks.errors import UserError
from ..core import TextEnv


class DiscreteActions(gym.Wrapper[str, Any, str, str], gym.utils.RecordConstructorArgs):
    """Actions by number, for Stable-Baselines3, CleanRL and friends.

    Where all commands can be listed (moves on a grid), action i is the i-th command, always. Otherwise, or with
    `size`, action i is the i-th legal action of the present state, and numbers beyond them are invalid actions.
    `info["action_mask"]` (int8, shape (n,)) marks what is legal now. Observations stay text; see `ByteObservations`.

    Args:
        env: A text environment with finitely many legal actions.
        size: Number the legal actions of each state, this many at most (more are cut off); needed where the commands
            depend on the state.
    """

    def __init__(self, env: gym.Env[str, str], size: int | None = None) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, size=size)
        super().__init__(env)
        if not isinstance(env.unwrapped, TextEnv):
            raise UserError("DiscreteActions wraps rlvr's text environments.")
        self._text_env: TextEnv[Any] = env.unwrapped
        self._fixed = all_commands(self._text_env.rules.actions) if size is None else None
        if self._fixed is None and size is None:
            raise UserError("The actions of this environment depend on the state; pass size= (the most there can be).")
        self._size = len(self._fixed) if self._fixed is not None else cast(int, size)
        self.action_space = spaces.Discrete(self._size)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Reset, and mark what is legal."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._masked(info)

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play the action of that number."""
        observation, reward, terminated, truncated, info = self.env.step(self.text_of(int(action)))
        return observation, float(reward), terminated, truncated, self._masked(info)

    def text_of(self, action: int) -> str:
        """Return the command that a number stands for now; the empty text where it stands for none."""
        commands = self._commands()
        return commands[action] if 0 <= action < len(commands) else ""

    def _commands(self) -> tuple[str, ...]:
        if self._fixed is not None:
            return self._fixed
        legal = self._text_env.legal_actions()
        if legal is None:
            raise UserError("This environment has infinitely many actions; they cannot be numbered.")
        return legal[: self._size]

    def action_mask(self) -> NDArray[np.int8]:
        """Return an int8 array of shape (n,) with 1 for every legal action."""
        mask = np.zeros(self._size, dtype=np.int8)
        if self._fixed is None:
            mask[: len(self._commands())] = 1
        else:
            legal = self._text_env.legal_actions() or ()
            for i, command in enumerate(self._fixed):
                mask[i] = command in legal
        return mask

    def _masked(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "action_mask": self.action_mask()}
