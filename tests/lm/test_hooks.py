"""Probes read what is there, steering adds what it says and nothing else, embeddings stand in for ids."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from rlvr.agents.lm import hooked, qwen3  # noqa: E402
from rlvr.agents.lm.dense import DenseAttention  # noqa: E402
from rlvr.agents.lm.hooked import Hooked, HookedRow  # noqa: E402
from rlvr.agents.lm.hooks import (  # noqa: E402
    AttentionProbe,
    Embeds,
    HiddenProbe,
    Hooks,
    Reduce,
    ReduceAttention,
    Steer,
    Where,
)
from rlvr.agents.lm.routing import route  # noqa: E402
from rlvr.tasks.errors import UserError  # noqa: E402

from . import zoo  # noqa: E402

NAMES = ("our qwen3", "llama", "gemma2", "gpt2", "gpt_oss")
HIDDEN = 32


@pytest.fixture(scope="module", params=NAMES)
def model(request, tmp_path_factory):
    if request.param == "our qwen3":
        shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
        shape |= {"head_dim": 8, "intermediate_size": 48, "vocab_size": zoo.VOCABULARY}
        made = qwen3.random_model(tmp_path_factory.mktemp("model"), 1, **shape)
        with torch.no_grad():
            for weight in made.parameters():
                if weight.dim() > 1:
                    weight.mul_(5)
        return made
    return route(zoo.fresh(request.param), "no weights")


def run(model, rows, prompts, hooks, pieces=1):
    """Run rows, each with a prompt of that length and its own hooks, in some pieces; returns logits and `Hooked`s."""
    attend = DenseAttention(len(rows))
    states = [one and Hooked(one, prompt, model.info) for one, prompt in zip(hooks, prompts, strict=True)]
    found = [[] for _ in rows]
    for piece in range(pieces):
        present, spans, start = [], [], 0
        for i, row in enumerate(rows):
            low, high = len(row) * piece // pieces, len(row) * (piece + 1) // pieces
            if low == high:
                continue
            present.append((i, low, high))
            if states[i]:
                keys = lambda layer, i=i: attend.keys(i, layer)  # noqa: E731
                spans.append(HookedRow(states[i], start, high - low, low, keys))
            start += high - low
        attend.expect([(i, high - low) for i, low, high in present])
        ids = torch.tensor([token for i, low, high in present for token in rows[i][low:high]])
        positions = torch.cat([torch.arange(low, high) for _, low, high in present])
        with torch.no_grad():
            logits = model.logits(hooked.forward(model, ids, positions, attend, spans))
        for (i, _, _), own in zip(present, logits.split([high - low for _, low, high in present]), strict=True):
            found[i].append(own)
    return [torch.cat(own) for own in found], states


def full(where=Where.ALL, layers=None):
    return HiddenProbe(layers=layers, reduce=Reduce.FULL, positions=where)


def vector(*names):
    return torch.randn(HIDDEN, generator=torch.Generator().manual_seed(len(names) + 5))


ROWS = zoo.rows_of_tokens((14, 9, 21), "hooks")
PROMPTS = (10, 9, 3)


def test_steering_by_nothing_changes_nothing(model):
    plain, _ = run(model, ROWS, PROMPTS, [None] * 3)
    steered, _ = run(model, ROWS, PROMPTS, [Hooks(steer=(Steer(1, vector(), 0.0),))] * 3)
    for one, other in zip(plain, steered, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_steering_adds_strength_times_vector_to_that_block_and_to_no_earlier_one(model, layer):
    hooks = Hooks(probes={"all": full()}, steer=(Steer(layer, vector(), 0.7),))
    _, (plain, *_) = run(model, ROWS, PROMPTS, [Hooks(probes={"all": full()}), None, None])
    _, (steered, *_) = run(model, ROWS, PROMPTS, [hooks, None, None])
    before, after = plain.readings()["all"], steered.readings()["all"]
    layer %= 3
    assert torch.equal(after[:, layer], before[:, layer] + vector() * 0.7)
    assert torch.equal(after[:, :layer], before[:, :layer])
    for later in range(layer + 1, 3):
        assert not torch.equal(after[:, later], before[:, later])


@pytest.mark.parametrize(
    ("where", "meant"),
    [(Where.ALL, range(14)), (Where.PROMPT, range(10)), (Where.GENERATED, range(10, 14)), (Where.LAST, range(9, 14)),
     ((2, 11, 99), (2, 11)), ((), ())],
)  # fmt: skip
@pytest.mark.parametrize("pieces", [1, 5])
def test_only_the_meant_tokens_are_steered_and_read(model, where, meant, pieces):
    steer = (Steer(0, vector(), 2.0, where),)
    hooks = Hooks(probes={"there": full(where, (0,)), "all": full(layers=(0,))}, steer=steer)
    _, (plain, *_) = run(model, ROWS, PROMPTS, [Hooks(probes={"all": full(layers=(0,))}), None, None], pieces)
    _, (steered, *_) = run(model, ROWS, PROMPTS, [hooks, None, None], pieces)
    moved = (steered.readings()["all"] - plain.readings()["all"]).abs().amax(-1)[:, 0] > 1e-3
    assert moved.nonzero()[:, 0].tolist() == list(meant)
    assert steered.readings().tokens["there"] == tuple(meant)
    if meant:
        assert torch.equal(steered.readings()["there"], steered.readings()["all"][list(meant)])


def test_a_row_does_not_feel_its_neighbours_hooks(model):
    plain, _ = run(model, ROWS, PROMPTS, [None] * 3, pieces=3)
    both, _ = run(model, ROWS, PROMPTS, [None, Hooks(steer=(Steer(1, vector(), 3.0),)), None], pieces=3)
    for i in (0, 2):
        torch.testing.assert_close(both[i], plain[i], atol=1e-5, rtol=1e-5)
    assert (both[1] - plain[1]).abs().max() > 0.1


def test_rows_in_pieces_are_steered_as_whole_ones(model):
    hooks = [Hooks(steer=(Steer(i, vector(), 2.0, where), Steer(1, vector(1), -1.0)))
             for i, where in enumerate((Where.ALL, Where.PROMPT, Where.GENERATED))]  # fmt: skip
    whole, _ = run(model, ROWS, PROMPTS, hooks)
    pieces, _ = run(model, ROWS, PROMPTS, hooks, pieces=7)
    for one, other in zip(pieces, whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pieces", [1, 4])
def test_reductions_are_those_of_the_full_tensor(model, pieces):
    kinds = {kind.value: HiddenProbe((2, 0), kind, Where.ALL, vector()) for kind in Reduce}
    _, (_, state, _) = run(model, ROWS, PROMPTS, [None, Hooks(probes=kinds), None], pieces)
    read = state.readings()
    everything = read["full"]
    assert everything.shape == (9, 2, HIDDEN)
    torch.testing.assert_close(read["mean"], everything.mean(0))
    torch.testing.assert_close(read["last"], everything[-1])
    torch.testing.assert_close(read["norm"], everything.norm(dim=-1))
    torch.testing.assert_close(read["project"], everything @ vector())
    assert read.tokens["full"] == tuple(range(9))


@pytest.mark.parametrize("pieces", [1, 4])
def test_attention_is_reduced_as_its_full_weights_say(model, pieces):
    kinds = {kind.value: AttentionProbe((1, 2), kind, Where.ALL) for kind in ReduceAttention}
    logits, (_, state, _) = run(model, ROWS, PROMPTS, [None, Hooks(probes=kinds), None], pieces)
    plain, _ = run(model, ROWS, PROMPTS, [None] * 3, pieces)
    assert torch.equal(logits[1], plain[1])
    read = state.readings()
    weights = read["full"]
    assert weights.shape == (9, 2, 4, 9)
    assert all((weights[t, ..., t + 1 :] == 0).all() for t in range(9))
    assert (weights.sum(-1) <= 1 + 1e-5).all()
    torch.testing.assert_close(read["entropy"], torch.special.entr(weights).sum(-1))
    torch.testing.assert_close(read["peak"], weights.amax(-1))
    torch.testing.assert_close(read["first"], weights[..., 0])
    own, other = torch.arange(9.0)[:, None, None, None], torch.arange(9.0)
    torch.testing.assert_close(read["distance"], (weights * (own - other)).sum(-1), atol=1e-5, rtol=1e-5)
    assert read["entropy"].shape == (9, 2, 4) and (read["entropy"] <= math.log(9)).all()


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "gpt_oss"])
def test_attention_weights_are_those_that_transformers_returns(name):
    model = route(zoo.fresh(name), "no weights")
    probes = {"weights": AttentionProbe(None, ReduceAttention.FULL, Where.ALL)}
    _, (state, *_) = run(model, ROWS, PROMPTS, [Hooks(probes=probes), None, None])
    theirs = zoo.fresh(name)
    theirs.set_attn_implementation("eager")
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([ROWS[0]]), output_attentions=True).attentions
    expected = torch.stack([one[0].transpose(0, 1)[..., :14] for one in expected], dim=1)
    torch.testing.assert_close(state.readings()["weights"], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2"])
def test_hidden_states_are_those_that_transformers_returns(name):
    model = route(zoo.fresh(name), "no weights")
    _, (state, *_) = run(model, ROWS, PROMPTS, [Hooks(probes={"all": full()}), None, None])
    with torch.no_grad():
        expected = zoo.original(name)(input_ids=torch.tensor([ROWS[0]]), output_hidden_states=True).hidden_states
    for layer in range(2):  # the last one that transformers returns is normed
        torch.testing.assert_close(state.readings()["all"][:, layer], expected[layer + 1][0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pieces", [1, 5])
def test_embeddings_stand_in_for_ids(model, pieces):
    plain, _ = run(model, ROWS, PROMPTS, [None] * 3, pieces)
    vectors = model.embed(torch.tensor(ROWS[0][2:8])).detach()
    hidden = [*ROWS[0][:2], *[0] * 6, *ROWS[0][8:]]
    found, _ = run(model, [hidden, *ROWS[1:]], PROMPTS, [Hooks(embeds=(Embeds(vectors, 2),)), None, None], pieces)
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    other, _ = run(model, [hidden, *ROWS[1:]], PROMPTS, [Hooks(embeds=(Embeds(vectors * 2, 2),)), None, None], pieces)
    assert (other[0] - plain[0]).abs().max() > 1e-2


def test_keys_and_values_are_named_by_all_that_they_depend_on(model):
    ids = list(range(20, 32))

    def names(prompt=10, first=0, ids=ids, **given):
        return Hooked(Hooks(**given), prompt, model.info).cache_keys(ids, first)

    steer = Steer(1, vector(), 2.0)
    assert names() == names(probes={"all": full()}) == names(steer=(Steer(1, vector(), 0.0),)) == ids
    steered = names(steer=(steer,))
    assert steered == names(11, steer=(Steer(-2, vector().clone(), 2.0),))
    assert all(2**62 <= name < 2**63 for name in steered) and len({*steered}) == 12
    others = (Steer(0, vector(), 2.0), Steer(1, vector(), 2.5), Steer(1, vector(1), 2.0))
    assert len({*steered, *(name for one in others for name in names(steer=(one,)))}) == 48
    assert not {*names(steer=(steer, others[0]))} & {*steered}
    generated = names(steer=(Steer(1, vector(), 2.0, Where.GENERATED),))
    assert generated == ids[:10] + steered[10:]
    assert generated[6:] == names(first=6, ids=ids[6:], steer=(Steer(1, vector(), 2.0, Where.GENERATED),))
    vectors = torch.arange(2.0 * HIDDEN).view(2, HIDDEN)
    embedded = names(embeds=(Embeds(vectors, 3),))
    assert embedded[:3] == ids[:3] and embedded[5:] == ids[5:] and embedded[3] != embedded[4]
    assert embedded == names(ids=[*ids[:3], 0, 0, *ids[5:]], embeds=(Embeds(vectors, 3),))
    assert embedded[3:5] == names(embeds=(Embeds(vectors, 0),))[:2] != names(embeds=(Embeds(vectors + 1, 0),))[:2]
    for first in (0, 3, 4, 5, 9):
        assert names(first=first, ids=ids[first:], embeds=(Embeds(vectors, 3),)) == embedded[first:]


@pytest.mark.parametrize(
    ("where", "reusable"), [(Where.ALL, 0), (Where.PROMPT, 0), (Where.LAST, 9), (Where.GENERATED, 10), ((4, 12), 4)]
)
def test_what_probes_want_to_see_must_not_come_from_a_cache(model, where, reusable):
    assert Hooked(Hooks(probes={"one": full(where)}), 10, model.info).reusable() == reusable
    assert Hooked(Hooks(steer=(Steer(0, vector(), 1.0, where),)), 10, model.info).reusable() == 10


def test_a_token_that_is_run_again_is_read_once(model):
    state = Hooked(Hooks(probes={"all": full(), "mean": HiddenProbe(None, Reduce.MEAN, Where.ALL)}), 6, model.info)
    ids = torch.tensor(ROWS[1])
    for upto in (4, 9):  # begun, evicted, begun again
        attend = DenseAttention(1).expect([(0, upto)])
        with torch.no_grad():
            hooked.forward(model, ids[:upto], torch.arange(upto), attend, [HookedRow(state, 0, upto, 0)])
    assert state.readings().tokens["all"] == tuple(range(9))
    torch.testing.assert_close(state.readings()["mean"], state.readings()["all"].mean(0))


def test_nothing_met_is_nothing_read(model):
    _, (state, *_) = run(model, ROWS, (10, 9, 3), [Hooks(probes={"none": full((50,))}), None, None])
    assert state.readings()["none"].shape[0] == 0 and state.readings().tokens["none"] == ()


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        (Hooks(steer=(Steer(3, torch.zeros(HIDDEN)),)), "no layer 3; the model has 3"),
        (Hooks(steer=(Steer(0, torch.zeros(5)),)), "5 numbers, but the model's hidden size is 32"),
        (Hooks(probes={"p": HiddenProbe(reduce=Reduce.PROJECT)}), "'p' projects, so it needs a direction"),
        (Hooks(probes={"p": AttentionProbe(layers=(-4,))}), "no layer -4"),
        (Hooks(embeds=(Embeds(torch.zeros(4, HIDDEN), 8),)), "which has 10; 4 from 8 on do not fit"),
        (Hooks(embeds=(Embeds(torch.zeros(4, 3)),)), "3 numbers"),
    ],
)
def test_hooks_that_do_not_fit_are_refused_in_a_sentence(model, hooks, message):
    with pytest.raises(UserError, match=message):
        Hooked(hooks, 10, model.info)
