"""`hf:` answers as transformers would, records what it did, and reuses what it has."""

import asyncio
import warnings

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rlvr.agents.lm.hooks import AttentionProbe, Embeds, HiddenProbe, Hooks, Reduce, Steer, Where  # noqa: E402
from rlvr.agents.policies.hf import HFConfig, HFPolicy  # noqa: E402
from rlvr.agents.policies.policy import Capability, PolicyError, make_policy  # noqa: E402
from rlvr.agents.types import FinishReason, Message, Request, Sampling  # noqa: E402
from rlvr.tasks.errors import UserError  # noqa: E402

from . import zoo  # noqa: E402

TEMPERATURE = 0.8
FEW = ("qwen3", "gemma2", "gpt2", "gpt_oss")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = zoo.save(name, tmp_path_factory.mktemp(name))
        return made[name]

    return make


@pytest.fixture
def policy(folder):
    """Make policies, and close them in the end."""
    made = []

    def make(name, **options):
        made.append(make_policy(f"hf:{folder(name)}", threads=1, **options))
        return made[-1]

    yield make
    for one in made:
        asyncio.run(one.aclose())


def request(ids, seed=0, tokens=12, hooks=None, **sampling):
    sampling = {"temperature": TEMPERATURE, "logprobs": True, "ignore_eos": True} | sampling
    return Request(
        token_ids=tuple(ids), sampling=Sampling(max_tokens=tokens, **sampling), seed=seed, hooks=hooks
    )  # fmt: skip


def answer(policy, requests):
    return asyncio.run(policy.generate(requests))


def fresh_logprobs(name, completion, steer=()):
    """Return the log-probabilities of an answer in one full pass by transformers alone, steered by hooks of torch."""
    model = zoo.original(name)
    prompt = len(completion.prompt_token_ids)
    ids = torch.tensor([*completion.prompt_token_ids, *completion.token_ids])
    first = {Where.ALL: 0, Where.GENERATED: prompt, Where.LAST: prompt - 1}

    def add(one):
        def change(module, given, output):
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            hidden[:, first[one.positions] :] += one.strength * one.vector
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return change

    blocks = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    handles = [blocks[one.layer].register_forward_hook(add(one)) for one in steer]
    try:
        with torch.no_grad():
            logits = model(input_ids=ids[None]).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    found = torch.log_softmax(logits.float() / TEMPERATURE, -1)
    return found[prompt - 1 : -1].gather(1, ids[prompt:, None])[:, 0]


def assert_recorded(name, completions, steer=(), tolerance=1e-4):
    for completion in completions:
        recorded = torch.tensor(completion.logprobs)
        torch.testing.assert_close(recorded, fresh_logprobs(name, completion, steer), atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", zoo.CONFIGS)
def test_recorded_logprobs_equal_a_fresh_pass_and_greedy_tokens_those_of_generate(policy, name):
    rows = zoo.rows_of_tokens((5, 1, 23, 12, 40, 9, 2), name, "policy")
    made = policy(name)
    sampled = [request(row, seed) for seed, row in enumerate(rows)]
    greedy = [request(row, temperature=0.0, logprobs=False) for row in rows]
    found = answer(made, [*sampled, *greedy])
    assert_recorded(name, found[:7])
    for row, completion in zip(rows, found[7:], strict=True):
        with torch.no_grad():
            expected = zoo.original(name).generate(
                torch.tensor([row]), attention_mask=torch.ones(1, len(row), dtype=torch.long), max_new_tokens=12,
                do_sample=False, eos_token_id=None, pad_token_id=0,
            )  # fmt: skip
        assert list(completion.token_ids) == expected[0, len(row) :].tolist()


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_logprobs_hold_for_every_batch_size_across_turns_and_after_a_fork(policy, name, size):
    made = policy(name, batch_tokens=200)
    rows = zoo.rows_of_tokens([3 + 5 * i % 31 for i in range(size)], name, "turns")
    first = answer(made, [request(row, seed, 6) for seed, row in enumerate(rows)])
    said = [[*one.prompt_token_ids, *one.token_ids, 7, 8, 9] for one in first]
    second = answer(made, [request(ids, seed + 100, 6) for seed, ids in enumerate(said)])
    forks = [ids[:-2] + other for ids in said for other in ([], [11, 12])]
    third = answer(made, [request(ids, seed + 200, 6) for seed, ids in enumerate(forks)])
    for turn in (first, second, third):
        assert_recorded(name, turn[:: max(1, size // 8)])
    for ids, completion in zip(said, second, strict=True):
        assert completion.usage.cached_tokens == len(ids) - 4  # all but the last token drawn and the new ones
        assert completion.usage.forwarded_tokens == 4 + 6 - 1
    assert all(one.usage.cached_tokens >= len(one.prompt_token_ids) - 4 for one in third)


def vector():
    return torch.randn(32, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("where", [Where.ALL, Where.GENERATED, Where.LAST])
def test_steered_logprobs_equal_a_fresh_pass_that_is_steered_too(policy, name, where):
    made = policy(name, batch_tokens=30)
    steer = (Steer(1, vector(), 2.0, where), Steer(0, -vector(), 1.0, where))
    rows = zoo.rows_of_tokens((5, 21, 12), name, "steered")
    plain = answer(made, [request(row, seed) for seed, row in enumerate(rows)])
    for _ in range(2):  # what is cached of plain rows must not be taken for steered ones, nor the other way round
        steered = answer(made, [request(row, seed, hooks=Hooks(steer=steer)) for seed, row in enumerate(rows)])
        assert_recorded(name, steered, steer)
        assert_recorded(name, answer(made, [request(row, seed) for seed, row in enumerate(rows)]))
    assert [one.token_ids for one in plain] != [one.token_ids for one in steered]
    said = [[*one.prompt_token_ids, *one.token_ids, 5, 6] for one in steered]
    second = answer(made, [request(ids, seed, hooks=Hooks(steer=steer)) for seed, ids in enumerate(said)])
    assert_recorded(name, second, steer)
    for ids, completion in zip(said, second, strict=True):
        # Steered everywhere, the first turn's keys and values hold; else only those of its prompt do (or of a plain
        # row that happens to have begun with the same tokens).
        if where is Where.ALL:
            assert completion.usage.cached_tokens == len(ids) - 3
        else:
            assert len(ids) - 15 <= completion.usage.cached_tokens < len(ids) - 8


@pytest.mark.parametrize("device", zoo.DEVICES)
def test_probes_and_steering_work_on_every_device(policy, device):
    steer = (Steer(1, vector(), 2.0, Where.GENERATED),)
    probes = {"hidden": HiddenProbe(reduce=Reduce.FULL), "attention": AttentionProbe()}
    made = policy("gemma2", device=device, dtype="float32")
    rows = zoo.rows_of_tokens((5, 21, 12), "devices")
    found = answer(made, [request(row, i, hooks=Hooks(probes=probes, steer=steer)) for i, row in enumerate(rows)])
    assert made.model.device.type == device
    assert_recorded("gemma2", found, steer, tolerance=1e-3)
    assert all(one.readings["hidden"].device.type == "cpu" and len(one.readings["attention"]) == 12 for one in found)


def test_nobody_feels_a_neighbours_steering(policy):
    made = policy("llama")
    rows = zoo.rows_of_tokens((5, 21, 12), "neighbours")
    hooks = Hooks(steer=(Steer(1, vector(), 4.0),))
    found = answer(made, [request(row, hooks=hooks if i == 1 else None) for i, row in enumerate(rows)])
    assert_recorded("llama", [found[0], found[2]])
    assert_recorded("llama", [found[1]], hooks.steer)


@pytest.mark.parametrize("name", FEW)
def test_probes_read_the_tokens_that_answers_were_drawn_after(policy, name):
    probes = {
        "last": HiddenProbe(reduce=Reduce.FULL, layers=(0, 1), positions=Where.LAST),
        "prompt": HiddenProbe(reduce=Reduce.MEAN, layers=(1,), positions=Where.PROMPT),
        "attention": AttentionProbe(layers=(2,)),
    }
    made = policy(name, batch_tokens=7)
    (row,) = zoo.rows_of_tokens((17,), name, "probes")
    plain, again = (answer(made, [request(row, hooks=hooks)])[0] for hooks in (None, Hooks(probes=probes)))
    assert plain.token_ids == again.token_ids and plain.readings is None
    assert again.usage.cached_tokens == 0  # the prompt is to be read, so it is run
    with torch.no_grad():
        ids = torch.tensor([[*row, *again.token_ids]])
        hidden = zoo.original(name)(input_ids=ids, output_hidden_states=True).hidden_states
    expected = torch.stack([hidden[1][0], hidden[2][0]], dim=1)
    torch.testing.assert_close(again.readings["last"], expected[16:-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(again.readings["prompt"], expected[:17, 1:].mean(0), atol=1e-4, rtol=1e-4)
    assert again.readings["attention"].shape == (12, 1, 4)
    assert again.readings.tokens["last"] == tuple(range(16, 28))
    assert "readings" not in again.model_dump()


def test_embeddings_of_a_prompt_are_answered_as_the_prompt(policy):
    made = policy("gemma2")
    (row,) = zoo.rows_of_tokens((17,), "embeds")
    (plain,) = answer(made, [request(row)])
    with torch.no_grad():
        vectors = made.model.embed(torch.tensor(row))
    for scale in (1.0, 3.0):
        hooks = Hooks(embeds=(Embeds(vectors * scale),))
        (found,) = answer(made, [request([0] * 17, hooks=hooks)])
        assert (found.token_ids == plain.token_ids) == (scale == 1.0)
    assert found.logprobs != plain.logprobs


def test_hooks_that_do_not_fit_are_refused(policy):
    with pytest.raises(UserError, match="no layer 9"):
        answer(policy("llama"), [request([3, 4], hooks=Hooks(steer=(Steer(9, vector()),)))])


def test_messages_are_answered_in_text(policy):
    made = policy("qwen3")
    asyncio.run(made.start())
    asked = Request(
        messages=(Message(role="user", content="hello"),), sampling=Sampling(max_tokens=30, logprobs=True), seed=1
    )
    (found,) = answer(made, [asked])
    tokens = zoo.tokenizer()
    assert list(found.prompt_token_ids) == tokens.encode("u:hello<|end|>a:")
    assert found.text == tokens.decode([token for token in found.token_ids if token != zoo.END])
    assert made.template == made.chat.fingerprint and zoo.END in made.chat.end_ids
    middle = found.text[4:6]
    (cut,) = answer(made, [asked.model_copy(update={"sampling": Sampling(max_tokens=30, stop=(middle,))})])
    assert cut.text == found.text[: found.text.index(middle)] and cut.finish_reason is FinishReason.STOP
    assert cut.token_ids == found.token_ids[: len(cut.token_ids)]
    assert made.count_prompt_tokens(asked) == 10


def test_a_model_without_a_chat_template_completes_token_ids(tmp_path):
    zoo.save("llama", tmp_path, template=None)
    made = HFPolicy(str(tmp_path), HFConfig(threads=1))
    (found,) = answer(made, [request([10, 11, 12])])
    assert len(found.text) == 12
    (cut,) = answer(made, [request([10, 11, 12], stop=(found.text[5],))])
    assert cut.text == found.text[: found.text.index(found.text[5])]
    with pytest.raises(UserError, match="no chat template: set chat_template"):
        answer(made, [Request(messages=(Message(role="user", content="hello"),))])
    asyncio.run(made.aclose())
    file = tmp_path / "own.jinja"
    file.write_text(zoo.TEMPLATE, encoding="utf-8")
    made = make_policy(f"hf:{tmp_path}", chat_template=str(file), threads=1)
    assert answer(made, [Request(messages=(Message(role="user", content="hello"),))])[0].text
    asyncio.run(made.aclose())


def test_a_prompt_longer_than_the_context_is_one_sentence_with_both_numbers(policy):
    with pytest.raises(PolicyError, match=r"600 tokens.*takes 512"):
        answer(policy("qwen2"), [request([5] * 600)])


def test_settings_say_what_answers_depend_on(policy, folder, tmp_path):
    from hashlib import sha256

    settings = policy("qwen2", chat_variables={"enable_thinking": False}).settings()
    weights = sha256((folder("qwen2") / "model.safetensors").read_bytes()).hexdigest()
    assert settings == {
        "dtype": "auto", "device": "auto", "revision": None, "chat_variables": {"enable_thinking": False},
        "weights": weights,
    }  # fmt: skip
    assert policy("qwen2").model.info.fingerprint == weights
    with pytest.raises(UserError, match="did you mean 'device'"):
        make_policy("hf:somewhere", devise="cpu")
    assert set(Capability) == policy("qwen2").capabilities


@pytest.mark.parametrize("name", ["mamba", "bloom"])
def test_a_model_with_another_state_answers_one_request_at_a_time_and_says_so_once(policy, name):
    made = policy(name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(made.start())
        rows = zoo.rows_of_tokens((5, 21, 12), name, "policy")
        first = answer(made, [request(row, seed) for seed, row in enumerate(rows)])
    assert len([one for one in said if "run by itself, which is correct but slow" in str(one.message)]) == 1
    assert_recorded(name, first)
    said = [[*one.prompt_token_ids, *one.token_ids, 7, 8] for one in first]
    second = answer(made, [request(ids, seed) for seed, ids in enumerate(said)])
    assert_recorded(name, second)
    for ids, one in zip(said, second, strict=True):
        assert one.usage.cached_tokens == (len(ids) - 3 if name == "bloom" else 0)
        assert one.usage.forwarded_tokens == len(ids) - one.usage.cached_tokens + 11
    with torch.no_grad():
        expected = zoo.original(name).generate(
            torch.tensor([rows[0]]), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    (greedy,) = answer(made, [request(rows[0], temperature=0.0)])
    assert list(greedy.token_ids) == expected[0, 5:].tolist()
    steer = (Steer(1, vector(), 2.0, Where.GENERATED),)
    hooks = Hooks(steer=steer, probes={"norm": HiddenProbe(reduce=Reduce.NORM)})
    (steered,) = answer(made, [request(rows[1], hooks=hooks)])
    assert_recorded(name, [steered], steer)
    assert steered.readings["norm"].shape == (12, 2)
    vectors = made.model.embed(torch.tensor(rows[1])).detach()
    (embedded,) = answer(made, [request([0] * 21, 1, hooks=Hooks(embeds=(Embeds(vectors),)))])
    assert embedded.token_ids == first[1].token_ids
    with pytest.raises(UserError, match="its attention cannot be read"):
        answer(made, [request(rows[0], hooks=Hooks(probes={"a": AttentionProbe()}))])


@pytest.mark.filterwarnings("ignore:.*cannot share batches")
def test_the_state_of_a_whole_sequence_is_trained_as_transformers_does(policy):
    made = policy("mamba").model
    rows = zoo.rows_of_tokens((9, 4), "mamba", "train")
    positions = torch.cat([torch.arange(len(row)) for row in rows])
    with torch.no_grad():
        found = made.logits(made.forward(torch.tensor([*rows[0], *rows[1]]), positions, None))
        expected = [zoo.original("mamba")(torch.tensor([row])).logits[0] for row in rows]
    torch.testing.assert_close(found, torch.cat(expected), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="rows must be whole"):
        made.forward(torch.tensor([5]), torch.tensor([3]), None)


def test_bfloat16_answers(policy):
    made = policy("qwen3", dtype="bfloat16")
    (found,) = answer(made, [request([10, 11, 12])])
    assert made.model.dtype == torch.bfloat16 and len(found.token_ids) == 12
    apart = (torch.tensor(found.logprobs) - fresh_logprobs("qwen3", found)).abs()
    assert apart.mean() < 0.1


def test_a_model_is_compiled_on_demand(policy, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda body, dynamic: compiled.append(body) or body)
    rows = zoo.rows_of_tokens((5, 21), "compiled")
    assert_recorded("llama", answer(policy("llama", compile=True), [request(row, i) for i, row in enumerate(rows)]))
    assert len(compiled) == 1


def test_a_folder_of_our_own_qwen3_is_the_same_model_in_transformers(tmp_path):
    from rlvr.agents.lm import qwen3

    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    ours = qwen3.random_model(tmp_path, 1, **shape, head_dim=8, intermediate_size=48, vocab_size=zoo.VOCABULARY)
    zoo.tokenizer().save_pretrained(tmp_path)
    made = HFPolicy(str(tmp_path), HFConfig(threads=1))
    (row,) = zoo.rows_of_tokens((30,), "ours")
    from rlvr.agents.lm.dense import DenseAttention

    with torch.no_grad():
        ids, positions = torch.tensor(row), torch.arange(30)
        found, expected = (
            one.logits(one.forward(ids, positions, DenseAttention(1).expect([(0, 30)]))) for one in (made.model, ours)
        )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    loaded = qwen3.load(tmp_path)
    assert made.model.info == loaded.info
    asyncio.run(made.aclose())
