"""Rows of a table, from episodes made by hand."""

from typing import Any

import pytest

from rlvr.leaderboard.table import (
    Played,
    Run,
    Scorer,
    choose_references,
    mean_references,
    reasons_not_to_rank,
)


def played(entry: str, group: int, score: float, *, member: int = 0, **changes: Any) -> Played:
    values: dict[str, Any] = {
        "key": f"{entry}/{group}/{member}",
        "entry": entry,
        "family": entry.partition("-")[0],
        "env": f"rlvr/{entry}-v0",
        "difficulty": "easy",
        "group": group,
        "member": member,
        "task_uid": f"{entry}-{group}",
        "score": score,
        "is_success": score == 1.0,
        "total_reward": score,
        "env_steps": 4,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "excluded": False,
        "privileged": (),
        "branches": 1,
        "attempts": 1,
        "solved_anywhere": score == 1.0,
        "answer": None,
    }
    return Played(**{**values, **changes})


def run(episodes: list[Played], agent: str = "direct", slug: str = "run", refused: int = 0) -> Run:
    return Run(slug, "suite@1/0", "suite@1", agent, None, "", "", episodes, refused)


def test_entries_weigh_the_same_however_many_tasks_they_have() -> None:
    episodes = [played("maze-a", 0, 1.0)] + [played("maze-b", group, 0.0) for group in range(9)]
    cell = Scorer(run(episodes), {}).suite()
    assert cell is not None
    assert cell.score.value == 0.5
    assert cell.score.interval is None, "one entry has a single task"
    assert (cell.episodes, cell.steps, cell.prompt_tokens, cell.completion_tokens) == (10, 4.0, 100.0, 10.0)


def test_normalised_scores_by_hand_leave_out_entries_without_a_scale() -> None:
    episodes = [played(entry, group, 0.5) for entry in ("maze-a", "maze-b", "math-c") for group in range(3)]
    references = {"maze-a": (0.25, 0.75), "maze-b": (0.0, 1.0), "math-c": (0.5, 0.5)}
    scorer = Scorer(run(episodes), references)
    suite, math, maze = scorer.suite(), scorer.family("math"), scorer.entry("maze-b")
    assert suite is not None and math is not None and maze is not None
    assert suite.norm is not None and suite.norm.value == pytest.approx(0.5)
    assert math.norm is None and math.iqm is None
    assert maze.norm is not None and maze.norm.value == pytest.approx(0.5)


def test_iqm_is_taken_over_entries() -> None:
    scores = {"maze-a": 0.0, "maze-b": 0.25, "maze-c": 0.75, "maze-d": 1.0}
    episodes = [played(entry, group, score) for entry, score in scores.items() for group in range(3)]
    cell = Scorer(run(episodes), dict.fromkeys(scores, (0.0, 1.0))).suite()
    assert cell is not None and cell.iqm is not None
    assert cell.iqm.value == pytest.approx((0.25 + 0.75) / 2)


def test_excluded_episodes_leave_scores_and_stay_counted() -> None:
    episodes = [played("math-a", 0, 1.0), played("math-a", 1, 0.0, excluded=True), played("math-a", 2, 1.0)]
    cell = Scorer(run(episodes), {}).suite()
    assert cell is not None
    assert cell.score.value == 1.0
    assert (cell.episodes, cell.excluded) == (3, 1)
    assert dict(cell.labels) == {"selected@1": 1.0}
    nothing = Scorer(run([played("math-a", 0, 1.0, excluded=True)]), {})
    assert nothing.suite() is None and nothing.families == ()


def test_labels_of_groups_with_members() -> None:
    marks = {0: [(1.0, "7"), (0.0, "3"), (0.0, "3")], 1: [(1.0, "5"), (1.0, "5"), (0.0, None)]}
    episodes = [
        played("math-a", group, score, member=member, answer=answer)
        for group, members in marks.items()
        for member, (score, answer) in enumerate(members)
    ]
    cell = Scorer(run(episodes), {}).suite()
    assert cell is not None
    assert dict(cell.labels) == pytest.approx({"selected@1": (1 / 3 + 2 / 3) / 2, "pass@3": 1.0, "maj@3": 0.5})
    assert next(iter(cell.labels))[0] == "selected@1"


def test_k_is_what_every_task_has() -> None:
    """A member that timed out lowers k for all, so that shares stay comparable."""
    episodes = [played("math-a", 0, float(member == 0), member=member) for member in range(3)]
    episodes += [played("math-a", 1, 0.0, member=member, excluded=member == 2) for member in range(3)]
    cell = Scorer(run(episodes), {}).suite()
    assert cell is not None
    assert dict(cell.labels) == pytest.approx({"selected@1": 1 / 6, "pass@2": (2 / 3 + 0) / 2})


def test_search_and_repeated_attempts_have_labels_of_their_own() -> None:
    search = [played("game24-a", 0, 0.0, branches=5, solved_anywhere=True), played("game24-a", 1, 0.0, branches=3)]
    cell = Scorer(run(search), {}).suite()
    assert cell is not None
    assert dict(cell.labels) == {"selected@1": 0.0, "any@5": 0.5}
    trials = [played("game24-a", 0, 1.0, branches=2, attempts=3), played("game24-a", 1, 0.0, branches=3, attempts=3)]
    cell = Scorer(run(trials), {}).suite()
    assert cell is not None
    assert dict(cell.labels) == {"selected@1": 0.5, "cumulative@3": 0.5}


def test_references_are_the_cleanest_and_longest_runs() -> None:
    one = run([played("maze-a", 0, 0.25)], "random", "r1")
    longer = run([played("maze-a", group, 0.5) for group in range(2)], "random", "r2")
    faulty = run([played("maze-a", group, 0.9) for group in range(3)], "random", "r0", refused=1)
    faulty.why += reasons_not_to_rank(faulty)
    lucky = run([played("maze-a", group, 0.9) for group in range(4)], "random", "r9")
    lucky.why.append("It lacks 2 of the 6 episodes.")
    assert (lucky.status, faulty.status, longer.status) == ("unranked", "unranked", "reference")
    expert = run([played("maze-a", 0, 1.0), played("maze-b", 0, 1.0)], "expert", "e")
    chosen, references = choose_references([one, longer, faulty, lucky, expert])
    assert {role: found.slug for role, found in chosen.items()} == {"random": "r2", "expert": "e"}
    assert references == {"maze-a": (0.5, 1.0), "maze-b": (None, 1.0)}
    assert mean_references(references, ["maze-a"]) == (0.5, 1.0)
    assert mean_references(references, ["maze-a", "maze-b"]) == (None, 1.0)


def test_reasons_not_to_rank() -> None:
    assert reasons_not_to_rank(run([played("maze-a", group, 0.0) for group in range(20)])) == []
    few = [played("maze-a", group, 0.0, excluded=group == 0) for group in range(20)]
    assert reasons_not_to_rank(run(few)) == [], "5 % is allowed"
    many = [played("maze-a", group, 0.0, excluded=group < 2) for group in range(20)]
    assert reasons_not_to_rank(run(many)) == ["2 of its 20 episodes are excluded, more than 5%."]
    spied = [played("maze-a", 0, 0.0, privileged=("task", "reveal"))]
    assert reasons_not_to_rank(run(spied, refused=1)) == [
        "It used what only experts may: reveal, task.",
        "1 of its records was refused.",
    ]
