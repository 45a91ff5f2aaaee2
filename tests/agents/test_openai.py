"""The `openai` policy against a real server that misbehaves in every way we know."""

import asyncio
import json
import logging
import time

import pytest

from rlvr.agents.policies.openai import KEY_VARIABLES, OpenAIConfig, OpenAIPolicy
from rlvr.agents.policies.policy import BACKENDS, PolicyError, make_policy
from rlvr.agents.types import FinishReason, ImagePart, Message, Request, Sampling, TextPart
from rlvr.tasks.errors import UserError

from .servers import completion, free_port, in_turn, says, serving

pytestmark = pytest.mark.network_local
QUICK = {"backoff_s": 0.01, "retries": 2, "timeout_s": 10}
KEY = "sk-planted-4c1f-secret"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def request(text="hello", **fields):
    return Request(messages=(Message(role="user", content=text),), **fields)


def ask(server, *requests, **config):
    async def go():
        policy = OpenAIPolicy(server.url, "tiny", OpenAIConfig(**{**QUICK, **config}))
        try:
            return await policy.generate(requests or (request(),))
        finally:
            await policy.aclose()

    return asyncio.run(go())


def test_a_good_answer_is_read_with_its_usage():
    with serving(says("hi there")) as server:
        (answer,) = ask(server)
    assert answer.text == "hi there"
    assert answer.finish_reason is FinishReason.STOP
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.decoded_tokens) == (7, 3, 3)
    assert server.paths == ["/v1/chat/completions"]


def test_the_request_carries_everything_that_it_should():
    tool = {"type": "function", "function": {"name": "go", "parameters": {}}}
    asked = Request(
        messages=(
            Message(role="system", content="be brief"),
            Message(role="user", content=(TextPart(text="look"), ImagePart(url="data:image/png;base64,AA=="))),
        ),
        sampling=Sampling(temperature=0.3, top_p=0.9, top_k=5, min_p=0.1, max_tokens=17, stop=("END",)),
        seed=2**62 + 5,
        tools=(tool,),
        choices=("a", "b"),
        reference="the answer",
    )
    with serving(says("x")) as server:
        ask(server, asked, extra={"repetition_penalty": 1.1})
    (body,) = server.bodies
    assert body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ],
            },
        ],
        "temperature": 0.3,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "max_tokens": 17,
        "stop": ["END"],
        "seed": 5,
        "tools": [tool],
        "repetition_penalty": 1.1,
    }


def test_log_probabilities_tool_calls_and_finish_reasons_are_read():
    scored = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    call = {"id": "c1", "type": "function", "function": {"name": "go", "arguments": '{"way": "up"}'}}
    called = completion(None, finish_reason="tool_calls")
    called["choices"][0]["message"]["tool_calls"] = [call]
    replies = in_turn(
        lambda handler, body: handler.send(200, completion("ab", logprobs=scored, finish_reason="length")),
        lambda handler, body: handler.send(200, called),
    )
    with serving(replies) as server:
        (first,) = ask(server, request(sampling=Sampling(logprobs=True)))
        (second,) = ask(server)
    assert server.bodies[0]["logprobs"] is True and "logprobs" not in server.bodies[1]
    assert first.logprobs == (-0.5, -1.5)
    assert first.finish_reason is FinishReason.LENGTH
    assert second.finish_reason is FinishReason.TOOL_CALLS
    assert [(call.name, call.arguments) for call in second.tool_calls] == [("go", '{"way": "up"}')]


FAULTS = {
    "hang": lambda handler, body: time.sleep(1.0),
    "dropped": lambda handler, body: handler.drop(),
    "429": lambda handler, body: handler.send(429, {"error": {"message": "slow down"}}),
    "500": lambda handler, body: handler.send(500, b"<html>oops</html>"),
    "503": lambda handler, body: handler.send(503, {"error": "overloaded"}),
    "not JSON": lambda handler, body: handler.send(200, b'{"choices": ['),
    "no choices": lambda handler, body: handler.send(200, {"choices": []}),
    "empty choice": lambda handler, body: handler.send(200, {"choices": [{}]}),
    "empty text": lambda handler, body: handler.send(200, completion("", finish_reason=None)),
    "null": lambda handler, body: handler.send(200, None),
    "wrong types": lambda handler, body: handler.send(200, {"choices": [{"message": {"content": 3}}]}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_survived_by_a_retry(fault):
    with serving(in_turn(FAULTS[fault], says("at last"))) as server:
        (answer,) = ask(server, timeout_s=0.6 if fault == "hang" else 10)
    assert answer.text == "at last"
    assert len(server.bodies) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lasting_fault_is_one_clear_error_after_the_last_retry(fault):
    with serving(FAULTS[fault]) as server, pytest.raises(PolicyError) as caught:
        ask(server, retries=1, timeout_s=0.3 if fault == "hang" else 10)
    assert len(server.bodies) == 2
    message = str(caught.value)
    assert "openai:" in message and "2 attempts" in message and "\n" not in message


def test_a_request_that_the_server_refuses_is_not_repeated():
    refusal = {"error": {"message": "this model's maximum context length is 4096 tokens"}}
    with (
        serving(lambda handler, body: handler.send(400, refusal)) as server,
        pytest.raises(PolicyError, match="maximum context length"),
    ):
        ask(server)
    assert len(server.bodies) == 1


def test_one_failing_request_loses_no_neighbour():
    def reply(handler, body):
        failing = body["messages"][0]["content"] == "bad"
        handler.send(400 if failing else 200, {"error": "no"} if failing else completion("ok"))

    with serving(reply) as server, pytest.raises(PolicyError):
        ask(server, request("good"), request("bad"), request("good"))
    assert len(server.bodies) == 3


@pytest.mark.parametrize("header", ["0.3", "date"])
def test_retry_after_is_obeyed_and_holds_back_other_calls(header):
    from email.utils import formatdate

    def busy(handler, body):
        value = header if header != "date" else formatdate(time.time() + 2, usegmt=True)
        handler.send(429, {}, {"Retry-After": value})

    with serving(in_turn(busy, says("ok"))) as server:

        async def go():
            policy = OpenAIPolicy(server.url, "tiny", OpenAIConfig(**QUICK, concurrency=1))
            answers = await policy.generate([request("a"), request("b")])
            await policy.aclose()
            return answers

        assert [answer.text for answer in asyncio.run(go())] == ["ok", "ok"]
    first, second, third = server.times
    least = 0.28 if header != "date" else 0.9  # a date has whole seconds
    assert second - first > least
    assert third - first > least


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for():
    def busy(handler, body):
        handler.send(429, {}, {"Retry-After": "3600"})

    began = time.monotonic()
    with serving(busy) as server, pytest.raises(PolicyError, match="3600 s"):
        ask(server)
    assert time.monotonic() - began < 10


def test_concurrency_and_rate_are_limited():
    def slow(handler, body):
        time.sleep(0.05)
        handler.send(200, completion("ok"))

    with serving(slow) as server:
        ask(server, *(request(str(i)) for i in range(12)), concurrency=3)
    assert server.most_under_way <= 3
    with serving(says("ok")) as server:
        ask(server, *(request(str(i)) for i in range(5)), requests_per_minute=1200)
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps) > 4 * 0.05 * 0.9


def test_a_trickling_answer_runs_into_the_limit():
    def trickle(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    with serving(in_turn(trickle, says("ok"))) as server:
        (answer,) = ask(server, timeout_s=0.6)
    assert answer.text == "ok"
    assert time.monotonic() - began < 10


def test_an_unreachable_server_is_a_user_error_at_once():
    async def go():
        await OpenAIPolicy(f"http://127.0.0.1:{free_port()}/v1", "tiny").start()

    with pytest.raises(UserError, match="cannot be reached"):
        asyncio.run(go())


def test_a_silent_server_is_a_user_error_in_time():
    with serving(says("x")) as server, pytest.raises(UserError, match=r"did not answer within 0\.2 s"):
        server.hang_on_probe = True
        ask(server, probe_timeout_s=0.2)


def test_a_server_without_a_list_of_models_is_fine():
    with serving(says("x")) as server:
        server.probe_status = 501
        assert ask(server)[0].text == "x"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_with_one_sentence(status):
    with (
        serving(lambda handler, body: handler.send(status, {"error": {"message": "no"}})) as server,
        pytest.raises(UserError, match="RLVR_API_KEY"),
    ):
        ask(server)
    assert len(server.bodies) == 1


def test_a_missing_model_ends_the_run_with_the_servers_words():
    missing = {"error": {"message": "model tiny does not exist"}}
    with (
        serving(lambda handler, body: handler.send(404, missing)) as server,
        pytest.raises(UserError, match="does not exist"),
    ):
        ask(server)


@pytest.mark.parametrize("variable", KEY_VARIABLES)
def test_the_key_travels_in_the_header_and_nowhere_else(variable, monkeypatch, caplog):
    monkeypatch.setenv(variable, KEY)
    caplog.set_level(logging.DEBUG)
    with serving(says(f"your key is {KEY}")) as server:
        (answer,) = ask(server)
    assert server.keys == [f"Bearer {KEY}"]
    assert answer.text == "your key is [key]"
    assert KEY not in json.dumps(server.bodies)
    assert KEY not in caplog.text


def test_our_own_variable_comes_first(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    monkeypatch.setenv("RLVR_API_KEY", KEY)
    with serving(says("x")) as server:
        ask(server)
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_no_error_repeats_the_key(status, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said = {"error": {"message": f"Incorrect API key provided: {KEY}."}}
    with (
        serving(lambda handler, body: handler.send(status, said)) as server,
        pytest.raises((PolicyError, UserError)) as caught,
    ):
        ask(server, retries=0)
    import traceback

    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "[key]" in str(caught.value)


def test_without_a_key_no_header_is_sent():
    with serving(says("x")) as server:
        ask(server)
    assert server.keys == [None]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("openai:localhost:8000#m", "http://localhost:8000/v1"),
        ("openai:http://localhost:8000", "Name the model"),
        ("openai:http://me:secret@localhost:8000#m", "RLVR_API_KEY"),
        ("openai:http://localhost:8000?api_key=secret#m", "RLVR_API_KEY"),
        ("openai:http://localhost:99999999#m", "not the address"),
    ],
)
def test_a_bad_name_is_one_sentence_that_shows_no_secret(name, words):
    with pytest.raises(UserError) as caught:
        make_policy(name)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://h:1", "http://h:1/v1"),
        ("http://h:1/v1/", "http://h:1/v1"),
        ("https://h/api/v3", "https://h/api/v3"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
    ],
)
def test_addresses_are_understood_with_and_without_their_path(address, base):
    policy = make_policy(f"openai:{address}#org/model:7b")
    assert isinstance(policy, OpenAIPolicy)
    assert (policy.url, policy.model) == (base, "org/model:7b")
    assert policy.name == f"openai:{base}#org/model:7b"


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'retries'"):
        make_policy("openai:http://localhost:1#m", retrys=3)


def test_lone_surrogates_survive_both_ways():
    with serving(lambda handler, body: handler.send(200, completion("back \udc80"))) as server:
        (answer,) = ask(server, request("odd \ud800 text"))
    assert server.bodies[0]["messages"][0]["content"] == "odd \ud800 text"
    assert answer.text == "back \udc80"


def test_the_table_of_back_ends_says_what_the_class_can():
    (row,) = (backend for backend in BACKENDS if backend.prefix == "openai")
    assert row.capabilities == OpenAIPolicy.capabilities


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_reply_that_the_model_ended_is_a_reply(content):
    with serving(lambda handler, body: handler.send(200, completion(content))) as server:
        (answer,) = ask(server)
    assert (answer.text, answer.finish_reason) == ("", FinishReason.STOP)
    assert len(server.bodies) == 1
