"""Environments for a run: made once, lent to one episode after the other."""

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from pydantic import ValidationError

from ..envs import registry
from ..envs.core import TextEnv
from ..tasks.errors import UnknownName, UserError


def make_text_env(env_id: str, kwargs: Mapping[str, Any] | None = None) -> TextEnv[Any]:
    """Make a text environment by its id, without wrappers.

    Raises:
        UnknownName: There is no such id; the message names the nearest.
        UserError: An argument is unknown, or it is not a text environment of the kind that sessions play.
    """
    registry.register_all()
    env_id = canonical_id(env_id)
    try:
        env = gym.make(env_id, disable_env_checker=True, **dict(kwargs or {})).unwrapped
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound):
        known = [*gym.registry, *(row.id for row in registry.ENVS)]
        raise UnknownName("environment", env_id, known) from None
    except ModuleNotFoundError as error:
        module = env_id.partition(":")[0]
        cause = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
        if cause.name != module:
            raise
        raise UserError(f"The module {module!r} of {env_id!r} is not installed.") from None
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is not None:
            raise UserError(_unknown_argument(env_id, unknown[1])) from None
        if not kwargs:
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in kwargs.items())
        said = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UserError(f"{env_id} cannot be made with {given}: {' '.join(said.split()).rstrip('.')}.") from error
    if not isinstance(env, TextEnv):
        raise UserError(f"{env_id} is not a text environment (a subclass of rlvr.envs.core.TextEnv).")
    return env


def canonical_id(env_id: str) -> str:
    """Return the full id of one of our environments (`game24-v0` is `rlvr/game24-v0`); other ids as they are."""
    ours = env_id.startswith((f"{registry.NAMESPACE}/", f"{registry.NAMESPACE}:")) or not {"/", ":"} & set(env_id)
    return registry.find(env_id).id if ours else env_id


def _unknown_argument(env_id: str, name: str) -> str:
    entry = gym.spec(env_id.rpartition(":")[2]).entry_point
    kind: Any = gym.envs.registration.load_env_creator(entry) if isinstance(entry, str) else entry
    bases: tuple[type, ...] = inspect.getmro(kind) if inspect.isclass(kind) else ()
    known = {
        parameter.name
        for base in bases
        if issubclass(base, TextEnv)
        for parameter in inspect.signature(base).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    nearest = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else f" It takes {', '.join(sorted(known))}."
    return f"{env_id} has no argument {name!r}.{hint}"


class EnvPool:
    """Lends environments of one kind; a returned one is lent again, so that data are loaded once.

    Args:
        env_id: The id.
        kwargs: Its arguments.
    """

    def __init__(self, env_id: str, kwargs: Mapping[str, Any]) -> None:
        self._env_id = env_id
        self._kwargs = dict(kwargs)
        self.first = make_text_env(env_id, kwargs)
        """One of the environments, for questions about all of them."""
        self._privileged = frozenset(self.first.privileged)
        self._free = [self.first]

    def lend(self) -> TextEnv[Any]:
        """Return an environment that nobody else has, with a clean slate of privileges."""
        env = self._free.pop() if self._free else make_text_env(self._env_id, self._kwargs)
        env.privileged.clear()
        env.privileged.update(self._privileged)
        return env

    def give_back(self, env: TextEnv[Any]) -> None:
        """Take an environment back."""
        self._free.append(env)

    def close(self) -> None:
        """Close all environments that are here."""
        while self._free:
            self._free.pop().close()
