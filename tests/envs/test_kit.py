"""The conformance kit accepts what is sound and rejects each broken environment for its own reason."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from rlvr.envs.testing import Check, assert_conforms, check
from rlvr.envs.testing.honesty import exceeds
from rlvr.tasks.errors import UserError

from .broken import actions, honesty, interface, randomness, saving
from .broken.healthy import LockEnv, SumEnv

BROKEN = (*randomness.BROKEN, *saving.BROKEN, *actions.BROKEN, *honesty.BROKEN, *interface.BROKEN)


@pytest.mark.parametrize("env", [LockEnv, SumEnv], ids=lambda env: env.__name__)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sound_environments_pass_every_check(env: Any, seed: int) -> None:
    report = check(env, quick=True, seed=seed, floor=env.floor)
    assert report.ok, report.render()
    assert report.exit_code == 0
    assert {finding.check for finding in report.findings} == set(Check)
    may_skip = (
        {Check.STEP_LIMIT, Check.SNAPSHOT_COST, Check.LEGAL_ACTIONS, Check.EXHAUSTIVE} if env is SumEnv else set()
    )
    assert {finding.check for finding in report.findings if finding.skipped} == may_skip


# Gymnasium's async vector environment prints what its processes raise, as warnings.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("env", BROKEN, ids=lambda env: env.__name__)
def test_each_broken_environment_is_rejected_for_its_own_reason(env: Any) -> None:
    report = check(env, quick=True, floor=env.floor, step_limit_s=1.0)
    assert [finding.check for finding in report.failures] == [env.caught_by], report.render()
    assert report.exit_code == 1


def test_every_check_rejects_some_broken_environment() -> None:
    assert {env.caught_by for env in BROKEN} == set(Check)


def test_what_must_hold_first_is_reported_alone() -> None:
    report = check(randomness.GlobalRandom, quick=True)
    skipped = {finding.check: finding.detail for finding in report.findings if finding.skipped}
    assert "global-random must hold first" in skipped[Check.SAME_SEED]
    assert Check.SNAPSHOT in skipped and Check.VECTOR in skipped


def test_only_runs_what_is_asked_for_and_what_it_needs() -> None:
    seen: list[Check] = []
    report = check(LockEnv, quick=True, only={Check.SAME_SEED}, progress=lambda finding: seen.append(finding.check))
    ran = [Check.CONTRACT, Check.INFO, Check.GLOBAL_RANDOM, Check.SAME_SEED]
    assert [finding.check for finding in report.findings] == ran == seen


def test_assert_conforms_names_the_broken_promise() -> None:
    assert_conforms(LockEnv, quick=True, only={Check.SCORE})
    with pytest.raises(AssertionError, match=r"score: a score was 2\.0; scores lie in \[0, 1\]"):
        assert_conforms(honesty.DoubleScore, quick=True, only={Check.SCORE})


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (saving.BytesJson, r"\['state'\]\['dialled'\] is of type bytes; override state_to_json and state_from_json"),
        (
            saving.ForgetfulJson,
            r"field 'dialled' was \d and is read back as 0: override state_to_json and state_from_json",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_state_that_json_does_not_keep_is_named_with_the_remedy(env: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        assert_conforms(env, quick=True, only={Check.STATE_JSON})


def test_a_report_renders_and_serialises() -> None:
    report = check(honesty.DoubleScore, quick=True, only={Check.SCORE})
    assert "FAIL score" in report.render() and "ok   info" not in report.render()
    assert "ok   info" in report.render(verbose=True)
    data = json.loads(report.dumps())
    assert data["ok"] is False and data["env"] == "DoubleScore"
    assert [finding["check"] for finding in data["findings"] if not finding["ok"]] == ["score"]


def test_a_lambda_travels_to_the_other_process() -> None:
    report = check(lambda **kwargs: LockEnv(**kwargs), quick=True)
    assert report.ok and not any(finding.skipped for finding in report.findings), report.render(verbose=True)


def test_a_factory_that_no_other_process_can_have_is_checked_as_far_as_possible() -> None:
    lock = threading.Lock()

    def factory(**kwargs: Any) -> LockEnv:
        with lock:
            return LockEnv(**kwargs)

    report = check(factory, quick=True, only=set(Check) - {Check.VECTOR})
    assert report.ok, report.render()
    skipped = {finding.check: finding.detail for finding in report.findings if finding.skipped}
    assert skipped.keys() == {Check.PROCESSES} and "top of a module" in skipped[Check.PROCESSES]


SCRIPT = """
from rlvr.envs.testing import check
from tests.envs.broken.healthy import LockEnv

class MyEnv(LockEnv):
    pass

print("started")
report = check(MyEnv, quick=True)
print(report.render(verbose=True))
"""


def test_a_script_is_not_run_again_by_the_other_process(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("started") == 1
    assert "32 of 32 checks passed" in result.stdout


def test_a_module_that_checks_itself_when_imported_starts_no_endless_chain(tmp_path: Path) -> None:
    (tmp_path / "unguarded.py").write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(tmp_path)))}
    result = subprocess.run(
        [sys.executable, "-c", "import unguarded"], capture_output=True, text=True, timeout=120, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("started") == 1
    assert "32 of 32 checks passed" in result.stdout


def test_an_unknown_id_is_a_users_error_that_names_the_nearest() -> None:
    with pytest.raises(UserError, match="rlvr/game24-v0"):
        check("rlvr/game42-v0", quick=True)
    with pytest.raises(UserError, match="no-such-namespace"):
        check("no-such-namespace/thing-v0", quick=True)


def test_ids_of_others_are_checked_too() -> None:
    gym.register("kit/lock-v0", entry_point=LockEnv)
    try:
        report = check("kit/lock-v0", quick=True)
    finally:
        del gym.registry["kit/lock-v0"]
    assert report.ok, report.render()
    assert report.env == "kit/lock-v0"


def test_arguments_that_are_not_json_are_found() -> None:
    report = check(LockEnv, quick=True, kwargs={"difficulty": ("3-digits",)})
    assert [finding.check for finding in report.failures] == [Check.CONTRACT]


@pytest.mark.parametrize(
    ("mean", "floor", "plays", "more_than_luck"),
    [
        (0.0, 0.0, 10, False),
        (0.01, 0.0, 100, True),  # At floor 0 nothing may ever score.
        (1 / 24, 0.01, 24, False),
        (12 / 24, 0.01, 24, True),
        (0.55, 0.5, 64, False),
        (0.55, 0.5, 4000, True),
        (1.0, 0.5, 64, True),
        (1.0, 1.0, 64, False),
    ],
)
def test_a_floor_is_exceeded_only_beyond_luck(mean: float, floor: float, plays: int, more_than_luck: bool) -> None:
    assert exceeds(mean, floor, plays) is more_than_luck


def test_the_kit_needs_no_test_framework() -> None:
    code = "import sys, rlvr.envs.testing; print(sorted({'pytest', 'hypothesis', '_pytest'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
