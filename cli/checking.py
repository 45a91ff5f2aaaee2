"""`rlvr check`."""

import sys
from collections.abc import Sequence

from ..agents.lease import canonical_id, make_text_env
from ..envs.testing import Finding, check
from ..tasks.config import parse_settings
from .output import import_modules, say


def check_env(env_id: str, *, quick: bool, settings: Sequence[str], modules: Sequence[str], verbose: bool) -> int:
    """Run the conformance kit and print its report; returns 1 if a promise is broken, else 0."""
    import_modules(modules, env_id)
    kwargs = parse_settings(settings, "--set")
    env_id = canonical_id(env_id)
    make_text_env(env_id, kwargs).close()  # what is wrong with id or arguments is said at once
    env_id = env_id.rpartition(":")[2]  # its module is imported

    def progress(finding: Finding) -> None:
        say(f"{finding.check}")

    report = check(env_id, quick=quick, kwargs=kwargs, progress=progress if sys.stderr.isatty() else None)
    print(report.render(verbose=verbose))
    return report.exit_code
