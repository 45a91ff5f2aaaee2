"""Supervised fine-tuning: a model learns to say what experts said. The whole loop is in `Sft.run`.

A run's folder:

- `config.json`: the settings, with the fingerprints of data and weights.
- `metrics.jsonl`: a line every few steps, and the held-out losses; all clock values under `timing`.
- `checkpoints/step-N`: weights, optimizer, place in the data, random state; written whole or not at all.
- `exports/step-N`: the model on its way, as transformers loads it.
- `model`: the model in the end, with its card.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..agents.run_folder import first_difference
from ..tasks.errors import MalformedData, UserError
from . import checkpoint
from .card import write_card
from .examples import processors, read_examples
from .files import replace_folder, replace_text
from .gradients import Loss, Workers, parameters
from .models import Trained
from .optimizer import make_optimizer
from .packing import Documents, Ints, Order, epoch_steps, permutation
from .sft_config import UNSEEN_BY_RESUME, OptimizerConfig, SftConfig

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"

Report = Callable[[dict[str, Any]], None]
"""Told every line of the metrics, and `{"total": steps, "step": done}` at the start."""


class SftResult(NamedTuple):
    """What a run came to."""

    steps: int
    """Done so far."""
    total: int
    """To be done in all."""
    loss: float | None
    """The last training loss that was written, nats a target."""
    held_out: float | None
    model: Path
    """The folder of the trained model."""

    @property
    def finished(self) -> bool:
        """Whether all steps were done."""
        return self.steps == self.total


def learning_rate(step: int, total: int, config: OptimizerConfig) -> float:
    """Return the learning rate of a step, counted from 0: a linear warm-up, then half a cosine."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / (config.warmup_steps + 1)
    done = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    share = config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return config.learning_rate * share


class Sft:
    """A supervised run; made once, run once.

    Args:
        config: The settings.
        documents: What to learn, tokenised; read as `config.data` says if None.
        held_out: What the held-out loss is taken over, where `documents` is given.
        command: The command line, for the model's card.

    Raises:
        UserError: Data or model cannot be used.
    """

    def __init__(
        self,
        config: SftConfig,
        *,
        documents: Documents | None = None,
        held_out: Documents | None = None,
        command: str = "",
    ) -> None:
        self.config = config
        self.command = command
        self.trained = Trained(config.model, seed=config.seed, device=config.device)
        if documents is None:
            documents, held_out = self._read()
        longest = config.data.longest or self.trained.model.info.context_length
        fitting = documents.lengths <= longest
        self.left_out = int((~fitting).sum())
        """Documents that were longer than allowed."""
        if not fitting.any():
            raise UserError(f"All {len(documents)} documents are longer than {longest} tokens; raise data.longest.")
        self.documents = documents.select(fitting)
        self.held_out = None if held_out is None else self._sample(held_out.select(held_out.lengths <= longest))
        order = config.order
        self.order = Order(order.row_tokens, order.rows, config.seed, order.packing, order.window)
        self._plans: dict[int, list[list[Ints]]] = {}
        self.total = config.steps or self._steps(config.epochs)

    def _read(self) -> tuple[Documents, Documents | None]:
        data = self.config.data

        def read(paths: tuple[Path, ...]) -> Documents:
            return read_examples(paths, self.config.tokenizer, roles=data.roles, cache=data.cache, workers=processors())

        train = read(data.train)
        if data.held_out:
            return train, read(data.held_out)
        kept = math.ceil(data.held_out_share * len(train))
        if not kept:
            return train, None
        if kept >= len(train):
            raise UserError("data.held_out_share leaves nothing to learn from.")
        shuffled = permutation(len(train), "sft held out", self.config.seed)
        return train.select(np.sort(shuffled[kept:])), train.select(np.sort(shuffled[:kept]))

    def _sample(self, documents: Documents) -> Documents:
        """Return as many of the held-out documents as are asked for, whatever the seed of the run."""
        count = self.config.data.held_out_documents
        return documents.select(np.sort(permutation(len(documents), "sft held out sample")[:count]))

    def _plan(self, epoch: int) -> list[list[Ints]]:
        if epoch not in self._plans:
            self._plans = {epoch: epoch_steps(self.documents.lengths, self.order, epoch)}
        return self._plans[epoch]

    def _steps(self, epochs: float) -> int:
        whole = sum(len(self._plan(epoch)) for epoch in range(math.floor(epochs)))
        rest = epochs - math.floor(epochs)
        return max(1, whole + (round(rest * len(self._plan(math.floor(epochs)))) if rest else 0))

    def run(self, *, report: Report | None = None, stop: Callable[[], bool] = lambda: False) -> SftResult:
        """Train to the end, or until time is up or `stop` says so; goes on where the folder's run stopped.

        Raises:
            UserError: The folder holds a run with other settings.
        """
        config, trained = self.config, self.trained
        started = time.monotonic()
        self._settle()
        weights = parameters(trained.model)
        optimizer = make_optimizer(trained.named_parameters(), config.optimizer)
        place = _Place()
        state = checkpoint.newest(config.out)
        if state is not None:
            trained.load_state(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["random"])
            place = _Place(**state["place"])
        checkpoint.cut_metrics(config.out / METRICS_FILE, place.step)
        metrics = _Metrics(config.out / METRICS_FILE, report)
        metrics.begin(self.total, place.step)
        precision = getattr(torch, config.precision)
        earlier = place.seconds

        def save() -> None:
            place.seconds = earlier + time.monotonic() - started
            state = {
                "model": {name: weight.detach() for name, weight in trained.state().items()},
                "optimizer": optimizer.state_dict(),
                "random": torch.get_rng_state(),
                "place": vars(place).copy(),
            }
            checkpoint.save(config.out, place.step, state, config.keep_checkpoints)

        with Workers(trained.model, self._workers(), precision) as workers:
            clock = time.monotonic()
            while place.step < self.total:
                if stop() or (config.max_minutes and time.monotonic() - started > 60 * config.max_minutes):
                    break
                plan = self._plan(place.epoch)
                if place.index == len(plan):
                    place.epoch, place.index = place.epoch + 1, 0
                    continue
                rate = learning_rate(place.step, self.total, config.optimizer)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                context = config.data.context * (1 - place.step / self.total)
                loss = workers.step([self.documents.row(numbers, context) for numbers in plan[place.index]])
                norm = torch.nn.utils.clip_grad_norm_(weights, config.optimizer.clip or math.inf)
                if not math.isfinite(loss.total) or not bool(norm.isfinite()):
                    raise UserError(
                        f"The loss was no number at step {place.step + 1}; a lower optimizer.learning_rate may help. "
                        f"What was learned until step {max(0, *checkpoint.saved_steps(config.out), 0)} is saved."
                    )
                optimizer.step()
                place.advance(loss, float(norm))
                if place.step % config.log_every == 0 or place.step == self.total:
                    now = time.monotonic()
                    metrics.write(place.line(rate), place.timing(now - clock))
                    place.clear()
                    clock = now
                if self.held_out is not None and self._is_due(place.step, config.held_out_every):
                    metrics.write({"step": place.step, **self.evaluate(workers)}, {"at_s": earlier + clock - started})
                    clock = time.monotonic()
                if place.step in config.exports:
                    self.export(config.out / "exports" / f"step-{place.step:07d}", place.step)
                if self._is_due(place.step, config.checkpoint_every):
                    save()
        if place.step not in checkpoint.saved_steps(config.out):
            save()
        self.export(config.out / "model", place.step)
        last = _lines(config.out / METRICS_FILE)
        loss_of = [line["loss"] for line in last if "loss" in line]
        held_of = [line["held_out_loss"] for line in last if "held_out_loss" in line]
        return SftResult(
            place.step,
            self.total,
            loss_of[-1] if loss_of else None,
            held_of[-1] if held_of else None,
            config.out / "model",
        )

    def evaluate(self, workers: Workers) -> dict[str, Any]:
        """Return the held-out loss, nats a target, and the share of targets that were the likeliest token.

        Both also for every kind of document.
        """
        assert self.held_out is not None, "there are held-out documents"
        order = Order(self.order.budget, 1, 0)
        rows = [self.held_out.row(numbers) for (numbers,) in epoch_steps(self.held_out.lengths, order, 0)]
        found = workers.losses(rows)
        kinds = np.concatenate([row.kinds for row in rows])
        losses = torch.cat([one for one, _ in found]).double().cpu().numpy()
        hits = torch.cat([one for _, one in found]).cpu().numpy()
        return {
            "held_out_loss": float(losses.mean()),
            "held_out_accuracy": float(hits.mean()),
            "kinds": {
                name: {"loss": float(losses[kinds == kind].mean()), "accuracy": float(hits[kinds == kind].mean())}
                for kind, name in enumerate(self.held_out.kind_names)
                if name and (kinds == kind).any()
            },
        }

    def export(self, folder: Path, step: int) -> None:
        """Write the model as transformers loads it, with its card."""

        def write(into: Path) -> None:
            self.trained.save(into, self.config.tokenizer)
            write_card(into, self, step, _lines(self.config.out / METRICS_FILE))

        replace_folder(folder, write)

    def _workers(self) -> int:
        if self.trained.device.type != "cpu":
            return 1
        return min(self.config.workers or processors(), self.config.order.rows)

    def _is_due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self.total

    def described(self) -> dict[str, Any]:
        """Return the settings with what they stood for: data, weights, steps."""
        return {
            **self.config.model_dump(mode="json"),
            "found": {
                "data": self.documents.fingerprint,
                "documents": len(self.documents),
                "left_out": self.left_out,
                "tokens": int(self.documents.lengths.sum()),
                "targets": int(self.documents.targets.sum()),
                "held_out_documents": 0 if self.held_out is None else len(self.held_out),
                "parameters": self.trained.count(),
                "start": self.trained.model.info.fingerprint,
                "steps": self.total,
            },
        }

    def _settle(self) -> None:
        """Write the settings, or compare them with those that are there."""
        out = self.config.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"The folder {out} cannot be written: {error.strerror or error}.") from None
        file = out / CONFIG_FILE
        now = json.loads(json.dumps(self.described()))
        if not file.is_file():
            if any(out.iterdir()):
                raise UserError(f"{out} holds other files; choose an empty folder or a new one.")
            replace_text(file, json.dumps(now, indent=2) + "\n")
            return
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise MalformedData(f"{file} is damaged; choose another folder.") from None
        difference = first_difference(_compared(before), _compared(now))
        if difference is not None:
            key, old, new = difference
            raise UserError(
                f"{out} holds a run with another {key} ({old!r} there, {new!r} now); choose another folder, or the "
                "same settings."
            )


def _compared(described: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in described.items() if key not in UNSEEN_BY_RESUME}


class _Place:
    """How far a run is; everything that a checkpoint holds beside tensors."""

    def __init__(
        self,
        step: int = 0,
        epoch: int = 0,
        index: int = 0,
        tokens: int = 0,
        targets: int = 0,
        seconds: float = 0.0,
        since: dict[str, float] | None = None,
    ) -> None:
        self.step = step
        self.epoch = epoch
        self.index = index
        """Steps done of this epoch."""
        self.tokens = tokens
        self.targets = targets
        self.seconds = seconds
        self.since: dict[str, float] = since or {}
        """Sums since the last line of the metrics."""
        if not self.since:
            self.clear()

    def clear(self) -> None:
        self.since = {"loss": 0.0, "targets": 0, "tokens": 0, "norm": 0.0, "steps": 0}

    def advance(self, loss: Loss, norm: float) -> None:
        self.step += 1
        self.index += 1
        self.tokens += loss.tokens
        self.targets += loss.targets
        for key, value in zip(self.since, (loss.total, loss.targets, loss.tokens, norm, 1), strict=True):
            self.since[key] += value

    def line(self, rate: float) -> dict[str, Any]:
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": self.since["loss"] / max(1, self.since["targets"]),
            "gradient_norm": self.since["norm"] / max(1, self.since["steps"]),
            "learning_rate": rate,
            "tokens": self.tokens,
            "targets": self.targets,
        }

    def timing(self, seconds: float) -> dict[str, float]:
        return {
            "seconds": seconds,
            "tokens_per_s": self.since["tokens"] / seconds,
            "targets_per_s": self.since["targets"] / seconds,
        }


class _Metrics:
    """JSON lines on disk."""

    def __init__(self, path: Path, report: Report | None) -> None:
        self.path = path
        self._report = report

    def begin(self, total: int, step: int) -> None:
        if self._report is not None:
            self._report({"total": total, "step": step})

    def write(self, line: dict[str, Any], timing: dict[str, float]) -> None:
        whole = {**line, "timing": {key: round(value, 4) for key, value in timing.items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(whole) + "\n")
        if self._report is not None:
            self._report(whole)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
