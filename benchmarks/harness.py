"""What every benchmark shares: a row of a result, interleaved timing, and the report."""

import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results"
REPORT = FOLDER / "RESULTS.md"


class Row(NamedTuple):
    """One line of a benchmark."""

    what: str
    ours: float
    peer: float | None
    """None where there is nothing to compare with (the target is absolute then)."""
    unit: str
    target: str
    """In words: what must hold."""
    ok: bool
    peer_name: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return None if self.peer in (None, 0) else self.ours / self.peer  # type: ignore[operator]


Benchmark = Callable[[bool], list[Row]]


def interleave(*functions: Callable[[], float], rounds: int = 7) -> list[float]:
    """Run the functions in turn, `rounds` times, and return the median of what each returned.

    In turn, because a shared machine's speed drifts: both sides of a ratio see the same weather.
    """
    values: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for column, function in zip(values, functions, strict=True):
            column.append(function())
    return [statistics.median(column) for column in values]


def seconds(function: Callable[[], object], number: int = 1) -> float:
    """Return the seconds that one of `number` calls takes, on average."""
    start = time.perf_counter()
    for _ in range(number):
        function()
    return (time.perf_counter() - start) / number


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    if value == 0 or 0.01 <= abs(value) < 100_000:
        return f"{value:.4g}"
    return f"{value:.3e}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| what | ours | peer | ratio | unit | target | met |",
        "| --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    for row in rows:
        peer = _figure(row.peer) + (f" ({row.peer_name})" if row.peer_name else "")
        note = f" ({row.note})" if row.note else ""
        lines.append(
            f"| {row.what}{note} | {_figure(row.ours)} | {peer} | {_figure(row.ratio)} | {row.unit} | {row.target} "
            f"| {'yes' if row.ok else 'NO'} |"
        )
    return "\n".join(lines)


def save(name: str, rows: Sequence[Row], quick: bool) -> None:
    """Store a benchmark's rows as JSON, and write the report anew from all stored results."""
    RESULTS.mkdir(exist_ok=True)
    result = {
        "benchmark": name,
        "quick": quick,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [{**row._asdict(), "ratio": row.ratio} for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    parts = [
        "# Benchmark results",
        "",
        "Written by `python -m benchmarks`; each table is one run, ours and the peer's side by side on one machine. "
        "Compare ratios, not times.",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored_rows = [Row(**{key: row[key] for key in Row._fields}) for row in stored["rows"]]
        how = " (quick settings)" if stored["quick"] else ""
        parts += ["", f"## {stored['benchmark']}{how}", "", table(stored_rows)]
    REPORT.write_text("\n".join(parts) + "\n", encoding="utf-8")
