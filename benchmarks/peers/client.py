"""Ask the peers' virtual environment for a timing."""

import subprocess
from functools import lru_cache
from pathlib import Path
from typing import IO

from rlvr.tasks.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-peers" / "bin" / "python"


@lru_cache(maxsize=1)
def _driver() -> tuple[IO[str], IO[str]]:
    if not PYTHON.exists():
        raise UserError("The peers are not installed; run: make peers")
    process = subprocess.Popen(
        [str(PYTHON), str(Path(__file__).with_name("step_driver.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def peer_seconds(name: str, count: int = 50) -> float:
    """Return the seconds of one step (or copy) of a peer; the driver process lives until ours ends."""
    stdin, stdout = _driver()
    stdin.write(f"{name} {count}\n")
    stdin.flush()
    answer = stdout.readline()
    if not answer:
        raise UserError(f"The peers' driver ended while timing {name}; run: make peers")
    return float(answer)
