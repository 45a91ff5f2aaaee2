"""Tables and JSON on standard output; progress on standard error."""

import importlib
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ..tasks.errors import UserError


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table; in a terminal it fits the width, in a pipe no line is cut or coloured.

    Args:
        columns: The headings.
        rows: Texts, one a column.
        right: Headings of the columns that are set flush right.
    """
    rows = [tuple(row) for row in rows]
    if not sys.stdout.isatty():
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for row in (columns, *rows):
            cells = (
                text.rjust(width) if heading in right else text.ljust(width)
                for text, width, heading in zip(row, widths, columns, strict=True)
            )
            print("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(columns):  # the first column names the row, to be copied whole
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(_plain(text) for text in row))
    Console().print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # what a record says is never markup


def say(text: str) -> None:
    """Print a remark on standard error."""
    print(text, file=sys.stderr, flush=True)


def import_modules(names: Iterable[str], *prefixed: str | None) -> None:
    """Import modules of the user's; the present folder counts as a place to find them.

    Args:
        names: What `--import` names.
        *prefixed: Ids as `module:id` and agents as `module:Class`; what has no module of the user's is left alone.
    """
    wanted = [*names, *(text.partition(":")[0] for text in prefixed if text and ":" in text)]
    for name in wanted:
        if name.partition(".")[0] == "rlvr":
            continue
        if not all(part.isidentifier() for part in name.split(".")):
            raise UserError(f"{name!r} is not the name of a module.")
        if "" not in sys.path:
            sys.path.insert(0, "")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise UserError(f"There is no module {name!r} to import, neither installed nor in this folder.") from None
