"""Which weight is stepped by which optimizer, and that a checkpoint carries all of them."""

import copy

import pytest
import torch

from rlvr.agents.lm.qwen3 import Qwen3, Qwen3Config
from rlvr.trainers.optimizer import make_optimizer
from rlvr.trainers.sft_config import OptimizerConfig

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
         "head_dim": 16, "intermediate_size": 48, "vocab_size": 64}  # fmt: skip


def model():
    made = Qwen3(Qwen3Config(**SHAPE))
    made.initialise(3)
    return made


def give_gradients(of, seed):
    generator = torch.Generator().manual_seed(seed)
    for weight in of.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator)


def step(optimizer, of, seed):
    give_gradients(of, seed)
    for group in optimizer.param_groups:
        group["lr"] = 1e-2
    optimizer.step()


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_every_weight_is_stepped_exactly_once(kind):
    trained = model()
    optimizer = make_optimizer(trained.named_parameters(), OptimizerConfig(kind=kind))
    held = [id(weight) for group in optimizer.param_groups for weight in group["params"]]
    assert sorted(held) == sorted(map(id, trained.parameters()))
    before = copy.deepcopy(trained.state_dict())
    step(optimizer, trained, 1)
    assert all(not torch.equal(weight, before[name]) for name, weight in trained.state_dict().items())


def test_muon_takes_the_matrices_of_blocks_and_nothing_else():
    trained = model()
    optimizer = make_optimizer(trained.named_parameters(), OptimizerConfig(kind="muon"))
    muon = next(part for part in optimizer.parts if isinstance(part, torch.optim.Muon))
    held = {id(weight) for group in muon.param_groups for weight in group["params"]}
    names = {name.rsplit(".", 1)[-1] for name, weight in trained.named_parameters() if id(weight) in held}
    assert names == {"qkv", "out", "gate_up", "down"}


def test_a_step_of_muon_is_an_orthogonal_matrix_of_adamws_size():
    trained = model()
    optimizer = make_optimizer(trained.named_parameters(), OptimizerConfig(kind="muon", weight_decay=0.0))
    weight = trained.blocks[0].down
    before = weight.detach().clone()
    step(optimizer, trained, 2)
    change = (weight.detach() - before).double()
    sizes = torch.linalg.svdvals(change)
    assert sizes.max() / sizes.min() < 2.5  # five Newton-Schulz iterations bring them near each other
    rms = change.square().mean().sqrt().item()
    assert 0.5 * 0.2 * 1e-2 < rms < 1.5 * 0.2 * 1e-2


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_gains_and_biases_do_not_decay(kind):
    trained = model()
    optimizer = make_optimizer(trained.named_parameters(), OptimizerConfig(kind=kind, weight_decay=0.1))
    decay = {id(weight): group["weight_decay"] for group in optimizer.param_groups for weight in group["params"]}
    for name, weight in trained.named_parameters():
        assert decay[id(weight)] == (0.0 if "norm" in name else 0.1), name


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_run_goes_on_from_its_state_as_if_it_had_not_stopped(kind):
    config = OptimizerConfig(kind=kind)
    whole = model()
    straight = make_optimizer(whole.named_parameters(), config)
    for seed in range(4):
        step(straight, whole, seed)
    stopped = model()
    first = make_optimizer(stopped.named_parameters(), config)
    for seed in range(2):
        step(first, stopped, seed)
    second = make_optimizer(stopped.named_parameters(), config)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for seed in range(2, 4):
        step(second, stopped, seed)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), stopped.parameters(), strict=True))
