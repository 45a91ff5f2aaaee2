"""Playing Sokoban, one step of the player a turn."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

from ..actions import MAX_ACTION_CHARS, ActionSpec, Param
from ..errors import UnknownName
from ..rules import Invalid, Rules, StopReason, Transition
from .board import NAMES, State, find_symbols, from_position, placed, places, start, to_position
from .level import DIRECTIONS
from .solve import DEFAULT_NODES, Outcome, solve
from .task import SokobanTask
from .xsb import parse

Reward = Literal["gym", "sparse"]
"""`gym`: gym-sokoban's; -0.1 a step, +1 for a box pushed onto a target, -1 for one pushed off, +10 for the last.
`sparse`: 1 when all boxes are on targets, else 0."""

STEP, ON_TARGET, OFF_TARGET, FINISHED = -0.1, 1.0, -1.0, 10.0
GYM_STEPS = 120
"""gym-sokoban's step limit."""
QUICK_NODES = 20_000
"""How long the expert searches for the fewest pushes before it falls back on a solution that came with the task."""

COLOURS = {
    "wall": (38, 43, 51),
    "floor": (236, 233, 224),
    "goal": (240, 196, 84),
    "box": (150, 100, 62),
    "box_on_goal": (88, 170, 98),
    "player": (209, 73, 62),
    "player_on_goal": (224, 128, 58),
}

_NUMBERS = {name: number for number, name in enumerate(NAMES)} | {
    letter: number for number, letter in enumerate(DIRECTIONS)
}
_NOT_A_MOVE = Invalid("this is not a direction")
_WHERE = ("above you", "below you", "to your left", "to your right")
_MOVED = tuple(f"You moved {name}." for name in NAMES)
_WALL = tuple(f"There is a wall {where}; you stay where you are." for where in _WHERE)
_STUCK = tuple(f"The box {where} cannot move; you stay where you are." for where in _WHERE)
_PUSHED = tuple(f"You pushed a box {name}." for name in NAMES)
_ONTO = tuple(f"You pushed a box {name} onto a target." for name in NAMES)
_OFF = tuple(f"You pushed a box {name} off its target." for name in NAMES)
_ALONG = tuple(f"You pushed a box {name} from one target to the next." for name in NAMES)
_SOLVED = tuple(f"You pushed a box {name} onto a target; all boxes are on targets." for name in NAMES)
_SUBSETS = tuple(tuple(name for number, name in enumerate(NAMES) if chosen >> number & 1) for chosen in range(16))


class SokobanRules(Rules[SokobanTask, State, int]):
    """Rules of play; an action is a direction's number.

    Args:
        reward: See `Reward`.
        symbols: `letters` or `xsb`, see `board.SYMBOLS`.
        max_nodes: How many positions the expert may expand.
    """

    family: ClassVar[str] = "sokoban"
    task_type = SokobanTask
    actions = (
        ActionSpec(
            name="move",
            pattern=rf"(?P<direction>{'|'.join((*NAMES, *DIRECTIONS))})",
            template="{direction}",
            example="up",
            description="go one step up, down, left or right",
            params=(Param("direction", "string", "which way to go", NAMES),),
        ),
    )

    def __init__(self, reward: Reward = "gym", symbols: str = "letters", max_nodes: int = DEFAULT_NODES) -> None:
        if reward not in get_args(Reward):
            raise UnknownName("Sokoban reward", str(reward), get_args(Reward))
        self.symbols = find_symbols(symbols)
        self.max_nodes = max_nodes
        if reward == "gym":
            self.step_reward, self.on, self.off, self.finished = STEP, ON_TARGET, OFF_TARGET, FINISHED
            self.reward_range = (STEP + OFF_TARGET, STEP + ON_TARGET + FINISHED)
        else:
            self.step_reward, self.on, self.off, self.finished = 0.0, 0.0, 0.0, 1.0
            self.reward_range = (0.0, 1.0)
        wall, floor, goal, box, box_on_goal, player, player_on_goal = (
            "a space" if symbol == " " else symbol for symbol in self.symbols
        )
        self.instructions = (
            f"You push boxes onto targets. You see the room from above, a character a cell: {wall} is wall, {floor} "
            f"floor, {goal} a target, {box} a box, {box_on_goal} a box on a target, {player} you, {player_on_goal} you "
            f"on a target. Walking against a box pushes it one cell on, if the cell behind it is floor or a target; "
            f"you cannot pull, and never push two boxes at once, so a box in a corner stays there. The room is solved "
            f"when every box is on a target. Each action is one step: up, down, left or right. A step that is blocked "
            f"changes nothing but costs the turn."
        )

    def initial(self, task: SokobanTask) -> State:
        """Return the state that the level shows."""
        return start(task, self.symbols)

    def parse(self, state: State, text: str) -> int | Invalid:
        """Return the number of a direction; case and white space around it do not count."""
        number = _NUMBERS.get(text)
        if number is None and len(text) <= MAX_ACTION_CHARS:
            number = _NUMBERS.get(text.strip().lower())
        return _NOT_A_MOVE if number is None else number

    def step(self, state: State, action: int) -> Transition:
        """Move the player, and a box with it where one is in the way and can move."""
        board, player, boxes, picture = state
        step = board.steps[action]
        front = player + step
        met = picture[front]
        if met in board.open:
            return Transition(State(board, front, boxes, picture), self.step_reward, False, None, _MOVED[action])
        if not boxes >> front & 1:
            return Transition(state, self.step_reward, False, None, _WALL[action])
        behind = front + step
        target = picture[behind]
        if target not in board.open:
            return Transition(state, self.step_reward, False, None, _STUCK[action])
        symbols = board.symbols
        moved = boxes ^ (1 << front | 1 << behind)
        left_goal = met == symbols.box_on_goal
        left = symbols.goal if left_goal else symbols.floor
        on_goal = target == symbols.goal
        box = symbols.box_on_goal if on_goal else symbols.box
        if step > 0:
            drawn = f"{picture[:front]}{left}{picture[front + 1 : behind]}{box}{picture[behind + 1 :]}"
        else:
            drawn = f"{picture[:behind]}{box}{picture[behind + 1 : front]}{left}{picture[front + 1 :]}"
        after = State(board, front, moved, drawn)
        if on_goal == left_goal:
            return Transition(after, self.step_reward, False, None, (_ALONG if on_goal else _PUSHED)[action])
        if left_goal:
            return Transition(after, self.step_reward + self.off, False, None, _OFF[action])
        reward = self.step_reward + self.on
        if moved == board.goals:
            return Transition(after, reward + self.finished, True, StopReason.SOLVED, _SOLVED[action])
        return Transition(after, reward, False, None, _ONTO[action])

    def statement(self, task: SokobanTask) -> str:
        """Return the task in one sentence."""
        count = parse(task.level).boxes.bit_count()
        return "Push the box onto the target." if count == 1 else f"Push the {count} boxes onto the {count} targets."

    def view(self, state: State) -> str:
        """Return the picture of the room."""
        board, player, _, picture = state
        symbols = board.symbols
        here = symbols.player if picture[player] == symbols.floor else symbols.player_on_goal
        return f"{picture[:player]}{here}{picture[player + 1 :]}"

    def key(self, state: State) -> str:
        """Return the places of the player and of the boxes (a mask), in hexadecimal."""
        return f"{state[1]:x}.{state[2]:x}"

    def score(self, state: State) -> float:
        """Return 1 if every box is on a target, else 0."""
        return 1.0 if state[2] == state[0].goals else 0.0

    def is_success(self, state: State) -> bool:
        """Return whether every box is on a target."""
        return bool(state[2] == state[0].goals)

    def legal_actions(self, state: State) -> tuple[str, ...]:
        """Return the steps that change something (the others are accepted, but only cost the turn)."""
        board, player, boxes, picture = state
        if boxes == board.goals:
            return ()
        free = board.open
        chosen, number = 0, 1
        for step in board.steps:
            front = player + step
            if picture[front] in free or (boxes >> front & 1 and picture[front + step] in free):
                chosen |= number
            number += number
        return _SUBSETS[chosen]

    def extra_info(self, state: State) -> dict[str, Any]:
        """Return `boxes_on_target`, the number of boxes on targets."""
        return {"boxes_on_target": (state[2] & state[0].goals).bit_count()}

    def solve(self, state: State) -> list[str] | None:
        """Return a solution with the fewest pushes, or a good one where that takes too long.

        None where there is none, or none was found among `max_nodes` positions. A solution that came with the task
        is used where the state is on it and the search for a better one takes long.
        """
        position = to_position(state)
        found = solve(position, max_nodes=min(QUICK_NODES, self.max_nodes))
        if found.outcome is Outcome.NODE_LIMIT:
            known = self._recorded(state)
            if known is not None:
                return known
            if self.max_nodes > QUICK_NODES:
                found = solve(position, max_nodes=self.max_nodes)
        if found.moves is None:
            return None
        return [NAMES[DIRECTIONS.index(letter)] for letter in found.moves.lower()]

    def _recorded(self, state: State) -> list[str] | None:
        """Return the rest of the task's own solution, if the state is on it."""
        plan = [NAMES[DIRECTIONS.index(letter)] for letter in (state.board.solution or "").lower()]
        at = from_position(state.board, state.board.position)
        for done, name in enumerate(plan):
            if at == state:
                return plan[done:]
            at = self.step(at, _NUMBERS[name]).state
        return None

    def horizon(self, task: SokobanTask) -> int:
        """Return four times the moves of the known solution, at least 40; without one, 120 or more, by the size."""
        if task.solution is not None:
            return max(40, 4 * len(task.solution))
        position = parse(task.level)
        return max(GYM_STEPS, 3 * position.level.floor.bit_count() * position.boxes.bit_count())

    def state_to_json(self, state: State) -> Any:
        """Return the cells of the player and of the boxes, each as [row, column]."""
        board = state.board
        return {
            "player": list(board.cell(state.player)),
            "boxes": [list(board.cell(place)) for place in places(state.boxes)],
        }

    def state_from_json(self, task: SokobanTask, data: Any) -> State:
        """Return the state of such cells."""
        board = start(task, self.symbols).board
        (row, column), boxes = data["player"], data["boxes"]
        return placed(board, row * board.stride + column, [r * board.stride + c for r, c in boxes])

    def colours(self, state: State) -> Sequence[Sequence[tuple[int, int, int]]]:
        """Return the room in colours."""
        colour = {symbol: COLOURS[name] for name, symbol in state.board.symbols._asdict().items()}
        return [[colour[cell] for cell in row] for row in self.view(state).split("\n")]
