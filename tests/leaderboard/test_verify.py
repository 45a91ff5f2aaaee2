"""Replay: honest records are accepted, any edit is rejected at the first step that differs."""

import copy
import json
from pathlib import Path

import gymnasium as gym
import pytest

import rlvr  # noqa: F401
from rlvr.agents.agent import Agent, AgentConfig
from rlvr.agents.evaluate import evaluate
from rlvr.agents.plan import env_seed
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.records import episode_line, parse_episode, read_episodes
from rlvr.agents.types import Episode
from rlvr.envs.wrappers import RecordEpisode
from rlvr.leaderboard.verify import ReplayStatus, Verifier, verify_episode
from rlvr.tasks.errors import MalformedData
from rlvr.tasks.suites import Suite, SuiteEntry
from rlvr.tasks.verify import Verdict, VerdictStatus

GOLDEN = Path(__file__).with_name("version-1.jsonl")
SUITE = Suite(
    name="small",
    entries=(
        SuiteEntry(name="steps", env="rlvr/game24-v0", difficulty="easy", episodes=3),
        SuiteEntry(name="sum", env="rlvr/arithmetic-v0", difficulty="easy", episodes=2),
        SuiteEntry(name="maze", env="rlvr/maze-v0", difficulty="5x5", episodes=1),
    ),
)


class Wanderer(Agent[AgentConfig]):
    """Uses everything that a log can hold: asks, snapshots, restores, a second trial, a submission."""

    name = "wanderer"
    config_type = AgentConfig

    async def run(self, session):
        await session.reset()
        await session.step(session.random_action(session.rng("first")))
        await session.reset()
        start = await session.snapshot()
        for trial in range(3):
            await session.restore(start)
            while not session.over:
                legal = session.legal_actions() or (session.random_action(session.rng(trial)),)
                asked = await session.ask(self.policy, f"{session.observation}\nChoose: {'; '.join(legal)}")
                action = legal[(len(asked.completion.text) + trial) % len(legal)]
                await session.step(action, generation=asked)
            if session.info["is_success"]:
                break
        session.submit()


def play(agent="direct", policy=None, what="rlvr/game24-v0", **settings):
    policy = policy or ("oracle:0.6" if agent == "direct" else None)
    if isinstance(what, str) and "/" in what:
        settings = {"episodes": 2, "difficulty": "easy"} | settings
    return list(evaluate(what, agent=agent, policy=policy, **settings).episodes())


@pytest.fixture(scope="module")
def record() -> dict:
    """A record of three steps whose last one solves the puzzle."""
    episodes = play("direct", "expert", episodes=3)
    (first, *_) = (episode for episode in episodes if episode.ledger.env_steps == 3 and episode.score == 1)
    return json.loads(episode_line(first))


def replay(data: dict, **settings):
    return verify_episode(Episode.model_validate(data), **settings)


@pytest.mark.parametrize(
    ("agent", "policy"),
    [("random", None), ("expert", None), ("direct", "scripted"), ("direct", "random"), ("direct", "oracle:0.5")],
)
def test_honest_records_replay(agent, policy):
    for episode in play(agent, policy, SUITE):
        found = verify_episode(episode)
        assert found.ok, found
        assert found.reason == "" and found.first_difference is None


def test_a_record_with_branches_replays():
    for what in ("rlvr/game24-v0", "rlvr/maze-v0", "rlvr/bandit-v0"):
        kwargs = {"horizon": 4} if "bandit" in what else {}
        for episode in play(Wanderer, ScriptedPolicy(["a", "bb", "ccc"]), what, difficulty=None, env_kwargs=kwargs):
            found = verify_episode(episode)
            assert found.ok, found
            assert {step.kind for step in found.steps} == {"reset", "step", "restore"}


def test_the_replay_shows_every_moment(record):
    steps = replay(record).steps
    assert [(step.kind, step.number) for step in steps] == [("reset", 0), ("step", 1), ("step", 2), ("step", 3)]
    assert steps[0].observation.startswith("Make 24")
    assert [step.reward for step in steps] == [0.0, 0.0, 0.0, 1.0]
    assert steps[2].action == record["events"][4]["action"]
    assert steps[-1].info["is_success"]


# Tampering


def _steps(data):
    return [event for event in data["events"] if event["type"] == "step"]


def _set(path, value):
    def edit(data):
        target = data
        *parts, last = path
        for part in parts:
            target = target[part]
        target[last] = value(target[last]) if callable(value) else value

    return edit


def _step(number, key, value):
    def edit(data):
        step = _steps(data)[number - 1]
        step[key] = value(step[key]) if callable(value) else value

    return edit


def _both(*edits):
    def edit(data):
        for one in edits:
            one(data)

    return edit


def _drop_step(data):
    """Pretend that the first action was never played."""
    del data["events"][1:3]
    del data["generations"][0]
    for number, made in enumerate(data["generations"]):
        made["id"], made["parent"] = number, None if number == 0 else number - 1
    for event in data["events"]:
        if event.get("generation") is not None:
            event["generation"] -= 1


def _reply(number, text):
    return _set(("generations", number - 1, "completion", "text"), text)


OTHER_SEED = env_seed("rlvr/game24-v0/0", "game24-v0-easy", 77)
TAMPERED = {
    # name: (edit, first differing step, words of the reason)
    "reward": (_step(2, "reward", 0.5), 2, "the reward is 0.0, not 0.5"),
    "reward of the last step": (_step(3, "reward", 2.0), 3, "the reward is 1.0, not 2.0"),
    "action": (_step(1, "action", "99 + 99"), 1, "the action that the rule"),
    "action and its reply": (
        _both(_step(2, "action", "9 + 9"), _reply(2, "<action>9 + 9</action>")),
        2,
        "the reason why the action is invalid",
    ),
    "action without its origin": (
        _both(_step(1, "action", "13 - 13"), _step(1, "generation", None), _step(1, "extraction", None)),
        1,
        "invalid",
    ),
    "reply": (_reply(3, "<action>99 + 99</action>"), 3, "the action that the rule"),
    "rule of extraction": (_step(1, "extraction", "magic"), 1, "no extraction rule"),
    "another reply": (_step(1, "generation", 2), 1, "which had not been made"),
    "terminated": (_step(1, "terminated", True), 1, "terminated"),
    "truncated": (_step(3, "truncated", True), 3, "truncated"),
    "stop reason of a step": (_step(3, "stop_reason", "failed"), 3, "the stop reason"),
    "invalid": (_step(1, "invalid", "no such move"), 1, "invalid"),
    "score of a step": (_step(1, "score", 0.9), 1, "the score is 0.0, not 0.9"),
    "observation": (_step(2, "observation_hash", "0" * 24), 2, "the observation"),
    "state": (_step(2, "state_key", "24"), 2, "the state"),
    "verdict": (_step(3, "verdict", {"status": "correct"}), 3, "the verdict"),
    "first observation": (_set(("events", 0, "observation_hash"), "0" * 24), 0, "the first observation"),
    "task": (_set(("events", 0, "task_uid"), "game24-0000000000000000"), 0, "the task"),
    "start options": (_set(("events", 0, "options"), {"split": "train"}), 0, "is"),
    "reset's seed": (_set(("events", 0, "seed"), 7), 0, "the seed of the reset"),
    "seed": (_set(("env_seed",), 7), 0, "the environment's seed"),
    "both seeds": (
        _both(_set(("env_seed",), OTHER_SEED), _set(("events", 0, "seed"), OTHER_SEED)),
        0,
        "the environment's seed",
    ),
    "sampling seed": (_set(("sampling_seed",), 7), 0, "the sampling seed"),
    "group": (_set(("group",), 1), 0, "its key"),
    "run": (_set(("run",), "another run"), 0, "the environment's seed"),
    "key": (_set(("key",), "game24-v0-easy/9/0"), 0, "its key"),
    "environment": (_set(("env_id",), "rlvr/game24-text-v0"), 0, "the first observation"),
    "arguments": (_set(("env_kwargs",), {"max_steps": 2}), 2, "truncated"),
    "score": (_set(("score",), 0.5), 3, "the final score is 1.0, not 0.5"),
    "success": (_set(("is_success",), False), 3, "the success"),
    "total reward": (_set(("total_reward",), 10.0), 3, "the total reward"),
    "final stop reason": (_set(("stop_reason",), "completed"), 3, "the final stop reason"),
    "difficulty": (_set(("difficulty",), "hard"), 3, "the difficulty"),
    "split": (_set(("split",), "train"), 3, "the split"),
    "uid": (_set(("task_uid",), "game24-0000000000000000"), 3, "the task"),
    "excluded": (_set(("excluded",), True), 3, "whether it is excluded"),
    "steps in the ledger": (_set(("ledger", "env_steps"), 1), 3, "the ledger's env_steps"),
    "calls in the ledger": (_set(("ledger", "policy_calls"), 0), 3, "the ledger's policy_calls"),
    "tokens in the ledger": (_set(("ledger", "completion_tokens"), 1), 3, "the ledger's completion_tokens"),
    "budget": (_set(("budget", "env_steps"), 2), 3, "the budget's env_steps is 2, but it took 3"),
    "exhausted": (_set(("exhausted",), "env_steps"), 3, "contradict"),
    "privileges": (_set(("privileged",), []), 3, "expert_action is not declared"),
    "a step left out": (_drop_step, 1, "invalid"),
    "a step too many": (lambda data: data["events"].insert(-1, copy.deepcopy(_steps(data)[-1])), 4, "after the end"),
    "a step after submission": (
        lambda data: data["events"].append(copy.deepcopy(_steps(data)[0])),
        3,
        "after the episode was submitted",
    ),
    "no events": (_set(("events",), []), 0, "nothing was played"),
    "no reset": (lambda data: data["events"].pop(0), 1, "before the environment was reset"),
    "a restore from nowhere": (
        lambda data: data["events"].insert(
            1, {"type": "restore", "id": 0, "observation_hash": "0" * 24, "state_key": "24"}
        ),
        0,
        "no snapshot 0",
    ),
    "questions out of order": (lambda data: data["events"].insert(1, {"type": "ask", "generation": 1}), 0, "order"),
    "a submission of another state": (_set(("events", -1, "state_key"), "1 2"), 3, "the submitted state"),
    "suite": (_set(("suite",), "quick@1"), 0, "is none of the suite"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_record_is_rejected_at_its_first_differing_step(record, name):
    edit, step, words = TAMPERED[name]
    data = copy.deepcopy(record)
    edit(data)
    found = replay(data)
    assert found.status is ReplayStatus.REJECTED, found
    assert found.first_difference == step, found.reason
    assert words in found.reason
    assert ("at the start" if step == 0 else f"at step {step}") in found.reason


def test_the_untampered_record_is_accepted(record):
    assert replay(record).ok


def test_the_last_bits_of_a_number_may_differ(record):
    data = copy.deepcopy(record)
    data["total_reward"] = 1.0 + 1e-14
    assert replay(data).ok


# Suites


def test_a_record_of_our_suite_must_be_what_the_suite_plays():
    entries = {"steps": SUITE.entry("steps")}
    (episode, *_) = play("random", None, SUITE)
    data = json.loads(episode_line(episode))
    assert replay(data, entries=entries).ok
    for changed, words in (
        ({"difficulty": "medium"}, "the start options"),
        ({"kwargs": {"max_steps": 9}}, "the environment's arguments"),
        ({"env": "rlvr/maze-v0"}, "plays rlvr/maze-v0"),
    ):
        other = SUITE.entry("steps").model_copy(update=changed)
        found = replay(data, entries={"steps": other})
        assert found.status is ReplayStatus.REJECTED
        assert words in found.reason
        assert found.first_difference == 0


def test_a_record_cannot_claim_our_suite_with_easier_tasks():
    fake = Suite(
        name="fake",
        entries=(SuiteEntry(name="game24", env="rlvr/game24-v0", difficulty="easy", split="train", episodes=1),),
    )
    (episode,) = play("expert", None, fake)
    data = json.loads(episode_line(episode)) | {"suite": "quick@1", "run": "quick@1/0"}
    data["env_seed"] = env_seed("quick@1/0", "game24", 0)
    assert replay(data).status is ReplayStatus.REJECTED


@pytest.mark.parametrize(
    ("changes", "words"), [({"entry": "nothing"}, "no entry"), ({"group": 10_000}, "has no episode")]
)
def test_a_record_cannot_invent_entries_or_episodes(changes, words):
    from rlvr.agents.plan import episode_key, sampling_seed

    (episode, *_) = play("random", None, "quick")
    data = json.loads(episode_line(episode)) | changes
    name = (data["run"], data["entry"], data["group"])
    data["key"] = episode_key(data["entry"], data["group"], 0)
    data["env_seed"], data["sampling_seed"] = env_seed(*name), sampling_seed(*name, 0)
    found = replay(data)
    assert found.status is ReplayStatus.REJECTED
    assert words in found.reason


# What cannot be replayed here


def test_an_unknown_environment_is_unverifiable(record):
    found = replay(record | {"env_id": "rlvr/game99-v0"})
    assert found.status is ReplayStatus.UNVERIFIABLE
    assert "rlvr/game24-v0" in found.reason


def test_a_record_imports_no_module(record, tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = replay(record | {"env_id": "evil_module:evil/env-v0"})
    assert found.status is ReplayStatus.UNVERIFIABLE
    assert "evil_module" in found.reason
    assert not (tmp_path / "ran").exists()


def test_a_record_that_breaks_the_environment_is_rejected_not_raised(record):
    data = copy.deepcopy(record)
    data["events"][0]["options"] = {"task": {"numbers": "oops"}}
    assert replay(data).status is ReplayStatus.REJECTED


def _puzzles(path, last=12):
    rows = [{"rank": rank, "numbers": [1, 2, 3, rank]} for rank in range(1, last + 1)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_data_are_known_by_their_fingerprint(tmp_path):
    here = _puzzles(tmp_path / "here.jsonl")
    (episode, *_) = play("random", difficulty=None, split="train", env_kwargs={"data": str(here)})
    assert verify_episode(episode).ok
    here.rename(tmp_path / "moved.jsonl")
    assert verify_episode(episode).status is ReplayStatus.UNVERIFIABLE
    assert verify_episode(episode, data=[tmp_path / "moved.jsonl"]).ok
    other = _puzzles(tmp_path / "other.jsonl", last=13)
    found = verify_episode(episode, data=[other])
    assert found.status is ReplayStatus.UNVERIFIABLE
    _puzzles(here, last=13)
    found = verify_episode(episode)
    assert found.status is ReplayStatus.UNVERIFIABLE
    assert "fingerprint" in found.reason


# Verdicts


@pytest.fixture()
def judged() -> Episode:
    (episode, *_) = play("random", None, "rlvr/arithmetic-v0")
    return episode


def test_a_verdict_is_reached_again(judged):
    data = json.loads(episode_line(judged))
    _step(1, "verdict", {"status": "correct", "extracted": "1", "reason": ""})(data)
    found = replay(data)
    assert found.status is ReplayStatus.REJECTED
    assert "the verdict is 'wrong', not 'correct'" in found.reason


def test_a_recorded_time_out_stays_excluded_and_what_it_is_here_is_noted(judged):
    data = json.loads(episode_line(judged))
    step = _steps(data)[0]
    fake = gym.make("rlvr/arithmetic-v0", difficulty="easy").unwrapped
    fake.reset(seed=data["env_seed"], options=data["events"][0]["options"])
    _, _, _, _, info = fake.replay(step["action"], Verdict(VerdictStatus.TIMEOUT, None, "too slow"))
    from rlvr.tasks.task import text_hash

    observation = fake._observe()
    step |= {
        "verdict": {"status": "timeout", "extracted": None, "reason": "too slow"},
        "stop_reason": "verifier_timeout",
        "observation_hash": text_hash(observation),
        "state_key": info["state_key"],
    }
    data["events"][-1]["state_key"] = info["state_key"]
    data |= {"stop_reason": "verifier_timeout", "excluded": True}
    found = replay(data)
    assert found.ok, found.reason
    assert found.notes == ("Step 1 was recorded as timeout, but is 'wrong' here; it stays out.",)
    data["excluded"] = False
    assert replay(data).status is ReplayStatus.REJECTED


def test_a_verdict_that_runs_out_of_time_here_is_unverifiable(judged, monkeypatch):
    from rlvr.tasks.math import rules

    monkeypatch.setattr(
        rules, "verify", lambda *args, **kwargs: Verdict(VerdictStatus.TIMEOUT, None, "this machine is slow")
    )
    found = verify_episode(judged)
    assert found.status is ReplayStatus.UNVERIFIABLE
    assert "at step 1 the verifier came to 'timeout' here" in found.reason


# Other writers and other versions


@pytest.mark.parametrize("env_id", ["rlvr/game24-v0", "rlvr/arithmetic-v0", "rlvr/sokoban-v0"])
def test_records_of_the_wrapper_replay(tmp_path, env_id):
    file = tmp_path / "played.jsonl"
    env = RecordEpisode(gym.make(env_id), str(file), agent="mine")
    for seed in range(3):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step((info["legal_actions"] or ("1",))[-1])
            over = terminated or truncated
    episodes = list(read_episodes(file))
    assert len(episodes) == 3
    for episode in episodes:
        found = verify_episode(episode)
        assert found.ok, found.reason


def test_the_records_of_version_1_stay_readable_and_verifiable():
    episodes = list(read_episodes(GOLDEN))
    assert {episode.version for episode in episodes} == {1}
    assert {event.type for episode in episodes for event in episode.events} == {
        "reset",
        "step",
        "snapshot",
        "restore",
        "ask",
        "submit",
    }
    assert any(episode.generations for episode in episodes)
    for episode in episodes:
        found = verify_episode(episode)
        assert found.ok, (episode.key, found.reason)


def test_an_unknown_version_is_refused_with_the_known_ones():
    line = GOLDEN.read_text(encoding="ascii").splitlines()[0].replace('"version": 1', '"version": 99')
    with pytest.raises(MalformedData, match="version 1 to 1, not 99"):
        parse_episode(line, "here")


def test_environments_are_made_once_for_all_records():
    verifier = Verifier()
    for episode in play("random", episodes=5):
        assert verifier.verify(episode).ok
    assert len(verifier._envs) == 1
    verifier.close()
    assert not verifier._envs


def make_golden() -> None:
    """Write the golden file. Only for a version that was never released: a released one must stay as it is."""
    episodes = [
        *play("direct", "oracle:0.6", episodes=2),
        *play("random", None, "rlvr/countdown-v0", episodes=1, difficulty="3-numbers"),
        *play(Wanderer, ScriptedPolicy(["a", "bb", "ccc"]), episodes=1),
        *play("direct", "scripted", episodes=1, budget={"policy_calls": 2}),
    ]
    GOLDEN.write_bytes(b"".join(episode_line(episode) for episode in episodes))


if __name__ == "__main__":
    make_golden()
