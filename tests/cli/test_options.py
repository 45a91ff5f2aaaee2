"""Options and exit codes that the other tests of the command line do not reach."""

import json

import gymnasium as gym
import pytest

from rlvr.cli import run

from ..agents.worlds import CountEnv, register
from ..envs.broken.honesty import DoubleScore

register()


def test_a_broken_environment_is_exit_code_1_and_names_the_promise(capsys):
    gym.register("cli/double-v0", entry_point=DoubleScore)
    try:
        assert run(["check", "cli/double-v0", "--quick"]) == 1
    finally:
        del gym.registry["cli/double-v0"]
    assert "FAIL score" in capsys.readouterr().out


def test_failed_episodes_are_played_again_with_retry_errors_only(tmp_path, capsys, monkeypatch):
    arguments = ["eval", "--env", "test/count-v0", "--agent", "expert", "--episodes", "3", "--json"]
    arguments += ["--out", str(tmp_path / "run")]

    def broken(self, action):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(CountEnv, "step", broken)
        assert run(arguments) == 1, "no episode was played to its end"
    assert json.loads(capsys.readouterr().out)["excluded"] == 3
    assert run([*arguments, "--resume"]) == 1
    assert json.loads(capsys.readouterr().out)["excluded"] == 3
    assert run([*arguments, "--resume", "--retry-errors"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["excluded"], summary["score"]) == (0, 1.0)


@pytest.mark.parametrize("command", [["verify"], ["leaderboard", "build"]], ids="-".join)
def test_a_data_file_that_has_moved_is_named_with_data(tmp_path, capsys, command):
    here, moved = tmp_path / "here.jsonl", tmp_path / "moved.jsonl"
    here.write_text("".join(json.dumps({"rank": rank, "numbers": [1, 2, 3, rank]}) + "\n" for rank in range(1, 13)))
    arguments = ["eval", "--env", "game24-v0", "--agent", "random", "--episodes", "2", "--split", "train"]
    assert run([*arguments, "--set", f"data={here}", "--out", str(tmp_path / "run")]) == 0
    here.rename(moved)
    again = [*command, str(tmp_path / "run")]
    if command != ["verify"]:
        again += ["--out", str(tmp_path / "site")]
    assert run(again) == 1
    assert str(here) in "".join(capsys.readouterr())
    assert run([*again, "--data", str(moved)]) == 0
