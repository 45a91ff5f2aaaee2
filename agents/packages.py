"""The versions of what an episode's outcome may depend on."""

import platform
from functools import lru_cache
from importlib import metadata

_PACKAGES = ("rlvr", "gymnasium", "numpy", "pydantic", "math-verify", "sympy")


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide how an episode goes."""
    return dict(_versions())
