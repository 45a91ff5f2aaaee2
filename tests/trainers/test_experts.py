"""What experts say is true, and their prompts are those of the direct agent."""

import asyncio
import re
from itertools import pairwise

import pytest

pytest.importorskip("tokenizers")

from rlvr.agents.direct import DirectAgent, DirectConfig, Tally
from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import EpisodeSpec
from rlvr.agents.policies.doubles import WordPolicy
from rlvr.agents.reading import read_action
from rlvr.agents.session import Session
from rlvr.agents.types import Completion
from rlvr.tasks.errors import UserError
from rlvr.tasks.rng import Rng
from rlvr.tasks.task import split_of
from rlvr.trainers.experts.bandit import index
from rlvr.trainers.experts.mix import Entry
from rlvr.trainers.experts.numbers import calculations, digits_text
from rlvr.trainers.experts.play import PLAN, Stage

ENVS = {
    "maze-v0": "5x5",
    "maze-path-v0": "5x5",
    "sokoban-v0": "6x6-1",
    "bandit-v0": "bernoulli-5-easy",
    "game24-v0": "easy",
    "game24-text-v0": "easy",
    "countdown-v0": "3-numbers",
    "arithmetic-v0": "easy",
    "aime-v0": "easy",
}


def entry(env, **settings):
    kwargs = {"horizon": 12} if env == "bandit-v0" else {}
    return Entry(name="test", env=f"rlvr/{env}", **{"kwargs": kwargs, "levels": {ENVS[env]: 1}, **settings})


def documents(made, episodes=4):
    stage = Stage(made)
    return [document for number in range(episodes) for document in stage.play(Rng.named("test", number))]


def replies(document):
    return [message.content for message, _ in document.messages if message.role == "assistant"]


class Prompter(WordPolicy):
    """Says what a demonstration says, and keeps the prompts."""

    name = "prompter"

    def __init__(self, said):
        self.said, self.prompts = said, []

    def reply(self, request):
        self.prompts.append([(message.role, message.content) for message in request.messages])
        return self.said[len(self.prompts) - 1]


def prompts_of_the_direct_agent(env, document, config, said):
    """Let the direct agent play the task of a document with given replies, and return its prompts."""
    made = make_text_env(f"rlvr/{env}", entry(env).kwargs)
    spec = EpisodeSpec("run", "entry", 0, 0, f"rlvr/{env}", options={"task": {**document.task, "split": "train"}})
    policy = Prompter(said)
    session = Session(made, spec)

    async def play():
        agent = DirectAgent(policy=policy, config=config)
        with pytest.raises(IndexError):
            await agent.run(session)
            raise IndexError

    asyncio.run(play())
    return policy.prompts


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("form", ["raw", "tag", "think", "json", "boxed", "last_line", "plan"])
def test_whole_conversations_are_byte_by_byte_those_of_the_direct_agent(env, form):
    made = entry(env, forms={form: 1}, noise=0.2, legal=0.5, turns=5)
    extraction = {"tag": "auto", "think": "auto", "plan": "auto"}.get(form, form)
    for document in documents(made, 3):
        messages = [(message.role, message.content) for message, _ in document.messages]
        if "left out.)" in messages[1][1]:
            continue  # begins in the middle of an episode
        config = DirectConfig(
            extraction=extraction,
            show_legal_actions="Legal actions:" in messages[1][1],
            system=PLAN if form == "plan" else None,
        )
        prompts = prompts_of_the_direct_agent(env, document, config, replies(document))
        asked = [at for at, (role, _) in enumerate(messages) if role == "assistant"]
        assert [messages[:at] for at in asked] == prompts[: len(asked)]
        assert not asked or document.messages[-1][1]


@pytest.mark.parametrize("history", ["0", "1", "3", "summary"])
@pytest.mark.parametrize("env", ["maze-v0", "bandit-v0"])
def test_single_steps_are_byte_by_byte_the_prompts_of_the_direct_agent(env, history):
    """All steps of an episode are kept; put in order, each prompt is the agent's after the replies before it."""
    made = entry(env, forms={"tag": 1}, histories={history: 1}, steps=1000)
    (document, *_) = found = documents(made, 1)
    found = sorted(found, key=lambda one: order(one, history))
    said = [one.messages[-1][0].content for one in found]
    config = DirectConfig(history=history if history == "summary" else int(history))
    prompts = prompts_of_the_direct_agent(env, document, config, said)
    assert len(found) > 5
    assert [[(message.role, message.content) for message, _ in one.messages[:-1]] for one in found] == prompts[
        : len(found)
    ]
    assert all([learned for _, learned in one.messages] == [False] * (len(one.messages) - 1) + [True] for one in found)


def test_legal_actions_are_listed_in_their_share_of_episodes():
    listed = ["Legal actions: " in one.messages[1][0].content for one in documents(entry("maze-v0", legal=0.5), 40)]
    assert 8 < sum(listed) < 32
    assert not any("Legal actions: " in one.messages[1][0].content for one in documents(entry("maze-v0"), 10))


def test_where_no_thought_came_before_every_reply_searches_anew():
    made = entry("maze-v0", forms={"think": 1}, thoughts={"search": 1}, histories={"0": 1}, steps=100)
    found = documents(made, 3)
    assert len(found) > 15
    assert all(": " in one.messages[-1][0].content for one in found)


def test_the_bandits_index_is_ucb1s_with_two_digits():
    assert index(4, "0.50", 16) == ("0.59", "1.09")
    assert index(1, "-0.25", 2) == ("0.59", "0.34")


def order(document, history):
    said = document.messages[1][0].content
    number = re.search(r"of the (\d+) turn" if history == "summary" else r"\((\d+) earlier turn", said)
    return (int(number[1]) if number else 0, len(document.messages))


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("form", ["raw", "tag", "think", "json", "boxed", "last_line", "plan-think"])
def test_the_agent_reads_the_experts_action_and_playing_it_succeeds(env, form):
    stage = Stage(entry(env, forms={form: 1}))
    rule = {"tag": "auto", "think": "auto", "plan-think": "auto"}.get(form, form)
    rules = stage.env.rules
    if rules.judged and rule == "auto":
        rule = "raw"
    for number in range(4):
        for document in stage.play(Rng.named("test", number)):
            task = rules.task_type.model_validate(document.task)
            state = rules.initial(task)
            for text in replies(document):
                action = read_action(Completion(text=text), rule, rules.actions).action
                state = rules.step(state, rules.parse(state, action)).state
            assert rules.is_success(state) or env == "bandit-v0"


def test_steps_beside_the_experts_are_not_learned_and_the_answer_to_them_is():
    clean = documents(entry("maze-v0"), 20)
    noisy = documents(entry("maze-v0", noise=0.3), 20)
    assert all(learned == (message.role == "assistant") for one in clean for message, learned in one.messages)
    share = [learned for one in noisy for message, learned in one.messages if message.role == "assistant"]
    assert 0.6 < sum(share) / len(share) < 0.9
    assert all(one.messages[-1][1] for one in noisy)


def test_the_thought_of_a_maze_is_the_way_that_is_walked():
    for document in documents(entry("maze-v0", forms={"think": 1}), 10):
        thoughts = [re.fullmatch(r"<think>(.*)</think><action>(\w+)</action>", text) for text in replies(document)]
        assert all(found[1].split()[0] == found[2] for found in thoughts)
        assert all(a[1].split()[1:] == b[1].split() for a, b in pairwise(thoughts))


def test_the_search_of_a_maze_enters_neighbours_only_and_ends_at_the_exit():
    for document in documents(entry("maze-v0", forms={"think": 1}, thoughts={"search": 1}), 20):
        first, *others = replies(document)
        found = re.fullmatch(r"<think>(.*): ([a-z ]+)</think><action>\w+</action>", first)
        cells = [tuple(map(int, cell.split(","))) for cell in found[1].replace("back ", "@").replace("@", "").split()]
        back = [word == "back" for word in found[1].split()]
        task = document.task
        assert cells[0] == tuple(task["start"]) and cells[-1] == tuple(task["goal"])
        came = [at for at, word in enumerate(found[1].split()) if word != "back"]
        for place, (a, b) in enumerate(pairwise(cells)):
            jump = back[came[place + 1] - 1]
            assert jump == (b in cells[: place + 1])
            assert jump or abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1
        assert all(":" not in text for text in others)


def test_the_thought_of_sokoban_names_the_pushes_that_follow():
    for document in documents(entry("sokoban-v0", forms={"think": 1}), 10):
        said = [
            re.fullmatch(r"<think>push ([a-z ]+?)(?:, walk ([a-z ]+))?</think>.*", text) for text in replies(document)
        ]
        observations = [m.content for m, _ in document.messages if m.role == "user"]
        pushed = [re.match(r"You pushed a box (\w+)", text)[1] for text in observations if "You pushed" in text]
        pushed.append(said[-1][1])
        assert said[0][1].replace(" then", "").split() == pushed
        assert all(
            (found[2] or found[1]).split()[0] == re.search("<action>(.*)</action>", found[0])[1] for found in said
        )


@pytest.mark.parametrize(
    ("left", "sign", "right", "text"),
    [
        (47, "+", 85, "7+5=12, 4+8+1=13: 132"),
        (5, "+", 3, "5+3=8: 8"),
        (999, "+", 1, "9+1=10, 9+0+1=10, 9+0+1=10: 1000"),
        (52, "-", 18, "12-8=4, 5-1-1=3: 34"),
        (100, "-", 1, "10-1=9, 10-0-1=9, 1-0-1=0: 99"),
        (18, "-", 52, "52-18: 12-8=4, 5-1-1=3: 34, so -34"),
    ],
)
def test_column_arithmetic(left, sign, right, text):
    assert digits_text(left, sign, right) == text


def test_every_calculation_in_a_thought_is_true():
    fields = {"forms": {"think": 1}, "levels": {"easy": 1, "medium": 1, "hard": 1}}
    for env in ("arithmetic-v0", "game24-v0", "game24-text-v0"):
        for document in documents(entry(env, **fields), 40):
            for text in replies(document):
                thought = re.match("<think>(.*)</think>", text)
                for part in re.findall(r"[-(\d][^,:=]*=[^,:=]*", thought[1]):
                    left, right = part.split("=")
                    assert calculations(left)[-1][3] == int(right), part


def test_the_steps_of_an_expression_come_innermost_first():
    done = calculations(r"60 \div 5 - (58 + 48) \times 2")
    assert [f"{a}{sign}{b}={result}" for a, sign, b, result in done] == [
        "60/5=12",
        "58+48=106",
        "106*2=212",
        "12-212=-200",
    ]
    assert calculations(r"\frac{1}{2} + 3") is None and calculations("2^{3}") is None


def test_the_bandit_expert_follows_the_numbers_that_the_prompt_shows():
    made = entry("bandit-v0", forms={"raw": 1}, histories={"summary": 1}, noise=0.3, steps=100)
    checked = 0
    for document in documents(made, 10):
        prompt, answer = document.messages[1][0].content, document.messages[-1][0].content
        shown = re.findall(r"^- (.+): (\d+) times(?:, mean reward (-?[\d.]+))?$", prompt, re.M)
        if not shown:
            continue
        turns = sum(int(times) for _, times, _ in shown)
        untried = [name for name, times, _ in shown if times == "0"]
        best = max(shown, key=lambda row: float(index(int(row[1]), row[2], turns)[1]))[0] if not untried else untried[0]
        assert answer == best
        checked += not untried
    assert checked > 20


def test_a_scan_of_the_bandit_names_the_first_option_that_is_known_too_little_else_the_best_mean():
    options = {"histories": {"summary": 1}, "thoughts": {"scan": 1}, "levels": {"bernoulli-5-easy": 1}}
    made = entry("bandit-v0", kwargs={"horizon": 50}, forms={"think": 1}, noise=0.3, steps=100, **options)
    explored = chosen = 0
    for document in documents(made, 10):
        prompt, answer = document.messages[1][0].content, document.messages[-1][0].content
        shown = re.findall(r"^- (.+): (\d+) times(?:, mean reward (-?[\d.]+))?$", prompt, re.M)
        thought, action = re.fullmatch("<think>(.*)</think><action>(.*)</action>", answer).groups()
        parts = thought.split("; ")
        rare = next((place for place, row in enumerate(shown) if int(row[1]) < 3), None)
        if not shown:
            assert len(parts) == 1 and thought == f"{action} 0"
            continue
        best = ""
        for place, (part, (name, times, mean)) in enumerate(zip(parts, shown, strict=False)):
            if place == rare:
                assert part == f"{name} {times}" and action == name
                break
            if not best:
                assert part == f"{name} {times} {mean}"
                best, highest = name, mean
                continue
            leader = name if float(mean) > float(highest) else best
            assert part == f"{name} {times} {mean} over {highest}: {leader}"
            if leader == name:
                best, highest = name, mean
        assert len(parts) == (len(shown) if rare is None else rare + 1)
        if rare is None:
            assert action == best
        explored, chosen = explored + (rare is not None), chosen + (rare is None)
    assert explored > 20 and chosen > 20


def test_a_plan_has_numbered_goals_and_every_one_is_marked_as_done_once():
    for env in ("maze-v0", "sokoban-v0", "game24-v0"):
        for document in documents(entry(env, forms={"plan": 1}), 10):
            first, *others = replies(document)
            plan = re.match(r"<plan>\n(.*)\n</plan><action>", first, re.S)
            lines = plan[1].split("\n")
            assert 1 <= len(lines) <= 8
            assert [line.split(". ")[0] for line in lines] == [str(n) for n in range(1, len(lines) + 1)]
            assert sum("</action><sub_done>" in text for text in (first, *others)) == len(lines)
            assert others == [] or others[-1].endswith("<sub_done>")
            assert all("<plan>" not in text for text in others)
            assert document.messages[0][0].content.startswith(PLAN)


def test_a_plan_is_followed_or_the_document_ends():
    for document in documents(entry("maze-v0", forms={"plan": 1}, noise=0.2), 40):
        lines = re.findall(r"^\d+\. ", replies(document)[0], re.M)
        assert sum("<sub_done>" in text for text in replies(document)) <= len(lines)


def test_widened_puzzles_belong_to_the_split_and_can_be_solved():
    stage = Stage(entry("game24-v0", widened=0.9))
    targets = set()
    for number in range(60):
        for document in stage.play(Rng.named("test", number)):
            task = stage.env.rules.task_type.model_validate(document.task)
            assert split_of(list(task.numbers)) == "train"
            targets.add(task.target)
    assert len(targets) > 20


def test_a_brief_prompt_leaves_out_the_rules_only():
    full, brief = (documents(entry("maze-v0", prompts={kind: 1}), 1)[0] for kind in ("full", "brief"))
    rules = Stage(entry("maze-v0")).env.instructions
    assert full.messages[0][0].content == f"{rules}\n\n{brief.messages[0][0].content}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"levels": {"6x6": 1}}, "no difficulty '6x6'"),
        ({"thoughts": {"serch": 1}}, "search"),
        ({"widened": 0.5}, "cannot be widened"),
    ],
)
def test_a_wrong_entry_is_refused_in_a_sentence(settings, said):
    with pytest.raises(UserError, match=said):
        Stage(entry("maze-v0", **settings))


def test_unread_tally_keeps_the_maze_expert_the_same():
    stage = Stage(entry("maze-v0"))
    state = stage.env.snapshot().state
    tally = Tally()
    tally.add("up", 1.0)
    assert stage.adviser.advise(stage.env, state, "way", tally) == stage.adviser.advise(
        stage.env, state, "way", Tally()
    )


@pytest.mark.parametrize("env", ENVS)
def test_the_same_generator_gives_the_same_documents_whatever_was_played_before(env):
    stage = Stage(entry(env, forms={"think": 1, "raw": 1}, noise=0.3))

    def play(number):
        return list(stage.play(Rng.named("test", number)))

    first = [play(number) for number in range(20)]
    assert all(first)
    assert [play(number) for number in reversed(range(20))] == first[::-1]


def test_an_environment_of_one_turn_has_no_steps_beside_the_experts():
    found = documents(entry("game24-text-v0", noise=0.9), 20)
    assert all(document.messages[-1][1] and len(document.messages) == 3 for document in found)


def test_a_hand_on_the_wall_leads_to_the_exit_of_every_maze_without_loops():
    stage = Stage(entry("maze-v0", forms={"think": 1}, thoughts={"wall": 1}))
    rules = stage.env.rules
    for number in range(40):
        for document in stage.play(Rng.named("test", number)):
            state = rules.initial(rules.task_type.model_validate(document.task))
            for text in replies(document):
                walls = re.findall(r"(\w+) wall", text)
                action = re.search("<action>(.*)</action>", text)[1]
                assert all(rules.step(state, rules.parse(state, wall)).state == state for wall in walls)
                state = rules.step(state, rules.parse(state, action)).state
            assert rules.is_success(state)
