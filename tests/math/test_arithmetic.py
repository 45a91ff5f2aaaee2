"""Arithmetic: every answer is computed again from the printed expression by a parser of the tests' own."""

import re
from collections import Counter
from fractions import Fraction

import pytest

from rlvr.tasks.math.arithmetic import ArithmeticSource

TOKEN = re.compile(r"\\frac|\\times|\\div|\\left\(|\\right\)|\d+|[-+^(){}]")


class Reader:
    """A recursive-descent reader of the LaTeX that the source prints."""

    def __init__(self, text):
        self.tokens = TOKEN.findall(text)
        assert "".join(self.tokens) == text.replace(" ", "").replace("\\left(", "\\left(")
        self.at = 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *wanted):
        token = self.tokens[self.at]
        assert not wanted or token in wanted
        self.at += 1
        return token

    def sum(self):
        value = self.product()
        while self.peek() in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self):
        value = self.power()
        while self.peek() in ("\\times", "\\div"):
            value = value * self.power() if self.take() == "\\times" else value / self.power()
        return value

    def power(self):
        value = self.atom()
        if self.peek() == "^":
            self.take()
            return value ** int(self.group())
        return value

    def group(self):
        self.take("{")
        value = self.sum()
        self.take("}")
        return value

    def atom(self):
        token = self.take()
        if token == "\\frac":
            top = self.group()
            return top / self.group()
        if token in ("(", "\\left("):
            value = self.sum()
            self.take(")", "\\right)")
            return value
        return Fraction(int(token))


def expression_of(task):
    return re.fullmatch(
        r"(?:Compute|Evaluate|Find the value of) \$(.*)\$\.(?: Give the exact value, .*)?", task.problem
    ).group(1)


@pytest.mark.parametrize("level", ArithmeticSource.difficulties)
def test_answers_are_exact(level):
    source = ArithmeticSource()
    for seed in range(400):
        task = source.sample(seed, "train", level)
        reader = Reader(expression_of(task))
        assert str(reader.sum()) == task.answer
        assert reader.peek() is None


def test_levels_are_what_they_say():
    source = ArithmeticSource()

    def expressions(level):
        return [expression_of(source.sample(seed, "train", level)) for seed in range(300)]

    def operations(text):
        return len(re.findall(r"[-+]|\\times|\\div|\^", text))

    assert all(re.fullmatch(r"\d+ [-+] \d+", text) for text in expressions("easy"))
    medium, hard, expert = expressions("medium"), expressions("hard"), expressions("expert")
    assert all(2 <= operations(text) <= 3 and "(" not in text for text in medium)
    assert all(4 <= operations(text) <= 6 and "(" in text for text in hard)
    assert all("frac" in text for text in expert) and any("^" in text for text in expert)
    for texts in (medium, hard):
        assert all(any(sign in text for text in texts) for sign in ("+", "-", "\\times", "\\div"))
    assert any("/" in source.sample(seed, "train", "expert").answer for seed in range(20))


def test_splits_share_no_expression_and_no_constant_answer_is_common():
    source = ArithmeticSource()
    for level in source.difficulties:
        train = {source.sample(seed, "train", level).origin for seed in range(200)}
        test = {source.sample(seed, "test", level).origin for seed in range(200)}
        assert not train & test
        assert len(train) >= 180
        answers = Counter(source.sample(seed, "train", level).answer for seed in range(1000))
        assert answers.most_common(1)[0][1] <= 40
