"""Properties over generated texts and numbers."""

import pickle
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rlvr.tasks.verify import Verdict, VerdictStatus, VerifyPolicy, verify
from rlvr.tasks.verify.judge import ExactOracle, Undecided, rule
from rlvr.tasks.verify.local import plain_integers, settle
from rlvr.tasks.verify.symbolic import SymbolicOracle

STRICT = VerifyPolicy()
quiet = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)

ANY_TEXT = st.text(st.characters(codec=None), max_size=60) | st.text("\ud800\udfff\x00\u202e5x{}\\$", max_size=20)
PIECES = [
    r"\frac",
    r"{",
    r"}",
    r"(",
    r")",
    r"[",
    r"]",
    r"1",
    r"2",
    r"3.5",
    r"0.",
    r".5",
    r"x",
    r"y",
    r"e",
    r"i",
    r"a",
    r"sin",
    r"\sin",
    r"\cos",
    r"\sqrt",
    r"^",
    r"_",
    r"+",
    r"-",
    r"*",
    r"/",
    r"=",
    r"<",
    r"\le",
    r"\in",
    r"\cup",
    r"\setminus",
    r",",
    r";",
    r":",
    r"!",
    r"%",
    r"\%",
    r"|",
    r"'",
    r"\pi",
    r"\infty",
    r"\{",
    r"\}",
    r"\text{cm}",
    r"\text{and}",
    r"\text{if}",
    r"\mathrm{e}",
    r"\mathbb{R}",
    r"\begin{pmatrix}",
    r"\end{pmatrix}",
    r"&",
    r"\\",
    r"\int",
    r"\sum_{k=1}^{3}",
    r"\prod",
    r"\log_2",
    r"\ln",
    r"\pm",
    r"\approx",
    r"^\circ",
    r"\boxed{",
    r"$",
    r"\(",
    r"\)",
    r"\[",
    r"\]",
    r"and",
    r"or",
    r"also",
    r"answer:",
    r"####",
    r"A:",
    r"<think>",
    r"</think>",
    r"<answer>",
    r"</answer>",
    r"1e3",
    r"1,234",
    r"cm",
    r"word",
    r"\overline{3}",
    r"\binom",
    r"\lfloor",
    r"\rfloor",
    r"\vec{v}",
    r"f(",
    r"np.",
    r"204_5",
    r"\left",
    r"²",
    r"½",
    r"π",
]
SOUP = st.lists(st.sampled_from(PIECES) | st.just(" "), max_size=16).map("".join)


@quiet
@given(gold=ANY_TEXT, answer=ANY_TEXT)
@example(gold="5", answer="")
@example(gold="", answer="5")
@example(gold="\ud800", answer="\ud800")
def test_any_two_texts_give_a_verdict(gold: str, answer: str) -> None:
    verdict = verify(gold, answer)
    assert isinstance(verdict, Verdict)
    assert Verdict.from_json(verdict.to_json()) == verdict


@settings(quiet, max_examples=400)
@given(gold=SOUP, answer=SOUP)
def test_any_pile_of_mathematical_signs_gives_a_decided_verdict(gold: str, answer: str) -> None:
    verdict = verify(gold, answer)
    assert verdict.decided or verdict.reason.startswith("The gold answer")
    assert pickle.loads(pickle.dumps(verdict)) == verdict


@quiet
@given(gold=SOUP, answer=SOUP)
def test_a_locally_settled_verdict_is_the_worker_s_verdict(gold: str, answer: str) -> None:
    try:
        fast = rule((gold,), answer, (), STRICT, ExactOracle(STRICT))
    except Undecided:
        return
    assert fast == rule((gold,), answer, (), STRICT, SymbolicOracle(STRICT))


@quiet
@given(gold=st.integers(-(10**20), 10**20), answer=st.integers(-(10**20), 10**20), same=st.booleans())
def test_the_integer_path_agrees_with_the_full_path(gold: int, answer: int, same: bool) -> None:
    answer = gold if same else answer
    texts = [f"{answer}", f" {answer}", f"{answer:+d}"]
    for text in texts:
        quick = plain_integers(str(gold), text, STRICT)
        full = rule((str(gold),), text, (), STRICT, SymbolicOracle(STRICT))
        assert full.status is (VerdictStatus.CORRECT if gold == answer else VerdictStatus.WRONG)
        if quick is not None:
            assert quick.status is full.status


def spellings(value: Fraction) -> list[str]:
    top, bottom = value.numerator, value.denominator
    texts = [
        f"{top}/{bottom}",
        rf"\frac{{{top}}}{{{bottom}}}",
        rf"\dfrac{{{3 * top}}}{{{3 * bottom}}}",
        f"{top} * {bottom}^{{-1}}",
        f"({top})/({bottom})",
        f"x = {top}/{bottom}",
        rf"$\frac{{{top}}}{{{bottom}}}$",
        rf"The answer is \boxed{{\tfrac{{{top}}}{{{bottom}}}}}.",
    ]
    if bottom == 1:
        texts += [f"{top}", f"{top:,}", f"{top}.0", f"{top:,}".replace(",", r"{,}"), f"{top}.", f"{top}e0"]
    if (10**6 * value).denominator == 1:
        texts.append(f"{float(value):.6f}")
    return texts


@quiet
@given(top=st.integers(-9999, 9999), bottom=st.integers(1, 40), data=st.data())
def test_every_spelling_of_a_fraction_is_accepted_and_its_neighbours_are_not(
    top: int, bottom: int, data: st.DataObject
) -> None:
    value = Fraction(top, bottom)
    gold = data.draw(st.sampled_from(spellings(value)))
    assert verify(gold, data.draw(st.sampled_from(spellings(value)))).correct
    other = value + Fraction(data.draw(st.sampled_from([-1, 1])), data.draw(st.integers(1, 40)))
    assert not verify(gold, data.draw(st.sampled_from(spellings(other)))).correct


@settings(quiet, max_examples=60)
@given(
    first=st.fractions(-50, 50, max_denominator=20),
    second=st.fractions(-50, 50, max_denominator=20),
    same=st.booleans(),
)
def test_fractions_are_judged_as_math_verify_judges_them(first: Fraction, second: Fraction, same: bool) -> None:
    import math_verify

    second = first if same else second
    gold, answer = (rf"\frac{{{v.numerator}}}{{{v.denominator}}}" for v in (first, second))
    parsed = [math_verify.parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
    assert verify(gold, answer).correct == math_verify.verify(*parsed, timeout_seconds=None)


POLYNOMIALS = st.recursive(
    st.sampled_from(["x", "y", "2", "3", "7", r"\pi", r"\sqrt{2}"]),
    lambda inner: st.tuples(inner, st.sampled_from([" + ", " - ", r" \cdot "]), inner).map(lambda t: f"({''.join(t)})"),
    max_leaves=6,
)


@settings(quiet, max_examples=60)
@given(first=POLYNOMIALS, second=POLYNOMIALS)
def test_polynomials_are_equal_exactly_where_sympy_says_so(first: str, second: str) -> None:
    import sympy

    from rlvr.tasks.verify.mathverify import to_sympy
    from rlvr.tasks.verify.parser import parse_answer

    left, right = to_sympy(parse_answer(first)), to_sympy(parse_answer(second))
    assert verify(first, second).correct == (sympy.expand(left - right) == 0)
    assert verify(first, sympy.latex(sympy.expand(left))).correct


@quiet
@given(number=st.integers(0, 999), wrong=st.integers(0, 999), where=st.booleans())
def test_hedging_never_wins(number: int, wrong: int, where: bool) -> None:
    if number == wrong:
        return
    pair = (number, wrong) if where else (wrong, number)
    for text in (
        "{} or {}",
        "either {} or {}",
        "{}. also {}",
        "The answer is {} or maybe {}.",
        r"\boxed{{{}}} or \boxed{{{}}}",
        r"\boxed{{{}}} ... \boxed{{{}}}",
        r"\boxed{{{}, {}}}",
        r"$\boxed{{{}}}$ and also $\boxed{{{}}}$",
        "#### {}\n#### {}",
        "The answer is {}. The answer is {}.",
        "<answer>{}</answer><answer>{}</answer>",
    ):
        verdict = verify(str(number), text.format(*pair))
        assert verdict.status is VerdictStatus.WRONG, (text.format(*pair), verdict)


@pytest.mark.parametrize("count", [2, 10, 1000])
def test_listing_every_possible_answer_never_wins(count: int) -> None:
    texts = [str(i) for i in range(count)]
    for answer in (
        ", ".join(texts),
        r"\boxed{" + ",".join(texts) + "}",
        " or ".join(texts),
        "".join(rf"\boxed{{{t}}}" for t in texts),
    ):
        for gold in ("0", "1", str(count - 1)):
            assert not verify(gold, answer).correct


def test_a_job_is_handed_over_only_when_needed() -> None:
    assert isinstance(settle("1/2", "0.5", STRICT), Verdict)
    assert isinstance(settle("(1,2)", "(1,3)", STRICT), Verdict)
    assert not isinstance(settle(r"\sqrt{8}", r"2\sqrt 2", STRICT), Verdict)
