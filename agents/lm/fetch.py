"""From a model's name to a folder with its files: the folder itself, or a snapshot from the Hub."""

import os
from hashlib import sha256
from pathlib import Path
from typing import cast

from ...tasks.errors import MissingData, MissingExtra, UserError

CONFIG = "config.json"
WEIGHTS = ("*.safetensors", "*.bin")
"""Files with weights, the better kind first."""

TOKENIZERS = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt", "spiece.model",
    "sentencepiece.bpe.model", "tekken.json",
)  # fmt: skip
"""Files of which a folder with a tokenizer has at least one."""

_SMALL = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_IGNORED = ("*/*", "consolidated*", "training_args.bin", "optimizer.bin", "scheduler.bin")


def fetch(name: str, *, revision: str | None = None, code: bool = False, cache: Path | None = None) -> Path:
    """Return the folder of a model, downloaded where it is not there yet.

    Args:
        name: A folder, or a model's name on the Hub (`HF_ENDPOINT`), such as `Qwen/Qwen3-0.6B`.
        revision: A branch, tag or commit of the Hub's.
        code: Whether the repository's own code is fetched too.
        cache: Where downloads are kept; by default where all programs keep them (`HF_HOME`).

    Raises:
        MissingData: There is no such folder or model, or it lacks weights or a tokenizer.
        MissingExtra: huggingface_hub is not installed.
        UserError: The Hub cannot be reached, or refuses.
    """
    if not name:
        raise UserError("Name the model after the colon: a folder or a name on the Hub, such as hf:Qwen/Qwen3-0.6B.")
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise UserError(f"{name} is a folder, which has no revisions; leave out revision.")
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or folder.is_absolute():
        raise MissingData(f"There is no folder {name}.")
    else:
        folder = _download(name, revision, code, cache)
    _check(folder, name)
    return folder


def weight_files(folder: Path) -> list[Path]:
    """Return a folder's files with weights, of the better kind that it has, sorted by name."""
    for pattern in WEIGHTS:
        found = [path for path in folder.glob(pattern) if not path.name.startswith(("consolidated", "training_args"))]
        if found:
            return sorted(found)
    return []


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a folder's weights: of the file where there is one, else of the files' names and hashes.

    A file in the Hub's cache is a link to a file that is named after its hash, which then need not be read.
    """
    hashes = []
    for path in weight_files(folder):
        target = path.resolve().name
        if path.is_symlink() and len(target) == 64 and set(target) <= set("0123456789abcdef"):
            hashes.append((path.name, target))
            continue
        with path.open("rb") as file:
            digest = sha256()
            while block := file.read(1 << 24):
                digest.update(block)
        hashes.append((path.name, digest.hexdigest()))
    if len(hashes) == 1:
        return hashes[0][1]
    return sha256(repr(hashes).encode()).hexdigest()


def _check(folder: Path, name: str) -> None:
    if not (folder / CONFIG).is_file():
        raise MissingData(f"{name} is no model of transformers: {CONFIG} is not there.")
    if not weight_files(folder):
        raise MissingData(f"{name} has no weights: there is neither a .safetensors nor a .bin file.")
    if not any((folder / file).is_file() for file in TOKENIZERS):
        raise MissingData(f"{name} has no tokenizer: tokenizer.json and its like are not there.")


def _download(name: str, revision: str | None, code: bool, cache: Path | None) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise MissingExtra("huggingface_hub", "hf") from None
    # The HTTP client differs between versions of huggingface_hub; its errors are found through the hub's own one.
    client_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")

    def snapshot(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                cache_dir=cache,
                endpoint=endpoint,
                allow_patterns=[*patterns, *(["*.py"] if code else [])],
                ignore_patterns=[pattern for pattern in _IGNORED if not code or pattern != "*/*"],
            )
        )

    try:
        folder = snapshot([*_SMALL, WEIGHTS[0]])
        return folder if weight_files(folder) else snapshot([*_SMALL, WEIGHTS[1]])
    except HFValidationError:
        raise UserError(f"{name!r} is neither a folder nor a model's name, such as Qwen/Qwen3-0.6B.") from None
    except GatedRepoError:
        raise UserError(
            f"The model {name} asks for consent: accept its terms on the Hub, then set HF_TOKEN or run hf auth login."
        ) from None
    except RevisionNotFoundError:
        raise MissingData(f"The model {name} has no revision {revision}.") from None
    except RepositoryNotFoundError:
        raise MissingData(
            f"There is no folder {name}, and {endpoint} has no model of that name "
            "(a private one wants HF_TOKEN, or hf auth login)."
        ) from None
    except LocalEntryNotFoundError:
        raise MissingData(
            f"The model {name} is not in the cache, and the Hub cannot be asked for it: check the network, "
            "HF_HUB_OFFLINE and HF_ENDPOINT, or give the path of a folder."
        ) from None
    except (client_error, OSError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise UserError(
            f"The model {name} could not be fetched from {endpoint} ({reason or type(error).__name__})."
        ) from error
