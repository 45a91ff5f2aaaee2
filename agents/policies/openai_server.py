"""What kind of server an address leads to, and what it can do beyond OpenAI's interface."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import httpx


class Dialect(StrEnum):
    """Which fields a server takes besides OpenAI's own."""

    OPENAI = "openai"
    """Nothing is known of it: OpenAI's fields, and `top_k` and `min_p` where a request sets them."""
    VLLM = "vllm"
    """vLLM: every sampling parameter, token ids in and out, log-probabilities by token id."""
    TRANSFORMERS = "transformers"
    """`transformers serve`: sampling parameters as a generation config; no log-probabilities, no token ids."""


@dataclass(frozen=True)
class ServerFacts:
    """What was found out about a server."""

    dialect: Dialect = Dialect.OPENAI
    models: tuple[str, ...] = ()
    """The names of the models that it lists."""
    context_length: int | None = None
    """The model's, in tokens, where the server says it."""
    token_ids: bool = False
    """Whether token ids are taken as prompts and given with answers."""
    sampling_logprobs: bool = False
    """Whether log-probabilities are those of the sampling distribution, not of the model's own."""
    status: int = field(default=200, compare=False)
    """What the request for the list of models was answered with."""


_VLLM = "vllm"
"""Who owns the models in vLLM's list."""

DESCRIPTION_S = 5.0
"""How long a server's description of itself is waited for; few servers have one."""

_TRANSFORMERS_PATH = "/load_model"
"""An endpoint that only `transformers serve` has."""


async def look_at(client: httpx.AsyncClient, url: str, model: str) -> ServerFacts:
    """Ask a server for its models, and find out what it is.

    Any HTTP answer is good enough: not every server lists its models.

    Raises:
        httpx.HTTPError: It cannot be reached.
    """
    response = await client.get(f"{url}/models")
    listed = _listed(response)
    own = next((entry for entry in listed if entry["id"] == model), {})
    length = own.get("max_model_len")
    if any(entry.get("owned_by") == _VLLM for entry in listed):
        dialect = Dialect.VLLM
    elif response.status_code not in (401, 403) and await _is_transformers(client, url):
        dialect = Dialect.TRANSFORMERS
    else:
        dialect = Dialect.OPENAI
    return ServerFacts(
        dialect,
        tuple(entry["id"] for entry in listed),
        length if isinstance(length, int) and length > 0 else None,
        status=response.status_code,
    )


def _listed(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the entries of a list of models; none where the answer is no such list."""
    if response.status_code != 200:
        return []
    try:
        data = response.json()
    except ValueError:
        return []
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


async def _is_transformers(client: httpx.AsyncClient, url: str) -> bool:
    """Look for an endpoint of `transformers serve` in the description that FastAPI publishes.

    Asked twice if need be: where it cannot list its models, it answers 500 and closes the connection, which is
    noticed on its next use only.
    """
    parts = urlsplit(url)
    for _ in range(2):
        try:
            async with asyncio.timeout(DESCRIPTION_S):
                response = await client.get(f"{parts.scheme}://{parts.netloc}/openapi.json")
            described = response.json() if response.status_code == 200 else {}
        except httpx.HTTPError:
            continue
        except (TimeoutError, ValueError):
            break
        return isinstance(described, dict) and _TRANSFORMERS_PATH in (described.get("paths") or {})
    return False
