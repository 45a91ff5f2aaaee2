"""What the README shows runs as it stands, and its tables say what the code says."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("readme", Path(__file__).with_name("readme.py"))
assert _spec is not None and _spec.loader is not None
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)

SNIPPETS = readme.blocks("python")


def test_the_readme_has_its_snippets():
    assert len(SNIPPETS) >= 3
    assert any("class SecretEnv" in snippet for snippet in SNIPPETS)


@pytest.mark.parametrize("index", range(len(SNIPPETS)))
def test_a_snippet_runs_in_an_empty_folder(index, tmp_path):
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPETS[index], encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    if "SecretEnv" in SNIPPETS[index]:
        assert "FAIL" not in result.stdout and "checks passed" in result.stdout
    if "verdict.status" in SNIPPETS[index]:
        assert result.stdout.split()[0] == "correct"


def test_the_tables_are_those_of_the_registries():
    text = readme.README.read_text(encoding="utf-8")
    assert readme.with_tables(text) == text, "run: python tests/project/readme.py tables"
