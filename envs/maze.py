"""Mazes as Gymnasium environments."""

from typing import Any, get_args

from ..tasks.maze.generate import GENERATORS, Generator, MazeSource
from ..tasks.maze.load import load_mazes
from ..tasks.maze.moves import MoveRules, Reward, View
from ..tasks.maze.paths import Format, PathRules
from ..tasks.maze.task import MazeTask
from . import arguments
from .core import TextEnv

_METADATA: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}


class MazeEnv(TextEnv[MazeTask]):
    """A maze, walked one cell a turn.

    ## Description
    A square lattice of cells with walls between some of them. From the start, reach the exit. With `view="full"`
    (the default) the whole maze is shown at every step; with `view="partial"` only the 5 by 5 cells around the
    player, without coordinates, so that the way must be remembered.

    ## Action space
    Text: `up`, `down`, `left` or `right`. A move against a wall is accepted and changes nothing. Any other text is
    an invalid action: it costs a turn.

    ## Observation space
    Text: what the last move did, and the picture: `#` wall, blank floor, `S` start, `E` exit, `@` the player. A
    maze of n by n cells is drawn with 2n + 1 by 2n + 1 characters, a partial view with 11 by 11.

    ## Rewards
    - `reward="sparse"` (default): 1 on reaching the exit, else 0.
    - `reward="step_cost"`: 1 on reaching the exit, else -0.1 / (number of cells), gym-maze's reward.

    `score` is 1 at the exit, else 0.

    ## Starting state
    A new maze for each seed. Levels are sizes: `5x5`, `7x7`, `10x10`, `15x15`, `20x20`. The exit can always be
    reached and is, where possible, at least as many moves away as the maze has rows. Splits go by a hash of the
    maze without its start and exit. With `data`, the mazes of that file.

    ## Episode end
    Terminates at the exit. Truncates after twice as many steps as there are cells.

    ## Arguments
    - `generator`: `"dfs"` (default), `"dfs_noforks"`, `"wilson"`, `"kruskal"`, `"percolation"` or
      `"dfs_percolation"`.
    - `view`: `"full"` or `"partial"`.
    - `reward`: see above.
    - `data`: a file or folder of mazes (`connection_list`, `start`, `end`), or `"mazes"` for the registered set;
      generated if None.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    metadata = _METADATA

    def __init__(
        self,
        *,
        generator: Generator = "dfs",
        view: View = "full",
        reward: Reward = "sparse",
        data: str | None = None,
        **kwargs: Any,
    ) -> None:
        arguments.choice("generator", generator, GENERATORS)
        arguments.choice("view", view, get_args(View))
        arguments.choice("reward", reward, get_args(Reward))
        arguments.place(data)
        source = MazeSource(generator) if data is None else load_mazes(data)
        super().__init__(MoveRules(view, reward), source, **kwargs)


class MazePathEnv(TextEnv[MazeTask]):
    """A maze, answered with the whole path in one turn.

    ## Description
    The maze is shown, and all cells of a way from its start to its exit are asked for: the task of MLM-U's maze
    navigation (Nolte et al. 2024). Any way that keeps to the passages is right; in a maze without loops and
    without steps back there is only one, so that success is MLM-U's exact match there.

    ## Action space
    Text: cells as `(row,column)`, counted from 0 at the top left, both ends included, such as
    `(0,0) (0,1) (1,1)`; `<PATH_START>` before and `<PATH_END>` after them may be there. Any other text is an
    invalid action and ends the episode.

    ## Observation space
    Text. With `format="picture"` (default) the maze as `rlvr/maze-v0` draws it; with `"tokens"` maze-dataset's
    list of connections up to `<PATH_START>`; with `"mlmu"` the same without the arrows.

    ## Rewards
    1 for a right path, else 0. `score` is the same. `info["shortest"]` says whether it is also as short as can be.

    ## Starting state
    As `rlvr/maze-v0`.

    ## Episode end
    After one turn.

    ## Arguments
    - `generator`, `data`: see `rlvr/maze-v0`.
    - `format`: see above.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    metadata = _METADATA

    def __init__(
        self,
        *,
        generator: Generator = "dfs",
        format: Format = "picture",
        data: str | None = None,
        **kwargs: Any,
    ) -> None:
        arguments.choice("generator", generator, GENERATORS)
        arguments.choice("format", format, get_args(Format))
        arguments.place(data)
        source = MazeSource(generator) if data is None else load_mazes(data)
        super().__init__(PathRules(format), source, **kwargs)
