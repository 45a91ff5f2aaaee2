"""Runs against servers that misbehave: every fault costs its own episode, at most, and is recorded there."""

import threading
import time

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.policy import make_policy
from rlvr.agents.records import read_episodes
from rlvr.agents.types import EpisodeEnd
from rlvr.cli import run
from rlvr.leaderboard.verify_run import verify_run

from .servers import completion, delta, in_turn, serving, streams
from .test_openai import FAULTS, _no_keys  # noqa: F401 (a fixture)
from .test_openai_stream import STREAM_FAULTS

pytestmark = pytest.mark.network_local
SETTINGS = {"backoff_s": 0.01, "retries": 1, "timeout_s": 20, "first_token_s": 3, "idle_s": 3}
ALL_FAULTS = {
    **{f"whole: {name}": reply for name, reply in FAULTS.items()},
    **{f"stream: {name}": reply for name, reply in STREAM_FAULTS.items()},
    "whole: hang": lambda handler, body: time.sleep(8),
    "stream: hang": lambda handler, body: time.sleep(8),
    "refused": lambda handler, body: handler.send(400, {"error": {"message": "the prompt is too long"}}),
    "asks to wait": lambda handler, body: handler.send(429, {}, {"Retry-After": "3600"}),
    "a byte a second": lambda handler, body: handler.stream((b"x" for _ in range(60)), pause_s=1),
}
GOOD = streams(delta("<action>1 + "), delta("1</action>", "stop"))


class Mixed:
    """Gives every episode (known by its seed) a fault of its own, or none; `lasting`, or on the first attempt only."""

    def __init__(self, lasting: bool) -> None:
        self.lasting = lasting
        self.lock = threading.Lock()
        self.attempts: dict[int, int] = {}
        self.faults: dict[int, str] = {}

    def __call__(self, handler, body):
        kinds = [*ALL_FAULTS, *[None] * 4]
        with self.lock:
            seed = body["seed"]
            fault = self.faults.setdefault(seed, kinds[len(self.faults) % len(kinds)])
            self.attempts[seed] = self.attempts.get(seed, 0) + 1
        if fault is None or (self.attempts[seed] > 1 and not self.lasting):
            GOOD(handler, body)
        else:
            ALL_FAULTS[fault](handler, body)


EPISODES = len(ALL_FAULTS) + 8


def check_records(out, server, reply):
    """Compare the records with what the server did."""
    failed = {episode.key: episode for episode in read_episodes(out) if episode.end is EpisodeEnd.POLICY_ERROR}
    faults = [fault for fault in reply.faults.values() if fault is not None]
    assert set(faults) == set(ALL_FAULTS)
    assert len(failed) == len(faults)
    for episode in failed.values():
        assert episode.excluded and not episode.generations
        assert episode.error.startswith("openai:") and "\n" not in episode.error
    for seed, fault in reply.faults.items():
        assert reply.attempts[seed] == (1 if fault in (None, "refused", "asks to wait") else 2), fault
    others = [episode for episode in read_episodes(out) if episode.key not in failed]
    assert len(others) == EPISODES - len(faults)
    assert all(episode.generations and episode.ledger.policy_calls == 1 for episode in others)
    return failed


@pytest.mark.slow
def test_every_fault_costs_its_own_episode_alone(tmp_path):
    reply = Mixed(lasting=True)
    with serving(reply) as server:
        policy = make_policy(f"openai:{server.url}#m", **SETTINGS, concurrency=64)
        result = evaluate(
            "game24-v0",
            policy=policy,
            episodes=EPISODES,
            concurrency=64,
            budget={"policy_calls": 1},
            out=tmp_path / "run",
        )
    failed = check_records(tmp_path / "run", server, reply)
    assert result.summary["excluded"] == len(failed)
    assert verify_run(tmp_path / "run").accepted


def test_a_fault_that_passes_costs_nothing(tmp_path):
    reply = Mixed(lasting=False)
    with serving(reply) as server:
        policy = make_policy(f"openai:{server.url}#m", **SETTINGS, concurrency=64)
        result = evaluate("game24-v0", policy=policy, episodes=EPISODES, concurrency=64, budget={"policy_calls": 1})
    lost = [row for row in result.rows if row.excluded]
    assert len(lost) == sum(fault in ("refused", "asks to wait") for fault in reply.faults.values())


@pytest.mark.slow
def test_the_command_plays_on_and_says_what_failed_first(tmp_path, capsys):
    reply = Mixed(lasting=True)
    settings = [word for name, value in SETTINGS.items() for word in ("--policy-set", f"{name}={value}")]
    with serving(reply) as server:
        code = run(
            [
                "eval", "--env", "game24-v0", "--policy", f"openai:{server.url}#m", *settings,
                "--episodes", str(EPISODES), "--concurrency", "64", "--budget", "policy_calls=1",
                "--out", str(tmp_path / "run"),
            ]
        )  # fmt: skip
    captured = capsys.readouterr()
    assert code == 0, captured.err
    failed = check_records(tmp_path / "run", server, reply)
    first = next(episode for episode in read_episodes(tmp_path / "run") if episode.key in failed)
    assert f"{first.key}, ended with policy_error: {first.error}" in captured.err
    assert "Traceback" not in captured.err
    assert run(["verify", str(tmp_path / "run")]) == 0


def test_a_server_that_goes_away_leaves_what_was_played(tmp_path):
    with serving(GOOD) as server:

        def vanish(handler, body):
            GOOD(handler, body)
            server.socket.close()

        server.reply = in_turn(*[GOOD] * 5, vanish, FAULTS["dropped"])
        policy = make_policy(f"openai:{server.url}#m", **SETTINGS)
        result = evaluate("game24-v0", policy=policy, episodes=12, concurrency=1, budget={"policy_calls": 1})
    ends = [row.end for row in result.rows]
    assert ends[:6].count(EpisodeEnd.POLICY_ERROR) == 0
    assert set(ends[6:]) == {EpisodeEnd.POLICY_ERROR}


def test_time_runs_out_while_a_server_hangs():
    began = time.monotonic()
    with serving(lambda handler, body: time.sleep(1.5)) as server:
        policy = make_policy(f"openai:{server.url}#m")
        result = evaluate("game24-v0", policy=policy, episodes=2, budget={"wall_s": 0.3})
    assert {(row.end, row.excluded) for row in result.rows} == {(EpisodeEnd.BUDGET, False)}
    assert time.monotonic() - began < 6


def test_long_runs_need_one_connection_an_attempt_under_way():
    ports = set()

    def reply(handler, body):
        ports.add(handler.client_address[1])
        handler.send(200, completion("<action>1 + 1</action>"))

    with serving(reply) as server:
        policy = make_policy(f"openai:{server.url}#m", concurrency=4)
        evaluate("game24-v0", policy=policy, episodes=40, concurrency=16, budget={"policy_calls": 1})
    assert len(ports) <= 4


@pytest.mark.parametrize(
    ("written", "name"), [("oracle:q=0.7", "oracle:0.7"), ("oracle:0.7", "oracle:0.7"), ("oracle:q=1", "oracle:1")]
)
def test_the_oracle_has_one_name_however_it_is_written(written, name, tmp_path):
    result = evaluate("game24-v0", policy=written, episodes=6, out=tmp_path / "run")
    assert {episode.policy for episode in read_episodes(tmp_path / "run")} == {name}
    assert result.summary["policy"] == name
    assert result.score == 1 or name != "oracle:1"


@pytest.mark.parametrize("env", ["game24-v0", "maze-v0", "sokoban-v0", "bandit-v0", "arithmetic-v0"])
@pytest.mark.parametrize("name", ["scripted", "random", "expert", "oracle:q=0.7"])
def test_policies_without_a_model_lose_no_episode(name, env):
    result = evaluate(env, policy=name, episodes=4, concurrency=64)
    assert {row.end for row in result.rows} == {EpisodeEnd.SUBMITTED}
