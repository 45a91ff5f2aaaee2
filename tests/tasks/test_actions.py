"""One specification of an action: parsing, grammar, schema and tools agree."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.tasks.actions import (
    MAX_ACTION_CHARS,
    ActionSpec,
    Call,
    Param,
    accepted,
    action_grammar,
    all_commands,
    format_call,
    json_schema,
    match_action,
    tool_definitions,
)

GO = ActionSpec(
    name="go",
    pattern=r"go\s+(?P<direction>north|south)",
    template="go {direction}",
    example="go north",
    description="walk one field",
    params=(Param("direction", "string", "where to", ("north", "south")),),
)
PUT = ActionSpec(
    name="put",
    pattern=r"put (?P<count>[0-9]{1,3}) (?P<thing>\w+)(?: on (?P<place>\w+))?",
    template="put {count} {thing}",
    example="put 2 apples",
    description="put something down",
    params=(Param("count", "integer", "how many"), Param("thing", "string", "what")),
)
WAIT = ActionSpec(name="wait", pattern="wait", template="wait", example="wait", description="do nothing")
SPECS = (GO, PUT, WAIT)


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("go north", Call("go", {"direction": "north"})),
        ("  Go\tSOUTH \n", Call("go", {"direction": "SOUTH"})),
        ("put 12 apples", Call("put", {"count": "12", "thing": "apples"})),
        ("put 12 apples on table", Call("put", {"count": "12", "thing": "apples", "place": "table"})),
        ("wait", Call("wait", {})),
        ("go east", None),
        ("go north go north", None),
        ("wait.", None),
        ("", None),
        ("\x00", None),
        ("\ud800", None),
    ],
)
def test_a_text_is_matched_as_a_whole(text: str, call: Call | None) -> None:
    assert match_action(SPECS, text) == call


def test_a_giant_text_is_refused_at_once() -> None:
    started = time.process_time()
    assert match_action(SPECS, "go " + " " * 5_000_000 + "north") is None
    assert match_action(SPECS, " " * (MAX_ACTION_CHARS + 1) + "wait") is None
    assert time.process_time() - started < 0.5


@given(st.text(max_size=30))
def test_the_grammar_accepts_what_is_matched(text: str) -> None:
    grammar = re.compile(action_grammar(SPECS), re.IGNORECASE)
    assert (grammar.fullmatch(text.strip()) is not None) is (match_action(SPECS, text) is not None)


def test_the_grammar_has_no_named_groups() -> None:
    assert re.compile(action_grammar(SPECS)).groupindex == {}
    for spec in SPECS:
        assert re.fullmatch(action_grammar(SPECS), spec.example)


def test_the_schema_describes_every_kind() -> None:
    kinds = json_schema(SPECS)["oneOf"]
    assert [kind["properties"]["action"] for kind in kinds] == [{"const": "go"}, {"const": "put"}, {"const": "wait"}]
    assert kinds[0]["properties"]["direction"] == {
        "type": "string",
        "description": "where to",
        "enum": ["north", "south"],
    }
    assert kinds[1]["required"] == ["action", "count", "thing"]
    assert all(kind["additionalProperties"] is False for kind in kinds)


def test_tools_have_the_form_that_servers_take() -> None:
    tools = tool_definitions(SPECS)
    assert [tool["function"]["name"] for tool in tools] == ["go", "put", "wait"]
    assert all(tool["type"] == "function" for tool in tools)
    assert tools[1]["function"]["parameters"]["required"] == ["count", "thing"]
    assert tools[2]["function"]["parameters"]["properties"] == {}


@pytest.mark.parametrize("direction", ["north", "south"])
def test_a_tool_call_becomes_its_command_and_back(direction: str) -> None:
    text = format_call(SPECS, "go", {"direction": direction})
    assert text == f"go {direction}"
    assert match_action(SPECS, text) == Call("go", {"direction": direction})


def test_a_call_with_missing_arguments_or_unknown_name_has_no_command() -> None:
    assert format_call(SPECS, "go", {}) is None
    assert format_call(SPECS, "fly", {"direction": "north"}) is None
    assert format_call(SPECS, "put", {"count": 3, "thing": "apples", "extra": 1}) == "put 3 apples"


def test_arguments_are_not_taken_for_templates() -> None:
    assert format_call(SPECS, "put", {"count": 1, "thing": "{count}{0.__class__}"}) == "put 1 {count}{0.__class__}"


def test_all_commands_are_listed_where_choices_are_fixed() -> None:
    assert all_commands((GO, WAIT)) == ("go north", "go south", "wait")
    assert all_commands((WAIT,)) == ("wait",)
    assert all_commands(SPECS) is None


def test_the_phrase_for_prompts_names_every_kind_with_an_example() -> None:
    phrase = accepted(SPECS)
    for spec in SPECS:
        assert spec.description in phrase and spec.example in phrase
