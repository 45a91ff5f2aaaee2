"""The reference scores of our suites: what random play and the expert reach on exactly the suites' tasks.

A full run writes `tasks/references.json` (its version rises when a number changes); a quick one compares the experts'
scores with what is stored.
"""

import asyncio
import json
from pathlib import Path

from rlvr.agents.agent import agent_class, agent_config
from rlvr.agents.runner import Runner, RunPlan
from rlvr.tasks.suites import SUITES, Suite, reference

from .harness import Row

FILE = Path(__file__).resolve().parent.parent / "tasks" / "references.json"
RANDOM_MEMBERS = 20
"""Random episodes on every task."""
DIGITS = 6


def means(suite: Suite, agent: str, members: int) -> dict[str, float]:
    """Return an agent's mean score on each entry, over `members` episodes on every task."""
    kind = agent_class(agent)
    plan = RunPlan(
        run=f"{suite.label}/0",
        entries=tuple(entry.model_copy(update={"members": members}) for entry in suite.entries),
        agent=kind,
        agent_name=agent,
        agent_config=agent_config(kind, None),
    )
    summary = asyncio.run(Runner(plan, keep=False).run()).summary
    return {name: round(entry["score"], DIGITS) for name, entry in summary["entries"].items()}


def run(quick: bool = False) -> list[Row]:
    """Play, store (unless quick), and report expert against random."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    suites: dict[str, dict[str, dict[str, float]]] = {}
    rows = []
    for suite in SUITES:
        expert = means(suite, "expert", 1)
        random = {} if quick else means(suite, "random", RANDOM_MEMBERS)
        suites[suite.label] = {name: {"random": random.get(name, 0.0), "expert": expert[name]} for name in expert}
        for name, score in expert.items():
            before = reference(suite.label, name)
            floor = before.random if quick and before else random.get(name, 0.0)
            fits = before is not None and before.expert == score if quick else score > floor
            target = "as stored" if quick else "above random"
            rows.append(Row(f"{suite.label} {name}", score, floor, "mean score", target, fits, "random"))
    if not quick and stored["suites"] != suites:
        text = json.dumps({"version": stored["version"] + 1, "suites": suites}, indent=1)
        FILE.write_text(text + "\n", encoding="utf-8")
    return rows
