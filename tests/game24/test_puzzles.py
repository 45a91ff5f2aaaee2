"""The puzzles are the known ones; the games reproduce the known counts and verdicts."""

import json
import statistics
import sys
from pathlib import Path

import pytest

from rlvr.tasks.errors import MalformedData, UserError
from rlvr.tasks.game24.arithmetic import parse_expression, winning_moves
from rlvr.tasks.game24.levels import LEVELS
from rlvr.tasks.game24.puzzles import (
    CountdownSource,
    Game24Source,
    level_code,
    load_puzzles,
    multisets,
)
from rlvr.tasks.game24.text import Game24TextRules, TextState

sys.path.insert(0, str(Path(__file__).parent))
from reference_search import operations_to_solve, sequences

FRACTION_ONLY = {
    (1, 5, 5, 5), (3, 3, 7, 7), (4, 4, 7, 7), (2, 2, 11, 11), (2, 2, 13, 13), (5, 7, 7, 11), (2, 7, 7, 10),
    (5, 5, 7, 11), (1, 6, 6, 8), (3, 3, 8, 8), (1, 8, 12, 12), (2, 4, 10, 10), (2, 5, 5, 10), (1, 4, 5, 6),
    (1, 3, 4, 6), (2, 3, 5, 12),
}  # fmt: skip


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_character_of_the_level_table_is_what_the_function_computes():
    assert "".join(map(level_code, multisets())) == LEVELS


def test_there_are_1362_solvable_puzzles_and_16_of_them_need_a_fraction():
    solvable = [numbers for numbers, level in zip(multisets(), LEVELS, strict=True) if level != "0"]
    assert len(solvable) == 1362
    fraction_only = {numbers for numbers, level in zip(multisets(), LEVELS, strict=True) if level == "f"}
    assert fraction_only == FRACTION_ONLY


@pytest.mark.data
def test_recorded_solvability_agrees(shared_data):
    levels = dict(zip(multisets(), LEVELS, strict=True))
    for row in rows(shared_data / "game24" / "puzzles.jsonl"):
        assert levels[tuple(sorted(row["numbers"]))] in ("123" if row["solvable_integer_only"] else "f")
    for row in rows(shared_data / "game24" / "unsolvable.jsonl"):
        assert levels[tuple(sorted(row["numbers"]))] == "0"


@pytest.mark.data
def test_every_recorded_model_output_gets_its_recorded_verdict(shared_data):
    rules = Game24TextRules()
    outputs = rows(shared_data / "game24" / "recorded_outputs.jsonl")
    wrong = []
    for row in outputs:
        state = TextState(tuple(sorted(row["numbers"])), 24)
        action = rules.parse(state, row["output"])
        reward = 0.0 if hasattr(action, "reason") else rules.step(state, action).reward
        if reward != row["reward"]:
            wrong.append(row["id"])
    assert len(outputs) > 1900 and not wrong


@pytest.mark.data
def test_graph_search_needs_the_known_numbers_of_operations(shared_data):
    """Depth-first 135.69 and breadth-first 314.18 operations over all of ranks 901-1000."""
    puzzles = load_puzzles(shared_data / "game24" / "puzzles.jsonl")
    test = [task.numbers for task in puzzles.tasks if task.split == "test"]
    assert len(test) >= 40
    for order, mean, median, most in (("dfs", 135.69, 102.5, 550), ("bfs", 314.18, 294.0, 613)):
        counts = [operations_to_solve(numbers, order) for numbers in test]
        print(f"{order}: mean {statistics.mean(counts):.2f} over {len(counts)} puzzles")
        assert max(counts) <= most
        if len(test) == 100:
            assert round(statistics.mean(counts), 2) == mean
            assert statistics.median(counts) == median
        else:
            half = round(statistics.mean(counts), 2)
            other_half = 2 * mean - half
            assert {half, round(other_half, 2)} == HALVES[order]


HALVES = {"dfs": {150.32, 121.06}, "bfs": {326.68, 301.68}}
"""The means over the two halves of the hundred puzzles."""


@pytest.mark.data
def test_random_sequences_win_as_often_as_known(shared_data):
    """Uniform over complete sequences of legal operations: .0131 (exact) and .0039 (fractions) on ranks 901-1000."""
    puzzles = load_puzzles(shared_data / "game24" / "puzzles.jsonl")
    test = [task.numbers for task in puzzles.tasks if task.split == "test"]
    for division, rate in (("exact", 0.0131), ("rational", 0.0039)):
        chances = [wins / total for wins, total in (sequences(numbers, division) for numbers in test)]
        assert statistics.mean(chances) == pytest.approx(rate, abs=0.00005 if len(test) == 100 else rate * 0.15)


@pytest.mark.parametrize("division", ["exact", "rational"])
def test_generated_puzzles_are_solvable_and_of_their_level(division):
    source = Game24Source(division)
    for level in source.difficulties:
        for seed in range(20):
            task = source.sample(seed, "train", level)
            assert winning_moves(task.numbers, 24, division) is not None
            assert task.difficulty == level


def test_splits_share_no_puzzle():
    source = Game24Source()
    seen = {
        split: {source.sample(seed, split, level).numbers for seed in range(400) for level in source.difficulties}
        for split in source.splits
    }
    assert not seen["train"] & seen["test"] and not seen["train"] & seen["valid"] and not seen["valid"] & seen["test"]
    assert min(map(len, seen.values())) > 60


@pytest.mark.parametrize("level", CountdownSource.difficulties)
def test_countdown_always_has_a_solution_that_is_not_given_away(level):
    from rlvr.tasks.game24.arithmetic import find_expression

    source = CountdownSource()
    for seed in range(15):
        task = source.sample(seed, "test", level)
        assert len(task.numbers) == int(level[0]) and task.target not in task.numbers
        expression = find_expression(task.numbers, task.target, "exact", subset=True)
        assert expression is not None and parse_expression(expression).value == task.target


def test_the_users_csv_is_read_with_its_ranks(tmp_path):
    path = tmp_path / "24.csv"
    path.write_text("Rank,Puzzles,AMT (s),Solved rate\n1,1 1 4 6,4.4,99.20%\n901,10 6 5 4,9.1,80.00%\n")
    source = load_puzzles(path)
    assert source.find("901").numbers == (4, 5, 6, 10)
    assert source.find("901").split == "test" and source.find("1").split == "train"
    assert source.find("901").difficulty == "decile-7" and source.find(0).difficulty == "decile-1"
    with pytest.raises(UserError, match="902"):
        source.find("902")


@pytest.mark.parametrize(
    "text", ["Rank,Puzzles\n1,1 1 4\n", "Rank,Puzzles\n1,1 a 4 6\n", "Rank,Puzzles\nx,1 1 4 6\n", "Rank,Puzzles\n1,\n"]
)
def test_a_malformed_puzzle_file_names_the_line(tmp_path, text):
    path = tmp_path / "24.csv"
    path.write_text(text)
    with pytest.raises(MalformedData, match="line 2"):
        load_puzzles(path)
