"""Streamed answers: read like whole ones wherever the bytes are cut, and given up in time."""

import asyncio
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.agents.policies.openai_stream import EventReader, StreamedAnswer
from rlvr.agents.policies.openai_wire import Fault, read_answer
from rlvr.agents.policies.policy import PolicyError
from rlvr.agents.types import FinishReason, Request, Sampling

from .servers import USAGE, completion, delta, event, in_turn, says, serving, streamed, streams
from .test_openai import _no_keys, ask, request  # noqa: F401 (a fixture)

pytestmark = pytest.mark.network_local
HELLO = (delta("", role="assistant"), delta("hel"), delta("lo"), delta(finish="stop"), USAGE)


def test_a_streamed_answer_is_read_like_a_whole_one():
    with serving(streams(*HELLO)) as server:
        (answer,) = ask(server)
    (body,) = server.bodies
    assert body["stream"] is True and body["stream_options"] == {"include_usage": True}
    assert (answer.text, answer.finish_reason) == ("hello", FinishReason.STOP)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)


@pytest.mark.parametrize(("stream", "tools", "sent"), [(None, False, True), (None, True, False), (True, True, True),
                                                       (False, False, False)])  # fmt: skip
def test_answers_are_streamed_unless_tools_are_offered_or_the_setting_says_so(stream, tools, sent):
    tool = {"type": "function", "function": {"name": "go", "parameters": {}}}
    with serving(says("x")) as server:
        ask(server, request(tools=(tool,) if tools else ()), stream=stream)
    assert server.bodies[0].get("stream", False) is sent
    assert ("stream_options" in server.bodies[0]) is sent


def test_a_server_that_does_not_stream_is_understood():
    with serving(says("in one piece")) as server:
        assert ask(server, stream=True)[0].text == "in one piece"


def test_tool_calls_reasoning_and_log_probabilities_come_in_pieces():
    calls = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "go", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"way": '}},
        {"index": 1, "id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '"up"}'}},
    ]
    scored = [{"token": "a", "logprob": -0.5}], [{"token": "b", "logprob": -1.5}]
    pieces = [
        delta(reasoning_content="let "),
        delta(reasoning_content="me see"),
        delta("a", choice={"logprobs": {"content": scored[0]}}),
        delta("b", choice={"logprobs": {"content": scored[1]}}),
        *(delta(tool_calls=[call]) for call in calls),
        delta(finish="tool_calls"),
        USAGE,
    ]
    with serving(streams(*pieces)) as server:
        (answer,) = ask(server, request(sampling=Sampling(logprobs=True)))
    assert (answer.text, answer.reasoning, answer.logprobs) == ("ab", "let me see", (-0.5, -1.5))
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("c1", "go", '{"way": "up"}'),
        ("c2", "look", "{}"),
    ]
    assert answer.finish_reason is FinishReason.TOOL_CALLS


def test_tool_calls_without_numbers_are_told_apart_by_their_ids():
    calls = [{"id": name, "function": {"name": name, "arguments": {"n": 1}}} for name in ("one", "two")]
    with serving(streams(*(delta(tool_calls=[call]) for call in calls), delta(finish="tool_calls"))) as server:
        (answer,) = ask(server)
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("one", '{"n": 1}'), ("two", '{"n": 1}')]


@pytest.mark.parametrize("end", [{"done": False}, {"done": True}])
def test_the_mark_of_the_end_may_be_missing(end):
    with serving(streams(*HELLO[:-1], **end)) as server:
        (answer,) = ask(server)
    assert answer.text == "hello"
    assert answer.usage.completion_tokens == 2  # estimated: nothing was reported


def test_an_empty_reply_that_the_model_ended_is_a_reply_in_a_stream_too():
    with serving(streams(delta("", role="assistant"), delta(finish="stop"))) as server:
        assert ask(server)[0].text == ""


def hang(handler, body):
    time.sleep(3)


def comments(handler, body):
    """Only signs of life: they are no token."""
    handler.stream([b": ping\n\n"] * 30, pause_s=0.1)


def bytewise(handler, body):
    """One byte at a time, never a whole event."""
    handler.stream((bytes([byte]) for byte in event(delta("x" * 40))), pause_s=0.05, whole=False)


STREAM_FAULTS = {
    "hang": hang,
    "stands still": streams(*[delta("a")] * 3, pause_s=2),
    "only comments": comments,
    "trickles bytes": bytewise,
    "cut in the middle": streams(*HELLO[:2], done=False, whole=False),
    "cut inside of an event": lambda handler, body: handler.stream([event(delta("he"))[:-9]], whole=False),
    "cut after its finish": streams(*HELLO[:-1], done=False, whole=False),
    "ends in the middle": streams(*HELLO[:2], done=False),
    "ends at once": streams(done=False),
    "done at once": streams(),
    "not JSON": streams("{broken"),
    "not an object": streams([1]),
    "wrong types": streams({"choices": 3}),
    "empty choice": streams({"choices": [{}]}),
    "no choices": streams({"choices": []}),
    "error": streams(delta("he"), {"error": {"message": "the engine died", "code": 500}}),
    "error as text": streams({"error": "out of memory"}),
    "choice with an error": streams(delta("he", "error")),
    "endless line": lambda handler, body: handler.stream([b"data: " + b"x" * 2**20] * 20, whole=False),
}  # fmt: skip
LIMITS = {"first_token_s": 1.2, "idle_s": 1, "timeout_s": 8}


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_fault_in_a_stream_is_survived_by_a_retry(fault):
    with serving(in_turn(STREAM_FAULTS[fault], streams(*HELLO))) as server:
        (answer,) = ask(server, **LIMITS)
    assert answer.text == "hello"
    assert len(server.bodies) == 2


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_lasting_fault_in_a_stream_is_one_clear_error(fault):
    began = time.monotonic()
    with serving(STREAM_FAULTS[fault]) as server, pytest.raises(PolicyError) as caught:
        ask(server, retries=1, **LIMITS)
    assert len(server.bodies) == 2
    message = str(caught.value)
    assert "openai:" in message and "2 attempts" in message and "\n" not in message
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("hang", r"no answer within 1\.2 s"),
        ("only comments", r"no answer within 1\.2 s"),
        ("stands still", r"stood still for 1 s"),
        ("error", "the engine died"),
        ("error as text", "out of memory"),
        ("cut in the middle", "connection"),
        ("ends in the middle", "broke off"),
    ],
)
def test_the_error_says_what_went_wrong(fault, words):
    with serving(STREAM_FAULTS[fault]) as server, pytest.raises(PolicyError, match=words):
        ask(server, retries=0, **LIMITS)


def test_a_slow_stream_is_waited_for_and_an_endless_one_is_not():
    slow = [delta("x")] * 8
    with serving(streams(*slow, delta(finish="stop"), pause_s=0.1)) as server:
        assert ask(server, first_token_s=2, idle_s=0.7, retries=0)[0].text == "x" * 8
    with serving(streams(*slow * 10, pause_s=0.1)) as server, pytest.raises(PolicyError, match=r"end .* within 0\.5 s"):
        ask(server, timeout_s=0.5, retries=0)


def test_a_refusal_in_a_stream_is_not_repeated():
    refusal = {"error": {"message": "the prompt is too long", "type": "BadRequestError", "code": 400}}
    with serving(streams(refusal)) as server, pytest.raises(PolicyError, match="too long"):
        ask(server)
    assert len(server.bodies) == 1


def test_a_server_that_keeps_the_line_open_after_the_end_does_not_keep_us():
    def never_closed(handler, body):
        handler.stream(piece or time.sleep(8) or b":" for piece in (*streamed(*HELLO), b""))

    with serving(never_closed) as server:
        began = time.monotonic()
        assert ask(server, retries=0)[0].text == "hello"
        assert time.monotonic() - began < 5


def test_connections_are_used_again_after_a_stream():
    ports = []

    def reply(handler, body):
        ports.append(handler.client_address[1])
        handler.stream(streamed(*HELLO))

    with serving(reply) as server:
        ask(server, *(request(str(n)) for n in range(4)), concurrency=1)
    assert len(ports) == 4 and len(set(ports)) == 1


def test_cancelling_closes_the_connection():
    broken = []

    def reply(handler, body):
        try:
            handler.stream((event(delta("x")) for _ in range(100)), pause_s=0.05)
        except OSError:
            broken.append(True)

    with serving(reply) as server:
        with pytest.raises(TimeoutError):
            asyncio.run(_bounded(server))
        time.sleep(0.3)
    assert broken


async def _bounded(server):
    from rlvr.agents.policies.openai import OpenAIPolicy

    policy = OpenAIPolicy(server.url, "tiny")
    try:
        async with asyncio.timeout(0.4):
            await policy.generate([request()])
    finally:
        await policy.aclose()


# Bytes


@given(st.data())
def test_the_cut_of_the_bytes_changes_nothing(data):
    pieces = [delta("grün "), delta("\u2028 und 🙂"), delta(reasoning="ja\nnein"), delta(finish="length"), USAGE]
    newline = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    stream = b": hello\n\nevent: message\n" + b"".join(streamed(*pieces))
    stream = stream.replace(b"\n", newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, answer = EventReader(), StreamedAnswer()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for one in reader.feed(stream[start:end]):
            answer.add(one)
    made = read_answer(answer.whole(), Request(messages=()), str)
    assert (made.text, made.reasoning, made.finish_reason) == ("grün \u2028 und 🙂", "ja\nnein", FinishReason.LENGTH)
    assert made.usage.prompt_tokens == 7


def test_a_line_without_an_end_is_given_up():
    reader = EventReader()
    with pytest.raises(Fault, match="16 MiB"):
        for _ in range(20):
            reader.feed(b"x" * 2**20)


def test_other_choices_than_the_first_are_left_alone():
    other = delta("b", "length", {"index": 1})
    with serving(streams(delta("a"), other, delta("a", "stop"))) as server:
        (answer,) = ask(server)
    assert (answer.text, answer.finish_reason) == ("aa", FinishReason.STOP)


def test_data_of_several_lines_is_one_event():
    assert EventReader().feed(b"data: one\ndata:two\nid: 3\n\ndata\n\n") == ["one\ntwo", ""]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "delta", "content", "tool_calls", "function", "logprobs", "usage",
                         "token_ids", "finish_reason", "text", "index", "reasoning", "error", "token_logprobs"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_JSON, _JSON)
def test_whatever_is_answered_is_a_completion_or_a_fault(whole, choice):
    asked = Request(messages=(), sampling=Sampling(logprobs=True, top_logprobs=2))
    for data in (whole, {"choices": [choice]}, completion("x") | {"choices": [{"message": whole}]}):
        try:
            read_answer(data, asked, str)
        except Fault as fault:
            assert str(fault)
        answer = StreamedAnswer()
        try:
            answer.add(json.dumps(data))
            read_answer(answer.whole(), asked, str)
        except Fault as fault:
            assert str(fault)
