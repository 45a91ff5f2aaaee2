"""Ten thousand resets of every family leave the memory flat."""

import pytest

import rlvr  # noqa: F401 (registers the ids)
from rlvr.envs.registry import ENVS
from rlvr.envs.testing.memory import MAX_GROWTH_BYTES
from rlvr.envs.testing.subject import FULL, Subject

RESETS = 10_000
FAMILIES = sorted({row.family for row in ENVS})


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_ten_thousand_resets_leave_the_memory_flat(family: str) -> None:
    # The first id of a family that makes its own tasks, at its easiest level.
    row = next(row for row in ENVS if row.family == family and row.data is None)
    subject = Subject(row.id, {}, FULL, 0, 10.0)
    try:
        seen = subject.elsewhere().call("memory", resets=RESETS, warm_up=RESETS // 4, budget_s=250.0, options={})
    finally:
        subject.close()
    assert seen["resets"] == RESETS
    assert seen["grown"] < MAX_GROWTH_BYTES, f"{row.id} grew by {seen['grown'] / 2**20:.1f} MB"
