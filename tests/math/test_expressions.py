"""At most 5 % of a generator's problems fall to one arithmetic expression over the statement's numbers."""

import json

import numpy as np
import pytest

from rlvr.tasks.math.aime import GENERATORS
from rlvr.tasks.math.generator import LEVELS, Problem
from rlvr.tasks.rng import Rng

from .expressions import template_share

ALLOWED = 0.05

every_generator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=list(GENERATORS))


def distinct_problems(generator, levels, count):
    """Problems that differ in more than their wording: a template must not be measured on what it was chosen on."""
    found = {}
    for level in levels:
        rng = Rng.named("tests", "expressions", generator.name, level)
        for _ in range(count):
            problem = generator.problem(rng, level)
            key = {name: value for name, value in problem.params.items() if name != "wording"}
            found[json.dumps(key, sort_keys=True)] = problem
    return list(found.values())


@every_generator
def test_no_expression_with_two_operations(generator):
    share, measured = template_share(distinct_problems(generator, LEVELS, 130), positions=7, operations=2)
    assert measured >= 100
    assert share <= ALLOWED


@every_generator
def test_no_expression_with_three_operations(generator):
    share, _ = template_share(distinct_problems(generator, LEVELS[:1], 200), positions=3, operations=3)
    assert share <= ALLOWED


def made_up(formula):
    """Problems over four numbers whose answer is a formula of them, so that the measurement can be seen to work."""
    rng = Rng.named("tests", "made up")
    result = []
    for _ in range(120):
        a, b, c, d = (rng.integer(2, 40) for _ in range(4))
        statement = f"Given ${a}$, ${b}$, ${c}$ and ${d}$, find it."
        result.append(Problem("made up", "algebra", {"wording": 0}, statement, formula(a, b, c, d)))
    return result


def test_the_measurement_finds_formulas():
    assert template_share(made_up(lambda a, b, c, d: a * b - d), positions=7, operations=2)[0] == 1.0
    assert template_share(made_up(lambda a, b, c, d: (a + c) % d), positions=7, operations=2)[0] == 1.0
    assert template_share(made_up(lambda a, b, c, d: a * (b + 1) // c), positions=3, operations=3)[0] == 1.0
    assert template_share(made_up(lambda a, b, c, d: (a + b) * (c - a)), positions=3, operations=3)[0] == 1.0
    half = iter(np.arange(1000))
    mixed = made_up(lambda a, b, c, d: a + b + c if next(half) % 2 else (a**7 * b + c * d**5) % 997)
    assert 0.3 < template_share(mixed, positions=7, operations=2)[0] < 0.7


def test_the_measurement_finds_nothing_in_noise():
    noise = made_up(lambda a, b, c, d: (a**7 * b + c * d**5 + 13 * a * b * c * d) % 997)
    assert template_share(noise, positions=7, operations=2)[0] <= ALLOWED
