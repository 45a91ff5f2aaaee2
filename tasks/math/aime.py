"""Endless original problems in AIME's format: the generators of all areas as one task source."""

import json
from collections.abc import Sequence

from ..errors import UnknownName
from ..rng import Rng
from ..task import GeneratedSource
from . import (
    algebra,
    combinatorics,
    combinatorics_arrangements,
    geometry,
    geometry_lattice,
    number_theory,
    number_theory_divisors,
    probability,
    probability_processes,
)
from .generator import LEVELS, Generator
from .task import MathTask

_MODULES = (
    number_theory,
    number_theory_divisors,
    combinatorics,
    combinatorics_arrangements,
    algebra,
    geometry,
    geometry_lattice,
    probability,
    probability_processes,
)

GENERATORS: dict[str, Generator] = {generator.name: generator for module in _MODULES for generator in module.GENERATORS}
"""Every generator by name."""

AREAS: tuple[str, ...] = tuple(dict.fromkeys(generator.area for generator in GENERATORS.values()))
"""The areas, in the order in which listings print them."""


def generated_task(generator: Generator, rng: Rng, level: str) -> MathTask:
    """Return one problem of a generator as a task (of no split in particular)."""
    problem = generator.problem(rng, level)
    params = {name: value for name, value in problem.params.items() if name != "wording"}
    origin = json.dumps([problem.generator, params], sort_keys=True, separators=(",", ":"))
    return MathTask(problem=problem.statement, answer=str(problem.answer), area=problem.area, origin=origin)


class AimeSource(GeneratedSource[MathTask]):
    """Problems from exact generators; the answer is an integer from 0 to 999.

    Every seed first picks a generator, uniformly, then a problem of it. Two phrasings of one problem belong to the
    same split. Levels differ in the size of the numbers and in the number of conditions and steps. The best constant
    answer is right about once in a hundred problems (`tests/math/test_aime.py` measures it).

    Args:
        areas: Only generators of these areas; all if None.
        generators: Only these generators; all if None.
    """

    difficulties = LEVELS

    def __init__(self, areas: Sequence[str] | None = None, generators: Sequence[str] | None = None) -> None:
        for area in areas or ():
            if area not in AREAS:
                raise UnknownName("area", area, AREAS)
        for name in generators or ():
            if name not in GENERATORS:
                raise UnknownName("generator", name, GENERATORS)
        self.generators: tuple[Generator, ...] = tuple(
            generator
            for generator in GENERATORS.values()
            if (not areas or generator.area in areas) and (not generators or generator.name in generators)
        )
        if not self.generators:
            raise UnknownName("generator of these areas", ", ".join(generators or ()), GENERATORS)

    def generate(self, rng: Rng, difficulty: str) -> MathTask:
        """Return a problem of a random generator."""
        return generated_task(rng.choice(self.generators), rng, difficulty)

    def split_content(self, task: MathTask) -> str:
        """Return the generator and its parameters without the wording."""
        return task.origin
