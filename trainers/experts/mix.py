"""Which demonstrations are made: environments, levels, forms of reply and of history, each with a weight."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ...tasks.config import Config, read_config, read_yaml
from ...tasks.errors import UnknownName
from ...tasks.suites import NAME
from ...tasks.task import content_hash

Form = Literal["raw", "tag", "think", "json", "boxed", "last_line", "plan", "plan-think"]
"""`raw`: the bare command. `tag`: `<action>…</action>`. `think`: `<think>…</think>` before it. `json`, `boxed`: as the
direct agent asks for them. `last_line`: the thought on a line before the action. `plan`: the first reply begins with
`<plan>`, numbered sub-goals and `</plan>`, and `<sub_done>` follows the action that completes one; `plan-think`: with
thoughts. Where a verifier reads the whole reply (mathematics), there are no tags around the action."""
Prompt = Literal["full", "brief"]
"""`full`: what the direct agent is told. `brief`: without the rules of play."""

Weight = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _bare() -> dict[Form, float]:
    return {"raw": 1.0}


def _full() -> dict[Prompt, float]:
    return {"full": 1.0}


class Entry(Config):
    """Demonstrations of one environment."""

    name: Annotated[str, Field(pattern=NAME)]
    """Unique in the mix; part of every seed."""
    env: str
    """The environment's id."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Its arguments."""
    weight: Weight = 1.0
    """Its share of the mix's episodes, relative to the other entries."""
    levels: Annotated[dict[str, Weight], Field(min_length=1)]
    """Levels of difficulty and how often each is played."""
    forms: Annotated[dict[Form, Weight], Field(min_length=1)] = Field(default_factory=_bare)
    """Forms of reply."""
    thoughts: dict[str, Weight] = Field(default_factory=dict)
    """Styles of thought (see the family's expert); its first if empty."""
    histories: Annotated[dict[str, Weight], Field(min_length=1)] = Field(default_factory=lambda: {"all": 1.0})
    """What the direct agent's `history` is: `all`, `summary`, or a number of turns. With `all` an episode is one
    document in which every reply of the expert is learned; else every document ends in the one that is learned."""
    prompts: Annotated[dict[Prompt, Weight], Field(min_length=1)] = Field(default_factory=_full)
    """Forms of the system prompt."""
    legal: Share = 0.0
    """Share of episodes in which the legal actions are listed."""
    noise: Share = 0.0
    """Share of steps at which something else is played than the expert's action, and not learned."""
    widened: Share = 0.0
    """Share of episodes whose task the environment does not hand out, but which teaches the same (game24 only: other
    targets, two to four numbers)."""
    steps: Annotated[int, Field(ge=1)] = 4
    """Documents made of an episode whose history is not `all`: that many of its steps, at random."""
    turns: Annotated[int, Field(ge=1)] = 64
    """Turns in a document whose history is `all`; then the older half is left out, as the direct agent does."""

    @field_validator("histories", mode="before")
    @classmethod
    def _texts(cls, histories: Any) -> Any:
        return {str(key): value for key, value in histories.items()} if isinstance(histories, dict) else histories

    @model_validator(mode="after")
    def _fit(self) -> "Entry":
        for history in self.histories:
            if history not in ("all", "summary") and not history.isdecimal():
                raise ValueError(f"a history is all, summary or a number of turns, not {history!r}")
        return self


class Mix(Config):
    """A recipe for demonstrations."""

    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    episodes: Annotated[int, Field(ge=1)]
    """Episodes of all entries together."""
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    @field_validator("entries")
    @classmethod
    def _names_are_unique(cls, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [entry.name for entry in entries]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two entries are called {name!r}")
        return entries

    def counts(self) -> dict[str, int]:
        """Return how many episodes each entry plays, at least one."""
        total = sum(entry.weight for entry in self.entries)
        return {entry.name: max(1, round(self.episodes * entry.weight / total)) for entry in self.entries}

    @property
    def fingerprint(self) -> str:
        """What distinguishes it from other mixes, in 16 digits."""
        return f"{content_hash(self.model_dump(mode='json')):016x}"


def find_mix(name: str) -> Mix:
    """Return the mix of a name (`tiny`) or of a YAML file.

    Raises:
        UnknownName: There is no such mix; the message names the nearest.
        UserError: The file is no mix; the message names file and key.
    """
    if Path(name).suffix.lower() in (".yaml", ".yml", ".json"):
        return read_config(Mix, read_yaml(Path(name)), name)
    folder = resources.files("rlvr.trainers") / "mixes"
    known = sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
    if name not in known:
        raise UnknownName("mix", name, known)
    with resources.as_file(folder / f"{name}.yaml") as path:
        return read_config(Mix, read_yaml(path), f"the mix {name}")
