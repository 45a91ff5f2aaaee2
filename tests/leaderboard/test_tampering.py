"""Edits that leave every reward alone: of branches, verdicts, questions, privileges, budgets and membership."""

import copy
import json

import pytest

from rlvr.agents.agent import Agent, AgentConfig
from rlvr.agents.evaluate import evaluate
from rlvr.agents.plan import episode_key, sampling_seed
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.records import episode_line
from rlvr.agents.types import Episode
from rlvr.leaderboard.verify import ReplayStatus, verify_episode


class Brancher(Agent[AgentConfig]):
    """Takes a snapshot, asks, steps, goes back, steps elsewhere and hands that in."""

    name = "brancher"
    config_type = AgentConfig

    async def run(self, session):
        await session.reset()
        start = await session.snapshot()
        await session.ask(self.policy, "What first?")
        await session.step(session.legal_actions()[0])
        await session.restore(start)
        await session.step(session.legal_actions()[-1])
        session.submit()


def first_record(what, **settings) -> dict:
    episode = next(iter(evaluate(what, **settings).episodes()))
    return json.loads(episode_line(episode))


@pytest.fixture(scope="module")
def branched() -> dict:
    return first_record(
        "rlvr/game24-v0", agent=Brancher, policy=ScriptedPolicy(["Well, well."]), episodes=1, difficulty="easy"
    )


@pytest.fixture(scope="module")
def judged() -> dict:
    return first_record("rlvr/arithmetic-v0", agent="random", episodes=1, difficulty="easy")


def event(data, kind):
    return next(found for found in data["events"] if found["type"] == kind)


def changed(kind, **values):
    return lambda data: event(data, kind).update(values)


def without_submission(data):
    data["events"] = [found for found in data["events"] if found["type"] != "submit"]


def with_an_unasked_generation(data):
    made = copy.deepcopy(data["generations"][0]) | {"id": 1, "parent": 0}
    data["generations"].append(made)
    usage = made["completion"]["usage"]
    for item, more in (("policy_calls", 1), *((item, usage[item]) for item in usage if item in data["ledger"])):
        data["ledger"][item] += more


EDITS = {
    # name: (edit, first differing step, words of the reason)
    "state of a snapshot": (changed("snapshot", state_key="24"), 0, "the state of a snapshot"),
    "number of a snapshot": (changed("snapshot", id=3), 0, "snapshot 3 is out of order"),
    "restored observation": (changed("restore", observation_hash="0" * 24), 1, "the restored observation"),
    "restored state": (changed("restore", state_key="24"), 1, "the restored state"),
    "another snapshot restored": (changed("restore", id=1), 1, "no snapshot 1"),
    "number of a generation": (lambda data: data["generations"][0].update(id=5), 0, "a generation's number"),
    "a generation that nobody asked for": (with_an_unasked_generation, 2, "the number of questions"),
    "a submission left out": (without_submission, 2, "it ends as submitted, but nothing was"),
    "a little more reward": (lambda data: data.update(total_reward=1e-4), 2, "the total reward"),
    "answers revealed": (lambda data: data.update(env_kwargs={"reveal": True}), 2, "the use of reveal is not declared"),
    "a suite without an entry": (lambda data: data.update(suite="quick@1", entry=None), 0, "none of its entries"),
    "a cheaper budget than what was spent": (
        lambda data: data["budget"].update(completion_tokens=1),
        2,
        "the budget's completion_tokens is 1, but it took 2",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_outside_of_the_steps_is_rejected_too(branched, name):
    edit, step, words = EDITS[name]
    data = copy.deepcopy(branched)
    assert verify_episode(Episode.model_validate(data)).ok
    edit(data)
    found = verify_episode(Episode.model_validate(data))
    assert found.status is ReplayStatus.REJECTED, found
    assert words in found.reason
    assert found.first_difference == step, found.reason


def test_one_answer_may_come_out_dearer_than_the_budget_if_that_ended_the_episode(branched):
    data = copy.deepcopy(branched)
    data["budget"]["completion_tokens"] = 1
    data |= {"end": "budget", "exhausted": "completion_tokens"}
    assert verify_episode(Episode.model_validate(data)).ok
    data["exhausted"] = "policy_calls"
    assert verify_episode(Episode.model_validate(data)).status is ReplayStatus.REJECTED


def test_the_answer_that_was_judged_and_the_number_of_verdicts_are_compared(judged):
    assert verify_episode(Episode.model_validate(judged)).ok
    data = copy.deepcopy(judged)
    event(data, "step")["verdict"]["extracted"] = "the right one"
    found = verify_episode(Episode.model_validate(data))
    assert found.status is ReplayStatus.REJECTED and "the answer that was judged" in found.reason
    data = copy.deepcopy(judged)
    data["ledger"]["verifier_calls"] = 0
    found = verify_episode(Episode.model_validate(data))
    assert found.status is ReplayStatus.REJECTED and "the ledger's verifier_calls" in found.reason


def test_a_record_cannot_add_members_to_an_entry_of_our_suite():
    """More samples of a task than the suite has would be chosen among."""
    data = first_record("quick", agent="random")
    data["member"] = 1
    data["key"] = episode_key(data["entry"], data["group"], 1)
    data["sampling_seed"] = sampling_seed(data["run"], data["entry"], data["group"], 1)
    found = verify_episode(Episode.model_validate(data))
    assert found.status is ReplayStatus.REJECTED
    assert "has no episode" in found.reason
