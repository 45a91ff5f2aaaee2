"""Tokens, log-probabilities and the prefix cache against our own forward pass of the same folder."""

import asyncio
import math
import time

import pytest

from rlvr.agents.types import FinishReason, Message, Request, Sampling

from .models import GREEDY, PROMPT, ask, check_logprobs, filtered, under_way


def test_greedy_tokens_and_their_logprobs_are_those_of_our_own_model(model, policy, runner):
    prompts = [tuple((7 * n + k) % 1900 + 60 for k in range(length)) for n, length in enumerate((1, 5, 33, 130))]
    found = ask(runner, policy, *(Request(token_ids=prompt, sampling=GREEDY) for prompt in prompts))
    assert len({token for one in found for token in one.token_ids}) > 20, "a model that repeats itself tests nothing"
    for prompt, one in zip(prompts, found, strict=True):
        assert one.prompt_token_ids == prompt
        logits = check_logprobs(model, one, GREEDY)
        assert tuple(logits.argmax(-1).tolist()) == one.token_ids


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"temperature": 0.6},
        {"top_k": 5},
        {"top_p": 0.7},
        {"min_p": 0.1},
        {"temperature": 1.4, "top_k": 40, "top_p": 0.8},
    ],
    ids=lambda limits: "-".join(limits) or "plain",
)
def test_logprobs_are_those_of_the_sampling_distribution(model, policy, runner, limits):
    sampling = Sampling(**{"max_tokens": 16, "logprobs": True, "top_logprobs": 4, "ignore_eos": True, **limits})
    requests = [Request(token_ids=PROMPT, sampling=sampling, seed=seed) for seed in range(6)]
    # Greedy neighbours in the same batch take another path through vLLM's sampler.
    greedy, *sampled = ask(runner, policy, Request(token_ids=PROMPT, sampling=GREEDY), *requests)
    check_logprobs(model, greedy, GREEDY)
    for one in sampled:
        logits = check_logprobs(model, one, sampling)
        for place, likeliest in enumerate(one.top_logprobs):
            expected = filtered(logits[place], sampling)
            possible = int((expected > -math.inf).sum())
            assert len(likeliest) == min(4, possible)
            assert [value for _, value in likeliest] == pytest.approx(
                expected.topk(len(likeliest)).values.tolist(), abs=1e-4
            )


def test_a_turn_computes_only_what_is_new(policy, runner):
    runner.run(policy._engine.run(policy._engine.forget()))
    ids = tuple(range(200, 360))
    for turn in range(4):
        (one,) = ask(
            runner, policy, Request(token_ids=ids, sampling=Sampling(temperature=0, max_tokens=16, ignore_eos=True))
        )
        known = 0 if turn == 0 else len(ids) - 136 + 15  # keys of the last token were never needed
        assert one.usage.cached_tokens == known // 32 * 32
        assert one.usage.forwarded_tokens == len(ids) - one.usage.cached_tokens + 15
        assert one.usage.prompt_tokens == len(ids) and one.usage.completion_tokens == 16
        ids += one.token_ids + tuple(range(400 + 120 * turn, 520 + 120 * turn))


def test_a_seed_gives_the_same_tokens_alone_and_in_company(policy, runner):
    sampling = Sampling(max_tokens=20, ignore_eos=True)
    together = ask(runner, policy, *(Request(token_ids=PROMPT, sampling=sampling, seed=seed) for seed in range(12)))
    (alone,) = ask(runner, policy, Request(token_ids=PROMPT, sampling=sampling, seed=7))
    assert alone.token_ids == together[7].token_ids
    assert len({one.token_ids for one in together}) == 12
    (huge,) = ask(runner, policy, Request(token_ids=PROMPT, sampling=sampling, seed=2**64 + 7))
    assert len(huge.token_ids) == 20


def test_a_request_without_a_seed_depends_on_itself_alone(policy, runner):
    request = Request(token_ids=PROMPT, sampling=Sampling(max_tokens=12, ignore_eos=True))
    (first,), (second,) = ask(runner, policy, request), ask(runner, policy, request)
    assert first.token_ids == second.token_ids
    (other,) = ask(runner, policy, request.model_copy(update={"token_ids": (*PROMPT, 9)}))
    assert other.token_ids != first.token_ids


def test_messages_are_read_by_the_models_own_template(policy, runner):
    messages = (Message(role="system", content="Say <|end|>."), Message(role="user", content="Go on"))
    (one,) = ask(runner, policy, Request(messages=messages, sampling=GREEDY))
    expected = [token for piece in policy.chat.start(messages) for token in piece.ids]
    assert one.prompt_token_ids == tuple(expected)
    assert policy.count_prompt_tokens(Request(messages=messages)) == len(expected)
    assert policy.template == policy.chat.fingerprint


def test_the_end_token_ends_an_answer_and_shows_in_its_ids_alone(policy, runner):
    (end,) = policy.chat.end_ids
    sampling = Sampling(temperature=1.5, max_tokens=500)
    found = ask(runner, policy, *(Request(token_ids=PROMPT, sampling=sampling, seed=seed) for seed in range(8)))
    ended = [one for one in found if one.finish_reason is FinishReason.STOP]
    assert ended, "no answer ended by itself; choose another seed for the model"
    for one in ended:
        assert one.token_ids[-1] == end and end not in one.token_ids[:-1]
        assert "<|end|>" not in one.text
        assert one.text == policy.chat.decode(one.token_ids[:-1], control=False)
    (through,) = ask(
        runner,
        policy,
        Request(
            token_ids=PROMPT, sampling=sampling.model_copy(update={"ignore_eos": True}), seed=found.index(ended[0])
        ),
    )
    assert through.finish_reason is FinishReason.LENGTH and len(through.token_ids) == 500


def test_a_stop_string_is_cut_from_the_text_and_kept_in_the_ids(policy, runner):
    sampling = Sampling(max_tokens=40, ignore_eos=True, logprobs=True)
    (whole,) = ask(runner, policy, Request(token_ids=PROMPT, sampling=sampling, seed=3))
    words = [policy.chat.decode(whole.token_ids[n : n + 2]) for n in range(8, 30)]
    number, stop = next(
        (n, word) for n, word in enumerate(words, start=8) if word.isascii() and word.replace(" ", "").isalpha()
    )
    place = whole.text.index(stop)
    (cut,) = ask(
        runner, policy, Request(token_ids=PROMPT, sampling=sampling.model_copy(update={"stop": (stop,)}), seed=3)
    )
    assert cut.finish_reason is FinishReason.STOP
    assert cut.text == whole.text[:place]
    assert (
        cut.token_ids == whole.token_ids[: len(cut.token_ids)] and len(cut.logprobs) == len(cut.token_ids) == number + 2
    )
    assert stop in policy.chat.decode(cut.token_ids)


def test_a_cancelled_task_takes_its_request_out_of_the_engine(policy, runner):
    sampling = Sampling(max_tokens=500, ignore_eos=True)
    long = [Request(token_ids=PROMPT, sampling=sampling, seed=seed) for seed in (1, 2)]

    async def cancelled():
        began = time.monotonic()
        await policy.generate(long)
        whole = time.monotonic() - began
        began = time.monotonic()
        waiting = asyncio.create_task(policy.generate(long))
        other = asyncio.create_task(policy.generate([Request(token_ids=PROMPT, sampling=GREEDY)]))
        await under_way(policy, 3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (answer,) = await other
        assert answer.token_ids
        while not await policy._engine.run(policy._engine.forget()):  # only an idle engine can
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < whole / 2

    runner.run(cancelled())


def test_answers_end_where_the_context_does(policy, runner):
    ids = tuple(100 + n % 500 for n in range(policy.context_length - 6))
    (one,) = ask(runner, policy, Request(token_ids=ids, sampling=Sampling(max_tokens=50, ignore_eos=True), seed=1))
    assert len(one.token_ids) == 6 and one.finish_reason is FinishReason.LENGTH
