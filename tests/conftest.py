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


ALLOWED_SKIPS = ROOT / "tests" / "allowed_skips.txt"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI, fail if a test skips that is not on the list kept in the repository."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None or hasattr(session.config, "workerinput"):
        return
    lines = ALLOWED_SKIPS.read_text(encoding="utf-8").splitlines()
    allowed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    skipped = {report.nodeid.partition("[")[0]: report.longrepr for report in reporter.stats.get("skipped", [])}
    unexpected = sorted(set(skipped) - allowed)
    for nodeid in unexpected:
        reason = skipped[nodeid][2] if isinstance(skipped[nodeid], tuple) else skipped[nodeid]
        reporter.write_line(f"SKIPPED IN CI, and not listed in {ALLOWED_SKIPS.name}: {nodeid}: {reason}", red=True)
    if unexpected and session.exitstatus == 0:
        session.exitstatus = 1
