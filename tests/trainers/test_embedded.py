"""From a finished run to the folders in the package, and the examination that decides what may be shipped."""

import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.agents.direct import DirectAgent
from rlvr.agents.policies.policy import PolicyError, make_policy
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.tasks.errors import UserError
from rlvr.trainers import embedded
from rlvr.trainers.demonstrations import make_demonstrations, read_uids
from rlvr.trainers.embedded import (
    EASY,
    HARDER,
    PICTURE,
    Level,
    Standing,
    examine,
    install,
    pick_base,
    scores,
    trained_on,
)
from rlvr.trainers.experts.mix import Mix

SUMS = Level("arithmetic", "rlvr/arithmetic-v0", "two-digit")
MIX = {"name": "small", "episodes": 40, "entries": [
    {"name": "sums", "env": "rlvr/arithmetic-v0", "levels": {"two-digit": 1}},
]}  # fmt: skip


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations")
    make_demonstrations(Mix.model_validate(MIX), folder, seed=0, workers=1)
    return folder


def test_the_expert_stands_at_one_and_random_play_near_nothing():
    assert examine(SUMS, make_policy("expert"), instances=20).value == 1
    assert examine(Level("maze", "rlvr/maze-v0", "5x5"), make_policy("expert"), instances=10).value == 1
    value, low, high = examine(Level("maze", "rlvr/maze-v0", "5x5"), make_policy("random"), instances=40)
    assert low <= value <= high
    assert low < 0.15


def test_an_interval_holds_the_value_and_narrows_with_more_tasks():
    few = examine(SUMS, make_policy("oracle:0.5"), instances=20)
    many = examine(SUMS, make_policy("oracle:0.5"), instances=200)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low
    assert abs(many.value - 0.5) < 0.15


def test_a_task_of_the_training_data_is_refused(demonstrations):
    seen = read_uids(demonstrations)
    assert len(scores(SUMS, "direct", make_policy("expert"), 20, "test", seen)) == 20
    with pytest.raises(RuntimeError, match="was trained on the task"):
        scores(SUMS, "direct", make_policy("expert"), 200, "train", seen | _uids("train"))


def _uids(split):
    from rlvr.agents.lease import make_text_env

    env = make_text_env(SUMS.env, {})
    return {env.source.sample(seed, split, SUMS.difficulty).uid for seed in range(6000)}


def test_a_model_plays_at_the_temperature_and_with_the_room_that_are_asked_for():
    seen = []

    def answer(request):
        seen.append(request.sampling)
        return "<action>1</action>"

    scores(SUMS, "direct", ScriptedPolicy(answer), 3, "test")
    assert {(sampling.temperature, sampling.max_tokens) for sampling in seen} == {(0.7, 160)}


def test_an_episode_that_failed_is_no_score():
    def fail(request):
        raise PolicyError("gone")

    with pytest.raises(RuntimeError, match="does not count"):
        scores(SUMS, "direct", ScriptedPolicy(fail), 2, "test")


def test_the_base_is_the_first_export_within_the_bounds(monkeypatch, capsys):
    values = {"1": -0.1, "2": 0.04, "3": 0.26, "4": 0.2, "5": 0.1}
    monkeypatch.setattr(embedded, "make_policy", lambda name, dtype: name.rsplit("/", 1)[-1])
    monkeypatch.setattr(embedded, "examine", lambda level, policy, instances, split: Standing(values[policy], 0, 0))
    assert pick_base([Path("exports", name) for name in values], 1) == Path("exports/4")
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_every_family_has_a_harder_level():
    assert [level.env for level in EASY] == [level.env for level in HARDER]
    assert all(level.target is not None for level in EASY)
    assert all(level.target is None for level in HARDER)


def test_a_level_says_whether_the_legal_actions_are_listed(monkeypatch):
    shown = []
    told = DirectAgent._prompt

    def watched(agent):
        prompt = told(agent)
        shown.append("Legal actions: " in prompt[-1].content)
        return prompt

    monkeypatch.setattr(DirectAgent, "_prompt", watched)
    for level in (*EASY, *HARDER, PICTURE):
        if level.env != "rlvr/maze-v0":
            continue
        shown.clear()
        examine(level, make_policy("random"), instances=2)
        assert shown and all(one == level.legal for one in shown)
    assert PICTURE.env == "rlvr/maze-v0" and not PICTURE.legal


def test_a_run_becomes_two_folders_with_the_uids_beside_the_first(tmp_path, demonstrations):
    more = tmp_path / "more"
    make_demonstrations(Mix.model_validate(MIX), more, seed=1, workers=1)
    run, early = tmp_path / "run", tmp_path / "run" / "exports" / "step-0000400"
    for folder, text in ((run / "model", "late"), (early, "early")):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text(text)
    into = tmp_path / "weights"
    (into / "tiny").mkdir(parents=True)
    (into / "tiny" / "left-over").write_text("old")
    install(run, [demonstrations, more], into, early)
    assert (into / "tiny" / "model.safetensors").read_text() == "late"
    assert (into / "tiny-base" / "model.safetensors").read_text() == "early"
    assert not (into / "tiny" / "left-over").exists()
    assert trained_on(into / "tiny") == read_uids(demonstrations) | read_uids(more)
    assert trained_on(into / "tiny") > read_uids(demonstrations)
    assert sorted(file.name for file in (into / "tiny-base").iterdir()) == ["model.safetensors"]


def test_an_unfinished_run_leaves_what_is_there(tmp_path, demonstrations):
    into = tmp_path / "weights"
    (into / "tiny").mkdir(parents=True)
    with pytest.raises(UserError, match="holds no finished run"):
        install(tmp_path / "run", [demonstrations], into, tmp_path / "early")
    with pytest.raises(UserError, match="No export lies between 5% and 25%"):
        pick_base([], 1)
    assert [folder.name for folder in into.iterdir()] == ["tiny"]


def test_a_wrong_call_is_one_sentence(tmp_path):
    call = [sys.executable, "-m", "rlvr.trainers.embedded", str(tmp_path), "--demonstrations", str(tmp_path)]
    made = subprocess.run([*call, "--into", str(tmp_path / "x")], capture_output=True, text=True)
    assert made.returncode == 2
    assert made.stderr.count("\n") == 1
