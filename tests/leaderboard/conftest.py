"""Runs of every family, played by the real runner, and the page that is built from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.policies.doubles import request_rng
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.types import Request
from rlvr.leaderboard.build import BuildReport, build
from rlvr.tasks.suites import Suite, SuiteEntry

EVIL = "</script><img src=x onerror=window.hacked=1>"
"""What a hostile record would like the page to run."""

SUITE = Suite(
    name="families",
    entries=(
        SuiteEntry(name="game24", env="rlvr/game24-v0", difficulty="easy", episodes=5, members=2),
        SuiteEntry(name="countdown", env="rlvr/countdown-v0", difficulty="3-numbers", episodes=5, members=2),
        SuiteEntry(name="arithmetic", env="rlvr/arithmetic-v0", episodes=4),
        SuiteEntry(name="sokoban", env="rlvr/sokoban-v0", episodes=4),
        SuiteEntry(name="maze", env="rlvr/maze-v0", difficulty="5x5", episodes=4),
        SuiteEntry(name="bandit", env="rlvr/bandit-v0", kwargs={"max_steps": 30}, episodes=3),
    ),
)


def think(request: Request) -> str:
    """A reply with a thought before a random action, now and then a hostile one."""
    rng = request_rng(request, "think")
    action = rng.choice(list(request.choices or ("?",)))
    if rng.random() < 0.06:
        action = EVIL
    return f"Let me think about {EVIL}. It might be best to try {action} now.\n\n<action>{action}</action>"


def thinker() -> ScriptedPolicy:
    return ScriptedPolicy(think, name=f"openai:http://localhost:8000#{EVIL}")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs `random`, `expert`, `scripted` and `thinker` of the same suite."""
    folder = tmp_path_factory.mktemp("runs")
    evaluate(SUITE, agent="random", out=folder / "random")
    evaluate(SUITE, agent="expert", out=folder / "expert")
    evaluate(SUITE, agent="direct", policy="scripted", out=folder / "scripted")
    evaluate(SUITE, agent="direct", policy=thinker(), out=folder / "thinker")
    return folder


@pytest.fixture(scope="session")
def tampered(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `thinker` with one reward and one score edited, and one line that is no record."""
    folder = tmp_path_factory.mktemp("tampered") / "tampered"
    folder.mkdir()
    (folder / "config.json").write_bytes((runs / "thinker" / "config.json").read_bytes())
    records = read_records(runs / "thinker")
    steps = [event for event in records[2]["events"] if event["type"] == "step"]
    steps[1]["reward"] += 1.0
    records[12]["score"] = 1.0
    lines = [json.dumps(record) for record in records]
    lines[20] = lines[20][:100]
    (folder / "episodes.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def site(runs: Path, tampered: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildReport:
    """The page of all runs, the tampered one included."""
    return build([*sorted(runs.iterdir()), tampered], tmp_path_factory.mktemp("site"))


def read_records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]


def page_data(html: str) -> tuple[dict[str, Any], list[Any]]:
    """What the page's script reads: the index, and every packed episode by chunk."""
    return json.loads(_between(html, '<script type="application/json" id="index">')), list(_chunks(html))


def _between(html: str, opening: str) -> str:
    return html.split(opening, 1)[1].split("</script>", 1)[0]


def _chunks(html: str) -> Iterator[Any]:
    import base64
    import zlib

    number = 0
    while f'id="chunk-{number}"' in html:
        packed = _between(html, f'<script type="text/plain" id="chunk-{number}">')
        yield json.loads(zlib.decompress(base64.b64decode(packed)))
        number += 1
