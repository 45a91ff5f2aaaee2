"""`rlvr envs`, `rlvr agents`, `rlvr policies`, `rlvr suites`, `rlvr recipes`."""

import math

from ..agents.policies.policy import BACKENDS
from ..agents.registry import AGENTS
from ..envs.registry import ENVS
from ..leaderboard.table import REFERENCE_AGENTS
from ..tasks.suites import SUITES, reference
from .output import print_json, print_table


def list_envs(json_output: bool) -> None:
    """Print every registered id."""
    if json_output:
        print_json([{"id": row.id, **row._asdict(), "rewards": _finite(row.rewards)} for row in ENVS])
        return
    rows = [
        (
            row.id,
            row.family,
            _levels(row.difficulties),
            row.horizon,
            "any" if _finite(row.rewards) == [None, None] else f"{row.rewards[0]:g} to {row.rewards[1]:g}",
            row.data or "",
            row.summary,
        )
        for row in ENVS
    ]
    print_table(("id", "family", "levels", "steps", "reward a step", "data", "what it is"), rows)


def _finite(bounds: tuple[float, float]) -> list[float | None]:
    return [bound if math.isfinite(bound) else None for bound in bounds]


def _levels(names: tuple[str, ...]) -> str:
    if not names:
        return "by data"
    return ", ".join(names) if len(names) <= 5 else f"{names[0]}, {names[1]}, ... {names[-1]} ({len(names)} levels)"


def list_agents(json_output: bool) -> None:
    """Print every agent."""
    if json_output:
        print_json([row._asdict() for row in AGENTS])
        return
    rows = [
        (
            row.name,
            "needed" if row.needs_policy else "none",
            "reference" if row.name in REFERENCE_AGENTS else "yes",
            row.summary,
        )
        for row in AGENTS
    ]
    print_table(("agent", "policy", "ranked", "what it does"), rows)


def list_policies(json_output: bool) -> None:
    """Print every back end that can be behind an agent."""
    if json_output:
        print_json([{**backend._asdict(), "capabilities": sorted(backend.capabilities)} for backend in BACKENDS])
        return
    rows = [(backend.form, ", ".join(sorted(backend.capabilities)), backend.summary) for backend in BACKENDS]
    print_table(("policy", "can", "what it is"), rows)


def list_suites(json_output: bool) -> None:
    """Print every suite with its entries and reference scores."""
    if json_output:
        print_json(
            [
                {
                    **suite.model_dump(mode="json", exclude={"entries"}),
                    "label": suite.label,
                    "entries": [
                        {
                            **entry.model_dump(mode="json"),
                            "references": of._asdict() if (of := reference(suite.label, entry.name)) else None,
                        }
                        for entry in suite.entries
                    ],
                }
                for suite in SUITES
            ]
        )
        return
    for suite in SUITES:
        print(f"{suite.label}: {suite.description}")
        rows = []
        for entry in suite.entries:
            of = reference(suite.label, entry.name)
            rows.append(
                (
                    entry.name,
                    entry.env,
                    entry.difficulty or "all",
                    "all" if entry.episodes is None else str(entry.episodes),
                    f"{of.random:.3f}" if of else "-",
                    f"{of.expert:.3f}" if of else "-",
                )
            )
        numbers = ("episodes", "random", "expert")
        print_table(("entry", "environment", "level", *numbers), rows, right=numbers)
        print()


def list_recipes(json_output: bool) -> None:
    """Print every training recipe: there are none yet."""
    if json_output:
        print_json([])
    else:
        print("There are no recipes yet.")
