"""Starting, ending, failing: through the runner, and by hand."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.policy import MissingCapability, PolicyError, make_policy
from rlvr.agents.records import read_episodes
from rlvr.agents.types import Request, Sampling
from rlvr.tasks.errors import UserError
from rlvr.tasks.suites import Suite, SuiteEntry

from .conftest import SETTINGS
from .models import GREEDY, PROMPT, ask, under_way

SUITE = Suite(name="small", entries=(SuiteEntry(name="maze", env="rlvr/maze-v0", episodes=3),))


def children():
    """Return our processes, but for the one that Python keeps for shared memory as long as it runs."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if "resource_tracker" not in " ".join(child.cmdline())}


def test_runs_join_a_running_engine_and_one_that_dies_is_replaced_at_the_next_start(model, tmp_path):
    before = children()
    policy = make_policy(f"vllm:{model.folder}", **SETTINGS)
    request = Request(token_ids=PROMPT, sampling=GREEDY)
    with asyncio.Runner() as runner:
        runner.run(policy.start())
        (answer,) = ask(runner, policy, request)
        processes = children() - before

        # A run, in an event loop of its own, starts and closes it too.
        settings = {"sampling": {"max_tokens": 8, "logprobs": True}}
        evaluate(SUITE, agent="direct", policy=policy, out=tmp_path, concurrency=3, agent_settings=settings)
        assert children() - before == processes
        episodes = list(read_episodes(tmp_path / "episodes.jsonl"))
        assert len(episodes) == 3
        for episode in episodes:
            assert episode.error is None and len(episode.generations) > 1
            for generation in episode.generations:
                assert generation.template == policy.template
                assert len(generation.completion.logprobs) == len(generation.completion.token_ids) > 0
            assert episode.generations[1].kept_tokens > 0, "tokens of the first turn were not reused as they are"

        async def killed():
            sampling = Sampling(max_tokens=900, ignore_eos=True)
            waiting = asyncio.create_task(policy.generate([request.model_copy(update={"sampling": sampling})]))
            await under_way(policy, 1)
            for pid in processes:
                os.kill(pid, signal.SIGKILL)
            await waiting

        with pytest.raises(PolicyError, match="the engine has died"):
            runner.run(killed())
        with pytest.raises(PolicyError, match="the engine has died"):
            ask(runner, policy, request)

        runner.run(policy.start())
        assert ask(runner, policy, request)[0].token_ids == answer.token_ids
        runner.run(policy.aclose())
        assert children() != before, "the first start is still to be closed"
        runner.run(policy.aclose())
    assert children() == before


OWNER = """
import asyncio, json, sys
from rlvr.agents.policies.policy import make_policy
if __name__ == "__main__":
    asyncio.run(make_policy("vllm:" + sys.argv[1], **json.loads(sys.argv[2])).start())
    print("started", flush=True)
    sys.stdin.read()
"""


def test_an_engine_ends_with_the_process_that_started_it_however_that_ends(model, tmp_path):
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    command = [sys.executable, str(script), str(model.folder), json.dumps(SETTINGS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "started\n"
        processes = psutil.Process(owner.pid).children(recursive=True)
        assert len(processes) >= 2
        owner.kill()
        owner.wait()
    gone, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive and len(gone) == len(processes)


def test_a_prompt_longer_than_the_context_fails_alone_and_gives_both_numbers(policy, runner):
    with pytest.raises(PolicyError, match=r"has 1024 tokens, .* takes 1024 tokens"):
        ask(runner, policy, Request(token_ids=(100,) * 1024))
    with pytest.raises(PolicyError, match="is empty"):
        ask(runner, policy, Request(token_ids=()))
    with pytest.raises(PolicyError, match="vocab"):
        ask(runner, policy, Request(token_ids=(100, 10**6)))
    assert ask(runner, policy, Request(token_ids=PROMPT, sampling=GREEDY))[0].token_ids


def test_models_and_settings_that_are_not_there_are_one_clear_sentence(tmp_path, model):
    with pytest.raises(UserError, match="did you mean 'block_size'"):
        asyncio.run(make_policy(f"vllm:{model.folder}", extra={"blok_size": 3}).start())
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(UserError, match=r"^vLLM could not load .*\.$"):
        asyncio.run(make_policy(f"vllm:{tmp_path}").start())


def test_hooks_are_refused_with_the_capability_they_need(policy, runner):
    from rlvr.agents.lm.hooks import HiddenProbe, Hooks

    request = Request(token_ids=PROMPT, hooks=Hooks(probes={"here": HiddenProbe(layers=(0,))}))
    with pytest.raises(MissingCapability, match="hidden"):
        ask(runner, policy, request)
