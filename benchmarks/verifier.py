"""The verifier against math-verify called directly: speed on ordinary answers, accuracy, hostile texts."""

import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlvr.tasks.verify import Verdict, VerdictStatus, shutdown, verify, warm
from rlvr.tasks.verify.pool import current_pool

from .harness import Row, interleave

PEER = "math-verify 0.9.0"
HOSTILE = (
    "9^{9^{9}}",
    "(10^{10})!",
    r"\binom{10^9}{5\cdot 10^8}",
    r"\sum_{k=1}^{10^{9}} \frac{1}{k^2+1}",
    r"\int " * 200 + "x",
    r"\prod_{k=1}^{\infty}(1+\frac{1}{k^{2.5}})",
    r"\frac{1}{" * 1000 + "1" + "}" * 1000,
    "9" * 100_000,
    r"\(" * 50_000,
    "\ud800\x00" * 1000,
)
LIMIT_S = 1.0


def shared_data() -> Path | None:
    """The folder of benchmark data, `None` where it is absent."""
    beside = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    path = Path(os.environ.get("RLVR_SHARED_DATA", beside))
    return path if (path / "verifier_cases" / "core.jsonl").is_file() else None


def core_rows() -> list[dict[str, Any]]:
    """The labelled cases of verifier_cases/core.jsonl, empty where the data is absent."""
    folder = shared_data()
    if folder is None:
        return []
    text = (folder / "verifier_cases" / "core.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def peer_parse(text: str) -> list[Any]:
    """One text parsed by math-verify, without its signal-based limit, which costs time."""
    import math_verify

    parsed: list[Any] = math_verify.parse(text, parsing_timeout=None)
    return parsed


def peer_verify(gold: list[Any], answer: list[Any]) -> bool:
    """math-verify's comparison of two parsed texts."""
    import math_verify

    return bool(math_verify.verify(gold, answer, timeout_seconds=None))


def boxed(text: str) -> str:
    """A short bare text in a box, in which math-verify does best."""
    return text if "$" in text or "boxed" in text or len(text) >= 80 else f"\\boxed{{{text}}}"


def per_call(function: Callable[[str, str], object], pairs: Iterator[tuple[str, str]], number: int) -> float:
    """Microseconds of one call, on `number` fresh pairs so that nobody's cache of answers helps."""
    chosen = list(itertools.islice(pairs, number))
    start = time.perf_counter()
    for gold, answer in chosen:
        function(gold, answer)
    return (time.perf_counter() - start) / number * 1e6


def integer_rows(quick: bool) -> list[Row]:
    """Ordinary integer answers, bare and at the end of a solution."""
    number = 100 if quick else 300
    rounds = 3 if quick else 7
    templates = {
        "integer answer, bare": "{}",
        "integer answer, boxed in a solution": (
            "We add the two parts and simplify, which leaves $x = 2y$ for every case that is possible here. "
            r"Therefore the number of ways is \boxed{{{}}}."
        ),
        "integer answer, announced": "There are 12 in the first group and 30 in the second. The answer is {}.",
    }
    golds = {str(i): peer_parse(f"\\boxed{{{i}}}") for i in range(1000)}
    rows = []
    for what, template in templates.items():
        numbers = itertools.count()

        def pairs(template: str = template, numbers: Iterator[int] = numbers) -> Iterator[tuple[str, str]]:
            for i in numbers:
                yield str(i * 7 % 1000), template.format(i * 7 % 1000 + i % 2)

        ours, theirs, cached = interleave(
            lambda pairs=pairs: per_call(verify, pairs(), number),
            lambda pairs=pairs: per_call(lambda g, a: peer_verify(peer_parse(g), peer_parse(a)), pairs(), number),
            lambda pairs=pairs: per_call(lambda g, a: peer_verify(golds[g], peer_parse(a)), pairs(), number),
            rounds=rounds,
        )
        note = f"{theirs / ours:.0f} times faster; {cached / ours:.0f} times with the peer's golds parsed before"
        rows.append(Row(what, ours, theirs, "us", "at most 1/20 of the peer", ours * 20 <= theirs, PEER, note))
    return rows


def file_rows(quick: bool) -> list[Row]:
    """The whole of core.jsonl: time with parsed golds cached on both sides, and accuracy."""
    cases = core_rows()
    if not cases:
        return []
    golds = [peer_parse(boxed(case["gold"])) for case in cases]
    verdicts: list[Verdict] = []
    answers: list[bool] = []

    def ours() -> float:
        start = time.perf_counter()
        verdicts[:] = [verify(case["gold"], case["prediction"]) for case in cases]
        return (time.perf_counter() - start) * 1e3

    def theirs() -> float:
        start = time.perf_counter()
        answers[:] = [
            peer_verify(gold, peer_parse(boxed(case["prediction"]))) for gold, case in zip(golds, cases, strict=True)
        ]
        return (time.perf_counter() - start) * 1e3

    ours(), theirs()
    time_ours, time_theirs = interleave(ours, theirs, rounds=3 if quick else 7)
    right = sum(v.correct == case["expected"] for v, case in zip(verdicts, cases, strict=True))
    peer_right = sum(a == case["expected"] for a, case in zip(answers, cases, strict=True))
    false = sum(v.correct and not case["expected"] for v, case in zip(verdicts, cases, strict=True))
    raw = [peer_verify(peer_parse(case["gold"]), peer_parse(case["prediction"])) for case in cases]
    peer_false = sum(a and not case["expected"] for a, case in zip(raw, cases, strict=True))
    share, peer_share = 100 * right / len(cases), 100 * peer_right / len(cases)
    return [
        Row("core.jsonl, whole file, parsed golds cached", time_ours, time_theirs, "ms", "at most 1.2 times the peer",
            time_ours <= 1.2 * time_theirs, PEER, "answers are never cached"),
        Row("core.jsonl, agreement with the labels", share, peer_share, "%", "at least 97 %", share >= 97, PEER,
            "the peer with short answers boxed"),
        Row("core.jsonl, false accepts", false, peer_false, "cases", "none", false == 0, PEER, "the peer on raw text"),
    ]  # fmt: skip


def hostile_rows(quick: bool) -> list[Row]:
    """Hostile texts: compute time against the limit, take-over by the spare, workers lost."""
    before = len(current_pool().pids())
    longest, waits = 0.0, []
    for answer in HOSTILE:
        start = time.perf_counter()
        verdict = verify(r"\sqrt{5}", answer, limit_s=LIMIT_S)
        wall_s = time.perf_counter() - start
        longest = max(longest, wall_s - verdict.queued_s)
        if verdict.status is VerdictStatus.TIMEOUT:
            following = verify(r"\sqrt{8}", r"2\sqrt{2}")
            waits.append(following.queued_s if following.correct else float("inf"))
            warm()
    calls = 200 if quick else 1000
    texts = [*HOSTILE[:4], r"2\sqrt{2}", r"\frac{4}{\sqrt2}", "3", r"\boxed{\sqrt 8}", "x+1"]
    statuses = [verify(r"\sqrt{8}", texts[i % len(texts)], limit_s=LIMIT_S).status for i in range(calls)]
    warm()
    lost = before - len(current_pool().pids())
    errors = statuses.count(VerdictStatus.ERROR)
    limit = f"at most {LIMIT_S + 0.5:g} s (limit {LIMIT_S:g} s)"
    return [
        Row("hostile texts, longest compute time", longest, None, "s", limit, longest <= LIMIT_S + 0.5),
        Row("wait for a worker after a kill", max(waits) * 1e3, None, "ms", "at most 250 ms", max(waits) <= 0.25, "",
            "a warm spare takes over"),
        Row(f"workers lost in {calls} mixed calls", lost, None, "workers", "none", lost == 0 and not errors),
    ]  # fmt: skip


def symbolic_rows(quick: bool) -> list[Row]:
    """Answers that need a worker, message passing included."""
    pairs = [
        (r"\sqrt{8}", r"2\sqrt{2}"),
        (r"\frac{x+2}{7}", r"\frac{x}{7}+\frac{2}{7}"),
        (r"x^2+2x+1", r"(x+1)^2"),
        (r"\tan^2(y)+1", r"\sec^2(y)"),
        (r"(2,12)\cup(12,102)", r"(12,102)\cup(2,12)"),
    ]
    golds = {gold: peer_parse(f"${gold}$") for gold, _ in pairs}
    ours, theirs = interleave(
        lambda: per_call(verify, itertools.cycle(pairs), 50),
        lambda: per_call(lambda g, a: peer_verify(golds[g], peer_parse(f"${a}$")), itertools.cycle(pairs), 50),
        rounds=3 if quick else 7,
    )
    return [Row("symbolic answers, through a worker", ours, theirs, "us", "reported", True, PEER, "golds cached")]


def run(quick: bool = False) -> list[Row]:
    """All rows; without the benchmark data folder those over its files are left out."""
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    warm()
    try:
        return [*integer_rows(quick), *file_rows(quick), *symbolic_rows(quick), *hostile_rows(quick)]
    finally:
        shutdown()
