"""Suites: fixed lists of environments, levels and test seeds that scores are compared on."""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator

from .config import Config, read_config, read_yaml
from .errors import UnknownName, UserError
from .task import Split

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class SuiteEntry(Config):
    """One row of a suite: an environment, and how much of it is played."""

    name: Annotated[str, Field(pattern=NAME)]
    """Unique in the suite; part of every seed."""
    env: str
    """The environment's id."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """The environment's arguments."""
    split: Split | None = "test"
    difficulty: str | None = None
    """The level; the environment's own default if None (all levels of a data set)."""
    episodes: Annotated[int, Field(ge=1)] | None = None
    """How many groups are played; None: every item of a data set once, 100 tasks of a generator."""
    members: Annotated[int, Field(ge=1)] = 1
    """Episodes in a group: same task, other sampling seeds."""
    family: str = ""
    """Under which heading a page shows it; the environment's family if empty."""


class Suite(Config):
    """A list of entries under a name and a version; a change of either entries or meaning raises the version."""

    name: Annotated[str, Field(pattern=NAME)]
    version: Annotated[int, Field(ge=1)] = 1
    description: str = ""
    entries: Annotated[tuple[SuiteEntry, ...], Field(min_length=1)]

    @field_validator("entries")
    @classmethod
    def _names_are_unique(cls, entries: tuple[SuiteEntry, ...]) -> tuple[SuiteEntry, ...]:
        seen: set[str] = set()
        for entry in entries:
            if entry.name in seen:
                raise ValueError(f"two entries are called {entry.name!r}")
            seen.add(entry.name)
        return entries

    @property
    def label(self) -> str:
        """Name and version, as records have it: `quick@1`."""
        return f"{self.name}@{self.version}"

    def entry(self, name: str) -> SuiteEntry:
        """Return the entry of a name."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise UnknownName(f"entry in suite {self.label}", name, (entry.name for entry in self.entries))


def _levels(name: str, env: str, levels: tuple[str, ...], episodes: int, **kwargs: Any) -> Iterator[SuiteEntry]:
    for level in levels:
        yield SuiteEntry(name=f"{name}-{level}", env=env, difficulty=level, episodes=episodes, kwargs=kwargs)


QUICK = Suite(
    name="quick",
    version=1,
    description="A first look at every family; about a minute for the random, expert and scripted agents together.",
    entries=(
        SuiteEntry(name="aime", env="rlvr/aime-v0", difficulty="easy", episodes=20),
        SuiteEntry(name="arithmetic", env="rlvr/arithmetic-v0", difficulty="easy", episodes=20),
        SuiteEntry(name="game24", env="rlvr/game24-v0", difficulty="easy", episodes=20),
        SuiteEntry(name="game24-text", env="rlvr/game24-text-v0", difficulty="easy", episodes=20),
        SuiteEntry(name="countdown", env="rlvr/countdown-v0", difficulty="3-numbers", episodes=20),
        SuiteEntry(name="sokoban", env="rlvr/sokoban-v0", difficulty="6x6-1", episodes=20),
        SuiteEntry(name="maze", env="rlvr/maze-v0", difficulty="5x5", episodes=20),
        SuiteEntry(name="maze-path", env="rlvr/maze-path-v0", difficulty="5x5", episodes=20),
        SuiteEntry(
            name="bandit", env="rlvr/bandit-v0", difficulty="bernoulli-5-easy", episodes=10, kwargs={"horizon": 50}
        ),
    ),
)

CORE = Suite(
    name="core",
    version=1,
    description="All families at three levels of difficulty, with fixed test seeds.",
    entries=(
        *_levels("aime", "rlvr/aime-v0", ("easy", "medium", "hard"), 100),
        *_levels("arithmetic", "rlvr/arithmetic-v0", ("easy", "medium", "hard"), 50),
        *_levels("game24", "rlvr/game24-v0", ("easy", "medium", "hard"), 50),
        *_levels("game24-text", "rlvr/game24-text-v0", ("easy", "medium", "hard"), 50),
        *_levels("countdown", "rlvr/countdown-v0", ("3-numbers", "4-numbers", "5-numbers"), 50),
        *_levels("sokoban", "rlvr/sokoban-v0", ("6x6-1", "6x6-2", "8x8-3"), 50),
        *_levels("maze", "rlvr/maze-v0", ("5x5", "10x10", "15x15"), 50),
        *_levels("maze-path", "rlvr/maze-path-v0", ("5x5", "10x10", "15x15"), 50),
        *_levels(
            "bandit", "rlvr/bandit-v0", ("bernoulli-5-easy", "bernoulli-20-hard", "gaussian-20-hard"), 20, horizon=200
        ),
    ),
)

SUITES: tuple[Suite, ...] = (QUICK, CORE)


def find_suite(name: str) -> Suite:
    """Return the suite of a name (`quick`), a label (`quick@1`) or a YAML file.

    Raises:
        UnknownName: There is no such suite; the message names the nearest.
        UserError: The file is not a suite; the message names file and key.
    """
    for suite in SUITES:
        if name in (suite.name, suite.label):
            return suite
    if Path(name).suffix.lower() in (".yaml", ".yml", ".json"):
        return load_suite(Path(name))
    raise UnknownName("suite", name, (suite.name for suite in SUITES))


def known_suite(label: str) -> Suite | None:
    """Return our suite of a label (`quick@1`), or None; opens no file, whatever the label says."""
    return next((suite for suite in SUITES if suite.label == label), None)


def load_suite(path: Path) -> Suite:
    """Read a suite that a user has written.

    Raises:
        UserError: It cannot be read, has an unknown key (the nearest is named), or takes a name of ours.
    """
    suite = read_config(Suite, read_yaml(path), str(path))
    if any(suite.name == ours.name for ours in SUITES):
        raise UserError(f"{path}: the name {suite.name!r} belongs to a suite of ours; choose another.")
    return suite


class Reference(NamedTuple):
    """What random play and the expert reach on a suite's entry."""

    random: float
    expert: float


@lru_cache(maxsize=1)
def _references() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("references.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def references_version() -> int:
    """Return the version of the reference scores; normalised scores name it."""
    return int(_references()["version"])


def reference(suite: str, entry: str) -> Reference | None:
    """Return the reference mean scores of an entry of one of our suites (by label), or None."""
    found = _references()["suites"].get(suite, {}).get(entry)
    return None if found is None else Reference(found["random"], found["expert"])


def normalised(score: float, of: Reference | None) -> float | None:
    """Return (score - random) / (expert - random); None without references, or where they are equal."""
    if of is None or of.expert == of.random:
        return None
    return (score - of.random) / (of.expert - of.random)
