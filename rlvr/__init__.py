"""rlvr: a gym for language agents.

`import rlvr` registers every environment id with Gymnasium and does nothing more; everything else
loads on first use.
"""

from typing import TYPE_CHECKING, Any

from rlvr.envs.registry import register_all

if TYPE_CHECKING:
    from rlvr.agents.evaluate import evaluate as evaluate
    from rlvr.tasks.verify import Verdict as Verdict
    from rlvr.tasks.verify import verify as verify

__version__ = "0.1.0"
__all__ = ["Verdict", "__version__", "evaluate", "verify"]

_LAZY = {
    "verify": "rlvr.tasks.verify",
    "Verdict": "rlvr.tasks.verify",
    "evaluate": "rlvr.agents.evaluate",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'rlvr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


register_all()
