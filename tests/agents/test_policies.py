"""Names of policies, scripts, and the test doubles."""

import asyncio
import importlib
import json

import pytest

from rlvr.agents.policies.doubles import OraclePolicy, RandomPolicy
from rlvr.agents.policies.policy import BACKENDS, Capability, MissingCapability, make_policy
from rlvr.agents.policies.scripted import Line, ScriptedPolicy
from rlvr.agents.types import FinishReason, Message, Request, Sampling
from rlvr.tasks.errors import MalformedData, UnknownName, UserError


def request(*turns, choices=None, reference=None, seed=None, system=None, **sampling):
    roles = ("user", "assistant")
    messages = [Message(role=roles[i % 2], content=text) for i, text in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message(role="system", content=system))
    return Request(
        messages=tuple(messages), choices=choices, reference=reference, seed=seed, sampling=Sampling(**sampling)
    )


def say(policy, *requests):
    return [answer.text for answer in asyncio.run(policy.generate(requests))]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.prefix)
def test_the_table_says_what_each_class_can(backend):
    module, _, path = backend.entry.partition(":")
    kind = getattr(importlib.import_module(f"rlvr.agents.policies.{module}"), path.partition(".")[0])
    assert kind.capabilities == backend.capabilities
    assert backend.form.startswith(backend.prefix)


@pytest.mark.parametrize("name", ["random", "expert", "scripted", "oracle:0.5", "openai:http://localhost:1/v1#m"])
def test_a_policy_is_called_what_it_was_asked_for_by(name):
    assert make_policy(name).name == name


@pytest.mark.parametrize(("name", "nearest"), [("scirpted:x", "scripted"), ("opena:http://x#y", "openai")])
def test_an_unknown_prefix_names_the_nearest(name, nearest):
    with pytest.raises(UnknownName, match=nearest):
        make_policy(name)


@pytest.mark.parametrize("name", ["", "gguf:org/model", "http://localhost:8000"])
def test_back_ends_of_other_kinds_are_just_unknown(name):
    with pytest.raises(UnknownName, match="There is no policy"):
        make_policy(name)


@pytest.mark.parametrize("name", ["random:3", "expert:yes", "oracle", "oracle:much", "oracle:2", "scripted:/no/file"])
def test_a_bad_rest_of_the_name_is_one_sentence(name):
    with pytest.raises(UserError) as caught:
        make_policy(name)
    assert "\n" not in str(caught.value)


def test_a_missing_capability_is_refused_with_back_ends_that_have_it(monkeypatch):
    with pytest.raises(MissingCapability, match=r"openai:URL#MODEL") as caught:
        RandomPolicy().require({Capability.LOGPROBS}, "Best of n by likelihood")
    assert caught.value.lacking == (Capability.LOGPROBS,)
    with pytest.raises(MissingCapability, match=r"use tiny.* or hf:MODEL"):
        RandomPolicy().require({Capability.STEER}, "Steering")
    monkeypatch.setattr("rlvr.agents.policies.policy.BACKENDS", ())
    with pytest.raises(MissingCapability, match="no other back end of this version"):
        RandomPolicy().require({Capability.STEER}, "Steering")
    RandomPolicy().require({Capability.TEXT}, "Anything")


def test_a_request_of_token_ids_is_refused_by_policies_of_text():
    with pytest.raises(MissingCapability, match="token_ids"):
        say(RandomPolicy(), Request(token_ids=(1, 2, 3)))


def test_choices_and_reference_are_never_written():
    written = request("x", choices=("a",), reference="secret").model_dump_json()
    assert "secret" not in written and "choices" not in written


# Scripts


def test_replies_take_turns_within_a_conversation():
    policy = ScriptedPolicy(["one", "two", "three"])
    assert say(policy, request("q"), request("q", "one", "q"), request("q", "a", "q", "b", "q")) == [
        "one",
        "two",
        "three",
    ]
    assert say(policy, request("q", "a", "q", "b", "q", "c", "q")) == ["one"]


def test_replies_by_seed_depend_on_the_seed_alone():
    policy = ScriptedPolicy(["a", "b", "c"], order="seed")
    answers = [say(policy, request("q", seed=seed))[0] for seed in range(40)]
    assert answers == [say(policy, request("another", seed=seed))[0] for seed in range(40)]
    assert set(answers) == {"a", "b", "c"}


def test_a_conditional_reply_goes_before_the_others():
    policy = ScriptedPolicy([Line(when=r"Target: (\d+)", reply="aha"), "plain"])
    assert say(policy, request("Target: 24"), request("nothing")) == ["aha", "plain"]


def test_a_function_may_be_the_script():
    policy = ScriptedPolicy(lambda asked: asked.messages[-1].content.upper())
    assert say(policy, request("loud")) == ["LOUD"]


def test_without_a_script_the_choices_take_turns():
    policy = make_policy("scripted")
    assert say(policy, request("q", choices=("up", "down")), request("q", "up", "q", choices=("up", "down"))) == [
        "up",
        "down",
    ]


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".yaml", "replies: [one, {when: now, reply: two}]\norder: cycle\n"),
        (".yml", "- one\n- {when: now, reply: two}\n"),
        (".json", '["one", {"when": "now", "reply": "two"}]'),
        (".jsonl", '"one"\n\n{"when": "now", "reply": "two"}\n'),
    ],
)
def test_scripts_are_read_from_every_format(tmp_path, suffix, content):
    file = tmp_path / f"script{suffix}"
    file.write_text(content, encoding="utf-8")
    policy = make_policy(f"scripted:{file}")
    assert say(policy, request("q"), request("now")) == ["one", "two"]
    assert len(policy.settings()["sha256"]) == 64


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.jsonl", '"one"\n{"replay": "two"}\n', ("line 2", "'reply'")),
        ("s.jsonl", '"one"\nnot json\n', ("line 2", "not JSON")),
        ("s.jsonl", "3\n", ("line 1", "a text")),
        ("s.yaml", "replies: [one\n", ("line 2", "not YAML")),
        ("s.yaml", "replys: [one]\n", ("'replies'",)),
        ("s.yaml", "replies: []\n", ("at least one reply",)),
        ("s.yaml", "- {when: '(', reply: x}\n", ("not a regular one",)),
        ("s.yaml", "just text\n", ("list of replies",)),
    ],
)
def test_a_bad_script_is_refused_with_file_line_and_key(tmp_path, name, content, words):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    with pytest.raises((UserError, MalformedData)) as caught:
        make_policy(f"scripted:{file}")
    for word in words:
        assert word in str(caught.value)


# Doubles


def test_stop_strings_and_the_length_limit_cut_the_reply():
    policy = ScriptedPolicy(["one two END three"])
    (answer,) = asyncio.run(policy.generate([request("q", stop=("END",))]))
    assert (answer.text, answer.finish_reason) == ("one two ", FinishReason.STOP)
    (answer,) = asyncio.run(policy.generate([request("a b", max_tokens=3)]))
    assert (answer.text, answer.finish_reason) == ("one two END", FinishReason.LENGTH)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 3)


def test_random_choices_are_uniform_and_depend_on_the_seed():
    answers = say(RandomPolicy(), *(request("q", choices=("a", "b", "c"), seed=seed) for seed in range(600)))
    assert all(150 < answers.count(letter) < 250 for letter in "abc")
    assert answers == say(RandomPolicy(), *(request("q", choices=("a", "b", "c"), seed=seed) for seed in range(600)))


def test_the_oracle_is_right_as_often_as_it_says():
    policy = OraclePolicy(0.7)
    answers = say(policy, *(request("q", choices=("x",), reference="right", seed=seed) for seed in range(1000)))
    assert 650 < answers.count("right") < 750


@pytest.mark.parametrize(
    ("system", "reply"),
    [
        ("... <action>up</action>", "<action>8 / 2</action>"),
        ('... {"action": "up"}', json.dumps({"action": "8 / 2"})),
        (r"... in a box, like this: \boxed{up}", r"\boxed{8 / 2}"),
        ("...", "8 / 2"),
    ],
)
def test_doubles_reply_in_the_form_that_is_asked_for(system, reply):
    assert say(make_policy("expert"), request("q", reference="8 / 2", system=system)) == [reply]
