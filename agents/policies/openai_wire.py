"""What is written to an OpenAI-compatible server, and how its answers are read."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from ..types import Completion, FinishReason, Message, Request, Sampling, TextPart, ToolCall, Usage
from .openai_server import Dialect, ServerFacts

MOST_TOP_LOGPROBS = 20
"""vLLM's own limit where it was started without another."""

_FINISH = {
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_BROKEN = frozenset({"error", "abort"})
_REASONING = ("reasoning_content", "reasoning")
_TOKEN = re.compile(r"token_id:(\d+)")


class Fault(Exception):
    """One attempt failed in a way that another may mend."""

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


# Asking


def chat_body(request: Request, model: str, facts: ServerFacts, length_field: str) -> dict[str, Any]:
    """Return the body of `POST /chat/completions` for a request of messages."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": model, "messages": [_message(message) for message in request.messages or ()]}
    body |= _sampling(sampling, facts.dialect, _limit(sampling, facts), length_field)
    if sampling.logprobs or sampling.top_logprobs:
        body["logprobs"] = True
    if sampling.top_logprobs:
        body["top_logprobs"] = min(sampling.top_logprobs + 1, MOST_TOP_LOGPROBS)  # the sampled token may take a place
    if facts.token_ids:
        body |= _ids_wanted(sampling)
    if request.tools:
        body["tools"] = list(request.tools)
    return body


def ids_body(request: Request, model: str, facts: ServerFacts) -> dict[str, Any]:
    """Return the body of `POST /completions` for a request of token ids."""
    sampling, ids = request.sampling, request.token_ids or ()
    limit = _limit(sampling, facts)
    if facts.context_length is not None:
        limit = min(limit, facts.context_length - len(ids))
    body: dict[str, Any] = {"model": model, "prompt": list(ids)}
    body |= _sampling(sampling, facts.dialect, limit, "max_tokens") | _ids_wanted(sampling)
    if sampling.logprobs or sampling.top_logprobs:
        body["logprobs"] = sampling.top_logprobs
    return body


def _limit(sampling: Sampling, facts: ServerFacts) -> int:
    """Return the length limit; vLLM refuses one beyond the context, and lowers any other to the room there is."""
    return min(sampling.max_tokens, facts.context_length or sampling.max_tokens)


def _sampling(sampling: Sampling, dialect: Dialect, limit: int, length_field: str) -> dict[str, Any]:
    """Return the sampling parameters.

    vLLM and transformers fill in what is left unsaid from the model's `generation_config.json` (top-k 20, a
    repetition penalty), so they are told everything.
    """
    said: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p, length_field: limit}
    if sampling.stop:
        said["stop"] = list(sampling.stop)
    if dialect is Dialect.VLLM:
        said |= {"top_k": sampling.top_k or -1, "min_p": sampling.min_p, "repetition_penalty": 1.0}
        if sampling.ignore_eos:
            said["ignore_eos"] = True
    elif dialect is Dialect.TRANSFORMERS:
        drawn = {"top_p": sampling.top_p, "top_k": sampling.top_k, "min_p": sampling.min_p or None}
        greedy = sampling.temperature == 0
        config = {"do_sample": False} if greedy else {"do_sample": True, "temperature": sampling.temperature, **drawn}
        said = {name: said[name] for name in (length_field, "stop") if name in said}
        said["generation_config"] = json.dumps({**config, "repetition_penalty": 1.0})
    else:
        if sampling.top_k:
            said["top_k"] = sampling.top_k
        if sampling.min_p:
            said["min_p"] = sampling.min_p
    return said


def _ids_wanted(sampling: Sampling) -> dict[str, Any]:
    wanted: dict[str, Any] = {"return_token_ids": True}
    if sampling.top_logprobs:
        wanted["return_tokens_as_token_ids"] = True
    return wanted


def _message(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role}
    if isinstance(message.content, str):
        said["content"] = message.content
    else:
        said["content"] = [
            {"type": "text", "text": part.text}
            if isinstance(part, TextPart)
            else {"type": "image_url", "image_url": {"url": part.url}}
            for part in message.content
        ]
    if message.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        said["tool_call_id"] = message.tool_call_id
    return said


# Reading


def read_answer(data: Any, request: Request, strike: Callable[[str], str]) -> Completion:
    """Read an answer of either endpoint.

    Args:
        data: The answer as JSON; a stream was merged into one (see `openai_stream`).
        request: What was asked.
        strike: Takes the key out of a text.

    Raises:
        Fault: It is no completion, or an empty one that the model did not end itself.
    """
    try:
        choice = data["choices"][0]
        said = choice["message"] if "message" in choice else {"content": choice["text"]}
        reason = choice.get("finish_reason")
        if reason in _BROKEN:
            raise Fault(f"the server broke the answer off{quoted(error_words(choice, strike))}")
        text, cut = _until_stop(strike(_text(said.get("content") or said.get("refusal"))), request.sampling.stop)
        reasoning = next((strike(said[name]) for name in _REASONING if said.get(name)), None)
        calls = tuple(_call(call, number, strike) for number, call in enumerate(said.get("tool_calls") or ()))
        ended = reason in ("stop", "length")  # an empty reply of the model's own is a reply
        if not text and not calls and not ended and not reasoning:
            raise Fault("the answer is empty")
        ids, prompt_ids = _ids(choice.get("token_ids")), _ids(_prompt_ids(data, choice))
        logprobs, top = _logprobs(choice.get("logprobs"), request.sampling)
        if ids is not None and logprobs is not None and len(ids) != len(logprobs):
            raise Fault(f"the answer has {len(logprobs)} log-probabilities for {len(ids)} tokens")
        return Completion(
            text=text,
            token_ids=ids,
            logprobs=logprobs,
            prompt_token_ids=prompt_ids,
            finish_reason=FinishReason.STOP if cut else _FINISH.get(reason, FinishReason.STOP),
            usage=_usage(
                data.get("usage") or {},
                len(prompt_ids or request.token_ids or ()) or _tokens_in(_prompt_text(request)),
                len(ids) if ids else len(logprobs) if logprobs else _tokens_in(_reply_text(text, reasoning, calls)),
            ),
            tool_calls=calls,
            top_logprobs=top,
            reasoning=reasoning,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, ValidationError):
        pass
    raise Fault(f"the answer holds no completion{quoted(error_words(data, strike))}")  # raised without its cause,
    # whose message shows the answer's text


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content)
    if not isinstance(content, str | None):
        raise TypeError("neither a text nor a list of parts")
    return content or ""


def _until_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Cut a text at the first stop string; `transformers serve` leaves it in."""
    found = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


def _call(call: dict[str, Any], number: int, strike: Callable[[str], str]) -> ToolCall:
    arguments = call["function"].get("arguments") or ""
    return ToolCall(
        id=strike(str(call.get("id") or number)),
        name=strike(call["function"]["name"]),
        arguments=strike(arguments if isinstance(arguments, str) else json.dumps(arguments)),
    )


def _prompt_ids(data: dict[str, Any], choice: dict[str, Any]) -> Any:
    return choice["prompt_token_ids"] if "prompt_token_ids" in choice else data.get("prompt_token_ids")


def _ids(values: Any) -> tuple[int, ...] | None:
    return None if values is None else tuple(int(value) for value in values)


def _logprobs(
    scored: Any, sampling: Sampling
) -> tuple[tuple[float, ...] | None, tuple[tuple[tuple[int, float], ...], ...] | None]:
    """Return the log-probabilities of the sampled tokens, and of the likeliest at every position."""
    if not scored:
        return None, None
    if "token_logprobs" in scored:  # of /completions
        values = [float(value) for value in scored["token_logprobs"]]
        tables = [list((table or {}).items()) for table in scored.get("top_logprobs") or ()]
    else:
        if scored.get("content") is None:
            return None, None
        values = [float(token["logprob"]) for token in scored["content"]]
        tables = [
            [(other["token"], other["logprob"]) for other in token.get("top_logprobs") or ()]
            for token in scored["content"]
        ]
    top = None
    if sampling.top_logprobs:
        top = tuple(_likeliest(table, sampling.top_logprobs) for table in tables)
    return tuple(values), top


def _likeliest(table: Sequence[tuple[str, Any]], count: int) -> tuple[tuple[int, float], ...]:
    found = ((_TOKEN.fullmatch(token), float(value)) for token, value in table)
    known = {int(token[1]): value for token, value in found if token is not None}
    return tuple(sorted(known.items(), key=lambda one: (-one[1], one[0]))[:count])


def _usage(reported: dict[str, Any], prompt: int, completion: int) -> Usage:
    """Return what the server reported; what it left out is taken from what was counted or estimated here."""
    prompt = _number(reported.get("prompt_tokens"), prompt)
    completion = _number(reported.get("completion_tokens"), completion)
    details = reported.get("prompt_tokens_details") or {}
    cached = _number(details.get("cached_tokens"), 0)
    return Usage(
        prompt_tokens=prompt, completion_tokens=completion, decoded_tokens=completion, cached_tokens=min(cached, prompt)
    )


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise


def _tokens_in(text: str) -> int:
    """Estimate: a token for every four bytes begun."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def _prompt_text(request: Request) -> str:
    """Return what of a request is text; pictures, whose price differs from model to model, count nothing."""
    pieces = [json.dumps(tool) for tool in request.tools]
    for message in request.messages or ():
        parts = (TextPart(text=message.content),) if isinstance(message.content, str) else message.content
        pieces += [part.text for part in parts if isinstance(part, TextPart)]
        pieces += [call.name + call.arguments for call in message.tool_calls]
    return "".join(pieces)


def _reply_text(text: str, reasoning: str | None, calls: Sequence[ToolCall]) -> str:
    return "".join([reasoning or "", text, *(call.name + call.arguments for call in calls)])


# Refusals

LONGEST_QUOTE = 300
"""Characters of a server's own words that an error repeats."""

_UNKNOWN_FIELD = re.compile(
    r"unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra (inputs|fields)"
    r"|does not support|invalid (field|parameter|argument)",
    re.IGNORECASE,
)
_HINTS = {
    "top_k": "set top_k to 0",
    "min_p": "set min_p to 0",
    "max_tokens": "use --policy-set max_tokens_field=max_completion_tokens",
    "max_completion_tokens": "use --policy-set max_tokens_field=max_tokens",
    "stream_options": "use --policy-set stream=false",
    "stream": "use --policy-set stream=false",
    "seed": "use --policy-set send_seed=false",
    "temperature": "leave it at 1",
    "top_p": "leave it at 1",
    "logprobs": "ask for no log-probabilities",
    "top_logprobs": "ask for no log-probabilities",
    "return_token_ids": "use --policy-set server=openai",
    "generation_config": "use --policy-set server=openai",
    "repetition_penalty": "use --policy-set server=openai",
    "tools": "choose a form of reply without tools",
    "stop": "use no stop strings",
}


def refused_field(words: str, body: dict[str, Any], extra: dict[str, Any]) -> str | None:
    """Return what to do if a refusal says that the server does not know a field that was sent, else None."""
    if not _UNKNOWN_FIELD.search(words):
        return None
    named = [name for name in body if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)]
    for name in [*(name for name in named if name in extra), *(name for name in _HINTS if name in named)]:
        hint = "leave it out of --policy-set extra" if name in extra else _HINTS[name]
        return f"does not take the field {name}; {hint}"
    return None


def error_words(data: Any, strike: Callable[[str], str]) -> str:
    """Return the server's own words about an error, in one short line without the key; nothing where it has none."""
    place = ""
    for name in ("error", "detail", "message", "msg"):
        if isinstance(data, list) and data:
            data = data[0]
        if isinstance(data, dict) and data.get(name):
            where = data.get("loc")  # FastAPI's: which field is meant
            place = f"{where[-1]}: " if isinstance(where, list) and where else place
            data = data[name]
    if not isinstance(data, str):
        return ""
    words = " ".join(strike(place + data).split()).rstrip(".")
    return words if len(words) <= LONGEST_QUOTE else f"{words[:LONGEST_QUOTE].rstrip()} ..."


def quoted(words: str) -> str:
    """Return words as the end of a sentence that says what the server answered."""
    return f": {words}" if words else ""
