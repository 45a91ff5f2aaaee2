"""The cache of keys and values: what a row is said to hold is what lies in it, whatever moved, grew or was given up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from rlvr.agents.lm.kv import WAIT, CacheFull, KVCache, Opened, cache_limit  # noqa: E402
from rlvr.agents.lm.model import ModelInfo  # noqa: E402
from rlvr.tasks.errors import UserError  # noqa: E402
from rlvr.tasks.rng import Rng  # noqa: E402

INFO = ModelInfo(
    layers=2,
    heads=2,
    kv_heads=2,
    head_dim=1,
    hidden_size=2,
    vocab_size=50,
    context_length=4096,
    eos_ids=(),
    fingerprint="",
)
TOKEN_BYTES = 2 * 2 * 2 * 4
CPU = torch.device("cpu")


def cache_of(rows, capacity=256):
    return KVCache(INFO, CPU, torch.float32, rows * capacity * TOKEN_BYTES)


def fill(row, upto=None):
    """Pretend to run a row's tokens: their keys and values are their numbers, negative for values."""
    shelf, stop = row.shelf, row.length if upto is None else upto
    numbers = torch.from_numpy(row.ids[:stop].copy()).float()
    shelf.data[:, 0, row.index, :, :stop] = numbers[:, None]
    shelf.data[:, 1, row.index, :, :stop] = -numbers[:, None]
    shelf.filled[row.index] = stop


def holds(row, tokens):
    """Whether a row's first so many keys and values are those of its tokens."""
    numbers = torch.from_numpy(row.ids[:tokens].copy()).float()
    data = row.shelf.data[:, :, row.index, :, :tokens, 0]
    return bool((data[:, 0] == numbers).all() and (data[:, 1] == -numbers).all())


def opened(cache, ids, room=10, **options):
    found = cache.open(ids, room, **options)
    assert isinstance(found, Opened), found
    return found


def served(cache, ids, room=10):
    """Open, run and close a row."""
    found = opened(cache, ids, room)
    fill(found.row)
    cache.close(found.row)
    return found.reused


def test_a_conversation_goes_on_in_its_own_row():
    cache = cache_of(64)
    assert served(cache, [1, 2, 3]) == 0
    found = opened(cache, [1, 2, 3, 4, 5])
    assert found.reused == 3
    assert cache.busy_rows == 1
    assert cache.idle_rows == 0


def test_the_last_token_of_a_prompt_is_never_reused():
    cache = cache_of(64)
    served(cache, [1, 2, 3])
    assert opened(cache, [1, 2, 3]).reused == 2


def test_what_a_request_left_unread_is_not_reused():
    cache = cache_of(4)
    found = opened(cache, range(100))
    fill(found.row, 40)
    cache.close(found.row)
    again = opened(cache, range(100))
    assert again.reused == again.row.filled == 40
    assert holds(again.row, 40)


def test_a_branch_copies_the_common_part_and_leaves_the_other_alone():
    cache = cache_of(64)
    served(cache, list(range(40)))
    branch = opened(cache, [*range(30), 49, 48])
    assert branch.reused == 30
    assert holds(branch.row, 30)
    assert opened(cache, [*range(40), 7]).reused == 40


def test_rows_known_by_other_names_are_not_shared():
    cache = cache_of(64)
    served(cache, [1, 2, 3])
    assert opened(cache, [1, 2, 3, 4], names=[1, 1 << 62, 3, 4]).reused == 1
    assert opened(cache, [1, 2, 3, 4], reusable=2).reused == 2


def test_a_request_waits_for_one_that_is_reading_what_it_needs():
    cache = cache_of(64)
    first = opened(cache, list(range(40)))
    assert cache.open([*range(39), 5], 10) is WAIT
    assert isinstance(cache.open([*range(10), 5], 10), Opened), "not worth waiting for"
    fill(first.row)
    assert opened(cache, [*range(39), 5]).reused == 39


def test_a_row_moves_on_when_it_outgrows_its_shelf():
    cache = cache_of(64, 512)
    served(cache, [i % 50 for i in range(200)])
    found = opened(cache, [i % 50 for i in range(300)])
    assert found.reused == 200
    assert found.row.shelf.capacity == 512
    assert holds(found.row, 200)
    assert cache.idle_rows == 0, "the row moved, it was not copied"


def test_the_row_longest_unused_goes_first():
    cache = cache_of(3)
    for i in range(3):
        served(cache, [i] * 20)
    served(cache, [0] * 20)  # used again
    served(cache, [9] * 20)
    assert cache.evicted == 1
    assert [opened(cache, [i] * 21).reused for i in (0, 2, 9)] == [20, 20, 20]


def test_no_room_while_all_rows_are_in_use():
    cache = cache_of(2)
    one, _ = opened(cache, [1]), opened(cache, [2])
    assert cache.open([3], 10) is None
    cache.close(one.row)
    assert isinstance(cache.open([3], 10), Opened)


def test_rows_of_other_shelves_make_room():
    cache = cache_of(4, 512)
    for i in range(8):
        served(cache, [i] * 20)
    big = opened(cache, [9] * 20, room=400)
    assert big.row.shelf.capacity == 512
    assert cache.bytes <= cache.limit_bytes


def test_a_sequence_that_never_fits_is_an_error_with_both_numbers():
    with pytest.raises(CacheFull, match=r"300 tokens needs 0.0156 MiB .* may take 0.00781 MiB; .*cache_mb"):
        cache_of(1).open([1] * 290, 10)


def test_the_only_row_is_cut_back_where_there_is_no_room_for_a_copy():
    cache = cache_of(1)
    served(cache, list(range(40)))
    found = opened(cache, [*range(30), 49])
    assert found.reused == 30
    assert holds(found.row, 30)


def test_a_fork_has_the_same_tokens_and_its_own_future():
    cache = cache_of(8)
    row = opened(cache, [1, 2, 3]).row
    fill(row)
    copy = cache.fork(row, 10)
    assert copy.ids.tolist() == [1, 2, 3]
    assert holds(copy, 3)
    copy.shelf.data[:, :, copy.index, :, 0] = 99
    assert holds(row, 3)


def test_rows_in_use_are_brought_together():
    cache = cache_of(64)
    rows = [opened(cache, [i, i + 1, i + 2]).row for i in range(40)]
    for row in rows:
        fill(row)
    for row in rows[::2]:
        cache.close(row)
    cache.gather()
    left = rows[1::2]
    assert sorted(row.index for row in left) == list(range(20))
    for i, row in zip(range(1, 40, 2), left, strict=True):
        assert row.ids.tolist() == [i, i + 1, i + 2]
        assert holds(row, 3)


def test_clearing_keeps_the_rows_in_use():
    cache = cache_of(8)
    served(cache, [1, 2, 3])
    row = opened(cache, [4, 5, 6]).row
    fill(row)
    cache.clear()
    assert cache.idle_rows == 0
    assert holds(row, 3)
    assert opened(cache, [1, 2, 3, 4]).reused == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 12))
def test_whatever_happens_rows_hold_their_tokens_and_memory_keeps_its_limit(seed, size):
    rng = Rng(seed)
    cache = cache_of(size)
    stems = [[rng.below(4) for _ in range(rng.integer(1, 300))] for _ in range(4)]
    busy = []
    for _ in range(60):
        turn = rng.below(10)
        if turn < 5:
            stem = rng.choice(stems)
            ids = stem[: rng.integer(1, len(stem))] + [rng.below(4) for _ in range(rng.integer(0, 60))]
            try:
                found = cache.open(ids, rng.integer(1, 300), more=rng.below(3))
            except CacheFull:
                continue
            if isinstance(found, Opened):
                assert found.reused < len(ids)
                assert holds(found.row, found.reused)
                assert found.row.ids.tolist() == ids
                if rng.below(4):
                    fill(found.row)
                    stems[rng.below(4)] = ids
                busy.append((found.row, ids))
        elif turn < 8 and busy:
            row, _ = busy.pop(rng.below(len(busy)))
            cache.close(row)
        elif turn == 8 and busy:
            row, ids = rng.choice(busy)
            try:
                copy = cache.fork(row, rng.integer(1, 50))
            except CacheFull:
                copy = None
            if copy is not None:
                busy.append((copy, ids))
        else:
            cache.gather()
        assert cache.bytes <= cache.limit_bytes
        assert cache.busy_rows == len(busy)
        for row, ids in busy:
            assert row.ids.tolist() == ids
            assert holds(row, row.filled)
        for shelf in cache.shelves.values():
            for index, owner in enumerate(shelf.owners):
                assert (owner is None) == (shelf.state[index] == 0)
                assert owner is None or (owner.shelf is shelf and owner.index == index and holds(owner, owner.filled))
    assert len({id(row) for row, _ in busy}) == len(busy)


def test_unwritten_memory_is_zero_and_lies_on_a_cache_line():
    row = opened(cache_of(4), [1]).row
    assert row.shelf.data.data_ptr() % 64 == 0
    assert not np.any(row.shelf.data.numpy())


def test_the_limit_must_be_positive():
    assert cache_limit(3, CPU) == 3 << 20
    assert cache_limit(None, CPU) > 0
    with pytest.raises(UserError, match="cache_mb"):
        cache_limit(0, CPU)
