"""The story of an episode, and where it is said to have gone wrong."""

import asyncio
from typing import Any

import pytest

from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import EpisodeSpec
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.session import Session
from rlvr.agents.types import Episode, EpisodeEnd
from rlvr.leaderboard.story import MAX_TEXT, BadStep, Story, cut, tell
from rlvr.leaderboard.verify import verify_episode


def record(env_id: str, script: Any, **kwargs: Any) -> Episode:
    """Play one episode by a coroutine that drives the session."""
    env = make_text_env(env_id, kwargs)
    spec = EpisodeSpec("story/0", "entry", 0, 0, env_id, kwargs, None, {"split": "test"})
    session = Session(env, spec, agent="tester")

    async def play() -> None:
        await session.reset()
        await script(session)
        if not session.submitted:
            session.submit()

    asyncio.run(play())
    return session.episode(EpisodeEnd.SUBMITTED)


def story_of(episode: Episode) -> Story:
    replay = verify_episode(episode)
    assert replay.ok, replay.reason
    return tell(episode, replay)


def test_the_first_invalid_action_is_the_first_bad_step_even_of_a_success() -> None:
    async def script(session: Session) -> None:
        await session.step("dance")
        while not session.over:
            action = await session.expert_action()
            assert action is not None
            await session.step(action)

    story = story_of(record("rlvr/maze-v0", script))
    assert story.bad == BadStep(1, "invalid action")
    assert story.remark.startswith("The action was invalid: ")
    assert story.solved_anywhere


def test_a_clean_success_has_no_bad_step() -> None:
    async def script(session: Session) -> None:
        while not session.over:
            await session.step(await session.expert_action() or "")

    story = story_of(record("rlvr/sokoban-v0", script))
    assert story.bad is None
    assert "the goal was reached" in story.remark


@pytest.mark.parametrize("good", [0, 1])
def test_the_step_that_loses_the_goal_is_found_exactly(good: int) -> None:
    """Game of 24 after so many expert moves: the first move from which no solution is left."""
    lost_at: list[int] = []

    async def script(session: Session) -> None:
        rules = session.env.rules
        for _ in range(good):
            await session.step(await session.expert_action() or "")
        while not session.over:
            for action in session.legal_actions() or ():
                state = session.env.snapshot().state
                after = rules.step(state, rules.parse(state, action)).state
                if rules.solve(after) is None:
                    break
            await session.step(action)
            if not lost_at and rules.solve(session.env.snapshot().state) is None:
                lost_at.append(session.ledger.env_steps)

    story = story_of(record("rlvr/game24-v0", script))
    assert story.bad == BadStep(lost_at[0], "goal lost")


def test_running_out_of_steps_is_losing_the_goal() -> None:
    """Bumping into a wall costs nothing but steps; the goal is lost when fewer are left than the way is long."""
    facts: dict[str, int] = {}

    async def script(session: Session) -> None:
        env = session.env
        way = env.rules.solve(env.snapshot().state)
        assert way is not None
        facts["last chance"] = env.snapshot().max_steps - len(way)
        wall = next(move for move in ("up", "down", "left", "right") if move not in (session.legal_actions() or ()))
        while not session.over:
            await session.step(wall)

    story = story_of(record("rlvr/maze-v0", script))
    assert story.bad == BadStep(facts["last chance"] + 1, "goal lost")


def test_stopping_while_the_goal_was_in_reach_blames_the_last_step() -> None:
    async def script(session: Session) -> None:
        for _ in range(2):
            await session.step(await session.expert_action() or "")

    story = story_of(record("rlvr/maze-v0", script))
    assert story.bad == BadStep(2, "last step")
    assert "stopped there" in story.remark
    assert story.items[-1].kind == "submit"


def test_a_single_turn_that_misses_is_the_bad_step() -> None:
    async def script(session: Session) -> None:
        await session.step("1 + 1")

    story = story_of(record("rlvr/game24-text-v0", script))
    assert story.bad == BadStep(1, "goal missed")


def test_branches_that_were_not_handed_in_are_marked_and_not_blamed() -> None:
    async def script(session: Session) -> None:
        start = await session.snapshot()
        await session.step("dance")
        await session.restore(start)
        while not session.over:
            await session.step(await session.expert_action() or "")
        won = await session.snapshot()
        await session.restore(start)
        await session.step("dance")
        await session.restore(won)

    episode = record("rlvr/game24-v0", script)
    assert episode.is_success
    story = story_of(episode)
    assert [item.kind for item in story.items] == [
        "reset",
        "step",
        "restore",
        "step",
        "step",
        "step",
        "restore",
        "step",
        "restore",
    ]
    assert [position for position, item in enumerate(story.items) if item.data.get("off")] == [1, 7]
    assert story.bad is None
    assert story.branches == 1


def test_replies_stand_with_the_step_they_led_to_and_questions_alone_stand_alone() -> None:
    replies = {"What now?": "I wonder.", "And now?": "Let me see.\nAction: up"}
    policy = ScriptedPolicy(lambda request: replies[str(request.messages[-1].content)] if request.messages else "")

    async def script(session: Session) -> None:
        await session.ask(policy, "What now?")
        asked = await session.ask(policy, "And now?")
        await session.step("up", generation=asked, extraction="last_line")

    story = story_of(record("rlvr/maze-v0", script))
    assert [item.kind for item in story.items] == ["reset", "ask", "step", "submit"]
    assert story.items[1].data["replies"] == [{"agent": "scripted", "text": "I wonder."}]
    assert story.items[2].data["replies"][0]["text"] == "Let me see.\nAction: up"


def test_a_record_that_does_not_replay_cannot_be_told() -> None:
    async def script(session: Session) -> None:
        await session.step("dance")

    episode = record("rlvr/maze-v0", script).model_copy(update={"score": 0.5})
    replay = verify_episode(episode)
    assert not replay.ok
    with pytest.raises(ValueError, match="only a record that replays"):
        tell(episode, replay)


def test_long_texts_are_cut_and_say_so() -> None:
    assert cut("a" * MAX_TEXT) == "a" * MAX_TEXT
    assert cut("a" * (MAX_TEXT + 7)).endswith("… 7 more characters are in the record.")
