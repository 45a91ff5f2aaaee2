"""Nothing that a text says can hang, crash or slow down the caller, from whichever context it calls."""

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

from rlvr.tasks.verify import Verdict, VerdictStatus, averify, shutdown, verify, warm
from rlvr.tasks.verify.pool import current_pool

sys.path.insert(0, str(Path(__file__).parent))
import hostile_texts as hostile

LIMIT_S = 0.4
SLACK_S = 0.5


@pytest.fixture(scope="module", autouse=True)
def _warm_pool():
    warm()
    yield
    shutdown()


def timed(answer: str, gold: str = "5") -> tuple[Verdict, float]:
    start = time.perf_counter()
    verdict = verify(gold, answer, limit_s=LIMIT_S)
    return verdict, time.perf_counter() - start


def within_limit(verdict: Verdict, wall_s: float) -> bool:
    return verdict.seconds <= LIMIT_S + SLACK_S and wall_s - verdict.queued_s <= LIMIT_S + SLACK_S


@pytest.mark.parametrize("gold", ["5", "x+1", r"\{1,2\}"])
def test_no_hostile_text_exceeds_the_limit_in_the_main_thread(gold: str) -> None:
    for answer in hostile.ALL if gold == "5" else hostile.HEAVY + hostile.LONG:
        verdict, wall_s = timed(answer, gold)
        assert within_limit(verdict, wall_s), (answer[:60], verdict, wall_s)
        assert verdict.status is not VerdictStatus.ERROR, (answer[:60], verdict)


def test_hostile_golds_do_no_harm_either() -> None:
    for gold in hostile.HEAVY + hostile.LONG + hostile.STRANGE:
        verdict, wall_s = timed("5", gold)
        assert within_limit(verdict, wall_s), (gold[:60], verdict)


def test_slow_formulas_time_out_and_are_not_called_wrong() -> None:
    verdict, _ = timed(hostile.SLOW[2])
    assert verdict.status is VerdictStatus.TIMEOUT
    assert not verdict.decided
    assert "0.4 s" in verdict.reason


def test_the_limit_holds_in_another_thread() -> None:
    results: list[tuple[Verdict, float]] = []
    thread = threading.Thread(target=lambda: results.extend(timed(answer) for answer in hostile.SLOW))
    thread.start()
    thread.join()
    assert len(results) == len(hostile.SLOW)
    assert all(within_limit(*result) for result in results)


def test_the_limit_holds_in_an_event_loop_which_stays_responsive() -> None:
    async def main() -> tuple[list[Verdict], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticker = asyncio.create_task(tick())
        verdicts = await asyncio.gather(*(averify("5", answer, limit_s=LIMIT_S) for answer in hostile.SLOW))
        ticker.cancel()
        return verdicts, ticks

    verdicts, ticks = asyncio.run(main())
    assert all(verdict.seconds <= LIMIT_S + SLACK_S for verdict in verdicts)
    assert any(verdict.status is VerdictStatus.TIMEOUT for verdict in verdicts)
    assert ticks > 5 * len(hostile.SLOW), "the event loop was blocked"


def test_static_limits_answer_in_microseconds_and_say_what_was_exceeded() -> None:
    for answer, word in [("9^{9^{9}}", "bits"), ("(10^{10})!", "factorial"), ("((" * 40 + "1" + "))" * 40, "nested")]:
        verdict = min((verify("5", answer) for _ in range(20)), key=lambda v: v.seconds)
        assert verdict.status is VerdictStatus.UNPARSABLE
        assert word in verdict.reason
        assert verdict.seconds < 0.002
        assert verdict.queued_s == 0


def test_a_hostile_text_that_equals_the_gold_is_still_correct() -> None:
    assert verify("9^{9^{9}}", r"\boxed{9^{9^{9}}}").correct
    assert verify("9" * 900, "9" * 900).correct


def test_a_thousand_mixed_calls_lose_no_worker() -> None:
    warm()
    before = len(current_pool().pids())
    answers = [r"2\sqrt{2}", "4", "x+1", *hostile.HEAVY[:8], r"\frac{\sqrt{32}}{2}", "no idea", r"\boxed{\sqrt 8}"]
    verdicts = [verify(r"\sqrt{8}", answers[i % len(answers)], limit_s=LIMIT_S) for i in range(994)]
    verdicts += [verify(r"\sqrt{8}", hostile.SLOW[i % 3], limit_s=0.2) for i in range(6)]
    assert len(verdicts) == 1000
    assert not any(verdict.status is VerdictStatus.ERROR for verdict in verdicts)
    assert len(current_pool().pids()) == before
    counts = current_pool().counts()
    assert counts["busy"] == counts["waiting"] == 0
    assert verify(r"\sqrt{8}", r"2\sqrt2").correct
