"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark data: RLVR_SHARED_DATA, or shared/data beside the checkout."""
    path = Path(os.environ.get("RLVR_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "INDEX.md").is_file():
        pytest.skip("the benchmark data folder is absent (set RLVR_SHARED_DATA to it)")
    return path


@pytest.fixture(autouse=True, scope="session")
def _own_data_home(tmp_path_factory: pytest.TempPathFactory):
    """Keep tests away from the user's registered data sets."""
    before = os.environ.get("RLVR_DATA_HOME")
    os.environ["RLVR_DATA_HOME"] = str(tmp_path_factory.mktemp("data-home"))
    yield
    if before is None:
        del os.environ["RLVR_DATA_HOME"]
    else:
        os.environ["RLVR_DATA_HOME"] = before
