"""Sessions: what is recorded, what is counted, and budgets that hold."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import EpisodeSpec
from rlvr.agents.policies.policy import Policy
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.records import episode_line, parse_episode
from rlvr.agents.session import BudgetExhausted, EnvError, Session
from rlvr.agents.types import Budget, Completion, EpisodeEnd, Message, Request, Usage
from rlvr.leaderboard.verify import verify_episode
from rlvr.tasks.errors import EpisodeOver

from .worlds import register

register()


def session(env_id="test/count-v0", budget=None, **kwargs):
    env = make_text_env(env_id, kwargs)
    spec = EpisodeSpec("a run", "an entry", 3, 1, env_id, kwargs, options={"split": "test"})
    return Session(env, spec, budget=Budget(**(budget or {})), agent="tester")


def user(text):
    return Message(role="user", content=text)


def test_every_event_is_recorded_and_the_record_replays():
    async def go():
        play = session()
        await play.reset()
        await play.step("1")
        point = await play.snapshot()
        await play.step("not a number")
        await play.step("7")
        await play.restore(point)
        await play.ask(ScriptedPolicy(["2"]), "what next?")
        await play.step("2")
        play.submit()
        return play.episode(EpisodeEnd.SUBMITTED)

    episode = asyncio.run(go())
    kinds = [event.type for event in episode.events]
    assert kinds == ["reset", "step", "snapshot", "step", "step", "restore", "ask", "step", "submit"]
    assert episode.events[3].invalid == "this is not a number"
    assert episode.total_reward == 0.5  # of the branch that was handed in
    assert (episode.ledger.env_steps, episode.ledger.policy_calls) == (4, 1)
    assert episode.key == "an entry/3/1"
    assert parse_episode(episode_line(episode), "here") == episode
    assert verify_episode(episode).ok


def test_another_reset_plays_the_same_task_again():
    async def go():
        play = session()
        first = await play.reset()
        await play.step("1")
        return first, await play.reset(), play

    first, second, play = asyncio.run(go())
    assert first == second
    assert play.total_reward == 0


def test_seeds_derive_from_names_and_not_from_order():
    a = EpisodeSpec("run", "entry", 0, 0, "x")
    b = EpisodeSpec("run", "entry", 0, 1, "x")
    c = EpisodeSpec("run", "entry", 1, 0, "x")
    d = EpisodeSpec("run", "other", 0, 0, "x")
    assert a.env_seed == b.env_seed != c.env_seed
    assert len({spec.sampling_seed for spec in (a, b, c, d)}) == 4
    assert a.env_seed != d.env_seed


def test_each_question_gets_a_seed_of_its_own():
    async def go():
        play = session()
        await play.reset()
        made = await play.ask_many(ScriptedPolicy(["x"]), ["a", "a"])
        made.append(await play.ask(ScriptedPolicy(["x"]), "a"))
        return [generation.request.seed for generation in made]

    seeds = asyncio.run(go())
    assert len(set(seeds)) == 3
    assert asyncio.run(go()) == seeds


def test_questions_asked_at_once_are_recorded_in_the_order_of_asking():
    class Slow(ScriptedPolicy):
        async def generate(self, requests):
            await asyncio.sleep(0.02 if requests[0].messages[0].content == "first" else 0)
            return await super().generate(requests)

    async def go():
        play = session()
        await play.reset()
        policy = Slow(lambda request: request.messages[0].content)
        await asyncio.gather(play.ask(policy, "first", conversation=1), play.ask(policy, "second", conversation=2))
        return play.episode(EpisodeEnd.SUBMITTED)

    assert [made.completion.text for made in asyncio.run(go()).generations] == ["first", "second"]


def test_a_long_conversation_is_written_once_and_read_back_whole():
    async def go():
        play = session()
        await play.reset()
        policy = ScriptedPolicy(lambda request: f"reply {len(request.messages)}")
        messages = [Message(role="system", content="rules")]
        prompts = []
        for turn in range(50):
            messages.append(user(f"turn {turn}"))
            prompts.append(tuple(messages))
            made = await play.ask(policy, messages)
            messages.append(Message(role="assistant", content=made.completion.text))
        branch = (*messages[:5], user("another way"))
        prompts.append(branch)
        await play.ask(policy, branch)
        fresh = (user("no history"),)
        prompts.append(fresh)
        await play.ask(policy, fresh, conversation=1)
        return prompts, play.episode(EpisodeEnd.SUBMITTED)

    prompts, episode = asyncio.run(go())
    episode = parse_episode(episode_line(episode), "here")
    for number, prompt in enumerate(prompts):
        assert episode.prompt(number) == prompt
    assert sum(len(made.request.messages) for made in episode.generations) < 60
    assert len(episode_line(episode)) < 50_000


def test_a_conversation_of_thousands_of_turns_is_read_back():
    async def go():
        play = session()
        await play.reset()
        policy = ScriptedPolicy(["ok"])
        messages = []
        for _ in range(1500):
            messages.append(user("again"))
            await play.ask(policy, messages)
            messages.append(Message(role="assistant", content="ok"))
        return play.episode(EpisodeEnd.SUBMITTED)

    assert len(asyncio.run(go()).prompt(1499)) == 2999


class TokenPolicy(Policy):
    """Answers token ids: each reply is the prompt's length."""

    name = "tokens"

    async def generate(self, requests):
        return [
            Completion(
                text="t", token_ids=(len(request.token_ids),), logprobs=(-1.0,), prompt_token_ids=request.token_ids
            )
            for request in requests
        ]


@given(st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers(0, 3), max_size=5)), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_token_ids_are_written_once_and_read_back_whole(forks):
    async def go():
        play = session()
        await play.reset()
        whole = ()
        prompts = []
        for keep, more in forks:
            whole = (*whole[:keep], *more)
            prompts.append(whole)
            made = await play.ask(TokenPolicy(), Request(token_ids=whole))
            whole = (*whole, *made.completion.token_ids)
        return prompts, play.episode(EpisodeEnd.SUBMITTED)

    prompts, episode = asyncio.run(go())
    for number, prompt in enumerate(prompts):
        assert episode.prompt_token_ids(number) == prompt


def test_text_that_is_no_valid_unicode_survives_the_record():
    async def go():
        play = session()
        await play.reset()
        await play.step("odd \ud800 \x00 text")
        return play.episode(EpisodeEnd.SUBMITTED)

    episode = asyncio.run(go())
    again = parse_episode(episode_line(episode), "here")
    assert again.events[1].action == "odd \ud800 \x00 text"


def test_privileged_help_is_flagged():
    async def go(use):
        play = session()
        await play.reset()
        if use:
            await play.expert_action()
        return play.episode(EpisodeEnd.SUBMITTED).privileged

    assert asyncio.run(go(False)) == ()
    assert asyncio.run(go(True)) == ("expert_action",)


def test_no_record_holds_the_reference():
    from rlvr.agents.policies.policy import make_policy

    async def go():
        play = session()
        await play.reset()
        await play.ask(make_policy("oracle:0"), "what?")
        return play.episode(EpisodeEnd.SUBMITTED)

    episode = asyncio.run(go())
    assert b"reference" not in episode_line(episode)
    assert episode.generations[0].request.reference is None
    assert episode.generations[0].request.choices is None
    assert episode.privileged == ("expert_action",)


def test_an_engines_failure_is_an_env_error():
    async def go():
        play = session(fail_at=0)
        for group in range(20):  # only some tasks fail
            play.spec = EpisodeSpec("run", "entry", group, 0, "test/count-v0")
            await play.reset()
            await play.step("1")

    with pytest.raises(EnvError, match="RuntimeError: the engine broke"):
        asyncio.run(go())


def test_nothing_happens_after_submission_or_before_reset():
    async def go(*calls):
        play = session()
        for call in calls:
            await play.reset() if call == "reset" else play.submit() if call == "submit" else await play.step("1")

    for calls in (("step",), ("reset", "submit", "step"), ("reset", "submit", "reset"), ("reset", "submit", "submit")):
        with pytest.raises(EpisodeOver):
            asyncio.run(go(*calls))


# Budgets


@pytest.mark.parametrize("item", ["env_steps", "policy_calls", "completion_tokens", "decoded_tokens", "prompt_tokens"])
@given(limit=st.integers(0, 40))
@settings(deadline=None, max_examples=25)
def test_no_budget_item_is_ever_overdrawn(item, limit):
    async def go():
        play = session(budget={item: limit})
        await play.reset()
        policy = ScriptedPolicy(["a reply of some words", "1"])
        try:
            while True:
                made = await play.ask(policy, [user("one two three")])
                await play.step("0", generation=made)
        except BudgetExhausted as spent:
            return spent.item, play.episode(EpisodeEnd.BUDGET)

    try:
        spent, episode = asyncio.run(go())
    except EpisodeOver:  # the step limit of the task came first
        return
    assert spent == item == episode.exhausted
    assert getattr(episode.ledger, item) <= limit
    assert verify_episode(episode).reason == ""


def test_a_budget_of_completion_tokens_shortens_the_last_reply():
    async def go():
        play = session(budget={"completion_tokens": 7})
        await play.reset()
        policy = ScriptedPolicy(["one two three four five"])
        return [(await play.ask(policy, "q")).completion for _ in range(2)], play.ledger

    (first, second), ledger = asyncio.run(go())
    assert (first.text, second.text) == ("one two three four five", "one two")
    assert ledger.completion_tokens == 7


def test_a_budget_is_shared_among_questions_asked_together():
    async def go():
        play = session(budget={"completion_tokens": 11, "policy_calls": 4})
        await play.reset()
        made = await play.ask_many(ScriptedPolicy(["one two three four five"]), ["q"] * 3)
        with pytest.raises(BudgetExhausted, match="policy_calls"):
            await play.ask_many(ScriptedPolicy(["x"]), ["q"] * 2)
        return made, play.ledger

    made, ledger = asyncio.run(go())
    assert [generation.completion.usage.completion_tokens for generation in made] == [3, 3, 3]
    assert ledger.policy_calls == 3


def test_verdicts_are_counted_and_limited():
    async def go(limit):
        play = session(verdict="correct", budget={"verifier_calls": limit})
        await play.reset()
        await play.step("x")
        return play.episode(EpisodeEnd.SUBMITTED)

    episode = asyncio.run(go(1))
    assert episode.ledger.verifier_calls == 1
    assert episode.events[1].verdict.status == "correct"
    assert episode.timing["verifier_s"] == [0.01]
    with pytest.raises(BudgetExhausted, match="verifier_calls"):
        asyncio.run(go(0))


def test_the_clock_stops_a_question_that_takes_too_long():
    class Endless(Policy):
        name = "endless"

        async def generate(self, requests):
            await asyncio.sleep(60)
            return []

    async def go():
        play = session(budget={"wall_s": 0.05})
        await play.reset()
        await play.ask(Endless(), "q")

    with pytest.raises(BudgetExhausted, match="wall_s"):
        asyncio.run(asyncio.wait_for(go(), 5))


def test_after_the_budget_an_agent_can_still_go_back_and_hand_in():
    async def go():
        play = session(budget={"env_steps": 2})
        await play.reset()
        await play.step("1")
        best = await play.snapshot()
        await play.step("0")
        with pytest.raises(BudgetExhausted):
            await play.step("2")
        await play.restore(best)
        play.submit()
        return play.episode(EpisodeEnd.BUDGET)

    episode = asyncio.run(go())
    assert episode.total_reward == 0.25
    assert verify_episode(episode).ok


def test_an_answer_dearer_than_announced_is_recorded_and_ends_the_episode():
    class Dear(Policy):
        name = "dear"

        async def generate(self, requests):
            return [Completion(text="x", usage=Usage(prompt_tokens=500, completion_tokens=1)) for _ in requests]

    async def go():
        play = session(budget={"prompt_tokens": 100})
        await play.reset()
        with pytest.raises(BudgetExhausted, match="prompt_tokens"):
            await play.ask(Dear(), "q")
        return play.episode(EpisodeEnd.BUDGET)

    episode = asyncio.run(go())
    assert len(episode.generations) == 1
    assert episode.exhausted == "prompt_tokens"
