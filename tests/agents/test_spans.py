"""The roles of what was sampled: in its text, and in its tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.agents.policies.codec import token_starts
from rlvr.agents.policies.spans import text_spans, token_spans
from rlvr.agents.types import RESPONSE_ROLES

from .talk import chat

CHAT = chat()


def read(text):
    return [(str(span.role), text[span.start : span.end]) for span in text_spans(text)]


@pytest.mark.parametrize(
    "text, roles",
    [
        ("up", [("action", "up")]),
        ("", []),
        ("  ", [("action", "  ")]),
        ("<think>hm</think>up", [("thought", "<think>hm</think>"), ("action", "up")]),
        ("<think>hm</think>\n\nup", [("thought", "<think>hm</think>"), ("action", "\n\nup")]),
        ("<think>hm</think>\n", [("thought", "<think>hm</think>\n")]),
        ("<think>hm", [("thought", "<think>hm")]),
        ("hm</think>up", [("thought", "hm</think>"), ("action", "up")]),
        (
            "<think>a <action>b</action></think>\n<action>up</action>",
            [("thought", "<think>a <action>b</action></think>\n"), ("action", "<action>up</action>")],
        ),
        ("I go. <action>up</action>", [("thought", "I go. "), ("action", "<action>up</action>")]),
        ("<action>up", [("action", "<action>up")]),
        ("<ACTION>up</Action>!", [("action", "<ACTION>up</Action>"), ("thought", "!")]),
        (
            "<action>a</action> no <action>b</action>",
            [("thought", "<action>a</action> no "), ("action", "<action>b</action>")],
        ),
        (
            "<plan>1. x\n2. y</plan><action>up</action>",
            [("plan", "<plan>1. x\n2. y</plan>"), ("action", "<action>up</action>")],
        ),
        ("<plan>1. x</plan>", [("plan", "<plan>1. x</plan>")]),
        (
            "<sub_done><action>up</action>",
            [("sub_done", "<sub_done>"), ("action", "<action>up</action>")],
        ),
        (
            "<action>up</action><sub_done>",
            [("action", "<action>up</action>"), ("sub_done", "<sub_done>")],
        ),
        ("<sub_done>2</sub_done> up", [("sub_done", "<sub_done>2</sub_done>"), ("action", " up")]),
        (
            'So:<tool_call>{"name": "a"}</tool_call>\n<tool_call>{}</tool_call>',
            [("thought", "So:"), ("action", '<tool_call>{"name": "a"}</tool_call>\n<tool_call>{}</tool_call>')],
        ),
        ("<think>a</think><answer>7</answer>", [("thought", "<think>a</think>"), ("action", "<answer>7</answer>")]),
        ("1 < 2 and <b>", [("action", "1 < 2 and <b>")]),
    ],
)
def test_what_a_reply_is_made_of(text, roles):
    assert read(text) == roles


TAGS = [f"<{slash}{name}>" for slash in ("", "/") for name in ("think", "plan", "action", "sub_done", "tool_call")]
PARTS = st.lists(
    st.sampled_from([*TAGS, "<answer>", "up", " ", "\n", "é", "日本", "🙂", "<", "think>", "<|end|>"]), max_size=12
).map("".join)


@settings(max_examples=200, deadline=None)
@given(PARTS)
def test_roles_cover_every_character_and_every_token_once(text):
    for spans, length in (
        (text_spans(text), len(text)),
        (token_spans(CHAT, CHAT.encode(text)), len(CHAT.encode(text))),
    ):
        position = 0
        for span in spans:
            assert span.start == position < span.end
            assert span.role in RESPONSE_ROLES
            position = span.end
        assert position == length


def test_tokens_have_the_roles_of_their_text():
    ids = [*CHAT.encode("<think>Brücke 🙂</think><plan>1. go</plan><action>up</action><sub_done>"), CHAT.end_of_turn]
    found = [(str(span.role), CHAT.decode(ids[span.start : span.end])) for span in token_spans(CHAT, ids)]
    assert found == [
        ("thought", "<think>Brücke 🙂</think>"),
        ("plan", "<plan>1. go</plan>"),
        ("action", "<action>up</action>"),
        ("sub_done", "<sub_done><|end|>"),
    ]


def letters(text):
    """Tokens of single characters, which spell tags instead of being them."""
    return [number for letter in text for number in CHAT.encode(letter)]


def test_tags_that_are_spelt_out_are_tags_all_the_same():
    ids = letters("<think>hm</think>up")
    assert CHAT.codec.drifts(ids)
    found = [(str(span.role), CHAT.decode(ids[span.start : span.end])) for span in token_spans(CHAT, ids)]
    assert found == [("thought", "<think>hm</think>"), ("action", "up")]


def test_a_token_across_a_border_has_the_role_of_its_first_character():
    vocabulary = ["<think>a", "b</thi", "nk>up", "!"]
    stub = type("Stub", (), {"end_ids": (3,), "decode": lambda self, ids: "".join(vocabulary[i] for i in ids)})()
    assert [(str(s.role), s.start, s.end) for s in token_spans(stub, [0, 1, 2, 3])] == [("thought", 0, 4)]
    vocabulary = ["<think>a", "</think>", "up<sub", "_done>", "!"]
    stub.end_ids = (4,)
    assert [(str(s.role), s.start, s.end) for s in token_spans(stub, [0, 1, 2, 3, 4])] == [
        ("thought", 0, 2),
        ("action", 2, 3),
        ("sub_done", 3, 5),
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_starts_of_tokens_agree_with_the_tokenizer(text):
    ids, starts = CHAT.codec.encode_from(CHAT.codec.shield(text))
    shown, found = token_starts(CHAT.decode, ids)
    assert shown == text
    if "<|" not in text:
        assert len(found) == len(starts)
        for own, theirs in zip(found, starts, strict=True):
            assert own == theirs, (text, found, starts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(6, 2047), max_size=40))
def test_any_ids_at_all_decode_piece_by_piece(ids):
    shown, starts = token_starts(CHAT.decode, ids)
    assert len(starts) == len(ids)
    assert starts == sorted(starts)
    assert shown.replace("\ufffd", "") == CHAT.decode(ids).replace("\ufffd", "")
    assert sum(span.end - span.start for span in token_spans(CHAT, ids)) == len(ids)


def test_decoding_takes_time_in_proportion():
    lengths = []

    def decode(ids):
        lengths.append(len(ids))
        return CHAT.decode(ids)

    token_starts(decode, CHAT.encode("go up and then left; " * 200))
    assert max(lengths) <= 10
