"""Drawing tokens: the kept set is right, probabilities sum to one, frequencies are those promised, rows stay apart."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from rlvr.agents.lm.sampling import RowSampling, Sampler, distribution, invert, uniforms  # noqa: E402
from rlvr.tasks.rng import Rng, counter_uniform  # noqa: E402

CPU = torch.device("cpu")


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 10**6)), min_size=1, max_size=20))
def test_uniform_numbers_are_those_of_the_counter_generator(pairs):
    keys, counters = (np.array(column, dtype=np.uint64) for column in zip(*pairs, strict=True))
    assert uniforms(keys, counters).tolist() == [counter_uniform(key, counter) for key, counter in pairs]


def textbook(logits, temperature, top_k, top_p, min_p):
    """Return the distribution of one row by sorting and counting in plain Python."""
    scaled = [value / temperature for value in logits]
    order = sorted(range(len(scaled)), key=lambda i: (-scaled[i], i))
    kept = order[:top_k] if top_k else order

    def weights(ids):
        exponents = [math.exp(scaled[i] - scaled[order[0]]) for i in ids]
        total = math.fsum(exponents)
        return [value / total for value in exponents]

    if top_p < 1:
        reached, count = 0.0, 0
        for weight in weights(kept):
            if reached >= top_p:
                break
            reached += weight
            count += 1
        kept = kept[:count]
    kept = [i for i in kept if math.exp(scaled[i] - scaled[order[0]]) >= min_p * (1 - 1e-12)]
    return dict(zip(kept, weights(kept), strict=True))


def limits(row):
    return (
        torch.tensor([row[0]], dtype=torch.float64),
        torch.tensor([row[1]]),
        torch.tensor([row[2]], dtype=torch.float64),
        torch.tensor([row[3]], dtype=torch.float64),
    )


# Numbers that are no sums of probabilities by accident: borders that rounding decides are nobody's promise.
HOW = st.tuples(
    st.sampled_from([0.3, 0.7, 1.0, 2.0]),
    st.sampled_from([0, 0, 1, 3, 40, 500]),
    st.sampled_from([1.0, 1.0, 0.9137, 0.5173, 0.013]),
    st.sampled_from([0.0, 0.0, 0.0517, 0.7171]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([5, 127, 300]),
    st.sampled_from([0.0, 1.0, 4.0]),
    st.booleans(),
    HOW,
)
def test_the_kept_tokens_and_their_probabilities_are_the_textbooks(seed, size, spread, ties, how):
    rng = Rng(seed)
    logits = [rng.random() * 2 * spread for _ in range(size)]
    if ties:
        logits = [float(round(value)) for value in logits]
        how = (how[0], how[1], 1.0 if how[2] < 1 else how[2], how[3])
    expected = textbook(logits, *how)
    found = distribution(torch.tensor([logits], dtype=torch.float64), *limits(how))[0]
    assert {i for i in range(size) if found[i] > -math.inf} == set(expected)
    assert math.isclose(float(found.exp().sum()), 1.0, rel_tol=1e-12)
    for i, chance in expected.items():
        assert math.isclose(float(found[i].exp()), chance, rel_tol=1e-9)


def test_of_equally_likely_tokens_the_lower_ids_stay():
    logits = torch.zeros(1, 400, dtype=torch.float64)
    found = distribution(logits, *limits((1.0, 7, 1.0, 0.0)))[0]
    assert torch.isfinite(found).nonzero()[:, 0].tolist() == list(range(7))
    found = distribution(logits, *limits((1.0, 0, 0.4999, 0.0)))[0]
    assert torch.isfinite(found).nonzero()[:, 0].tolist() == list(range(200))


def test_a_wide_nucleus_reaches_beyond_the_head_that_is_sorted_first():
    rng = Rng(1)
    logits = torch.tensor([[rng.random() for _ in range(5000)]], dtype=torch.float64)
    found = distribution(logits, *limits((1.0, 0, 0.95, 0.0)))[0]
    chances = torch.softmax(logits[0], -1)
    kept = torch.isfinite(found)
    assert float(chances[kept].sum()) >= 0.95 > float(chances[kept].sum() - chances[kept].min())
    assert float(chances[kept].min()) >= float(chances[~kept].max())


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 5, 64, 300]),
    st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 1 - 2**-53])),
)
def test_the_inverse_of_the_cumulative_distribution(seed, size, uniform):
    rng = Rng(seed)
    weights = [rng.random() if rng.random() < 0.5 else 0.0 for _ in range(size)]
    weights[rng.below(size)] = 1.0
    total = math.fsum(weights)
    logprobs = torch.tensor([[math.log(w / total) if w else -math.inf for w in weights]], dtype=torch.float64)
    found = int(invert(logprobs, torch.tensor([uniform], dtype=torch.float64))[0])
    assert weights[found] > 0
    before = math.fsum(weights[:found]) / total
    assert before <= uniform + 1e-12
    assert uniform <= before + weights[found] / total + 1e-12


def critical(freedom):
    """Return the value that chi-square exceeds with probability 1e-4 (Wilson and Hilferty 1931)."""
    return freedom * (1 - 2 / (9 * freedom) + 3.719 * math.sqrt(2 / (9 * freedom))) ** 3


@pytest.mark.parametrize(
    "how",
    [
        RowSampling(key=11),
        RowSampling(temperature=0.7, key=12),
        RowSampling(top_k=6, key=13),
        RowSampling(top_p=0.8, key=14),
        RowSampling(min_p=0.1, key=15),
        RowSampling(temperature=1.3, top_k=20, top_p=0.9, min_p=0.05, key=16),
    ],
)
def test_frequencies_are_the_probabilities(how):
    draws, rng = 20_000, Rng(5)
    logits = [3 * rng.random() for _ in range(40)]
    expected = textbook(logits, how.temperature, how.top_k, how.top_p, how.min_p)
    many = torch.tensor(logits, dtype=torch.float64).repeat(500, 1)
    counts = np.zeros(40)
    # The same row at 500 places of its stream at once.
    for first in range(0, draws, 500):
        places = np.arange(first, first + 500)
        sampler = Sampler([how] * 500, CPU)
        counts += np.bincount(sampler(many, places).tokens.numpy(), minlength=40)
    assert set(np.flatnonzero(counts)) <= set(expected)
    statistic = sum((counts[i] - draws * p) ** 2 / (draws * p) for i, p in expected.items())
    assert statistic < critical(len(expected) - 1)


def test_rows_of_all_kinds_side_by_side_draw_what_they_draw_alone():
    rng = Rng(9)
    logits = torch.tensor([[4 * rng.random() for _ in range(300)] for _ in range(12)], dtype=torch.float64)
    rows = [
        RowSampling(
            temperature=[0.0, 1.0, 0.5][i % 3],
            top_k=[0, 5][i % 2],
            top_p=[1.0, 0.7, 1.0, 0.2][i % 4],
            min_p=[0.0, 0.0, 0.3][i % 3],
            key=i,
            logprobs=True,
            top_logprobs=3,
        )
        for i in range(12)
    ]
    together = Sampler(rows, CPU)(logits, np.arange(12))
    for i, row in enumerate(rows):
        alone = Sampler([row], CPU)(logits[i : i + 1], np.array([i]))
        assert int(alone.tokens[0]) == int(together.tokens[i])
        assert float(alone.logprobs[0]) == pytest.approx(float(together.logprobs[i]), abs=1e-12)
        assert alone.top_ids[0].tolist() == together.top_ids[i].tolist()


def test_greedy_takes_the_likeliest_and_records_its_probability_at_temperature_one():
    logits = torch.tensor([[0.0, 3.0, 1.0]])
    drawn = Sampler([RowSampling(temperature=0, logprobs=True, top_logprobs=2)], CPU)(logits, np.array([0]))
    assert drawn.tokens.tolist() == [1]
    assert float(drawn.logprobs[0]) == pytest.approx(float(torch.log_softmax(logits, -1)[0, 1]))
    assert drawn.top_ids.tolist() == [[1, 2]]


def test_half_precision_logits_are_drawn_in_single_precision():
    logits = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)
    drawn = Sampler([RowSampling(key=3, logprobs=True)], CPU)(logits, np.array([0]))
    assert drawn.logprobs.dtype == torch.float32
