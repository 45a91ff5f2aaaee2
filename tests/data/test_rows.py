"""Reading rows: every format, every kind of damage named by file, line and field."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.data import fingerprint, read_rows, require
from rlvr.tasks.errors import MalformedData, MissingData, UserError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(path, text, newline="\n"):
    path.write_text(text, encoding="utf-8", newline=newline)
    return list(read_rows(path))


def test_json_lines_count_real_lines(tmp_path):
    assert read(tmp_path / "a.jsonl", '\ufeff{"a": 1}\n\n{"a": "\u2028"}\n') == [(1, {"a": 1}), (3, {"a": "\u2028"})]
    assert read(tmp_path / "b.ndjson", '{"a": 1}\r\n{"a": 2}', newline="") == [(1, {"a": 1}), (2, {"a": 2})]


def test_a_json_list_gives_the_line_where_each_object_starts(tmp_path):
    text = '[\n {"a": 1},\n {"a":\n  2}\n , {"a": 3}]\n'
    assert read(tmp_path / "a.json", text) == [(2, {"a": 1}), (3, {"a": 2}), (5, {"a": 3})]
    assert read(tmp_path / "b.json", "[]") == []
    assert read(tmp_path / "c.json", '{"a": 1}\n{"a": 2}') == [(1, {"a": 1}), (2, {"a": 2})]


def test_csv_keeps_quoted_line_breaks_and_counts_past_them(tmp_path):
    text = 'a,b\n"one\ntwo",3\n\n4,5\n'
    assert read(tmp_path / "a.csv", text) == [(2, {"a": "one\ntwo", "b": "3"}), (5, {"a": "4", "b": "5"})]
    assert read(tmp_path / "a.tsv", "a\tb\n1\t2\n") == [(2, {"a": "1", "b": "2"})]


def test_parquet_rows_are_counted(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(read_rows(tmp_path / "a.parquet")) == [(1, rows[0]), (2, rows[1])]
    with pytest.raises(MalformedData, match=r"a\.parquet, row 2, field 'c'"):
        require(rows[1], "c", int, tmp_path / "a.parquet", 2)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(MalformedData, match=r"b\.parquet: not Parquet"):
        list(read_rows(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": }', ["line 2", "column 7"]),
        ("a.jsonl", b'{"a": 1}\n[1]', ["line 2", "list"]),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}', ["line 2", "UTF-8"]),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000, ["line 1"]),
        ("a.jsonl", b'{"a": ' + b"9" * 5_000 + b"}", ["line 1"]),
        ("a.json", b'[\n{"a": 1}\n{"a": 2}]', ["line 3", "comma"]),
        ("a.json", b'[\n{"a": 1},\n{"a" 2}]', ["line 3", "column"]),
        ("a.json", b'[\n{"a": 1},\n', ["closed"]),
        ("a.json", b"[1]", ["line 1", "int"]),
        ("a.csv", b"a,b\n1,2\n3\n", ["line 3", "1 values for the 2 columns"]),
        ("a.csv", b"a,a\n1,2\n", ["line 1", "twice"]),
        ("a.csv", b'a,b\n1,"2', ["line 2", "CSV"]),
        ("a.csv", b"a,b\n1,\xe9\n", ["line 2", "UTF-8"]),
        ("a.xlsx", b"whatever", [".jsonl"]),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, name, content, named):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MalformedData) as caught:
        list(read_rows(path))
    message = str(caught.value)
    assert message.startswith(str(path)) and all(part in message for part in named), message
    assert "\n" not in message and len(message) < 400


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(MissingData, match="There is no file"):
        list(read_rows(tmp_path / "a.jsonl"))
    (tmp_path / "b.jsonl").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        list(read_rows(tmp_path / "b.jsonl"))


def test_require_takes_aliases_and_converts_numbers_from_text(tmp_path):
    path = tmp_path / "a.csv"
    row = {"question": "why?", "problem": " ", "rank": "12", "rate": "0.5", "whole": 3.0, "flag": True, "list": [1]}
    assert require(row, ("problem", "question"), str, path, 1) == "why?"
    assert require(row, "rank", int, path, 1) == 12 and require(row, "rank", float, path, 1) == 12.0
    assert require(row, "whole", int, path, 1) == 3 and require(row, "rate", float, path, 1) == 0.5
    assert require(row, "flag", bool, path, 1) is True and require(row, "list", list, path, 1) == [1]


@pytest.mark.parametrize(
    ("field", "kind", "named"),
    [
        ("gone", str, ["'gone'", "missing", "the row has text, flag"]),
        (("gone", "lost"), str, ["'gone'", "also be called lost"]),
        ("blank", str, ["'blank'", "missing or empty"]),
        ("text", int, ["'text'", "a whole number", "'x'"]),
        ("flag", int, ["'flag'", "a whole number", "True"]),
        ("half", int, ["'half'", "0.5"]),
        ("broken", str, ["'broken'", "text"]),
        ("text", list, ["'text'", "a list"]),
    ],
)
def test_require_names_line_and_field(tmp_path, field, kind, named):
    row = {"text": "x", "flag": True, "half": 0.5, "blank": "", "broken": "\ud800"}
    with pytest.raises(MalformedData) as caught:
        require(row, field, kind, tmp_path / "a.jsonl", 7)
    message = str(caught.value)
    assert "a.jsonl, line 7" in message and all(part in message for part in named), message


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=4), max_size=6))
def test_json_rows_come_back_as_they_were_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    (folder / "a.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert [row for _, row in read_rows(folder / "a.json")] == rows
    assert [row for _, row in read_rows(folder / "a.jsonl")] == rows


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=80), suffix=st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]))
def test_no_content_gives_any_other_error(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    path.write_bytes(content)
    try:
        for line, row in read_rows(path):
            assert line >= 1 and isinstance(row, dict)
    except MalformedData as error:
        assert str(path) in str(error)


def test_fingerprints_follow_content_and_names_but_not_the_place(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "sub").mkdir(parents=True)
        (tmp_path / place / "a.jsonl").write_text("{}")
        (tmp_path / place / "sub" / "b.jsonl").write_text("[]")
    one, two = tmp_path / "one", tmp_path / "two"
    files = [sorted(folder.rglob("*.jsonl")) for folder in (one, two)]
    assert fingerprint(one) == fingerprint(two) == fingerprint(files[0]) == fingerprint(reversed(files[1]))
    assert (
        fingerprint(one / "a.jsonl")
        == fingerprint([two / "a.jsonl"])
        == ("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
    )
    (two / "a.jsonl").rename(two / "c.jsonl")
    assert fingerprint(one) != fingerprint(two)
