"""Chat templates as programs: Jinja in a sandbox, with the names that published templates expect."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ...tasks.errors import MissingExtra


def compile_template(source: str, today: datetime | None = None) -> Callable[..., str]:
    """Return a function of the template's variables.

    The environment is the one that templates on the Hugging Face hub are written for: blocks are trimmed, `break` and
    `continue` exist, `tojson` escapes no HTML, `raise_exception` refuses, `{% generation %}` marks nothing.

    Args:
        source: The template's text.
        today: What `strftime_now` shows; the time of this call if None, and the same ever after.

    Raises:
        MissingExtra: Jinja is not installed.
        jinja2.TemplateSyntaxError: The text is no template.
    """
    try:
        import jinja2
        from jinja2.ext import Extension, loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise MissingExtra("jinja2", "hf") from None

    class Generation(Extension):
        """`{% generation %} ... {% endgeneration %}`: shown as it stands."""

        tags = {"generation"}  # noqa: RUF012 (jinja's own declaration)

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.Scope(body).set_lineno(line)

    clock = today or datetime.now()

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = clock.strftime
    return environment.from_string(source).render


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
