"""Recorded mazes: every one loads, looks as it was drawn, and is solved in as many moves as its record says."""

import json
import re

import gymnasium as gym
import pytest

import rlvr  # noqa: F401
from rlvr.tasks.data import registry
from rlvr.tasks.errors import MalformedData, MissingData
from rlvr.tasks.maze.grid import Maze
from rlvr.tasks.maze.load import load_mazes
from rlvr.tasks.maze.moves import MoveRules
from rlvr.tasks.maze.paths import PathRules
from rlvr.tasks.maze.tokens import prompt

EDGE = re.compile(r"(\(\d+,\d+\)) (?:<--> )?(\(\d+,\d+\)) ;")


@pytest.fixture(scope="module")
def recorded(shared_data):
    path = shared_data / "mazes" / "lattice.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    source = load_mazes(path)
    assert [task.item for task in source.tasks] == [row["id"] for row in rows]
    return list(zip(rows, source.tasks, strict=True))


def test_every_recorded_maze_looks_as_it_was_drawn(recorded):
    for row, task in recorded:
        maze = Maze(task)
        assert maze.picture == row["ascii"].replace("X", " "), row["id"]
        assert maze.picture.replace("S", " ").replace("E", " ") == row["ascii_no_solution"], row["id"]


def test_our_shortest_ways_are_as_long_as_the_recorded_ones_and_lead_to_the_exit(recorded):
    rules = MoveRules()
    for row, task in recorded:
        state = rules.initial(task)
        plan = rules.solve(state)
        assert len(plan) == row["shortest_length"] == len(row["solution"]) - 1, row["id"]
        assert len(plan) <= rules.horizon(task)
        for move in plan:
            assert move in rules.legal_actions(state)
            state = rules.step(state, rules.parse(state, move)).state
        assert rules.score(state) == 1.0 and list(state.maze.cell(state.cell)) == row["end"]


def test_the_recorded_paths_are_right_and_shortest(recorded):
    rules = PathRules()
    for row, task in recorded:
        state = rules.initial(task)
        answer = " ".join(f"({r},{c})" for r, c in row["solution"])
        after = rules.step(state, rules.parse(state, answer)).state
        assert after.correct and after.shortest, row["id"]
        if row["generator"] in ("dfs", "dfs_noforks", "wilson"):  # a tree has one way only
            assert rules.solve(state) == [answer]


def test_token_prompts_say_what_the_recorded_ones_say(recorded):
    with_tokens = [(row, task) for row, task in recorded if "tokens" in row]
    assert with_tokens
    for row, task in with_tokens:
        before, _, answer = row["tokens"].partition("<PATH_START>")
        ours = prompt(Maze(task), arrows=True)
        assert {frozenset(edge) for edge in EDGE.findall(ours)} == {frozenset(edge) for edge in EDGE.findall(before)}
        assert sorted(ours.split()) == sorted(
            [*re.sub(r"\([^)]*\)", "", before).split(), *ours_cells(ours), "<PATH_START>"]
        )
        assert ours[ours.index("<ADJLIST_END>") :] == f"{before[before.index('<ADJLIST_END>') :]}<PATH_START>"
        assert prompt(Maze(task), arrows=False) == ours.replace("<--> ", "")
        rules = PathRules("mlmu")
        state = rules.initial(task)
        for text in (answer, f"<PATH_START>{answer}"):
            assert rules.score(rules.step(state, rules.parse(state, text)).state) == 1.0


def ours_cells(text):
    return re.findall(r"\(\d+,\d+\)", text)


def test_items_are_picked_by_name_and_by_number_from_a_file_or_a_folder(shared_data, recorded):
    row, task = recorded[7]
    for data in (shared_data / "mazes" / "lattice.jsonl", shared_data / "mazes"):
        env = gym.make("rlvr/maze-v0", data=str(data))
        first, info = env.reset(seed=0, options={"item": row["id"]})
        second, _ = env.reset(seed=0, options={"item": 7})
        assert first == second and info["task_uid"] == task.uid
        assert env.unwrapped.source.fingerprint


def test_the_registered_set_is_found_by_its_name(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path))
    with pytest.raises(MissingData, match="rlvr data add mazes"):
        load_mazes("mazes")
    registry.add("mazes", shared_data / "mazes")
    assert len(load_mazes("mazes")) == len(load_mazes(shared_data / "mazes"))


GOOD = {"connection_list": [["11", "00"], ["10", "10"]], "start": [0, 0], "end": [1, 1]}


def test_a_file_without_ids_names_its_mazes_by_line(tmp_path):
    path = tmp_path / "mazes.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n" + json.dumps(GOOD | {"goal": [1, 0]}) + "\n")
    assert [task.item for task in load_mazes(path).tasks] == ["1", "3"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"connection_list": [["11", "00"]]}, "connection_list"),
        ({"connection_list": [["11", "00"], ["10"]]}, "connection_list"),
        ({"connection_list": [["11", "0"], ["10", "10"]]}, "connection_list"),
        ({"connection_list": [["12", "00"], ["10", "10"]]}, "connection_list"),
        ({"connection_list": [["11", "01"], ["10", "10"]]}, "connection_list"),
        ({"connection_list": [["11", "00"], ["11", "10"]]}, "connection_list"),
        ({"connection_list": [[1, 0], [1, 1]]}, "connection_list"),
        ({"start": [0]}, "start"),
        ({"start": "here"}, "start"),
        ({"start": None}, "start"),
        ({"end": [2, 0]}, None),
        ({"end": [0, 0]}, None),
        ({"end": ["a", "b"]}, "end"),
        ({"connection_list": [["00", "00"], ["10", "10"]]}, "end"),
        ({"split": "dev"}, "split"),
    ],
)
def test_a_broken_row_is_refused_with_its_line_and_field(tmp_path, change, field):
    path = tmp_path / "mazes.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD | change) + "\n")
    with pytest.raises(MalformedData, match="line 2") as error:
        load_mazes(path)
    if field is not None:
        assert f"field {field!r}" in str(error.value)
