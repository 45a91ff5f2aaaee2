"""Checks of actions: what is legal, what is accepted, what the grammar says, and any text at all."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from ...tasks.actions import all_commands, format_call, match_action
from ...tasks.rng import Rng
from .process import Crashed, OutOfTime
from .report import NotApplicable, Violation
from .subject import Subject
from .traces import JUNK, Walk, shown

MAX_ECHO = 20_000
"""The most characters that an observation, message or reason may have after a giant text."""
MAX_CANDIDATES = 400
MAX_STATES = 12


def legal_actions(subject: Subject) -> str:
    """See `Check.LEGAL_ACTIONS`."""
    env = subject.bare()
    count = 0
    for info, saved in _states(env, subject, MAX_STATES * 2):
        legal = info["legal_actions"]
        if len(set(legal)) != len(legal):
            raise Violation(f"legal_actions has {shown(_repeated(legal))} twice")
        if env.legal_actions() != legal:
            raise Violation("legal_actions() and info['legal_actions'] differ")
        for action in legal:
            env.restore(saved)
            after = env.step(action)[4]
            if not after["action_is_valid"]:
                raise Violation(
                    f"the legal action {shown(action)} was refused: {after['invalid']}; leave it out of "
                    "legal_actions or accept it"
                )
            count += 1
    if not count:
        raise NotApplicable("no state has finitely many legal actions")
    return f"{count} legal actions were accepted"


def _repeated(items: tuple[str, ...]) -> str:
    seen: set[str] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return ""


def _states(env: Any, subject: Subject, count: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield states along walks that have legal actions, with their snapshots."""
    walk = subject.walk("states")
    seeds = itertools.cycle(subject.seeds(subject.sizes.episodes))
    found = 0
    for _ in range(count):
        _, info = env.reset(seed=next(seeds))
        for _ in range(subject.sizes.steps):
            if info["legal_actions"] and info["stop_reason"] is None:
                saved = env.snapshot()
                yield info, saved
                env.restore(saved)
                found += 1
                if found >= count:
                    return
            _, _, terminated, truncated, info = env.step(walk.choose(env, info))
            if terminated or truncated:
                break


def exhaustive(subject: Subject) -> str:
    """See `Check.EXHAUSTIVE`."""
    env = subject.bare()
    if not getattr(getattr(env, "rules", None), "exhaustive", False):
        raise NotApplicable("the rules do not claim that the legal actions are all there are")
    states = list(_states(env, subject, MAX_STATES))
    candidates = _candidates(env, [info["legal_actions"] for info, _ in states], subject.seed)
    count = 0
    for info, saved in states:
        outcomes = {_outcome(env, saved, action) for action in info["legal_actions"]}
        for text in candidates:
            if text in info["legal_actions"]:
                continue
            outcome = _outcome(env, saved, text)
            if outcome is not None and outcome not in outcomes:
                raise Violation(
                    f"{shown(text)} is accepted and does what none of the legal actions does; "
                    "list it, refuse it, or drop exhaustive=True"
                )
            count += 1
    return f"{count} other texts were refused, or are another spelling of a legal action"


def _outcome(env: Any, saved: Any, action: str) -> tuple[Any, ...] | None:
    """What an action leads to, None if it is refused."""
    env.restore(saved)
    _, reward, terminated, _, info = env.step(action)
    if not info["action_is_valid"]:
        return None
    return info["state_key"], float(reward), terminated, info["score"], info["stop_reason"]


def _candidates(env: Any, legal: list[tuple[str, ...]], seed: int) -> list[str]:
    """Texts that look like actions: legal ones of other states, examples, and all that the choices spell out."""
    texts = dict.fromkeys([*env.examples, *(action for actions in legal for action in actions)])
    for spec in env.rules.actions:
        texts.update(dict.fromkeys(all_commands((spec,)) or ()))
    found = list(texts)
    if len(found) > MAX_CANDIDATES:
        found = Rng.named("candidates", seed).sample(found, MAX_CANDIDATES)
    return [*found, *(text.upper() for text in found[:20]), *(f"  {text} " for text in found[:20])]


def grammar(subject: Subject) -> str:
    """See `Check.GRAMMAR`."""
    env = subject.bare()
    pattern = re.compile(env.action_grammar, re.IGNORECASE)
    for example in env.examples:
        if not pattern.fullmatch(example):
            raise Violation(f"the example {shown(example)} does not match action_grammar")
    for info, _ in itertools.islice(_states(env, subject, 4), 4):
        for action in info["legal_actions"]:
            if not pattern.fullmatch(action):
                raise Violation(f"the legal action {shown(action)} does not match action_grammar")
    specs = getattr(getattr(env, "rules", None), "actions", None)
    if specs is None:
        return f"{len(env.examples)} examples match the grammar; there are no ActionSpecs to compare"
    _check_definitions(env, specs)
    for spec in specs:
        call = match_action(specs, spec.example)
        if call is None or call.name != spec.name:
            raise Violation(f"the example of {spec.name!r} is read as {call.name if call else 'nothing'!r}")
        missing = {param.name for param in spec.params} - call.arguments.keys()
        if missing:
            raise Violation(f"the pattern of {spec.name!r} does not give the argument {min(missing)!r} a group")
        written = format_call(specs, call.name, call.arguments)
        again = None if written is None else match_action(specs, written)
        # A kind that takes any text takes its own command for an argument, so only the name can come back.
        takes_all = re.fullmatch(spec.pattern, JUNK, re.IGNORECASE) is not None
        if again is None or again.name != call.name or (again != call and not takes_all):
            raise Violation(f"{spec.name!r} written from the arguments of its example is not read back the same")
    return f"{len(specs)} kinds of action: examples, patterns, schema and tools agree"


def _check_definitions(env: Any, specs: Any) -> None:
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise Violation("two kinds of action have the same name")
    schema, tools = env.action_schema, env.tools
    for what, value in (("action_schema", schema), ("tools", tools)):
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise Violation(f"{what} must be a JSON value: {error}") from None
    if [kind["properties"]["action"]["const"] for kind in schema["oneOf"]] != names:
        raise Violation("action_schema must have one entry a kind of action, in order")
    if [tool["function"]["name"] for tool in tools] != names:
        raise Violation("tools must have one function a kind of action, in order")
    for spec, kind, tool in zip(specs, schema["oneOf"], tools, strict=True):
        wanted = [param.name for param in spec.params]
        if kind["required"] != ["action", *wanted] or tool["function"]["parameters"]["required"] != wanted:
            raise Violation(f"schema and tool of {spec.name!r} must require exactly its parameters")
        for param in spec.params:
            pattern = re.compile(spec.pattern, re.IGNORECASE)
            if param.name not in pattern.groupindex:
                raise Violation(f"the pattern of {spec.name!r} has no group named {param.name!r}")


def nasty_texts(examples: tuple[str, ...]) -> list[str]:
    """Return texts that have broken parsers before: encodings, sizes, nesting, numbers, repetition."""
    example = examples[0]
    return [
        "",
        " ",
        "\n\n\n",
        "\x00",
        "\x00" * 1000,
        "\ud800",
        "\udfff\ud800",
        f"{example}\udc80",
        f"{example}\x00",
        f"\ufeff{example}",
        f"{example}\u202e\u200b",
        "\u0661 + \u0662",
        "\u00b2 \u2155 \u2167 \u4e94",
        "e\u0301" * 500,
        "\U0001f469\u200d\U0001f680" * 200,
        "".join(chr(0xFF00 + ord(c) - 0x20) if "!" <= c <= "~" else c for c in example),
        example.upper(),
        f"{example} " * 2000,
        f"{example}\n" * 2000,
        f"<action>{example}</action>",
        f"\\boxed{{{example}}}",
        "\\boxed{" * 5000,
        "{" * 20_000,
        "(" * 100_000,
        "(" * 20_000 + "1" + ")" * 20_000,
        "-" * 50_000 + "1",
        "[" * 100_000,
        "9" * 1_000_000,
        "a" * 1_000_000,
        " " * 1_000_000,
        "\n" * 200_000,
        " " * 50_000 + "x",
        "a" * 50_000 + "!",
        "1 " * 50_000,
        "1" + "+1" * 20_000,
        "1" + "/0",
        "0/0",
        "9^{9^{9}}",
        "9**9**9**9",
        "(10^{10})!",
        "1e999999",
        "-1e-999999",
        "nan",
        "inf",
        "None",
        "\\frac{" * 2000,
        "\\sqrt" * 5000,
        "$" * 10_001,
        "{0.__class__.__mro__}",
        "%s%n%d" * 100,
        "__import__('os').system('true')",
        '{"action": "' + "x" * 1000,
        '{"action": ' * 500,
        "'; DROP TABLE episodes; --",
        "../../etc/passwd",
        "=" * 30_000,
        ":" * 30_000 + "answer",
        "answer:" * 10_000,
    ]


def random_text(rng: Rng, seeds: list[str]) -> str:
    """Return a random text: any code points, surrogates too, or a mangled piece of the given texts."""
    if seeds and rng.below(2):
        characters = list(rng.choice(seeds)[:200])
        for _ in range(1 + rng.below(4)):
            position = rng.below(len(characters) + 1)
            if rng.below(3):
                characters.insert(position, chr(rng.below(0x3000)))
            elif characters:
                characters.pop(min(position, len(characters) - 1))
        return "".join(characters)
    top = rng.choice((0x80, 0x800, 0x10000, 0x110000))
    return "".join(chr(rng.below(top)) for _ in range(rng.below(1 << rng.below(12))))


def fuzz(subject: Subject) -> str:
    """See `Check.FUZZ`."""
    env = subject.bare()
    _, info = env.reset(seed=subject.seed)
    seeds = [*env.examples, *(info["legal_actions"] or ())[:20]]
    rng = Rng.named("fuzz", subject.seed)
    texts = nasty_texts(env.examples) + [random_text(rng, seeds) for _ in range(subject.sizes.fuzz)]
    where = subject.apart()
    slowest = 0.0
    for i, text in enumerate(texts):
        about = f"{shown(text)} ({len(text)} characters)"
        try:
            outcome = where.call("fuzz", subject.step_limit_s + 1.0, seed=i, text=text)
        except OutOfTime:
            raise Violation(f"the text {about} took more than {subject.step_limit_s:g} s") from None
        except Crashed as error:
            raise Violation(f"the text {about} broke the process: {error}") from None
        if "raised" in outcome:
            raise Violation(f"the text {about} raised {outcome['raised']}; answer it as an invalid action")
        slowest = max(slowest, outcome["seconds"])
        if outcome["seconds"] > subject.step_limit_s:
            raise Violation(f"the text {about} took {outcome['seconds']:.1f} s; look for slow patterns")
        if not outcome["encodable"]:
            raise Violation(f"after the text {about} the answer cannot be written as UTF-8; quote texts with ascii()")
        if outcome["length"] > MAX_ECHO:
            raise Violation(f"after the text {about} the answer has {outcome['length']} characters; quote its start")
    return f"{len(texts)} texts, the slowest took {slowest * 1000:.1f} ms"


def invalid_turn(subject: Subject) -> str:
    """See `Check.INVALID_TURN`."""
    env = subject.bare()
    walk: Walk = subject.walk("invalid", junk=0.0)
    count = 0
    for seed in subject.seeds(subject.sizes.episodes):
        _, info = env.reset(seed=seed)
        for text in ("", "\ud800 is no action \x00", "?!"):
            before = info
            observation, _, terminated, truncated, info = env.step(text)
            if info["action_is_valid"]:
                if terminated or truncated:
                    break
                continue
            count += 1
            if before["steps_left"] - info["steps_left"] != 1:
                raise Violation(f"the invalid text {shown(text)} did not count as a turn; every step must")
            if not info["invalid"] or info["invalid"] not in observation:
                raise Violation("after an invalid text the observation must say what is wrong (info['invalid'])")
            if terminated or truncated:
                break
            for key in ("state_key", "score", "legal_actions", "is_success"):
                if info[key] != before[key]:
                    raise Violation(f"an invalid text changed {key}; it must change nothing but the turn")
            _, _, terminated, truncated, info = env.step(walk.choose(env, info))
            if terminated or truncated:
                break
    if not count:
        raise NotApplicable("every text that was tried is an action here")
    return f"{count} invalid texts counted and were answered with a reason"
