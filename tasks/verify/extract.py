r"""Finds the final answer in a model's text. Everything here is linear in the text.

The first of these that the text has decides, and the last statement of that kind is the answer:

1. `\boxed{}` (reasoning inside `<think>` tags never counts; a box that is never closed is no answer). Boxes that
   follow each other with nothing but commas, "and", "or" or a label between them are one answer with several values.
2. The content of `<answer>` tags.
3. What follows `####`, or `A:` at the beginning of a line.
4. What an announcement ("the answer is", "Answer:", and the like in some other languages) is followed by.
5. The whole text, if it is nothing but an answer.
6. The last value, mathematical or a plain number, in the prose.

A value that is joined to another by "or", "also", "maybe" and their like is one of several: the answer then has all of
them. Several different statements of the same kind are returned as `others`, and the caller decides what they mean.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from .limits import MAX_TEXT_CHARS
from .policy import VerifyPolicy
from .vocabulary import FILLERS, FUNCTIONS, GREEK, UNITS

_THINK = "think|thinking|thought|thoughts|reasoning|scratchpad"
_THINK_OPEN = re.compile(rf"<\s*(?:{_THINK})\s*>", re.IGNORECASE)
_THINK_CLOSE = re.compile(rf"<\s*/\s*(?:{_THINK})\s*>", re.IGNORECASE)
_ANSWER_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_ANSWER_CLOSE = re.compile(r"</answer>", re.IGNORECASE)
_CHAT_START = re.compile(r"<\|(?:im_start|start_header_id|user|assistant|system)\|>")
_CHAT_END = re.compile(r"<\|(?:im_end|eot_id|endoftext|end_of_text|end|eom_id)\|>|</s>|<end_of_turn>")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_HASH = re.compile(r"####[ \t]*([^\n]*)|^[ \t]*\**A:\**[ \t]*([^\n]*)", re.MULTILINE)
_CUE = re.compile(
    r"""\banswers?\b(?:\s+(?:to|for|of)\s[^.\n]{1,100}?)?[\s*_"]*
          (?:\b(?:is|are|was|equals|becomes|would\ be|will\ be|should\ be|must\ be)\b|[:=])[\s:*_]*
      | \banswers?\b[\s*_]*(?=[\d$\\(-])
      | \bsolutions?\b[\s*_]*(?:\b(?:is|are)\b|:)[\s:*_]*
      | 答案[是为為]?[\s:：]* | \br[ée]ponse\s*(?:\b(?:est|finale)\b)?[\s:]+ | \brespuesta\s*(?:\b(?:es|final)\b)?[\s:]+
      | \bantwort\s*(?:\b(?:ist|lautet)\b)?[\s:]+ | \brisposta\s*(?:\bè\b)?[\s:]+ | \bответ\b[\s:]+ | الإجابة[\s:]* """,
    re.IGNORECASE | re.VERBOSE,
)
_HOPE = re.compile(r"\.?\s*I hope (?:it|this) is correct", re.IGNORECASE)
_DELIMITER = re.compile(r"(?<!\\)\$\$?|\\\(|\\\)|\\\[|\\\]")
_CLOSES = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n|[。！？]")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NOT_PROSE = re.compile(
    r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[^{}]*\})?|\\(?:text|mbox|textbf|textit|mathrm|textnormal|operatorname)\s*\{[^{}]*\}|\\[a-zA-Z]+"
)
_LABEL_GLUE = re.compile(
    r"[\s$,;.&]*(?:for\s+part\s+\(?\w\)?\s*)?(?:and|or|also)?[\s$,;:&]*(?:(?:\\?[a-zA-Z]+(?:_\{?\w+\}?)?(?:\(\w\))?)\s*=\s*)?"
)
_GLUE_NOISE = re.compile(r"\\(?:quad|qquad|,|;|\(|\)|\[|\]| )|\\text\s*\{([^{}]*)\}")
_HEDGE_GLUE = re.compile(
    r"[\s.,;:!?()*–—-]*(?:(?:and|but)\s+)?\b(?:or|also|alternatively|maybe|perhaps|possibly|otherwise|else)\b"
    r"(?:[\s,]+(?:it|could|can|might|may|be|is|also|even|possibly|maybe|perhaps|the|answer|equals?|to|just|else|either)"
    r"\b){0,6}[\s,:(*]*",
    re.IGNORECASE,
)
_LIST_GLUE = re.compile(r"\s*(?:[,;]\s*(?:and\s+)?|\band\s+|&\s*)", re.IGNORECASE)
_AND_GLUE = re.compile(r",?\s+and\s+", re.IGNORECASE)
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_STARTS_NUMBER = re.compile(r"[(\[{*_\"'`]*[-+−±~≈]?[$€£¥₹]?[-−]?[.,]?\d")
_OPERATORS = frozenset(
    ["=", "+", "-", "*", "/", "^", "<", ">", "<=", ">=", "!=", "≤", "≥", "≠", "×", "÷", "±", "−", "·", "≈"]
)
_CHOICE = re.compile(r"(?<![A-Za-z\\])\(?([A-J])\)?(?![A-Za-z'’])")
_GOLD_CHOICE = re.compile(r"\s*\$?\\?(?:\\text\{)?\(?([A-J])\)?\}?\$?(?:[\s.):,].*)?", re.DOTALL)
_PLAIN = re.compile(r"\s*[-+]?[\d.,/]{1,40}\s*")
_SHORT = frozenset("is it to of in we so as at be by if no on he an do go me my up us am la le de es el un et".split())
_BARE_WORDS = 2
_BARE_CHARS = 400
_TAIL = 4000
_KNOWN_WORDS = (
    frozenset(FUNCTIONS) | frozenset(GREEK) | frozenset(UNITS) | {"and", "or", "pi", "np", "math", "infty", "also"}
)


class Extraction(NamedTuple):
    """What was found.

    Attributes:
        answer: The final answer, or `None`.
        others: Earlier statements of the same kind whose text differs.
        problem: Why there is no answer; empty where there is one.
        kind: `box`, `tag`, `mark`, `announced`, `bare`, `prose` or `none`.
    """

    answer: str | None
    others: tuple[str, ...] = ()
    problem: str = ""
    kind: str = "none"


def extract(text: str, policy: VerifyPolicy) -> Extraction:
    """Finds the final answer of a completion or a bare answer.

    Args:
        text: The model's text.
        policy: The conventions; `box_required` and `last_number` matter here.

    Returns:
        The final answer, or the reason why there is none.
    """
    if _PLAIN.fullmatch(text) and not policy.box_required:
        return Extraction(text.strip(), kind="bare")
    if len(text) > MAX_TEXT_CHARS:
        return Extraction(None, problem=f"it has {len(text)} characters; at most {MAX_TEXT_CHARS} are searched")
    visible = _visible(text)
    if visible is None:
        return Extraction(None, problem="the reasoning is never closed, so nothing is stated as the answer")
    if "\\boxed" in visible or "\\fbox" in visible:
        return _boxed(visible)
    if policy.box_required:
        return Extraction(None, problem="no \\boxed{} was found")
    tagged = _tagged(visible)
    if tagged is not None:
        return tagged
    marked = [next(part for part in found if part is not None) for found in _marks(visible)]
    marked = [mark.strip() for mark in marked if mark.strip()]
    if marked:
        return _stated([_value_of(mark) for mark in marked], "mark")
    announced = _announced(visible)
    if announced is not None:
        return announced
    stripped = visible.strip()
    if not stripped:
        return Extraction(None, problem="the text is empty")
    if _is_bare(stripped):
        return Extraction(stripped, kind="bare")
    if not policy.last_number:
        return Extraction(None, problem="no answer is boxed or announced")
    last = _last_value(stripped[-_TAIL:])
    if last is None:
        return Extraction(None, problem="no answer was found in the text")
    return Extraction(last, kind="prose")


@lru_cache(maxsize=4096)
def extract_gold(text: str) -> str | None:
    """The gold answer inside its text, `None` where there is none; of several statements the last counts."""
    found = extract(text, VerifyPolicy())
    return found.answer if found.answer is None or found.answer.strip() else None


def gold_choice(text: str) -> str | None:
    """The option letter of a multiple-choice gold such as `D`, `(D)` or `(D) Alina`; `None` for other golds."""
    found = _GOLD_CHOICE.fullmatch(text)
    return found[1] if found else None


def extract_choice(text: str, policy: VerifyPolicy) -> Extraction:
    """Finds the option letter in a multiple-choice answer: boxed, announced, leading, or the last one named."""
    visible = _visible(text)
    if visible is None:
        return Extraction(None, problem="the reasoning is never closed, so nothing is stated as the answer")
    if "\\boxed" in visible or "\\fbox" in visible:
        return _boxed(visible)
    if policy.box_required:
        return Extraction(None, problem="no \\boxed{} was found")
    cues = list(_CUE.finditer(visible))
    start = cues[-1].end() if cues else 0
    stripped = visible[start:].strip()
    leading = _CHOICE.match(stripped)
    found = leading or (_CHOICE.search(stripped) if cues else None)
    if found is None:
        letters = list(_CHOICE.finditer(visible))
        found = letters[-1] if letters else None
    if found is None:
        return Extraction(None, problem="no option letter was found")
    return Extraction(found[1], kind="announced" if cues else "prose")


# Parts of a text


def _visible(text: str) -> str | None:
    """The text without reasoning and chat markers; `None` if reasoning is opened and never closed."""
    if "<" not in text:
        return text
    close = None
    for close in _THINK_CLOSE.finditer(text):
        pass
    start = close.end() if close else 0
    if _THINK_OPEN.search(text, start):
        return None
    text = text[start:]
    if "<|" in text or "</s>" in text or "<end" in text:
        begun = _CHAT_START.match(text.lstrip())
        if begun:
            text = text.lstrip()[begun.end() :]
        for marker in (_CHAT_END, _CHAT_START):
            found = marker.search(text)
            if found:
                text = text[: found.start()]
    return text


def _boxed(text: str) -> Extraction:
    """The last group of boxes, and the groups before it."""
    boxes: list[tuple[int, int, str]] = []
    stack: list[tuple[bool, int, int]] = []
    open_boxes = 0
    for found in _BOX.finditer(text):
        sign = found[0]
        if sign == "{":
            stack.append((False, found.start(), found.end()))
        elif sign[0] == "\\" and sign[-1] == "{" and len(sign) > 2:
            stack.append((True, found.start(), found.end()))
            open_boxes += 1
        elif sign == "}" and stack:
            is_box, start, inside = stack.pop()
            if is_box:
                open_boxes -= 1
                if not open_boxes:
                    boxes.append((start, found.end(), text[inside : found.start()]))
    if open_boxes:
        return Extraction(None, problem="the last \\boxed{ is never closed")
    if not boxes:
        return Extraction(None, problem="\\boxed has no braces")
    groups: list[list[str]] = []
    previous_end = -1
    for start, end, content in boxes:
        content = _with_percent(content, text[end : end + 24])
        if groups and start - previous_end < 80 and _LABEL_GLUE.fullmatch(_unwrapped(text[previous_end:start])):
            groups[-1].append(content)
        else:
            groups.append([content])
        previous_end = end
    statements = [", ".join(dict.fromkeys(part.strip() for part in group)) for group in groups]
    if not statements[-1].strip():
        return Extraction(None, problem="the last \\boxed{} is empty")
    return _stated([statement for statement in statements if statement.strip()], "box")


def _unwrapped(glue: str) -> str:
    return _GLUE_NOISE.sub(lambda found: f" {found[1] or ''} ", glue)


def _with_percent(content: str, after: str) -> str:
    """A percent sign that stands right behind a box or formula belongs to the value."""
    found = re.match(r"[\s$]*(?:\\\)|\\\])?\s*(?:\\?%|(?:percent|pct)\b)", after)
    return content + "\\%" if found and "%" not in content else content


def _tagged(text: str) -> Extraction | None:
    opened = [found.end() for found in _ANSWER_OPEN.finditer(text)]
    if not opened:
        return None
    statements = []
    for start in opened[-8:]:
        closed = _ANSWER_CLOSE.search(text, start)
        if closed is None:
            return Extraction(None, problem="the last <answer> is never closed")
        statements.append(text[start : closed.start()].strip())
    if not statements[-1]:
        return Extraction(None, problem="the last <answer> is empty")
    return _stated([_value_of(statement) for statement in statements if statement], "tag")


def _marks(text: str) -> list[tuple[str | None, str | None]]:
    if "####" not in text and "A:" not in text:
        return []
    return [(found[1], found[2]) for found in _HASH.finditer(text)][-8:]


def _stated(statements: list[str], kind: str) -> Extraction:
    last = statements[-1]
    others = tuple(dict.fromkeys(statement for statement in statements[:-1] if statement != last))
    return Extraction(last, others[-8:], kind=kind)


def _value_of(statement: str) -> str:
    """The value in a line that was marked as the answer."""
    return statement if _is_bare(statement) else _last_value(statement[-_TAIL:]) or statement


def _announced(text: str) -> Extraction | None:
    statements: list[str] = []
    cues = list(_CUE.finditer(text))[-8:]
    for index, cue in enumerate(cues):
        last = index == len(cues) - 1
        end = len(text) if last else cues[index + 1].start()
        value = _announced_value(text[cue.end() : min(end, cue.end() + _TAIL)])
        if value is not None and (last or re.fullmatch(r"[-$\s\d.,/]+", value)):
            statements.append(value)
        elif last:
            return None if not statements else _stated(statements, "announced")
    return _stated(statements, "announced") if statements else None


def _announced_value(region: str) -> str | None:
    """The value that a text right after an announcement states."""
    hope = _HOPE.search(region)
    if hope:
        region = region[: hope.start()]
    region = region.lstrip(" \t\r\n*_:\"'")
    values = _values(region)
    segments = [value for value in values if value.math]
    end = _sentence_end(region, segments)
    sentence = region[:end].strip().strip("*_\"'").strip()
    first = values[0] if values else None
    after = values[1] if len(values) > 1 else None
    if first is not None and not _leading_words(region[: first.start]):
        if after is None or not _joined(region, first, after):
            if _is_bare(sentence) and first.end <= end:
                return sentence or None
            return first.text
        return _group(region, values, 0)
    if sentence and _is_bare(sentence):
        return sentence
    inside = [value for value in values if value.start < end]
    return _group(region, values, len(inside) - 1) if inside else None


def _leading_words(text: str) -> bool:
    return any(word.lower() not in FILLERS for word in _WORDS.findall(text))


def _sentence_end(text: str, segments: list["Value"]) -> int:
    for found in _SENTENCE_END.finditer(text):
        if not any(segment.start <= found.start() < segment.end for segment in segments):
            return found.start()
    return len(text)


def _is_bare(text: str) -> bool:
    """Whether a text is an answer without prose around it."""
    if len(text) > _BARE_CHARS:
        return False
    rest = _NOT_PROSE.sub(" ", text)
    words = [
        word for word in _WORDS.findall(rest) if word not in _KNOWN_WORDS and (len(word) > 2 or word.lower() in _SHORT)
    ]
    formula = _DELIMITER.search(text)
    if formula is not None and _leading_words(text[: formula.start()]):
        return False
    if len(words) > _BARE_WORDS or "\n\n" in text or len(_CJK.findall(text)) > 4:
        return False
    return True


# Values in prose


class Value(NamedTuple):
    """A value in prose and where it stands."""

    start: int
    end: int
    text: str
    math: bool


def _last_value(text: str) -> str | None:
    values = _values(text)
    return _group(text, values, len(values) - 1) if values else None


def _group(text: str, values: list[Value], index: int) -> str:
    """The value with all that hedging words or lists join to it."""
    first = last = index
    while first > 0 and _joined(text, values[first - 1], values[first]):
        first -= 1
    while last + 1 < len(values) and _joined(text, values[last], values[last + 1]):
        last += 1
    return ", ".join(dict.fromkeys(value.text for value in values[first : last + 1]))


def _joined(text: str, left: Value, right: Value) -> bool:
    between = text[left.end : right.start]
    if len(between) > 120:
        return False
    if _HEDGE_GLUE.fullmatch(between):
        return True
    if left.math and right.math:
        return _LIST_GLUE.fullmatch(between) is not None
    return _AND_GLUE.fullmatch(between) is not None


def _values(text: str) -> list[Value]:
    """Formulas between math delimiters and runs of mathematical signs in plain text, in order."""
    values: list[Value] = []
    plain_start = 0
    opened: re.Match[str] | None = None
    for found in _DELIMITER.finditer(text):
        sign = found[0]
        if opened is None:
            if sign in _CLOSES:
                opened = found
            continue
        if sign != _CLOSES[opened[0]]:
            continue
        inside = text[opened.end() : found.start()]
        if inside.strip():
            if sign == "$" and "\n" in inside or sign == "$" and not _is_bare(inside):
                # A lone dollar sign (money): what follows is prose, and this sign may open a formula.
                values += _plain_values(text, plain_start, found.start())
                plain_start, opened = found.start(), found
                continue
            values += _plain_values(text, plain_start, opened.start())
            content = _with_percent(inside.strip(), text[found.end() : found.end() + 12])
            end = found.end() + (0 if content == inside.strip() else 2)
            values.append(Value(opened.start(), end, content, True))
        plain_start, opened = found.end(), None
    values += _plain_values(text, plain_start, len(text))
    return values


def _plain_values(text: str, start: int, end: int) -> list[Value]:
    values: list[Value] = []
    run: list[tuple[int, int]] = []

    def finish() -> None:
        if run:
            value = text[run[0][0] : run[-1][1]].strip("*_\"'`").rstrip(".,;:!?*)").lstrip("=≈ ")
            if "(" in value and value.count("(") > value.count(")"):
                value = value + ")" if text[run[-1][1] - 1 : run[-1][1]] == ")" else value.lstrip("(")
            if any(c.isdigit() or c in "\\=" for c in value):
                values.append(
                    Value(run[0][0], run[0][0] + len(text[run[0][0] : run[-1][1]].rstrip(".,;:!?*")), value, False)
                )
            run.clear()

    for found in _TOKEN.finditer(text, start, end):
        token = found[0]
        core = token.strip("*_\"'`()").rstrip(".,;:!?")
        joined = _mathematical(token, core)
        if not joined and run and (core in UNITS or core.lower() in ("percent", "pct")):
            run.append(found.span())
            finish()
            continue
        if not joined:
            finish()
            continue
        run.append(found.span())
        if token[-1] in ".,;:!?" and not token.endswith("\\,"):
            finish()
    finish()
    return values


def _mathematical(token: str, core: str) -> bool:
    """Whether a word of prose is a piece of mathematics."""
    if core in _OPERATORS or token in _OPERATORS:
        return True
    if _ORDINAL.fullmatch(core):
        return False
    if _STARTS_NUMBER.match(token):
        return True
    if "\\" in core and not core.startswith("\\text"):
        return True
    if len(core) == 1:
        return core.isalpha() and core.isascii() and core not in "aAI"
    if core[:1] in "-+(" and any(c.isdigit() for c in core):
        return True
    return any(c in core for c in "=^") and any(c.isalnum() for c in core)
