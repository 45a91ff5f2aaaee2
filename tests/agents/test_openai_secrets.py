"""A planted key, repeated by the server wherever a server can repeat something, is found nowhere."""

import asyncio
import base64
import html
import json
import logging
import time
import traceback
from urllib.parse import quote

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.openai import KEY_VARIABLES, OpenAIConfig, OpenAIPolicy
from rlvr.agents.policies.policy import PolicyError, make_policy
from rlvr.agents.policies.secret import Secret
from rlvr.cli import run
from rlvr.tasks.errors import UserError

from .servers import completion, delta, serving, streams
from .test_openai import QUICK, ask

pytestmark = pytest.mark.network_local
KEY = 'sk-planted/7f"3a+secret'
"""A key with characters that are escaped in JSON, in addresses and in HTML."""

GUISES = {
    "plain": KEY,
    "in capitals": KEY.upper(),
    "percent-encoded": quote(KEY, safe=""),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "escaped": json.dumps(KEY)[1:-1],
    "escaped thrice": json.dumps(json.dumps(json.dumps(KEY)))[5:-5],
    "as code points": "".join(f"\\\\u{ord(character):04X}" for character in KEY),
    "as an address in an address": quote(quote(KEY)),
    "for HTML": html.escape(html.escape(KEY)),
}


@pytest.fixture(autouse=True)
def _key(monkeypatch, caplog):
    monkeypatch.delenv(KEY_VARIABLES[1], raising=False)
    monkeypatch.setenv(KEY_VARIABLES[0], KEY)
    caplog.set_level(logging.DEBUG)


def leaks(text):
    """Return the guises of the key that a text shows, however often it was escaped."""
    bare = html.unescape(text).replace("\\", "").lower()
    return [name for name, guise in GUISES.items() if guise.replace("\\", "").lower() in bare]


def messages(guise):
    """Every place of an answer, with the key in it."""
    call = {
        "id": f"i{guise}",
        "type": "function",
        "function": {"name": f"go{guise}", "arguments": json.dumps({"a": guise})},
    }
    said = {
        "text": {"content": f"{guise} and {guise}"},
        "parts": {"content": [{"type": "text", "text": guise[:9]}, {"type": "text", "text": guise[9:]}]},
        "refusal": {"content": None, "refusal": guise},
        "thoughts": {"content": "x", "reasoning_content": guise},
        "thoughts of vLLM": {"content": "x", "reasoning": guise},
        "tool call": {"content": None, "tool_calls": [call]},
        "tool call of an object": {
            "content": None,
            "tool_calls": [{"function": {"name": "go", "arguments": {guise: guise}}}],
        },
    }
    for name, message in said.items():
        yield name, completion(None) | {"choices": [{"message": message, "finish_reason": "stop"}]}
    yield "reason", completion("x", finish_reason=guise)
    yield "endpoint of texts", {"choices": [{"text": guise, "finish_reason": "stop"}]}


@pytest.mark.parametrize("guise", ["plain", "escaped", "percent-encoded"])
def test_no_part_of_an_answer_shows_the_key(guise, caplog):
    for name, said in messages(GUISES[guise]):
        with serving(lambda handler, body, said=said: handler.send(200, said)) as server:
            (answer,) = ask(server)
        assert not leaks(answer.model_dump_json()), name
        assert name == "reason" or "[key]" in answer.model_dump_json(), name
    assert not leaks(caplog.text)


@pytest.mark.parametrize("size", [1, 7])
def test_a_key_in_pieces_of_a_stream_is_put_together_and_struck_out(size):
    pieces = [KEY[start : start + size] for start in range(0, len(KEY), size)]
    said = [delta(f"{piece}") for piece in pieces] + [delta(reasoning=piece) for piece in pieces]
    with serving(streams(*said, delta(finish="stop"))) as server:
        (answer,) = ask(server)
    assert (answer.text, answer.reasoning) == ("[key]", "[key]")


def errors(guise):
    """Every way to fail, with the key in it."""
    return {
        "message": lambda handler, body: handler.send(400, {"error": {"message": f"wrong key {guise}"}}),
        "text": lambda handler, body: handler.send(422, {"error": guise}),
        "detail": lambda handler, body: handler.send(422, {"detail": [{"loc": ["header", guise], "msg": guise}]}),
        "long": lambda handler, body: handler.send(400, {"error": {"message": "x" * 280 + guise}}),
        "server error": lambda handler, body: handler.send(500, {"error": {"message": guise, "code": guise}}),
        "missing": lambda handler, body: handler.send(404, {"error": {"message": guise}}),
        "refused": lambda handler, body: handler.send(401, {"error": {"message": guise}}),
        "field": lambda handler, body: handler.send(400, {"error": f"unknown field max_tokens {guise}"}),
        "not JSON": lambda handler, body: handler.send(200, f'{{"choices": "{guise}'.encode()),
        "no completion": lambda handler, body: handler.send(200, {"error": {"message": guise}, "choices": guise}),
        "choice": lambda handler, body: handler.send(
            200, {"choices": [{"message": {}, "finish_reason": "error", "error": {"message": guise}}]}
        ),
        "redirect": lambda handler, body: handler.send(307, {}, {"Location": f"http://h/{quote(guise)}"}),
        "wait": lambda handler, body: handler.send(429, {"error": guise}, {"Retry-After": quote(guise)}),
        "dropped": lambda handler, body: handler.drop(),
        "stream": streams(delta("x"), {"error": {"message": guise, "code": 400}}),
        "broken stream": streams(delta("x"), guise),
        "odd stream": streams({"choices": [{"delta": guise}]}),
    }


@pytest.mark.parametrize("guise", ["plain", "escaped", "percent-encoded"])
def test_no_error_log_or_traceback_shows_the_key(guise, caplog):
    for name, reply in errors(GUISES[guise]).items():

        def echoing(handler, body, reply=reply):
            handler.extra = {"X-Echo": quote(GUISES[guise]), "X-Authorization": handler.headers["Authorization"]}
            reply(handler, body)

        with serving(echoing) as server, pytest.raises((PolicyError, UserError)) as caught:
            ask(server, retries=0)
        error = caught.value
        assert not leaks(str(error)), name
        assert not leaks("".join(traceback.format_exception(error))), name
        assert "\n" not in str(error), name
    assert not leaks(caplog.text)


@pytest.mark.parametrize("guise", GUISES)
def test_the_key_is_known_however_it_is_written(guise):
    said = f"Why {GUISES[guise]}, {GUISES[guise]}?"
    assert Secret(KEY).is_in(said)
    assert not leaks(Secret(KEY).strike(said))
    assert Secret(KEY).strike("sk-planted, that is") == "sk-planted, that is"


@pytest.mark.parametrize("text", ["\\", "s\\", "%25", "&amp;", KEY[:-1], "s" + "\\" * 20])
def test_no_text_takes_long_to_be_searched(text):
    began = time.monotonic()
    Secret(KEY).strike(text * (200_000 // len(text)))
    assert time.monotonic() - began < 2


def test_local_variables_of_a_traceback_show_no_key():
    """What a crash reporter prints of our own frames; the HTTP library's are not ours."""
    with serving(errors(KEY)["message"]) as server, pytest.raises(PolicyError) as caught:
        ask(server, retries=0)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    own = [frame for frame in report.stack if "policies" in frame.filename]
    assert own
    assert "Bearer" not in str([frame.locals for frame in own])
    policy = OpenAIPolicy(server.url, "tiny")
    assert not leaks(str(vars(policy)) + repr(policy.facts) + str(policy.settings()))
    assert not leaks(repr(Secret(KEY)) + repr(Secret(KEY).auth()) + str(vars(Secret(KEY).auth()).keys()))


def test_the_list_of_models_may_repeat_the_key():
    with serving(errors(KEY)["missing"]) as server:
        server.models = [{"id": f"for {KEY}"}, {"id": "other"}]
        with pytest.raises(UserError, match=r"it serves for \[key\], other") as caught:
            ask(server)
    assert not leaks(str(caught.value))


def test_headers_with_the_key_are_struck_out_of_the_log_and_other_headers_stay(caplog):
    def reply(handler, body):
        handler.send(200, completion("x"), {"X-Echo": handler.headers["Authorization"], "X-Other": "seen in the log"})

    with serving(reply) as server:
        ask(server)
    assert "seen in the log" in caplog.text
    assert "[key]" in caplog.text
    assert not leaks(caplog.text)
    assert not any(logger.filters for name, logger in logging.root.manager.loggerDict.items()
                   if name.startswith("http") and isinstance(logger, logging.Logger))  # fmt: skip


@pytest.mark.parametrize("place", ["path", "model", "extra"])
def test_a_key_in_the_name_or_the_extra_fields_is_refused_unseen(place, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLES[0], "sk-planted-simple-key")
    url = "http://localhost:1/sk-planted-simple-key/v1" if place == "path" else "http://localhost:1/v1"
    model = "sk-planted-simple-key" if place == "model" else "m"
    extra = {"api_key": "sk-planted-simple-key"} if place == "extra" else {}
    with pytest.raises(UserError, match="RLVR_API_KEY") as caught:
        make_policy(f"openai:{url}#{model}", extra=extra)
    assert "planted" not in str(caught.value)


def test_a_placeholder_is_sent_but_not_struck_out_of_answers(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLES[0], "none")
    with serving(lambda handler, body: handler.send(200, completion("there is none"))) as server:
        (answer,) = ask(server)
    assert (server.keys, answer.text) == (["Bearer none"], "there is none")


def test_a_redirected_key_goes_nowhere():
    with serving(lambda handler, body: handler.send(200, completion("x"))) as thief:
        elsewhere = {"Location": f"{thief.url}/chat/completions"}
        with serving(lambda handler, body: handler.send(307, {}, elsewhere)) as server, pytest.raises(UserError):
            ask(server)
        assert not thief.keys


def test_no_record_and_no_page_shows_the_key(tmp_path, capsys, caplog):
    answers = [said for guise in GUISES.values() for _, said in messages(guise)]
    failures = [reply for guise in GUISES.values() for name, reply in errors(guise).items()
                if name not in ("refused", "missing", "redirect", "field")]  # fmt: skip

    def reply(handler, body):
        handler.extra = {"X-Echo": handler.headers["Authorization"]}
        number = body["seed"] % (len(answers) + len(failures))
        if number < len(answers):
            handler.send(200, answers[number])
        else:
            failures[number - len(answers)](handler, body)

    with serving(reply) as server:
        policy = make_policy(f"openai:{server.url}#m", **{**QUICK, "retries": 0}, concurrency=64)
        evaluate(
            "game24-v0", policy=policy, episodes=120, budget={"policy_calls": 3}, out=tmp_path / "run", concurrency=64
        )
    assert run(["leaderboard", "build", str(tmp_path / "run"), "--out", str(tmp_path / "site")]) == 0
    captured = capsys.readouterr()
    assert not leaks(captured.out + captured.err + caplog.text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".html" for path in files)
    written = "".join(path.read_text() for path in files)
    assert "[key]" in written
    assert not leaks(written)
    assert all(not leaks(path.name) for path in files)


def test_the_key_is_read_anew_at_every_start(monkeypatch):
    async def go():
        policy = OpenAIPolicy(server.url, "m", OpenAIConfig(**QUICK))
        for key in ("sk-first-planted-key", "sk-second-planted-key"):
            monkeypatch.setenv(KEY_VARIABLES[0], key)
            await policy.start()
            (answer,) = await policy.generate([_request()])
            assert answer.text == "said [key]"
            await policy.aclose()

    with serving(
        lambda handler, body: handler.send(200, completion(f"said {handler.headers['Authorization'][7:]}"))
    ) as server:
        asyncio.run(go())
    assert server.keys == ["Bearer sk-first-planted-key", "Bearer sk-second-planted-key"]


def _request():
    from .test_openai import request

    return request()
