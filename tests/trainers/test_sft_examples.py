"""From conversations on disk to tokens: who is learned, what is cached, what is refused."""

import gzip
import json

import numpy as np
import pytest

from rlvr.agents.policies.template import ChatTemplate
from rlvr.agents.types import Message, Role
from rlvr.tasks.errors import MalformedData, MissingData, UserError
from rlvr.trainers.examples import read_examples, tokenise

from .sft_world import WEIGHTS

TALK = [
    {"role": "system", "content": "Reply with the action."},
    {"role": "user", "content": "Where to?"},
    {"role": "assistant", "content": "<think>left is wall</think><action>up</action>"},
    {"role": "user", "content": "You moved up."},
    {"role": "assistant", "content": "<plan>1. go</plan><action>left</action><sub_done>"},
]


@pytest.fixture(scope="module")
def chat():
    return ChatTemplate.from_folder(WEIGHTS)


def messages(talk=TALK):
    return [Message(role=one["role"], content=one["content"]) for one in talk]


def learned_text(chat, ids, mask):
    return chat.decode([number for number, flag in zip(ids, mask, strict=True) if flag])


def write(path, lines, opener=open):
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def test_replies_and_their_ends_are_learned_and_nothing_else(chat):
    [(ids, mask, _)] = tokenise(chat, messages(), [False, False, True, False, True])
    assert learned_text(chat, ids, mask) == f"{TALK[2]['content']}<|end|>{TALK[4]['content']}<|end|>"
    assert chat.decode(ids) == "".join(f"<|{one['role']}|>{one['content']}<|end|>" for one in TALK)


def test_a_reply_that_is_not_marked_is_seen_but_not_learned(chat):
    [(ids, mask, given)] = tokenise(chat, messages(), [False, False, False, False, True])
    assert learned_text(chat, ids, mask) == f"{TALK[4]['content']}<|end|>"
    reply = f"{TALK[2]['content']}<|end|>"
    assert learned_text(chat, ids, given) == chat.decode(ids).replace(reply, "").removesuffix(
        f"{TALK[4]['content']}<|end|>"
    )
    assert TALK[2]["content"] in chat.decode(ids)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.THOUGHT, "<think>left is wall</think>"),
        (Role.PLAN, "<plan>1. go</plan>"),
        (Role.SUB_DONE, "<sub_done><|end|>"),
        (Role.ACTION, "<action>up</action><|end|><action>left</action>"),
    ],
)
def test_single_roles_can_be_learned(chat, role, expected):
    [(ids, mask, _)] = tokenise(chat, messages(), [False, False, True, False, True], {role})
    assert learned_text(chat, ids, mask) == expected


STRIPPING = (
    "{%- for m in messages -%}<|{{ m.role }}|>"
    "{%- if m.role == 'assistant' and not loop.last -%}{{ m.content.split('</think>')[-1] }}"
    "{%- else -%}{{ m.content }}{%- endif -%}<|end|>"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


def test_where_the_template_rewrites_the_past_each_reply_is_a_document_of_its_own(chat):
    stripping = ChatTemplate(chat.codec, STRIPPING, name="stripping", end_ids=[1])
    first, second = tokenise(stripping, messages(), [False, False, True, False, True])
    assert learned_text(chat, *first[:2]) == f"{TALK[2]['content']}<|end|>"
    assert learned_text(chat, *second[:2]) == f"{TALK[4]['content']}<|end|>"
    assert "left is wall" in chat.decode(first[0])
    assert "left is wall" not in chat.decode(second[0]) and "<action>up</action>" in chat.decode(second[0])


def test_files_of_json_lines_are_read_plain_and_compressed(tmp_path):
    lines = [{"messages": TALK, "uid": "a", "entry": "x"}, {"messages": TALK[:3], "entry": "y"}]
    plain = read_examples([write(tmp_path / "a.jsonl", lines)], WEIGHTS)
    packed = read_examples([write(tmp_path / "a.jsonl.gz", lines, gzip.open)], WEIGHTS)
    for name in ("ids", "learned", "context", "starts", "kinds"):
        assert np.array_equal(getattr(plain, name), getattr(packed, name))
    assert plain.kind_names == ["x", "y"] and len(plain) == 2
    assert plain.ids.dtype == np.uint16


def test_tokens_are_cached_and_the_fingerprint_follows_content_and_roles(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", [{"messages": TALK}])
    first = read_examples([path], WEIGHTS)
    monkeypatch.setattr("rlvr.trainers.examples.tokenise", lambda *_: pytest.fail("it is cached"))
    again = read_examples([path], WEIGHTS)
    assert np.array_equal(first.ids, again.ids) and first.fingerprint == again.fingerprint
    monkeypatch.undo()
    assert read_examples([path], WEIGHTS, roles={Role.ACTION}).fingerprint != first.fingerprint
    write(path, [{"messages": TALK[:3]}])
    changed = read_examples([path], WEIGHTS)
    assert changed.fingerprint != first.fingerprint and len(changed.ids) < len(first.ids)


def test_what_has_nothing_to_learn_is_left_out(tmp_path):
    marked = [dict(one, train=True) if one["role"] == "assistant" else one for one in TALK]
    unmarked = [dict(one, train=False) for one in TALK]
    path = write(tmp_path / "a.jsonl", [{"messages": marked}, {"messages": unmarked}])
    assert len(read_examples([path], WEIGHTS)) == 1
    with pytest.raises(UserError, match="nothing to learn"):
        read_examples([write(tmp_path / "b.jsonl", [{"messages": unmarked}])], WEIGHTS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", "line 2: this is no JSON object"),
        ("[1]", "line 2: this is no JSON object"),
        ('{"messages": "hello"}', "line 2: the field messages"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "line 2: a message is wrong at role"),
        ('{"messages": [{"role": "user", "content": "x", "train": true}]}', "line 2: a message of the role user"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, said):
    path = write(tmp_path / "a.jsonl", [{"messages": TALK}])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(MalformedData, match=said) as caught:
        read_examples([path], WEIGHTS)
    assert "\n" not in str(caught.value)


def test_missing_data_is_one_sentence(tmp_path):
    with pytest.raises(MissingData, match="rlvr data experts") as caught:
        read_examples([tmp_path / "absent"], WEIGHTS)
    assert "\n" not in str(caught.value)


def test_prompts_cannot_be_learned(tmp_path):
    with pytest.raises(UserError, match="not observation"):
        read_examples([write(tmp_path / "a.jsonl", [{"messages": TALK}])], WEIGHTS, roles={Role.OBSERVATION})


def test_a_damaged_cache_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"messages": TALK}])
    read_examples([path], WEIGHTS)
    [cached] = tmp_path.rglob("*.npz")
    cached.write_bytes(cached.read_bytes()[:50])
    with pytest.raises(MalformedData, match="delete it"):
        read_examples([path], WEIGHTS)
