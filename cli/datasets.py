"""`rlvr data`."""

from pathlib import Path

from ..tasks.data import Registered, add, listing, pull
from .output import print_json, print_table


def list_data(json_output: bool) -> None:
    """Print every known data set with what is here of it."""
    found = listing()
    if json_output:
        print_json([row._asdict() for row in found])
        return
    rows = [
        (
            row.name,
            row.family,
            row.status,
            "" if row.rows is None else str(row.rows),
            (row.sha256 or "")[:12],
            row.path or row.remedy,
            row.title,
        )
        for row in found
    ]
    columns = ("name", "family", "status", "rows", "sha256", "where, or how to get it", "what it is")
    print_table(columns, rows, right=("rows",))


def add_data(name: str, path: Path) -> None:
    """Register a file or folder."""
    _say(add(name, path))


def pull_data(name: str) -> None:
    """Download and register a data set."""
    _say(pull(name))


def _say(found: Registered) -> None:
    rows = "" if found.rows is None else f", {found.rows} rows"
    print(f"{found.name}: {found.path}{rows}, sha256 {found.sha256}")
