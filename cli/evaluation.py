"""`rlvr eval`."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ..agents.evaluate import make_plan
from ..agents.runner import RETRIED_ENDS, Runner, RunResult
from ..leaderboard.statistics import estimate, plain_mean, resampled_means
from ..tasks.config import Config, parse_settings, read_config, read_yaml
from ..tasks.errors import UserError
from ..tasks.task import Split
from .output import import_modules, print_json, print_table, say
from .progress import Progress

DEBUG_VARIABLE = "RLVR_DEBUG"
"""Set in the environment, a mistake in an agent is shown with its traceback."""


class EvalConfig(Config):
    """What `rlvr eval --config FILE` reads; every key is an option too."""

    suite: str | None = None
    env: str | None = None
    agent: str = "direct"
    policy: str | None = None
    episodes: int | None = None
    members: int | None = None
    split: Split | None = None
    difficulty: str | None = None
    env_kwargs: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    agent_settings: dict[str, Any] = {}  # noqa: RUF012
    policy_settings: dict[str, Any] = {}  # noqa: RUF012
    budget: dict[str, Any] = {}  # noqa: RUF012
    seed: int = 0
    out: Path | None = None
    resume: bool = False
    retry_errors: bool = False
    concurrency: int = 16


def evaluate_command(
    *,
    given: Mapping[str, Any],
    pairs: Mapping[str, tuple[Sequence[str], str]],
    config: Path | None,
    modules: Sequence[str],
    json_output: bool,
) -> int:
    """Evaluate, show progress, print the scores.

    Returns 1 if the agent itself broke, or if every episode ended with an error of policy or environment; else 0.
    """
    settings = _read(config, given, pairs)
    import_modules(modules, settings.env, settings.agent)
    if (settings.suite is None) == (settings.env is None):
        raise UserError("Say what to play: either --suite quick or --env ID.")
    if settings.resume and settings.out is None:
        raise UserError("Say which run to go on with: --out DIR.")
    plan = make_plan(
        settings.suite or settings.env or "",
        agent=settings.agent,
        policy=settings.policy,
        agent_settings=settings.agent_settings,
        policy_settings=settings.policy_settings,
        episodes=settings.episodes,
        members=settings.members,
        split=settings.split,
        difficulty=settings.difficulty,
        env_kwargs=settings.env_kwargs,
        budget=settings.budget,
        seed=settings.seed,
    )
    with Progress() as progress:
        runner = Runner(
            plan,
            out=settings.out,
            concurrency=settings.concurrency,
            resume=settings.resume,
            retry_errors=settings.retry_errors,
            on_start=progress.start,
            on_episode=progress.advance,
        )
        try:
            result = asyncio.run(runner.run())
        except KeyboardInterrupt:
            progress.stop()
            if settings.out is None:
                say("Stopped. Nothing was recorded, since there was no --out.")
            else:
                say(f"Stopped; what is finished is in {settings.out}. Go on with the same command and --resume.")
            raise typer.Exit(130) from None
        except Exception:
            progress.stop()
            if runner.mistake is None or os.environ.get(DEBUG_VARIABLE):
                raise
            say(f"{runner.mistake} Set {DEBUG_VARIABLE}=1 to see the whole traceback.")
            return 1
    if result.repaired:
        say(result.repaired)
    if result.resumed:
        say(f"{result.resumed} of {len(result.rows)} episodes were there already.")
    if json_output:
        print_json(result.summary)
    else:
        own = [entry.env.partition(":")[0] for entry in plan.entries if ":" in entry.env]
        _print_scores(result, sorted({*modules, *own} - {"rlvr"}))
    if not any(row.end in RETRIED_ENDS for row in result.rows):
        return 0
    first = next(episode for episode in result.episodes() if episode.end in RETRIED_ENDS)
    say(f"The first of them, {first.key}, ended with {first.end}: {first.error}")
    return 1 if all(row.end in RETRIED_ENDS for row in result.rows) else 0


def _read(config: Path | None, given: Mapping[str, Any], pairs: Mapping[str, tuple[Sequence[str], str]]) -> EvalConfig:
    data = read_yaml(config) if config is not None else {}
    if not isinstance(data, dict):
        raise UserError(f"{config}: the settings of an evaluation are a mapping of keys to values.")
    for key, (texts, option) in pairs.items():
        if texts:
            data[key] = {**(data.get(key) or {}), **parse_settings(texts, option)}
    data |= {key: value for key, value in given.items() if value is not None}
    return read_config(EvalConfig, data, "The options" if config is None else str(config))


def _print_scores(result: RunResult, modules: Sequence[str]) -> None:
    """Print one line an entry and one for all: mean score with its 95 % interval, and what else was counted.

    Args:
        result: What was played.
        modules: Modules of the user's that a verification needs too.
    """
    tasks: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in result.rows:
        if not row.excluded:
            tasks[row.entry][row.group].append(row.score)
    means = {entry: np.array([np.mean(scores) for scores in groups.values()]) for entry, groups in tasks.items()}
    lines = []
    for name, entry in result.summary["entries"].items():
        lines.append(
            (
                name,
                str(entry["episodes"]),
                str(entry["excluded"] or ""),
                _with_interval(name, [means[name]] if name in means else []),
                _number(entry["normalised"]),
                _percent(entry["success"]),
                _number(entry["reward"]),
                _number(entry["env_steps"], 1),
            )
        )
    if len(lines) > 1:
        whole = _with_interval("all", list(means.values()))
        lines.append(("all", str(len(result.rows)), str(result.summary["excluded"] or ""), whole, "", "", "", ""))
    columns = ("entry", "episodes", "excluded", "score (95 %)", "normalised", "success", "reward", "steps")
    print_table(columns, lines, right=columns[1:])
    failed = sorted({row.end for row in result.rows} & RETRIED_ENDS)
    if failed:
        say(f"Some episodes ended with {' or '.join(failed)} and count nowhere; --resume --retry-errors repeats them.")
    _say_tokens(result.summary["tokens"])
    if result.path is not None:
        imports = "".join(f" --import {module}" for module in modules)
        say(f"The records are in {result.path}; rlvr verify {result.path}{imports} replays them.")


def _say_tokens(tokens: Mapping[str, int]) -> None:
    """Say how often text and tokens differ, where replies came with their tokens."""
    if tokens["replies"]:
        say(
            f"Token drift: the text of {tokens['drifted']} of {tokens['replies']} replies is tokenised otherwise than "
            "it was sampled; the records keep the sampled tokens."
        )
    if tokens["forks"]:
        say(f"Forks: {tokens['forks']} prompts wrote tokens of their conversation anew.")


def _with_interval(name: str, tasks: list[Any]) -> str:
    if not tasks:
        return "-"
    found = estimate(tasks, plain_mean, resampled_means(tasks, name=name), bounds=(0.0, 1.0))
    interval = "" if found.interval is None else f" [{found.interval.low:.3f}, {found.interval.high:.3f}]"
    return f"{found.value:.3f}{interval}"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
