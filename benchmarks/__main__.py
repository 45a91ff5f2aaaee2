"""Run benchmarks by name: `python -m benchmarks all`, `python -m benchmarks step verifier --quick`."""

import argparse
import importlib
import os
import sys

from rlvr.tasks.errors import UnknownName, UserError

from .harness import save, table

BENCHMARKS = (
    "import_time",
    "first_action",
    "step",
    "vector",
    "snapshot",
    "memory",
    "sokoban",
    "verifier",
    "conversation",
    "generation",
    "sft",
    "tiny",
    "references",
)


def main() -> int:
    """Run, print, store; the exit code is 1 if a target was missed, 2 for a mistake in the call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="+", help=f"all, or any of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions; noisier figures")
    parser.add_argument("--peer-path", help="a folder to import a peer from that PyPI lacks")
    parser.add_argument("--no-save", action="store_true", help="print only")
    arguments = parser.parse_args()
    if arguments.peer_path:
        os.environ["RLVR_PEER_PATH"] = arguments.peer_path
    names = BENCHMARKS if arguments.names == ["all"] else arguments.names
    met = True
    try:
        for name in names:
            if name not in BENCHMARKS:
                raise UnknownName("benchmark", name, BENCHMARKS)
            rows = importlib.import_module(f"benchmarks.{name}").run(arguments.quick)
            print(f"\n## {name}\n\n{table(rows)}", flush=True)
            if not arguments.no_save:
                save(name, rows, arguments.quick)
            met = met and all(row.ok for row in rows)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
