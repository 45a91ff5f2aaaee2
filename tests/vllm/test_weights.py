"""New weights for a running engine."""

import asyncio

import pytest
import torch

from rlvr.agents.lm.qwen3 import to_transformers
from rlvr.agents.policies.vllm import VllmPolicy
from rlvr.agents.types import Request, Sampling
from rlvr.tasks.errors import UserError

from .models import GREEDY, PROMPT, ask, check_logprobs, under_way

SAMPLED = Sampling(max_tokens=16, logprobs=True, ignore_eos=True)


def greedy(runner, policy):
    (one,) = ask(runner, policy, Request(token_ids=(*range(300, 380), *PROMPT), sampling=GREEDY))
    return one


def test_an_engine_with_new_weights_answers_as_one_that_was_started_with_them(model, other_model, policy, runner):
    before = greedy(runner, policy)
    assert greedy(runner, policy).usage.cached_tokens > 0
    weights = to_transformers(other_model.own)
    try:
        # As a trainer of transformers hands them over: the tied output layer under its own name, too.
        runner.run(policy.update_weights({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]}))
        after = greedy(runner, policy)
        assert after.usage.cached_tokens == 0, "keys of the old weights were used"
        assert after.token_ids != before.token_ids
        logits = check_logprobs(other_model, after, GREEDY)
        assert tuple(logits.argmax(-1).tolist()) == after.token_ids
        (sampled,) = ask(runner, policy, Request(token_ids=PROMPT, sampling=SAMPLED, seed=5))
        fresh = VllmPolicy(str(other_model.folder), policy.config)
        try:
            # Started from a notebook's side: another event loop, in another thread.
            (same,) = fresh.generate_sync(Request(token_ids=PROMPT, sampling=SAMPLED, seed=5))
            assert same.token_ids == sampled.token_ids
            assert same.logprobs == pytest.approx(sampled.logprobs, abs=1e-5)
        finally:
            runner.run(fresh.aclose())
    finally:
        runner.run(policy.update_weights(to_transformers(model.own)))
    assert greedy(runner, policy).token_ids == before.token_ids


def test_weights_change_between_requests_not_in_their_midst(model, other_model, policy, runner):
    long = Request(token_ids=PROMPT, sampling=SAMPLED.model_copy(update={"max_tokens": 120}), seed=1)

    async def overtaken():
        running = asyncio.create_task(policy.generate([long]))
        await under_way(policy, 1)
        await asyncio.sleep(0.05)
        updating = asyncio.create_task(policy.update_weights(to_transformers(other_model.own)))
        await asyncio.sleep(0.02)
        late = asyncio.create_task(policy.generate([Request(token_ids=PROMPT, sampling=GREEDY)]))
        (old,), (new,), _ = await asyncio.gather(running, late, updating)
        return old, new

    try:
        old, new = runner.run(overtaken())
        check_logprobs(model, old, long.sampling)
        check_logprobs(other_model, new, GREEDY)
    finally:
        runner.run(policy.update_weights(to_transformers(model.own)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda weights: weights.pop("model.norm.weight"), "1 tensors are missing, such as model.norm.weight"),
        (lambda weights: weights.update({"module.norm": torch.zeros(3)}), "unknown to the model, such as module.norm"),
        (
            lambda weights: weights.update({"model.norm.weight": torch.zeros(3)}),
            "has the shape [3] where the model has",
        ),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_weights_that_do_not_fit_are_refused_and_change_nothing(other_model, policy, runner, spoil, said):
    before = greedy(runner, policy)
    weights = to_transformers(other_model.own)
    spoil(weights)
    with pytest.raises(UserError) as refused:
        runner.run(policy.update_weights(weights))
    assert said in str(refused.value)
    assert greedy(runner, policy).logprobs == before.logprobs
