"""EVOLvE's own instances, from a file: the arms as recorded, the rewards as numpy's generator drew them."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..data import DataFile, data_set, find_files, fingerprint, malformed, read_rows, require, resolve
from ..task import DataSource
from .generate import SCENARIOS, check_horizon
from .task import BanditTask, Distribution, Scenario

DATA_SET = "bandits"


def recorded_means(distribution: Distribution, arms: int, spread: float, seed: int) -> list[float]:
    """Return the means, in order, that EVOLvE's constructors make from a seed.

    Args:
        distribution: Of the rewards.
        arms: Number of arms.
        spread: As in `generate.Level`.
        seed: The instance's seed; it also orders the arms, and starts the rewards.
    """
    if distribution == "bernoulli":
        means = [0.5 - spread / 2] * (arms - 1) + [0.5 + spread / 2]
    else:
        means = np.random.default_rng(seed).normal(0, spread, arms).tolist()
    np.random.default_rng(seed).shuffle(means)
    return means


def load_bandits(data: str | Path, horizon: int | None = None) -> DataSource[BanditTask]:
    """Read instances from a file or folder, or, for `"bandits"`, from what is registered under that name.

    A row has `distribution`, `arm_params` (a mean each, or [mean, deviation] each), `action_names`, `horizon`,
    `domain` (EVOLvE's name of the scenario) and `seed`, and may have `id` and a recorded trace, whose `reset_seed`
    then starts the rewards. The difficulty is named as a generated task's, by what the arms are: CoreBench's
    instances that are labelled easy, but were built with the small gap, are hard.

    Args:
        data: The file or folder.
        horizon: Number of pulls; each row's own if None.

    Raises:
        MissingData: There is no such file.
        MalformedData: A row is broken; the message names the line and the field.
    """
    check_horizon(horizon)
    place = resolve(DATA_SET, None if data == DATA_SET else data)
    files = find_files(data_set(DATA_SET), place)
    tasks = [
        _read_bandit(row, file, line, f"{file.path.stem}-" if len(files) > 1 else "", horizon)
        for file in files
        for line, row in read_rows(file.path)
    ]
    return DataSource(tasks, name=place.name, fingerprint=fingerprint(file.path for file in files))


def _read_bandit(row: dict[str, Any], file: DataFile, line: int, prefix: str, horizon: int | None) -> BanditTask:
    path = file.path
    distribution: Distribution = _one_of(row, "distribution", ("bernoulli", "gaussian"), path, line)
    scenario: Scenario = _one_of(row, "domain", SCENARIOS, path, line)
    params = require(row, "arm_params", list, path, line)
    if distribution == "gaussian":
        if not all(isinstance(pair, list) and len(pair) == 2 and pair[1] == params[0][1] for pair in params):
            raise malformed(path, line, "expected [mean, deviation] for each arm, one deviation for all", "arm_params")
        means, deviation = [pair[0] for pair in params], params[0][1]
    else:
        means, deviation = params, 0.0
    trace = row.get("ucb_alpha0.5_trace")
    seeded = trace if isinstance(trace, dict) and "reset_seed" in trace else row
    key = require(seeded, ("reset_seed", "seed"), int, path, line)
    try:
        task = BanditTask(
            scenario=scenario,
            distribution=distribution,
            names=require(row, "action_names", list, path, line),
            means=tuple(means),
            deviation=deviation,
            horizon=horizon or require(row, "horizon", int, path, line),
            stream="numpy",
            key=key,
            split=file.split,
            item=f"{prefix}{row.get('id') or line}",
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        fields = {"names": "action_names", "means": "arm_params", "deviation": "arm_params", "key": "seed"}
        field = str(first["loc"][0]) if first["loc"] else "arm_params"
        raise malformed(path, line, first["msg"].removeprefix("Value error, "), fields.get(field, field)) from None
    return task.model_copy(update={"difficulty": _difficulty(task)})


def _one_of(row: dict[str, Any], field: str, known: tuple[str, ...], path: Path, line: int) -> Any:
    value = require(row, field, str, path, line)
    if value not in known:
        raise malformed(path, line, f"expected one of {', '.join(known)}, found {ascii(value)[:60]}", field)
    return value


def _difficulty(task: BanditTask) -> str:
    """Return the level's name: hard are Bernoulli arms less than 0.35 apart and Gaussian arms with deviation above 2.

    Both bounds are halfway between EVOLvE's easy and hard configurations.
    """
    *_, second, best = sorted(task.means)
    hard = best - second < 0.35 if task.distribution == "bernoulli" else task.deviation > 2
    return f"{task.distribution}-{len(task.names)}-{'hard' if hard else 'easy'}"
