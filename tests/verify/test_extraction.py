"""Where the final answer is found, and what makes a text hedge."""

import pytest

from rlvr.tasks.verify import VerifyPolicy, extract
from rlvr.tasks.verify.extraction import extract_choice, extract_gold, gold_choice

STRICT = VerifyPolicy()


@pytest.mark.parametrize(
    ("text", "answer", "kind"),
    [
        (r"so \boxed{42}.", "42", "box"),
        (r"The answer is 5. \boxed{42}", "42", "box"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", "box"),
        (r"\boxed{1}, \boxed{2} and \boxed{3}", "1, 2, 3", "box"),
        (r"$y_1 = \boxed{1}$ and $y_2 = \boxed{2}$", "1, 2", "box"),
        (r"\boxed{7} \text{ for part (a) and } \boxed{8}", "7, 8", "box"),
        (r"<think>\boxed{1}</think> \boxed{2}", "2", "box"),
        ("<answer>42</answer>", "42", "tag"),
        ("The answer is 3. <answer>42</answer>", "42", "tag"),
        ("He had 3.\n#### 42", "42", "mark"),
        ("2 + 2 = 4\nA: 4", "4", "mark"),
        ("The answer is 42.", "42", "announced"),
        ("The final answer is $x = 3$. I hope it is correct.", "x = 3", "announced"),
        ("the answer is 42, or 43", "42, 43", "announced"),
        ("42", "42", "bare"),
        ("10 cm^2", "10 cm^2", "bare"),
        ("Evelyn", "Evelyn", "bare"),
        ("We find that $x < 3$ holds.", "x < 3", "prose"),
        ("That makes 100% of them in total.", "100%", "prose"),
        ("I think 41 or 42 of them", "41, 42", "prose"),
    ],
)
def test_the_last_statement_of_the_highest_rank_is_the_answer(text: str, answer: str, kind: str) -> None:
    found = extract(text, STRICT)
    assert (found.answer, found.kind) == (answer, kind)
    assert found.others == ()


@pytest.mark.parametrize(
    ("text", "others"),
    [
        (r"\boxed{41}. No: it must be something else, so \boxed{42}", ("41",)),
        ("#### 41\n#### 42", ("41",)),
        ("The answer is 41. So the answer is 42.", ("41",)),
        (r"\boxed{42}, hence the claim, and finally \boxed{42}", ()),
    ],
)
def test_earlier_statements_that_differ_are_kept_as_others(text: str, others: tuple[str, ...]) -> None:
    found = extract(text, STRICT)
    assert found.answer == "42"
    assert found.others == others


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (r"\boxed{42", "never closed"),
        (r"\boxed{41} then \boxed{42", "never closed"),
        (r"\boxed{}", "empty"),
        ("<think> it is 42", "never closed"),
        ("<answer>42", "never closed"),
        ("there is no way to know this for sure", "no answer"),
        ("x" * 1_000_001, "characters"),
    ],
)
def test_a_text_without_a_final_answer_says_why(text: str, problem: str) -> None:
    found = extract(text, STRICT)
    assert found.answer is None
    assert problem in found.problem


def test_switches_of_the_extraction() -> None:
    assert extract("The answer is 42", VerifyPolicy(box_required=True)).answer is None
    assert extract("So we have 42 of these things.", VerifyPolicy(last_number=False)).answer is None
    assert extract("The answer is 42", VerifyPolicy(last_number=False)).answer == "42"


@pytest.mark.parametrize(
    ("gold", "letter"), [("D", "D"), ("(D) Alina", "D"), ("C Cecile", "C"), ("42", None), ("Evelyn", None), ("K", None)]
)
def test_option_letters_of_golds(gold: str, letter: str | None) -> None:
    assert gold_choice(gold) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The answer is for sure D, it can't be A or B", "D"),
        ("D. it can't be A or B", "D"),
        (r"\boxed{B}", "B"),
        ("I would take (C)", "C"),
    ],
)
def test_option_letters_of_answers(text: str, letter: str) -> None:
    assert extract_choice(text, STRICT).answer == letter


def test_golds_may_be_prose() -> None:
    assert extract_gold("... Final Answer: The final answer is $28 \\%$. I hope it is correct.") == "28 \\%"
    assert extract_gold("   ") is None


@pytest.mark.parametrize("text", ["42", " 42.", "$42$", "**42**", "-7", ": 42", "42 cm", "42, or 43", "$42$ or $43$"])
def test_the_short_way_through_an_announcement_finds_what_the_long_way_finds(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    from rlvr.tasks.verify import extraction as module

    short = extract(f"The answer is {text}", STRICT)
    monkeypatch.setattr(module, "_ONLY_INTEGER", re.compile(r"(?!)"))
    assert extract(f"The answer is {text}", STRICT) == short
