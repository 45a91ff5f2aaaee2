"""The policy over an engine in a thread: many callers, many event loops, cancelled callers, and clear refusals."""

import asyncio
import shutil
import threading

import pytest

torch = pytest.importorskip("torch")

from rlvr.agents.lm.engine import OutOfMemory  # noqa: E402
from rlvr.agents.lm.hooks import HiddenProbe, Hooks, Steer  # noqa: E402
from rlvr.agents.lm.qwen3 import random_model  # noqa: E402
from rlvr.agents.policies.local import LocalConfig, LocalPolicy  # noqa: E402
from rlvr.agents.policies.policy import Capability, PolicyError, make_policy  # noqa: E402
from rlvr.agents.policies.tiny import TinyPolicy, tiny_folder  # noqa: E402
from rlvr.agents.types import FinishReason, Message, Request, Sampling  # noqa: E402
from rlvr.tasks.errors import MissingData, UserError  # noqa: E402

from .small import SHAPE, small_model  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    random_model(folder, 5, **{**SHAPE, "vocab_size": 2048})
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_folder("tiny") / name, folder)
    return folder


@pytest.fixture
def policy(folder):
    policy = make_policy(f"tiny:{folder}", threads=1)
    yield policy
    asyncio.run(policy.aclose())


def request(text="hello", seed=1, **sampling):
    return Request(
        messages=(Message(role="user", content=text),), seed=seed, sampling=Sampling(**{"max_tokens": 8, **sampling})
    )


def engine_threads():
    return [thread for thread in threading.enumerate() if thread.name == "rlvr-engine"]


def test_messages_in_text_out_with_everything_that_was_asked_for(policy):
    (said,) = asyncio.run(policy.generate([request(logprobs=True, top_logprobs=2)]))
    chat = policy.chat
    assert list(said.prompt_token_ids) == [
        token for piece in chat.start([Message(role="user", content="hello")]) for token in piece.ids
    ]
    assert len(said.token_ids) == len(said.logprobs) == len(said.top_logprobs) == said.usage.completion_tokens == 8
    assert said.text == chat.decode(said.token_ids, control=False)
    assert said.finish_reason is FinishReason.LENGTH
    assert said.usage.prompt_tokens == len(said.prompt_token_ids) == policy.count_prompt_tokens(request())
    assert said.usage.forwarded_tokens == len(said.prompt_token_ids) + 7
    plain = asyncio.run(policy.generate([request()]))[0]
    assert plain.logprobs is None
    assert plain.top_logprobs is None
    assert plain.token_ids == said.token_ids


def test_many_callers_share_batches(policy):
    async def go():
        await policy.start()
        before = policy.engine.counters.steps
        one_by_one = [(await policy.generate([request(seed=i)]))[0] for i in range(12)]
        alone = policy.engine.counters.steps - before
        together = await asyncio.gather(*(policy.generate([request(seed=i)]) for i in range(12)))
        return one_by_one, [made[0] for made in together], alone, policy.engine.counters.steps - before - alone

    one_by_one, together, alone, steps = asyncio.run(go())
    assert [made.token_ids for made in together] == [made.token_ids for made in one_by_one]
    assert alone == 12 * 8
    assert steps < 3 * 8


def test_the_seed_decides_and_without_one_the_prompt_does(policy):
    made = asyncio.run(policy.generate([request(seed=seed) for seed in (1, 2, 1, None, None)]))
    assert made[0].token_ids == made[2].token_ids != made[1].token_ids
    assert made[3].token_ids == made[4].token_ids


def test_an_answer_that_was_begun_is_continued(policy):
    begun = Request(
        messages=(Message(role="user", content="hello"), Message(role="assistant", content="<action>")),
        sampling=Sampling(max_tokens=4),
        seed=1,
    )
    (said,) = asyncio.run(policy.generate([begun]))
    assert policy.chat.decode(said.prompt_token_ids).endswith("<action>")


def test_end_tokens_and_stop_strings_are_kept_in_the_tokens_and_cut_from_the_text(policy):
    (free,) = asyncio.run(policy.generate([request(max_tokens=200, ignore_eos=True, temperature=3.0)]))
    stop = free.text[6:9]
    (cut,) = asyncio.run(policy.generate([request(max_tokens=200, ignore_eos=True, temperature=3.0, stop=(stop,))]))
    assert cut.finish_reason is FinishReason.STOP
    assert cut.text == free.text[: free.text.index(stop)]
    assert free.token_ids[: len(cut.token_ids)] == cut.token_ids
    assert stop in policy.chat.decode(cut.token_ids, control=False)
    many = asyncio.run(policy.generate([request(seed=i, max_tokens=900, temperature=2.0) for i in range(8)]))
    ended = [made for made in many if made.finish_reason is FinishReason.STOP]
    assert ended, "the end token is one of 2,048, so some of 8 answers of up to 900 tokens meet it"
    end = policy.chat.end_ids[0]
    for made in ended:
        assert made.token_ids[-1] == end
        assert made.text == policy.chat.decode(made.token_ids[:-1], control=False)


def test_callers_may_be_cancelled_and_the_others_go_on(policy):
    async def go():
        await policy.start()
        doomed = asyncio.create_task(policy.generate([request(max_tokens=900, ignore_eos=True)]))
        other = asyncio.create_task(policy.generate([request(seed=2)]))
        await asyncio.sleep(0.05)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        (said,) = await other
        for _ in range(200):
            if not policy.engine.cache.busy_rows:
                break
            await asyncio.sleep(0.02)
        return said, policy.engine.cache.busy_rows

    said, busy = asyncio.run(go())
    assert len(said.token_ids) == 8
    assert busy == 0, "what nobody waits for is not computed"


def test_it_survives_event_loops_and_closes_with_its_last_user(policy):
    async def go():
        await policy.start()
        await policy.start()
        first = (await policy.generate([request()]))[0].token_ids
        await policy.aclose()
        again = (await policy.generate([request()]))[0].token_ids
        threads = len(engine_threads())
        await policy.aclose()
        return first, again, threads, len(engine_threads())

    first = asyncio.run(go())
    assert first == asyncio.run(go())
    assert first[0] == first[1]
    assert first[2:] == (1, 0)
    asyncio.run(policy.aclose())


def test_two_event_loops_at_once(policy):
    results = []

    def use():
        results.append(asyncio.run(policy.generate([request(seed=i) for i in range(5)])))

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(made.token_ids for made in result) for result in results}) == 1
    assert len(engine_threads()) == 1


def test_the_synchronous_front_answers_inside_of_a_running_loop_too(policy):
    async def inside():
        return policy.generate_sync(request())

    assert asyncio.run(inside())[0].token_ids == policy.generate_sync(request())[0].token_ids


def test_closing_under_way_fails_what_is_not_answered(policy):
    async def go():
        await policy.start()
        task = asyncio.create_task(policy.generate([request(max_tokens=900, ignore_eos=True)]))
        await asyncio.sleep(0.02)
        await policy.aclose()
        with pytest.raises(PolicyError, match="closed"):
            await task

    asyncio.run(go())


def test_weights_change_between_two_steps_and_old_keys_are_forgotten(folder):
    model = small_model(vocab_size=300)
    policy = LocalPolicy.of(model, None, config=LocalConfig(threads=1))
    ask = Request(token_ids=tuple(range(20)), sampling=Sampling(temperature=0, max_tokens=5, logprobs=True))

    def double(changed):
        with torch.no_grad():
            changed.embedding.mul_(1.5)
        return "done"

    async def go():
        before = (await policy.generate([ask]))[0]
        assert (await policy.generate([ask]))[0].usage.cached_tokens == 19
        assert await policy.update(double) == "done"
        after = (await policy.generate([ask]))[0]
        await policy.aclose()
        return before, after

    before, after = asyncio.run(go())
    assert after.usage.cached_tokens == 0
    assert before.logprobs != after.logprobs
    fresh = LocalPolicy.of(model, None, config=LocalConfig(threads=1))
    assert asyncio.run(fresh.generate([ask]))[0].logprobs == after.logprobs
    asyncio.run(fresh.aclose())


def test_hooks_read_and_steer(policy):
    vector = torch.ones(32)
    hooks = Hooks(probes={"mean": HiddenProbe(layers=(0,))}, steer=(Steer(0, vector, 3.0),))
    plain, steered = asyncio.run(
        policy.generate([request(temperature=0), request(temperature=0).model_copy(update={"hooks": hooks})])
    )
    assert plain.token_ids != steered.token_ids
    assert steered.readings["mean"].shape == (1, 32)
    assert plain.readings is None


def test_all_capabilities_are_there(policy):
    assert policy.capabilities == frozenset(Capability)


# Refusals


def test_prompts_that_do_not_fit_name_both_numbers(policy):
    long = Request(token_ids=(5,) * 1000)
    with pytest.raises(PolicyError, match=r"1000 tokens.*1000 tokens, prompt and answer together"):
        asyncio.run(policy.generate([long]))
    (said,) = asyncio.run(policy.generate([Request(token_ids=(5,) * 997, sampling=Sampling(ignore_eos=True))]))
    assert len(said.token_ids) == 3
    assert policy.context_length == 1000


@pytest.mark.parametrize("ids", [(), (2048,), (-1,)])
def test_impossible_prompts_are_refused(policy, ids):
    with pytest.raises(PolicyError):
        asyncio.run(policy.generate([Request(token_ids=ids)]))


def test_a_model_without_a_tokenizer_takes_token_ids_alone():
    policy = LocalPolicy.of(small_model(), None)
    with pytest.raises(UserError, match="token ids instead of messages"):
        asyncio.run(policy.generate([request()]))
    with pytest.raises(UserError, match="stop strings"):
        asyncio.run(policy.generate([Request(token_ids=(1,), sampling=Sampling(stop=("a",)))]))
    asyncio.run(policy.aclose())


def test_wrong_names_and_settings_are_one_sentence(folder, tmp_path):
    with pytest.raises(MissingData, match=r"model\.safetensors is missing"):
        make_policy(f"tiny:{tmp_path}")
    with pytest.raises(UserError, match="float8"):
        make_policy(f"tiny:{folder}", dtype="float8")
    with pytest.raises(UserError, match="did you mean 'cache_mb'"):
        make_policy(f"tiny:{folder}", cache=3)
    with pytest.raises(UserError, match="takes nothing after its name"):
        make_policy("tiny-base:x")


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_no_cuda_is_one_sentence_and_another_try_is_possible(folder):
    policy = make_policy(f"tiny:{folder}", device="cuda")
    for _ in range(2):
        with pytest.raises(UserError, match="no CUDA device"):
            asyncio.run(policy.start())
    assert not engine_threads()


def test_a_batch_without_memory_is_a_policy_error_for_those_concerned(policy, monkeypatch):
    asyncio.run(policy.generate([request()]))
    model = policy.model
    forward = model.forward

    def narrow(ids, *rest, **options):
        if len(ids) > 300:
            raise torch.OutOfMemoryError("out")
        return forward(ids, *rest, **options)

    monkeypatch.setattr(model, "forward", narrow)
    with pytest.raises(PolicyError, match="lower batch_tokens") as caught:
        asyncio.run(policy.generate([Request(token_ids=tuple(i % 2000 for i in range(900)))]))
    assert isinstance(caught.value.__cause__, OutOfMemory)
    assert asyncio.run(policy.generate([request()]))[0].token_ids


def test_settings_name_the_weights_and_the_arithmetic(folder):
    policy = TinyPolicy(folder, "tiny", LocalConfig(dtype="float32"))
    settings = policy.settings()
    assert settings["dtype"] == "float32"
    assert len(settings["weights"]) == 64


@pytest.mark.parametrize(("dtype", "found"), [("auto", torch.float64), ("bfloat16", torch.bfloat16)])
def test_types_of_arithmetic(folder, dtype, found):
    policy = make_policy(f"tiny:{folder}", dtype=dtype, device="cpu", threads=1)
    (said,) = asyncio.run(policy.generate([request(logprobs=True)]))
    assert policy.model.dtype == found
    assert all(value <= 0 for value in said.logprobs)
    asyncio.run(policy.aclose())


@pytest.mark.slow
def test_a_compiled_model_answers_alike(folder):
    made = []
    for compile in (False, True):
        policy = make_policy(f"tiny:{folder}", compile=compile, threads=1)
        made.append(asyncio.run(policy.generate([request(seed=i, logprobs=True) for i in range(3)])))
        asyncio.run(policy.aclose())
    for one, other in zip(*made, strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-9)
