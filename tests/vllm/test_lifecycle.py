"""Starting, ending, failing: through the runner, and by hand."""

import asyncio
import os
import signal

import psutil
import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.policy import MissingCapability, PolicyError, make_policy
from rlvr.agents.policies.vllm import VllmPolicy
from rlvr.agents.records import read_episodes
from rlvr.agents.types import Request, Role, Sampling
from rlvr.tasks.errors import UserError
from rlvr.tasks.suites import Suite, SuiteEntry

from .conftest import SETTINGS
from .models import GREEDY, PROMPT, ask

SUITE = Suite(name="small", entries=(SuiteEntry(name="maze", env="rlvr/maze-v0", episodes=3),))


def children():
    """Return our processes, but for the one that Python keeps for shared memory as long as it runs."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if "resource_tracker" not in " ".join(child.cmdline())}


def test_a_run_starts_the_engine_records_its_tokens_and_leaves_no_process_behind(model, tmp_path):
    before = children()
    policy = make_policy(f"vllm:{model.folder}", **SETTINGS)
    evaluate(
        SUITE, agent="direct", policy=policy, out=tmp_path, concurrency=3, agent_settings={"sampling": {"max_tokens": 8}}
    )
    episodes = list(read_episodes(tmp_path / "episodes.jsonl"))
    assert len(episodes) == 3
    for episode in episodes:
        assert episode.error is None and episode.generations
        for generation in episode.generations:
            assert generation.completion.token_ids
            assert generation.template == policy.template
    assert children() == before
    with asyncio.Runner() as again:  # another event loop, the same object
        again.run(policy.start())
        found = again.run(policy.generate([Request(token_ids=PROMPT, sampling=GREEDY)]))
        assert len(found[0].token_ids) == 24
        for process in map(psutil.Process, children() - before):
            os.kill(process.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(PolicyError, match="the engine has died"):
                again.run(policy.generate([Request(token_ids=PROMPT, sampling=GREEDY)]))
        again.run(policy.aclose())
    assert children() == before


def test_a_prompt_longer_than_the_context_fails_alone_and_gives_both_numbers(policy, runner):
    with pytest.raises(PolicyError, match=r"has 1024 tokens, and the context holds 1024"):
        ask(runner, policy, Request(token_ids=(100,) * 1024))
    with pytest.raises(PolicyError, match="no tokens"):
        ask(runner, policy, Request(token_ids=()))
    with pytest.raises(PolicyError, match="vocab"):
        ask(runner, policy, Request(token_ids=(100, 10**6)))
    assert ask(runner, policy, Request(token_ids=PROMPT, sampling=GREEDY))[0].token_ids


def test_models_and_settings_that_are_not_there_are_one_clear_sentence(tmp_path, model, monkeypatch):
    with pytest.raises(UserError, match="holds no model: config.json is not there"):
        VllmPolicy(str(tmp_path))
    with pytest.raises(UserError, match="There is no folder"):
        VllmPolicy(str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="did you mean 'block_size'"):
        asyncio.run(make_policy(f"vllm:{model.folder}", extra={"blok_size": 3}).start())
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"^vLLM could not load rlvr-test/no-such-model: .*\.$"):
        asyncio.run(make_policy("vllm:rlvr-test/no-such-model").start())


def test_hooks_are_refused_with_the_capability_they_need(policy, runner):
    from rlvr.agents.lm.hooks import HiddenProbe, Hooks

    request = Request(token_ids=PROMPT, hooks=Hooks(probes={"here": HiddenProbe(layers=(0,))}))
    with pytest.raises(MissingCapability, match="hidden"):
        ask(runner, policy, request)
