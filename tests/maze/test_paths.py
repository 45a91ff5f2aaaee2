"""The whole path in one turn: what counts as right, as shortest, and as no answer at all."""

import time

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rlvr  # noqa: F401
from rlvr.tasks.actions import match_action
from rlvr.tasks.errors import UserError
from rlvr.tasks.maze.generate import GENERATORS, make_maze
from rlvr.tasks.maze.paths import PathRules, Walk
from rlvr.tasks.maze.task import MazeTask
from rlvr.tasks.maze.tokens import format_path, read_cells
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Invalid, StopReason

# A ring of eight cells around a closed one: two ways from the corner to the other corner, and a shorter one beside.
RING = MazeTask(
    down=("101", "101", "000"), right=("110", "000", "110"), start=(0, 0), goal=(1, 2)
)  # fmt: skip
SHORT = "(0,0) (0,1) (0,2) (1,2)"
LONG = "(0,0) (1,0) (2,0) (2,1) (2,2) (1,2)"

mazes = st.builds(
    lambda seed, size, generator: make_maze(Rng(seed), size, generator),
    st.integers(0, 2**63 - 1), st.integers(3, 9), st.sampled_from(GENERATORS),
)  # fmt: skip


def answer(task, text, **kwargs):
    env = gym.make("rlvr/maze-path-v0", **kwargs)
    env.reset(seed=0, options={"task": task})
    return env.step(text)


@pytest.mark.parametrize(
    ("text", "score", "shortest"),
    [
        (SHORT, 1.0, True),
        (LONG, 1.0, False),
        ("(0,0) (0,1) (0,0) (0,1) (0,2) (1,2)", 1.0, False),
        (f" <PATH_START> {SHORT} <PATH_END>\n", 1.0, True),
        (SHORT.replace(") (", ")("), 1.0, True),
        (SHORT.replace(") (", ") -> ("), 1.0, True),
        (SHORT.replace(") (", "), ("), 1.0, True),
        (SHORT.replace(",", ", "), 1.0, True),
        (SHORT.replace(" ", "\n"), 1.0, True),
    ],
)
def test_right_paths(text, score, shortest):
    _, reward, terminated, _, info = answer(RING, text)
    assert (reward, terminated, info["score"], info["is_success"]) == (score, True, score, True)
    assert info["shortest"] is shortest and info["stop_reason"] == StopReason.SOLVED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("(0,0) (0,1) (0,2)", "ends at (0,2)"),
        ("(0,1) (0,2) (1,2)", "begins at (0,1)"),
        ("(0,0) (0,1) (1,1) (1,2)", "no way from (0,1) to (1,1)"),
        ("(0,0) (0,2) (1,2)", "no way from (0,0) to (0,2)"),
        ("(0,0) (0,0) (0,1) (0,2) (1,2)", "no way from (0,0) to (0,0)"),
        ("(0,0) (1,2)", "no way"),
        (" ".join(reversed(SHORT.split())), "begins at (1,2)"),
        ("(0,0) (0,1) (0,2) (0,3) (1,2)", "(0,3) is outside"),
        ("(0,0) (9999,0)", "outside"),
        ("(1,2)", "begins"),
    ],
)
def test_wrong_paths_end_the_episode_and_say_what_is_wrong(text, why):
    observation, reward, terminated, truncated, info = answer(RING, text)
    assert (reward, terminated, truncated, info["score"], info["shortest"]) == (0.0, True, False, 0.0, False)
    assert info["action_is_valid"] and why in info["message"] and why in observation
    assert info["stop_reason"] == StopReason.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "right right down", "(0,0)(0,1", "(0,0) then (0,1)", "[(0,0), (0,1)]", "(-1,0) (0,0)", "(0.0,1)",
        "(٠,٠) (٠,١)", f"The path is {SHORT}", f"{SHORT} or {LONG}", "<PATH_START>", "(00000,0)", "0,0 0,1",
        "(0,0) " * 5000,
    ],
)  # fmt: skip
def test_other_texts_are_no_answer_and_use_up_the_only_turn(text):
    _, reward, terminated, _, info = answer(RING, text)
    assert (reward, terminated, info["action_is_valid"], info["score"]) == (0.0, True, False, 0.0)
    assert info["stop_reason"] == StopReason.FAILED


@settings(max_examples=60, deadline=None)
@given(mazes, st.sampled_from(["picture", "tokens", "mlmu"]))
def test_the_solution_is_right_and_shortest_and_states_come_back_from_json(task, format):
    rules = PathRules(format)
    state = rules.initial(task)
    (text,) = rules.solve(state)
    assert match_action(rules.actions, text).arguments == {"path": text}
    after = rules.step(state, rules.parse(state, text)).state
    assert rules.score(after) == 1.0 and after.shortest and rules.solve(after) is None
    for some in (state, after):
        assert rules.state_from_json(task, rules.state_to_json(some)) == some
    assert read_cells(text)[0] == task.start and format_path(read_cells(text)) == text


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(st.characters()), st.text("(0123),; \n<PATH_STRED>-")))
def test_any_text_is_scored_and_never_raises(text):
    rules = PathRules()
    state = rules.initial(RING)
    parsed = rules.parse(state, text)
    if not isinstance(parsed, Invalid):
        after = rules.step(state, parsed).state
        assert isinstance(after, Walk) and 0.0 <= rules.score(after) <= 1.0
        assert rules.render(RING, after) and rules.colours(after)


def test_hostile_texts_are_refused_at_once():
    rules = PathRules()
    state = rules.initial(make_maze(Rng(0), 30))
    start = time.process_time()
    for text in ("(0,0)" + " " * 10_000 + "x", "(0,0) ," * 2000, "(0,0)" * 2800 + "x", "(" * 10**7, "(0,0)\n" * 10**6):
        assert isinstance(rules.parse(state, text), Invalid)
    assert time.process_time() - start < 1.0


def test_the_longest_way_through_the_largest_level_may_be_answered():
    side = 30
    snake = MazeTask(
        down=(*[("0" * (side - 1) + "1", "1" + "0" * (side - 1))[row % 2] for row in range(side - 1)], "0" * side),
        right=("1" * (side - 1) + "0",) * side,
        start=(0, 0),
        goal=(side - 1, 0),
    )
    rules = PathRules()
    state = rules.initial(snake)
    (text,) = rules.solve(state)
    assert text.count("(") == side * side
    assert rules.score(rules.step(state, rules.parse(state, text)).state) == 1.0


@pytest.mark.parametrize("format", ["picture", "tokens", "mlmu"])
def test_the_prompt_holds_the_maze_and_not_the_path(format):
    env = gym.make("rlvr/maze-path-v0", format=format)
    observation, info = env.reset(seed=0, options={"task": RING})
    assert SHORT not in observation and info["shortest"] is False and info["legal_actions"] is None
    if format == "picture":
        assert observation.endswith("#######\n#S    #\n# ### #\n# # #E#\n# ### #\n#     #\n#######")
        assert "(0,0) to the exit (1,2)" in observation
    else:
        assert observation.endswith(
            "<ADJLIST_END> <ORIGIN_START> (0,0) <ORIGIN_END> <TARGET_START> (1,2) <TARGET_END> <PATH_START>"
        )
        assert observation.startswith("<ADJLIST_START> (") and ("<-->" in observation) == (format == "tokens")


def test_the_answer_is_marked_in_pictures():
    env = gym.make("rlvr/maze-path-v0", render_mode="ansi")
    env.reset(seed=0, options={"task": RING})
    env.step(SHORT)
    assert env.render().endswith(
        "#######\n#Sx x#\n# ### #\n# # #E#\n# ### #\n#     #\n#######".replace("Sx x", "S x x")
    )


def test_an_unknown_format_is_named():
    with pytest.raises(UserError, match="tokens"):
        gym.make("rlvr/maze-path-v0", format="token")


@pytest.mark.parametrize(
    "text", ["(0,0)", "(0,0) (0,1)", "{prompt}", "", "(0,0) (1,0) (2,0) (3,0) (4,0) (4,1) (4,2) (4,3) (4,4)"]
)
def test_cheating_answers_score_nothing(text):
    env = gym.make("rlvr/maze-path-v0")
    for seed in range(100):
        observation, _ = env.reset(seed=seed)
        *_, info = env.step(text.replace("{prompt}", observation))
        assert info["score"] == 0.0
