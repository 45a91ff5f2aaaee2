"""The public face: lazy, cheap to import, typed, plain data."""

import json
import pickle
import subprocess
import sys

import pytest

import rlvr
from rlvr.tasks.verify import Verdict, VerdictStatus, VerifyPolicy, verify


def test_rlvr_exports_the_verifier() -> None:
    assert rlvr.verify is verify
    assert rlvr.Verdict is Verdict
    assert rlvr.verify("1/2", "The answer is 0.5.").correct


def test_importing_and_settling_loads_neither_sympy_nor_math_verify() -> None:
    code = (
        "import sys\n"
        "from rlvr.tasks.verify import verify\n"
        "heavy = {'sympy', 'mpmath', 'math_verify', 'pydantic', 'asyncio', 'numpy'}\n"
        "before = heavy & set(sys.modules)\n"
        "assert verify('1/2', r'\\boxed{0.5}').correct and not verify('(1,2)', '(1,3)').correct\n"
        "assert verify(r'\\sqrt8', r'2\\sqrt2').correct\n"
        "print(sorted((heavy - {'asyncio', 'numpy', 'pydantic'}) & set(sys.modules)), before)"
    )
    boot = (
        "import sys, types, importlib.util\n"
        "spec = importlib.util.find_spec('rlvr')\n"
        "package = types.ModuleType('rlvr')\n"
        "package.__path__ = list(spec.submodule_search_locations)\n"
        "sys.modules['rlvr'] = package\n"
    )
    done = subprocess.run([sys.executable, "-c", boot + code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[] set()", done.stderr


def test_a_verdict_is_frozen_plain_data_that_survives_pickle_and_json() -> None:
    verdict = verify("42", "The answer is 43.")
    assert verdict.status is VerdictStatus.WRONG
    assert verdict.extracted == "43"
    assert not verdict.correct
    assert verdict.decided
    assert pickle.loads(pickle.dumps(verdict)) == verdict
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert hash(verdict) == hash(Verdict.from_json(verdict.to_json()))
    with pytest.raises(AttributeError):
        verdict.status = VerdictStatus.CORRECT  # type: ignore[misc]
    with pytest.raises(ValueError, match="rihgt"):
        Verdict.from_json(verdict.to_json() | {"status": "rihgt"})


def test_several_golds_are_alternatives() -> None:
    assert verify(["3", "5"], "5").correct
    assert verify(("3", "5"), r"\boxed{3}").correct
    assert not verify(["3", "5"], "3 or 5").correct
    assert verify([r"\sqrt 8", "5"], r"2\sqrt2").correct
    assert verify([], "5").status is VerdictStatus.ERROR


@pytest.mark.parametrize(("gold", "answer"), [(None, "5"), ("5", None), (5, "5"), (["5", None], "5"), ("5", b"5")])
def test_what_is_no_text_is_an_error_and_no_exception(gold: object, answer: object) -> None:
    verdict = verify(gold, answer)  # type: ignore[arg-type]
    assert verdict.status is VerdictStatus.ERROR
    assert "texts" in verdict.reason


def test_the_policy_is_hashable_and_strict_by_default() -> None:
    policy = VerifyPolicy()
    assert hash(policy) == hash(VerifyPolicy())
    assert policy.tolerance == 0
    assert policy.percent == "exact"
    assert policy.several_boxes == "agree"
    assert not policy.relation_as_interval


def test_the_documentation_s_example_holds() -> None:
    import doctest

    import rlvr.tasks.verify as module

    results = doctest.testmod(module)
    assert results.attempted and not results.failed
