"""The wheel holds the packages and nothing else; importing the face loads nothing heavy."""

import ast
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tasks", "envs", "agents", "trainers", "leaderboard", "integrations", "cli")


def configured() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return set(tomllib.load(file)["tool"]["setuptools"]["packages"])


def on_disk() -> set[str]:
    found = {"rlvr"}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            found.add(".".join(("rlvr", *path.parent.relative_to(ROOT).parts)))
    return found


def test_every_folder_with_code_is_a_listed_package():
    assert on_disk() == configured()


def test_every_package_has_an_init_with_a_docstring():
    for package in configured() - {"rlvr"}:
        init = ROOT.joinpath(*package.split(".")[1:], "__init__.py")
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init


def test_there_is_no_package_at_the_root_nor_in_docker():
    assert not (ROOT / "__init__.py").exists() and not (ROOT / "docker" / "__init__.py").exists()


@pytest.mark.slow
def test_a_wheel_built_from_a_clean_archive_holds_the_packages_and_nothing_else(tmp_path):
    archive = tmp_path / "source.tar"
    subprocess.run(["git", "archive", "-o", str(archive), "HEAD"], cwd=ROOT, check=True)
    source = tmp_path / "source"
    with tarfile.open(archive) as tar:
        tar.extractall(source, filter="data")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert all(name.startswith("rlvr/") for name in names)
    in_wheel = {name for name in names if name.endswith(".py")}
    in_source = set()
    for folder in ("rlvr", *FOLDERS):
        for path in (source / folder).rglob("*.py"):
            relative = path.relative_to(source)
            in_source.add(str(relative if folder == "rlvr" else Path("rlvr") / relative))
    assert in_wheel == in_source
    assert "rlvr/py.typed" in names
    data = {name for name in names if not name.endswith((".py", "py.typed"))}
    assert {Path(name).suffix for name in data} <= {
        ".bin",
        ".html",
        ".css",
        ".svg",
        ".js",
        ".json",
        ".jinja",
        ".safetensors",
        ".md",
        ".yaml",
    }
    for model in (source / "agents" / "weights").iterdir():
        files = {file.relative_to(source) for file in model.rglob("*") if file.is_file()}
        assert {str(Path("rlvr") / file) for file in files} <= data
    assert {name for name in data if name.startswith("rlvr/leaderboard/")} == {
        f"rlvr/leaderboard/{path.name}"
        for path in (source / "leaderboard").iterdir()
        if path.suffix in (".html", ".css", ".js")
    }


@pytest.mark.parametrize("heavy", ["torch", "transformers", "sympy", "pydantic", "typer", "rich", "math_verify"])
def test_importing_the_face_does_not_load(heavy):
    code = f"import rlvr, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_registering_twice_changes_nothing():
    code = (
        "import rlvr, gymnasium as gym; from rlvr.envs.registry import ENVS, register_all; n = len(gym.registry); "
        "register_all(); assert len(gym.registry) == n and all(row.id in gym.registry for row in ENVS)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
