"""The solver, against plain breadth-first search, hand-made positions and recorded solutions."""

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.rng import Rng
from rlvr.tasks.sokoban import solve as solver
from rlvr.tasks.sokoban.assign import Assignment
from rlvr.tasks.sokoban.deadlock import corral, frozen
from rlvr.tasks.sokoban.generate import generate, shape
from rlvr.tasks.sokoban.level import Position, bits, flood
from rlvr.tasks.sokoban.solve import Outcome, search, solve
from rlvr.tasks.sokoban.xsb import dump, parse

from .reference import fewest_pushes

SIZES = st.sampled_from([(6, 6, 1), (6, 6, 2), (7, 6, 3)])

ROOMS = [generate(Rng(seed), shape(9, 9, 3)).position.level for seed in range(12)]


def scattered(seed, size):
    """Return a position with boxes and player anywhere, so that many cannot be solved."""
    rng = Rng(seed)
    level = generate(rng, shape(*size)).position.level
    *boxes, player = rng.sample(list(bits(level.floor)), size[2] + 1)
    return Position(level, player, sum(boxes))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**63), SIZES)
def test_solutions_solve_with_the_fewest_pushes_and_what_has_none_is_proved_so(seed, size):
    position = scattered(seed, size)
    found = solve(position)
    assert found.pushes == fewest_pushes(dump(position))
    if found.moves is None:
        assert found.outcome is Outcome.UNSOLVABLE
    else:
        assert found.outcome is Outcome.SOLVED
        assert position.after(found.moves).solved
        assert sum(letter.isupper() for letter in found.moves) == found.pushes


def test_breadth_first_search_agrees_on_hundreds_of_positions_with_and_without_a_solution():
    unsolvable = 0
    for seed in range(600):
        position = scattered(seed, (6, 6, 2))
        pushes = solve(position).pushes
        assert pushes == fewest_pushes(dump(position)), dump(position)
        unsolvable += pushes is None
    assert 60 < unsolvable < 540


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**63), SIZES, st.sampled_from([1.5, 2.0, 5.0]))
def test_a_greedy_search_solves_the_same_positions(seed, size, weight):
    position = scattered(seed, size)
    found = search(position, max_nodes=10**6, weight=weight)
    assert (found.moves is None) == (solve(position).moves is None)
    assert found.moves is None or position.after(found.moves).solved


def test_the_node_limit_is_kept_and_gives_the_same_result_again():
    position = generate(Rng(3), shape(10, 10, 4)).position
    needed = solve(position).nodes
    assert needed > 20
    for limit in (1, 7, needed // 3):
        found = solve(position, max_nodes=limit)
        assert found == solve(position, max_nodes=limit)
        assert found.nodes <= limit + 1
        assert found.moves is None or position.after(found.moves).solved
    assert search(position, max_nodes=7) == (Outcome.NODE_LIMIT, None, None, 7)


def test_the_wall_limit_is_kept():
    level = "\n".join(["#" * 14, "#@" + " " * 11 + "#", *["# $ $ $ $    #"] * 2, *["#    . . . . #"] * 2])
    position = parse("\n".join([level, *["#" + " " * 12 + "#"] * 4, "#" * 14]))
    found = solve(position, limit_s=0.05, max_nodes=10**9)
    assert found.outcome in (Outcome.TIME_LIMIT, Outcome.SOLVED)


def test_a_solved_position_needs_no_moves():
    assert solve(parse("#####\n#@* #\n#####")) == (Outcome.SOLVED, "", 0, 0)


@pytest.mark.parametrize(
    ("level", "lost"),
    [
        ("######\n#@$$ #\n#  ..#\n######", True),  # two boxes side by side along a wall
        ("######\n# @  #\n# $$ #\n# $. #\n#  ..#\n######", False),
        ("#######\n#     #\n# $$  #\n# $$ @#\n#.... #\n#######", True),  # two by two
        ("######\n#**  #\n# @$.#\n######", False),  # frozen, but on their goals
        ("#######\n#     #\n# $$ .#\n# @  .#\n#     #\n#######", False),
        ("#######\n# #   #\n# $$  #\n#  # @#\n# ..  #\n#######", True),  # a wall above one, one below the other
        ("#######\n# #   #\n# $$  #\n#    @#\n# ..  #\n#######", False),
        ("########\n#      #\n# $$ ..#\n#@     #\n########", True),  # dead cells above and below both
        ("########\n#      #\n# $$ ..#\n#@     #\n#   .$ #\n########", False),
    ],
)
def test_frozen_boxes(level, lost):
    position = parse(level)
    assert any(frozen(position.level, position.boxes, box) for box in bits(position.boxes)) == lost
    if lost:
        assert solve(position).outcome is Outcome.UNSOLVABLE


def test_pushes_around_a_closed_region_come_first():
    position = parse("########\n#   #  #\n# $  $.#\n#@  #  #\n# .#####\n########")
    free = position.level.floor & ~position.boxes
    restricted = corral(position.level, position.boxes, free, position.reach())
    assert restricted is not None
    assert [position.level.cell(box) for box in bits(restricted[0])] == [(2, 5)]
    assert solve(position).pushes == fewest_pushes(dump(position))


def test_pushes_are_restricted_only_where_all_first_pushes_of_a_fence_lead_inward_and_can_be_made():
    restrictions = 0
    for seed in range(2000):
        rng = Rng(seed)
        level = ROOMS[seed % len(ROOMS)]
        *boxes, player = rng.sample(list(bits(level.floor)), 7)
        position = Position(level, player, sum(boxes))
        reach, free = position.reach(), level.floor & ~position.boxes
        restricted = corral(level, position.boxes, free, reach)
        if restricted is None or not restricted[1]:
            continue
        restrictions += 1
        fence, inside = ({level.cell(bit) for bit in bits(mask)} for mask in restricted)
        region = {level.cell(bit) for bit in bits(flood(restricted[1] & -restricted[1], free, level.stride))}
        floor, live, reached = ({level.cell(bit) for bit in bits(mask)} for mask in (level.floor, level.live, reach))
        assert inside == region & live
        for row, column in fence:
            for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                target, stand = (row + down, column + right), (row - down, column - right)
                if target not in live or stand not in floor:
                    continue  # never
                if target in fence or stand in fence or stand in region:
                    continue  # not before another push into the region
                assert target in region and stand in reached, dump(position)
    assert restrictions > 50


@pytest.mark.data
def test_a_region_is_opened_again_when_fewer_pushes_lead_to_it(shared_data):
    wanted = {"boxoban-unfiltered-test-000-0892", "boxoban-hard-003-0012", "microban2-054"}
    rows = [row for name in ("unfiltered_test", "hard", "microban2") for row in recorded(shared_data, name)]
    rows = [row for row in rows if row["id"] in wanted] or rows[:3]
    assert [solve(parse(row["level"])).pushes for row in rows] == [row["min_pushes"] for row in rows]


def test_pruning_saves_work_and_loses_no_solution(monkeypatch):
    positions = [generate(Rng(seed), shape(9, 9, 5)).position for seed in range(20)]
    with_it = [solve(position) for position in positions]
    monkeypatch.setattr(solver, "corral", lambda *_: None)
    without = [solve(position) for position in positions]
    assert [found.pushes for found in with_it] == [found.pushes for found in without]
    assert sum(found.nodes for found in with_it) < 0.9 * sum(found.nodes for found in without)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**63))
def test_both_ways_to_assign_boxes_to_goals_find_the_least_total(count, seed):
    rng = Rng(seed)
    estimate = Assignment(generate(Rng(0), shape(6, 6, 1)).position.level)
    impossible = 1 << 20
    rows = [[impossible if rng.below(6) == 0 else rng.below(30) for _ in range(count)] for _ in range(count)]
    estimate.costs = {1 << number: tuple(row) for number, row in enumerate(rows)}
    estimate._half, estimate._tables = count // 2, {}
    least = min(sum(rows[box][goal] for box, goal in enumerate(order)) for order in permutations(range(count)))
    boxes = (1 << count) - 1
    assert min(estimate._hungarian(boxes), impossible) == min(least, impossible)
    assert min(estimate._by_halves(boxes), impossible) == min(least, impossible)


BOXOBAN = ("unfiltered_test", "medium_valid", "hard")
MICROBAN = ("microban", "microban2")


def recorded(shared_data, name):
    folder = "sokoban_classic" if name in MICROBAN else "sokoban_boxoban"
    lines = (shared_data / folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.data
@pytest.mark.parametrize("name", [*BOXOBAN, *MICROBAN])
def test_every_recorded_solution_is_accepted(shared_data, name):
    for row in recorded(shared_data, name):
        position = parse(row["level"])
        assert dump(position) == row["level"].rstrip(), row["id"]
        if row["solution"]:
            assert position.after(row["solution"]).solved, row["id"]


@pytest.mark.data
@pytest.mark.parametrize(("name", "share"), [("unfiltered_test", 0.95), ("medium_valid", 0.85), ("hard", 0.85)])
def test_twenty_boxoban_levels_of_each_set_are_solved_in_time_with_the_fewest_pushes(shared_data, name, share):
    rows = recorded(shared_data, name)[:: {"hard": 83}.get(name, 25)][:20]
    assert len(rows) == 20
    solved = 0
    for row in rows:
        position = parse(row["level"])
        found = solve(position, limit_s=10.0, max_nodes=10**9)
        if found.moves is not None:
            assert position.after(found.moves).solved
            assert found.pushes == row["min_pushes"], row["id"]
            solved += 1
    assert solved >= share * len(rows)


@pytest.mark.data
def test_microban_levels_are_solved_within_a_thousand_positions(shared_data):
    rows = [row for name in MICROBAN for row in recorded(shared_data, name)[::3]]
    solved = 0
    for row in rows:
        position = parse(row["level"])
        found = search(position, max_nodes=1_000)
        if found.moves is not None:
            assert position.after(found.moves).solved
            assert row["min_pushes"] in (None, found.pushes), row["id"]
            solved += 1
    assert solved >= 0.6 * len(rows)
