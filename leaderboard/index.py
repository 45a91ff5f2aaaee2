"""The page's tables as JSON: suites with their references, runs with their scores, episodes with their places."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..agents.packages import package_versions
from ..tasks.suites import reference, references_version
from .examine import Accepted, Refused
from .table import DIGITS, Played, References, Run, Scorer, choose_references, mean_references


class Row(NamedTuple):
    """A run with everything that the page shows of it."""

    run: Run
    missing: set[str]
    """Keys of episodes that belong to the run and have no record."""
    refused: set[str]
    """Keys of its refused records."""
    accepted: list[Accepted]
    places: dict[str, tuple[int, int]]
    """Where each episode is packed: chunk and place in it."""


def page_index(tables: Mapping[str, list[Row]], refused: Sequence[Refused]) -> dict[str, Any]:
    """Return everything but the episodes themselves, as the page's script reads it.

    Args:
        tables: The rows of each table.
        refused: The records that count nowhere.
    """
    suites, runs = [], []
    for name, rows in tables.items():
        references, source = _references(rows)
        first: dict[str, Played] = {}
        for row in rows:
            for played in row.run.episodes:
                first.setdefault(played.entry, played)
        entries = sorted(first)
        families = sorted({played.family for played in first.values()})
        cells = []
        for row in rows:
            cell, total = _run_json(row, entries, references)
            cells.append((row.run.role is not None, -total, row.run.slug))
            runs.append(cell)
        suites.append(
            {
                "name": name,
                "title": _title(name, rows[0].run.suite),
                "families": families if len(families) > 1 else [],
                "entries": [
                    {
                        "name": entry,
                        "env": first[entry].env,
                        "difficulty": first[entry].difficulty,
                        "family": first[entry].family,
                        "references": [_rounded(value) for value in references.get(entry, (None, None))],
                    }
                    for entry in entries
                ],
                "references": {
                    family: [
                        _rounded(value)
                        for value in mean_references(
                            references, [entry for entry in entries if family in ("", first[entry].family)]
                        )
                    ]
                    for family in ("", *families)
                },
                "source": source,
                "runs": [slug for _, _, slug in sorted(cells)],
            }
        )
    replayed = sum(len(row.run.episodes) for rows in tables.values() for row in rows)
    return {
        "suites": suites,
        "runs": runs,
        "replayed": replayed,
        "refused": [record._asdict() for record in refused],
        "version": package_versions().get("rlvr", ""),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _title(table: str, suite: str | None) -> str:
    base, _, seed = table.rpartition("/")
    if suite is not None:
        base = suite
    return base if seed == "0" else f"{base or table}, seed {seed}"


def _references(rows: Sequence[Row]) -> tuple[References, str]:
    """Return the references of a table's entries, and a sentence on where they come from.

    The stored ones of our suites come first; entries without any use the reference runs on the page.
    """
    chosen, references = choose_references(row.run for row in rows)
    suite = rows[0].run.suite
    entries = sorted({played.entry for row in rows for played in row.run.episodes})
    stored = {entry: found for entry in entries if suite and (found := reference(suite, entry))}
    parts = [f"the suite's stored references, version {references_version()}"] if stored else []
    if len(stored) < len(entries):
        parts += [f"the {role} run {run.slug}" for role, run in sorted(chosen.items(), reverse=True)]
    references.update({entry: (found.random, found.expert) for entry, found in stored.items()})
    return references, " and ".join(parts)


def _run_json(row: Row, entries: Sequence[str], references: References) -> tuple[dict[str, Any], float]:
    run = row.run
    by_entry = run.by_entry()
    tables: dict[str, Any] = {}
    own = []
    scorer = Scorer(run, references)
    total = scorer.suite()
    if total is not None:
        tables[""] = total.to_json()
    for family in scorer.families:
        cell = scorer.family(family)
        if cell is not None:
            tables[family] = cell.to_json()
    for number, entry in enumerate(entries):
        if entry in by_entry:
            cell = scorer.entry(entry)
            excluded = sum(played.excluded for played in by_entry[entry])
            own.append({"entry": number, "cell": None if cell is None else cell.to_json(), "excluded": excluded})
    numbers = {entry: number for number, entry in enumerate(entries)}
    shown = {
        "slug": run.slug,
        "suite": run.table,
        "agent": run.agent,
        "policy": run.policy,
        "config": run.config,
        "versions": run.versions,
        "role": run.role,
        "status": run.status,
        "why": run.why,
        "tables": tables,
        "entries": own,
        "episodes": [_episode_json(outcome, numbers, row.places) for outcome in row.accepted],
    }
    return shown, 0.0 if total is None else total.score.value


def _episode_json(
    outcome: Accepted, numbers: Mapping[str, int], places: Mapping[str, tuple[int, int]]
) -> dict[str, Any]:
    played = outcome.played
    chunk, slot = places[played.key]
    return {
        "key": played.key,
        "entry": numbers[played.entry],
        "score": round(played.score, DIGITS),
        "success": played.is_success,
        "reward": round(played.total_reward, DIGITS),
        "steps": played.env_steps,
        "tokens": played.prompt_tokens + played.completion_tokens,
        "excluded": played.excluded,
        "bad": None if outcome.bad is None else outcome.bad._asdict(),
        "end": outcome.ended,
        "chunk": chunk,
        "slot": slot,
    }
