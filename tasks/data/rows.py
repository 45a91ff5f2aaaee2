"""Reading rows from JSONL, JSON, CSV, TSV and Parquet files, with errors that name the file, the line and the field."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import MalformedData, MissingData, MissingExtra, UserError

ROW_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""The file formats that `read_rows` reads."""

_KIND_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def malformed(path: Path, line: int | None, what: str, field: str | None = None) -> MalformedData:
    """Return the error for a bad row.

    Args:
        path: The file.
        line: The line (the row, for Parquet), counted from 1; None where the whole file is meant.
        what: The rest of the sentence, without a full stop.
        field: The field, where one is to blame.
    """
    place = "" if line is None else f", {'row' if path.suffix.lower() == '.parquet' else 'line'} {line}"
    name = "" if field is None else f", field {field!r}"
    return MalformedData(f"{path}{place}{name}: {what}.")


def read_bytes(path: Path) -> bytes:
    """Return a file's content; `MissingData` if there is none, `UserError` if it may not be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingData(f"There is no file {path}; check the path.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_text(path: Path) -> str:
    """Return a UTF-8 text file's content without a byte-order mark; other encodings are a `MalformedData`."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise malformed(path, line, "the text is not UTF-8; save the file as UTF-8") from None


def read_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield `(line, row)` of a data file; the suffix tells the format.

    Lines count from 1 and are where a row starts; for Parquet, which has no lines, it is the row's number. Values
    are what the format gives: text only in CSV and TSV, JSON values or Parquet's as Python objects elsewhere.

    Raises:
        MissingData: There is no such file.
        MalformedData: The file is broken; the message names the line.
        MissingExtra: A Parquet file, and pyarrow is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(path, read_text(path))
    elif suffix == ".json":
        text = read_text(path)
        # Many published ".json" files are JSON lines; a file that holds one list starts with a bracket.
        yield from _json_list(path, text) if text.lstrip().startswith("[") else _json_lines(path, text)
    elif suffix in (".csv", ".tsv"):
        yield from _separated(path, read_text(path), "," if suffix == ".csv" else "\t")
    elif suffix == ".parquet":
        yield from _parquet(path)
    else:
        raise MalformedData(f"{path} is none of the formats that can be read here: {', '.join(ROW_SUFFIXES)}.")


def _object(path: Path, line: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise malformed(path, line, f"expected an object with named fields, found {type(value).__name__}")
    return value


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Only "\n" ends a line: str.splitlines would also cut at U+2028, which JSON allows inside a string.
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            try:
                value = json.loads(row)
            except json.JSONDecodeError as error:
                raise malformed(path, line, f"not JSON: {error.msg} at column {error.colno}") from None
            except (RecursionError, ValueError) as error:
                raise malformed(path, line, f"not JSON that can be read: {error}") from None
            yield line, _object(path, line, value)


def _json_list(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    decoder = json.JSONDecoder()
    position, line, counted = text.index("[") + 1, 1, 0

    def skip(position: int) -> int:
        while position < len(text) and text[position] in " \t\r\n":
            position += 1
        return position

    position = skip(position)
    while position < len(text) and text[position] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise malformed(path, error.lineno, f"not JSON: {error.msg} at column {error.colno}") from None
        except (RecursionError, ValueError) as error:
            raise malformed(path, line, f"not JSON that can be read: {error}") from None
        yield line, _object(path, line, value)
        position = skip(position)
        if text[position : position + 1] == ",":
            position = skip(position + 1)
        elif text[position : position + 1] != "]":
            line += text.count("\n", counted, position)
            raise malformed(path, line, "the list is not continued by a comma or closed by a bracket")
    if position >= len(text):
        raise malformed(path, text.count("\n") + 1, "the list is not closed by a bracket")


def _separated(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if len(set(header)) < len(header):
                    raise malformed(path, line, "a column name occurs twice in the header")
                continue
            if len(cells) != len(header):
                raise malformed(path, line, f"{len(cells)} values for the {len(header)} columns of the header")
            yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise malformed(path, start, f"not {path.suffix[1:].upper()}: {error}") from None


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data") from None
    source = io.BytesIO(read_bytes(path))
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(source).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise malformed(path, number + 1 if number else None, f"not Parquet that can be read: {reason}") from None


def find_field(row: Mapping[str, Any], names: str | Sequence[str]) -> str | None:
    """Return the first of the names that the row has a value for (not None, not blank), or None."""
    for name in (names,) if isinstance(names, str) else names:
        value = row.get(name)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return name
    return None


def require(row: Mapping[str, Any], field: str | Sequence[str], kind: type, path: str | Path, line: int) -> Any:
    """Return a row's field, checked.

    Args:
        row: The row.
        field: Its name, or several names of which the first that has a value counts.
        kind: `str`, `int`, `float`, `bool`, `list` or `dict`. Numbers written as text (all that CSV has) are
            converted; a float that is whole counts as an `int`, an int as a `float`.
        path: The file, for the message.
        line: The line, for the message.

    Raises:
        MalformedData: The field is missing, empty, or of another kind.
    """
    path = Path(path)
    names = (field,) if isinstance(field, str) else tuple(field)
    name = find_field(row, names)
    if name is None:
        others = f" (it may also be called {', '.join(names[1:])})" if len(names) > 1 else ""
        raise malformed(
            path, line, f"missing or empty{others}; the row has {', '.join(map(str, row)) or 'no fields'}", names[0]
        )
    value = row[name]
    converted = _convert(value, kind)
    if converted is None:
        raise malformed(path, line, f"expected {_KIND_NAMES.get(kind, kind.__name__)}, found {_shown(value)}", name)
    return converted


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _convert(value: Any, kind: type) -> Any:
    """Return the value as that kind, or None if it is none."""
    if kind is str:
        if not isinstance(value, str):
            return None
        try:
            value.encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
            return None
        return value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            if kind is int:
                return value if isinstance(value, int) else int(value) if _whole(value) else None
            return float(value) if isinstance(value, int | float | str) else None
        except (ValueError, OverflowError):
            return None
    return value if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)) else None


def _whole(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, float) and value.is_integer())
