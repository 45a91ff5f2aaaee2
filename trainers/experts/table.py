"""Which expert shows which family."""

from ...envs.core import TextEnv
from ...tasks.errors import UserError
from .advice import Adviser
from .bandit import BanditAdviser
from .maze import MazeAdviser
from .numbers import ArithmeticAdviser, Game24Adviser
from .sokoban import SokobanAdviser

ADVISERS: dict[str, Adviser] = {
    "maze": MazeAdviser(),
    "sokoban": SokobanAdviser(),
    "math": ArithmeticAdviser(),
    "game24": Game24Adviser(),
    "countdown": Game24Adviser(),
    "bandit": BanditAdviser(),
}
"""By the family's name."""


def adviser_of(env: TextEnv) -> Adviser:
    """Return the expert of an environment; a `UserError` where its family has none."""
    family = env.rules.family
    if family not in ADVISERS:
        raise UserError(f"No expert shows the family {family!r}; there are experts for {', '.join(ADVISERS)}.")
    return ADVISERS[family]
