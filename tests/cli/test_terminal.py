"""The command line at a terminal, and when it is stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rlvr.envs.registry import ENVS

from .test_cli import RLVR, ROOT, rlvr_process


def shown_on_a_terminal(stream, *arguments, **environment):
    """Run a command that has to succeed, with one of its streams a terminal; return what the terminal got."""
    ours, theirs = os.openpty()
    streams = {"stdout": subprocess.DEVNULL} | {stream: theirs}
    process = subprocess.Popen([*RLVR, *arguments], env={**os.environ, "TERM": "xterm", **environment}, **streams)
    os.close(theirs)
    shown = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return shown


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_ids_are_whole_in_a_narrow_terminal():
    shown = shown_on_a_terminal("stdout", "envs", COLUMNS="80")
    assert not [row.id for row in ENVS if row.id.encode() not in shown]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals here")
def test_a_terminal_sees_progress_and_a_pipe_does_not():
    quiet = rlvr_process("eval", "--env", "game24-v0", "--agent", "random", "--episodes", 20)
    assert "20/20" not in quiet.stderr and "\x1b" not in quiet.stderr + quiet.stdout
    shown = shown_on_a_terminal("stderr", "eval", "--env", "game24-v0", "--agent", "random", "--episodes", "400")
    assert b"/400" in shown and b"success" in shown


def _slow(tmp_path):
    """A run that takes some seconds: every step of the test world waits."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests' / 'agents')!r})\n"
        "import worlds\nfrom rlvr.cli import main\nmain()"
    )
    arguments = ["eval", "--env", "test/count-v0", "--agent", "random", "--episodes", "60", "--set", "delay_s=0.03"]
    return [sys.executable, "-c", code, *arguments, "--out", str(tmp_path / "run")]


def _wait_for_records(tmp_path, process, count=3):
    file = tmp_path / "run" / "episodes.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if file.exists() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)
    raise AssertionError(f"the run wrote too little; exit code {process.poll()}")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals here")
@pytest.mark.parametrize("stop", ["SIGINT", "SIGKILL"])
def test_a_stopped_run_goes_on_with_resume(tmp_path, stop):
    process = subprocess.Popen(_slow(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_for_records(tmp_path, process)
    process.send_signal(getattr(signal, stop))
    _, err = process.communicate(timeout=60)
    if stop == "SIGINT":
        assert process.returncode == 130
        assert "--resume" in err and "Traceback" not in err
    else:
        assert process.returncode == -signal.SIGKILL
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes().count(b"\n")
    assert 3 <= before < 60
    done = subprocess.run([*_slow(tmp_path), "--resume"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{before} of 60 episodes were there already" in done.stderr
    assert len((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()) == 60
