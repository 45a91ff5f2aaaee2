"""The `openai` policy against vLLM's own server: token ids both ways, log-probabilities, streams, refusals."""

import asyncio

import pytest

from rlvr.agents.agent import ReactiveAgent
from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.openai import OpenAIConfig, OpenAIPolicy
from rlvr.agents.policies.openai_server import Dialect
from rlvr.agents.policies.policy import Capability, PolicyError
from rlvr.agents.policies.template import ChatTemplate
from rlvr.agents.types import FinishReason, Message, Request, Sampling
from rlvr.tasks.errors import UserError

from .models import CONTEXT, GREEDY, PROMPT, check_logprobs, filtered

pytestmark = pytest.mark.network_local
MESSAGES = (Message(role="system", content="Play."), Message(role="user", content="Say something."))
MIXED = Sampling(temperature=0.7, top_p=0.9, top_k=40, max_tokens=24, logprobs=True, top_logprobs=3)


def ask(url, *requests, model="tiny", **config):
    async def go():
        policy = OpenAIPolicy(url, model, OpenAIConfig(**{"retries": 1, **config}))
        try:
            await policy.start()
            return policy, await policy.generate(requests)
        finally:
            await policy.aclose()

    return asyncio.run(go())


def test_the_server_is_known_for_what_it_is(vllm_server):
    policy, _ = ask(vllm_server)
    assert policy.facts.dialect is Dialect.VLLM
    assert policy.context_length == CONTEXT
    assert policy.facts.token_ids and policy.facts.sampling_logprobs
    assert policy.capabilities >= {Capability.TOKEN_IDS, Capability.TOPK_LOGPROBS, Capability.LOGPROBS, Capability.SEED}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("sampling", [GREEDY, MIXED], ids=["greedy", "mixed"])
@pytest.mark.parametrize("form", ["messages", "token ids"])
def test_log_probabilities_are_those_of_our_own_forward_pass(vllm_server, model, form, sampling, stream):
    asked = [
        Request(messages=MESSAGES, sampling=sampling, seed=seed)
        if form == "messages"
        else Request(token_ids=(*PROMPT, 100 + seed), sampling=sampling, seed=seed)
        for seed in range(4)
    ]
    _, answers = ask(vllm_server, *asked, stream=stream)
    template = ChatTemplate.from_folder(model.folder)
    for wanted, answer in zip(asked, answers, strict=True):
        rendered = template.codec.encode(template.render(MESSAGES, opening=True))
        assert answer.prompt_token_ids == (tuple(rendered) if form == "messages" else wanted.token_ids)
        assert len(answer.token_ids) == len(answer.logprobs) == answer.usage.completion_tokens
        assert answer.usage.prompt_tokens == len(answer.prompt_token_ids)
        logits = check_logprobs(model, answer, sampling)
        for place, likeliest in enumerate(answer.top_logprobs or ()):
            expected = filtered(logits[place], sampling).topk(3)
            assert [value for _, value in likeliest] == pytest.approx(expected.values.tolist(), abs=1e-4)
        assert (answer.top_logprobs is None) is not sampling.top_logprobs


def test_the_end_token_is_among_the_tokens_and_not_in_the_text(vllm_server, model):
    asked = [Request(messages=MESSAGES, sampling=Sampling(temperature=2.0, max_tokens=200), seed=n) for n in range(24)]
    _, answers = ask(vllm_server, *asked)
    ended = [answer for answer in answers if answer.finish_reason is FinishReason.STOP]
    assert ended, "no answer ended: this tests nothing"
    end = ChatTemplate.from_folder(model.folder).end_ids[0]
    for answer in ended:
        assert answer.token_ids[-1] == end and end not in answer.token_ids[:-1]
        assert "<|end|>" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_seeds_hold_in_any_company(vllm_server, stream):
    asked = [Request(messages=MESSAGES, sampling=Sampling(max_tokens=20), seed=seed) for seed in range(16)]
    _, first = ask(vllm_server, *asked, stream=stream)
    _, again = ask(vllm_server, *reversed(asked), stream=stream, concurrency=3)
    assert [answer.token_ids for answer in first] == [answer.token_ids for answer in reversed(again)]
    assert len({answer.token_ids for answer in first}) == 16


def test_a_stop_string_is_cut_from_the_text_and_stays_among_the_tokens(vllm_server, model):
    codec = ChatTemplate.from_folder(model.folder).codec
    sampling = Sampling(max_tokens=40, logprobs=True)
    _, (free,) = ask(vllm_server, Request(token_ids=PROMPT, sampling=sampling, seed=3))
    stop = next(letter for letter in free.text[1:] if letter.isascii() and letter.isalpha())
    for stream in (False, True):
        limited = sampling.model_copy(update={"stop": (stop,)})
        _, (ended,) = ask(vllm_server, Request(token_ids=PROMPT, sampling=limited, seed=3), stream=stream)
        assert ended.text == free.text[: free.text.index(stop)]
        assert stop in codec.decode(ended.token_ids)
        assert ended.token_ids == free.token_ids[: len(ended.token_ids)]
        assert len(ended.logprobs) == len(ended.token_ids)


def test_the_model_folders_own_defaults_do_not_interfere(vllm_server):
    """`generation_config.json` says temperature 0.7; a request says everything itself."""
    hot = Request(token_ids=PROMPT, sampling=Sampling(temperature=1.0, max_tokens=24, logprobs=True), seed=1)
    _, (answer,) = ask(vllm_server, hot)
    _, (raw,) = ask(vllm_server, hot, extra={"top_k": 1})
    assert answer.token_ids != raw.token_ids


def test_a_length_limit_beyond_the_context_is_lowered(vllm_server):
    sampling = Sampling(max_tokens=100_000, ignore_eos=True)
    _, (answer,) = ask(vllm_server, Request(token_ids=tuple(range(60, 60 + CONTEXT - 20)), sampling=sampling))
    assert (len(answer.token_ids), answer.finish_reason) == (20, FinishReason.LENGTH)
    ask(vllm_server, Request(messages=MESSAGES, sampling=Sampling(max_tokens=100_000)))


@pytest.mark.parametrize("length", [CONTEXT, CONTEXT + 1, 5 * CONTEXT])
@pytest.mark.parametrize("form", ["messages", "token ids"])
def test_a_prompt_longer_than_the_context_is_one_clear_error(vllm_server, model, form, length):
    if form == "token ids":
        asked = Request(token_ids=(60,) * length)
    else:  # a picture's character is one token
        rest = len(ChatTemplate.from_folder(model.folder).codec.encode("<|user|><|end|><|assistant|>"))
        asked = Request(messages=(Message(role="user", content="#" * (length - rest)),))
    with pytest.raises(PolicyError, match=str(CONTEXT)) as caught:
        ask(vllm_server, asked)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_refused_at_once_with_those_that_are(vllm_server):
    with pytest.raises(UserError, match="'nonsense'; it serves tiny"):
        ask(vllm_server, model="nonsense")


def test_tokens_outside_of_the_vocabulary_are_refused_in_one_sentence(vllm_server):
    with pytest.raises(PolicyError, match="400"):
        ask(vllm_server, Request(token_ids=(5, 999_999)))


def test_an_unknown_dialect_gets_text_all_the_same(vllm_server):
    policy, (answer,) = ask(
        vllm_server, Request(messages=MESSAGES, sampling=Sampling(top_k=3, max_tokens=8)), server="openai"
    )
    assert answer.usage.completion_tokens and answer.token_ids is None
    assert policy.capabilities == OpenAIPolicy.capabilities


class InIds(ReactiveAgent):
    """Speaks in token ids: every prompt is the last one, the answer, and two tokens more."""

    name = "in-ids"
    needs = frozenset({Capability.TOKEN_IDS})

    async def run(self, session):
        self.ids = PROMPT
        await super().run(session)

    async def act(self, observation, info):
        asked = Request(token_ids=self.ids, sampling=Sampling(max_tokens=6, logprobs=True))
        generation = await self.session.ask(self.policy, asked)
        self.ids = (*self.ids, *generation.completion.token_ids, 4, 5)
        return generation.completion.text or "nothing"


def test_a_run_in_token_ids_records_them(vllm_server, model):
    policy = f"openai:{vllm_server}#tiny"
    result = evaluate("game24-v0", agent=InIds, policy=policy, episodes=6, budget={"policy_calls": 3})
    assert not result.summary["excluded"]
    for episode in result.episodes():
        ids = PROMPT
        for made in episode.generations:
            assert episode.prompt_token_ids(made.id) == ids
            ids = (*ids, *made.completion.token_ids, 4, 5)


def test_a_run_of_the_direct_agent(vllm_server):
    result = evaluate("maze-v0", policy=f"openai:{vllm_server}#tiny", episodes=6, budget={"policy_calls": 3},
                      agent_settings={"sampling": {"max_tokens": 16}})  # fmt: skip
    assert not result.summary["excluded"]
    assert all(made.completion.token_ids for episode in result.episodes() for made in episode.generations)
