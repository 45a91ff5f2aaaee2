"""A start from which a model copies."""

import pytest
import torch

from rlvr.agents.lm.qwen3 import Qwen3, Qwen3Config
from rlvr.tasks.errors import UserError
from rlvr.trainers.attention import DocumentAttention
from rlvr.trainers.induction import set_induction
from rlvr.trainers.models import new_model
from rlvr.trainers.sft_config import ModelConfig

from .sft_world import WEIGHTS

SHAPE = {"hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 3,
         "head_dim": 64, "rope_theta": 1e6}  # fmt: skip


def ranks(model, length, seed):
    """Of every token of a repeated stretch that the one before it foretells: how many the model holds likelier."""
    ids = 10 + torch.randperm(2000, generator=torch.Generator().manual_seed(seed))[:length]
    with torch.no_grad():
        hidden = model(torch.cat((ids, ids)), torch.arange(2 * length), DocumentAttention([2 * length]))
        scores = model.logits(hidden)[length:-1]
    return (scores > scores.gather(1, ids[1:, None])).sum(-1)


def plain(seed):
    model = Qwen3(Qwen3Config(**SHAPE))
    model.initialise(seed)
    return model


@pytest.mark.parametrize("length", [40, 300])
def test_an_untrained_model_foretells_what_followed_last_time(length):
    for seed in (0, 1, 2):
        model = plain(seed)
        assert ranks(model, length, seed).float().median() > 500
        set_induction(model)
        assert ranks(model, length, seed).float().median() <= 3


def test_the_first_head_attends_to_the_previous_token_wherever_it_is():
    model = plain(0)
    set_induction(model)
    seen = {}

    def attend(layer, q, k, v, *, scale, **_):
        scores = torch.einsum("ihd,jhd->hij", q, k) * scale
        seen[layer] = scores.masked_fill(torch.ones(len(q), len(q)).triu(1).bool(), float("-inf")).softmax(-1)
        return torch.einsum("hij,jhd->ihd", seen[layer], v)

    with torch.no_grad():
        model(torch.arange(10, 210), torch.arange(200), attend)
    previous = seen[0][0].diagonal(-1)
    assert previous.min() > 0.5
    assert seen[0][1].diagonal(-1).mean() < 0.2, "the other heads are as they were"


def test_the_start_is_the_same_for_the_same_seed_and_asked_for_by_name():
    config = ModelConfig(tokenizer=WEIGHTS, from_scratch=SHAPE, induction=True)
    one, same = new_model(config, 4), new_model(config, 4)
    other = new_model(config.model_copy(update={"induction": False}), 4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.blocks[1].qkv, other.blocks[1].qkv)
    assert torch.equal(one.blocks[2].qkv, other.blocks[2].qkv), "only the first two blocks are prepared"


@pytest.mark.parametrize(
    "change",
    [{"num_key_value_heads": 1}, {"num_hidden_layers": 1}, {"head_dim": 66}, {"rope_theta": 1.1}],
)
def test_a_shape_without_room_for_it_is_refused_in_words(change):
    model = Qwen3(Qwen3Config(**{**SHAPE, **change}))
    with pytest.raises(UserError, match=r"model\.induction needs"):
        set_induction(model)


def test_it_is_for_new_weights_only():
    with pytest.raises(ValueError, match="needs from_scratch"):
        ModelConfig(folder=WEIGHTS, induction=True)
