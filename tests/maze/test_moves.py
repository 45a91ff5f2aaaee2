"""Walking: moves, walls, views, rewards, saved states, and what cheating policies get."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.tasks.errors import UserError
from rlvr.tasks.maze.generate import GENERATORS, MazeSource, make_maze
from rlvr.tasks.maze.grid import DIRECTIONS, WINDOW, Maze
from rlvr.tasks.maze.moves import COLOURS, MoveRules
from rlvr.tasks.maze.task import MazeTask
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Invalid, StopReason

# S E   the exit is behind a wall
# . .
SMALL = MazeTask(down=("11", "00"), right=("00", "10"), start=(0, 0), goal=(0, 1))

seeds = st.integers(0, 2**63 - 1)
mazes = st.builds(lambda seed, size, generator: make_maze(Rng(seed), size, generator), seeds, st.integers(3, 9),
                  st.sampled_from(GENERATORS))  # fmt: skip
walks = st.lists(st.integers(0, 3), max_size=60)


def walk(rules, task, moves):
    state = rules.initial(task)
    for move in moves:
        transition = rules.step(state, move)
        state = transition.state
        if transition.terminated:
            break
    return state


def test_a_small_maze_move_by_move():
    env = gym.make("rlvr/maze-v0")
    observation, info = env.reset(seed=0, options={"task": SMALL})
    assert observation == "Find the way to the exit E of a maze of 2 by 2 cells.\n\n#####\n#@#E#\n# # #\n#   #\n#####"
    assert info["legal_actions"] == ("down",) and info["steps_left"] == 8 and info["state_key"] == "0,0"
    observation, reward, *_, info = env.step("right")
    assert observation == "There is a wall to your right; you stay where you are.\n\n#####\n#@#E#\n# # #\n#   #\n#####"
    assert reward == 0 and info["action_is_valid"] and info["state_key"] == "0,0"
    observation, *_ = env.step(" Down\n")
    assert observation == "You moved down.\n\n#####\n#S#E#\n# # #\n#@  #\n#####"
    _, _, _, _, info = env.step("north")
    assert info["invalid"] == "this is not a direction" and info["steps_left"] == 5
    env.step("right")
    observation, reward, terminated, truncated, info = env.step("up")
    assert observation == "You moved up and reached the exit.\n\n#####\n#S#@#\n# # #\n#   #\n#####"
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["is_success"] and info["score"] == 1.0 and info["stop_reason"] == StopReason.SOLVED
    assert info["legal_actions"] == ()


def test_step_cost_is_gym_mazes():
    env = gym.make("rlvr/maze-v0", reward="step_cost")
    env.reset(seed=0, options={"task": SMALL})
    rewards = [env.step(move)[1] for move in ("up", "down", "right", "up")]
    assert rewards == [-0.025, -0.025, -0.025, 1.0]


def test_the_episode_ends_after_twice_as_many_steps_as_cells():
    env = gym.make("rlvr/maze-v0")
    env.reset(seed=0, options={"task": SMALL})
    ends = [env.step("left")[3] for _ in range(8)]
    assert ends == [False] * 7 + [True]


@settings(max_examples=60, deadline=None)
@given(mazes)
def test_the_expert_solves_every_generated_maze_in_the_fewest_moves(task):
    rules = MoveRules()
    state = rules.initial(task)
    left = rules.solve(state)
    while left:
        assert len(rules.solve(state)) == len(left)
        state = rules.step(state, rules.parse(state, left.pop(0))).state
    assert rules.is_success(state)


@settings(max_examples=60, deadline=None)
@given(mazes, walks)
def test_legal_moves_are_the_ones_that_change_the_cell_and_the_rest_is_accepted_too(task, moves):
    rules = MoveRules()
    state = walk(rules, task, moves)
    if rules.is_success(state):
        return
    for number, name in enumerate(DIRECTIONS):
        assert rules.parse(state, name) == number
        after = rules.step(state, number).state
        assert (after.cell != state.cell) == (name in rules.legal_actions(state))


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters()), st.booleans())
def test_any_text_is_a_direction_or_invalid(text, partial):
    rules = MoveRules("partial" if partial else "full")
    parsed = rules.parse(rules.initial(SMALL), text)
    if text.strip().lower() in DIRECTIONS:
        assert parsed == DIRECTIONS.index(text.strip().lower())
    else:
        assert isinstance(parsed, Invalid)


def test_a_giant_text_costs_nothing():
    rules = MoveRules()
    assert isinstance(rules.parse(rules.initial(SMALL), " " * 10_000_000 + "up"), Invalid)


@settings(max_examples=40, deadline=None)
@given(mazes, walks, walks, st.sampled_from(["full", "partial"]))
def test_a_saved_state_has_the_same_future(task, before, after, view):
    rules = MoveRules(view)
    state = walk(rules, task, before)
    copy = rules.state_from_json(MazeTask.model_validate_json(task.model_dump_json()), rules.state_to_json(state))
    assert copy == state and hash(copy) == hash(state)
    for move in after:
        if rules.is_success(state):
            break
        one, two = rules.step(state, move), rules.step(copy, move)
        assert one == two
        state, copy = one.state, two.state
        assert rules.view(state) == rules.view(copy) and rules.key(state) == rules.key(copy)
        assert rules.observation_key(state) == rules.observation_key(copy)
        assert rules.score(state) in (0.0, 1.0)


@settings(max_examples=60, deadline=None)
@given(mazes, st.data())
def test_a_partial_view_is_a_cutting_of_the_whole_picture(task, data):
    maze = Maze(task)
    cell = data.draw(st.integers(0, len(maze.keys) - 1))
    row, column = maze.cell(cell)
    lines = maze.view(cell).split("\n")
    reach = 2 * WINDOW + 1
    expected = [
        "".join(
            lines[i][j] if 0 <= i < len(lines) and 0 <= j < len(lines[0]) else "#"
            for j in range(2 * column + 1 - reach, 2 * column + 2 + reach)
        )
        for i in range(2 * row + 1 - reach, 2 * row + 2 + reach)
    ]
    assert maze.glimpse(cell).picture.split("\n") == expected
    assert len(expected) == 11


def flipped(task, link):
    """The task with one link opened or closed; the link is named by a cell and whether it goes down or right."""
    row, column, down = link
    links = list(task.down if down else task.right)
    line = list(links[row])
    line[column] = "10"[int(line[column])]
    links[row] = "".join(line)
    return task.model_copy(update={"down" if down else "right": tuple(links)})


@settings(max_examples=60, deadline=None)
@given(seeds, st.data())
def test_a_partial_view_hides_what_is_far_and_shows_what_is_near(seed, data):
    task = make_maze(Rng(seed), 9)
    cell = data.draw(st.integers(0, 80))
    row, column = divmod(cell, 9)
    links = [(r, c, down) for r in range(9) for c in range(9) for down in (True, False) if (r if down else c) < 8]
    for link in data.draw(st.lists(st.sampled_from(links), min_size=1, max_size=10)):
        r, c, down = link
        # A link is drawn between two cells: at twice the cell's position plus one in its direction.
        distance = max(abs(2 * (r - row) + down), abs(2 * (c - column) + (not down)))
        one, two = (MoveRules("partial").initial(maze)._replace(cell=cell) for maze in (task, flipped(task, link)))
        same = MoveRules("partial").view(one) == MoveRules("partial").view(two)
        assert same == (distance > 2 * WINDOW + 1)
        assert same == (MoveRules("partial").observation_key(one) == MoveRules("partial").observation_key(two))
        assert MoveRules("full").view(one) != MoveRules("full").view(two)


def test_cells_that_look_alike_share_their_observation_key_but_not_their_state_key():
    corridor = MazeTask(down=("0" * 12, "0" * 12), right=("1" * 11 + "0", "1" * 11 + "0"), start=(0, 0), goal=(0, 11))
    rules = MoveRules("partial")
    state = rules.initial(corridor)
    five, six = state._replace(cell=5), state._replace(cell=6)
    assert rules.view(five) == rules.view(six) and rules.observation_key(five) == rules.observation_key(six)
    assert rules.key(five) != rules.key(six)
    assert rules.observation_key(five) != rules.observation_key(state)
    full = MoveRules("full")
    assert full.observation_key(five) == full.key(five) != full.observation_key(six)


def test_an_explorer_with_a_memory_solves_trees_from_partial_views_within_the_horizon():
    back = {"up": "down", "down": "up", "left": "right", "right": "left"}
    shift = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
    env = gym.make("rlvr/maze-v0", view="partial", difficulty="7x7")
    for seed in range(30):
        observation, info = env.reset(seed=seed)
        place, trail, seen, over = (0, 0), [], {(0, 0)}, False
        while not over:
            picture = observation.split("\n\n")[-1].split("\n")
            moves = [
                move for move, (r, c) in shift.items()
                if picture[5 + r][5 + c] != "#" and (place[0] + r, place[1] + c) not in seen
            ]  # fmt: skip
            move = moves[0] if moves else back[trail.pop()]
            if moves:
                trail.append(move)
            place = (place[0] + shift[move][0], place[1] + shift[move][1])
            seen.add(place)
            observation, _, terminated, truncated, info = env.step(move)
            over = terminated or truncated
        assert info["is_success"]


@pytest.mark.parametrize("text", ["up", "down", "left", "right", "", "{prompt}", "I would go up, or down.", "x" * 9999])
def test_cheating_policies_reach_no_exit(text):
    env = gym.make("rlvr/maze-v0")
    for seed in range(60):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(text.replace("{prompt}", observation))
            over = terminated or truncated
        assert info["score"] == 0.0


def test_pictures_show_walls_player_and_what_a_partial_view_hides():
    env = gym.make("rlvr/maze-v0", render_mode="rgb_array")
    env.reset(seed=0, options={"task": SMALL})
    image = env.render()
    assert image.shape == (80, 80, 3) and image.dtype == np.uint8
    cells = image[8::16, 8::16]
    assert len({tuple(cells[place]) for place in [(0, 0), (1, 1), (1, 3), (2, 1)]}) == 4
    assert (image[16:32, 16:32] == cells[1, 1]).all()
    rules = MoveRules("partial")
    task = make_maze(Rng(1), 9)
    seen, whole = (
        np.array(MoveRules(view).colours(rules.initial(task)._replace(cell=0))) for view in ("partial", "full")
    )
    assert (seen[:7, :7] == whole[:7, :7]).all() and (seen[7:] < whole[7:]).all() and (seen[:, 7:] < whole[:, 7:]).all()


def test_wrong_arguments_are_named():
    for arguments in ({"view": "parts"}, {"reward": "dense"}, {"generator": "prim"}):
        with pytest.raises(UserError, match=next(iter(arguments.values()))):
            gym.make("rlvr/maze-v0", **arguments)


def test_random_play_solves_few_of_the_easiest_mazes():
    solved = 0
    env = gym.make("rlvr/maze-v0", split="test")
    for seed in range(200):
        rng = Rng(seed)
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(rng.choice(info["legal_actions"]))
            over = terminated or truncated
        solved += info["is_success"]
    assert 10 < solved < 80


@pytest.mark.parametrize("source", [MazeSource(), MazeSource("percolation")])
def test_states_share_one_layout_and_stay_small(source):
    rules = MoveRules()
    state = rules.initial(source.sample(3, difficulty="20x20"))
    after = rules.step(state, DIRECTIONS.index(rules.legal_actions(state)[0])).state
    assert after.maze is state.maze and len(after) == 2


def test_info_tells_cells_that_look_alike_by_their_state_key_alone():
    corridor = MazeTask(down=("0" * 12, "0" * 12), right=("1" * 11 + "0", "1" * 11 + "0"), start=(0, 0), goal=(0, 11))
    env = gym.make("rlvr/maze-v0", view="partial")
    env.reset(seed=0, options={"task": corridor})
    *_, five, six = (env.step("right")[4] for _ in range(6))
    assert five["observation_key"] == six["observation_key"] and five["state_key"] != six["state_key"]
    env = gym.make("rlvr/maze-v0")
    _, info = env.reset(seed=0, options={"task": corridor})
    assert info["observation_key"] == info["state_key"]


def test_a_picture_has_its_colours_in_the_order_red_green_blue():
    env = gym.make("rlvr/maze-v0", render_mode="rgb_array")
    env.reset(seed=0, options={"task": SMALL})
    cells = env.render()[8::16, 8::16]
    drawn = env.unwrapped.rules.view(env.unwrapped.snapshot().state).split("\n")
    assert {mark for line in drawn for mark in line} >= {"#", " ", "E"}
    for row, line in enumerate(drawn):
        for column, mark in enumerate(line):
            assert tuple(cells[row, column]) == COLOURS[mark]
    red, green, blue = COLOURS["E"]
    assert green > max(red, blue), "the exit is green"
