"""The `openai` policy against `transformers serve` with the embedded model: no doubles."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import httpx
import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.openai import OpenAIConfig, OpenAIPolicy
from rlvr.agents.policies.openai_server import Dialect
from rlvr.agents.policies.policy import Capability, MissingCapability
from rlvr.agents.policies.template import ChatTemplate
from rlvr.agents.types import FinishReason, Message, Request, Sampling
from rlvr.tasks.errors import UserError

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytestmark = [pytest.mark.network_local, pytest.mark.slow]
START_S = 120


def model_folder(tmp: Path) -> Path:
    """The embedded model, or one of its layout with random weights where there is none yet."""
    shipped = Path(str(resources.files("rlvr.agents"))) / "weights" / "tiny"
    if (shipped / "model.safetensors").is_file():
        return shipped
    from rlvr.agents.lm.qwen3 import random_model

    folder = tmp / "tiny"
    random_model(folder, 3, num_hidden_layers=2)
    for file in shipped.iterdir():
        shutil.copy(file, folder / file.name)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def url(folder, tmp_path_factory):
    """`transformers serve` with the model; its whole process group is ended with the tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("hub")
    log = home / "log.txt"
    command = [
        sys.executable, "-c", "from transformers.cli.transformers import main; main()",
        "serve", str(folder), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu",
    ]  # fmt: skip
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + START_S
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"transformers serve did not start:\n{log.read_text()[-4000:]}")
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def request(text="Say something.", seed=1, **sampling):
    messages = (Message(role="system", content="Play."), Message(role="user", content=text))
    return Request(messages=messages, sampling=Sampling(**{"max_tokens": 12, **sampling}), seed=seed)


def ask(url, folder, *requests, **config):
    async def go():
        policy = OpenAIPolicy(url, str(folder), OpenAIConfig(**{"retries": 1, **config}))
        try:
            await policy.start()
            return policy, await policy.generate(requests)
        finally:
            await policy.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_the_reply_alone_with_its_true_usage(url, folder, stream):
    template = ChatTemplate.from_folder(folder)
    asked = [request(), request("Another text, of more words.", seed=2, max_tokens=30)]
    policy, answers = ask(url, folder, *asked, stream=stream)
    assert policy.facts.dialect is Dialect.TRANSFORMERS
    for wanted, answer in zip(asked, answers, strict=True):
        prompt = template.render(wanted.messages, opening=True)
        assert answer.usage.prompt_tokens == len(template.codec.encode(prompt))
        assert 0 < answer.usage.completion_tokens <= wanted.sampling.max_tokens
        assert (answer.finish_reason is FinishReason.LENGTH) is (
            answer.usage.completion_tokens == wanted.sampling.max_tokens
        )
        assert "<|user|>" not in answer.text and "Play." not in answer.text
        assert (answer.token_ids, answer.logprobs) == (None, None)  # it has none to give


def test_streamed_and_whole_answers_say_the_same(url, folder):
    asked = [request(seed=seed, temperature=0) for seed in range(3)]
    _, whole = ask(url, folder, *asked, stream=False, concurrency=1)
    _, streamed = ask(url, folder, *asked, stream=True, concurrency=1)
    assert [answer.text.strip() for answer in whole] == [answer.text.strip() for answer in streamed]


def test_sampling_parameters_reach_the_model(url, folder):
    _, greedy = ask(url, folder, request(temperature=0))
    _, limited = ask(url, folder, request(top_k=1), request(top_p=1e-6), request(min_p=1.0))
    assert {answer.text for answer in limited} == {greedy[0].text}
    _, free = ask(url, folder, *(request(seed=seed, temperature=5.0) for seed in range(4)), concurrency=1)
    assert len({answer.text for answer in free}) > 1


def test_seeds_hold_for_one_request_at_a_time(url, folder):
    asked = [request(seed=seed, temperature=2.0) for seed in (1, 2, 1)]
    policy, answers = ask(url, folder, *asked, concurrency=1)
    assert Capability.SEED in policy.capabilities
    assert answers[0].text == answers[2].text != answers[1].text
    many, _ = ask(url, folder, request())
    assert Capability.SEED not in many.capabilities


def test_a_stop_string_ends_the_text_before_it(url, folder):
    _, (free,) = ask(url, folder, request(seed=5, temperature=3.0, max_tokens=40), concurrency=1)
    stop = next(letter for letter in free.text.strip()[1:] if letter.isascii() and letter.isalpha())
    _, (ended,) = ask(url, folder, request(seed=5, temperature=3.0, max_tokens=40, stop=(stop,)), concurrency=1)
    assert stop not in ended.text
    assert ended.usage.completion_tokens < free.usage.completion_tokens
    assert ended.finish_reason is FinishReason.STOP


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        (request(logprobs=True), "logprobs"),
        (request(logprobs=True, top_logprobs=1), "topk_logprobs"),
        (Request(token_ids=(1, 2)), "token_ids"),
    ],
)
def test_what_it_lacks_is_refused(url, folder, asked, lacking):
    with pytest.raises(MissingCapability, match=lacking):
        ask(url, folder, asked)


def test_another_model_is_refused_with_its_own_words(url):
    with pytest.raises(UserError, match=r"no such .*'nonsense'.*pinned"):
        ask(url, "nonsense", request())


def test_a_field_it_does_not_know_is_named(url, folder):
    with pytest.raises(UserError, match="does not take the field top_k"):
        ask(url, folder, request(top_k=3), server="openai")


def test_many_at_once_all_come_back(url, folder):
    _, answers = ask(url, folder, *(request(f"Number {n}", seed=n) for n in range(24)))
    assert all(answer.usage.completion_tokens for answer in answers)


def test_a_run_of_episodes(url, folder):
    result = evaluate(
        "game24-v0",
        policy=f"openai:{url}#{folder}",
        agent_settings={"sampling": {"max_tokens": 16, "temperature": 0.7}},
        episodes=8,
        budget={"policy_calls": 2},
    )
    assert not result.summary["excluded"]
    assert all(episode.ledger.completion_tokens for episode in result.episodes())
