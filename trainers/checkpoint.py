"""Checkpoints of a run: whole or not there, the newest few kept, and metrics cut back to where one was taken."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from ..tasks.errors import MalformedData
from .files import replace_file, replace_folder

STATE_FILE = "state.pt"
_NAME = re.compile(r"step-(\d{7})")


def folder_of(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step is, or would be."""
    return run / "checkpoints" / f"step-{step:07d}"


def saved_steps(run: Path) -> list[int]:
    """Return the steps of which there is a checkpoint, in order."""
    folder = run / "checkpoints"
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(int(found.group(1)) for name in names if (found := _NAME.fullmatch(name)))


def save(run: Path, step: int, state: dict[str, Any], keep: int) -> None:
    """Write a checkpoint, then delete the oldest ones; at any instant the newest complete one is there.

    Args:
        run: The run's folder.
        step: After which step it is.
        state: What `torch.save` writes and `torch.load` reads with weights only.
        keep: How many to keep.
    """
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    for unfinished in (run / "checkpoints").glob("*.tmp"):
        shutil.rmtree(unfinished)
    if step not in saved_steps(run):
        replace_folder(folder_of(run, step), lambda folder: torch.save(state, folder / STATE_FILE))
    for old in saved_steps(run)[:-keep]:
        shutil.rmtree(folder_of(run, old))


def newest(run: Path) -> dict[str, Any] | None:
    """Return the state of the newest checkpoint; None if there is none.

    Raises:
        MalformedData: Its file is damaged.
    """
    steps = saved_steps(run)
    if not steps:
        return None
    path = folder_of(run, steps[-1]) / STATE_FILE
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise MalformedData(
            f"{path} is damaged ({reason}); delete its folder, and the run goes on from the one before."
        ) from None
    return state


def cut_metrics(path: Path, step: int) -> None:
    """Take out what was measured after a step: it is measured again, with the same numbers."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # torn: the run was stopped while writing it
        if json.loads(line)["step"] <= step:
            kept.append(line)
    replace_file(path, lambda file: file.writelines(kept))
