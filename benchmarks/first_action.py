"""How long `rlvr eval --policy tiny` takes to its first action: whole processes that play one step and end."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .harness import Row

CALL = ("--env", "arithmetic-v0", "--difficulty", "two-digit", "--agent", "direct", "--policy", "tiny")
LIMIT = 4.0


def run(quick: bool = False) -> list[Row]:
    """Time whole processes, so the records and the table at the end are in it too."""
    seconds = []
    for _ in range(2 if quick else 5):
        with tempfile.TemporaryDirectory() as place:
            command = [Path(sys.executable).parent / "rlvr", "eval", *CALL, "--episodes", "1", "--out", f"{place}/run"]
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
    middle, worst = statistics.median(seconds), max(seconds)
    note = f"start, one answer, its record and the table; the slowest took {worst:.2f}"
    return [Row("rlvr eval --policy tiny, one step", middle, None, "s", f"under {LIMIT:g}", worst < LIMIT, note=note)]
