"""The `openai` policy: keys in tool calls, growing pauses, proxies, servers that report no usage."""

import json

import pytest

from rlvr.agents.policies.openai import KEY_VARIABLES
from rlvr.agents.policies.policy import PolicyError
from rlvr.agents.types import ImagePart, Message, Request, TextPart

from .servers import completion, free_port, says, serving
from .test_openai import FAULTS, KEY, ask

pytestmark = pytest.mark.network_local


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_key_is_struck_out_of_tool_calls_wherever_it_stands(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLES[0], KEY)
    called = completion(f"{KEY} and {KEY}", finish_reason="tool_calls")
    function = {"name": f"go {KEY}", "arguments": json.dumps({"way": f"{KEY} {KEY}"})}
    called["choices"][0]["message"]["tool_calls"] = [{"id": f"call {KEY}", "type": "function", "function": function}]
    with serving(lambda handler, body: handler.send(200, called)) as server:
        (answer,) = ask(server)
    assert len(answer.tool_calls) == 1
    assert KEY not in answer.model_dump_json()
    assert answer.text == "[key] and [key]"


def test_the_pause_before_a_retry_grows():
    with serving(FAULTS["500"]) as server, pytest.raises(PolicyError):
        ask(server, backoff_s=0.06, retries=3)
    pauses = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    for attempt, pause in enumerate(pauses):
        assert pause >= 0.06 * 2**attempt / 2


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(says("here")) as server:
        (answer,) = ask(server, retries=0)
    assert answer.text == "here"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": "3"}])
def test_without_reported_usage_four_bytes_count_as_a_token(usage):
    said = completion("nine bytes") | {"usage": usage}
    picture = ImagePart(url="data:image/png;base64," + "A" * 4000)
    asked = Request(messages=(Message(role="user", content=(TextPart(text="eight by"), picture)),))
    with serving(lambda handler, body: handler.send(200, said)) as server:
        (answer,) = ask(server, asked)
    assert answer.usage.completion_tokens == answer.usage.decoded_tokens == 3
    assert answer.usage.prompt_tokens == 2  # pictures have a price that only the server knows


def test_cached_tokens_are_counted():
    said = completion("x")
    said["usage"] |= {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
    with serving(lambda handler, body: handler.send(200, said)) as server:
        (answer,) = ask(server)
    assert (answer.usage.prompt_tokens, answer.usage.cached_tokens) == (9, 4)
