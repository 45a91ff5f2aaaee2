"""Arrows run one way, wherever an import stands, lazy ones included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAY_IMPORT = {
    "tasks": set(),
    "envs": {"tasks"},
    "agents": {"envs", "tasks"},
    "trainers": {"agents", "envs", "tasks"},
    "leaderboard": {"agents", "envs", "tasks"},
    "integrations": {"cli", "leaderboard", "trainers", "agents", "envs", "tasks"},
    "cli": {"integrations", "leaderboard", "trainers", "agents", "envs", "tasks"},
}
FORBIDDEN = {
    "tasks": {"gymnasium", "torch", "transformers", "rich", "typer"},
    "envs": {"torch", "transformers"},
    "leaderboard": {"torch", "transformers"},
}


def imported(path: Path) -> Iterator[str]:
    """Yield the absolute names that a file of the package imports."""
    package = ["rlvr", *path.parent.relative_to(ROOT).parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, *(node.module or "").split(".")]).strip(".")


def files() -> list[Path]:
    return sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_folder_may(path):
    folder = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "rlvr":
            other = rest.partition(".")[0]
            assert other in MAY_IMPORT[folder] | {folder, ""}, f"{path.name} imports {name}"
            assert other or folder in ("cli", "integrations"), f"{path.name} imports the face of the package"
        else:
            assert top not in FORBIDDEN.get(folder, set()), f"{path.name} imports {name}"


def test_the_check_sees_a_wrong_arrow(tmp_path, monkeypatch):
    (tmp_path / "tasks" / "sub").mkdir(parents=True)
    file = tmp_path / "tasks" / "sub" / "module.py"
    file.write_text("def f():\n    from ...envs.core import TextEnv\n    import torch.nn\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(imported(file)) == ["rlvr.envs.core", "torch.nn"]
    with pytest.raises(AssertionError, match=r"rlvr\.envs\.core"):
        test_a_file_imports_only_what_its_folder_may(file)
