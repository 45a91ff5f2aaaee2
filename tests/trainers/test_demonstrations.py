"""Files of demonstrations: the same for any number of processes, gone on with, and proved to hold no test task."""

import gzip
import hashlib
import json

import pytest

pytest.importorskip("tokenizers")

from rlvr.agents.lease import make_text_env
from rlvr.cli import run
from rlvr.tasks.errors import MalformedData, UnknownName, UserError
from rlvr.trainers import demonstrations
from rlvr.trainers.demonstrations import (
    check_demonstrations,
    make_demonstrations,
    read_demonstrations,
    read_manifest,
    read_uids,
    shards_of,
)
from rlvr.trainers.experts.mix import Mix, find_mix

MIX = Mix.model_validate(
    {
        "name": "test",
        "episodes": 60,
        "entries": [
            {"name": "maze", "env": "maze-v0", "levels": {"5x5": 1}, "weight": 2, "forms": {"raw": 1, "plan": 1}},
            {"name": "sums", "env": "arithmetic-v0", "levels": {"easy": 1}, "forms": {"think": 1}},
            {"name": "arms", "env": "bandit-v0", "kwargs": {"horizon": 9}, "levels": {"gaussian-5-easy": 1},
             "histories": {"summary": 1}},
            {"name": "cards", "env": "game24-v0", "levels": {"easy": 1}, "widened": 0.5, "noise": 0.2},
            {"name": "boxes", "env": "sokoban-v0", "levels": {"6x6-1": 1}, "histories": {"0": 1}},
        ],
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(demonstrations, "SHARD_EPISODES", 7)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstrations, "SHARD_EPISODES", 7)
        make_demonstrations(MIX, folder)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_files_are_the_same_for_any_number_of_processes(made, tmp_path):
    make_demonstrations(MIX, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == contents(made)


def test_a_broken_off_run_is_gone_on_with_and_what_is_there_is_kept(made, tmp_path):
    folder = tmp_path / "half"

    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= total // 2:
            raise Stop

    with pytest.raises(Stop):
        make_demonstrations(MIX, folder, progress=stop)
    assert not (folder / "manifest.json").exists()
    with pytest.raises(UserError, match="no finished demonstrations"):
        read_manifest(folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_demonstrations(MIX, folder)
    assert contents(folder) == contents(made)
    assert all((folder / name).stat().st_mtime_ns == time for name, time in before.items())


def test_another_seed_makes_other_demonstrations_and_a_folder_is_never_mixed(made, tmp_path):
    make_demonstrations(MIX, tmp_path / "other", seed=1)
    assert read_manifest(tmp_path / "other")["sha256"] != read_manifest(made)["sha256"]
    with pytest.raises(UserError, match="another mix, seed or split"):
        make_demonstrations(MIX, made, seed=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("dear")
    with pytest.raises(UserError, match="other files"):
        make_demonstrations(MIX, tmp_path / "full")


def test_a_line_says_what_it_is_and_which_replies_are_learned(made):
    lines = list(read_demonstrations(made))
    assert {line["entry"] for line in lines} == {"maze", "sums", "arms", "cards", "boxes"}
    for line in lines:
        roles = [message["role"] for message in line["messages"]]
        assert roles[:2] == ["system", "user"] and roles[-1] == "assistant"
        assert line["messages"][-1]["train"] is True
        assert all(message["role"] == "assistant" for message in line["messages"] if "train" in message)
        assert line["split"] == "train" and line["env_id"].startswith("rlvr/")
        env = make_text_env(line["env_id"], line["kwargs"])
        _, info = env.reset(options={"task": line["task"]})
        assert info["task_uid"] == line["uid"]
    assert {line["uid"] for line in lines} == read_uids(made)


def test_the_manifest_counts_what_the_tokenizer_counts(made):
    from rlvr.trainers.tokens import tiny_tokenizer

    tokenizer, manifest = tiny_tokenizer(), read_manifest(made)
    lines = list(read_demonstrations(made))
    text = [f"<|{message['role']}|>{message['content']}<|end|>" for line in lines for message in line["messages"]]
    learned = [message["content"] for line in lines for message in line["messages"] if message.get("train")]
    assert manifest["total"] == {
        "documents": len(lines),
        "steps": len(learned),
        "tokens": sum(len(encoded.ids) for encoded in tokenizer.encode_batch(text)),
        "learned_tokens": sum(len(encoded.ids) + 1 for encoded in tokenizer.encode_batch(learned)),
    }


def test_the_proof_passes_and_counts_every_line(made):
    assert check_demonstrations(made) == len(list(read_demonstrations(made)))


def test_no_task_of_the_test_split_is_in_it(made):
    uids = read_uids(made)
    for entry in MIX.entries:
        env = make_text_env(entry.env, entry.kwargs)
        for level in entry.levels:
            assert not {env.source.sample(seed, "test", level).uid for seed in range(50)} & uids


def spoil(folder, entry, change):
    """Change the first line of an entry's first shard, and let the manifest agree."""
    manifest = json.loads((folder / "manifest.json").read_text())
    file = next(file for file in manifest["shards"] if file.startswith(entry))
    lines = gzip.decompress((folder / file).read_bytes()).decode().splitlines()
    line = json.loads(lines[0])
    change(line)
    text = ("\n".join([json.dumps(line), *lines[1:]]) + "\n").encode()
    (folder / file).write_bytes(gzip.compress(text))
    manifest["shards"][file] = hashlib.sha256(text).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("entry", ["maze", "sums", "arms", "cards", "boxes"])
def test_a_planted_test_task_is_found(tmp_path, entry):
    make_demonstrations(MIX, tmp_path / "d")
    chosen = next(one for one in MIX.entries if one.name == entry)
    task = make_text_env(chosen.env, chosen.kwargs).source.sample(3, "test", next(iter(chosen.levels)))

    def plant(line):
        line.update(uid=task.uid, task={**task.model_dump(mode="json"), "split": "train"})

    spoil(tmp_path / "d", entry, plant)
    with pytest.raises(MalformedData, match=f"{entry}.*line 1"):
        check_demonstrations(tmp_path / "d")
    listed = set(read_uids(tmp_path / "d")) | {task.uid}
    family = task.family
    hashes = sorted(int(uid.removeprefix(f"{family}-"), 16) for uid in listed if uid.startswith(f"{family}-"))
    content = b"".join(number.to_bytes(8, "little") for number in hashes)
    (tmp_path / "d" / f"uids-{family}.bin").write_bytes(content)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    manifest["families"][family]["sha256"] = hashlib.sha256(content).hexdigest()
    (tmp_path / "d" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MalformedData, match="belongs to the split test"):
        check_demonstrations(tmp_path / "d")


def test_a_changed_shard_and_a_missing_demonstration_are_found(tmp_path):
    make_demonstrations(MIX, tmp_path / "d")
    file = next((tmp_path / "d").glob("maze-*.gz"))
    good = file.read_bytes()
    file.write_bytes(gzip.compress(gzip.decompress(good).replace(b"up", b"down", 1)))
    with pytest.raises(MalformedData, match="sha256"):
        list(read_demonstrations(tmp_path / "d"))
    file.write_bytes(good)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    del manifest["shards"][file.name]
    (tmp_path / "d" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MalformedData, match="uids of which there is no demonstration"):
        check_demonstrations(tmp_path / "d")


def test_the_test_split_is_refused(tmp_path):
    with pytest.raises(UserError, match="spoil"):
        make_demonstrations(MIX, tmp_path / "d", split="test")
    assert not (tmp_path / "d").exists()


def test_the_valid_split_is_apart(made, tmp_path):
    make_demonstrations(MIX, tmp_path / "valid", split="valid")
    assert check_demonstrations(tmp_path / "valid") > 0
    assert not read_uids(tmp_path / "valid") & read_uids(made)


def test_shards_cover_every_episode_once():
    for name, episodes in MIX.counts().items():
        mine = [shard for shard in shards_of(MIX) if shard.entry == name]
        assert [number for shard in mine for number in range(shard.first, shard.first + shard.episodes)] == list(
            range(episodes)
        )


def test_our_mix_can_be_played_and_an_unknown_one_names_the_nearest(tmp_path):
    make_demonstrations(find_mix("tiny").model_copy(update={"episodes": 40}), tmp_path / "d")
    assert {entry.name for entry in find_mix("tiny").entries} == set(read_manifest(tmp_path / "d")["entries"])
    with pytest.raises(UnknownName, match="tiny"):
        find_mix("tini")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"histories": {"some": 1}}, "all, summary or a number"),
        ({"forms": {"rwa": 1}}, "forms"),
        ({"wieght": 1}, "weight"),
        ({"levels": {}}, "levels"),
        ({"noise": 1.0}, "noise"),
    ],
)
def test_a_wrong_mix_is_refused_in_a_sentence(tmp_path, change, said):
    import yaml

    row = {"name": "maze", "env": "maze-v0", "levels": {"5x5": 1}, **change}
    path = tmp_path / "mix.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "episodes": 4, "entries": [row]}))
    with pytest.raises(UserError, match=said):
        find_mix(str(path))


def test_the_command_makes_counts_and_checks(tmp_path, capsys):
    folder = str(tmp_path / "d")
    assert run(["data", "experts", "--out", folder, "--episodes", "30", "--workers", "1"]) == 0
    assert "sha256" in capsys.readouterr().out
    assert run(["data", "experts", "--out", folder, "--check"]) == 0
    assert "none of any other" in capsys.readouterr().err
    assert run(["data", "experts", "--out", folder, "--count", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["documents"] > 0
    assert run(["data", "experts", "--out", folder, "--split", "test"]) == 2
