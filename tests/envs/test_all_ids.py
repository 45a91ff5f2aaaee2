"""Every registered id: the whole conformance kit, and that the table tells the truth about it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.core import TextEnv
from rlvr.envs.registry import ENVS, EnvRow, find, register_all
from rlvr.envs.testing import Check, assert_conforms
from rlvr.tasks.errors import UserError
from rlvr.tasks.rules import StopReason

from .own_data import PUZZLES, write_data

SECTIONS = (
    "Description",
    "Action space",
    "Observation space",
    "Rewards",
    "Starting state",
    "Episode end",
    "Arguments",
    "Version history",
)
GENERATED = [row for row in ENVS if row.data is None]
FROM_DATA = [row for row in ENVS if row.data is not None]
ALL = pytest.mark.parametrize("row", ENVS, ids=lambda row: row.name)


@pytest.fixture(scope="session")
def kwargs_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What an id needs to be made here: a data set of our own where it needs one."""
    folder = tmp_path_factory.mktemp("own-data")
    places: dict[str, Path] = {}

    def kwargs(row: EnvRow) -> dict[str, Any]:
        if row.data is None:
            return {}
        if row.data not in places:
            places[row.data] = write_data(row.data, folder)
        return {"data": str(places[row.data])}

    return kwargs


@ALL
def test_it_conforms(row: EnvRow, kwargs_of: Any) -> None:
    assert_conforms(row.id, quick=True, kwargs=kwargs_of(row), step_limit_s=20.0)


@pytest.mark.parametrize("row", GENERATED, ids=lambda row: row.name)
def test_cheats_stay_below_the_floor_at_the_hardest_level_too(row: EnvRow) -> None:
    # The sixteen puzzles that need a fraction are too few: one expression solves one in sixteen.
    level = [level for level in row.difficulties if level != "fraction"][-1]
    only = {Check.CHEATING}
    assert_conforms(row.id, quick=True, seed=1, kwargs={"difficulty": level}, only=only, step_limit_s=20.0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("aime2024-v0", "math_aime/aime2024.jsonl"),
        ("aime2025-v0", "math_aime/aime2025.jsonl"),
        ("aime-history-v0", "math_aime/aime1983_2023.jsonl"),
        ("amc23-v0", "math_amc/amc23.jsonl"),
        ("math500-v0", "math_math500/math500.jsonl"),
        ("gsm8k-v0", "math_gsm8k/gsm8k_test.jsonl"),
        ("minerva-v0", "math_minerva/minerva_math.jsonl"),
        ("olympiadbench-v0", "math_olympiadbench/oe_to_maths_en_comp.jsonl"),
        ("boxoban-v0", "sokoban_boxoban/medium_valid.jsonl"),
        ("microban-v0", "sokoban_classic/microban.jsonl"),
        ("maze-v0", "mazes/lattice.jsonl"),
        ("maze-path-v0", "mazes/lattice.jsonl"),
        ("bandit-v0", "bandits/instances.jsonl"),
        ("game24-v0", "game24/puzzles.jsonl"),
        ("game24-text-v0", "game24/puzzles.jsonl"),
    ],
)
def test_it_conforms_on_real_data(name: str, file: str, shared_data: Path) -> None:
    row = find(name)
    only = {
        Check.SAME_SEED,
        Check.RESET_OPTIONS,
        Check.GYMNASIUM,
        Check.STATE_JSON,
        Check.LEAKS,
        Check.SPLITS,
        Check.CHEATING,
        Check.EXPERT,
    }
    assert_conforms(row.id, quick=True, kwargs={"data": str(shared_data / file)}, only=only, step_limit_s=20.0)


def test_game24_conforms_on_a_file_of_puzzles(tmp_path: Path) -> None:
    path = tmp_path / "24.csv"
    path.write_text(PUZZLES, encoding="utf-8")
    for name in ("rlvr/game24-v0", "rlvr/game24-text-v0"):
        assert_conforms(name, quick=True, kwargs={"data": str(path)})


@ALL
def test_the_table_tells_the_truth(row: EnvRow, kwargs_of: Any) -> None:
    env: Any = gym.make(row.id, **kwargs_of(row)).unwrapped
    assert isinstance(env, TextEnv)
    assert row.id.startswith("rlvr/") and row.name.rpartition("-v")[2].isdigit()
    assert len(row.summary) < 100 and row.summary.endswith(".")
    if row.data is None:
        assert row.difficulties == env.source.difficulties
    assert (env.blocking, env.thread_safe) == (row.blocking, row.thread_safe)
    low, high = env.rules.reward_range
    assert row.rewards[0] <= low and high <= row.rewards[1]
    assert 0.0 <= row.floor < row.expert_score <= 1.0
    if row.horizon.isdigit():
        for level in row.difficulties or (None,):
            _, info = env.reset(seed=0, options={"difficulty": level} if level else None)
            assert info["steps_left"] == int(row.horizon)


@ALL
def test_its_class_is_documented(row: EnvRow) -> None:
    env_class = _class_of(row)
    text = env_class.__doc__ or ""
    found = [line.strip().removeprefix("## ") for line in text.splitlines() if line.strip().startswith("## ")]
    assert tuple(found) == SECTIONS
    history = text.partition("## Version history")[2]
    assert f"- v{row.name.rpartition('-v')[2]}:" in history


def _class_of(row: EnvRow) -> type[Any]:
    module, _, name = row.entry.partition(":")
    return getattr(__import__(f"rlvr.envs.{module}", fromlist=[name]), name)


def test_every_argument_is_documented() -> None:
    import inspect

    for entry in dict.fromkeys(row.entry for row in ENVS):
        row = next(row for row in ENVS if row.entry == entry)
        env_class = _class_of(row)
        arguments = (env_class.__doc__ or "").partition("## Arguments")[2].partition("## Version history")[0]
        own = [name for name, p in inspect.signature(env_class).parameters.items() if p.kind is p.KEYWORD_ONLY]
        common = ("split", "difficulty", "max_steps", "invalid_penalty", "reveal", "render_mode")
        missing = [name for name in (*own, *common) if f"`{name}`" not in arguments]
        assert not missing, f"{entry} does not document {missing}"


@pytest.mark.parametrize("row", FROM_DATA, ids=lambda row: row.name)
def test_without_its_data_the_error_names_the_command(row: EnvRow) -> None:
    with pytest.raises(UserError, match=f"rlvr data .*{row.data}"):
        gym.make(row.id)


def test_registering_twice_changes_nothing() -> None:
    before = {row.id: gym.spec(row.id) for row in ENVS}
    register_all()
    assert all(gym.spec(row.id) is before[row.id] for row in ENVS)
    assert len({row.id for row in ENVS}) == len(ENVS)


def _fresh(code: str) -> str:
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_ids_are_made_without_an_import() -> None:
    ids = [row.id for row in GENERATED]
    code = (
        "import gymnasium as gym\n"
        f"for name in {ids!r}:\n"
        "    env = gym.make('rlvr:' + name)\n"
        "    observation, info = env.reset(seed=1)\n"
        "    assert observation and info['task_uid']\n"
        "print('made')"
    )
    assert _fresh(code) == "made"


def test_import_rlvr_loads_nothing_heavy() -> None:
    # Gymnasium itself loads what it loads (gymnasium.vector among it); nothing may come on top of that.
    code = (
        "import sys, gymnasium, gymnasium.envs.registration; before = set(sys.modules)\n"
        "import rlvr; print(sorted(name for name in set(sys.modules) - before if not name.startswith('rlvr')))"
    )
    assert _fresh(code) == "[]"
    heavy = ("torch", "transformers", "sympy", "pydantic", "typer", "rich", "math_verify", "httpx")
    assert _fresh(f"import sys, rlvr; print([name for name in {heavy!r} if name in sys.modules])") == "[]"


def test_import_rlvr_loads_none_of_its_own_rooms() -> None:
    code = "import sys, rlvr; print(sorted(name for name in sys.modules if name.startswith('rlvr.')))"
    assert _fresh(code) == "['rlvr.envs', 'rlvr.envs.registry']"


def test_stop_reasons_are_documented() -> None:
    source = Path(sys.modules[StopReason.__module__].__file__ or "").read_text(encoding="utf-8")
    for member in StopReason:
        after = source.partition(f'    {member.name} = "{member.value}"\n')[2]
        assert after.startswith('    """'), f"{member.name} has no docstring"
