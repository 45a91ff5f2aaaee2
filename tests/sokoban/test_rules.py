"""Playing: what a step does and costs, what is seen, what is legal, saved states, the expert, files of levels."""

import json

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.envs.testing import check
from rlvr.tasks.actions import match_action
from rlvr.tasks.data import registry
from rlvr.tasks.errors import MalformedData, MissingData, UnknownName, UserError
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Invalid, StopReason
from rlvr.tasks.sokoban.rules import COLOURS, SokobanRules
from rlvr.tasks.sokoban.source import LEVELS, SokobanSource, load_levels
from rlvr.tasks.sokoban.task import SokobanTask

from .reference import read, step

ROOM = "#######\n#.@$.##\n#  $  #\n#     #\n#######"
seeds = st.integers(0, 2**63 - 1)
moves = st.lists(st.sampled_from(["up", "down", "left", "right"]), max_size=40)


def play(level, *actions, **kwargs):
    env = gym.make("rlvr/sokoban-v0", **kwargs)
    results = [env.reset(seed=0, options={"task": SokobanTask(level=level)})]
    for action in actions:
        results.append(env.step(action))
    return results


def test_an_episode_step_by_step():
    first, *steps = play(ROOM, "up", "right", "left", "down", "down", "right", "up", "LEFT\n", "l", "u", "jump")
    assert first[0] == "Push the 2 boxes onto the 2 targets.\n\n#######\n#OPXO##\n#__X__#\n#_____#\n#######"
    assert first[1]["legal_actions"] == ("down", "left", "right")
    said = [observation.split("\n\n")[0] for observation, *_ in steps]
    assert said == [
        "There is a wall above you; you stay where you are.",
        "You pushed a box right onto a target.",
        "You moved left.",
        "You moved down.",
        "You moved down.",
        "You moved right.",
        "You pushed a box up.",
        "You moved left.",
        "You moved left.",
        "You moved up.",
        "Invalid action: this is not a direction. Accepted: go one step up, down, left or right (for example: up).",
    ]
    assert [reward for _, reward, *_ in steps] == pytest.approx([-0.1, 0.9, *[-0.1] * 8, 0.0])
    assert steps[-2][0].endswith("\n\n#######\n#S_X√##\n#_____#\n#_____#\n#######")
    assert [info["boxes_on_target"] for *_, info in steps] == [0, *[1] * 10]
    assert steps[-1][-1]["invalid"] == "this is not a direction" and not steps[-1][-1]["action_is_valid"]


@pytest.mark.parametrize(("reward", "rewards"), [("gym", [-0.1, -1.1, -0.1, 10.9]), ("sparse", [0, 0, 0, 1])])
def test_both_rewards_and_the_end(reward, rewards):
    results = play("######\n#    #\n#@*  #\n# *  #\n#    #\n######", "up", "u", reward=reward)[1:]
    assert [result[1] for result in results] == pytest.approx([rewards[0]] * 2)
    results = play("#######\n#@*   #\n#   * #\n#     #\n#######", "right", "up", "left", reward=reward)[1:]
    assert [result[1] for result in results] == pytest.approx([rewards[1], rewards[2], rewards[2]])
    (_, got, terminated, truncated, info) = play("#####\n#@$.#\n#####", "right", reward=reward)[-1]
    assert (got, terminated, truncated) == (pytest.approx(rewards[3]), True, False)
    assert info["score"] == 1.0 and info["is_success"] and info["stop_reason"] == StopReason.SOLVED
    assert info["legal_actions"] == ()
    assert info["message"] == "You pushed a box right onto a target; all boxes are on targets."
    along = play("########\n#@*.$  #\n#      #\n########", "right", reward=reward)[-1]
    assert along[-1]["message"] == "You pushed a box right from one target to the next."
    assert along[1] == pytest.approx(rewards[0])
    stuck = play("######\n#@$$.#\n#  . #\n######", "right", reward=reward)[-1]
    assert stuck[-1]["message"] == "The box to your right cannot move; you stay where you are."
    assert stuck[1] == pytest.approx(rewards[0])


def test_the_other_symbols():
    first, after = play("######\n#@$. #\n# +  #\n######".replace("+", "*"), "right", symbols="xsb")
    assert first[0].endswith("\n\n######\n#@$. #\n# *  #\n######")
    assert after[0].endswith("\n\n######\n# @* #\n# *  #\n######")
    with pytest.raises(UnknownName, match="letters"):
        SokobanRules(symbols="leters")
    with pytest.raises(UnknownName, match="sparse"):
        SokobanRules(reward="spars")  # type: ignore[arg-type]


@settings(max_examples=80, deadline=None)
@given(seeds, st.sampled_from(LEVELS), moves, st.sampled_from(["letters", "xsb"]))
def test_play_agrees_with_a_second_simulator(seed, name, actions, symbols):
    rules = SokobanRules(symbols=symbols)
    task = SokobanSource().sample(seed, None, name)
    walls, goals, boxes, player = read(task.level)
    drawn = dict(zip("# .$*@+", rules.symbols, strict=True))
    drawn = dict(zip("# .$*@+", (drawn[s] for s in "# .$*@+"), strict=True))
    state = rules.initial(task)
    keys = {}
    for action in [None, *actions]:
        if action is not None:
            before = len(boxes & goals)
            after = step(walls, boxes, player, action[0])
            assert (action in rules.legal_actions(state)) == (after is not None)
            boxes, player = after or (boxes, player)
            transition = rules.step(state, rules.parse(state, action))
            if after is None:
                assert transition.state is state
            state = transition.state
            assert transition.reward == pytest.approx(
                -0.1 + len(boxes & goals) - before + 10 * (boxes == goals and before < len(goals))
            )
            assert transition.terminated == (boxes == goals)
        rows = task.level.split("\n")
        expected = [list(row.ljust(max(map(len, rows)))) for row in rows]
        for row, line in enumerate(expected):
            for column in range(len(line)):
                cell = (row, column)
                on_goal = cell in goals
                kind = "wall" if cell in walls else "floor"
                if cell in boxes:
                    kind = "box"
                elif cell == player:
                    kind = "player"
                elif on_goal:
                    kind, on_goal = "goal", False
                line[column] = getattr(rules.symbols, kind + ("_on_goal" if on_goal and kind != "wall" else ""))
        view = rules.view(state)
        assert view == "\n".join(map("".join, expected))
        assert keys.setdefault(view, rules.key(state)) == rules.key(state)
        assert len(set(keys.values())) == len(keys)
        assert rules.score(state) == float(boxes == goals) == float(rules.is_success(state))
        assert rules.extra_info(state)["boxes_on_target"] == len(boxes & goals)
        saved = json.loads(json.dumps(rules.state_to_json(state)))
        assert rules.state_from_json(task, saved) == state
        assert hash(rules.state_from_json(task, saved)) == hash(state)
        if boxes == goals:
            break


@settings(max_examples=200, deadline=None)
@given(st.text() | st.sampled_from([" Up", "RIGHT\t", "l", "D", "uu", "up down", "", "√", "u" * 5000]))
def test_any_text_is_parsed_as_the_grammar_says_and_never_raises(text):
    rules = SokobanRules()
    state = rules.initial(SokobanTask(level=ROOM))
    action = rules.parse(state, text)
    assert isinstance(action, Invalid) == (match_action(rules.actions, text) is None)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(LEVELS), moves)
def test_the_expert_solves_from_wherever_play_has_come_to_or_knows_that_nobody_can(seed, name, actions):
    rules = SokobanRules()
    state = rules.initial(SokobanSource().sample(seed, "test", name))
    for action in actions[:12]:
        if rules.is_success(state):
            break
        state = rules.step(state, rules.parse(state, action)).state
    plan = rules.solve(state)
    for action in plan or []:
        assert action in rules.legal_actions(state)
        state = rules.step(state, rules.parse(state, action)).state
    assert rules.is_success(state) == (plan is not None)


def test_the_expert_falls_back_on_the_solution_that_came_with_the_task():
    task = SokobanSource().sample(5, None, "10x10-4")
    rules = SokobanRules(max_nodes=2)
    state = rules.initial(task)
    names = {"u": "up", "d": "down", "l": "left", "r": "right"}
    assert rules.solve(state) == [names[letter] for letter in task.solution.lower()]
    for action in rules.solve(state)[:9]:
        state = rules.step(state, rules.parse(state, action)).state
    assert rules.solve(state) == [names[letter] for letter in task.solution.lower()[9:]]
    assert rules.solve(rules.initial(SokobanTask(level=task.level))) is None


def test_every_horizon_leaves_room_for_the_known_solution():
    source = SokobanSource()
    for seed in range(40):
        task = source.sample(seed, "test", LEVELS[seed % 4])
        assert SokobanRules().horizon(task) >= 4 * len(task.solution) and SokobanRules().horizon(task) >= 40


def test_the_picture_has_a_colour_for_each_kind_of_cell():
    env = gym.make("rlvr/sokoban-v0", render_mode="rgb_array", symbols="xsb")
    env.reset(seed=0, options={"task": SokobanTask(level="######\n#+$* #\n#    #\n######")})
    picture = env.render()
    assert picture.dtype == np.uint8 and picture.shape == (4 * 16, 6 * 16, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 5
    assert gym.make("rlvr/sokoban-v0", render_mode="ansi").reset(seed=0)[0]


@pytest.mark.parametrize("kwargs", [{}, {"difficulty": "8x8-3", "reward": "sparse", "symbols": "xsb"}])
def test_the_kit_finds_nothing_wrong(kwargs):
    report = check("rlvr/sokoban-v0", quick=True, kwargs=kwargs)
    assert report.ok, report.render()


# Files of levels


@pytest.mark.data
def test_the_recorded_levels_are_environments(shared_data):
    folder = shared_data / "sokoban_boxoban"
    env = gym.make("rlvr/boxoban-v0", data=str(folder))
    source = env.unwrapped.source
    assert source.splits == ("valid", "test")
    assert set(source.difficulties) == {"hard", "medium", "unfiltered"}
    rows = [json.loads(line) for line in (folder / "hard.jsonl").read_text().splitlines()[:3]]
    for row in rows:
        observation, info = env.reset(options={"item": row["id"]})
        assert observation.startswith("Push the 4 boxes onto the 4 targets.")
        assert info["steps_left"] == 4 * row["solution_moves"]
        for letter in row["solution"].lower():
            *_, info = env.step(letter)
        assert info["is_success"]
    assert env.unwrapped.label.item == rows[-1]["id"]
    assert gym.make("rlvr/boxoban-v0", data=str(folder)).unwrapped.source is source


def test_text_files_are_read_with_their_folders_as_difficulty_and_split(tmp_path):
    level = "#####\n#@$.#\n#####"
    for name in ("unfiltered/train/000.txt", "medium/valid/000.txt", "hard/000.txt", "hard/001.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"; 0\n{level}\n\n; 1\n{level}\n")
    source = load_levels("boxoban", tmp_path)
    assert [(task.split, task.difficulty, task.item) for task in source.tasks] == [
        ("train", "unfiltered", "unfiltered-train-000-0"),
        ("train", "unfiltered", "unfiltered-train-000-1"),
        ("valid", "medium", "medium-valid-000-0"),
        ("valid", "medium", "medium-valid-000-1"),
        ("test", "hard", "hard-000-0"),
        ("test", "hard", "hard-000-1"),
        ("test", "hard", "hard-001-0"),
        ("test", "hard", "hard-001-1"),
    ]
    (one,) = {task.difficulty for task in load_levels("boxoban", tmp_path / "medium" / "valid" / "000.txt").tasks}
    assert one == "medium"
    assert source.sample(0, None, "hard").split == "test"
    collection = tmp_path / "mine.xsb"
    collection.write_text(f"{level}\nTitle: A\n\n{level}\nTitle: B\n")
    source = load_levels("microban", collection)
    assert [(task.difficulty, task.item) for task in source.tasks] == [("mine", "A"), ("mine", "B")]


def test_a_registered_set_is_found_by_name_and_a_missing_one_names_the_command(tmp_path):
    (tmp_path / "levels.txt").write_text("; 0\n#####\n#@$.#\n#####\n")
    with pytest.raises(MissingData, match="rlvr data add microban"):
        gym.make("rlvr/microban-v0")
    registry.add("microban", tmp_path / "levels.txt")
    try:
        _, info = gym.make("rlvr/microban-v0").reset(seed=0, options={"item": "0"})
        assert info["steps_left"] == 120
    finally:
        registry.forget("microban")
    with pytest.raises(UserError, match="boxoban, microban, not 'microbam'"):
        gym.make("rlvr/sokoban-v0", dataset="microbam")
    with pytest.raises(UserError, match="max_steps"):
        gym.make("rlvr/sokoban-v0", max_steps=0)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", "; 0\n#####\n#@$.#\n#####\n; 1\n####\n#@.#\n####\n", r"a\.txt, line 6, field 'level': .*no box"),
        ("a.jsonl", '{"level": "#####\\n#@$ #\\n#####"}', r"a\.jsonl, line 1, field 'level': .*1 boxes but 0 goals"),
        ("a.jsonl", '{"id": 1}', r"line 1, field 'level': missing"),
        ("a.jsonl", '{"level": "#####\\n#@$.#\\n#####", "solution": "L"}', r"'solution': .*runs into a wall"),
        ("a.jsonl", '{"level": "#####\\n#@$.#\\n#####", "solution": ""}', None),
        ("a.jsonl", '{"level": "######\\n#@$ .#\\n######", "solution": "R"}', r"'solution': .*not put every box"),
        ("a.jsonl", '{"level": "######\\n#@$ .#\\n######", "solution": "Rx"}', r"field 'solution'"),
        ("a.txt", "nothing here\n", "no rows"),
    ],
)
def test_broken_files_are_refused_with_line_and_field(tmp_path, name, text, reason):
    path = tmp_path / name
    path.write_text(text)
    if reason is None:
        assert load_levels("boxoban", path).tasks[0].solution is None
        return
    with pytest.raises((MalformedData, UserError), match=reason):
        load_levels("boxoban", path)


def test_states_are_equal_only_where_play_is_the_same():
    rules, rng = SokobanRules(), Rng(1)
    task = SokobanSource().sample(0, None, "6x6-2")
    state = rules.initial(task)
    seen = {state: rules.key(state)}
    for _ in range(200):
        state = rules.step(state, rng.below(4)).state
        assert seen.setdefault(state, rules.key(state)) == rules.key(state)
    assert len(set(seen.values())) == len(seen) > 5
    other = rules.initial(SokobanSource().sample(1, None, "6x6-2"))
    assert other not in seen


def test_every_kind_of_cell_has_its_own_colour_in_the_order_red_green_blue():
    level = "######\n#+$* #\n#. $ #\n######"
    env = gym.make("rlvr/sokoban-v0", render_mode="rgb_array", symbols="xsb")
    env.reset(seed=0, options={"task": SokobanTask(level=level)})
    kinds = {"#": "wall", " ": "floor", ".": "goal", "$": "box", "*": "box_on_goal", "+": "player_on_goal"}
    cells = env.render()[8::16, 8::16]
    for row, line in enumerate(level.split("\n")):
        for column, symbol in enumerate(line):
            assert tuple(cells[row, column]) == COLOURS[kinds[symbol]]
    assert len(set(COLOURS.values())) == 7
    red, green, blue = COLOURS["box_on_goal"]
    assert green > max(red, blue), "a box on its target is green"
