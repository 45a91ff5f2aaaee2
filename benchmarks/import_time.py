"""How long `import rlvr` takes, against `import gymnasium`: whole processes, in turn."""

import statistics
import subprocess
import sys
import time

from .harness import Row


def _wall(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def run(quick: bool = False) -> list[Row]:
    """Time both imports in fresh processes, less an empty process, and compare pair by pair."""
    ratios, ours, theirs = [], [], []
    for _ in range(7 if quick else 25):
        nothing = _wall("pass")
        peer = _wall("import gymnasium") - nothing
        own = _wall("import rlvr") - nothing
        ours.append(own)
        theirs.append(peer)
        ratios.append(own / peer)
    own, peer = statistics.median(ours), statistics.median(theirs)
    return [
        Row(
            "import rlvr", own * 1e3, peer * 1e3, "ms", "at most 1.25 times", statistics.median(ratios) <= 1.25,
            "import gymnasium", f"median of pair ratios {statistics.median(ratios):.3f}",
        )
    ]  # fmt: skip
