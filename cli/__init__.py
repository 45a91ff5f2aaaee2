"""The `rlvr` command."""

import sys
from collections.abc import Sequence


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    0: done. 1: done, and something was found wrong (a record that does not replay, a broken environment).
    2: the call cannot work; one sentence on standard error says why. 130: stopped from the keyboard.
    """
    from ..tasks.errors import UserError
    from .app import app

    try:
        app(args=list(arguments), prog_name="rlvr")
    except SystemExit as done:  # typer ends every call so
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except UserError as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 0
