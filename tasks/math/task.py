"""The instance: a statement and the gold answer."""

from typing import Annotated, ClassVar

from pydantic import Field

from ..task import Task


class MathTask(Task):
    """One problem with its answer."""

    family: ClassVar[str] = "math"

    problem: Annotated[str, Field(min_length=1)]
    """The statement, usually with LaTeX."""
    answer: Annotated[str, Field(min_length=1)]
    """The gold answer as its source has it; the verifier reads it."""
    area: str = ""
    """The field of mathematics, where the source tells."""
    origin: str = ""
    """For generated problems, the generator and its parameters; decides the split."""
