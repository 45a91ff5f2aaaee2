"""From run folders to one verified page: replay everything, refuse what differs, score the rest."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..tasks.errors import UserError
from .examine import Accepted, Examined, Refused, count_records, examine_all
from .index import Row, page_index
from .page import Chunks, render
from .table import Run, reasons_not_to_rank

PAGE_FILE = "index.html"
Progress = Callable[[int, int], None]


class Unranked(NamedTuple):
    """A run that is shown without a rank."""

    run: str
    reasons: tuple[str, ...]


class BuildReport(NamedTuple):
    """What a build came to."""

    page: Path
    """The file that was written."""
    runs: int
    """Rows of the tables: run folders with a record that replays."""
    replayed: int
    """Records that replay."""
    refused: tuple[Refused, ...]
    """Records that do not, and count nowhere."""
    unranked: tuple[Unranked, ...]
    """Runs without a rank, the references left out."""
    size: int
    """The page's bytes."""


def build(
    run_dirs: Iterable[str | Path],
    out: str | Path,
    *,
    data: Sequence[str | Path] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> BuildReport:
    """Replay the records of run folders and write the page; the same records give the same bytes.

    Args:
        run_dirs: Folders that `rlvr eval --out` wrote.
        out: The folder to write `index.html` into; made if need be.
        data: Files to use in place of recorded data sets, where their fingerprints agree.
        workers: Processes to replay in, one run at a time each.
        progress: Told how many records of how many are done.

    Raises:
        UserError: A folder holds no run, or the page cannot be written; the message says which and why.
    """
    folders = _named(run_dirs)
    page = Path(out) / PAGE_FILE
    counts = {path: count_records(path) for path in folders.values()}
    empty = [str(path) for path, count in counts.items() if not count]
    if empty:
        raise UserError(f"There are no records in {', '.join(empty)}; play the run, or leave it out.")
    total, done = sum(counts.values()), 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    chunks = Chunks()
    rows: list[Row] = []
    refused: list[Refused] = []
    for found in examine_all(folders, data=[Path(file) for file in data], workers=workers, tick=tick):
        refused += found.refused
        if found.accepted:
            rows.append(_row(found, chunks))
    chunks.close()
    tables = _tables(rows)
    for table in tables.values():
        _judge(table)
    html = render(page_index(tables, refused), chunks.packed).encode("utf-8")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_bytes(html)
    except OSError as error:
        raise UserError(f"{page} cannot be written: {error.strerror or error}.") from None
    runs = [row.run for row in rows]
    return BuildReport(
        page=page,
        runs=len(runs),
        replayed=sum(len(run.episodes) for run in runs),
        refused=tuple(refused),
        unranked=tuple(Unranked(run.slug, tuple(run.why)) for run in runs if run.status == "unranked"),
        size=len(html),
    )


def _named(folders: Iterable[str | Path]) -> dict[str, Path]:
    """Return the folders by their names on the page, sorted; one that is given twice counts once."""
    paths = sorted({Path(folder).resolve() for folder in folders}, key=lambda path: (path.name, str(path)))
    if not paths:
        raise UserError("There are no runs to show; name at least one run folder, as rlvr eval --out writes them.")
    named: dict[str, Path] = {}
    for path in paths:
        name, number = path.name, 1
        while name in named:
            number += 1
            name = f"{path.name} ({number})"
        named[name] = path
    return named


def _row(found: Examined, chunks: Chunks) -> Row:
    """Make the row of a run, and pack its episodes, worst first."""
    accepted = sorted(found.accepted, key=_worst_first)
    run = Run(
        slug=found.slug,
        table=found.table,
        suite=found.suite,
        agent=found.agent,
        policy=found.policy,
        config=found.config,
        versions=found.versions,
        episodes=[item.played for item in accepted],
        refused=len(found.refused),
        why=list(found.problems),
    )
    places = {item.played.key: chunks.add(item.record) for item in accepted}
    for item in accepted:
        item.record.clear()  # packed; a run's observations need not stay in memory
    return Row(run, found.missing, {record.key for record in found.refused}, accepted, places)


def _worst_first(item: Accepted) -> tuple[bool, float, float, str, int, int]:
    played = item.played
    return (played.excluded, played.score, played.total_reward, played.entry, played.group, played.member)


def _tables(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort the rows into tables: those of suites first, then by name."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.run.suite is None, row.run.table)):
        tables[row.run.table].append(row)
    return tables


def _judge(rows: Sequence[Row]) -> None:
    """Find every reason not to rank the runs of a table."""
    keys = {played.key for row in rows for played in row.run.episodes}
    tasks: dict[tuple[str, int], tuple[str, str]] = {}
    for row in sorted(rows, key=lambda row: (row.run.role is None, row.run.slug)):
        run = row.run
        run.why += reasons_not_to_rank(run)
        missing = (keys | row.missing) - {played.key for played in run.episodes} - row.refused
        if missing:
            run.why.append(f"It lacks {len(missing)} of the {len(keys | row.missing)} episodes.")
        others = set()
        for played in run.episodes:
            uid, first = tasks.setdefault((played.entry, played.group), (played.task_uid, run.slug))
            if uid != played.task_uid:
                others.add(first)
        if others:
            run.why.append(f"It played other tasks than {', '.join(sorted(others))}.")
