"""From replayed episodes to the rows of a table: scores, labels, references, and who may be ranked."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .statistics import (
    Estimate,
    Floats,
    estimate,
    group_means,
    interquartile_mean,
    majority_at_k,
    normalised,
    pass_at_k,
    plain_mean,
    resampled_means,
)

MAX_EXCLUDED_SHARE = 0.05
"""A run with more excluded episodes than this is not ranked: it could have dropped the tasks that it finds hard."""
REFERENCE_AGENTS = ("random", "expert")
DIGITS = 6
"""Decimals that a page keeps of a statistic."""

References = dict[str, tuple[float | None, float | None]]
"""For each entry the scores of the random and of the expert reference, where there are any."""


@dataclass(frozen=True, slots=True)
class Played:
    """What the tables need to know of one replayed episode."""

    key: str
    entry: str
    family: str
    env: str
    """The environment's id with its arguments."""
    difficulty: str
    group: int
    member: int
    task_uid: str
    score: float
    is_success: bool
    total_reward: float
    env_steps: int
    prompt_tokens: int
    completion_tokens: int
    excluded: bool
    privileged: tuple[str, ...]
    branches: int
    """Branches that the environment ended, handed in or not."""
    attempts: int
    """Times the environment was reset."""
    solved_anywhere: bool
    """Whether any state that was reached, handed in or not, had the goal."""
    answer: str | None
    """The answer that the verifier read out of the last action, where there is one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row's numbers for a suite, a family or an entry."""

    score: Estimate
    norm: Estimate | None
    iqm: Estimate | None
    labels: tuple[tuple[str, float], ...]
    """Shares of tasks solved, each under its label; `selected@1` comes first."""
    steps: float
    prompt_tokens: float
    completion_tokens: float
    episodes: int
    excluded: int

    def to_json(self) -> dict[str, Any]:
        """Return the form that the page reads."""
        return {
            "score": _json(self.score),
            "norm": _json(self.norm),
            "iqm": _json(self.iqm),
            "labels": [[label, round(value, DIGITS)] for label, value in self.labels],
            "steps": round(self.steps, 3),
            "tokens": [round(self.prompt_tokens, 1), round(self.completion_tokens, 1)],
            "episodes": self.episodes,
            "excluded": self.excluded,
        }


def _json(found: Estimate | None) -> list[float] | None:
    if found is None:
        return None
    values = [found.value, *(found.interval or ())]
    return [round(value, DIGITS) + 0.0 for value in values]


@dataclass(slots=True)
class Run:
    """One row: what one agent played in one run folder."""

    slug: str
    """Its name on the page, unique there."""
    table: str
    """The name of the table it belongs to: all its runs have played the same tasks."""
    suite: str | None
    """The suite's label."""
    agent: str
    policy: str | None
    config: str
    versions: str
    episodes: list[Played]
    refused: int
    """How many records of its folder were refused."""
    why: list[str] = field(default_factory=list)
    """Reasons not to rank it, one sentence each."""

    @property
    def role(self) -> str | None:
        """`random` or `expert` for a reference row."""
        return self.agent if self.agent in REFERENCE_AGENTS else None

    @property
    def status(self) -> str:
        """`ranked`, `reference` or `unranked`."""
        return "unranked" if self.why else "reference" if self.role else "ranked"

    def by_entry(self) -> dict[str, list[Played]]:
        """Return the episodes of each entry."""
        entries: dict[str, list[Played]] = defaultdict(list)
        for episode in self.episodes:
            entries[episode.entry].append(episode)
        return dict(entries)

    def entry_scores(self) -> dict[str, float]:
        """Return the score of each entry that has a counted episode."""
        scores = {entry: task_scores(episodes) for entry, episodes in self.by_entry().items()}
        return {entry: float(tasks.mean()) for entry, tasks in scores.items() if len(tasks)}


def task_scores(episodes: Iterable[Played]) -> Floats:
    """Return one score a task: the mean of its counted members."""
    return group_means(_by_group(episodes, lambda episode: episode.score))


def _by_group(episodes: Iterable[Played], value: Callable[[Played], Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for episode in episodes:
        if not episode.excluded:
            groups[episode.group].append(value(episode))
    return groups


@dataclass(frozen=True, slots=True)
class Budgets:
    """The numbers behind the labels of a cell, the same for all its entries so that they can be averaged."""

    members: int
    """k: the fewest counted members that any task has."""
    branches: int
    """b: the most branches that any episode finished."""
    attempts: int
    """T: the most attempts that any episode made."""

    @classmethod
    def of(cls, episodes: Iterable[Played]) -> "Budgets":
        """Return the budgets of the counted episodes (at least one)."""
        counted = [episode for episode in episodes if not episode.excluded]
        members = Counter((episode.entry, episode.group) for episode in counted)
        return cls(
            members=min(members.values()),
            branches=max(episode.branches for episode in counted),
            attempts=max(episode.attempts for episode in counted),
        )


def entry_labels(episodes: Sequence[Played], budgets: Budgets) -> dict[str, float]:
    """Return the share of an entry's tasks that are solved, under each label that applies.

    `selected@1` always does; `pass@k` where tasks have several counted members, and `maj@k` where a verifier read
    answers out of them as well; `cumulative@T` where an agent made several attempts in one episode, else `any@b`
    where it finished several branches.
    """
    successes = _by_group(episodes, lambda episode: episode.is_success)
    labels = {"selected@1": float(group_means(successes).mean())}
    k = budgets.members
    if k > 1:
        chances = [pass_at_k(len(group), sum(group), k) for group in successes.values()]
        labels[f"pass@{k}"] = float(np.mean(chances))
        answers = _by_group(episodes, lambda episode: episode.answer)
        if any(answer is not None for group in answers.values() for answer in group):
            votes = [majority_at_k(answers[group][:k], successes[group][:k]) for group in successes]
            labels[f"maj@{k}"] = float(np.mean(votes))
    anywhere = float(group_means(_by_group(episodes, lambda episode: episode.solved_anywhere)).mean())
    if budgets.attempts > 1:
        labels[f"cumulative@{budgets.attempts}"] = anywhere
    elif budgets.branches > 1:
        labels[f"any@{budgets.branches}"] = anywhere
    return labels


class Scorer:
    """Computes the cells of one run; all of them share one set of bootstrap resamples.

    Args:
        run: The run; one without a counted episode has no cells.
        references: For each entry the scores of the random and of the expert reference, where there are any.
    """

    def __init__(self, run: Run, references: References) -> None:
        self._episodes = run.by_entry()
        self._references = references
        tasks = {entry: task_scores(episodes) for entry, episodes in self._episodes.items()}
        self._entries = sorted(entry for entry in tasks if len(tasks[entry]))
        self._tasks = [tasks[entry] for entry in self._entries]
        self._families = [self._episodes[entry][0].family for entry in self._entries]
        self._replicates = resampled_means(self._tasks, name=f"{run.table}/{run.slug}")

    @property
    def families(self) -> tuple[str, ...]:
        """The families with a counted episode, in alphabetical order."""
        return tuple(sorted(set(self._families)))

    def suite(self) -> Cell | None:
        """Return the cell over all entries."""
        return self._cell(range(len(self._entries)))

    def family(self, name: str) -> Cell | None:
        """Return the cell over one family's entries."""
        return self._cell([i for i, family in enumerate(self._families) if family == name])

    def entry(self, name: str) -> Cell | None:
        """Return the cell of one entry."""
        return self._cell([i for i, entry in enumerate(self._entries) if entry == name])

    def _cell(self, chosen: Sequence[int]) -> Cell | None:
        if not chosen:
            return None
        names = [self._entries[i] for i in chosen]
        tasks = [self._tasks[i] for i in chosen]
        replicates = self._replicates[:, list(chosen)]
        episodes = [episode for name in names for episode in self._episodes[name]]
        norm, iqm = self._normalised(names, tasks, replicates)
        return Cell(
            score=estimate(tasks, plain_mean, replicates, bounds=(0.0, 1.0)),
            norm=norm,
            iqm=iqm,
            labels=_mean_labels([self._episodes[name] for name in names]),
            steps=float(np.mean([episode.env_steps for episode in episodes])),
            prompt_tokens=float(np.mean([episode.prompt_tokens for episode in episodes])),
            completion_tokens=float(np.mean([episode.completion_tokens for episode in episodes])),
            episodes=len(episodes),
            excluded=sum(episode.excluded for episode in episodes),
        )

    def _normalised(
        self, names: Sequence[str], tasks: Sequence[Floats], replicates: Floats
    ) -> tuple[Estimate | None, Estimate | None]:
        pairs = [self._references.get(name, (None, None)) for name in names]
        defined = [i for i, (random, expert) in enumerate(pairs) if normalised(0.0, random, expert) is not None]
        if not defined:
            return None, None
        random = np.array([pairs[i][0] for i in defined], dtype=np.float64)
        expert = np.array([pairs[i][1] for i in defined], dtype=np.float64)

        def mean(means: Floats) -> Floats:
            return plain_mean((means - random) / (expert - random))

        def middle(means: Floats) -> Floats:
            return interquartile_mean((means - random) / (expert - random))

        chosen = [tasks[i] for i in defined]
        columns = replicates[:, defined]
        return estimate(chosen, mean, columns), estimate(chosen, middle, columns)


def _mean_labels(entries: Sequence[Sequence[Played]]) -> tuple[tuple[str, float], ...]:
    """Average the shares of some entries under each label that all of them have."""
    budgets = Budgets.of(episode for episodes in entries for episode in episodes)
    labels = [entry_labels(episodes, budgets) for episodes in entries]
    common = [label for label in labels[0] if all(label in entry for entry in labels)]
    return tuple((label, float(np.mean([entry[label] for entry in labels]))) for label in common)


def choose_references(runs: Iterable[Run]) -> tuple[dict[str, Run], References]:
    """Choose a table's reference runs and return their scores.

    Only a run that nothing speaks against can be a reference: a random run without its lucky episodes would lift
    everybody else. Of several, the one with the most episodes is taken, then the first by name.

    Returns:
        The run of each role that is there, and for each entry the scores of random and expert.
    """
    chosen: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (-len(run.episodes), run.slug)):
        if run.role and run.episodes and not run.why:
            chosen.setdefault(run.role, run)
    scores = {role: run.entry_scores() for role, run in chosen.items()}
    entries = sorted({entry for found in scores.values() for entry in found})
    random, expert = scores.get("random", {}), scores.get("expert", {})
    return chosen, {entry: (random.get(entry), expert.get(entry)) for entry in entries}


def mean_references(references: References, entries: Sequence[str]) -> tuple[float | None, float | None]:
    """Return the mean score of random and of expert over some entries; None where one of the entries lacks it."""
    pairs = [references.get(entry, (None, None)) for entry in entries]
    random = [pair[0] for pair in pairs if pair[0] is not None]
    expert = [pair[1] for pair in pairs if pair[1] is not None]
    return (
        float(np.mean(random)) if random and len(random) == len(pairs) else None,
        float(np.mean(expert)) if expert and len(expert) == len(pairs) else None,
    )


def reasons_not_to_rank(run: Run) -> list[str]:
    """Return why a run's own records bar it from the ranked table, one sentence each.

    What an expert may use does not speak against a reference run.
    """
    reasons = []
    privileged = sorted({name for episode in run.episodes for name in episode.privileged})
    if privileged and run.role is None:
        reasons.append(f"It used what only experts may: {', '.join(privileged)}.")
    if run.refused:
        reasons.append(f"{run.refused} of its records {'was' if run.refused == 1 else 'were'} refused.")
    excluded = sum(episode.excluded for episode in run.episodes)
    if excluded > MAX_EXCLUDED_SHARE * len(run.episodes):
        reasons.append(
            f"{excluded} of its {len(run.episodes)} episodes are excluded, more than {MAX_EXCLUDED_SHARE:.0%}."
        )
    return reasons
