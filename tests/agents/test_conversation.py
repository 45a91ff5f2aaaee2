"""Conversations in tokens: what was sampled is what is trained on, whatever the template and the text do."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.agents.policies.conversation import Conversation, conversations, written
from rlvr.agents.policies.policy import PolicyError
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.policies.template import Piece, TemplateRefusal
from rlvr.agents.records import episode_line, parse_episode, read_episodes, row_of
from rlvr.agents.types import RESPONSE_ROLES, Budget, EpisodeEnd, Fork, Request, Role, Span, reply_message
from rlvr.tasks.errors import MalformedData

from .talk import (
    FOLDER,
    TOOLS,
    Cut,
    Speaker,
    assistant,
    chat,
    new_session,
    result,
    system,
    talk,
    told,
    user,
)

OPENING = [system("be good"), user("look")]

THOUGHTFUL = "<think>hm</think>\n<action>up</action>"


def test_replies_that_were_given_are_not_in_the_mask():
    """An example in the prompt has a reply's roles, but nobody sampled it."""
    conversation = Conversation()
    conversation.give([Piece((1, 2), Role.PROMPT), Piece((3,), Role.THOUGHT), Piece((4,), Role.ACTION)])
    conversation.sample(0, [5, 6], logprobs=[-0.5, -0.25])
    conversation.give([Piece((7,), Role.ACTION)])
    assert conversation.mask() == [False] * 4 + [True] * 2 + [False]
    assert conversation.response_mask == [True, True, False]
    assert conversation.response_logprobs == [-0.5, -0.25, 0.0]
    assert conversation.prompt_ids == [1, 2, 3, 4]


def recorded(episode):
    """Return an episode as a stranger reads it."""
    return parse_episode(episode_line(episode), "here")


def spoken(name, replies, turns, opening=OPENING, **kwargs):
    template = chat(name)
    policy = Speaker(template, replies)
    return template, policy, recorded(talk(policy, opening, turns, **kwargs))


OURS = [
    ("prompt", "<|system|>be good<|end|><|user|>"),
    ("observation", "look"),
    ("prompt", "<|end|><|assistant|>"),
]
CHATML = [
    ("prompt", "<|im_start|>system\nbe good<|im_end|>\n<|im_start|>user\n"),
    ("observation", "look"),
    ("prompt", "<|im_end|>\n<|im_start|>assistant\n"),
]
TO_USER = ("prompt", "\n<|im_start|>user\n")
TO_ASSISTANT = ("prompt", "<|im_end|>\n<|im_start|>assistant\n")
TABLE = {
    "bare replies": (
        "ours",
        ["up", "down"],
        [[user("a wall")]],
        [
            [
                *OURS,
                ("*action", "up<|end|>"),
                ("prompt", "<|user|>"),
                ("observation", "a wall"),
                ("prompt", "<|end|><|assistant|>"),
                ("*action", "down<|end|>"),
            ]
        ],
    ),
    "every role": (
        "ours",
        ["<think>hm</think><plan>1. up</plan><action>up</action>", "<sub_done><action>down</action>"],
        [[result("<action>no</action>")]],
        [
            [
                *OURS,
                ("*thought", "<think>hm</think>"),
                ("*plan", "<plan>1. up</plan>"),
                ("*action", "<action>up</action><|end|>"),
                ("prompt", "<|tool|>"),
                ("tool", "<action>no</action>"),
                ("prompt", "<|end|><|assistant|>"),
                ("*sub_done", "<sub_done>"),
                ("*action", "<action>down</action><|end|>"),
            ]
        ],
    ),
    "an answer cut off": (
        "ours",
        [Cut("<think>hm"), "up"],
        [[user("a wall")]],
        [
            [
                *OURS,
                ("*thought", "<think>hm"),
                ("prompt", "<|end|><|user|>"),
                ("observation", "a wall"),
                ("prompt", "<|end|><|assistant|>"),
                ("*action", "up<|end|>"),
            ]
        ],
    ),
    "ChatML": (
        "chatml",
        [THOUGHTFUL, Cut("I do: up"), "ok"],
        [[user("a wall")], [user("x"), user("y")]],
        [
            [
                *CHATML,
                ("*thought", "<think>hm</think>\n"),
                ("*action", "<action>up</action><|im_end|>"),
                TO_USER,
                ("observation", "a wall"),
                TO_ASSISTANT,
                ("*action", "I do: up"),
                ("prompt", "<|im_end|>\n<|im_start|>user\n"),
                ("observation", "x"),
                ("prompt", "<|im_end|>\n<|im_start|>user\n"),
                ("observation", "y"),
                TO_ASSISTANT,
                ("*action", "ok<|im_end|>"),
            ]
        ],
    ),
    "thoughts stripped": (
        "stripping",
        [THOUGHTFUL, "down", THOUGHTFUL],
        [[user("a wall")], [user("a door")]],
        [
            [*CHATML, ("*thought", "<think>hm</think>\n"), ("*action", "<action>up</action><|im_end|>")],
            [
                (
                    "prompt",
                    "<|im_start|>system\nbe good<|im_end|>\n<|im_start|>user\nlook<|im_end|>\n<|im_start|>assistant\n"
                    "<action>up</action><|im_end|>\n<|im_start|>user\n",
                ),
                ("observation", "a wall"),
                TO_ASSISTANT,
                ("*action", "down<|im_end|>"),
                TO_USER,
                ("observation", "a door"),
                TO_ASSISTANT,
                ("*thought", "<think>hm</think>\n"),
                ("*action", "<action>up</action><|im_end|>"),
            ],
        ],
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_response_mask_is_right(case):
    name, replies, turns, want = TABLE[case]
    template, _, episode = spoken(name, replies, turns)
    found = conversations(episode)
    assert [told(conversation, template) for conversation in found] == want
    assert row_of(episode).forks == len(want) - 1
    check(template, episode)


def check(template, episode):
    """What holds of every recorded episode."""
    found = conversations(episode)
    sampled = [number for conversation in found for number in conversation.generations]
    assert sorted(sampled) == [made.id for made in episode.generations]  # each in one place
    for conversation in found:
        assert conversation.ids == [*conversation.prompt_ids, *conversation.response_ids]
        mask, roles, logprobs = conversation.response_mask, conversation.response_roles, conversation.response_logprobs
        assert len(mask) == len(roles) == len(logprobs) == len(conversation.response_ids)
        assert not any(conversation.mask()[: conversation.prompt_length])
        for inside, role, logprob in zip(mask, roles, logprobs, strict=True):
            assert inside == (role in RESPONSE_ROLES) == (logprob != 0)
        for number in conversation.generations:
            made = episode.generations[number]
            places = [i for i, by in enumerate(conversation.sampled_by) if by == number]
            assert tuple(conversation.ids[i] for i in places) == made.completion.token_ids
            assert tuple(conversation.logprobs[i] for i in places) == made.completion.logprobs
            assert tuple(conversation.ids[: places[0]]) == episode.prompt_token_ids(number)
    for made in episode.generations:
        assert template is None or template.codec.drifts(made.completion.token_ids) == made.drift


def test_the_policy_is_asked_in_tokens_that_only_grow():
    template, policy, episode = spoken("ours", ["<think>a</think>up", "down", "left"], [[user("b")], [user("c")]])
    before = ()
    for request, made in zip(policy.asked, episode.generations, strict=True):
        assert request.token_ids[: len(before)] == before
        assert request.token_ids == episode.prompt_token_ids(made.id)
        assert request.messages == episode.prompt(made.id)
        before = (*request.token_ids, *made.completion.token_ids)
    (conversation,) = conversations(episode)
    whole = template.prompt_ids(episode.prompt(2))
    assert conversation.ids[: len(whole)] == whole  # where nothing drifts, what rendering everything would give


# Forks


def test_thoughts_that_a_template_drops_are_a_fork_each_time():
    template, policy, episode = spoken("stripping", [THOUGHTFUL], [[user(f"turn {i}")] for i in range(5)])
    assert [made.fork for made in episode.generations] == [None, *[Fork.TEMPLATE] * 5]
    assert row_of(episode).forks == 5
    assert len(conversations(episode)) == 6
    for made, request in zip(episode.generations, policy.asked, strict=True):
        assert list(request.token_ids) == template.prompt_ids(episode.prompt(made.id))
    # What is written anew begins with the answer that lost its thought, never further back.
    own = [len(made.own_prompt_token_ids) for made in episode.generations]
    assert max(own[2:]) - min(own[2:]) <= 2 and own[2] < own[0] + 20
    check(template, episode)


def test_thoughts_stay_while_only_tools_answer():
    turns = [[result("a wall")], [result("a door")], [user("and?")], [result("x")]]
    template, policy, episode = spoken("stripping", [THOUGHTFUL], turns)
    assert [made.fork for made in episode.generations] == [None, None, None, Fork.TEMPLATE, None]
    for made, request in zip(episode.generations, policy.asked, strict=True):
        assert list(request.token_ids) == template.prompt_ids(episode.prompt(made.id))
    check(template, episode)


@pytest.mark.parametrize("reply", ["up", "hm</think>\nup"])
def test_a_thought_that_the_prompt_opens_is_written_anew(reply):
    template, policy, episode = spoken("opening a thought", [reply], [[user("a")], [user("b")]])
    assert [made.fork for made in episode.generations] == [None, Fork.TEMPLATE, Fork.TEMPLATE]
    for made, request in zip(episode.generations, policy.asked, strict=True):
        assert list(request.token_ids) == template.prompt_ids(episode.prompt(made.id))
    check(template, episode)


def test_tools_that_move_are_a_fork_from_where_they_stood():
    template, policy, episode = spoken("tools last", ["up"], [[user("a")], [result("b")], [user("c")]], tools=TOOLS)
    assert [made.fork for made in episode.generations] == [None, Fork.TEMPLATE, None, Fork.TEMPLATE]
    for made, request in zip(episode.generations, policy.asked, strict=True):
        assert list(request.token_ids) == template.prompt_ids(episode.prompt(made.id), TOOLS)
    check(template, episode)


def test_replies_that_a_template_would_trim_stay_as_they_were_sampled():
    template, policy, episode = spoken("trimming", ["  up \n"], [[user("a")], [user("b")]])
    assert row_of(episode).forks == 0
    assert template.decode(policy.asked[-1].token_ids).count("assistant\n  up \n<|im_end|>") == 2


def test_history_that_the_agent_changes_is_a_fork():
    template = chat("ours")

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["up"])
        first = await session.ask(policy, OPENING)
        await session.ask(policy, [*OPENING, assistant("something else"), user("a")])
        await session.ask(policy, [OPENING[0], user("(1 turn left out)"), user("a")])
        last = await session.ask(policy, [*OPENING, reply_message(first.completion), user("b")], parent=first)
        return session.episode(EpisodeEnd.SUBMITTED), last

    episode, last = asyncio.run(go())
    episode = recorded(episode)
    assert [made.fork for made in episode.generations] == [None, Fork.HISTORY, Fork.HISTORY, None]
    assert last.kept_tokens == len(episode.prompt_token_ids(0)) + len(episode.generations[0].completion.token_ids)
    check(template, episode)
    for made in episode.generations:
        assert list(episode.prompt_token_ids(made.id)) == template.prompt_ids(episode.prompt(made.id))


def test_branches_of_a_search_do_not_touch_each_other():
    template = chat("ours")

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["up", "down", "left"])
        first = await session.ask(policy, OPENING)
        tips = [(first, [*OPENING, reply_message(first.completion)])] * 3
        for depth in range(3):
            for branch, (parent, messages) in enumerate(tips):
                asked = [*messages, user(f"branch {branch}, depth {depth}")]
                made = await session.ask(policy, asked, parent=parent)
                tips[branch] = (made, [*asked, reply_message(made.completion)])
        return session.episode(EpisodeEnd.SUBMITTED), policy.asked

    episode, asked = asyncio.run(go())
    episode = recorded(episode)
    check(template, episode)
    assert row_of(episode).forks == 0
    assert [conversation.generations for conversation in conversations(episode)] == [[0, 1, 4, 7], [2, 5, 8], [3, 6, 9]]
    for made, request in zip(episode.generations, asked, strict=True):
        assert list(request.token_ids) == template.prompt_ids(episode.prompt(made.id))
        assert request.token_ids == episode.prompt_token_ids(made.id)


def test_siblings_share_their_prompt_and_are_no_fork():
    template = chat("ours")
    turn = [*OPENING, assistant("up"), user("a")]

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["up", "down", "left", "right"])
        await session.ask(policy, OPENING)
        made = await session.ask_many(policy, [turn, turn, [*OPENING, assistant("up"), user("b")]])
        more = [*turn, reply_message(made[1].completion), user("c")]
        await session.ask(policy, more, parent=made[1])
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    assert [made.fork for made in episode.generations] == [None] * 5
    assert [made.parent for made in episode.generations] == [None, 0, 1, 1, 2]
    assert episode.generations[2].own_prompt_token_ids == ()
    found = conversations(episode)
    assert [conversation.generations for conversation in found] == [[0, 1], [2, 4], [3]]
    check(template, episode)
    for made in episode.generations:
        assert list(episode.prompt_token_ids(made.id)) == template.prompt_ids(episode.prompt(made.id))


def test_two_policies_in_one_conversation_keep_a_buffer_each():
    one, other = Speaker(chat("ours"), ["up"]), Speaker(chat("chatml"), ["down"])
    other.name = "other"

    async def go():
        session = new_session()
        await session.reset()
        messages = list(OPENING)
        for policy in (one, other, one, other):
            made = await session.ask(policy, messages)
            messages = [*messages, reply_message(made.completion), user("go on")]
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    check(None, episode)
    for made in episode.generations:
        template = one.chat if made.policy == "speaker" else other.chat
        assert list(episode.prompt_token_ids(made.id)) == template.prompt_ids(episode.prompt(made.id))


def test_the_beginning_of_an_answer_is_no_response():
    template = chat("ours")

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["hm</think><action>up</action>", "down"])
        begun = [*OPENING, assistant("<think>")]
        made = await session.ask(policy, begun)
        joined = assistant("<think>" + made.completion.text)
        await session.ask(policy, [*OPENING, joined, user("a")])
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    (conversation,) = conversations(episode)
    assert told(conversation, template) == [
        *OURS[:2],
        ("prompt", "<|end|><|assistant|><think>"),
        ("*thought", "hm</think>"),
        ("*action", "<action>up</action><|end|>"),
        ("prompt", "<|user|>"),
        ("observation", "a"),
        ("prompt", "<|end|><|assistant|>"),
        ("*action", "down<|end|>"),
    ]
    assert row_of(episode).forks == 0


def test_an_answer_that_was_cut_off_can_go_on():
    template = chat("ours")

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, [Cut("<think>h"), "m</think>up"])
        made = await session.ask(policy, OPENING)
        await session.ask(policy, [*OPENING, reply_message(made.completion)])
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    (conversation,) = conversations(episode)
    assert template.decode(conversation.response_ids) == "<think>hm</think>up<|end|>"
    assert all(conversation.response_mask)


# Drift


def test_tokens_that_drift_are_kept_and_reported():
    template = chat("ours")
    spelt = [number for letter in "<think>hm</think>up" for number in template.encode(letter)]
    spelt.append(template.end_of_turn)
    policy = Speaker(template, [spelt, "down"])
    episode = recorded(talk(policy, OPENING, [[user("a")], [user("b")]]))
    assert template.encode(template.decode(spelt)) != spelt
    assert [made.drift for made in episode.generations] == [True, False, True]
    assert (row_of(episode).replies, row_of(episode).drifted) == (3, 2)
    assert tuple(policy.asked[1].token_ids)[-len(spelt) - 4 :][: len(spelt)] != ()
    (conversation,) = conversations(episode)
    check(template, episode)
    assert told(conversation, template, conversation.prompt_length)[:3] == [
        ("*thought", "<think>hm</think>"),
        ("*action", "up<|end|>"),
        ("prompt", "<|user|>"),
    ]
    assert conversation.response_ids[: len(spelt)] == spelt
    assert conversation.ids != template.encode(template.decode(conversation.ids))


@pytest.mark.parametrize("name", ["ours", "stripping"])
def test_tokens_that_drift_are_kept_in_a_fork_too(name):
    template = chat(name)
    spelt = [number for letter in "up <|end|>" for number in template.encode_content(letter)]
    policy = Speaker(template, [[*spelt, template.end_of_turn], "down", THOUGHTFUL])

    async def go():
        session = new_session()
        await session.reset()
        made = await session.ask(policy, OPENING)
        late = [user("(left out)"), reply_message(made.completion), user("a")]
        made = await session.ask(policy, late)
        made = await session.ask(policy, [*late, reply_message(made.completion), result("b")])
        await session.ask(policy, [late[0], late[1], user("c")])

    asyncio.run(go())
    for request in policy.asked[1:]:
        at = request.token_ids.index(spelt[0])
        assert list(request.token_ids[at : at + len(spelt)]) == spelt
        assert request.token_ids[at + len(spelt)] == template.end_of_turn


# What a session adds


def test_prompts_are_counted_exactly_and_tokenised_once(monkeypatch):
    template = chat("ours")
    rendered = []
    real = type(template).render
    monkeypatch.setattr(
        type(template), "render", lambda self, *args, **kwargs: rendered.append(1) or real(self, *args, **kwargs)
    )

    async def go():
        session = new_session()
        await session.reset()
        policy, messages = Speaker(template, ["up"]), list(OPENING)
        for turn in range(3):
            counted = session.count_prompt_tokens(policy, messages)
            before = len(rendered)
            made = await session.ask(policy, messages)
            assert len(rendered) == before
            assert counted == made.completion.usage.prompt_tokens == len(policy.asked[-1].token_ids)
            messages += [reply_message(made.completion), user(f"turn {turn}")]
        assert session.count_prompt_tokens(ScriptedPolicy(["up"]), messages) == 12

    asyncio.run(go())


def test_a_prompt_that_leaves_no_room_ends_its_episode_with_one_sentence():
    template = chat("ours")
    length = len(template.prompt_ids(OPENING))

    async def go(context):
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["up"], context_length=context)
        made = await session.ask(policy, OPENING)
        return made.request.sampling.max_tokens

    assert asyncio.run(go(length + 1)) == 1
    assert asyncio.run(go(length + 100)) == 100
    assert asyncio.run(go(None)) == 512
    with pytest.raises(PolicyError) as caught:
        asyncio.run(go(length))
    assert str(caught.value).count(str(length)) == 2 and "speaker" in str(caught.value)


def test_token_ids_count_for_the_budget():
    template = chat("ours")
    length = len(template.prompt_ids(OPENING))
    policy = Speaker(template, ["up"])
    assert talk(policy, OPENING, [], budget=Budget(prompt_tokens=length)).ledger.prompt_tokens == length


def test_what_depends_on_the_load_is_recorded_beside_the_clock():
    _, _, episode = spoken("ours", ["up"], [[user("a")]])
    assert [made.completion.usage.forwarded_tokens for made in episode.generations] == [0, 0]
    assert episode.timing["forwarded_tokens"] == 14


def test_ids_of_prompts_are_recorded_once():
    _, _, episode = spoken("ours", ["up"], [[user("a")]] * 6)
    own = [made.own_prompt_token_ids for made in episode.generations]
    assert sum(map(len, own)) + 7 * 2 == len(conversations(episode)[0])
    assert all(made.completion.prompt_token_ids is None for made in episode.generations)


def test_an_agent_may_send_tokens_itself():
    template = chat("ours")

    async def go():
        session = new_session()
        await session.reset()
        policy = Speaker(template, ["up"])
        ids = tuple(template.prompt_ids(OPENING))
        made = await session.ask(policy, Request(token_ids=ids))
        more = (*ids, *made.completion.token_ids, *template.encode("<|user|>a<|end|><|assistant|>"))
        await session.ask(policy, Request(token_ids=more))
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    (conversation,) = conversations(episode)
    assert [role for role, _ in told(conversation, template)] == ["prompt", "*action", "observation", "*action"]


def test_log_probabilities_that_do_not_fit_are_the_policys_error():
    template = chat("ours")

    class Wrong(Speaker):
        async def generate(self, requests):
            made = await super().generate(requests)
            return [one.model_copy(update={"logprobs": one.logprobs[1:]}) for one in made]

    with pytest.raises(PolicyError, match="1 log-probabilities for 2 tokens"):
        talk(Wrong(template, ["up"]), OPENING, [])


# Records


def test_records_of_the_first_version_are_read():
    episodes = list(read_episodes(FOLDER.parent / "leaderboard" / "version-1.jsonl"))
    assert episodes
    for episode in episodes:
        assert all(made.completion.token_ids is not None for made in episode.generations) or not conversations(episode)
        assert row_of(episode).forks == row_of(episode).replies == 0


def test_token_ids_without_roles_are_read_by_their_place():
    _, _, episode = spoken("ours", ["up"], [[user("a")]])
    bare = [made.model_copy(update={"spans": (), "prompt_spans": ()}) for made in episode.generations]
    (conversation,) = conversations(episode.model_copy(update={"generations": tuple(bare)}))
    assert [role for role, _ in told(conversation, chat("ours"))] == ["prompt", "*action", "observation", "*action"]


def test_a_record_that_keeps_more_than_there_is_is_refused():
    _, _, episode = spoken("ours", ["up"], [[user("a")]])
    first, second = episode.generations
    wrong = episode.model_copy(update={"generations": (first, second.model_copy(update={"kept_tokens": 999}))})
    with pytest.raises(MalformedData, match="keeps 999 tokens"):
        conversations(wrong)


def test_replies_in_text_alone_have_roles_and_no_conversation():
    async def go():
        session = new_session()
        await session.reset()
        await session.ask(ScriptedPolicy([THOUGHTFUL]), "go")
        return session.episode(EpisodeEnd.SUBMITTED)

    episode = recorded(asyncio.run(go()))
    assert [str(span.role) for span in episode.generations[0].spans] == ["thought", "action"]
    assert episode.generations[0].drift is None
    assert conversations(episode) == []


def test_a_record_that_contradicts_itself_is_refused():
    conversation = Conversation()
    with pytest.raises(MalformedData, match="2 log-probabilities for 3"):
        conversation.sample(0, [1, 2, 3], logprobs=[0.1, 0.2])
    with pytest.raises(MalformedData, match="observation"):
        Conversation().sample(0, [1, 2, 3], [Span(role=Role.OBSERVATION, start=0, end=2)])
    with pytest.raises(MalformedData, match="no part"):
        Conversation().sample(0, [1, 2, 3], [Span(role=Role.THOUGHT, start=0, end=9)])


# Written conversations


def test_what_experts_wrote_is_what_a_model_would_have_sampled():
    _, _, episode = spoken("ours", [THOUGHTFUL, "down"], [[user("a")]])
    messages = [*episode.prompt(1), reply_message(episode.generations[1].completion)]
    (sampled,) = conversations(episode)
    made = written(chat("ours"), messages)
    assert (made.ids, made.runs) == (sampled.ids, sampled.runs)
    assert made.logprobs is None


def test_a_template_that_strips_thoughts_cannot_teach_them_in_one_conversation():
    messages = [*OPENING, assistant(THOUGHTFUL), user("a"), assistant("up")]
    with pytest.raises(TemplateRefusal, match="anew"):
        written(chat("stripping"), messages)
    assert told(written(chat("stripping"), messages[:3]), chat("stripping"))[-1] == (
        "*action",
        "<action>up</action><|im_end|>",
    )


# Properties


TAGS = ("<think>", "</think>", "<action>", "</action>", "<plan>", "</plan>", "<sub_done>", "<|im_end|>", "<|end|>")
WORDS = st.sampled_from([*TAGS, "up", " down", "\n", " ", "é🙂", "<think>\nhm\n</think>\n\nleft"])
TEXT = st.lists(WORDS, min_size=1, max_size=5).map("".join)


@st.composite
def replies(draw):
    template = chat("ours")
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return draw(TEXT.map(Cut))
    if kind == 1:
        return draw(TEXT)
    ids = draw(st.lists(st.integers(6, 2047), min_size=1, max_size=12))
    return [*ids, template.end_of_turn]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(["ours", "chatml", "stripping", "opening a thought", "trimming", "tools last"]),
    st.lists(replies(), min_size=1, max_size=4),
    st.lists(st.lists(st.tuples(st.sampled_from([user, result]), TEXT), min_size=1, max_size=2), max_size=5),
)
def test_any_conversation_keeps_its_tokens_roles_and_log_probabilities(name, said, turns):
    template, policy, episode = spoken(name, said, [[say(text) for say, text in turn] for turn in turns])
    check(template, episode)
    for request, made in zip(policy.asked, episode.generations, strict=True):
        assert request.token_ids == episode.prompt_token_ids(made.id)
        assert request.messages == episode.prompt(made.id)
    if row_of(episode).forks == 0:
        assert len(conversations(episode)) == 1


# Cost


@pytest.mark.parametrize("name", ["ours", "chatml", "stripping"])
def test_a_conversation_costs_in_proportion_to_its_length(name, monkeypatch):
    template = chat(name)
    work = []
    encode, decode = template.codec._encode, template.codec._decode
    monkeypatch.setattr(template.codec, "_encode", lambda text: work.append(len(text)) or encode(text))
    monkeypatch.setattr(template.codec, "_decode", lambda ids, show: work.append(len(ids)) or decode(ids, show))
    shown = []
    render = template._render

    def counted(**variables):
        shown.append(len(variables["messages"]))
        return render(**variables)

    monkeypatch.setattr(template, "_render", counted)

    def cost(turns):
        work.clear()
        shown.clear()
        talk(Speaker(template, [THOUGHTFUL]), OPENING, [[user("you see a wall and a door")]] * turns)
        return sum(work), sum(shown)

    cost(2)
    short, long = cost(8), cost(64)
    assert long[0] < 8.8 * short[0]
    assert long[1] < 8.8 * short[1]
