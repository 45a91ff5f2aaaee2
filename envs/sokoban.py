"""Sokoban as a Gymnasium environment."""

from typing import Any, get_args

from ..tasks.sokoban.board import SYMBOLS
from ..tasks.sokoban.rules import Reward, SokobanRules
from ..tasks.sokoban.solve import DEFAULT_NODES
from ..tasks.sokoban.source import DATA_SETS, SokobanSource, load_levels
from ..tasks.sokoban.task import SokobanTask
from ..tasks.task import TaskSource
from . import arguments
from .core import TextEnv


class SokobanEnv(TextEnv[SokobanTask]):
    """Sokoban, one step of the player a turn.

    ## Description
    A room seen from above. Walking against a box pushes it one cell on, if there is room behind it. Bring every box
    onto a target. Boxes cannot be pulled, so a careless push can make the room unsolvable; the episode goes on then,
    until the steps are used up.

    ## Action space
    Text: `up`, `down`, `left` or `right`, or their first letters. A step against a wall, or against a box that
    cannot move, is accepted and changes nothing; `info["legal_actions"]` lists those that change something. Any
    other text is an invalid action: it costs a turn.

    ## Observation space
    Text: what the last step did, and the room, a character a cell: `#` wall, `_` floor, `O` target, `X` box, `√` box
    on a target, `P` the player, `S` the player on a target. With `symbols="xsb"`: `#`, space, `.`, `$`, `*`, `@`,
    `+`. `info["boxes_on_target"]` counts.

    ## Rewards
    - `reward="gym"` (default): gym-sokoban's. -0.1 for every step, +1 for pushing a box onto a target, -1 for pushing
      one off, +10 when all are on targets.
    - `reward="sparse"`: 1 when all boxes are on targets, else 0.

    `score` is 1 if all boxes are on targets, else 0.

    ## Starting state
    A new room for each seed. The difficulty is `ROWSxCOLUMNS-BOXES`: `6x6-1`, `6x6-2`, `8x8-3`, `10x10-4`, or any
    other size. Every room can be solved, no box starts on a target, no room is solved by going in one direction
    only, and the fewest pushes are at least boxes x (rows + columns) / 5 wherever such a room turns up among a
    thousand (see `tasks/sokoban/generate.py`). Splits go by a hash of walls and targets that rotations and
    reflections do not change. With `data`, the levels of that file.

    ## Episode end
    Terminates when all boxes are on targets. Truncates after four times the moves of the known solution, at least
    40; after 120 or more where no solution came with the level. gym-sokoban's limit is `max_steps=120`, that of the
    published agents on 6x6 rooms `max_steps=15`.

    ## Arguments
    - `reward`, `symbols`: see above.
    - `min_pushes`: the least pushes that a generated room needs.
    - `data`: a file or folder of levels: Boxoban's text, XSB, or rows with `level`.
    - `dataset`: `"boxoban"` or `"microban"`, the registered set that is played where there is no `data`. Levels are
      generated if both are None.
    - `max_nodes`: how many positions the expert may expand before it gives up.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        *,
        reward: Reward = "gym",
        symbols: str = "letters",
        min_pushes: int | None = None,
        data: str | None = None,
        dataset: str | None = None,
        max_nodes: int = DEFAULT_NODES,
        **kwargs: Any,
    ) -> None:
        arguments.choice("reward", reward, get_args(Reward))
        arguments.choice("symbols", symbols, SYMBOLS)
        if min_pushes is not None:
            arguments.whole("min_pushes", min_pushes, 1)
        if dataset is not None:
            arguments.choice("dataset", dataset, DATA_SETS)
        arguments.whole("max_nodes", max_nodes, 1)
        arguments.place(data)
        source: TaskSource[SokobanTask]
        if data is None and dataset is None:
            source = SokobanSource(min_pushes)
        else:
            source = load_levels(dataset or DATA_SETS[0], data)
        super().__init__(SokobanRules(reward, symbols, max_nodes), source, **kwargs)
