"""What the `openai` policy finds out about a server, what it sends each kind, and what it refuses."""

import asyncio
import json

import pytest
import torch

from rlvr.agents.agent import ReactiveAgent
from rlvr.agents.evaluate import evaluate
from rlvr.agents.lm.hooks import Hooks, Steer
from rlvr.agents.policies.openai import OpenAIConfig, OpenAIPolicy
from rlvr.agents.policies.openai_server import Dialect
from rlvr.agents.policies.policy import Capability, MissingCapability, PolicyError
from rlvr.agents.types import FinishReason, Request, Sampling
from rlvr.tasks.errors import UserError

from .servers import completion, delta, in_turn, says, serving, streams
from .test_openai import QUICK, _no_keys, ask, request  # noqa: F401 (a fixture)
from .worlds import register

register()
pytestmark = pytest.mark.network_local
VLLM_MODELS = [{"id": "tiny", "owned_by": "vllm", "max_model_len": 64}, {"id": "other", "owned_by": "vllm"}]
SCORED = Sampling(temperature=0.7, top_p=0.9, logprobs=True, top_logprobs=2)


def scored_ids(ids, temperature, *, processed):
    """What vLLM's `/completions` says about tokens, where its log-probabilities are of the given kind."""
    value = -1.0 / temperature if processed else -1.0
    return {
        "tokens": [f"token_id:{token}" for token in ids],
        "token_logprobs": [value - token for token in ids],
        "top_logprobs": [
            {f"token_id:{token}": value - token, "token_id:9": value - 9, "token_id:0": value} for token in ids
        ],
    }


def vllm(*, ids=True, processed=False, answer=(5, 6)):
    """A double of vLLM's server: the few fields that matter, with the answer `answer`."""

    def reply(handler, body):
        if handler.path.endswith("/completions") and "prompt" in body:
            made = answer[: body["max_tokens"]]
            choice = {"index": 0, "text": "".join(chr(97 + token) for token in made), "finish_reason": "stop"}
            if body.get("logprobs") is not None:
                choice["logprobs"] = scored_ids(made, body["temperature"], processed=processed)
            if ids and body.get("return_token_ids"):
                choice |= {"token_ids": list(made), "prompt_token_ids": body["prompt"]}
            handler.send(200, {"choices": [choice]})
        else:
            said = completion("fg")
            if ids and body.get("return_token_ids"):
                said["prompt_token_ids"] = [1, 2, 3]
                said["choices"][0]["token_ids"] = list(answer)
            handler.send(200, said)

    return reply


def started(at, **config):
    async def go():
        policy = OpenAIPolicy(at.url, "tiny", OpenAIConfig(**{**QUICK, **config}))
        await policy.start()
        await policy.aclose()
        return policy

    return asyncio.run(go())


@pytest.mark.parametrize(("ids", "processed"), [(True, True), (True, False), (False, False)])
def test_vllm_is_known_by_its_list_and_asked_what_it_gives(ids, processed):
    with serving(vllm(ids=ids, processed=processed)) as server:
        server.models = VLLM_MODELS
        policy = started(server)
    assert policy.facts.dialect is Dialect.VLLM
    assert policy.context_length == 64
    assert (policy.facts.token_ids, policy.facts.sampling_logprobs) == (ids, processed)
    assert (policy.capabilities >= policy.found_at_start) is ids
    assert OpenAIPolicy.capabilities.isdisjoint(policy.found_at_start)  # of this one alone, not of the class


def test_vllm_is_told_every_sampling_parameter():
    with serving(vllm()) as server:
        server.models = VLLM_MODELS
        ask(server, request(), request(sampling=Sampling(top_k=3, min_p=0.2, max_tokens=9999)), stream=False)
    plain, limited = sorted((body for body in server.bodies if "messages" in body), key=lambda body: body["min_p"])
    assert (plain["top_k"], plain["min_p"], plain["repetition_penalty"], plain["return_token_ids"]) == (-1, 0, 1, True)
    assert (limited["top_k"], limited["min_p"]) == (3, 0.2)
    assert limited["max_tokens"] == 64  # vLLM refuses more than the context


def test_ends_are_ignored_by_vllm_alone():
    asked = request(sampling=Sampling(ignore_eos=True))
    with serving(vllm()) as server:
        server.models = VLLM_MODELS
        ask(server, asked)
        assert server.bodies[-1]["ignore_eos"] is True
    with serving(says("x")) as server, pytest.raises(UserError, match="ignore_eos needs vLLM"):
        ask(server, asked)
    assert not server.bodies


def test_hooks_are_refused_and_not_left_out():
    hooks = Hooks(steer=(Steer(layer=0, vector=torch.ones(1)),))
    with serving(says("x")) as server, pytest.raises(MissingCapability, match="steer"):
        ask(server, request(hooks=hooks))
    assert not server.bodies


def test_messages_come_back_with_token_ids():
    with serving(vllm()) as server:
        server.models = VLLM_MODELS
        (answer,) = ask(server)
    assert (answer.token_ids, answer.prompt_token_ids) == ((5, 6), (1, 2, 3))
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 3)


def test_a_request_of_token_ids_goes_to_the_other_endpoint_and_costs_what_was_counted():
    asked = Request(token_ids=(40, 41, 42), sampling=SCORED, seed=3)
    with serving(vllm(processed=True)) as server:
        server.models = VLLM_MODELS
        (answer,) = ask(server, asked)
    assert server.paths[-1] == "/v1/completions"
    body = server.bodies[-1]
    assert (body["prompt"], body["logprobs"], body["seed"]) == ([40, 41, 42], 2, 3)
    assert body["max_tokens"] == 61  # what the context has room for
    assert (answer.token_ids, answer.prompt_token_ids, answer.text) == ((5, 6), (40, 41, 42), "fg")
    first = -1 / 0.7
    assert answer.logprobs == pytest.approx((first - 5, first - 6))
    assert answer.top_logprobs == (
        ((0, first), (5, pytest.approx(first - 5))),
        ((0, first), (6, pytest.approx(first - 6))),
    )
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)


def test_token_ids_and_log_probabilities_are_streamed():
    pieces = [
        {"choices": [{"index": 0, "text": "f", "token_ids": [5], "prompt_token_ids": [40],
                      "logprobs": scored_ids([5], 1, processed=False), "finish_reason": None}]},
        {"choices": [{"index": 0, "text": "g", "token_ids": [6], "logprobs": scored_ids([6], 1, processed=False),
                      "finish_reason": "length"}]},
    ]  # fmt: skip
    asked = Request(token_ids=(40,), sampling=Sampling(logprobs=True, top_logprobs=1))
    with serving(in_turn(vllm(), vllm(), streams(*pieces))) as server:
        server.models = VLLM_MODELS
        (answer,) = ask(server, asked)
    assert (answer.text, answer.token_ids, answer.prompt_token_ids) == ("fg", (5, 6), (40,))
    assert answer.logprobs == (-6, -7)
    assert answer.top_logprobs == (((0, -1),), ((0, -1),))
    assert answer.finish_reason is FinishReason.LENGTH


def test_chat_log_probabilities_by_token_id_are_read_in_order():
    tops = [{"token": "token_id:7", "logprob": -3.0}, {"token": "token_id:4", "logprob": -0.1},
            {"token": "token_id:2", "logprob": -0.4}]  # fmt: skip
    said = completion("x", logprobs={"content": [{"token": "token_id:7", "logprob": -3.0, "top_logprobs": tops}]})
    with serving(in_turn(vllm(), vllm(), lambda handler, body: handler.send(200, said))) as server:
        server.models = VLLM_MODELS
        (answer,) = ask(server, request(sampling=Sampling(logprobs=True, top_logprobs=2)))
    assert server.bodies[-1]["top_logprobs"] == 3  # vLLM counts the sampled token among them
    assert server.bodies[-1]["return_tokens_as_token_ids"] is True
    assert answer.top_logprobs == (((4, -0.1), (2, -0.4)),)
    assert answer.logprobs == (-3.0,)


def test_more_log_probabilities_than_tokens_are_a_fault():
    said = completion("x", logprobs={"content": [{"token": "x", "logprob": -3.0}] * 2}, token_ids=[1])
    with (
        serving(lambda handler, body: handler.send(200, said)) as server,
        pytest.raises(PolicyError, match="2 log-prob"),
    ):
        ask(server, request(sampling=Sampling(logprobs=True)))


@pytest.mark.parametrize("room", [64, 65, 200])
def test_a_prompt_without_room_for_an_answer_is_refused_with_both_numbers(room):
    with serving(vllm()) as server:
        server.models = VLLM_MODELS
        with pytest.raises(PolicyError, match=rf"{room} tokens.* 64$"):
            ask(server, Request(token_ids=(1,) * room))


FULL = completion("", finish_reason="length") | {"usage": {"prompt_tokens": 64, "completion_tokens": 0}}
NO_ROOM = {"error": {"message": "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)"}}


@pytest.mark.parametrize(("status", "said"), [(400, NO_ROOM), (200, FULL)], ids=["refused", "nothing"])
def test_a_full_context_is_said_clearly_whatever_vllm_makes_of_it(status, said):
    with serving(in_turn(vllm(), vllm(), lambda handler, body: handler.send(status, said))) as server:
        server.models = VLLM_MODELS
        with pytest.raises(PolicyError, match=r"prompt has 64 tokens.* no room .* 64$"):
            ask(server)


@pytest.mark.parametrize(
    ("asked", "lacking"),
    [
        (Request(token_ids=(1, 2)), "token_ids"),
        (request(sampling=Sampling(logprobs=True, top_logprobs=1)), "topk_logprobs"),
    ],
)
def test_what_an_unknown_server_lacks_is_refused_before_it_is_asked(asked, lacking):
    with serving(says("x")) as server, pytest.raises(MissingCapability, match=lacking):
        ask(server, asked)
    assert not server.bodies


def test_a_server_that_gives_no_log_probabilities_is_found_out():
    with serving(says("some text")) as server, pytest.raises(MissingCapability, match="logprobs"):
        ask(server, request(sampling=Sampling(logprobs=True)))


@pytest.mark.parametrize("sampling", [{"temperature": 0.7}, {"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.1}])
def test_log_probabilities_of_another_distribution_are_not_taken_for_the_sampling_ones(sampling):
    asked = request(sampling=Sampling(logprobs=True, **sampling))
    scored = {"content": [{"token": "a", "logprob": -0.5}]}
    with serving(lambda handler, body: handler.send(200, completion("a", logprobs=scored))) as server:
        with pytest.raises(UserError, match="raw_logprobs=true"):
            ask(server, asked)
        assert not server.bodies
        assert ask(server, asked, raw_logprobs=True)[0].logprobs == (-0.5,)
        greedy = request(
            sampling=Sampling(logprobs=True, temperature=0, **{k: v for k, v in sampling.items() if k != "temperature"})
        )
        assert ask(server, greedy)[0].logprobs == (-0.5,)
    assert OpenAIPolicy(server.url, "m", OpenAIConfig(raw_logprobs=True)).settings() == {"raw_logprobs": True}


def test_transformers_is_known_by_its_endpoints_and_sent_a_generation_config():
    with serving(says("one END two")) as server:
        server.probe_status = 500  # what it answers where it finds no cache of models
        server.description = {"paths": {"/v1/chat/completions": {}, "/load_model": {}}}
        server.stale_connection = True  # after its 500, uvicorn closes it
        sampling = Sampling(temperature=0.5, top_k=3, max_tokens=7, stop=("END",))
        (answer,) = ask(server, request(sampling=sampling, seed=4))
        ask(server, request(sampling=Sampling(temperature=0)))
        with pytest.raises(MissingCapability, match="logprobs"):
            ask(server, request(sampling=Sampling(logprobs=True)))
        policy = started(server)
        alone = started(server, concurrency=1)
    assert answer.text == "one "  # it leaves the stop string in
    first, second = server.bodies
    assert set(first) == {"model", "messages", "max_tokens", "stop", "generation_config", "seed", "stream"}
    assert json.loads(first["generation_config"]) == {
        "do_sample": True, "temperature": 0.5, "top_p": 1.0, "top_k": 3, "min_p": None, "repetition_penalty": 1.0,
    }  # fmt: skip
    assert json.loads(second["generation_config"])["do_sample"] is False
    assert policy.facts.dialect is Dialect.TRANSFORMERS
    assert not policy.capabilities & {Capability.LOGPROBS, Capability.SEED}  # one random generator for all requests
    assert Capability.SEED in alone.capabilities


def test_the_setting_goes_before_what_the_probe_finds():
    with serving(vllm()) as server:
        server.models = VLLM_MODELS
        assert started(server, server="openai").capabilities == OpenAIPolicy.capabilities
    with serving(vllm()) as server:
        assert Capability.TOKEN_IDS in started(server, server="vllm", probe=False).capabilities
        assert not server.probed


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ({"error": {"message": "Unrecognized request argument supplied: top_k"}}, "set top_k to 0"),
        ({"error": "Unknown parameter: 'min_p'."}, "set min_p to 0"),
        ({"detail": "Unexpected fields in the request: {'seed'}"}, "send_seed=false"),
        ({"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}, "set top_k to 0"),
        ({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                               "'max_completion_tokens' instead."}}, "max_tokens_field=max_completion_tokens"),
        ({"message": "stream_options is not supported"}, "stream=false"),
        ({"error": {"message": "unknown field repetition_penality"}}, "leave it out of --policy-set extra"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 422])
def test_a_field_that_the_server_does_not_know_is_named_with_what_to_do(words, hint, status):
    sampling = Sampling(top_k=5, min_p=0.1)
    with serving(lambda handler, body: handler.send(status, words)) as server, pytest.raises(UserError) as caught:
        ask(server, request(sampling=sampling, seed=3), extra={"repetition_penality": 1.0})
    assert "does not take the field" in str(caught.value) and hint in str(caught.value)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "words",
    [
        "max_tokens is too large: 4096",
        "the prompt has 9 tokens, max_tokens not allowed beyond",
        "temperature must be at most 2",
    ],
)
def test_a_value_that_the_server_refuses_concerns_one_episode_alone(words):
    with (
        serving(lambda handler, body: handler.send(400, {"error": {"message": words}})) as server,
        pytest.raises((PolicyError, UserError), match=words[:20]),
    ):
        ask(server)


def test_a_model_that_vllm_lacks_is_refused_before_the_first_episode_with_those_it_has():
    with serving(says("x")) as server:
        server.models = [entry | {"id": name} for entry, name in zip(VLLM_MODELS, ("qwen", "llama"), strict=True)]
        with pytest.raises(UserError, match=r"no such .*'tiny'; it serves qwen, llama\.$"):
            ask(server)
    assert not server.bodies


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, {"error": {"message": "The model `tiny` does not exist."}}),
        (404, b"<html>not here</html>"),
        (400, {"detail": "Server is pinned to 'qwen'; requested 'tiny'."}),
        (400, {"error": {"message": "tiny is not a valid model ID", "code": 400}}),
    ],
)
def test_a_model_that_another_server_lacks_ends_the_run_with_those_it_lists(status, words):
    with serving(lambda handler, body: handler.send(status, words)) as server:
        server.models = [{"id": f"m{number}"} for number in range(30)]
        with pytest.raises(UserError, match=r"'tiny'.*it serves m0, m1, .*m19, \.\.\.\.$"):
            ask(server)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": None, "reasoning_content": "hm"}, "", "hm"),
        ({"content": "so", "reasoning": "hm"}, "so", "hm"),
        ({"content": "so", "reasoning": None, "reasoning_content": ""}, "so", None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", None),
        ({"content": None, "refusal": "I must not"}, "I must not", None),
    ],
)
def test_thoughts_stand_beside_the_text(message, text, reasoning):
    said = completion("") | {"choices": [{"message": message, "finish_reason": None if reasoning else "stop"}]}
    with serving(lambda handler, body: handler.send(200, said)) as server:
        (answer,) = ask(server)
    assert (answer.text, answer.reasoning) == (text, reasoning)


class NeedsIds(ReactiveAgent):
    """An agent that can do with nothing less than token ids."""

    name = "needs-ids"
    needs = frozenset({Capability.TOKEN_IDS})

    async def act(self, observation, info):
        generation = await self.session.ask(self.policy, Request(token_ids=(1, 2, 3)))
        return str(len(generation.completion.token_ids))


@pytest.mark.parametrize("ids", [True, False])
def test_an_agent_that_needs_token_ids_plays_where_the_server_turns_out_to_give_them(ids):
    with serving(vllm(ids=ids)) as server:
        server.models = VLLM_MODELS
        settings = {"agent": NeedsIds, "policy": f"openai:{server.url}#tiny", "episodes": 2, "policy_settings": QUICK}
        if not ids:
            with pytest.raises(MissingCapability, match="needs-ids needs token_ids"):
                evaluate("test/count-v0", **settings)
            return
        result = evaluate("test/count-v0", **settings)
    asked = next(result.episodes()).generations[0]
    assert (asked.request.token_ids, asked.completion.token_ids) == ((1, 2, 3), (5, 6))


def test_a_piece_of_a_stream_without_ids_keeps_the_others():
    pieces = [
        delta("", role="assistant"),
        delta("f", choice={"token_ids": [5]}),
        delta("g", "stop", {"token_ids": [6]}),
    ]
    pieces[0]["prompt_token_ids"] = [1]
    with serving(in_turn(vllm(), vllm(), streams(*pieces))) as server:
        server.models = VLLM_MODELS
        (answer,) = ask(server)
    assert (answer.token_ids, answer.prompt_token_ids, answer.usage.prompt_tokens) == ((5, 6), (1,), 1)
