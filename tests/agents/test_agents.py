"""The built-in agents: what they say, what they play, and what they leave out."""

import asyncio
import itertools
import re

import gymnasium as gym
import pytest

from rlvr.agents.agent import Agent, AgentConfig, ReactiveAgent, agent_class, agent_config
from rlvr.agents.evaluate import evaluate
from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import EpisodeSpec
from rlvr.agents.policies.policy import make_policy
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.reading import RULES, read_action
from rlvr.agents.registry import AGENTS, find_agent
from rlvr.agents.runner import play
from rlvr.agents.session import Session
from rlvr.agents.types import Completion, EpisodeEnd, ToolCall
from rlvr.envs.registry import ENVS
from rlvr.tasks.errors import UnknownName, UserError
from rlvr.tasks.rng import Rng

from .worlds import CountEnv, register

register()
NO_DATA = [row.id for row in ENVS if row.data is None]


def episode(agent, policy=None, env_id="test/count-v0", settings=None, group=0, options=None, **kwargs):
    env = make_text_env(env_id, kwargs)
    kind = agent if isinstance(agent, type) else agent_class(agent)
    spec = EpisodeSpec("run", "entry", group, 0, env_id, kwargs, options=options or {})
    play_it = kind(agent_config(kind, settings), make_policy(policy) if isinstance(policy, str) else policy)
    return asyncio.run(play(Session(env, spec, agent=kind.name), play_it))


@pytest.mark.parametrize("row", AGENTS, ids=lambda row: row.name)
def test_the_table_says_what_each_class_is(row):
    kind = agent_class(row.name)
    assert issubclass(kind, Agent)
    assert kind.name == row.name
    assert kind.needs_policy is row.needs_policy


def test_an_unknown_agent_names_the_nearest():
    with pytest.raises(UnknownName, match="direct"):
        find_agent("dirct")


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'history'"):
        agent_config(agent_class("direct"), {"histroy": 3})
    with pytest.raises(UserError, match=r"there is no key 'sampling\.temprature'; did you mean 'temperature'"):
        agent_config(agent_class("direct"), {"sampling": {"temprature": 1}})


@pytest.mark.parametrize("env_id", NO_DATA)
def test_random_texts_are_of_the_right_form(env_id):
    env = make_text_env(env_id)
    seen = set()
    for seed in range(30):
        env.reset(seed=seed)
        action = env.random_action(Rng(seed))
        assert env.random_action(Rng(seed)) == action
        seen.add(action)
        assert env.step(action)[4]["action_is_valid"], action
    assert len(seen) > 1


@pytest.mark.parametrize("env_id", NO_DATA)
def test_random_and_expert_play_everything(env_id):
    random = episode("random", env_id=env_id)
    assert random.end is EpisodeEnd.SUBMITTED
    assert not random.privileged
    expert = episode("expert", env_id=env_id)
    assert expert.privileged == ("expert_action",)
    assert expert.score >= 0.5


def test_random_play_depends_on_the_episode_alone():
    assert episode("random", group=1).events == episode("random", group=1).events
    assert episode("random", group=1).events != episode("random", group=2).events


@pytest.mark.parametrize("env_id", NO_DATA)
@pytest.mark.parametrize("extraction", [rule for rule in RULES if rule not in ("tool", "raw")])
def test_an_expert_policy_gets_through_every_form_of_reply(env_id, extraction):
    kwargs = {"horizon": 30} if "bandit" in env_id else {}
    played = episode("direct", "expert", env_id=env_id, settings={"extraction": extraction}, **kwargs)
    assert played.score >= 0.5
    assert all(event.invalid is None for event in played.events if event.type == "step")


def test_the_prompt_holds_rules_forms_and_observations():
    played = episode("direct", "expert", env_id="rlvr/game24-v0", settings={"system": "Play well."})
    system, first = played.prompt(0)
    env = make_text_env("rlvr/game24-v0")
    assert system.content.startswith("Play well.")
    assert env.instructions in system.content
    assert env.examples[0] in system.content
    assert "<action>" in system.content
    assert first.content.startswith("Make 24 from")
    assert [message.role for message in played.prompt(2)] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]


def test_mathematics_is_handed_in_whole():
    policy = ScriptedPolicy([r"First I thought \boxed{1}, but it may be \boxed{2}."])
    played = episode("direct", policy, env_id="rlvr/arithmetic-v0")
    (step,) = (event for event in played.events if event.type == "step")
    assert step.extraction == "raw"
    assert step.action == played.generations[0].completion.text
    assert step.verdict is not None


@pytest.mark.parametrize("history", [0, 1, 3])
def test_a_short_history_keeps_the_first_observation(history):
    played = episode("direct", "expert", settings={"history": history}, options={"difficulty": "short"}, group=5)
    last = len(played.generations) - 1
    assert last > 4
    prompt = played.prompt(last)
    roles = [message.role for message in prompt]
    assert roles == ["system", "user", *["assistant", "user"] * history]
    assert prompt[1].content.startswith("You are at 0 of")
    assert f"({last - history} earlier turn" in prompt[1].content
    assert f"You are at {last} of" in prompt[-1].content
    assert played.score == 1


def test_legal_actions_are_listed_on_request():
    played = episode("direct", "expert", settings={"show_legal_actions": True})
    assert "Legal actions: 1; 0" in played.prompt(0)[1].content
    assert "Legal actions" not in episode("direct", "expert").prompt(0)[1].content


def test_a_reply_without_an_action_is_an_invalid_turn():
    played = episode("direct", ScriptedPolicy(["I have no idea"]), settings={"extraction": "tag"})
    steps = [event for event in played.events if event.type == "step"]
    assert {(step.action, step.extraction) for step in steps} == {("", "tag")}
    assert all(step.invalid for step in steps)


def test_tool_calls_become_commands():
    class Calls(ScriptedPolicy):
        async def generate(self, requests):
            assert requests[0].tools[0]["function"]["name"] == "say"
            now = sum(message.role == "assistant" for message in requests[0].messages) + 1
            call = ToolCall(id="1", name="say", arguments=f'{{"n": {now}}}')
            return [Completion(text="", tool_calls=(call,))]

    played = episode("direct", Calls(), settings={"extraction": "tool"})
    assert played.score == 1
    assert {event.extraction for event in played.events if event.type == "step"} == {"tool"}


@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"m": 1}', ""])
def test_a_broken_tool_call_reads_as_no_action(arguments):
    specs = make_text_env("test/count-v0").rules.actions
    read = read_action(
        Completion(text="5", tool_calls=(ToolCall(id="1", name="say", arguments=arguments),)), "tool", specs
    )
    assert read == ("", "tool")


def test_without_a_tool_call_the_text_is_read():
    specs = make_text_env("test/count-v0").rules.actions
    read = read_action(Completion(text="<action>5</action>"), "tool", specs)
    assert read == ("5", "tag")
    assert read_action(Completion(text="<action>5</action>"), read.rule, specs) == read


def test_an_agent_of_ones_own_plays(tmp_path):
    class Impatient(ReactiveAgent[AgentConfig]):
        name = "impatient"
        config_type = AgentConfig
        needs_policy = False

        async def act(self, observation, info):
            return info["legal_actions"][0] if self.session.ledger.env_steps < 2 else None

    played = episode(Impatient)
    assert played.ledger.env_steps == 2
    assert played.end is EpisodeEnd.SUBMITTED
    assert played.events[-1].type == "submit"


def test_an_agent_by_module_and_class():
    assert agent_class("rlvr.agents.random:RandomAgent").name == "random"
    for name, words in (
        ("no_such_module:X", "no module"),
        ("rlvr.agents.random:Missing", "not an agent"),
        ("json:dumps", "not an agent"),
    ):
        with pytest.raises(UserError, match=words):
            agent_class(name)


def test_a_mistake_in_an_agent_is_raised():
    class Broken(ReactiveAgent[AgentConfig]):
        name = "broken"
        config_type = AgentConfig
        needs_policy = False

        async def act(self, observation, info):
            return {}["missing"]

    with pytest.raises(KeyError):
        episode(Broken)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "words"),
    [
        ("rlvr/game42-v0", {}, "rlvr/game24-v0"),
        ("game24-v1", {}, "rlvr/game24-v0"),
        ("me/secret-v0", {}, "There is no environment"),
        ("no_such_module:me/secret-v0", {}, "not installed"),
        ("game24-v0", {"divison": "exact"}, "Did you mean 'division'"),
        ("game24-v0", {"max_step": 3}, "Did you mean 'max_steps'"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_sentence(env_id, kwargs, words):
    with pytest.raises(UserError) as caught:
        make_text_env(env_id, kwargs)
    assert words in str(caught.value)


def test_arguments_that_an_environment_cannot_be_made_with_are_one_sentence():
    class Picky(CountEnv):
        def __init__(self, *, top=3, **kwargs):
            super().__init__(**kwargs)
            self.top = top + 1

    gym.register("test/picky-v0", Picky)
    with pytest.raises(UserError, match=r"test/picky-v0 cannot be made with top='abc': can only concatenate") as caught:
        make_text_env("test/picky-v0", {"top": "abc"})
    assert isinstance(caught.value.__cause__, TypeError)
    del gym.registry["test/picky-v0"]


def test_other_environments_are_refused():
    if "test/box-v0" not in gym.registry:
        gym.register("test/box-v0", lambda: gym.Env())
    with pytest.raises(UserError, match="not a text environment"):
        make_text_env("test/box-v0")


def test_an_agent_may_leave_out_its_name_and_settings():
    class First(ReactiveAgent):
        needs_policy = False

        async def act(self, observation, info):
            return info["legal_actions"][0]

    class Second(First):
        pass

    class Named(First):
        name = "named"

    class Heir(Named):
        pass

    assert [kind.name for kind in (First, Second, Named, Heir)] == ["First", "Second", "named", "named"]
    (episode,) = evaluate("rlvr/game24-v0", agent=First, episodes=1).episodes()
    assert (episode.agent, episode.agent_config) == ("First", {})
    with pytest.raises(UserError, match="there is no key 'depth'"):
        evaluate("rlvr/game24-v0", agent=First, agent_settings={"depth": 2})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"agent": int}, "'int' is not an agent"),
        ({"agent": 7}, "'7' is not an agent"),
        ({"agent": ReactiveAgent}, "does not define act"),
        ({"agent": "direct", "policy": object}, "The policy must be a name"),
        ({"agent": "direct", "policy": ScriptedPolicy}, "or a Policy object"),
    ],
)
def test_what_is_no_agent_or_policy_is_one_sentence(settings, words):
    with pytest.raises(UserError, match=words):
        evaluate("rlvr/game24-v0", episodes=1, **settings)


def test_a_summary_counts_every_action_and_its_mean_reward():
    settings = {"history": "summary"}
    played = episode(
        "direct", "oracle:0.5", "rlvr/bandit-v0", settings, horizon=30, options={"difficulty": "bernoulli-5-easy"}
    )
    steps = [event for event in played.events if event.type == "step"]
    for turn in (0, 7, 29):
        prompt = played.prompt(turn)
        assert [message.role for message in prompt] == ["system", "user"]
        said = prompt[1].content
        assert ("Summary of" in said) is (turn > 0)
        for action in {step.action for step in steps} if turn else ():
            rewards = [step.reward for step in steps[:turn] if step.action == action]
            tally = f"{len(rewards)} times, mean reward {sum(rewards) / len(rewards):.2f}" if rewards else "0 times"
            assert f"\n- {action}: {tally}\n" in said


def test_a_summary_leaves_out_what_the_environment_refused():
    turns = itertools.count()

    def reply(request):
        if next(turns) % 3 < 2:
            return "<action>nowhere</action>"
        return f"<action>{re.search(r'There are 5 [a-z]+: ([^,]+),', request.messages[-1].content)[1]}</action>"

    options = {"difficulty": "bernoulli-5-easy"}
    played = episode(
        "direct", ScriptedPolicy(reply), "rlvr/bandit-v0", {"history": "summary"}, options=options, horizon=9
    )
    said = [played.prompt(turn)[1].content for turn in range(9)]
    assert [text.count("nowhere") for text in said] == [0] * 9
    assert ["Summary of" in text for text in said] == [False] * 3 + [True] * 6
    assert "Summary of the 1 turn so far" in said[3]
    assert "Summary of the 2 turns so far" in said[8]
    assert all(": 2 times, mean reward" in text for text in said[6:])


class _Short(ScriptedPolicy):
    """Counts a token a word, and reads 300 of them."""

    context_length = 300


def test_turns_that_no_longer_fit_the_context_are_left_out_from_the_oldest():
    policy = _Short()
    played = episode("direct", policy, "rlvr/maze-v0", {"sampling": {"max_tokens": 20}})
    counts = [policy.count_prompt_tokens(made.request.model_copy(update={"messages": played.prompt(made.id)}))
              for made in played.generations]  # fmt: skip
    prompts = [played.prompt(made.id) for made in played.generations]
    assert len(counts) > 10
    assert max(counts) <= 280
    assert all(prompt[1].content.startswith(prompts[0][1].content) for prompt in prompts)
    left_out = [int(p[1].content.rsplit("(", 1)[1].split()[0]) if "left out" in p[1].content else 0 for p in prompts]
    assert left_out == sorted(left_out)
    assert left_out[-1] > 0
    for turn, (prompt, gone) in enumerate(zip(prompts, left_out, strict=True)):
        replies = [message for message in prompt if message.role == "assistant"]
        assert len(replies) == turn - gone
