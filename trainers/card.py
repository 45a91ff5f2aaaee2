"""A model's card: how it was made, in numbers that the run itself wrote."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import replace_text

if TYPE_CHECKING:
    from .sft import Sft

CARD_FILE = "README.md"
CURVE_FILE = "loss.svg"
_SIGNATURE = "Trained by `rlvr sft`:"
_ROWS = 12
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 240, 48, 24


def write_card(folder: Path, run: "Sft", step: int, lines: Sequence[dict[str, Any]]) -> None:
    """Write `README.md` and the loss curve beside a model.

    Args:
        folder: The model's.
        run: The run that trained it.
        step: After which step.
        lines: The run's metrics.
    """
    curve = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    held_out = [line for line in lines if "held_out_loss" in line]
    seconds = sum(line["timing"].get("seconds", 0.0) for line in lines)
    described = run.described()
    found = described.pop("found")
    facts = [
        *([("command", f"`{run.command}`")] if run.command else []),
        ("seed", described["seed"]),
        ("parameters", f"{found['parameters']:,}"),
        ("steps", f"{step:,} of {found['steps']:,}"),
        ("documents", f"{found['documents']:,} ({found['left_out']:,} longer ones left out)"),
        ("tokens in them", f"{found['tokens']:,}, of which {found['targets']:,} are learned"),
        ("data fingerprint", f"`{found['data']}`"),
        ("start", f"weights `{found['start']}`" if found["start"] else "random weights"),
        ("training time", f"{seconds / 60:.1f} minutes"),
    ]
    if curve:
        facts.append(("training loss", f"{curve[-1][1]:.4f} nats a token"))
    if held_out:
        last = held_out[-1]
        facts.append(
            ("held-out loss", f"{last['held_out_loss']:.4f} nats a token, accuracy {last['held_out_accuracy']:.1%}")
        )
    context = run.config.data.context
    learned = f"; what was given counted for {context:g} at first, for nothing in the end" if context else " only"
    name = folder.name.removesuffix(".tmp")
    text = [f"# {name}", "", f"{_SIGNATURE} loss on the replies' tokens{learned}.", ""]
    text += _table(("what", "value"), facts)
    if held_out and held_out[-1]["kinds"]:
        rows = [(name, f"{one['loss']:.4f}", f"{one['accuracy']:.1%}") for name, one in held_out[-1]["kinds"].items()]
        text += ["", "## Held-out documents", "", *_table(("kind", "loss", "accuracy"), rows)]
    if curve:
        by_step = {line["step"]: f"{line['held_out_loss']:.4f}" for line in held_out}
        shown = [(at, f"{loss:.4f}", by_step.get(at, "")) for at, loss in _thinned(curve, _ROWS)]
        text += ["", "## Loss", "", f"![training and held-out loss]({CURVE_FILE})", ""]
        text += _table(("step", "training loss", "held-out loss"), shown)
        points = [(line["step"], line["held_out_loss"]) for line in held_out]
        replace_text(folder / CURVE_FILE, loss_svg(curve, points))
    text += ["", "## Settings", "", "```json", json.dumps(described, indent=1), "```", ""]
    text += _before(run.config.model.folder, folder)
    replace_text(folder / CARD_FILE, "\n".join(text))


def _before(start: Path | None, folder: Path) -> list[str]:
    """Return the card of the model that the run began with, a level deeper, and copy its curves.

    Only a card of ours is taken: a stranger's may have any form and licence.
    """
    card = None if start is None else start / CARD_FILE
    if start is None or card is None or not card.is_file():
        return []
    lines = card.read_text(encoding="utf-8").splitlines()
    if not any(line.startswith(_SIGNATURE) for line in lines[:3]):
        return []
    curves = sorted(file.name for file in start.glob(f"*{CURVE_FILE}"))
    for name in curves:
        shutil.copyfile(start / name, folder / f"before-{name}")
    text = []
    for line in lines:
        for name in curves:
            line = line.replace(f"]({name})", f"](before-{name})")
        text.append(f"#{line}" if line.startswith("#") else line)
    text[0] = f"## Before: {text[0].lstrip('# ')}"
    return [*text, ""]


def _table(heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in (heading, ["---"] * len(heading), *rows)]


def _thinned(points: Sequence[tuple[int, float]], count: int) -> list[tuple[int, float]]:
    """Return at most so many of the points, the first and the last among them, denser at the beginning."""
    if len(points) <= count:
        return list(points)
    places = {round((len(points) - 1) * (index / (count - 1)) ** 2) for index in range(count)}
    return [points[place] for place in sorted(places)]


def loss_svg(training: Sequence[tuple[int, float]], held_out: Sequence[tuple[int, float]]) -> str:
    """Return the curves as a picture; `(step, loss)` each."""
    every = [*training, *held_out]
    last = max(step for step, _ in every)
    high = max(loss for _, loss in every) or 1.0
    across, down = (_WIDTH - _LEFT) / last, _HEIGHT - _BOTTOM

    def line(points: Sequence[tuple[int, float]], colour: str) -> str:
        places = " ".join(
            f"{_LEFT + across * step:.1f},{down * (1 - loss / high):.1f}" for step, loss in _thinned(points, 400)
        )
        return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{places}"/>'

    labels = [
        f'<text x="4" y="12">{high:.2f}</text>',
        f'<text x="4" y="{_HEIGHT - _BOTTOM}">0</text>',
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 6}" text-anchor="end">step {last}</text>',
        f'<text x="{_WIDTH - 4}" y="14" text-anchor="end" fill="#1f77b4">training loss</text>',
    ]
    if held_out:
        labels.append(f'<text x="{_WIDTH - 4}" y="30" text-anchor="end" fill="#d62728">held-out loss</text>')
    curves = [line(training, "#1f77b4"), *([line(held_out, "#d62728")] if held_out else [])]
    axes = f'<path fill="none" stroke="#888" d="M{_LEFT} 0V{_HEIGHT - _BOTTOM}H{_WIDTH}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12">{axes}{"".join(curves)}{"".join(labels)}</svg>\n'
    )
