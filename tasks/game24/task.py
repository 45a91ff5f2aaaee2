"""The instance of every game here: some numbers and a target."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ..task import Task


class NumbersTask(Task):
    """Make the target from the numbers."""

    family: ClassVar[str] = "numbers"

    numbers: Annotated[tuple[int, ...], Field(min_length=2, max_length=8)]
    """Sorted, each non-negative."""
    target: Annotated[int, Field(ge=0)] = 24

    @field_validator("numbers")
    @classmethod
    def _sorted(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if min(numbers) < 0:
            raise ValueError("numbers must not be negative")
        return tuple(sorted(numbers))


class Game24Task(NumbersTask):
    """Four numbers, all of them to be used."""

    family: ClassVar[str] = "game24"


class CountdownTask(NumbersTask):
    """Some numbers, each to be used at most once."""

    family: ClassVar[str] = "countdown"
