"""A supervised run from its settings to the model's folder, interrupted and gone on with."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from rlvr import cli
from rlvr.agents.lm import qwen3
from rlvr.agents.lm.attention import PackedAttention
from rlvr.tasks.errors import UserError
from rlvr.trainers import checkpoint, files
from rlvr.trainers.packing import Documents
from rlvr.trainers.sft import METRICS_FILE, Sft, learning_rate
from rlvr.trainers.sft_config import OptimizerConfig, read_sft_config

from .sft_world import SHAPE, WEIGHTS, made_documents

BASE = {
    "model": {"from_scratch": SHAPE, "tokenizer": str(WEIGHTS)},
    "data": {"train": ["absent"]},
    "order": {"row_tokens": 128, "rows": 2, "window": 16},
    "optimizer": {"learning_rate": 0.01, "warmup_steps": 3},
    "steps": 12,
    "workers": 1,
    "log_every": 2,
    "held_out_every": 4,
    "checkpoint_every": 3,
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config(out, **changes):
    return read_sft_config(None, {**BASE, "out": str(out), **changes})


def run(out, count=40, *, stop=lambda: False, **changes):
    made = Sft(config(out, **changes), documents=made_documents(count), held_out=made_documents(9, seed=1))
    return made, made.run(stop=stop)


def metrics(out):
    """Return the lines without their clocks."""
    lines = [json.loads(line) for line in (out / METRICS_FILE).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


def stop_after(checks):
    left = iter(range(checks))
    return lambda: next(left, None) is None


def weights(out):
    return (out / "model" / qwen3.WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize(("kind", "precision"), [("adamw", "bfloat16"), ("muon", "float32")])
def test_a_run_that_was_stopped_gives_the_same_numbers(tmp_path, kind, precision):
    changes = {"optimizer": {**BASE["optimizer"], "kind": kind}, "precision": precision}
    _, whole = run(tmp_path / "whole", **changes)
    assert whole.finished
    for checks in (5, 2, 1, 99):  # stopped between checkpoints, at one, at once
        _, part = run(tmp_path / "parts", stop=stop_after(checks), **changes)
    assert part == whole._replace(model=tmp_path / "parts" / "model")
    assert metrics(tmp_path / "parts") == metrics(tmp_path / "whole")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_run_that_lost_its_last_steps_repeats_them(tmp_path):
    """As after a kill: metrics beyond the last checkpoint, and a torn line."""
    run(tmp_path / "whole")
    run(tmp_path / "killed", stop=stop_after(10))
    newest = checkpoint.saved_steps(tmp_path / "killed")[-1]
    for file in checkpoint.folder_of(tmp_path / "killed", newest).iterdir():
        file.unlink()
    checkpoint.folder_of(tmp_path / "killed", newest).rmdir()
    with (tmp_path / "killed" / METRICS_FILE).open("a") as file:
        file.write('{"step": 11, "lo')
    _, result = run(tmp_path / "killed")
    assert result.finished
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_an_interrupted_checkpoint_loses_nothing(tmp_path, monkeypatch):
    run(tmp_path / "whole")
    real, written = torch.save, []

    def torn(state, path):
        written.append(path)
        if len(written) == 3:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        real(state, path)

    monkeypatch.setattr(checkpoint.torch, "save", torn)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "torn")
    monkeypatch.undo()
    assert checkpoint.saved_steps(tmp_path / "torn") == [3, 6]
    _, result = run(tmp_path / "torn")
    assert result.finished and not list((tmp_path / "torn").rglob("*.tmp"))
    assert metrics(tmp_path / "torn") == metrics(tmp_path / "whole")


def test_a_folder_is_replaced_whole(tmp_path):
    files.replace_folder(tmp_path / "a", lambda into: (into / "x").write_text("old"))

    def fails(into):
        (into / "x").write_text("new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.replace_folder(tmp_path / "a", fails)
    assert (tmp_path / "a" / "x").read_text() == "old"
    files.replace_folder(tmp_path / "a", lambda into: (into / "y").write_text("new"))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["y"]


def test_other_settings_are_refused_in_a_run_folder_and_harmless_ones_are_not(tmp_path):
    run(tmp_path / "a", stop=stop_after(2))
    with pytest.raises(UserError, match=r"another optimizer\.learning_rate"):
        run(tmp_path / "a", optimizer={"learning_rate": 0.5})
    with pytest.raises(UserError, match=r"another found\.documents"):
        run(tmp_path / "a", count=39)
    _, result = run(tmp_path / "a", checkpoint_every=5, exports=[7])
    assert result.finished and (tmp_path / "a" / "exports" / "step-0000007" / qwen3.WEIGHTS_FILE).is_file()


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="other files"):
        run(tmp_path)


def test_time_can_be_limited_and_the_run_gone_on_with(tmp_path):
    _, result = run(tmp_path / "a", max_minutes=1e-9)
    assert result.steps == 0 and not result.finished
    assert run(tmp_path / "a")[1].finished


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    run(tmp_path / "a", checkpoint_every=2, keep_checkpoints=3)
    assert checkpoint.saved_steps(tmp_path / "a") == [8, 10, 12]


def test_ten_documents_are_learned_by_heart(tmp_path):
    _, result = run(
        tmp_path / "a", 10, steps=150, optimizer={"learning_rate": 0.01, "weight_decay": 0.0}, precision="bfloat16"
    )
    lines = [line["loss"] for line in metrics(tmp_path / "a") if "loss" in line]
    assert lines[0] > 4 and lines[-1] < 0.05
    assert result.held_out > 4  # of other documents, which are noise


def test_the_model_in_the_folder_is_the_one_that_was_trained(tmp_path):
    made, result = run(tmp_path / "a")
    stored = qwen3.load(result.model)
    ids = torch.arange(30)
    one, other = (
        model.logits(model.forward(ids, ids, PackedAttention([30]))).detach() for model in (made.trained.model, stored)
    )
    assert (one - other).abs().max() < 0.02 * one.abs().max()  # half precision
    card = (result.model / "README.md").read_text()
    for fact in ("12 of 12", "| seed | 0 |", "held-out loss", "40", "training time", "even", "odd", "loss.svg"):
        assert fact in card
    for name in ("tokenizer.json", "chat_template.jinja", "config.json", "loss.svg"):
        assert (result.model / name).is_file()


def test_a_run_goes_on_from_a_folder(tmp_path):
    _, first = run(tmp_path / "first")
    second = Sft(
        config(tmp_path / "second", model={"folder": str(first.model)}),
        documents=made_documents(40),
        held_out=made_documents(9, seed=1),
    )
    second.run()
    before, after = metrics(tmp_path / "first"), metrics(tmp_path / "second")
    assert after[0]["loss"] < before[0]["loss"] - 0.1
    assert second.described()["found"]["start"] == qwen3.load(first.model).info.fingerprint


def test_a_card_holds_the_cards_of_the_runs_before(tmp_path):
    def go_on(name, start):
        run_on = Sft(config(tmp_path / name, model={"folder": str(start)}), documents=made_documents(40), command=name)
        return run_on.run().model

    _, first = run(tmp_path / "first")
    earlier = (first.model / "README.md").read_text()
    third = go_on("third-command", go_on("second-command", first.model))
    card = (third / "README.md").read_text()
    assert card.index("`third-command`") < card.index("## Before: model") < card.index("`second-command`")
    for name in ("loss.svg", "before-loss.svg", "before-before-loss.svg"):
        assert f"]({name})" in card and (third / name).is_file()
    assert (third / "before-before-loss.svg").read_bytes() == (first.model / "loss.svg").read_bytes()
    facts = [line for line in earlier.splitlines() if line.startswith("| data fingerprint")]
    assert len(facts) == 1 and facts[0] in card
    assert [line for line in card.splitlines() if line.startswith("# ")] == ["# model"]


def test_a_strangers_card_is_not_taken_over(tmp_path):
    _, first = run(tmp_path / "first")
    (first.model / "README.md").write_text("---\nlicense: other\n---\n# Somebody's model\n")
    settings = config(tmp_path / "second", model={"folder": str(first.model)})
    card = (Sft(settings, documents=made_documents(40)).run().model / "README.md").read_text()
    assert "Somebody" not in card and "license" not in card


def test_a_transformers_model_learns_the_same(tmp_path):
    """The same weights and documents, once through our module and once through transformers' own."""
    transformers = pytest.importorskip("transformers")
    _, first = run(tmp_path / "first", steps=2)
    folder = tmp_path / "llama"
    llama = transformers.LlamaConfig(
        vocab_size=2048, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=1, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(llama).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).write_bytes((first.model / name).read_bytes())
    _, result = run(tmp_path / "hf", 10, steps=60, model={"folder": str(folder)}, workers=2)
    lines = [line["loss"] for line in metrics(tmp_path / "hf") if "loss" in line]
    assert lines[0] > 6 and lines[-1] < 0.5 * lines[0]
    stored = transformers.AutoModelForCausalLM.from_pretrained(result.model, dtype="float32")
    documents = made_documents(10)
    ids = torch.from_numpy(documents.ids[: documents.starts[1]].astype("int64"))
    labels = ids.masked_fill(~torch.from_numpy(documents.learned[: documents.starts[1]]), -100)
    assert stored(ids[None], labels=labels[None]).loss.item() < 0.6 * lines[0]


def test_rows_of_other_sizes_see_every_document_as_often(tmp_path):
    for packing in ("packed", "unpacked"):
        made, result = run(tmp_path / packing, steps=None, epochs=2.0, order={**BASE["order"], "packing": packing})
        last = [line for line in metrics(tmp_path / packing) if "loss" in line][-1]
        assert result.finished and last["targets"] == 2 * made.documents.targets.sum()


def test_long_documents_are_left_out_and_counted(tmp_path):
    made = Sft(config(tmp_path / "a", data={"train": ["absent"], "longest": 30}), documents=made_documents(40))
    assert made.left_out == (made_documents(40).lengths > 30).sum() > 0
    assert made.documents.lengths.max() <= 30
    with pytest.raises(UserError, match="longer than 1 tokens"):
        Sft(config(tmp_path / "a", data={"train": ["absent"], "longest": 1}), documents=made_documents(40))


def test_the_schedule_warms_up_and_falls_to_its_share():
    settings = OptimizerConfig(learning_rate=1.0, warmup_steps=4, final_share=0.1)
    rates = [learning_rate(step, 100, settings) for step in range(101)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8]) and max(rates) == rates[4] == 1.0
    assert all(one > other for one, other in itertools.pairwise(rates[4:]))
    assert rates[52] == pytest.approx(0.55) and rates[100] == pytest.approx(0.1)


def test_an_exploding_loss_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"lower optimizer\.learning_rate"):
        run(tmp_path / "a", optimizer={"learning_rate": 1e30, "warmup_steps": 0, "clip": None})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ordr": {}}, "did you mean 'order'"),
        ({"optimizer": {"learning_rte": 1}}, "did you mean 'learning_rate'"),
        ({"model": {}}, "either folder or from_scratch"),
        ({"model": {"from_scratch": {}}}, "needs a tokenizer"),
        ({"steps": 0}, "steps"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, changes, said):
    with pytest.raises(UserError, match=said) as caught:
        config(tmp_path, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "said"),
    [({"hiden_size": 32}, "did you mean 'hidden_size'"), ({"vocab_size": 100}, "too small for the 2048 tokens")],
)
def test_a_wrong_shape_is_one_sentence(tmp_path, shape, said):
    with pytest.raises(UserError, match=said):
        Sft(config(tmp_path, model={"from_scratch": shape, "tokenizer": str(WEIGHTS)}), documents=made_documents(4))


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"config\.json is not there"):
        Sft(config(tmp_path / "a", model={"folder": str(tmp_path)}), documents=made_documents(4))


TALK = {
    "messages": [
        {"role": "user", "content": "Find the value of 3 + 4."},
        {"role": "assistant", "content": "\\boxed{7}"},
    ],
    "entry": "sums",
}


def command(tmp_path, *settings, **changes):
    (tmp_path / "talk.jsonl").write_text((json.dumps(TALK) + "\n") * 50)
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps({**BASE, "data": {"train": [str(tmp_path / "talk.jsonl")]}, **changes}))
    pairs = [part for setting in (f"out={tmp_path / 'run'}", *settings) for part in ("--set", setting)]
    return ["sft", str(file), *pairs]


def test_the_command_trains_and_overrides(tmp_path, capsys, monkeypatch):
    call = command(tmp_path, "steps=4", "optimizer.clip=0.5", "data.held_out_share=0.1")
    monkeypatch.setattr(sys, "argv", ["/somewhere/rlvr", *call])
    assert cli.run(call) == 0
    assert "4 of 4 steps are done" in capsys.readouterr().err
    settings = json.loads((tmp_path / "run" / "config.json").read_text())
    assert settings["optimizer"]["clip"] == 0.5 and settings["found"]["held_out_documents"] == 5
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "`rlvr sft " in card and "--set steps=4" in card and "| sums |" in card and "somewhere" not in card


@pytest.mark.parametrize(
    ("setting", "said"), [("stepps=4", "did you mean 'steps'"), ("data.train=[nowhere]", "There is no nowhere")]
)
def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path, capsys, setting, said):
    assert cli.run(command(tmp_path, setting)) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_process_goes_on_and_an_interrupted_one_saves_first(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    changes = {"steps": 60, "checkpoint_every": 10, "log_every": 1}
    program = [sys.executable, "-c", "from rlvr.cli import main; main()"]
    call = [*program, *command(tmp_path, **changes)]
    for number in (signal.SIGKILL, signal.SIGINT):
        before = checkpoint.saved_steps(tmp_path / "run")
        process = subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True)
        while checkpoint.saved_steps(tmp_path / "run") == before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 130 and "Go on with the same command." in said
    done = subprocess.run(call, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = [line["step"] for line in metrics(tmp_path / "run")]
    assert steps == list(range(1, 61))
    other = tmp_path / "other"
    other.mkdir()
    assert cli.run(command(other, **changes)) == 0
    assert metrics(other / "run") == metrics(tmp_path / "run")


def test_what_was_given_counts_less_and_less(tmp_path, monkeypatch):
    asked = []
    row = Documents.row
    monkeypatch.setattr(
        Documents, "row", lambda self, numbers, context=0.0: asked.append(context) or row(self, numbers)
    )
    made = Sft(
        config(tmp_path / "a", data={"train": ["absent"], "context": 0.5}, steps=5, order={"rows": 1}),
        documents=made_documents(40),
    )
    made.run()
    assert asked == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    card = (tmp_path / "a" / "model" / "README.md").read_text(encoding="utf-8")
    assert "what was given counted for 0.5 at first" in card
