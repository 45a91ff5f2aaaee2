"""A task is one frozen instance of a problem; a source hands out tasks by seed or by item."""

import json
from abc import ABC, abstractmethod
from functools import cached_property
from hashlib import blake2b
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from .errors import UnknownName, UserError
from .rng import Rng, derive_seed

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


class Task(BaseModel):
    """One instance: everything that the rules need to play it, and nothing that changes while it is played."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: ClassVar[str]
    """The family's name; the first part of the uid."""

    split: Split = "train"
    difficulty: str = ""
    item: str | None = None
    """The id of the data-set row that this task came from, if any."""

    def content(self) -> dict[str, Any]:
        """Return what makes this instance this instance: every field but `split`, `difficulty` and `item`."""
        return self.model_dump(mode="json", exclude={"split", "difficulty", "item"})

    @cached_property
    def uid(self) -> str:
        """A stable name: the family and a hash of the content."""
        return f"{self.family}-{content_hash(self.content()):016x}"


TaskT = TypeVar("TaskT", bound=Task)


def content_hash(content: Any) -> int:
    """Return a 64-bit hash of a JSON value, the same on every machine."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def text_hash(text: str) -> str:
    """Return the short hash that stands for an observation in a record."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def split_of(content: Any) -> Split:
    """Return the split that an instance belongs to, by its content alone: 80 % train, 10 % valid, 10 % test."""
    bucket = content_hash(["split", content]) % 10
    return "train" if bucket < 8 else "valid" if bucket == 8 else "test"


class TaskSource(ABC, Generic[TaskT]):
    """Hands out tasks; the same seed, split and difficulty give the same task on every machine."""

    splits: tuple[Split, ...] = SPLITS
    difficulties: tuple[str, ...]
    """Level names from easy to hard."""
    default_difficulty: str | None = None
    """The level where none is asked for; the first if None."""
    fingerprint: str | None = None
    """sha256 of the data behind it, where there is data."""

    @abstractmethod
    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> TaskT:
        """Return the task of a seed."""

    def check_split(self, split: Split | None) -> Split:
        """Return the split, or the source's first one for None; an unknown one is a `UserError`."""
        if split is None:
            return self.splits[0]
        if split not in self.splits:
            raise UserError(f"There is no split {split!r} here; choose one of {', '.join(self.splits)}.")
        return split

    def check_difficulty(self, difficulty: str | None) -> str:
        """Return the difficulty, or the default for None; an unknown one is a `UserError`."""
        if difficulty is None:
            return self.default_difficulty or self.difficulties[0]
        if difficulty not in self.difficulties:
            raise UserError(
                f"There is no difficulty {difficulty!r} here; choose one of {', '.join(self.difficulties)}."
            )
        return difficulty


class GeneratedSource(TaskSource[TaskT]):
    """Endless tasks from a generator; splits are disjoint because they go by the instance's content."""

    max_attempts: ClassVar[int] = 10_000

    @abstractmethod
    def generate(self, rng: Rng, difficulty: str) -> TaskT:
        """Return one instance with the default split; may return an instance of any split."""

    def split_content(self, task: TaskT) -> Any:
        """Return the part of the content that decides the split (all of it by default)."""
        return task.content()

    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> TaskT:
        """Draw instances until one belongs to the split."""
        split = self.check_split(split)
        level = self.check_difficulty(difficulty)
        rng = Rng(derive_seed("task", seed, split, level))
        for _ in range(self.max_attempts):
            task = self.generate(rng, level)
            if split_of(self.split_content(task)) == split:
                return task.model_copy(update={"split": split, "difficulty": level})
        raise RuntimeError(f"{type(self).__name__} drew {self.max_attempts} instances, none of split {split!r}")


class DataSource(TaskSource[TaskT]):
    """A fixed list of tasks, each in the split its data set gives it."""

    def __init__(self, tasks: list[TaskT], *, name: str, fingerprint: str | None = None) -> None:
        if not tasks:
            raise UserError(f"The data set {name} has no rows.")
        self.name = name
        self.tasks = tasks
        self.fingerprint = fingerprint
        present = {task.split for task in tasks}
        self.splits = tuple(split for split in SPLITS if split in present)
        self.difficulties = tuple(dict.fromkeys(task.difficulty for task in tasks))
        self._levels = {(task.split, task.difficulty) for task in tasks}
        self._by_item = {task.item: task for task in tasks if task.item is not None}
        self._pools: dict[tuple[Split, str | None], list[TaskT]] = {}

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: int) -> TaskT:
        return self.tasks[index]

    def find(self, item: int | str) -> TaskT:
        """Return the task of an item id, or of a position (0 to len - 1)."""
        if isinstance(item, str) and item in self._by_item:
            return self._by_item[item]
        if isinstance(item, int) and not isinstance(item, bool):
            if 0 <= item < len(self.tasks):
                return self.tasks[item]
            raise UserError(f"The data set {self.name} has items 0 to {len(self.tasks) - 1}, not {item}.")
        raise UnknownName(f"item in data set {self.name}", str(item), (key for key in self._by_item if key))

    def sample(self, seed: int, split: Split | None = None, difficulty: str | None = None) -> TaskT:
        """Pick one task of the split (and of the difficulty, if one is named), uniformly.

        Without a split it is the first one, or the first that has the difficulty.
        """
        level = None if difficulty is None else self.check_difficulty(difficulty)
        if split is None and level is not None:
            split = next(name for name in self.splits if (name, level) in self._levels)
        split = self.check_split(split)
        pool = self._pools.get((split, level))
        if pool is None:
            pool = [task for task in self.tasks if task.split == split and level in (None, task.difficulty)]
            self._pools[split, level] = pool
        if not pool:
            raise UserError(f"The data set {self.name} has no task of split {split!r} and difficulty {level!r}.")
        return pool[Rng(derive_seed("item", seed)).below(len(pool))]
