"""The conformance kit: `check` tests any text environment, ours or yours, against the promises of `Check`.

    >>> from rlvr.envs.testing import check
    >>> print(check("rlvr/game24-v0", quick=True).render())  # doctest: +SKIP

In a test-suite of your own, `assert_conforms(MyEnv, quick=True)` fails with a list of what is broken.
"""

from .report import Check, Finding, Report
from .suite import assert_conforms, check

__all__ = ["Check", "Finding", "Report", "assert_conforms", "check"]
