"""Pulling data sets from the Hugging Face hub, at a revision that is written down."""

import os
import shutil
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from ..errors import MissingData, MissingExtra, UserError
from .registry import Registered, add, data_home
from .sets import DataSet, data_set


def pull(name: str, *, endpoint: str | None = None) -> Registered:
    """Download a data set from the Hub into the data home and register it; replaces an earlier copy.

    The revision of each repository is looked up first and every file is taken from that revision, so a copy is
    never a mixture; the revision is part of the registered source.

    Args:
        name: The data set.
        endpoint: The Hub's address; by default the environment's `HF_ENDPOINT`, else the public Hub. The token of
            `hf auth login` or `HF_TOKEN` is used where a repository asks for one.

    Raises:
        UnknownName: There is no data set of that name.
        MissingData: The Hub does not have this set, or no longer under that name.
        MissingExtra: huggingface_hub is not installed.
        UserError: The Hub cannot be reached, or refuses.
    """
    entry = data_set(name)
    if not entry.hub:
        raise MissingData(f"The data set {name} is not on the Hub; {entry.remedy}.")
    endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    target = data_home() / "sets" / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    except OSError as error:
        raise UserError(f"{target.parent} cannot be written: {error.strerror or error}; set RLVR_DATA_HOME.") from error
    try:
        source = _download(entry, endpoint, work)
        if target.exists():
            shutil.rmtree(target)
        os.replace(work / "files", target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return add(name, target, source=source)


def _download(entry: DataSet, endpoint: str, work: Path) -> str:
    """Fetch the set's files into `work/files/SPLIT/...` and return the source's name."""
    try:
        from huggingface_hub import HfApi, hf_hub_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
    except ImportError:
        raise MissingExtra("huggingface_hub", "data") from None
    # The HTTP client differs between versions of huggingface_hub; its errors are found through the hub's own one.
    client_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    by_hand = f"or download it by hand and run: rlvr data add {entry.name} FILE_OR_FOLDER"
    revisions: dict[str, tuple[str, list[str]]] = {}
    try:
        for part in entry.hub:
            if part.repo not in revisions:
                info = HfApi(endpoint=endpoint).dataset_info(part.repo)
                revisions[part.repo] = (info.sha or "main", [file.rfilename for file in info.siblings or ()])
            revision, names = revisions[part.repo]
            wanted = [
                name
                for name in names
                if fnmatchcase(name, part.pattern) and Path(name).suffix.lower() in entry.suffixes
            ]
            if not wanted:
                raise MissingData(
                    f"The repository {part.repo} at {endpoint} has no file {part.pattern} (any more); "
                    f"it has {', '.join(names[:8]) or 'none'}; {by_hand}."
                )
            for name in wanted:
                fetched = hf_hub_download(
                    part.repo,
                    name,
                    repo_type="dataset",
                    revision=revision,
                    endpoint=endpoint,
                    cache_dir=work / "cache",
                )
                place = work / "files" / part.split / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fetched, place)
    except UserError:  # MissingData is an OSError too
        raise
    except GatedRepoError:
        raise UserError(
            f"The repository of {entry.name} asks for consent: "
            f"accept its terms on the Hub and run hf auth login, {by_hand}."
        ) from None
    except RepositoryNotFoundError:
        raise MissingData(f"{endpoint} has no data set {part.repo} (any more); {by_hand}.") from None
    except OfflineModeIsEnabled:
        raise UserError(f"HF_HUB_OFFLINE is set, so {entry.name} cannot be pulled: unset it, {by_hand}.") from None
    except (client_error, OSError) as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise UserError(
            f"{entry.name} could not be pulled from {endpoint} ({reason or type(error).__name__}): "
            f"check the network or set HF_ENDPOINT, {by_hand}."
        ) from error
    return " ".join(f"hub:{repo}@{revision}" for repo, (revision, _) in revisions.items())
