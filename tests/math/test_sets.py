"""Published sets: every mirror's fields, every row of the real files, and bad files that are named."""

import csv
import json
from collections import Counter

import gymnasium as gym
import pytest

import rlvr  # noqa: F401
from rlvr.tasks.errors import MalformedData
from rlvr.tasks.math.rules import MathRules, MathState, Submission, boxed
from rlvr.tasks.math.sets import MATH_SETS, last_boxed, math_set

FOLDERS = {
    "aime2024": "math_aime",
    "aime2025": "math_aime",
    "aime-history": "math_aime",
    "amc23": "math_amc",
    "math500": "math_math500",
    "math": "math_math500",
    "gsm8k": "math_gsm8k",
    "minerva": "math_minerva",
    "olympiadbench": "math_olympiadbench",
}
FLOORS = {name: 0.1 if name in ("aime2024", "aime2025", "amc23") else 0.05 for name in FOLDERS}


def write(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.data
@pytest.mark.parametrize("name", MATH_SETS)
def test_every_row_of_the_real_sets_loads_and_its_gold_answer_verifies(shared_data, name):
    source = math_set(name, shared_data / FOLDERS[name])
    rows = sum(
        1
        for file in (shared_data / FOLDERS[name]).glob("*.jsonl")
        if any(word in file.name for word in {"math": ("math_train", "math_test"), "gsm8k": ("gsm8k",)}.get(name, ()))
        for line in file.open(encoding="utf-8")
        if line.strip()
    )
    assert not rows or rows == len(source) + len(source.skipped)
    assert len(source) >= 10 and source.fingerprint and len(source.fingerprint) == 64
    assert {skipped.reason for skipped in source.skipped} <= {"the row has no answer"}
    assert len(source.skipped) <= 0.001 * len(source)
    rules = MathRules()
    verdicts = [(task, rules.judge(MathState(task), Submission(boxed(task.answer))).verdict) for task in source.tasks]
    assert [(task.item, task.answer, verdict.reason) for task, verdict in verdicts if not verdict.correct] == []
    answers = Counter(task.answer for task in source.tasks)
    assert answers.most_common(1)[0][1] <= FLOORS[name] * len(source)


@pytest.mark.data
@pytest.mark.parametrize("name", MATH_SETS)
def test_environments_play_the_real_sets(shared_data, name):
    env = gym.make(f"rlvr/{name}-v0", data=str(shared_data / FOLDERS[name]))
    source = env.unwrapped.source
    observation, _ = env.reset(options={"item": 3})
    assert observation == source[3].problem
    assert env.reset(options={"item": source[3].item})[0] == observation
    assert env.step(env.unwrapped.expert_action())[1] == 1.0
    for split in source.splits:
        assert env.reset(seed=1, options={"split": split})[0]
    for level in source.difficulties:
        env.reset(seed=1, options={"difficulty": level})
        assert env.unwrapped.task.difficulty == level


@pytest.mark.data
def test_splits_of_the_real_sets_share_no_problem(shared_data):
    for name in ("math", "gsm8k"):
        source = math_set(name, shared_data / FOLDERS[name])
        assert source.splits == ("train", "test")
        train = {" ".join(task.problem.split()) for task in source.tasks if task.split == "train"}
        assert not any(" ".join(task.problem.split()) in train for task in source.tasks if task.split == "test")


@pytest.mark.data
def test_equal_files_are_read_once(shared_data):
    first = math_set("math500", shared_data / "math_math500")
    assert math_set("math500", shared_data / "math_math500") is first


def test_aime_levels_are_thirds_of_the_exam_and_history_ends_in_2023(tmp_path):
    rows = [{"ID": f"2023-I-{n}", "Year": 2023, "Problem Number": n, "Question": f"q{n}", "Answer": n} for n in (1, 7)]
    rows += [{"ID": "2024-I-15", "Year": 2024, "Problem Number": 15, "Question": "q", "Answer": 9}]
    source = math_set("aime-history", write(tmp_path / "AIME_Dataset_1983_2024.jsonl", *rows))
    assert [(task.item, task.difficulty, task.split) for task in source.tasks] == [
        ("2023-I-1", "easy", "train"),
        ("2023-I-7", "medium", "train"),
    ]
    assert [skipped.line for skipped in source.skipped] == [3]


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"question": "q", "answer": "Thus 3 * 4 = <<3*4=12>>12.\n#### 1,012"}, "1012"),
        ({"problem": "q", "solution": "so we get $\\boxed{\\frac{1}{2}}$.", "level": "Level 4"}, "\\frac{1}{2}"),
        ({"problem": "q", "solution": "first \\boxed{3}, finally\n\\boxed{x^{2}+1}"}, "x^{2}+1"),
        ({"problem": "q", "solution": "204"}, "204"),
        ({"Problem": "q", "Answer": 27.0}, "27"),
        ({"question": "q", "final_answer": ["$2$"], "is_multiple_answer": False}, "$2$"),
        ({"question": "q", "final_answer": ["$1$", "$2$"], "is_multiple_answer": True}, "$1$, $2$"),
        ({"problem": "q", "answer": "8.7e8"}, "8.7e8"),
        ({"problem": "q", "answer": None, "solution": "hence \\boxed{5}"}, "5"),
    ],
)
def test_gold_answers_of_the_mirrors(tmp_path, row, gold):
    assert math_set("olympiadbench", write(tmp_path / "rows.jsonl", row))[0].answer == gold


def test_aime_answers_are_plain_digits(tmp_path):
    rows = [{"question": f"q{i}", "answer": text} for i, text in enumerate(["042", "336^\\circ", "7.0", "000", "$12$"])]
    source = math_set("aime2025", write(tmp_path / "a.jsonl", *rows))
    assert [task.answer for task in source.tasks] == ["42", "336", "7", "0", "12"]


def test_csv_and_parquet_and_json_hold_the_same_rows(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"id": f"r{i}", "problem": f"What is {i}, or\n{i}?", "answer": str(i)} for i in range(5)]
    write(tmp_path / "a.jsonl", *rows)
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "problem", "answer"])
        writer.writeheader()
        writer.writerows(rows)
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    sets = [math_set("minerva", tmp_path / f"a.{suffix}") for suffix in ("jsonl", "json", "csv", "parquet")]
    assert all(source.tasks == sets[0].tasks for source in sets)
    assert len({source.fingerprint for source in sets}) == 4


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("amc23", '{"problem": "q", "answer": "1"}\n{"problem": "q"}', ["line 2", "'answer'", "final_answer"]),
        ("amc23", '{"problem": "q", "answer": "1"}\n\n{"answer": "2"}', ["line 3", "'problem'", "question"]),
        ("amc23", '{"problem": 5, "answer": "1"}', ["line 1", "'problem'", "text", "5"]),
        ("amc23", '{"problem": "q", "answer": {"a": 1}}', ["line 1", "'answer'"]),
        ("amc23", '{"problem": "q", "answer": [true]}', ["line 1", "'answer'"]),
        ("amc23", '{"problem": "q", "answer": "\\ud800"}', ["line 1", "'answer'"]),
        ("amc23", '{"problem": "q", "answer": "1"}\n{oops', ["line 2", "not JSON"]),
        ("amc23", '["problem"]', ["line 1", "expected an object"]),
        ("aime2024", '{"problem": "q", "answer": "1000"}', ["line 1", "'answer'", "0 to 999"]),
        ("aime2024", '{"problem": "q", "answer": "1/2"}', ["line 1", "'answer'"]),
        ("math", '{"problem": "q", "solution": "%s"}' % ("no mark " * 20), ["line 1", "'solution'", "boxed"]),
        ("math", '{"problem": "q", "solution": "an open \\\\boxed{3 + {4}"}', ["line 1", "'solution'"]),
        ("amc23", '{"id": "a", "problem": "q", "answer": "1"}\n{"id": "a", "problem": "r", "answer": "2"}',
         ["line 2", "'id'", "line 1"]),
    ],
)  # fmt: skip
def test_malformed_rows_are_named(tmp_path, name, text, named):
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedData) as caught:
        math_set(name, path)
    message = str(caught.value)
    assert str(path) in message and all(part in message for part in named), message


def test_rows_without_an_answer_are_left_out_and_listed(tmp_path):
    path = write(tmp_path / "a.jsonl", {"problem": "q", "answer": ""}, {"problem": "r", "answer": "3"})
    source = math_set("amc23", path)
    assert [task.problem for task in source.tasks] == ["r"]
    assert [(skipped.path, skipped.line) for skipped in source.skipped] == [(path, 1)]


def test_training_problems_that_are_tested_are_left_out(tmp_path):
    write(tmp_path / "train.jsonl", {"problem": "one  and two", "answer": "3"}, {"problem": "other", "answer": "4"})
    write(tmp_path / "test.jsonl", {"problem": "one and two", "answer": "3"})
    source = math_set("gsm8k", tmp_path)
    assert [(task.problem, task.split) for task in source.tasks] == [("other", "train"), ("one and two", "test")]
    assert [skipped.reason for skipped in source.skipped] == ["the same problem is in the test split"]


def test_last_boxed_counts_braces():
    assert last_boxed("\\boxed{a_{1}} and \\boxed{\\frac{1}{2}} end") == "\\frac{1}{2}"
    assert last_boxed("$\\boxed 5$.") == "5"
    assert last_boxed("\\boxed{a") == ""
