"""Supervised fine-tuning against transformers' Trainer: the same weights, documents, optimizer, schedule and cores.

Demonstrations of the embedded model's mix are learned for some epochs by `rlvr sft` (packed rows, and rows filled in
the order of the shuffle) and by `Trainer` (bfloat16, batches of similar lengths, padded; the fused optimizer). Every
side is a process of its own, and sides take turns. Counted are the tokens that are learned, in a second of training;
the held-out losses that all sides end with must agree.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from .harness import Row

TOLERANCE = 0.03
"""By how much of the peer's held-out loss ours may be higher."""
SHAPE = {"hidden_size": 192, "num_hidden_layers": 6, "vocab_size": 2048, "max_position_embeddings": 4096}
TOKENIZER = Path(__file__).resolve().parent.parent / "agents" / "weights" / "tiny"
DOCUMENTS_IN_STEP = 32
PEER_BATCH = 4
"""Documents in one forward pass of the peer."""
LONGEST = 2048
RATE, WARMUP, DECAY, BETAS, CLIP = 2e-3, 5, 0.1, (0.9, 0.95), 1.0
SIDES = ("packed", "unpacked", "Trainer")


class Work(NamedTuple):
    """How much is learned."""

    documents: int
    epochs: int
    rounds: int
    threads: int


def run(quick: bool = False) -> list[Row]:
    """Compare learned tokens a second, at equal held-out loss."""
    threads = len(os.sched_getaffinity(0))
    work = Work(320, 1, 1, threads) if quick else Work(800, 2, 3, threads)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, work)
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for number in range(work.rounds):
            for side in SIDES:
                found[side].append(one_side(side, folder, work, number))
    speed = {side: median(one["targets"] / one["seconds"] for one in rounds) for side, rounds in found.items()}
    busy = {side: median(one["targets"] / one["cpu_seconds"] for one in rounds) for side, rounds in found.items()}
    loss = {side: median(one["held_out"] for one in rounds) for side, rounds in found.items()}
    rows = []
    for side, least in (("packed", 1.3), ("unpacked", 1.0)):
        equal = loss[side] <= (1 + TOLERANCE) * loss["Trainer"]
        steps = f"{found[side][0]['steps']:.0f} steps, the peer {found['Trainer'][0]['steps']:.0f}"
        rows += [
            Row(
                f"SFT, {side}, {threads} cores",
                speed[side],
                speed["Trainer"],
                "learned tokens/s",
                f"{least} times, at a loss at most {TOLERANCE:.0%} higher",
                speed[side] >= least * speed["Trainer"] and equal,
                "transformers Trainer",
                f"{steps}; a CPU second: {busy[side] / busy['Trainer']:.2f} times",
            ),
            Row(
                f"SFT, {side}: held-out loss",
                loss[side],
                loss["Trainer"],
                "nats/token",
                f"at most {TOLERANCE:.0%} higher",
                equal,
                "transformers Trainer",
            ),
        ]
    return rows


def prepare(folder: Path, work: Work) -> None:
    """Write demonstrations and the weights that all sides start from."""
    from rlvr.agents.lm.qwen3 import random_model
    from rlvr.trainers.demonstrations import make_demonstrations
    from rlvr.trainers.experts.mix import find_mix

    mix = find_mix("tiny").model_copy(update={"episodes": 2 * work.documents})
    make_demonstrations(mix, folder / "demonstrations", workers=1)
    random_model(folder / "model", 1, **SHAPE)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / "model" / name).write_bytes((TOKENIZER / name).read_bytes())


def one_side(side: str, folder: Path, work: Work, number: int) -> dict[str, float]:
    """Let one side learn in a process of its own, and return what it measured."""
    threads = str(work.threads)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sft", side, str(folder), json.dumps(work), str(number)],
        env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def documents_of(folder: Path, work: Work) -> tuple[Any, Any]:
    """Return what is learned, and what the held-out loss is taken over."""
    import numpy as np

    from rlvr.trainers.examples import read_examples
    from rlvr.trainers.packing import permutation

    every = read_examples([folder / "demonstrations"], TOKENIZER)
    order = permutation(len(every), "benchmark")
    fitting = order[every.lengths[order] <= LONGEST]
    train, held_out = fitting[: work.documents], fitting[work.documents :][:200]
    return every.select(np.sort(train)), every.select(np.sort(held_out))


def ours(side: str, folder: Path, work: Work, number: int) -> dict[str, float]:
    """Learn with `rlvr sft`."""
    from rlvr.trainers.sft import Sft
    from rlvr.trainers.sft_config import read_sft_config

    train, held_out = documents_of(folder, work)
    budget = math.ceil(train.lengths.mean() * DOCUMENTS_IN_STEP / work.threads)
    settings = {
        "out": str(folder / f"{side}-{number}"),
        "model": {"folder": str(folder / "model")},
        "data": {"train": [str(folder / "demonstrations")]},
        "order": {"packing": side, "row_tokens": budget, "rows": work.threads},
        "optimizer": {
            **{"learning_rate": RATE, "warmup_steps": WARMUP, "final_share": 0.0},
            **{"betas": BETAS, "weight_decay": DECAY, "clip": CLIP},
        },
        "epochs": work.epochs,
        "seed": number,
        "workers": work.threads,
        "log_every": 1,
        "held_out_every": 10**6,
        "checkpoint_every": 10**6,
    }
    sft = Sft(read_sft_config(None, settings), documents=train, held_out=held_out)
    busy = time.process_time()
    result = sft.run()
    busy = time.process_time() - busy
    lines = [json.loads(line) for line in (folder / f"{side}-{number}" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert result.held_out is not None, "there are held-out documents"
    return {
        "targets": steps[-1]["targets"],
        "seconds": sum(line["timing"]["seconds"] for line in steps),
        "cpu_seconds": busy,
        "steps": result.steps,
        "held_out": result.held_out,
    }


def peer(folder: Path, work: Work, number: int) -> dict[str, float]:
    """Learn with transformers' Trainer."""
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from rlvr.agents.lm import qwen3
    from rlvr.trainers.gradients import Workers
    from rlvr.trainers.packing import Order, epoch_steps

    class Clock(TrainerCallback):
        seconds = cpu_seconds = 0.0

        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            self.seconds, self.cpu_seconds = time.perf_counter(), time.process_time()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            self.seconds = time.perf_counter() - self.seconds
            self.cpu_seconds = time.process_time() - self.cpu_seconds

    train, held_out = documents_of(folder, work)
    rows = []
    for start, end in zip(train.starts, train.starts[1:], strict=False):
        ids, learned = train.ids[start:end].tolist(), train.learned[start:end]
        labels = [one if flag else -100 for one, flag in zip(ids, learned, strict=True)]
        rows.append({"input_ids": ids, "labels": labels, "length": len(ids)})
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32, attn_implementation="sdpa")
    out = folder / f"trainer-{number}"
    clock = Clock()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out),
            use_cpu=True,
            bf16=True,
            per_device_train_batch_size=PEER_BATCH,
            gradient_accumulation_steps=DOCUMENTS_IN_STEP // PEER_BATCH,
            train_sampling_strategy="group_by_length",
            num_train_epochs=work.epochs,
            learning_rate=RATE,
            warmup_steps=WARMUP,
            lr_scheduler_type="cosine",
            optim="adamw_torch_fused",
            weight_decay=DECAY,
            adam_beta1=BETAS[0],
            adam_beta2=BETAS[1],
            max_grad_norm=CLIP,
            seed=number,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=rows,  # type: ignore[arg-type]
        data_collator=DataCollatorForSeq2Seq(AutoTokenizer.from_pretrained(folder / "model")),
        callbacks=[clock],
    )
    trainer.train()
    model.float().save_pretrained(out / "model")
    order = Order(LONGEST, 1, 0)
    held_rows = [held_out.row(numbers) for (numbers,) in epoch_steps(held_out.lengths, order, 0)]
    with Workers(qwen3.load(out / "model"), 1, torch.bfloat16) as workers:
        losses = torch.cat([one for one, _ in workers.losses(held_rows)])
    return {
        "targets": work.epochs * int(train.targets.sum()),
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "steps": trainer.state.global_step,
        "held_out": losses.double().mean().item(),
    }


def main() -> None:
    """Be one side, for `one_side`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=lambda text: Work(*json.loads(text)))
    parser.add_argument("number", type=int)
    given = parser.parse_args()
    if given.side == "Trainer":
        found = peer(given.folder, given.work, given.number)
    else:
        found = ours(given.side, given.folder, given.work, given.number)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
