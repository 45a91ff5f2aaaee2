"""The parser computes exactly and evaluates nothing; moves and solvers agree with brute force."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.game24.arithmetic import (
    ExpressionError,
    find_expression,
    moves,
    parse_expression,
    random_success,
    winning_moves,
)


@pytest.mark.parametrize(
    ("text", "value", "numbers"),
    [
        ("1+2*3", 7, (1, 2, 3)),
        ("(1+2)*3", 9, (1, 2, 3)),
        ("8/(3-8/3)", 24, (8, 3, 8, 3)),
        ("2-3-4", -5, (2, 3, 4)),
        ("24/4/2", 3, (24, 4, 2)),
        ("-(2)+5", 3, (2, 5)),
        ("--2", 2, (2,)),
        ("6 × 4", 24, (6, 4)),
        ("6x4", 24, (6, 4)),
        ("48 ÷ 2", 24, (48, 2)),
        ("30 − 6", 24, (30, 6)),
        ("((((5))))", 5, (5,)),
        ("1/3", Fraction(1, 3), (1, 3)),
    ],
)
def test_expressions_have_their_exact_value(text, value, numbers):
    assert parse_expression(text) == (value, numbers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "()",
        "1+",
        "*3",
        "1 2",
        "(1+2",
        "1+2)",
        "1/0",
        "1/(2-2)",
        "2**3",
        "2^3",
        "1.5*2",
        "2e3",
        "__import__('os')",
        "abs(3)",
        "1_000",
        "9" * 10,
        "(" * 60 + "1" + ")" * 60,
        "-" * 100 + "1",
        "1+" * 300 + "1",
        "٣+٤",
        "3\n+4;",
        "x",
    ],
)
def test_anything_else_is_refused_with_a_reason(text):
    with pytest.raises(ExpressionError) as error:
        parse_expression(text)
    assert str(error.value) and not str(error.value).endswith(".")


@st.composite
def trees(draw, depth=4):
    if depth == 0 or draw(st.booleans()):
        number = draw(st.integers(0, 99))
        return str(number), Fraction(number), (number,)
    left, a, used_left = draw(trees(depth=depth - 1))
    right, b, used_right = draw(trees(depth=depth - 1))
    sign = draw(st.sampled_from("+-*/"))
    if sign == "/" and b == 0:
        sign = "*"
    value = {"+": a + b, "-": a - b, "*": a * b}[sign] if sign != "/" else a / b
    return f"({left}{sign}{right})", value, used_left + used_right


@given(trees())
def test_parsing_a_written_tree_gives_back_its_value_and_its_numbers(tree):
    text, value, numbers = tree
    assert parse_expression(text) == (value, numbers)


@given(st.text())
def test_no_text_raises_anything_but_an_expression_error(text):
    try:
        parse_expression(text)
    except ExpressionError:
        pass


quads = st.lists(st.integers(1, 13), min_size=2, max_size=4).map(lambda numbers: tuple(sorted(numbers)))


@given(quads, st.sampled_from(["exact", "rational"]))
def test_every_move_says_what_it_does(numbers, division):
    texts = [move.text for move in moves(numbers, division)]
    assert len(set(texts)) == len(texts)
    for move in moves(numbers, division):
        a, sign, b = move.text.split()
        expected = {"+": Fraction(a) + Fraction(b), "-": Fraction(a) - Fraction(b), "*": Fraction(a) * Fraction(b)}
        result = expected[sign] if sign != "/" else Fraction(a) / Fraction(b)
        assert result == move.result
        rest = list(numbers)
        rest.remove(int(a))
        rest.remove(int(b))
        assert tuple(sorted([*rest, result])) == move.left
        if division == "exact":
            assert all(isinstance(number, int) and number >= 0 for number in move.left)


def brute_force(numbers: tuple[Fraction, ...], target: int) -> bool:
    if len(numbers) == 1:
        return numbers[0] == target
    for i, j in itertools.permutations(range(len(numbers)), 2):
        rest = tuple(number for k, number in enumerate(numbers) if k not in (i, j))
        a, b = numbers[i], numbers[j]
        results = [a + b, a - b, a * b] + ([a / b] if b else [])
        if any(brute_force((*rest, result), target) for result in results):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(quads, st.integers(0, 40))
def test_solver_and_expression_finder_agree_with_brute_force(numbers, target):
    expected = brute_force(tuple(map(Fraction, numbers)), target)
    assert (winning_moves(numbers, target, "rational") is not None) == expected
    expression = find_expression(numbers, target, "rational")
    assert (expression is not None) == expected
    if expression is not None:
        value, used = parse_expression(expression)
        assert value == target and tuple(sorted(used)) == numbers
    assert (random_success(numbers, target, "rational") > 0) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 99), min_size=3, max_size=5), st.integers(10, 999))
def test_countdown_expressions_use_each_number_at_most_once(numbers, target):
    expression = find_expression(tuple(sorted(numbers)), target, "exact", subset=True)
    if expression is not None:
        value, used = parse_expression(expression)
        assert value == target
        for number in used:
            assert used.count(number) <= numbers.count(number)
