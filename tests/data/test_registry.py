"""The user's registry: add, resolve, list, and one clear sentence with the command that mends it."""

import json

import gymnasium
import pytest

import rlvr  # noqa: F401 (registers the ids)
from rlvr.tasks.data import DATASETS, add, data_home, find_files, forget, listing, registered, resolve
from rlvr.tasks.data.sets import data_set
from rlvr.tasks.errors import MalformedData, MissingData, UnknownName, UserError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


ROW = {"problem": "q", "answer": "1"}


def test_add_registers_a_checked_file(tmp_path, home):
    path = write(tmp_path / "mine.jsonl", ROW, ROW)
    found = add("math500", path)
    assert (found.rows, found.path, found.source, len(found.sha256)) == (2, str(path), "local", 64)
    assert resolve("math500") == path
    assert registered() == {"math500": found}
    assert json.loads((home / "registry.json").read_text())["math500"]["rows"] == 2
    assert not list(home.glob("*.tmp"))


def test_data_wins_over_the_registry(tmp_path):
    add("math500", write(tmp_path / "mine.jsonl", ROW))
    other = write(tmp_path / "other.jsonl", ROW)
    assert resolve("math500", str(other)) == other
    with pytest.raises(MissingData, match=r"no file or folder .*nowhere"):
        resolve("math500", tmp_path / "nowhere")


def test_missing_sets_name_the_commands(tmp_path):
    with pytest.raises(
        MissingData, match=r"run: rlvr data pull aime2024 \(or: rlvr data add aime2024 FILE_OR_FOLDER\)"
    ):
        resolve("aime2024")
    path = write(tmp_path / "mine.jsonl", ROW)
    add("amc23", path)
    path.unlink()
    with pytest.raises(MissingData, match=r"gone; run: rlvr data pull amc23"):
        resolve("amc23")
    with pytest.raises(UnknownName, match="Did you mean aime2024"):
        resolve("aime204")


def test_sets_that_the_hub_lacks_are_added_only():
    lacking = [entry for entry in DATASETS.values() if not entry.hub]
    for entry in lacking:
        with pytest.raises(MissingData) as caught:
            resolve(entry.name)
        assert "pull" not in str(caught.value) and f"rlvr data add {entry.name}" in str(caught.value)


def test_bad_files_are_not_registered(tmp_path):
    path = write(tmp_path / "bad.jsonl", ROW, {"problem": "q"})
    with pytest.raises(MalformedData, match=r"bad\.jsonl, line 2, field 'answer'"):
        add("amc23", path)
    with pytest.raises(MalformedData, match="no rows"):
        add("amc23", write(tmp_path / "empty.jsonl"))
    with pytest.raises(MissingData, match="no file or folder"):
        add("amc23", tmp_path / "gone.jsonl")
    assert registered() == {}


def test_add_refuses_what_playing_would_refuse_in_the_same_words(tmp_path):
    refused = {
        ("gsm8k", "rows.txt", "hello"): r"rows\.txt is none of the formats that can be read here: \.jsonl",
        ("gsm8k", "blank.jsonl", '{"question": "q", "answer": ""}'): "has no rows",
        ("mazes", "maze.jsonl", '{"connection_list": 5, "start": [0, 0], "end": [0, 1]}'): (
            r"maze\.jsonl, line 1, field 'connection_list': expected a list"
        ),
        ("microban", "levels.txt", "hello"): r"levels\.txt",
        ("bandits", "arms.jsonl", '{"distribution": "b", "action_names": [], "horizon": 1, "seed": 1}'): (
            r"arms\.jsonl, line 1"
        ),
    }
    for (name, file, content), message in refused.items():
        path = tmp_path / file
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=message) as adding:
            add(name, path)
        env = {"mazes": "maze", "bandits": "bandit"}.get(name, name)
        with pytest.raises(UserError) as playing:
            gymnasium.make(f"rlvr/{env}-v0", data=str(path))
        assert str(adding.value) == str(playing.value)
    assert registered() == {}


def test_the_listing_tells_what_became_of_a_set(tmp_path):
    states = lambda: {entry.name: entry.status for entry in listing()}  # noqa: E731
    assert set(states().values()) == {"absent"} and list(states()) == list(DATASETS)
    path = write(tmp_path / "mine.jsonl", ROW)
    add("amc23", path)
    assert states()["amc23"] == "registered"
    write(path, ROW, ROW)
    assert states()["amc23"] == "changed"
    path.unlink()
    assert states()["amc23"] == "gone"
    forget("amc23")
    assert states()["amc23"] == "absent"
    with pytest.raises(MissingData, match="not registered"):
        forget("amc23")


def test_folders_find_their_splits(tmp_path):
    for name in ("gsm8k_test.jsonl", "gsm8k_train.jsonl", "SOURCE.md", ".hidden/gsm8k_train.jsonl"):
        write(tmp_path / "one" / name, ROW)
    found = find_files(data_set("gsm8k"), tmp_path / "one")
    assert [(file.path.name, file.split) for file in found] == [
        ("gsm8k_train.jsonl", "train"),
        ("gsm8k_test.jsonl", "test"),
    ]
    for name in ("train/algebra/train-0.jsonl", "test/algebra/test-0.jsonl", "test/geometry/test-0.jsonl"):
        write(tmp_path / "two" / name, ROW)
    assert [file.split for file in find_files(data_set("math"), tmp_path / "two")] == ["train", "test", "test"]
    write(tmp_path / "three" / "data" / "train-00000-of-00001.jsonl", ROW)
    assert [file.split for file in find_files(data_set("aime2024"), tmp_path / "three")] == ["test"]
    write(tmp_path / "four" / "what.jsonl", ROW)
    with pytest.raises(MissingData, match=r"train, test"):
        find_files(data_set("gsm8k"), tmp_path / "four")
    with pytest.raises(MissingData, match="formats"):
        (tmp_path / "five").mkdir()
        find_files(data_set("gsm8k"), tmp_path / "five")


def test_one_file_goes_to_the_split_that_its_name_tells(tmp_path):
    for name, split in (("gsm8k_train.jsonl", "train"), ("train.jsonl", "train"), ("mine.jsonl", "test")):
        (file,) = find_files(data_set("gsm8k"), write(tmp_path / name, ROW))
        assert file.split == split


def test_a_damaged_or_unwritable_registry_says_so(tmp_path, home, monkeypatch):
    path = write(tmp_path / "mine.jsonl", ROW)
    for damage in ("{", "[]", '{"amc23": {"name": 1}}'):
        write(home / "registry.json")
        (home / "registry.json").write_text(damage)
        with pytest.raises(MalformedData, match=r"registry\.json is damaged; delete it"):
            resolve("amc23")
    monkeypatch.setenv("RLVR_DATA_HOME", str(path / "under-a-file"))
    with pytest.raises(UserError, match="cannot be written"):
        add("amc23", path)


def test_the_data_home_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("RLVR_DATA_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_home() == tmp_path / "xdg" / "rlvr"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_home().parts[-3:] == (".local", "share", "rlvr")
    monkeypatch.setattr("sys.platform", "darwin")
    assert data_home().parts[-2:] == ("Application Support", "rlvr")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert data_home() == tmp_path / "local" / "rlvr"
