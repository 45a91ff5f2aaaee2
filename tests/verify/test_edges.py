"""What the other tests of the verifier do not reach: tolerance of integers, undecided values, stuck parents."""

import os
import signal
import subprocess
import sys

import pytest

from rlvr.tasks.verify import Verdict, VerdictStatus, VerifyPolicy, verify

from .test_pool import SLOW, alive, wait_until


@pytest.mark.parametrize(("answer", "correct"), [("100", True), ("101", True), ("103", False), (r"\boxed{101}", True)])
def test_a_tolerance_holds_for_plain_integers_too(answer: str, correct: bool) -> None:
    assert verify("100", answer, policy=VerifyPolicy(tolerance=0.02)).correct is correct
    assert verify("100", answer).correct is (answer == "100")


def test_what_nothing_can_decide_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from rlvr.tasks.verify import service
    from rlvr.tasks.verify.compare import Undecided

    def undecided(*arguments: object) -> None:
        raise Undecided

    monkeypatch.setattr(service, "rule", undecided)
    ruling, healthy = service.answer_job({"golds": ["1"], "answer": "x", "others": [], "policy": list(VerifyPolicy())})
    assert ruling.status is VerdictStatus.WRONG and healthy
    assert ruling.reason == "The answer could not be shown to equal the gold answer."


def test_verdicts_are_equal_however_long_they_took() -> None:
    one, other = (Verdict(VerdictStatus.WRONG, "4", "No.", seconds, seconds) for seconds in (0.0, 7.0))
    assert one == other and hash(one) == hash(other)
    assert one != Verdict(VerdictStatus.CORRECT, "4", "No.")


STUCK = f"""
import os, signal, threading, time
from rlvr.tasks.verify import PoolSettings, configure, verify, warm
from rlvr.tasks.verify.pool import current_pool
configure(PoolSettings(workers=1))
warm()
threading.Thread(target=verify, args=("5", {SLOW!r}), kwargs={{"limit_s": 0.5}}, daemon=True).start()
pool = current_pool()
while not pool._busy:
    time.sleep(0.001)
print(next(iter(pool._busy)).process.pid, flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks into /proc")
def test_a_worker_whose_parent_is_stuck_ends_itself_after_the_limit() -> None:
    parent = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    try:
        pid = int(parent.stdout.readline())
        assert wait_until(lambda: not alive(pid)), "the worker goes on computing"
        assert alive(parent.pid)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(20)
        parent.stdout.close()
