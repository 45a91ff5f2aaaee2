"""A planted key is found nowhere: not in records, not in logs, not in errors, not in what is printed."""

import sys
from importlib import util
from pathlib import Path

import pytest

from rlvr.cli import run

pytestmark = pytest.mark.network_local
KEY = "sk-planted-9d2e-never-to-be-seen"

_spec = util.spec_from_file_location("servers", Path(__file__).parents[1] / "agents" / "servers.py")
assert _spec is not None and _spec.loader is not None
servers = util.module_from_spec(_spec)
sys.modules["servers"] = servers
_spec.loader.exec_module(servers)

FAULTS = {
    "none": lambda handler, body: handler.send(200, servers.completion(f"My key is {KEY}. <action>1 + 1</action>")),
    "refused": lambda handler, body: handler.send(401, {"error": {"message": f"wrong key {KEY}"}}),
    "bad request": lambda handler, body: handler.send(400, {"error": {"message": f"wrong key {KEY}"}}),
    "broken": lambda handler, body: handler.send(500, {"error": {"message": f"oops {KEY}"}}),
    "missing": lambda handler, body: handler.send(404, {"error": {"message": f"nothing for {KEY}"}}),
    "dropped": lambda handler, body: handler.drop(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_key_is_found_nowhere(fault, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with servers.serving(FAULTS[fault]) as server:
        code = run(
            [
                "eval", "--env", "game24-v0", "--episodes", "2", "--policy", f"openai:{server.url}#m",
                "--policy-set", "retries=1", "--policy-set", "backoff_s=0.01", "--out", str(tmp_path / "run"),
            ]
        )  # fmt: skip
    captured = capsys.readouterr()
    assert code == {"none": 0, "refused": 2, "missing": 2}.get(fault, 1), captured.err
    assert server.keys and set(server.keys) == {f"Bearer {KEY}"}
    assert KEY not in captured.out + captured.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


def test_a_server_that_is_not_there_is_one_sentence(capsys, tmp_path):
    name = f"openai:http://127.0.0.1:{servers.free_port()}/v1#m"
    code = run(["eval", "--env", "game24-v0", "--episodes", "2", "--policy", name, "--out", str(tmp_path / "run")])
    captured = capsys.readouterr()
    assert code == 2
    assert "cannot be reached" in captured.err
    assert captured.err.count("\n") == 1


def test_a_bad_episode_leaves_the_others_alone(capsys, tmp_path):
    def moody(handler, body):
        if body["seed"] % 2:
            handler.send(500, {})
        else:
            handler.send(200, servers.completion("<action>1 + 1</action>"))

    with servers.serving(moody) as server:
        code = run(
            [
                "eval", "--env", "countdown-v0", "--episodes", "12", "--policy", f"openai:{server.url}#m",
                "--policy-set", "retries=1", "--policy-set", "backoff_s=0.01", "--out", str(tmp_path / "run"),
            ]
        )  # fmt: skip
    captured = capsys.readouterr()
    assert code == 0
    assert "policy_error" in captured.err
    assert run(["verify", str(tmp_path / "run")]) == 0
