"""Making Sokoban levels: time, failures, how hard and how different, against three peers; and the solver's rates."""

import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from rlvr.tasks.errors import MalformedData, UserError
from rlvr.tasks.rng import Rng
from rlvr.tasks.sokoban.generate import Shape, generate, shape
from rlvr.tasks.sokoban.solve import solve
from rlvr.tasks.sokoban.xsb import dump, parse

from .harness import Row
from .peers.client import PYTHON, ROOT

PEERS = ("gym-sokoban", "GEM", "TextArena")
LEVELS = 100
SOLVER_LIMIT_S = 10.0


class Setting(NamedTuple):
    """One kind of level."""

    shape: Shape
    faster: int
    """How many times faster than each peer we must be."""
    peer_levels: int
    """How many levels each peer makes; at 10x10 they take seconds each."""
    quick: int
    """The same, with quick settings."""

    @property
    def name(self) -> str:
        """As `rlvr/sokoban-v0` calls the difficulty."""
        return f"{self.shape.rows}x{self.shape.columns}-{self.shape.boxes}"


SETTINGS = (
    Setting(shape(6, 6, 1), 2, 100, 50),
    Setting(shape(6, 6, 2), 2, 100, 50),
    Setting(shape(8, 8, 3), 20, 100, 20),
    Setting(shape(10, 10, 4), 20, 20, 3),
)


class Made(NamedTuple):
    """Levels of one side, with the time each took; failures have no level."""

    seconds: list[float]
    levels: list[str]
    failures: int


class _Driver:
    """The peers' process."""

    def __init__(self) -> None:
        if not PYTHON.exists():
            raise UserError("The peers are not installed; run: make peers")
        # A peer that PyPI lacks is found in the checkout that --peer-path names.
        paths = [path for path in (os.environ.get("RLVR_PEER_PATH"), os.environ.get("PYTHONPATH")) if path]
        self.process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).parent / "peers" / "sokoban_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def generate(self, peer: str, wanted: Shape, seed: int) -> dict[str, Any]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{peer} {wanted.rows} {wanted.columns} {wanted.boxes} {seed}\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise UserError(f"The peers' driver ended while {peer} made a level; run: make peers")
        found: dict[str, Any] = json.loads(answer)
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def _ours(wanted: Shape, seed: int) -> tuple[float, str]:
    start = time.perf_counter()
    made = generate(Rng.named("benchmark", seed), wanted)
    return time.perf_counter() - start, dump(made.position)


def _make(driver: _Driver, setting: Setting, count: int) -> dict[str, Made]:
    """Let everyone make levels in turn, so that all see the same weather on a shared machine."""
    made = {name: Made([], [], 0) for name in ("ours", *PEERS)}
    _ours(setting.shape, -1)  # tables and imports are not part of a level, on either side
    for peer in PEERS:
        driver.generate(peer, SETTINGS[0].shape, 0)
    for seed in range(max(count, LEVELS)):
        seconds, level = _ours(setting.shape, seed)
        made["ours"].seconds.append(seconds)
        made["ours"].levels.append(level)
        for peer in PEERS if seed < count else ():
            answer = driver.generate(peer, setting.shape, seed)
            side = made[peer]
            side.seconds.append(answer["seconds"])
            if "level" in answer:
                side.levels.append(answer["level"])
            else:
                made[peer] = side._replace(failures=side.failures + 1)
    return made


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _pushes(levels: list[str]) -> tuple[float, int]:
    """Return the median of the fewest pushes, and how many levels cannot be solved."""
    found = []
    for level in levels:
        try:
            found.append(solve(parse(level)).pushes)
        except MalformedData:
            found.append(None)
    solved = [pushes for pushes in found if pushes is not None]
    return statistics.median(solved), len(found) - len(solved)


def _compare(setting: Setting, made: dict[str, Made]) -> list[Row]:
    rows = []
    ours = made["ours"]
    pushes, unsolved = _pushes(ours.levels)
    for share in (0.5, 0.95):
        own = _quantile(ours.seconds, share) * 1e3
        for peer in PEERS:
            theirs = _quantile(made[peer].seconds, share) * 1e3
            what = f"{setting.name} generation p{share * 100:.0f}"
            ok = theirs >= setting.faster * own
            note = f"peer: {len(made[peer].seconds)} levels"
            rows.append(Row(what, own, theirs, "ms", f"{setting.faster} times faster", ok, peer, note))
    for peer in PEERS:
        theirs, lost = _pushes(made[peer].levels)
        note = f"peer: {made[peer].failures} failures, {lost} unsolvable, of {len(made[peer].seconds)}"
        rows.append(
            Row(
                f"{setting.name} median fewest pushes",
                pushes,
                theirs,
                "pushes",
                "at least",
                pushes >= theirs,
                peer,
                note,
            )
        )
    count = len(ours.levels)
    distinct = 100 * len(set(ours.levels)) / count
    on_target = sum("*" in level for level in ours.levels)
    rows += [
        Row(f"{setting.name} failures and unsolvable levels of {count}", unsolved, None, "levels", "0", unsolved == 0),
        Row(f"{setting.name} levels with a box on a target", on_target, None, "levels", "0", on_target == 0),
        Row(f"{setting.name} distinct among {count}", distinct, None, "%", "at least 99", distinct >= 99),
    ]
    return rows


def _solver_rows(quick: bool) -> list[Row]:
    """Solve the recorded levels, 10 s each, where they are at hand."""
    folder = Path(os.environ.get("RLVR_SHARED_DATA", ROOT.parent / "shared" / "data"))
    rows = []
    for name, place, least in (
        ("Boxoban unfiltered", "sokoban_boxoban/unfiltered_test", 95.0),
        ("Boxoban medium", "sokoban_boxoban/medium_valid", 85.0),
        ("Boxoban hard", "sokoban_boxoban/hard", None),
        ("Microban", "sokoban_classic/microban", None),
        ("Microban II", "sokoban_classic/microban2", None),
    ):
        path = folder / f"{place}.jsonl"
        if not path.exists():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        lines = lines[:: max(1, len(lines) // 10)] if quick else lines
        seconds, solved, most = [], 0, 0
        for line in lines:
            row = json.loads(line)
            start = time.perf_counter()
            found = solve(parse(row["level"]), limit_s=SOLVER_LIMIT_S, max_nodes=10**9)
            seconds.append(time.perf_counter() - start)
            solved += found.moves is not None
            most += found.pushes is not None and found.pushes == row["min_pushes"]
        share = 100 * solved / len(lines)
        note = (
            f"{solved} of {len(lines)}, {most} with the fewest pushes known; "
            f"p50 {_quantile(seconds, 0.5) * 1e3:.1f} ms, p95 {_quantile(seconds, 0.95) * 1e3:.0f} ms, "
            f"at most {max(seconds):.1f} s"
        )
        target = "reported" if least is None else f"at least {least:g}"
        rows.append(Row(f"solver, {name}", share, None, "% solved", target, least is None or share >= least, note=note))
    return rows


def run(quick: bool = False) -> list[Row]:
    """Compare the generators at four settings, and report the solver."""
    rows = []
    driver = _Driver()
    try:
        for setting in SETTINGS:
            rows += _compare(setting, _make(driver, setting, setting.quick if quick else setting.peer_levels))
    finally:
        driver.close()
    return rows + _solver_rows(quick)
