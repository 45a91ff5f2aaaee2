"""The embedded models: how they are examined, and how a finished run becomes `tiny` and `tiny-base`.

    python -m rlvr.trainers.embedded RUN --base RUN --demonstrations FOLDER FOLDER --into agents/weights

`tiny` is a run's last model. `tiny-base` is an early export of that run, or of the run that it went on from: the first
whose success on the easy levels, on training tasks, lies between 5 and 25 per cent of what lies between random play and
the expert; a starting point from which learning can be seen. Beside `tiny` go the uids of all tasks it was trained on,
so that an examination can prove that it uses others.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..agents.agent import agent_class, agent_config
from ..agents.policies.policy import Policy, make_policy
from ..agents.runner import Runner, RunPlan
from ..tasks.errors import UserError
from ..tasks.suites import SuiteEntry
from ..tasks.task import Split
from .demonstrations import MANIFEST_FILE, read_uids
from .files import replace_folder

TEMPERATURE = 0.7
MAX_TOKENS = 160
RANDOM_MEMBERS = 5
"""Random episodes on each task: its floor is to be known better than one throw tells."""
RESAMPLES = 2000
BASE_SUCCESS = (0.05, 0.25)
TRAINED_ON = "trained-on"
"""The folder beside a model that holds the manifests and uids of its demonstrations, a folder each."""


class Level(NamedTuple):
    """What is played, how it is shown, and what must be reached."""

    name: str
    env: str
    difficulty: str
    target: float | None = None
    """The least normalised score; None: only shown."""
    kwargs: Mapping[str, Any] = {}
    history: int | str | None = None
    legal: bool = False
    """Whether the legal actions stand beneath each observation."""


EASY = (
    Level("arithmetic two-digit", "rlvr/arithmetic-v0", "two-digit", 0.7),
    Level("maze 5x5", "rlvr/maze-v0", "5x5", 0.7, legal=True),
    Level("bandit 5 easy", "rlvr/bandit-v0", "bernoulli-5-easy", 0.6, {"horizon": 50}, "summary"),
    Level("sokoban 6x6-1, 3 pushes", "rlvr/sokoban-v0", "6x6-1", 0.35, {"min_pushes": 3}),
    Level("game24 easy", "rlvr/game24-v0", "easy", 0.0),
)
HARDER = (
    Level("arithmetic easy", "rlvr/arithmetic-v0", "easy"),
    Level("maze 7x7", "rlvr/maze-v0", "7x7", legal=True),
    Level("bandit 5 hard", "rlvr/bandit-v0", "bernoulli-5-hard", None, {"horizon": 50}, "summary"),
    Level("sokoban 6x6-2", "rlvr/sokoban-v0", "6x6-2"),
    Level("game24 medium", "rlvr/game24-v0", "medium"),
)
"""The next harder level of each."""
PICTURE = Level("maze 5x5, picture only", "rlvr/maze-v0", "5x5")
"""The maze without a list of the moves that are open."""


class Standing(NamedTuple):
    """A score between random play (0) and the expert (1), with a 95 % interval from 2,000 bootstrap resamples."""

    value: float
    low: float
    high: float


def scores(
    level: Level, agent: str, policy: Policy | None, instances: int, split: Split, seen: set[str] | None = None
) -> np.ndarray:
    """Return the score of every task, in order: one answer each at temperature 0.7, or several of the random agent.

    Raises:
        RuntimeError: An episode failed, or its task is one of `seen`.
    """
    kind = agent_class(agent)
    settings: dict[str, Any] = {}
    if policy is not None:
        sampling = {"temperature": TEMPERATURE, "max_tokens": MAX_TOKENS}
        settings = {"history": level.history, "show_legal_actions": level.legal, "sampling": sampling}
    entry = SuiteEntry(
        name=f"{level.env.removeprefix('rlvr/')}-{level.difficulty}",
        env=level.env,
        kwargs=dict(level.kwargs),
        split=split,
        difficulty=level.difficulty,
        episodes=instances,
        members=RANDOM_MEMBERS if agent == "random" else 1,
    )
    plan = RunPlan(
        run=f"embedded/{level.name}",
        entries=(entry,),
        agent=kind,
        agent_name=agent,
        agent_config=agent_config(kind, settings),
        policy=policy,
    )
    by_task: dict[int, list[float]] = {}
    for episode in asyncio.run(Runner(plan, concurrency=64).run()).episodes():
        if episode.excluded:
            raise RuntimeError(f"the episode {episode.key} does not count: {episode.error}")
        if seen is not None and episode.task_uid in seen:
            raise RuntimeError(f"the model was trained on the task {episode.task_uid}")
        by_task.setdefault(episode.group, []).append(episode.score)
    return np.array([np.mean(by_task[group]) for group in sorted(by_task)])


def examine(
    level: Level, policy: Policy, *, instances: int = 200, split: Split = "test", seen: set[str] | None = None
) -> Standing:
    """Let a policy play a level through the direct agent, and the random agent and the expert the same tasks.

    Args:
        level: What is played.
        policy: Who plays.
        instances: How many tasks.
        split: Of which split.
        seen: Uids that must not be among them.
    """
    ours = scores(level, "direct", policy, instances, split, seen)
    random = scores(level, "random", None, instances, split)
    expert = scores(level, "expert", None, instances, split)

    def standing(picked: Any) -> Any:
        floor = random[picked].mean(-1)
        return (ours[picked].mean(-1) - floor) / (expert[picked].mean(-1) - floor)

    resampled = standing(np.random.default_rng(0).integers(0, instances, (RESAMPLES, instances)))
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Standing(float(standing(slice(None))), float(low), float(high))


def pick_base(exports: list[Path], instances: int) -> Path:
    """Return the first export whose mean over the easy levels lies within `BASE_SUCCESS`.

    Raises:
        UserError: None does.
    """
    low, high = BASE_SUCCESS
    for folder in exports:
        policy = make_policy(f"tiny:{folder}", dtype="float32")
        standings = {level.name: examine(level, policy, instances=instances, split="train").value for level in EASY}
        mean = sum(standings.values()) / len(standings)
        said = ", ".join(f"{name} {value:.2f}" for name, value in standings.items())
        print(f"{folder.name}: {mean:.3f} ({said})", flush=True)
        if low <= mean <= high:
            return folder
    raise UserError(
        f"No export lies between {low:.0%} and {high:.0%} on the easy levels; list other steps under exports."
    )


def install(run: Path, demonstrations: Sequence[Path], into: Path, base: Path) -> None:
    """Copy a run's last model, an early one, and the uids of the training tasks to where the package has them.

    Raises:
        UserError: The run has no model, or the demonstrations are not finished.
    """
    if not (run / "model").is_dir():
        raise UserError(f"{run} holds no finished run: {run / 'model'} is not there.")
    for source in demonstrations:
        read_uids(source)

    def write_tiny(folder: Path) -> None:
        shutil.copytree(run / "model", folder, dirs_exist_ok=True)
        for number, source in enumerate(demonstrations, 1):
            proofs = folder / TRAINED_ON / str(number)
            proofs.mkdir(parents=True)
            for file in (source / MANIFEST_FILE, *source.glob("uids-*.bin")):
                shutil.copyfile(file, proofs / file.name)

    def write_base(folder: Path) -> None:
        shutil.copytree(base, folder, dirs_exist_ok=True)

    replace_folder(into / "tiny", write_tiny)
    replace_folder(into / "tiny-base", write_base)


def trained_on(folder: Path) -> set[str]:
    """Return the uids of all tasks that an installed model was trained on."""
    return set().union(*(read_uids(source) for source in (folder / TRAINED_ON).iterdir()))


def main() -> int:
    """Choose and install."""
    parser = argparse.ArgumentParser(prog="python -m rlvr.trainers.embedded", description=__doc__)
    parser.add_argument("run", type=Path, help="whose last model becomes tiny")
    parser.add_argument("--base", type=Path, metavar="RUN", help="whose exports tiny-base is one of; the same run")
    parser.add_argument("--demonstrations", type=Path, nargs="+", required=True, help="all that tiny was trained on")
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=60, help="training tasks a level that tiny-base is chosen by")
    arguments = parser.parse_args()
    try:
        exports = (arguments.base or arguments.run) / "exports"
        base = pick_base(sorted(exports.glob("step-*")), arguments.instances)
        install(arguments.run, arguments.demonstrations, arguments.into, base)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"tiny-base is {base.name}; both are in {arguments.into}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
