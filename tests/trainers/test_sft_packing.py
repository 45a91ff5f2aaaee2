"""Which documents make which step."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rlvr.tasks.rng import Rng
from rlvr.trainers.packing import Document, Documents, Order, epoch_steps, permutation

from .sft_world import made_documents

ORDERS = st.builds(
    Order,
    budget=st.integers(8, 200),
    rows=st.integers(1, 5),
    seed=st.integers(0, 99),
    packing=st.sampled_from(["packed", "unpacked"]),
    window=st.integers(1, 50),
)
LENGTHS = st.lists(st.integers(1, 120), min_size=1, max_size=80).map(np.array)


@given(LENGTHS, ORDERS, st.integers(0, 3))
def test_every_document_is_in_one_row_and_no_row_is_too_long(lengths, order, epoch):
    steps = epoch_steps(lengths, order, epoch)
    rows = [row for step in steps for row in step]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(lengths)))
    assert all(lengths[row].sum() <= order.budget or len(row) == 1 for row in rows)
    assert all(len(step) == order.rows for step in steps[:-1])


@given(LENGTHS, ORDERS)
def test_the_same_seed_and_epoch_give_the_same_steps(lengths, order):
    once, again = epoch_steps(lengths, order, 1), epoch_steps(lengths, order, 1)
    assert [[row.tolist() for row in step] for step in once] == [[row.tolist() for row in step] for step in again]


def test_epochs_and_seeds_differ():
    lengths = np.full(50, 10)
    orders = [
        np.concatenate([row for step in epoch_steps(lengths, Order(30, 2, seed), epoch) for row in step]).tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert len({tuple(order) for order in orders}) == 3


def test_packing_fills_rows_better_than_the_order_alone():
    lengths = np.array([Rng.named("lengths", number).integer(20, 900) for number in range(1000)])
    packed, unpacked = (
        sum(len(step) for step in epoch_steps(lengths, Order(2048, 4, 0, how), 0)) for how in ("packed", "unpacked")
    )
    least = lengths.sum() / 2048
    assert packed < 1.02 * least < 1.1 * least < unpacked


def test_permutations_are_those_of_the_projects_generator():
    """The numbers are splitmix64's, so they are the same wherever numpy changes its generators."""
    stream = Rng.named("a", 1)
    numbers = [stream.u64() for _ in range(100)]
    assert permutation(100, "a", 1).tolist() == sorted(range(100), key=numbers.__getitem__)


def test_a_row_says_who_predicts_what():
    documents = Documents.of(
        [Document([5, 6, 7], [True, False, True], kind="a"), Document([8, 9], [False, True], kind="b")]
    )
    row = documents.row(np.array([1, 0]))
    assert row.ids.tolist() == [8, 9, 5, 6, 7]
    assert row.positions.tolist() == [0, 1, 0, 1, 2]
    assert row.lengths == [2, 3]
    assert row.predicts.tolist() == [0, 3]  # never a document's first token: nothing stands before it
    assert row.targets.tolist() == [9, 7]
    assert [documents.kind_names[kind] for kind in row.kinds] == ["b", "a"]


def test_a_selection_keeps_documents_whole():
    documents = made_documents(20)
    chosen = documents.select(documents.targets > 3)
    numbers = np.flatnonzero(documents.targets > 3)
    assert len(chosen) == len(numbers) > 0
    for new, old in enumerate(numbers):
        one, other = chosen.row(np.array([new])), documents.row(np.array([old]))
        assert one.ids.tolist() == other.ids.tolist() and one.predicts.tolist() == other.predicts.tolist()
    assert chosen.targets.tolist() == documents.targets[numbers].tolist()
