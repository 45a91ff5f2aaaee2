"""The instance: a level in XSB, and a solution where one is known."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from ..task import Task
from .xsb import parse


class SokobanTask(Task):
    """One level."""

    family: ClassVar[str] = "sokoban"

    level: Annotated[str, Field(max_length=5_000)]
    """The rows in XSB: `#` wall, space floor, `.` goal, `$` box, `*` box on goal, `@` player, `+` player on goal."""
    solution: Annotated[str, Field(pattern="^[udlrUDLR]*$")] | None = None
    """A known solution in LURD notation (a capital letter is a push); no part of the instance's identity."""

    @field_validator("level")
    @classmethod
    def _readable(cls, level: str) -> str:
        parse(level)
        return level

    def content(self) -> dict[str, Any]:
        """Return the level alone."""
        return {"level": self.level}
