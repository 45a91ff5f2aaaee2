"""Verifying whole runs: nothing missing, doubled, foreign or torn goes unnoticed."""

import json

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.leaderboard.verify import ReplayStatus
from rlvr.leaderboard.verify_run import verify_run
from rlvr.tasks.errors import MalformedData, MissingData, UserError
from rlvr.tasks.suites import Suite, SuiteEntry

SUITE = Suite(
    name="mine",
    entries=(
        SuiteEntry(name="a", env="rlvr/game24-v0", episodes=4),
        SuiteEntry(name="b", env="rlvr/countdown-v0", episodes=3, members=2),
    ),
)


@pytest.fixture()
def run(tmp_path):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    return tmp_path / "run"


def lines(run):
    return (run / "episodes.jsonl").read_bytes().splitlines(keepends=True)


def write(run, content):
    (run / "episodes.jsonl").write_bytes(b"".join(content))


def edited(line, **changes):
    return json.dumps(json.loads(line) | changes).encode() + b"\n"


def test_an_honest_run_is_accepted_and_complete(run):
    report = verify_run(run)
    assert report.accepted and report.complete
    assert (report.expected, report.count(ReplayStatus.REPLAYED)) == (10, 10)
    assert (report.agent, report.policy, report.suite) == ("random", None, "mine@1")


def test_left_out_episodes_are_named(run):
    content = lines(run)
    write(run, content[:2] + content[4:])
    report = verify_run(run)
    assert report.accepted and not report.complete
    assert report.missing == ("a/2/0", "a/3/0")


def test_an_episode_played_twice_is_a_problem(run):
    content = lines(run)
    write(run, [*content, content[3]])
    report = verify_run(run)
    assert not report.accepted
    assert report.problems == ("The episode a/3/0 is recorded 2 times.",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agent": "expert"}, "its agent is 'expert', not 'random'"),
        ({"policy": "openai:http://x/v1#m"}, "its policy is"),
        ({"budget": {"env_steps": 99}}, "its budget.env_steps is 99, not None"),
    ],
)
def test_a_record_of_another_run_is_rejected(run, changes, words):
    content = lines(run)
    if changes.get("agent") == "expert":
        changes = changes | {"privileged": ["expert_action"]}
    content[1] = edited(content[1], **changes)
    write(run, content)
    report = verify_run(run)
    (failure,) = (replay for replay in report.replays if not replay.ok)
    assert failure.key == "a/1/0"
    assert words in failure.reason


def test_an_episode_that_the_run_does_not_have_is_a_problem(tmp_path):
    bigger = SUITE.model_copy(
        update={"entries": (SUITE.entries[0].model_copy(update={"episodes": 6}), SUITE.entries[1])}
    )
    evaluate(bigger, agent="random", out=tmp_path / "bigger")
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    write(tmp_path / "run", [*lines(tmp_path / "run"), lines(tmp_path / "bigger")[5]])
    report = verify_run(tmp_path / "run")
    assert report.problems == ("The run has no episode a/5/0.",)


def test_a_line_that_is_no_record_is_a_rejection_of_its_own(run):
    content = lines(run)
    content[2] = b'{"version": 1}\n'
    content[5] = b"nonsense\n"
    write(run, content)
    report = verify_run(run)
    failures = [replay for replay in report.replays if not replay.ok]
    assert [failure.key for failure in failures] == ["line 3", "line 6"]
    assert "'key' is missing" in failures[0].reason
    assert "not JSON" in failures[1].reason
    assert report.count(ReplayStatus.REPLAYED) == 8


def test_a_torn_last_line_is_said_with_its_remedy(run):
    content = lines(run)
    write(run, [*content[:-1], content[-1][:200]])
    report = verify_run(run)
    assert not report.accepted
    assert "--resume mends that" in report.replays[-1].reason


def test_a_file_alone_can_be_verified_and_our_suites_know_what_is_missing(tmp_path):
    evaluate("quick", agent="random", out=tmp_path / "run")
    file = tmp_path / "alone.jsonl"
    content = lines(tmp_path / "run")
    file.write_bytes(b"".join(content[1:]))
    report = verify_run(file)
    assert report.accepted
    assert report.missing == (json.loads(content[0])["key"],)
    assert report.expected == len(content)


def test_a_changed_configuration_does_not_excuse_what_is_missing_of_our_suite(tmp_path):
    evaluate("quick", agent="random", out=tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    data = json.loads(config.read_text())
    data["entries"] = data["entries"][:1]
    config.write_text(json.dumps(data))
    keys = [json.loads(line)["entry"] == data["entries"][0]["name"] for line in lines(tmp_path / "run")]
    write(tmp_path / "run", [line for line, keep in zip(lines(tmp_path / "run"), keys, strict=True) if keep])
    assert len(verify_run(tmp_path / "run").missing) == keys.count(False)


def test_a_folder_without_records_is_one_sentence(tmp_path):
    with pytest.raises(MissingData, match="no records"):
        verify_run(tmp_path)
    with pytest.raises(UserError, match="no records"):
        verify_run(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["{", "[]", '{"entries": [{"nme": "x"}]}'])
def test_a_damaged_configuration_is_one_sentence(run, content):
    (run / "config.json").write_text(content)
    with pytest.raises((MalformedData, UserError), match=r"config\.json"):
        verify_run(run)


def test_a_record_under_other_settings_of_the_agent_is_rejected(tmp_path):
    for name, settings in (("run", {}), ("other", {"agent_settings": {"history": 1}})):
        evaluate(SUITE, agent="direct", policy="scripted", out=tmp_path / name, **settings)
    content = lines(tmp_path / "run")
    write(tmp_path / "run", [lines(tmp_path / "other")[0], *content[1:]])
    (failure,) = (replay for replay in verify_run(tmp_path / "run").replays if not replay.ok)
    assert failure.key == "a/0/0"
    assert "agent_config.history is 1, not None" in failure.reason
