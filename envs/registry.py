"""The one table of environment ids. Plain tuples: `import rlvr` reads it and loads nothing else."""

from typing import Any, NamedTuple

NAMESPACE = "rlvr"


class EnvRow(NamedTuple):
    """One registered environment."""

    name: str
    """The id without its namespace, with its version: `game24-v0`."""
    family: str
    entry: str
    """Module and class below `rlvr.envs`: `game24:Game24Env`."""
    summary: str
    """One line for tables."""
    difficulties: tuple[str, ...]
    """Level names from easy to hard; empty where the data decide."""
    horizon: str
    """The step limit, or how it follows from the task."""
    rewards: tuple[float, float]
    """Bounds of one step's reward with the default arguments."""
    kwargs: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    data: str | None = None
    """The data set it needs, or None."""
    blocking: bool = False
    thread_safe: bool = True
    floor: float = 0.0
    """The mean score that policies which do not solve the task may reach (constant, echo, empty, spam, hedging)."""
    expert_score: float = 1.0
    """The mean score that the expert reaches at least; 1.0 means that it solves every task."""

    @property
    def id(self) -> str:
        """The full id: `rlvr/game24-v0`."""
        return f"{NAMESPACE}/{self.name}"


ENVS: tuple[EnvRow, ...] = (
    EnvRow(
        "game24-v0", "game24", "game24:Game24Env",
        "Combine four numbers, two at a time, until one is left and it is 24.",
        ("easy", "medium", "hard"), "6", (0.0, 1.0),
    ),
    EnvRow(
        "game24-text-v0", "game24", "game24:Game24TextEnv",
        "Write one expression over four numbers that is 24.",
        ("easy", "medium", "hard", "fraction"), "1", (0.0, 1.0), floor=0.01,
    ),
    EnvRow(
        "countdown-v0", "game24", "game24:CountdownEnv",
        "Write one expression over some of the numbers that is the target.",
        ("3-numbers", "4-numbers", "5-numbers", "6-numbers"), "1", (0.0, 1.0),
    ),
    EnvRow(
        "sokoban-v0", "sokoban", "sokoban:SokobanEnv",
        "Push all boxes of a generated room onto targets.",
        ("6x6-1", "6x6-2", "8x8-3", "10x10-4"), "4 x known solution", (-1.1, 10.9),
    ),
    EnvRow(
        "boxoban-v0", "sokoban", "sokoban:SokobanEnv",
        "Push all boxes of a Boxoban level onto targets.",
        (), "4 x known solution, or by size", (-1.1, 10.9), {"dataset": "boxoban"}, data="boxoban",
    ),
    EnvRow(
        "microban-v0", "sokoban", "sokoban:SokobanEnv",
        "Push all boxes of a Microban level onto targets.",
        (), "4 x known solution, or by size", (-1.1, 10.9), {"dataset": "microban"}, data="microban",
        expert_score=0.9,
    ),
    EnvRow(
        "maze-v0", "maze", "maze:MazeEnv",
        "Walk through a maze to its exit, seen as a whole or only nearby.",
        ("5x5", "7x7", "10x10", "15x15", "20x20"), "2 x cells", (0.0, 1.0),
    ),
    EnvRow(
        "maze-path-v0", "maze", "maze:MazePathEnv",
        "Write the whole path through a maze in one turn.",
        ("5x5", "7x7", "10x10", "15x15", "20x20"), "1", (0.0, 1.0),
    ),
    EnvRow(
        "bandit-v0", "bandit", "bandit:BanditEnv",
        "Choose among named options with hidden chances, and earn as much as possible.",
        (
            "bernoulli-5-easy", "bernoulli-20-easy", "bernoulli-5-hard", "bernoulli-20-hard",
            "gaussian-5-easy", "gaussian-20-easy", "gaussian-5-hard", "gaussian-20-hard",
        ),
        "300 or 1000", (float("-inf"), float("inf")), floor=0.2, expert_score=0.8,
    ),
    EnvRow(
        "aime-v0", "math", "math:AimeEnv",
        "Solve an original competition problem whose answer is an integer from 0 to 999.",
        ("easy", "medium", "hard"), "1", (0.0, 1.0), blocking=True, floor=0.03,
    ),
    EnvRow(
        "arithmetic-v0", "math", "math:ArithmeticEnv",
        "Evaluate an arithmetic expression exactly.",
        ("two-digit", "easy", "medium", "hard", "expert"), "1", (0.0, 1.0), blocking=True, floor=0.03,
    ),
    EnvRow(
        "aime2024-v0", "math", "math:MathDataEnv",
        "Solve a problem of AIME 2024.",
        (), "1", (0.0, 1.0), {"dataset": "aime2024"}, data="aime2024", blocking=True, floor=0.1,
    ),
    EnvRow(
        "aime2025-v0", "math", "math:MathDataEnv",
        "Solve a problem of AIME 2025.",
        (), "1", (0.0, 1.0), {"dataset": "aime2025"}, data="aime2025", blocking=True, floor=0.1,
    ),
    EnvRow(
        "aime-history-v0", "math", "math:MathDataEnv",
        "Solve a problem of AIME 1983 to 2023.",
        (), "1", (0.0, 1.0), {"dataset": "aime-history"}, data="aime-history", blocking=True, floor=0.03,
    ),
    EnvRow(
        "amc23-v0", "math", "math:MathDataEnv",
        "Solve a problem of AMC 2023.",
        (), "1", (0.0, 1.0), {"dataset": "amc23"}, data="amc23", blocking=True, floor=0.1,
    ),
    EnvRow(
        "math500-v0", "math", "math:MathDataEnv",
        "Solve a problem of MATH-500.",
        (), "1", (0.0, 1.0), {"dataset": "math500"}, data="math500", blocking=True, floor=0.05,
    ),
    EnvRow(
        "math-v0", "math", "math:MathDataEnv",
        "Solve a problem of MATH.",
        (), "1", (0.0, 1.0), {"dataset": "math"}, data="math", blocking=True, floor=0.05,
    ),
    EnvRow(
        "gsm8k-v0", "math", "math:MathDataEnv",
        "Solve a grade-school word problem of GSM8K.",
        (), "1", (0.0, 1.0), {"dataset": "gsm8k"}, data="gsm8k", blocking=True, floor=0.03,
    ),
    EnvRow(
        "minerva-v0", "math", "math:MathDataEnv",
        "Solve an undergraduate science problem of Minerva Math.",
        (), "1", (0.0, 1.0), {"dataset": "minerva"}, data="minerva", blocking=True, floor=0.05,
    ),
    EnvRow(
        "olympiadbench-v0", "math", "math:MathDataEnv",
        "Solve an olympiad problem of OlympiadBench.",
        (), "1", (0.0, 1.0), {"dataset": "olympiadbench"}, data="olympiadbench", blocking=True, floor=0.05,
    ),
)  # fmt: skip


def register_all() -> None:
    """Register every id with Gymnasium; calling it again changes nothing."""
    from gymnasium.envs.registration import register, registry

    for row in ENVS:
        if row.id not in registry:
            module, _, attribute = row.entry.partition(":")
            register(
                row.id,
                entry_point=f"rlvr.envs.{row.entry}",
                kwargs=dict(row.kwargs),
                vector_entry_point=f"rlvr.envs.vector:{module}.{attribute}",
            )


def find(env_id: str) -> EnvRow:
    """Return the row of an id (with or without the namespace); an unknown one names the nearest."""
    from ..tasks.errors import UnknownName

    wanted = env_id.removeprefix("rlvr:").removeprefix(f"{NAMESPACE}/")
    for row in ENVS:
        if row.name == wanted:
            return row
    raise UnknownName("environment", env_id, (row.id for row in ENVS))
