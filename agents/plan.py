"""Which episodes a run consists of: keys, seeds and start options, all derived from names.

Task and environment seeds come from (run, entry, group), sampling seeds from (run, entry, group, member), never
from the order in which anything happens; a verifier derives them again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..envs.core import TextEnv
from ..tasks.errors import UserError
from ..tasks.rng import Rng, derive_seed
from ..tasks.suites import SuiteEntry
from ..tasks.task import DataSource, Split
from .lease import canonical_id

DEFAULT_GROUPS = 100
"""Tasks of a generator that are played where a plan does not say how many."""


def env_seed(run: str, entry: str, group: int) -> int:
    """Return the seed that the environment is reset with."""
    return derive_seed("env", run, entry, group)


def sampling_seed(run: str, entry: str, group: int, member: int) -> int:
    """Return the seed that every random choice of the agent and its policy derives from."""
    return derive_seed("sampling", run, entry, group, member)


def episode_key(entry: str, group: int, member: int) -> str:
    """Return the name of an episode within its run."""
    return f"{entry}/{group}/{member}"


@dataclass(frozen=True, slots=True)
class EpisodeSpec:
    """One episode to be played."""

    run: str
    entry: str
    group: int
    member: int
    env_id: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    suite: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """What `reset` is told (see `Placement.options`)."""

    @property
    def key(self) -> str:
        """Its name within the run."""
        return episode_key(self.entry, self.group, self.member)

    @property
    def env_seed(self) -> int:
        """The environment's seed; the same for all members of a group."""
        return env_seed(self.run, self.entry, self.group)

    @property
    def sampling_seed(self) -> int:
        """The agent's and the policy's seed."""
        return sampling_seed(self.run, self.entry, self.group, self.member)


class Placement:
    """Says which task each group of an entry plays.

    A generator makes a new task for every seed. A data set is gone through in a random order that the run's name
    fixes, so that no item comes twice before all have come once.

    Args:
        env: An environment of the entry.
        split: `test` if None, or the only split there is.
        difficulty: The environment's own default if None (all levels of a data set).
        run: The run's name.
        entry: The entry's name.
    """

    def __init__(self, env: TextEnv[Any], *, split: Split | None, difficulty: str | None, run: str, entry: str) -> None:
        source = env.source
        if split is None:
            split = env.split or ("test" if "test" in source.splits else source.splits[0])
        self.split: Split = source.check_split(split)
        level = difficulty if difficulty is not None else env.difficulty
        self.difficulty = None if level is None else source.check_difficulty(level)
        self._items: list[int | str] | None = None
        if isinstance(source, DataSource):
            chosen = [
                index
                for index, task in enumerate(source.tasks)
                if task.split == self.split and self.difficulty in (None, task.difficulty)
            ]
            if not chosen:
                raise UserError(
                    f"The data set {source.name} has no task of split {self.split!r} and difficulty {difficulty!r}."
                )
            Rng.named("items", run, entry).shuffle(chosen)
            self._items = [_item_name(source, index) for index in chosen]

    @property
    def items(self) -> int | None:
        """How many different items a data set has here; None for a generator."""
        return None if self._items is None else len(self._items)

    def options(self, group: int) -> dict[str, Any]:
        """Return the options that `reset` takes for a group."""
        if self._items is not None:
            return {"item": self._items[group % len(self._items)]}
        if self.difficulty is None:
            return {"split": self.split}
        return {"split": self.split, "difficulty": self.difficulty}


def _item_name(source: DataSource[Any], index: int) -> int | str:
    task = source.tasks[index]
    return task.item if task.item is not None and source.find(task.item) is task else index


def entry_specs(run: str, suite: str | None, entry: SuiteEntry, env: TextEnv[Any]) -> Iterator[EpisodeSpec]:
    """Yield the episodes of an entry, in order.

    Args:
        run: The run's name.
        suite: The suite's label, if it is one's.
        entry: What is played.
        env: An environment of the entry.
    """
    placement = Placement(env, split=entry.split, difficulty=entry.difficulty, run=run, entry=entry.name)
    for group in range(entry.episodes or placement.items or DEFAULT_GROUPS):
        for member in range(entry.members):
            yield EpisodeSpec(
                run=run,
                entry=entry.name,
                group=group,
                member=member,
                env_id=canonical_id(entry.env),
                env_kwargs=entry.kwargs,
                suite=suite,
                options=placement.options(group),
            )
