"""A run killed at any instant loses no finished episode, and resumed gives the records of an uninterrupted one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")


def killed(folder, how, count):
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), how, str(count)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork here")
@pytest.mark.parametrize(("how", "least"), [("time", 12), ("operation", 20)])
def test_twenty_kills_and_resumes_give_the_same_records(tmp_path, how, least):
    report = killed(tmp_path, how, 20)
    results = report["results"]
    assert all(result["resumed"] for result in results), results
    assert all(result["same"] for result in results), results
    assert all(result["kept"] for result in results), "a finished episode was played again"
    assert sum(result["killed"] for result in results) >= (least if how == "operation" else 5)
    partial = {result["finished_before"] for result in results} - {0, report["episodes"]}
    # Random instants miss the work on a loaded machine; the kills at chosen file operations cannot.
    assert len(partial) >= (5 if how == "operation" else 1), "the kills all came before or after the work"
    for result in results:
        assert result["leftovers"] == [".lock", "config.json", "episodes.jsonl", "summary.json"]
