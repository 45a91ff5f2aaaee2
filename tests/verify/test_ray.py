"""The verifier works inside a Ray worker, and leaves no process behind when Ray ends."""

import importlib.util
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

SCRIPT = """
    import ray

    ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)

    @ray.remote
    def grade(gold, answer):
        import rlvr

        return str(rlvr.verify(gold, answer, limit_s=1.0).status)

    @ray.remote
    def workers():
        import psutil

        return [child.pid for child in psutil.Process().children(recursive=True)]

    integral, box, tower = r"\\int_0^1 x^2 dx", r"\\boxed{\\frac13}", r"\\boxed{9^{9^{9}}}"
    pairs = [("1/2", "0.5"), (integral, box), ("2", "3"), ("2", tower)]
    print(*ray.get([grade.remote(gold, answer) for gold, answer in pairs]))
    print(*ray.get(workers.remote()))
    ray.shutdown()
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason='ray is not installed: pip install "rlvr[ray]"')
def test_a_ray_worker_grades_and_its_processes_end_with_it(tmp_path):
    script = tmp_path / "grade.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("\\\\", "\\"), encoding="utf-8")
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr
    verdicts, workers = result.stdout.splitlines()
    assert verdicts.split() == ["correct", "correct", "wrong", "unparsable"]
    pids = [int(pid) for pid in workers.split()]
    assert pids, "the full path went through no worker process"
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
