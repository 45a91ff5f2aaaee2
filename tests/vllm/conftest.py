"""vLLM on the CPU, with small models of random weights; only `make test-vllm` runs these."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from .models import CONTEXT, Model

if importlib.util.find_spec("vllm") is None:  # every other environment: there is nothing here, and nothing to skip
    collect_ignore_glob = ["test_*.py"]

# One thread that the system may move: vLLM would pin it to a core, which on a busy machine may be taken.
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("OMP_NUM_THREADS", "1")

SETTINGS = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": CONTEXT,
    "kv_cache_gib": 0.25,
    "extra": {"block_size": 32},
}


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Model:
    return Model(tmp_path_factory.mktemp("first") / "model", 1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory) -> Model:
    return Model(tmp_path_factory.mktemp("second") / "model", 2)


@pytest.fixture(scope="session")
def runner():
    """One event loop for everything that asks the shared engine."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def policy(model, runner):
    from rlvr.agents.policies.policy import make_policy

    policy = make_policy(f"vllm:{model.folder}", **SETTINGS)
    runner.run(policy.start())
    yield policy
    runner.run(policy.aclose())


@pytest.fixture(scope="session")
def vllm_server(model, tmp_path_factory):
    """vLLM's own OpenAI server with the first model, which it calls `tiny`; its base address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server",
        "--model", str(model.folder), "--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port),
        "--dtype", "float32", "--enforce-eager", "--max-model-len", str(CONTEXT), "--block-size", "32",
        "--kv-cache-memory-bytes", str(1 << 28), "--logprobs-mode", "processed_logprobs",
    ]  # fmt: skip
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "TORCHDYNAMO_DISABLE": "1"}
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 300
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"vLLM's server did not start:\n{log.read_text()[-4000:]}")
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)  # its engine is a process of its own
        server.wait()
