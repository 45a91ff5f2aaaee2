"""Models by name: folders and a hub that stands on the loopback interface; one clear sentence where it cannot be."""

import asyncio
import hashlib
import http.server
import json
import shutil
import threading

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rlvr.agents.lm import fetch as fetching  # noqa: E402
from rlvr.agents.lm.fetch import fetch, fingerprint, weight_files  # noqa: E402
from rlvr.agents.lm.load import load, pick_device, pick_dtype  # noqa: E402
from rlvr.agents.policies.policy import make_policy  # noqa: E402
from rlvr.agents.types import Request, Sampling  # noqa: E402
from rlvr.tasks.errors import MissingData, MissingExtra, UserError  # noqa: E402

from . import zoo  # noqa: E402

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return zoo.save("llama", tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of a model's folder to damage."""
    return shutil.copytree(whole, tmp_path / "model")


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


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
        path = self.path.partition("?")[0]
        self.asked.append(path)
        if path.startswith("/api/models/"):
            repo, _, revision = (
                path.removeprefix("/api/models/").replace("/tree/", "/revision/").partition("/revision/")
            )
            if repo in self.gated:
                return self.reply(403, X_Error_Code="GatedRepo", X_Error_Message="gated")
            if repo not in self.repos:
                return self.reply(404, X_Error_Code="RepoNotFound")
            if revision not in ("", "main", REVISION):
                return self.reply(404, X_Error_Code="RevisionNotFound")
            files = self.repos[repo]
            found = {"id": repo, "sha": REVISION, "siblings": [{"rfilename": name} for name in files]}
            tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40} for name in files]
            body = json.dumps(tree if "/tree/" in path else found).encode()
            return self.reply(200, body, Content_Type="application/json")
        repo, _, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if revision != REVISION or name not in self.repos.get(repo, {}):
            return self.reply(404, X_Error_Code="EntryNotFound")
        content = self.repos[repo][name]
        return self.reply(200, content, ETag=f'"{hashlib.sha256(content).hexdigest()}"', X_Repo_Commit=REVISION)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(monkeypatch):
    """The server's repositories, `{repo: {file: bytes}}`; its address is in HF_ENDPOINT."""
    Handler.repos, Handler.gated, Handler.asked = {}, (), []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield Handler.repos
    server.shutdown()
    server.server_close()
    thread.join()


def as_repo(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.network_local
def test_a_model_of_the_hub_is_fetched_once_and_answers(hub, whole, tmp_path, monkeypatch):
    extra = {
        "README.md": b"a model",
        "original/consolidated.safetensors": b"twice",
        "model.gguf": b"no",
        "x.bin": b"no",
    }
    hub["team/model"] = as_repo(whole) | extra
    got = fetch("team/model", cache=tmp_path)
    assert sorted(path.name for path in got.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert got.name == REVISION
    assert fingerprint(got) == hashlib.sha256((whole / "model.safetensors").read_bytes()).hexdigest()
    loaded = load("team/model", cache=tmp_path)
    assert loaded.routed is not None and loaded.fingerprint == loaded.routed.info.fingerprint == fingerprint(whole)
    assert sum(path.endswith("model.safetensors") for path in Handler.asked) <= 2  # a HEAD and a GET
    Handler.repos = {}  # gone: what is there already still loads, when the hub must not be asked
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch("team/model", cache=tmp_path) == got


@pytest.mark.network_local
def test_a_revision_is_taken_where_there_is_one(hub, whole, tmp_path):
    hub["team/model"] = as_repo(whole)
    assert fetch("team/model", revision=REVISION, cache=tmp_path).name == REVISION
    with pytest.raises(MissingData, match="has no revision v9"):
        fetch("team/model", revision="v9", cache=tmp_path)


@pytest.mark.network_local
def test_older_weights_are_taken_where_there_are_no_newer(hub, whole, tmp_path):
    files = as_repo(whole)
    buffer = tmp_path / "weights.bin"
    torch.save(zoo.original("llama").state_dict(), buffer)
    hub["team/old"] = {name: body for name, body in files.items() if name != "model.safetensors"}
    hub["team/old"]["pytorch_model.bin"] = buffer.read_bytes()
    found = load("team/old", cache=tmp_path / "cache")
    assert [path.name for path in weight_files(found.folder)] == ["pytorch_model.bin"]
    ours, theirs = found.original.state_dict(), zoo.original("llama").state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.network_local
def test_what_the_hub_refuses_is_said_in_a_sentence(hub, tmp_path, monkeypatch):
    Handler.gated = ("team/gated",)
    hub["team/empty"] = {"README.md": b""}
    for name, message in {
        "team/nothing": "no folder team/nothing, and http.* has no model of that name",
        "team/gated": "asks for consent: accept its terms",
        "team/empty": "team/empty is no model of transformers: config.json is not there",
        "not a name": "is neither a folder nor a model's name",
    }.items():
        with pytest.raises(UserError, match=message) as caught:
            fetch(name, cache=tmp_path)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingData, match=r"not in the cache.*HF_HUB_OFFLINE"):
        fetch("team/nothing", cache=tmp_path)


def test_a_hub_that_is_not_there_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"team/model.*(network|127\.0\.0\.1)"):
        fetch("team/model", cache=tmp_path)


@pytest.mark.parametrize("name", ["./nothing", "/no/such/folder", "~/no-such-folder", "one/two/three"])
def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_hub(name, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingData, match="There is no folder"):
        fetch(name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is not there"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
        (lambda folder: [path.unlink() for path in folder.glob("tokenizer*")], "has no tokenizer"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json of .* cannot be used"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "tokenizer of .* cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"garbage"), "cannot be loaded as a causal"),
        (lambda folder: change_config(folder, num_hidden_layers=4), "not whole: 9 are missing, such as model.layers.3"),
        (lambda folder: change_config(folder, vocab_size=120), "cannot be loaded as a causal"),
        (lambda folder: change_config(folder, model_type="unheard", architectures=["No"]), "cannot be used"),
        (lambda folder: change_config(folder, model_type="vit"), "cannot be loaded as a causal"),
    ],
)
def test_a_damaged_folder_is_refused_in_a_sentence(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_a_translation_model_is_refused(folder):
    transformers.T5Config(vocab_size=97, d_model=16, num_layers=1, num_heads=2, d_kv=8, d_ff=16).save_pretrained(folder)
    with pytest.raises(UserError, match="an encoder with a decoder"):
        load(str(folder))


def test_code_that_comes_with_a_model_runs_only_if_asked(folder):
    (folder / "modeling_own.py").write_text("raise SystemExit('ran')\n")
    change_config(
        folder, model_type="own", auto_map={"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.M"}
    )
    with pytest.raises(UserError, match="set trust_remote_code=true"):
        load(str(folder))
    with pytest.raises(SystemExit, match="ran"):
        load(str(folder), trust_remote_code=True)


def test_a_folder_has_no_revision(whole):
    with pytest.raises(UserError, match="has no revisions"):
        fetch(str(whole), revision="main")
    with pytest.raises(UserError, match="Name the model after the colon"):
        make_policy("hf:")


@pytest.mark.parametrize(
    ("device", "message"),
    [("cuda", "no CUDA device here"), ("cuda:7", "no CUDA device here"), ("tpu", "is no device"), ("xpu", "not on"),
     ("mps", "no MPS device here")],
)  # fmt: skip
def test_a_device_that_is_not_there_is_said_in_a_sentence(whole, device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=message):
        load(str(whole), device=device)


def test_devices_and_types_by_name(monkeypatch):
    assert pick_dtype("auto", torch.device("cpu")) is torch.float32
    assert pick_dtype("auto", torch.device("cuda")) == "auto"
    assert pick_dtype("bfloat16", torch.device("cpu")) is torch.bfloat16
    with pytest.raises(UserError, match="dtype is one of auto, float32"):
        pick_dtype("int8", torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda") and pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="no device cuda:2; there are 2 CUDA devices"):
        pick_device("cuda:2")


@pytest.mark.parametrize("package", ["torch", "transformers", "huggingface_hub"])
def test_a_missing_extra_is_named(whole, package, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r'is not installed; run: pip install "rlvr\[hf\]"'):
        if package == "huggingface_hub":
            fetching.fetch("team/model")
        else:
            load(str(whole))


def test_a_weights_fingerprint_is_that_of_all_its_files(whole, tmp_path):
    parts = shutil.copytree(whole, tmp_path / "parts")
    zoo.original("llama").save_pretrained(parts, max_shard_size="20KB")
    (parts / "model.safetensors").unlink()
    assert len(weight_files(parts)) > 1
    before = fingerprint(parts)
    assert before != fingerprint(whole) and load(str(parts)).fingerprint == before
    with weight_files(parts)[-1].open("ab") as file:
        file.write(b"x")
    assert fingerprint(parts) != before


def test_a_wrong_model_fails_when_the_policy_starts(tmp_path, whole):
    made = make_policy(f"hf:{tmp_path / 'nothing'}")
    with pytest.raises(MissingData, match="There is no folder"):
        asyncio.run(made.start())
    with pytest.raises(UserError, match=r"no CUDA device|no device"):
        asyncio.run(make_policy(f"hf:{whole}", device="cuda:99").start())
    shutil.copytree(whole, tmp_path / "nothing")  # mended: the same policy can be started then
    asyncio.run(made.start())
    (found,) = asyncio.run(made.generate([Request(token_ids=(5, 6), sampling=Sampling(max_tokens=3))]))
    assert len(found.token_ids) <= 3
    asyncio.run(made.aclose())
