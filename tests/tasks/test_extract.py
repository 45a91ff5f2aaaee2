"""An action is read from a reply by one pure function; a table of replies says how."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.tasks.actions import ActionSpec, Param
from rlvr.tasks.extract import Extraction, ExtractionRule, extract, last_boxed, without_thoughts

SPECS = (
    ActionSpec("wait", "wait", "wait", "wait", "wait"),
    ActionSpec(
        "combine",
        r"(?P<a>\d+) (?P<operation>[-+]) (?P<b>\d+)",
        "{a} {operation} {b}",
        "1 + 2",
        "combine",
        (
            Param("a", "integer", "first"),
            Param("operation", "string", "which", ("+", "-")),
            Param("b", "integer", "second"),
        ),
    ),
)

CASES = [
    ("tag", "I go. <action>up</action>", "up", "tag"),
    ("tag", "<action>up</action> no: <action> down </action>", "down", "tag"),
    ("tag", "cut off by a stop string: <action>left", "left", "tag"),
    ("tag", "<ACTION>Up</ACTION>", "Up", "tag"),
    ("tag", "up", None, None),
    ("tag", "<action></action>", None, None),
    ("tag", "<think><action>up</action></think> <action>down</action>", "down", "tag"),
    ("tag", "<think>I could <action>up</action>", None, None),
    ("json", '{"action": "wait"}', "wait", "json"),
    ("json", 'So:\n```json\n{"action": "combine", "a": 1, "operation": "+", "b": 2}\n```', "1 + 2", "json"),
    ("json", '{"action": "combine", "arguments": {"a": 1, "operation": "-", "b": 2}}', "1 - 2", "json"),
    ("json", '{"action": "wait"} then {"action": "up"}', "up", "json"),
    ("json", '{"thought": "x", "n": {"action": 3}}', None, None),
    ("json", '{"action": "wait"', None, None),
    ("boxed", r"It is \boxed{\frac{1}{2}}.", r"\frac{1}{2}", "boxed"),
    ("boxed", r"\boxed{3} and \boxed{4}", "4", "boxed"),
    ("boxed", r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
    ("boxed", r"\boxed{3} and \boxed{4", "3", "boxed"),
    ("boxed", r"\boxed {7}", "7", "boxed"),
    ("boxed", "3", None, None),
    ("last_line", "Let me see.\n\nAction: up", "up", "last_line"),
    ("last_line", "**Final answer:** `4 + 8`", "4 + 8", "last_line"),
    ("last_line", "up\n\n\n", "up", "last_line"),
    ("last_line", "The move is: left.", "The move is: left", "last_line"),
    ("last_line", "Move: left.", "left", "last_line"),
    ("last_line", "```\nup\n```", "up", "last_line"),
    ("last_line", " \n\t\n", None, None),
    ("auto", r'<action>up</action> {"action": "wait"} \boxed{3}' + "\nleft", "up", "tag"),
    ("auto", '{"action": "wait"}\nleft', "wait", "json"),
    ("auto", r"\boxed{3}" + "\nthat is all", "3", "boxed"),
    ("auto", "so\nleft", "left", "last_line"),
    ("auto", "", None, None),
    ("auto", "<think>only thoughts", None, None),
    ("raw", " as it stands\n", " as it stands\n", "raw"),
    ("raw", "", "", "raw"),
]


@pytest.mark.parametrize(("rule", "reply", "action", "found_by"), CASES)
def test_a_reply_yields_its_action(rule, reply, action, found_by):
    expected = None if action is None else Extraction(action, ExtractionRule(found_by))
    assert extract(reply, rule, SPECS) == expected


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="xml"):
        extract("up", "xml")


@given(st.text(), st.sampled_from(list(ExtractionRule)))
def test_no_reply_raises_and_the_same_reply_reads_the_same(reply, rule):
    assert extract(reply, rule, SPECS) == extract(reply, rule, SPECS)


@given(st.text(alphabet="\\boxed{}<>/actionthik\"' :", max_size=200))
def test_what_is_found_in_a_box_stands_in_the_reply(reply):
    inside = last_boxed(reply)
    assert inside is None or inside in reply


@pytest.mark.parametrize(
    "reply",
    [
        "<think>" * 50_000,
        "<think></think>" * 30_000,
        r"\boxed{" * 50_000,
        "{" * 200_000,
        '{"action": ' * 20_000,
        "<action>" * 50_000,
        "\n" * 400_000,
        "[" * 200_000 + "{",
    ],
)
def test_a_hostile_reply_takes_no_time(reply):
    start = time.process_time()
    for rule in ExtractionRule:
        extract(reply, rule, SPECS)
    assert time.process_time() - start < 3


def test_thoughts_go_and_the_rest_stays():
    assert without_thoughts("a<think>b</think>c<Thinking>d</THINKING>e") == "ace"
    assert without_thoughts("no thoughts") == "no thoughts"
    assert without_thoughts("a</think>b") == "a</think>b"


def test_json_goes_before_a_box():
    found = extract('{"action": "wait"} for \\boxed{3} turns', "auto", SPECS)
    assert found == Extraction("wait", ExtractionRule.JSON)
