"""What rules do by default."""

import json
from typing import ClassVar, NamedTuple

from rlvr.tasks.actions import ActionSpec, Call, Param
from rlvr.tasks.rng import Rng
from rlvr.tasks.rules import Rules, Transition
from rlvr.tasks.task import Task


class WordTask(Task):
    family: ClassVar[str] = "word"

    word: str


class NestedState(NamedTuple):
    path: tuple[tuple[int, int], ...]
    names: tuple[str, ...] = ()
    last: float | None = None


class NestedRules(Rules[WordTask, NestedState, Call]):
    family: ClassVar[str] = "nested"
    task_type = WordTask
    actions = (
        ActionSpec(
            "guess", r"(?P<n>\d{1,3})", "{n}", "17", "name a whole number", (Param("n", "integer", "the number"),)
        ),
    )

    def initial(self, task: WordTask) -> NestedState:
        return NestedState(())

    def step(self, state: NestedState, action: Call) -> Transition:
        return Transition(state)

    def view(self, state: NestedState) -> str:
        return ""

    def score(self, state: NestedState) -> float:
        return 0.0

    def solve(self, state: NestedState) -> list[str] | None:
        return None


def test_a_state_of_nested_tuples_survives_json_without_further_ado() -> None:
    rules, task = NestedRules(), WordTask(word="abc")
    state = NestedState(((0, 1), (2, 3)), ("a", "b"), 0.5)
    data = rules.state_to_json(state)
    assert json.loads(json.dumps(data)) == data
    back = rules.state_from_json(task, json.loads(json.dumps(data)))
    assert back == state and hash(back) == hash(state) and type(back) is NestedState


def test_random_actions_without_legal_ones_are_random() -> None:
    rules = NestedRules()
    assert len({rules.random_action(NestedState(()), Rng(seed)) for seed in range(100)}) > 60
