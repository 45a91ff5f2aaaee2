"""Pulling from a hub: a real server on the loopback interface that speaks the few calls that are made."""

import hashlib
import http.server
import io
import json
import threading

import pytest

from rlvr.tasks.data import DATASETS, listing, pull, registered, resolve
from rlvr.tasks.errors import MissingData, UnknownName, UserError
from rlvr.tasks.math.sets import math_set

pytestmark = pytest.mark.network_local

REVISION = "0123456789abcdef0123456789abcdef01234567"


def parquet_bytes(rows):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    repos = {}  # noqa: RUF012 (set by the fixture)
    gated = ()
    asked = []  # noqa: RUF012

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.asked.append((self.command, self.path))
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/"):
            repo = path.removeprefix("/api/datasets/").partition("/revision/")[0]
            if repo in self.gated:
                return self.reply(403, X_Error_Code="GatedRepo", X_Error_Message="gated")
            if repo not in self.repos:
                return self.reply(404, X_Error_Code="RepoNotFound")
            siblings = [{"rfilename": name} for name in self.repos[repo]]
            body = json.dumps({"id": repo, "sha": REVISION, "siblings": siblings}).encode()
            return self.reply(200, body, Content_Type="application/json")
        if path.startswith("/datasets/"):
            repo, _, rest = path.removeprefix("/datasets/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            if revision != REVISION or name not in self.repos.get(repo, {}):
                return self.reply(404, X_Error_Code="EntryNotFound")
            content = self.repos[repo][name]
            return self.reply(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', X_Repo_Commit=REVISION)
        return self.reply(404)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The server's repositories, `{repo: {file: bytes}}`; its address is in HF_ENDPOINT."""
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path / "home"))
    Handler.repos, Handler.gated, Handler.asked = {}, (), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield Handler.repos
    server.shutdown()
    server.server_close()
    thread.join()


def rows(*pairs):
    return [{"question": question, "answer": answer} for question, answer in pairs]


def test_pull_takes_the_files_of_one_revision_and_registers_them(hub, tmp_path):
    hub["openai/gsm8k"] = {
        "README.md": b"# GSM8K",
        "main/train-00000-of-00001.parquet": parquet_bytes(rows(("1 + 1?", "two\n#### 2"), ("2 + 2?", "#### 4"))),
        "main/test-00000-of-00001.parquet": parquet_bytes(rows(("3 + 3?", "#### 6"))),
        "socratic/test-00000-of-00001.parquet": b"not wanted",
    }
    found = pull("gsm8k")
    assert found.source == f"hub:openai/gsm8k@{REVISION}" and found.rows == 3
    source = math_set("gsm8k")
    assert [(task.split, task.answer) for task in source.tasks] == [("train", "2"), ("train", "4"), ("test", "6")]
    assert resolve("gsm8k") == tmp_path / "home" / "sets" / "gsm8k"
    files = sorted(path.name for path in resolve("gsm8k").rglob("*") if path.is_file())
    assert files == ["test-00000-of-00001.parquet", "train-00000-of-00001.parquet"]
    assert next(entry.status for entry in listing() if entry.name == "gsm8k") == "registered"
    assert all(f"/resolve/{REVISION}/" in path for _, path in Handler.asked if "/resolve/" in path)
    assert not any("socratic" in path or "README" in path for _, path in Handler.asked)
    assert not list((tmp_path / "home" / "sets").glob(".*"))


def test_pulling_again_replaces_the_copy(hub):
    hub["HuggingFaceH4/MATH-500"] = {"test.jsonl": json.dumps({"problem": "q", "answer": "1"}).encode()}
    first = pull("math500")
    hub["HuggingFaceH4/MATH-500"] = {"test.jsonl": json.dumps({"problem": "q", "answer": "2"}).encode()}
    second = pull("math500")
    assert first.sha256 != second.sha256 and math_set("math500")[0].answer == "2"


def test_parts_of_several_files_keep_their_folders(hub):
    hub["EleutherAI/hendrycks_math"] = {
        f"{subject}/{split}-00000-of-00001.parquet": parquet_bytes(
            [{"problem": f"{subject} {split}?", "solution": "\\boxed{7}", "level": "Level 2", "type": subject}]
        )
        for subject in ("algebra", "geometry")
        for split in ("train", "test")
    }
    assert pull("math").rows == 4
    source = math_set("math")
    assert [(task.area, task.split) for task in source.tasks] == [
        ("algebra", "train"), ("geometry", "train"), ("algebra", "test"), ("geometry", "test"),
    ]  # fmt: skip
    assert source.difficulties == ("level 2",)


def test_a_set_that_is_gone_or_gated_or_changed_is_said_so(hub):
    with pytest.raises(MissingData, match=r"no data set HuggingFaceH4/aime_2024.*rlvr data add aime2024"):
        pull("aime2024")
    hub["HuggingFaceH4/aime_2024"] = {"other.txt": b""}
    with pytest.raises(MissingData, match=r"no file data/train-\*\.parquet.*it has other\.txt"):
        pull("aime2024")
    Handler.gated = ("HuggingFaceH4/aime_2024",)
    with pytest.raises(UserError, match="accept its terms"):
        pull("aime2024")
    assert registered() == {}


def test_a_broken_copy_is_not_registered(hub):
    hub["math-ai/aime25"] = {"test.jsonl": b'{"problem": "q", "answer": "1"}\n{"problem": "q"}'}
    with pytest.raises(UserError, match=r"test\.jsonl, line 2, field 'answer'"):
        pull("aime2025")
    assert registered() == {}


def test_an_unreachable_hub_is_one_sentence(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"amc23 could not be pulled from http://127\.0\.0\.1:9 .*HF_ENDPOINT"
    ) as caught:
        pull("amc23")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "home" / "sets").iterdir())


def test_unknown_and_local_only_names():
    with pytest.raises(UnknownName):
        pull("nothing")
    for entry in DATASETS.values():
        if not entry.hub:
            with pytest.raises(MissingData, match="not on the Hub"):
                pull(entry.name)
