"""After failures: what is played again, what is lent again, where an episode goes on, which limit is named."""

import asyncio
import json

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.session import BudgetExhausted
from rlvr.agents.types import EpisodeEnd

from .test_session import session
from .worlds import CountEnv, register

register()


def test_environment_errors_are_played_again_on_request(tmp_path, monkeypatch):
    original = CountEnv.step

    def broken(self, action):
        raise OSError("the disk is full")

    settings = {"agent": "expert", "episodes": 4, "out": tmp_path / "run", "concurrency": 2}
    monkeypatch.setattr(CountEnv, "step", broken)
    assert {row.end for row in evaluate("test/count-v0", **settings).rows} == {EpisodeEnd.ENV_ERROR}
    monkeypatch.setattr(CountEnv, "step", original)
    again = evaluate("test/count-v0", **settings, resume=True, retry_errors=True)
    assert again.resumed == 0 and again.score == 1.0


def test_an_environment_that_failed_is_not_lent_again(monkeypatch):
    failed, lent = [], []
    step, reset = CountEnv.step, CountEnv.reset

    def watched_step(self, action):
        try:
            return step(self, action)
        except RuntimeError:
            failed.append(self)
            raise

    def watched_reset(self, **options):
        lent.extend(env for env in failed if env is self)
        return reset(self, **options)

    monkeypatch.setattr(CountEnv, "step", watched_step)
    monkeypatch.setattr(CountEnv, "reset", watched_reset)
    evaluate("test/count-v0", agent="expert", episodes=20, env_kwargs={"fail_at": 1}, concurrency=1)
    assert len(failed) >= 5 and not lent


def test_the_test_split_is_played_where_nothing_else_is_said(tmp_path):
    for name in ("train", "test"):
        rows = [{"problem": f"{name} {n}: what is {n} + 0?", "answer": str(n)} for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = evaluate("rlvr/gsm8k-v0", agent="expert", env_kwargs={"data": str(tmp_path)})
    assert {episode.split for episode in result.episodes()} == {"test"}
    assert len(result.rows) == 3


def test_an_episode_goes_on_after_the_restore_of_a_state_before_its_end():
    async def go():
        play = session()
        await play.reset()
        start = await play.snapshot()
        while not play.over:
            await play.step(await play.expert_action())
        won = await play.snapshot()
        await play.restore(start)
        before = play.over, play.total_reward
        await play.step("1")
        await play.restore(won)
        return before, (play.over, play.info["is_success"], play.total_reward > 0)

    assert asyncio.run(go()) == ((False, 0.0), (True, True, True))


def test_the_first_item_that_ran_out_is_the_one_recorded():
    async def go():
        play = session(budget={"policy_calls": 0, "env_steps": 0})
        await play.reset()
        with pytest.raises(BudgetExhausted):
            await play.step("1")
        with pytest.raises(BudgetExhausted):
            await play.ask(ScriptedPolicy(["1"]), "what?")
        return play.episode(EpisodeEnd.BUDGET)

    assert asyncio.run(go()).exhausted == "env_steps"
