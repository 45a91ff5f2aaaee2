"""Every generator: answers proved twice, many varied problems, real levels, clean statements, no silent change."""

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from rlvr.tasks.math.aime import AREAS, GENERATORS, generated_task
from rlvr.tasks.math.generator import LEVELS, numbers_in, one_operation_away
from rlvr.tasks.rng import Rng

from . import proofs_counting, proofs_exact

PROOFS = proofs_counting.PROOFS | proofs_exact.PROOFS
GOLDEN = Path(__file__).with_name("golden_generators.json")

every_generator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=list(GENERATORS))


def problems(generator, level, count, purpose):
    rng = Rng.named("tests", purpose, generator.name, level)
    return [generator.problem(rng, level) for _ in range(count)]


def without_wording(problem):
    return json.dumps({name: value for name, value in problem.params.items() if name != "wording"}, sort_keys=True)


def test_there_are_generators_for_every_area_and_a_proof_for_each():
    assert len(GENERATORS) >= 28
    assert set(PROOFS) == set(GENERATORS)
    assert set(AREAS) == {"number theory", "combinatorics", "algebra", "geometry", "probability"}
    assert min(Counter(generator.area for generator in GENERATORS.values()).values()) >= 5


@every_generator
def test_an_independent_computation_gives_the_same_answer(generator):
    for level in LEVELS:
        for problem in problems(generator, level, 10, "proofs"):
            assert PROOFS[generator.name](problem.params) == problem.answer, problem


@every_generator
def test_a_thousand_distinct_problems_with_spread_answers(generator):
    distinct = {}
    rngs = {level: Rng.named("tests", "distinct", generator.name, level) for level in LEVELS}
    for turn in range(24_000):
        level = LEVELS[turn % 3]
        problem = generator.problem(rngs[level], level)
        distinct[without_wording(problem)] = problem
        if len(distinct) == 1000:
            break
    assert len(distinct) == 1000
    assert len({problem.statement for problem in distinct.values()}) >= 999  # wording aside, statements differ too
    answers = Counter(problem.answer for problem in list(distinct.values())[:500])
    assert answers.most_common(1)[0][1] <= 40, answers.most_common(3)
    assert all(0 <= answer <= 999 for answer in answers)


@every_generator
def test_levels_are_different_problems(generator):
    easy, medium, hard = (
        {without_wording(problem) for problem in problems(generator, level, 100, "levels")} for level in LEVELS
    )
    assert len(easy & hard) <= 2 and len(easy & medium) <= 4


@every_generator
def test_statements_read_like_a_contest(generator):
    wordings = set()
    for level in LEVELS:
        for problem in problems(generator, level, 40, "statements"):
            text = problem.statement
            wordings.add(problem.params["wording"])
            assert text[0].isupper() and text[-1] in ".?", text
            assert "  " not in text and "\n" not in text and "None" not in text, text
            assert text.count("$") % 2 == 0 and text.count("{") == text.count("}"), text
            assert text.count("(") == text.count(")") and text.count("\\left") == text.count("\\right"), text
            assert not re.search(r"\.\.|,\s*[.?]|\$\$\$", text), text
            between = re.sub(r"\$\$", "$", text).split("$")[2:-1:2]
            assert all(words[0] in " ,.;:?)-" and words[-1] in " (-" for words in between), text
            assert 60 <= len(text) <= 700
    assert wordings == set(range(generator.wordings)) and generator.wordings >= 2
    assert len(generator.steps) >= 3


@every_generator
def test_no_problem_falls_to_a_single_operation(generator):
    for level in LEVELS:
        for problem in problems(generator, level, 60, "operations"):
            shown = numbers_in(problem.statement)
            reached = set(shown) | {a + b for a in shown for b in shown} | {a * b for a in shown for b in shown}
            reached |= {abs(a - b) for a in shown for b in shown} | {a // b for a in shown for b in shown if b}
            reached |= {a % b for a in shown for b in shown if b}
            assert problem.answer not in reached, problem


def test_one_operation_away_sees_every_operation():
    for answer in (17, 5, 22, 12, 85, 3, 2, 1, 17**2):
        assert one_operation_away([17, 5, 2], answer), answer
    assert not one_operation_away([17, 5, 2], 23)


def test_numbers_in_reads_digits_and_words():
    assert numbers_in("Three dice, $10^{3}$, two $a_{12}$; tenor, someone") == [3, 10, 3, 2, 12]


@every_generator
def test_problems_never_change_silently(generator):
    """A change here changes what seeds mean: raise the ids' version, then set RLVR_UPDATE_GOLDEN=1 once."""
    text = json.dumps(
        [
            [task.problem, task.answer, task.origin]
            for level in LEVELS
            for rng in [Rng.named("golden", generator.name, level)]
            for task in (generated_task(generator, rng, level) for _ in range(8))
        ]
    )
    found = hashlib.sha256(text.encode()).hexdigest()
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("RLVR_UPDATE_GOLDEN"):
        golden[generator.name] = found
        GOLDEN.write_text(json.dumps(golden, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert golden[generator.name] == found
