"""Game of 24 and countdown as Gymnasium environments."""

from pathlib import Path
from typing import Any, get_args

from ..tasks.game24.arithmetic import Division
from ..tasks.game24.puzzles import CountdownSource, Game24Source, load_puzzles
from ..tasks.game24.steps import StepsRules
from ..tasks.game24.task import CountdownTask, Game24Task
from ..tasks.game24.text import CountdownRules, Game24TextRules
from . import arguments
from .core import TextEnv


class Game24Env(TextEnv[Game24Task]):
    """Game of 24, step by step.

    ## Description
    Four numbers are given. Each action replaces two of them by their sum, difference, product or quotient; when
    one number is left, it should be 24. With `division="exact"` (the default) this is the Markov decision process
    of Intelligent Go-Explore: whole numbers only, larger minus smaller, division only without remainder. With
    `division="rational"` it is the full game over fractions. Never compare numbers across the two.

    ## Action space
    Text: one operation on two of the numbers that are left, such as `8 / 2`. The order of sums and products does
    not matter, `8/2 = 4` is understood too. Any other text is an invalid action: it costs a turn.

    ## Observation space
    Text: the puzzle at the start, then the operation's result and the numbers that are left.

    ## Rewards
    1 when the last number is 24, else 0. `score` is the same.

    ## Starting state
    One of the 1,346 (1,362 with fractions) solvable multisets of four numbers from 1 to 13. Levels go by the exact
    chance that random legal moves win: `easy` at least 1.8 %, `medium` at least 0.7 %, `hard` less, and
    `fraction` (only with `division="rational"`): the 16 puzzles that need a fraction. Splits go by a hash of the
    numbers. With `data`, the puzzles of that file (`24.csv` or JSON lines with `rank` and `numbers`); ranks 901 to
    1000 are the test split.

    ## Episode end
    Terminates when one number is left. Truncates after 6 steps (two for each operation).

    ## Arguments
    - `division`: `"exact"` or `"rational"`.
    - `data`: a file of puzzles; generated if None.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(self, *, division: Division = "exact", data: str | None = None, **kwargs: Any) -> None:
        arguments.choice("division", division, get_args(Division))
        arguments.place(data)
        source = Game24Source(division) if data is None else load_puzzles(Path(data))
        super().__init__(StepsRules(division), source, **kwargs)


class Game24TextEnv(TextEnv[Game24Task]):
    """Game of 24 as one expression.

    ## Description
    Four numbers are given; hand in one arithmetic expression that uses each of them exactly once and is 24. The
    check is Tree of Thoughts' one with exact fractions; the text is parsed, never evaluated.

    ## Action space
    Text: an expression with `+ - * / ( )`. Of a longer text the last line counts, after `Answer:` and before the
    first `=`.

    ## Observation space
    Text: the numbers and the target; after the answer, what it came to.

    ## Rewards
    1 for a correct expression, else 0. `score` is the same.

    ## Starting state
    As `rlvr/game24-v0` with `division="rational"`.

    ## Episode end
    Terminates with the first text, be it an expression or not.

    ## Arguments
    - `data`: a file of puzzles; generated if None.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(self, *, data: str | None = None, **kwargs: Any) -> None:
        arguments.place(data)
        source = Game24Source("rational") if data is None else load_puzzles(Path(data))
        super().__init__(Game24TextRules(), source, **kwargs)


class CountdownEnv(TextEnv[CountdownTask]):
    """Countdown: make the target from some of the numbers.

    ## Description
    Three to six numbers and a target are given; hand in one arithmetic expression that uses each number at most
    once and is the target. Every puzzle has a solution in whole steps.

    ## Action space
    Text: an expression with `+ - * / ( )`. Of a longer text the last line counts, after `Answer:` and before the
    first `=`.

    ## Observation space
    Text: the numbers and the target; after the answer, what it came to.

    ## Rewards
    1 for a correct expression, else 0. `score` is the same.

    ## Starting state
    Numbers from 1 to 99 and a target from 10 to 999 that is none of them. Levels are the count of numbers:
    `3-numbers` to `6-numbers`. Splits go by a hash of the numbers and the target.

    ## Episode end
    Terminates with the first text, be it an expression or not.

    ## Arguments
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(CountdownRules(), CountdownSource(), **kwargs)
