"""Our own labelled table: every row of cases.jsonl gets the verdict it is labelled with."""

import json
from collections import Counter
from pathlib import Path

import pytest

from rlvr.tasks.verify import VerdictStatus, VerifyPolicy, verify

CASES = [json.loads(line) for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()]


def name(case: dict) -> str:
    text = f"{case['kind']}-{case['gold']}-{case['answer']}"
    return text.encode("ascii", "backslashreplace").decode()[:70]


@pytest.mark.parametrize("case", CASES, ids=name)
def test_the_verdict_is_the_labelled_one(case: dict) -> None:
    verdict = verify(case["gold"], case["answer"], policy=VerifyPolicy(**case.get("policy", {})))
    assert verdict.correct == case["expected"], verdict
    if "status" in case:
        assert verdict.status == case["status"], verdict
    elif case["kind"] != "error":
        assert verdict.decided, verdict
    assert verdict.reason.endswith(".")
    assert verdict.seconds > 0 or verdict.status is VerdictStatus.ERROR


def test_the_table_is_large_and_covers_every_kind() -> None:
    kinds = Counter(case["kind"] for case in CASES)
    assert len(CASES) >= 150
    assert {
        "number",
        "algebra",
        "relation",
        "collection",
        "unit",
        "word",
        "extraction",
        "hedge",
        "policy",
        "hostile",
    } <= (kinds.keys())
    assert len({json.dumps(case, sort_keys=True) for case in CASES}) == len(CASES)


def test_every_switch_of_the_policy_has_a_case_that_it_changes() -> None:
    labels: dict[tuple[str, str], set[bool]] = {}
    switches: dict[tuple[str, str], set[str]] = {}
    for case in CASES:
        if case["kind"] == "policy":
            key = (case["gold"], case["answer"])
            labels.setdefault(key, set()).add(case["expected"])
            switches.setdefault(key, set()).update(case.get("policy", {}))
    changing = {switch for key, names in switches.items() if len(labels[key]) == 2 for switch in names}
    assert changing == set(VerifyPolicy._fields)


SYMMETRIC = [
    case
    for case in CASES
    if case["kind"] in ("number", "algebra", "collection") and case["expected"] and "note" not in case
]


@pytest.mark.parametrize("case", SYMMETRIC, ids=name)
def test_an_accepted_pair_is_accepted_the_other_way_round(case: dict) -> None:
    assert verify(case["answer"], case["gold"]).correct
