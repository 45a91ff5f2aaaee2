"""Configuration: pydantic models that are read from YAML or a command line, with errors that help."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import UserError


class Config(BaseModel):
    """Base of all configuration: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def read_config(model: type[ConfigT], data: Any, where: str) -> ConfigT:
    """Validate settings.

    Args:
        model: What they should be.
        data: What was given.
        where: What the error message calls them.

    Raises:
        UserError: A key is unknown (the nearest known one is named) or a value is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(model, error)}") from None


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """Return the first problem of a failed validation as one sentence."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _fields_at(model, first["loc"][:-1])
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys are {', '.join(known) or 'none'}."
        return f"there is no key {path!r}; {hint}"
    if first["type"] == "missing":
        return f"the key {path!r} is missing."
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{path}: {message}." if path else f"{message}."


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the model that sits at a location inside another."""
    here: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = getattr(here, "model_fields", {}).get(part)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return []
        here = inner
    return sorted(getattr(here, "model_fields", {}))


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def read_yaml(path: Path) -> Any:
    """Return what a YAML (or JSON) file holds.

    Raises:
        UserError: It cannot be read, or is not YAML; the message names the line.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}.") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise UserError(
            f"{path}{line}: this is not YAML: {getattr(error, 'problem', None) or 'syntax error'}."
        ) from None


def parse_settings(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """Return the `key=value` arguments of a command line as a mapping; values are read as YAML, dots nest.

    Raises:
        UserError: An argument has no key or no `=`.
    """
    import yaml

    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        *path, last = key.strip().split(".")
        if not equals or not last:
            raise UserError(f"{option} takes key=value, not {pair!r}.")
        target = settings
        for part in path:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise UserError(f"{option}: {part!r} cannot both have a value and hold {last!r}.")
        try:
            target[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            target[last] = text
    return settings
