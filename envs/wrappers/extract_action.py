"""Let an agent hand in its whole reply."""

from typing import Any

import gymnasium as gym

from ...tasks.extract import ExtractionRule, extract


class ExtractAction(gym.ActionWrapper[str, str, str], gym.utils.RecordConstructorArgs):
    """Reads the action out of a model's reply (see `tasks.extract`).

    A reply without an action is handed on as the empty text, which the environment answers as an invalid action.

    Args:
        env: A text environment.
        rule: Where in the reply the action stands: raw, tag, json, boxed, last_line or auto.
    """

    def __init__(self, env: gym.Env[str, str], rule: str = "auto") -> None:
        gym.utils.RecordConstructorArgs.__init__(self, rule=str(rule))
        super().__init__(env)
        self._rule = ExtractionRule(rule)
        rules: Any = getattr(env.unwrapped, "rules", None)
        self._specs = rules.actions if rules is not None else ()

    def action(self, action: str) -> str:
        """Return the action inside the reply."""
        found = extract(action, self._rule, self._specs)
        return "" if found is None else found.action
