"""The engine: what it records is true, what it runs is counted, and what one request does is nobody else's business."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from rlvr.agents.lm import engine as engine_module  # noqa: E402
from rlvr.agents.lm.attention import CachedAttention  # noqa: E402
from rlvr.agents.lm.batch import Batch  # noqa: E402
from rlvr.agents.lm.dense import DenseAttention  # noqa: E402
from rlvr.agents.lm.engine import Engine, Finish, Job, OutOfMemory  # noqa: E402
from rlvr.agents.lm.kv import CacheFull, KVCache, Opened  # noqa: E402
from rlvr.agents.lm.model import ModelInfo  # noqa: E402
from rlvr.agents.lm.qwen3 import save  # noqa: E402
from rlvr.agents.lm.sampling import RowSampling  # noqa: E402
from rlvr.tasks.rng import Rng  # noqa: E402

from .small import fresh_logits, random_ids, small_model, worst  # noqa: E402

KINDS = (
    RowSampling(temperature=0, logprobs=True),
    RowSampling(logprobs=True),
    RowSampling(temperature=0.7, top_k=20, top_p=0.9, min_p=0.02, logprobs=True, top_logprobs=3),
)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def exact():
    return small_model(torch.float64)


def jobs_of(rng, count, *, tokens=20, prompt=60):
    return [
        Job(
            random_ids(rng, rng.integer(1, prompt)),
            replace(KINDS[i % len(KINDS)], key=rng.u64() >> 1),
            max_tokens=rng.integer(1, tokens),
        )
        for i in range(count)
    ]


def next_turn(rng, job, tokens=15):
    return Job(
        [*job.prompt, *job.tokens, *random_ids(rng, rng.integer(1, 20))],
        replace(job.sampling, key=rng.u64() >> 1),
        max_tokens=tokens,
    )


# What is recorded is true


@pytest.mark.parametrize("size", [1, 7, 64])
def test_recorded_logprobs_are_those_of_a_fresh_pass_across_turns_and_forks(model, size):
    rng = Rng(size)
    engine = Engine(model, batch_tokens=150)
    turn = jobs_of(rng, size)
    for _ in range(3):
        engine.run(turn)
        assert worst(model, turn) < 1e-4
        turn = [next_turn(rng, job) for job in turn]
    engine.run(turn)
    parent = turn[0]
    whole = [*parent.prompt, *parent.tokens]
    branches = [Job([*whole[:-3], *random_ids(rng, 2)], replace(KINDS[1], key=i), max_tokens=9) for i in range(size)]
    engine.run(branches)
    assert worst(model, branches) < 1e-4
    assert all(job.cached == len(whole) - 3 or size > 1 for job in branches)
    assert engine.counters.cached_tokens > 0


def test_recorded_logprobs_are_those_of_transformers_with_left_padding(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    save(model, tmp_path, torch.float32)
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    rng = Rng(4)
    jobs = [replace(job, sampling=RowSampling(logprobs=True, key=i)) for i, job in enumerate(jobs_of(rng, 7))]
    Engine(model).run(jobs)
    rows = [[*job.prompt, *job.tokens] for job in jobs]
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    with torch.no_grad():
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = other(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    for job, row in zip(jobs, logits.log_softmax(-1), strict=True):
        count = len(job.tokens)
        expected = row[-count - 1 : -1].gather(1, torch.tensor(job.tokens)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(job.logprobs), expected, atol=1e-4, rtol=0)


def test_top_logprobs_are_the_likeliest_of_the_sampling_distribution(exact):
    job = Job([5, 6, 7], RowSampling(temperature=0, logprobs=True, top_logprobs=4), max_tokens=3)
    Engine(exact).run([job])
    logits = fresh_logits(exact, [*job.prompt, *job.tokens])[2:-1].log_softmax(-1)
    best = torch.topk(logits, 4)
    assert [[pair[0] for pair in place] for place in job.top_logprobs] == best.indices.tolist()
    assert [place[0][0] for place in job.top_logprobs] == job.tokens
    narrow = Job([5, 6, 7], RowSampling(top_k=2, top_logprobs=4, key=1), max_tokens=3)
    Engine(exact).run([narrow])
    assert [len(place) for place in narrow.top_logprobs] == [2, 2, 2]
    assert narrow.logprobs == []


@pytest.mark.slow
def test_ten_thousand_tokens_are_the_same_one_by_one_and_sixty_four_at_once(exact):
    def fresh():
        return jobs_of(Rng(8), 64, tokens=1, prompt=40)

    together, alone = fresh(), fresh()
    for job in (*together, *alone):
        job.max_tokens = 160
    Engine(exact, batch_tokens=200).run(together)
    engine = Engine(exact)
    for job in alone:
        engine.run([job])
    assert sum(len(job.tokens) for job in together) == 64 * 160
    for one, other in zip(together, alone, strict=True):
        assert one.tokens == other.tokens
        assert max(abs(a - b) for a, b in zip(one.logprobs, other.logprobs, strict=True)) < 1e-9


def test_answers_do_not_depend_on_when_others_come_and_go(exact):
    rng = Rng(3)
    jobs = jobs_of(rng, 20)
    engine = Engine(exact, batch_tokens=37, cache_mb=1)
    waiting = list(jobs)
    while waiting:
        for _ in range(rng.integer(0, 3)):
            if waiting:
                engine.submit(waiting.pop())
        engine.step()
    while engine.step():
        pass
    for job in jobs:
        alone = replace(job, tokens=[], logprobs=[], top_logprobs=[], finish=None, row=None, cached=0, forwarded=0)
        Engine(exact).run([alone])
        assert alone.tokens == job.tokens
        assert alone.logprobs == pytest.approx(job.logprobs, abs=1e-9)


# What is run is counted


def test_every_token_is_run_once_and_nothing_else(model):
    rng = Rng(1)
    engine = Engine(model)
    jobs = [Job(random_ids(rng, 30), RowSampling(key=i), max_tokens=3 + i) for i in range(8)]
    engine.run(jobs)
    # The last token of an answer is never run; the prompt is read in the first step, which gives the first token.
    assert [job.forwarded for job in jobs] == [30 + 2 + i for i in range(8)]
    assert engine.counters.forwarded_tokens == sum(job.forwarded for job in jobs)
    assert engine.counters.steps == 10, "as many as the longest answer has tokens"


def test_a_request_joins_in_mid_batch_and_leaves_before_the_others(model):
    rng = Rng(2)
    engine = Engine(model)
    long = Job(random_ids(rng, 10), RowSampling(key=1), max_tokens=20)
    short = Job(random_ids(rng, 10), RowSampling(key=2), max_tokens=3)
    engine.submit(long)
    for _ in range(5):
        engine.step()
    assert len(long.tokens) == 5
    engine.submit(short)
    before = engine.counters.forwarded_tokens
    engine.step()
    assert engine.counters.forwarded_tokens - before == 11, "its prompt and one token of the other, in one pass"
    assert len(short.tokens) == 1
    assert len(long.tokens) == 6
    engine.step()
    engine.step()
    assert short.finish is Finish.LENGTH
    assert long.finish is None
    before = engine.counters.forwarded_tokens
    engine.step()
    assert engine.counters.forwarded_tokens - before == 1, "a finished row costs nothing"


def test_a_turn_costs_its_own_tokens_alone(model):
    rng = Rng(5)
    engine = Engine(model)
    job = Job(random_ids(rng, 100), RowSampling(key=1), max_tokens=10)
    engine.run([job])
    for turn in range(4):
        ids = [*job.prompt, *job.tokens, *random_ids(rng, 12)]
        job = Job(ids, RowSampling(key=turn), max_tokens=10)
        engine.run([job])
        assert job.cached == len(ids) - 13, "all but the new tokens and the last answer's last"
        assert job.forwarded == 13 + 9


def test_the_prompt_of_a_group_is_read_once(model):
    rng = Rng(6)
    engine = Engine(model)
    prompt = random_ids(rng, 200)
    group = [Job(prompt, RowSampling(key=i), max_tokens=5) for i in range(16)]
    engine.run(group)
    assert sum(job.forwarded for job in group) == 200 + 15 * 1 + 16 * 4
    assert len({tuple(job.tokens) for job in group}) > 8, "with seeds of their own"


def test_a_shared_beginning_is_read_once_even_in_chunks(model):
    rng = Rng(7)
    engine = Engine(model, batch_tokens=32)
    system = random_ids(rng, 150)
    jobs = [Job([*system, *random_ids(rng, 5)], RowSampling(key=i), max_tokens=2) for i in range(6)]
    engine.run(jobs)
    assert sum(job.forwarded for job in jobs) == 150 + 6 * 5 + 6


def test_a_long_prompt_is_read_in_chunks_while_others_go_on(model):
    rng = Rng(8)
    engine = Engine(model, batch_tokens=64)
    talking = Job(random_ids(rng, 5), RowSampling(key=1), max_tokens=50)
    engine.submit(talking)
    engine.step()
    reading = Job(random_ids(rng, 600), RowSampling(key=2, logprobs=True), max_tokens=4)
    engine.submit(reading)
    steps = 0
    while not reading.tokens:
        before = engine.counters.forwarded_tokens
        engine.step()
        assert engine.counters.forwarded_tokens - before <= 64
        steps += 1
    assert steps == 10
    assert len(talking.tokens) == 11
    while engine.step():
        pass
    assert worst(model, [reading]) < 1e-4


# How an answer ends


def text_of(ids):
    """Two tokens make a letter: the first its high half, the second its low half; an odd one shows as �."""
    pairs = "".join(chr(97 + (ids[i] * 7 + ids[i + 1]) % 26) for i in range(0, len(ids) - 1, 2))
    return pairs + ("\ufffd" if len(ids) % 2 else "")


def test_a_stop_string_ends_the_answer_across_the_borders_of_tokens(exact):
    free = Job([1, 2, 3], RowSampling(key=5), max_tokens=40)
    Engine(exact).run([free])
    text = text_of(free.tokens)
    stop = text[4:7]
    place = text.find(stop)
    job = Job([1, 2, 3], RowSampling(key=5), max_tokens=40, stop=("nowhere", stop), decode=text_of)
    Engine(exact).run([job])
    assert job.finish is Finish.STOP
    assert job.tokens == free.tokens[: 2 * (place + 3)], "what was emitted stays"


def test_a_stop_string_is_found_by_a_decoder_that_drops_leading_space(exact):
    """The end of the text is decoded alone at first, which such decoders decode differently."""
    words = [f" w{i}" for i in range(200)]

    def decode(ids):
        return "".join(words[i] for i in ids).removeprefix(" ")

    free = Job([1, 2, 3], RowSampling(key=5), max_tokens=60)
    Engine(exact).run([free])
    stop = f" w{free.tokens[50]} w{free.tokens[51]}"
    job = Job([1, 2, 3], RowSampling(key=5), max_tokens=60, stop=(stop,), decode=decode)
    Engine(exact).run([job])
    assert job.tokens == free.tokens[:52]


def test_an_end_token_ends_the_answer_and_is_its_last_token(exact):
    free = Job([1, 2, 3], RowSampling(key=5), max_tokens=40)
    Engine(exact).run([free])
    end = free.tokens[10]
    job = Job([1, 2, 3], RowSampling(key=5), max_tokens=40, stop_ids=frozenset({end}))
    Engine(exact).run([job])
    assert job.finish is Finish.STOP
    assert job.tokens == free.tokens[: free.tokens.index(end) + 1]
    assert free.finish is Finish.LENGTH


def test_a_cancelled_request_leaves_at_once_and_what_it_read_is_kept(model):
    rng = Rng(1)
    engine = Engine(model)
    prompt = random_ids(rng, 50)
    job, other = Job(prompt, max_tokens=100), Job([1, 2], max_tokens=5)
    engine.submit(job)
    engine.submit(other)
    engine.step()
    engine.cancel(job)
    engine.step()
    assert job.finish is Finish.CANCELLED
    assert engine.cache.busy_rows == 1
    late = Job([3], max_tokens=1)
    engine.submit(late)
    engine.cancel(late)
    while engine.step():
        pass
    assert late.finish is Finish.CANCELLED
    assert late.tokens == []
    assert len(other.tokens) == 5
    again = Job(prompt, max_tokens=1)
    engine.run([again])
    assert again.cached == 49


# What goes wrong


class Narrow:
    """A model that runs out of memory beyond a number of tokens a pass."""

    def __init__(self, model, limit, error=None):
        self._model, self.limit = model, limit
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")
        self.passes = []

    def __getattr__(self, name):
        return getattr(self._model, name)

    def forward(self, ids, positions, attend, **options):
        self.passes.append(len(ids))
        if len(ids) > self.limit:
            raise self.error
        return self._model.forward(ids, positions, attend, **options)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_a_batch_without_memory_is_halved_once_and_all_are_answered(exact, error):
    rng = Rng(1)
    jobs = [Job(random_ids(rng, 20), RowSampling(key=i, logprobs=True), max_tokens=4) for i in range(8)]
    engine = Engine(Narrow(exact, 100, error))
    engine.run(jobs)
    assert engine.model.passes[:3] == [160, 80, 80]
    assert engine.counters.split_batches == 1
    assert worst(exact, jobs) < 1e-9


def test_a_single_long_prompt_without_memory_is_read_in_halves(exact):
    job = Job(random_ids(Rng(1), 100), RowSampling(key=1, logprobs=True), max_tokens=4)
    engine = Engine(Narrow(exact, 60))
    engine.run([job])
    assert engine.model.passes[:3] == [100, 50, 50]
    assert worst(exact, [job]) < 1e-9


def test_halves_without_memory_fail_with_a_sentence_and_the_others_go_on(exact):
    rng = Rng(1)
    small = [Job(random_ids(rng, 10), max_tokens=20) for i in range(2)]
    engine = Engine(Narrow(exact, 60), batch_tokens=1000)
    for job in small:
        engine.submit(job)
    engine.step()
    large = [Job(random_ids(rng, 100), max_tokens=2) for i in range(2)]
    for job in large:
        engine.submit(job)
    while engine.step():
        pass
    assert [job.finish for job in small] == [Finish.LENGTH, Finish.ERROR] or all(len(job.tokens) == 20 for job in small)
    failed = [job for job in (*small, *large) if job.error is not None]
    assert failed
    for job in failed:
        assert isinstance(job.error, OutOfMemory)
        assert "lower batch_tokens" in str(job.error)
    assert engine.cache.busy_rows == 0
    with pytest.raises(OutOfMemory):
        engine.run([Job(random_ids(rng, 130), max_tokens=2)])


def test_another_error_of_the_model_fails_its_batch_and_the_engine_lives_on(exact):
    engine = Engine(Narrow(exact, 10, RuntimeError("mat1 and mat2 shapes")))
    with pytest.raises(RuntimeError, match="mat1"):
        engine.run([Job(random_ids(Rng(1), 20), max_tokens=2)])
    assert engine.model.passes == [20], "not tried again"
    job = Job([1, 2], max_tokens=2)
    engine.run([job])
    assert len(job.tokens) == 2


def test_a_request_too_large_for_the_cache_fails_alone(model):
    engine = Engine(model, cache_mb=1)
    rows = (1 << 20) // (2 * 2 * 2 * 8 * 4 * 256)
    fine = [Job(random_ids(Rng(i), 20), max_tokens=200) for i in range(3 * rows)]
    engine.run(fine)
    assert all(len(job.tokens) == 200 for job in fine), "they wait for one another"
    engine = Engine(small_model(max_position_embeddings=100_000), cache_mb=1)
    large, other = Job(random_ids(Rng(1), 20), max_tokens=10_000), Job([1, 2], max_tokens=3)
    with pytest.raises(CacheFull, match="cache_mb"):
        engine.run([large, other])
    assert len(other.tokens) == 3


def test_no_memory_for_keys_and_values_is_a_sentence(model, monkeypatch):
    engine = Engine(model)
    monkeypatch.setattr(engine.cache, "open", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemory, match="lower cache_mb"):
        engine.run([Job([1, 2], max_tokens=2)])


def test_what_counts_as_being_out_of_memory():
    assert engine_module.is_out_of_memory(torch.OutOfMemoryError())
    assert not engine_module.is_out_of_memory(RuntimeError("shape mismatch"))
    assert not engine_module.is_out_of_memory(ValueError("not enough memory"))


# Attention


@pytest.mark.parametrize(
    "options", [{}, {"window": 7}, {"softcap": 2.0}, {"sinks": True}, {"window": 5, "sinks": True}]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_attention_over_the_cache_is_the_textbooks(options, dtype):
    info = ModelInfo(2, 6, 2, 8, 48, 100, 1000, (), "")
    rng = Rng(3)
    generator = torch.Generator().manual_seed(1)
    cache = KVCache(info, torch.device("cpu"), dtype, 1 << 30)
    dense = DenseAttention(9)
    if "sinks" in options:
        options = {**options, "sinks": torch.randn(6, generator=generator).to(dtype)}
    rows = []
    for i in range(9):
        # Two shelves, and none of the rows begins like another.
        found = cache.open([i, *random_ids(rng, 200, 100)], 500 if i % 2 else 10)
        assert isinstance(found, Opened)
        rows.append(found.row)
    for step in range(6):
        turn = [i for i in range(9) if rng.below(4)] or [0]
        counts = [1 if rng.below(3) or step == 0 else rng.integer(2, 12) for _ in turn]
        batch = Batch([rows[i] for i in turn], counts, torch.device("cpu"))
        order = [(turn[i], counts[i]) for i in batch.order]
        cached = CachedAttention(batch)
        dense.expect(order)
        for layer in range(2):
            q, k, v = (
                torch.randn(batch.tokens, heads, 8, generator=generator, dtype=torch.float64).to(dtype)
                for heads in (6, 2, 2)
            )
            found = cached(layer, q, k, v, scale=0.3, **options)
            expected = dense(layer, q, k, v, scale=0.3, **{"window": None, "softcap": None, "sinks": None, **options})
            tolerance = 1e-12 if dtype == torch.float64 else 3e-2
            torch.testing.assert_close(found, expected.to(dtype), atol=tolerance, rtol=tolerance)
        batch.done()


def test_queries_of_the_last_tokens_alone_see_the_same():
    info = ModelInfo(1, 4, 2, 8, 32, 100, 1000, (), "")
    generator = torch.Generator().manual_seed(1)
    cache = KVCache(info, torch.device("cpu"), torch.float64, 1 << 30)
    rows = [cache.open([i, *range(1, 30)], 300 if i == 2 else 10).row for i in range(5)]
    batch = Batch(rows, [1, 4, 6, 1, 9], torch.device("cpu"))
    q, k, v = (torch.randn(batch.tokens, heads, 8, generator=generator, dtype=torch.float64) for heads in (4, 2, 2))
    import numpy as np

    whole = CachedAttention(batch)(0, q, k, v, scale=0.3)
    for chosen in ([0, 1, 2, 3, 4], [1, 3], [4], []):
        wanted = batch.last[torch.tensor(chosen, dtype=torch.long)]
        found = CachedAttention(batch, np.array(chosen, dtype=np.int64))(0, q[wanted], k, v, scale=0.3)
        torch.testing.assert_close(found, whole[wanted], atol=1e-12, rtol=0)
