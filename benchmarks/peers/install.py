"""Make `.venv-peers` with the peers that benchmarks compare with: `python -m benchmarks.peers.install`."""

import subprocess
import sys
import venv
from pathlib import Path

from .client import PYTHON

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def main() -> int:
    """Create the environment where it is missing, and install the pinned versions."""
    if not PYTHON.exists():
        venv.create(PYTHON.parents[1], with_pip=True)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-q"]
    return subprocess.run([*pip, "install", "--no-deps", "-r", str(REQUIREMENTS)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
