"""`rlvr sft`."""

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from ..tasks.config import parse_settings
from ..tasks.errors import MissingExtra
from .output import print_json, say


def sft_command(config: Path | None, settings: Sequence[str], *, json_output: bool) -> int:
    """Train, show progress, say where the model is. Returns 130 if it was stopped from the keyboard, else 0."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtra("torch", "train") from None
    from ..trainers.sft import Sft
    from ..trainers.sft_config import read_sft_config

    command = shlex.join(["rlvr", *sys.argv[1:]])
    run = Sft(read_sft_config(config, parse_settings(settings, "--set")), command=command)
    found = run.described()["found"]
    say(
        f"{found['documents']} documents of {found['tokens']} tokens, {found['targets']} to learn; "
        f"{found['parameters']} parameters, {found['steps']} steps."
    )
    if run.left_out:
        say(f"{run.left_out} documents were left out, because they are longer than the model's context.")
    with _Stop() as stop, _Bar() as bar:
        result = run.run(report=bar.show, stop=stop.wanted)
    if json_output:
        print_json({**result._asdict(), "finished": result.finished})
    held_out = "" if result.held_out is None else f", held-out {result.held_out:.4f}"
    loss = "" if result.loss is None else f" Loss {result.loss:.4f}{held_out}."
    say(f"{result.steps} of {result.total} steps are done.{loss} The model is in {result.model}.")
    if not result.finished:
        say("Go on with the same command.")
    return 130 if stop.interrupted else 0


class _Stop:
    """The first interrupt lets the present step finish and saves; a second one stops at once."""

    def __init__(self) -> None:
        self.interrupted = False
        self._before: Any = None

    def __enter__(self) -> "_Stop":
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def wanted(self) -> bool:
        """Return whether to stop."""
        return self.interrupted


class _Bar:
    """Shows how far training is: on standard error, as a bar in a terminal, else as a line a minute or so."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._total = 0
        self._said = 0.0

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, line: dict[str, Any]) -> None:
        """Take a line of the metrics."""
        if "total" in line:
            self._total = line["total"]
            self._start(line["step"])
        elif "loss" in line:
            timing = line["timing"]
            text = f"loss {line['loss']:.4f}  {timing['tokens_per_s']:,.0f} tokens/s"
            if self._bar is not None:
                self._bar.update(self._task, completed=line["step"], text=text)
            else:
                self._said += timing["seconds"]
                if self._said >= 60:
                    self._said = 0.0
                    say(f"step {line['step']} of {self._total}: {text}")
        elif "held_out_loss" in line and self._bar is None:
            right = f"{line['held_out_accuracy']:.1%}"
            say(f"step {line['step']}: held-out loss {line['held_out_loss']:.4f}, {right} of its tokens right")

    def _start(self, done: int) -> None:
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("", total=self._total, completed=done, text="")
        self._bar.start()
