"""The worker processes: shared by threads, loops and forks, replaced when they die, gone when their parent is."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from rlvr.tasks.verify import PoolSettings, VerdictStatus, averify, configure, shutdown, verify, warm
from rlvr.tasks.verify.pool import current_pool

SLOW = r"\int " * 200 + "x"
GOLD, GOOD, BAD = r"\sqrt{8}", r"2\sqrt{2}", r"3\sqrt{2}"


ONE = PoolSettings(workers=1, memory_mb=1024)


@pytest.fixture(scope="module", autouse=True)
def _defaults_again():
    yield
    configure(PoolSettings())
    shutdown()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_eight_threads_share_the_workers() -> None:
    configure(PoolSettings(workers=2))
    warm()
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(verify, GOLD, GOOD if i % 2 else BAD) for i in range(80)]
        verdicts = [future.result() for future in futures]
    assert [verdict.correct for verdict in verdicts] == [bool(i % 2) for i in range(80)]
    assert current_pool().counts()["busy"] == 0
    assert len(current_pool().pids()) <= 3


def test_an_event_loop_gathers_without_starting_threads() -> None:
    configure(ONE)
    warm()
    threads = threading.active_count()

    async def main() -> list:
        verdicts = await asyncio.gather(*(averify(GOLD, GOOD if i % 2 else BAD) for i in range(60)))
        assert threading.active_count() == threads
        return verdicts

    assert [verdict.correct for verdict in asyncio.run(main())] == [bool(i % 2) for i in range(60)]


def test_the_wait_in_the_queue_is_reported_apart_from_the_computing() -> None:
    configure(ONE)
    warm()

    async def main() -> list:
        return await asyncio.gather(averify("5", SLOW, limit_s=0.6), averify(GOLD, GOOD), averify("5", "5"))

    slow, queued, instant = asyncio.run(main())
    assert slow.status is VerdictStatus.TIMEOUT
    assert slow.seconds == pytest.approx(0.6, abs=0.3)
    assert queued.correct
    assert queued.queued_s > 0.4
    assert queued.seconds < 0.4
    assert instant.queued_s == 0


def test_a_full_queue_refuses_with_an_error_and_recovers() -> None:
    configure(ONE._replace(queue=3))
    warm()

    async def main() -> list:
        return await asyncio.gather(averify("5", SLOW, limit_s=0.5), *(averify(GOLD, GOOD) for _ in range(10)))

    verdicts = asyncio.run(main())
    refused = [verdict for verdict in verdicts if verdict.status is VerdictStatus.ERROR]
    assert len(refused) == 7
    assert "wait" in refused[0].reason
    assert sum(verdict.correct for verdict in verdicts) == 3
    assert verify(GOLD, GOOD).correct


def test_a_warm_spare_takes_over_after_a_kill() -> None:
    shutdown()
    configure(ONE)
    start = time.perf_counter()
    warm()
    cold_s = time.perf_counter() - start
    before = set(current_pool().pids())
    assert verify("5", SLOW, limit_s=0.2).status is VerdictStatus.TIMEOUT
    following = verify(GOLD, GOOD)
    assert following.correct
    assert following.queued_s < cold_s / 2, "a fresh worker had to load its libraries first"
    assert len(before & set(current_pool().pids())) == 1, "the spare is the one of the two that still lives"


def test_a_worker_killed_from_outside_in_mid_flight_is_replaced() -> None:
    configure(ONE)
    warm()
    pool = current_pool()
    killed = []

    def kill() -> None:
        assert wait_until(lambda: pool.counts()["busy"] == 1)
        time.sleep(0.1)
        killed.append(next(iter(pool._busy)).process.pid)
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    verdict = verify("5", SLOW, limit_s=0.8)
    thread.join()
    assert verdict.status is VerdictStatus.TIMEOUT, "the second attempt runs into the limit"
    assert killed[0] not in pool.pids()
    assert verify(GOLD, GOOD).correct


def test_idle_workers_killed_from_outside_are_replaced() -> None:
    configure(ONE)
    warm()
    pids = current_pool().pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.01)
    assert verify(GOLD, GOOD).correct


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_cancelled_task_gives_its_worker_back() -> None:
    configure(ONE)
    warm()

    async def main() -> bool:
        tasks = [asyncio.create_task(averify("5", SLOW, limit_s=30)) for _ in range(3)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (await averify(GOLD, GOOD)).correct

    assert asyncio.run(main())
    assert current_pool().counts() == {"busy": 0, "idle": 2, "waiting": 0}


def test_a_forked_child_has_its_own_pool_and_leaves_the_parent_s_alone() -> None:
    configure(ONE)
    warm()
    before = current_pool().pids()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if verify(GOLD, GOOD).correct and not set(current_pool().pids()) & set(before):
                status = 0
            shutdown()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert current_pool().pids() == before
    assert verify(GOLD, GOOD).correct


def test_memory_is_limited_in_the_worker() -> None:
    configure(ONE)
    warm()
    with open(f"/proc/{current_pool().pids()[0]}/limits", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("Max address space"))
    assert line.split()[3] == str(1024 * 1024 * 1024)
    assert verify(GOLD, GOOD).correct


def test_the_working_directory_and_main_module_of_the_caller_do_not_matter(tmp_path) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit('imported from the working directory')")
    script = tmp_path / "script.py"
    # No guard around the top level: a start method that ran the main module again would recurse.
    script.write_text(
        "import os, sys\n"
        "print('top level', flush=True)\n"
        "sys.path.remove(os.path.dirname(os.path.abspath(__file__)))\n"
        "from rlvr.tasks.verify import verify\n"
        f"print(verify({GOLD!r}, {GOOD!r}).correct)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.split("\n")[:2] == ["top level", "True"], done.stderr
    assert done.stderr == ""


PARENT = f"""
import sys, threading, time
from rlvr.tasks.verify import PoolSettings, configure, verify, warm
from rlvr.tasks.verify.pool import current_pool
configure(PoolSettings(workers=1))
warm()
if sys.argv[1] == "busy":
    threading.Thread(target=verify, args=("5", {SLOW!r}), kwargs={{"limit_s": 60}}, daemon=True).start()
    while not current_pool().counts()["busy"]:
        time.sleep(0.01)
    time.sleep(0.2)
print(*current_pool().pids(), flush=True)
if sys.argv[1] != "exit":
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["idle", "busy", "exit"])
def test_no_worker_outlives_its_parent(how: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, how], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) >= 2
    if how != "exit":
        assert all(alive(pid) for pid in pids)
        parent.kill()
    parent.wait(20)
    parent.stdout.close()
    assert wait_until(lambda: not any(alive(pid) for pid in pids)), "workers are left"


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        configure(PoolSettings(workers=0))
    with pytest.raises(ValueError, match="positive"):
        verify("5", "5", limit_s=0)


def test_a_machine_that_can_start_no_process_gives_an_error_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    shutdown()
    configure(ONE)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        verdict = verify(GOLD, GOOD)
        assert verdict.status is VerdictStatus.ERROR
        assert "started" in verdict.reason
    assert verify(GOLD, GOOD).correct


@pytest.mark.parametrize(
    ("error", "status", "fit"),
    [
        (MemoryError(), VerdictStatus.ERROR, False),
        (RecursionError(), VerdictStatus.UNPARSABLE, False),
        (ValueError("a defect"), VerdictStatus.ERROR, True),
    ],
)
def test_what_goes_wrong_inside_a_worker_is_reported(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: VerdictStatus, fit: bool
) -> None:
    from rlvr.tasks.verify import VerifyPolicy, service

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(service, "rule", fail)
    job = {"golds": ["1"], "answer": "x", "others": [], "policy": list(VerifyPolicy())}
    ruling, healthy = service.answer_job(job)
    assert ruling.status is status
    assert ruling.reason.endswith(".")
    assert healthy is fit
