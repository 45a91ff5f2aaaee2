"""What a step learns: the gradient of the big batch, from the right tokens, each seeing its own document only."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rlvr.agents.lm.attention import PackedAttention
from rlvr.trainers import attention, gradients
from rlvr.trainers.attention import DocumentAttention, blocks_of
from rlvr.trainers.gradients import Workers, backward, parameters, row_losses
from rlvr.trainers.packing import Document, Documents

from .sft_world import made_documents, small_model

LENGTHS = [100, 1, 30, 700, 2, 300, 64]


def tensors(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    sizes = ((sum(LENGTHS), 6, 16), (sum(LENGTHS), 2, 16), (sum(LENGTHS), 2, 16))
    return [torch.randn(size, generator=generator, dtype=dtype).requires_grad_() for size in sizes]


def compare(attend, expected, q, k, v, tolerance=1e-9):
    """Compare the outputs and the three gradients of two attentions."""
    seen, wanted = attend(q, k, v), expected(q, k, v)
    torch.testing.assert_close(seen, wanted, rtol=tolerance, atol=tolerance)
    pull = torch.randn(seen.shape, generator=torch.Generator().manual_seed(9), dtype=seen.dtype)
    for one, other in zip(torch.autograd.grad(seen, (q, k, v), pull), torch.autograd.grad(wanted, (q, k, v), pull),
                          strict=True):  # fmt: skip
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kept", [attention.KEPT_KEYS, 64], ids=["kept", "computed again"])
def test_blocks_equal_attention_document_by_document(monkeypatch, kept):
    monkeypatch.setattr(attention, "KEPT_KEYS", kept)
    packed, blocks = PackedAttention(LENGTHS), DocumentAttention(LENGTHS)
    compare(lambda *x: blocks(0, *x, scale=0.3), lambda *x: packed(0, *x, scale=0.3), *tensors())


def test_blocks_in_bfloat16_are_as_near_as_bfloat16_can_be():
    q, k, v = tensors(dtype=torch.float32)
    low = [x.detach().bfloat16().requires_grad_() for x in (q, k, v)]
    exact = PackedAttention(LENGTHS)(0, q, k, v, scale=0.3)
    seen = DocumentAttention(LENGTHS)(0, *low, scale=0.3)
    assert (seen - exact).abs().max() < 0.05 and seen.dtype == torch.bfloat16
    pull = torch.randn(exact.shape, generator=torch.Generator().manual_seed(9))
    for one, other in zip(torch.autograd.grad(seen, low, pull.bfloat16()), torch.autograd.grad(exact, (q, k, v), pull),
                          strict=True):  # fmt: skip
        assert F.cosine_similarity(one.float().flatten(), other.flatten(), dim=0) > 0.9999


def test_wanted_queries_alone_see_what_they_see_among_all():
    wanted = torch.arange(3, sum(LENGTHS), 17)
    few, every = DocumentAttention(LENGTHS, wanted=wanted), DocumentAttention(LENGTHS)
    compare(lambda q, k, v: few(0, q[wanted], k, v, scale=0.3), lambda *x: every(0, *x, scale=0.3)[wanted], *tensors())


def test_padding_for_the_fused_kernel_changes_nothing():
    into, back = attention._padding(LENGTHS, "cpu")
    every = DocumentAttention(LENGTHS)
    compare(lambda *x: attention.padded(*x, 0.3, into, back), lambda *x: every(0, *x, scale=0.3), *tensors())


def test_windows_and_soft_caps_go_by_the_textbook():
    wanted = torch.arange(0, sum(LENGTHS), 5)
    every, few = DocumentAttention(LENGTHS), DocumentAttention(LENGTHS, wanted=wanted)
    q, k, v = tensors()
    windowed = every(0, q, k, v, scale=0.3, window=20)
    assert not torch.allclose(windowed, every(0, q, k, v, scale=0.3))
    assert torch.equal(few(0, q[wanted], k, v, scale=0.3, window=20), windowed[wanted])
    first = torch.zeros(sum(LENGTHS), dtype=torch.bool)
    first[:20] = True  # nothing is out of a window of 20 yet
    torch.testing.assert_close(windowed[first], every(0, q, k, v, scale=0.3)[first])


def test_blocks_leave_out_keys_that_no_query_sees():
    work = sum((block.end - block.start) * (block.end_key - block.first_key) for block in blocks_of([256] * 16))
    assert work == 16 * (128 * 128 + 128 * 256)


def step(model, documents, rows):
    with Workers(model, 1, torch.float32) as workers:
        loss = workers.step([documents.row(np.array(row)) for row in rows])
    return loss, [weight.grad.clone() for weight in parameters(model)]


def assert_same(one, other, tolerance=1e-5):
    assert one[0].mean == pytest.approx(other[0].mean, rel=1e-6)
    for mine, theirs in zip(one[1], other[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))


def test_accumulated_gradients_equal_the_big_batch():
    documents, model = made_documents(12), small_model()
    assert_same(step(model, documents, [[0, 1], [2], [3, 4, 5, 6, 7], [8, 9, 10, 11]]),
                step(model, documents, [list(range(12))]))  # fmt: skip


def test_packed_losses_equal_those_of_each_document_by_itself():
    documents, model = made_documents(8), small_model()
    packed, _ = row_losses(model, documents.row(np.arange(8)), torch.float32)
    alone = []
    for number in range(8):
        row = documents.row(np.array([number]))
        ids = torch.from_numpy(row.ids)
        hidden = model(ids, torch.arange(len(ids)), PackedAttention([len(ids)]))
        losses = F.cross_entropy(model.logits(hidden)[:-1], ids[1:], reduction="none")
        alone.append(losses[torch.from_numpy(row.predicts)])
    torch.testing.assert_close(packed, torch.cat(alone).detach(), rtol=1e-5, atol=1e-5)


def test_other_documents_of_a_row_change_nothing():
    documents, model = made_documents(3), small_model()
    other = copy.deepcopy(documents)
    other.ids[: other.starts[1]] = (other.ids[: other.starts[1]] + 1) % 64
    rows = [one.row(np.arange(3)) for one in (documents, other)]
    own = int((rows[0].kinds >= 0).sum() - documents.targets[1:].sum())
    before, after = (row_losses(model, row, torch.float32)[0] for row in rows)
    assert not torch.allclose(before[:own], after[:own])
    torch.testing.assert_close(before[own:], after[own:], rtol=1e-6, atol=1e-6)


def test_labels_that_are_not_learned_give_no_gradient():
    """The last token of a document is nobody's input, so only as a label could it count."""
    documents = made_documents(40)
    last = documents.starts[1:] - 1
    documents.learned[last] = False
    documents = Documents.of(
        Document(documents.ids[a:b].tolist(), documents.learned[a:b].tolist())
        for a, b in zip(documents.starts, documents.starts[1:], strict=False)
        if documents.learned[a:b].any()
    )
    last = documents.starts[1:] - 1
    model, rows = small_model(), [list(range(len(documents)))]
    before = step(model, documents, rows)
    documents.ids[last] = (documents.ids[last] + 7) % 64
    after = step(model, documents, rows)
    assert before[0] == after[0]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(before[1], after[1], strict=True))
    documents.learned[last] = True  # so that the check can fail
    learned = step(model, documents, rows)
    assert not any(torch.equal(mine, theirs) for mine, theirs in zip(before[1], learned[1], strict=True))


def test_threads_give_the_sums_of_one_thread():
    documents, model = made_documents(10), small_model()
    rows = [documents.row(np.arange(first, first + 2)) for first in range(0, 10, 2)]
    found = []
    for count in (1, 3):
        with Workers(model, count, torch.float32) as workers:
            loss = workers.step(rows)
            again = workers.step(rows)
            losses = torch.cat([one for one, _ in workers.losses(rows)])
        assert loss == again
        found.append((loss, [weight.grad.clone() for weight in parameters(model)], losses))
    assert_same(found[0][:2], found[1][:2])
    torch.testing.assert_close(found[0][2], found[1][2])


def test_replicas_follow_the_weights():
    documents, model = made_documents(4), small_model()
    rows = [documents.row(np.array([number])) for number in range(4)]
    with Workers(model, 2, torch.float32) as workers:
        before = workers.step(rows)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(0.5)
        after = workers.step(rows)
    assert before.total != after.total
    assert after.mean == pytest.approx(step(model, documents, [[0, 1, 2, 3]])[0].mean, rel=1e-6)


def test_logits_are_made_in_chunks(monkeypatch):
    documents, model = made_documents(30), small_model()
    row = documents.row(np.arange(30))
    whole = backward(model, row, len(row.targets), torch.float32)
    gradient = [weight.grad.clone() for weight in parameters(model)]
    model.zero_grad()
    monkeypatch.setattr(gradients, "LOGITS", 1)
    seen = []
    real = model.logits
    monkeypatch.setattr(model, "logits", lambda hidden: seen.append(len(hidden)) or real(hidden))
    parts = backward(model, row, len(row.targets), torch.float32)
    assert len(seen) > 1 and sum(seen) == len(row.targets)
    assert float(parts) == pytest.approx(float(whole), rel=1e-6)
    for one, other in zip(gradient, parameters(model), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("context", [0.25, 1.0])
def test_tokens_that_were_given_count_for_as_much_as_their_weight(context):
    """The gradient is that of the weighted mean; the loss that is told is that of the learned targets alone."""
    documents, model = made_documents(6), small_model()
    documents.context = ~documents.learned
    documents.context[documents.starts[:-1]] = False
    rows = [documents.row(np.array(numbers), context) for numbers in ([0, 1, 2], [3, 4, 5])]
    with Workers(model, 2, torch.float32) as workers:
        loss = workers.step(rows)
    found = [weight.grad.clone() for weight in parameters(model)]
    assert loss.targets == documents.targets.sum() < sum(len(row.targets) for row in rows)
    assert loss.mean == pytest.approx(step(model, documents, [[0, 1, 2], [3, 4, 5]])[0].mean, rel=1e-6)
    model.zero_grad()
    whole = sum(float(row.weights.sum()) for row in rows)
    for row in rows:
        ids, positions, attend, predicts, targets = gradients.row_tensors(row, torch.device("cpu"))
        losses = torch.nn.functional.cross_entropy(
            model.logits(model.forward(ids, positions, attend, wanted=predicts)), targets, reduction="none"
        )
        ((losses * torch.from_numpy(row.weights)).sum() / whole).backward()
    for one, other in zip(found, parameters(model), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-6)


def test_without_a_weight_given_tokens_are_no_targets():
    documents = made_documents(3)
    documents.context = ~documents.learned
    assert len(documents.row(np.arange(3)).targets) == documents.targets.sum()
    assert (documents.row(np.arange(3)).weights == 1).all()
