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
from .prose import (
    Value,
    are_joined,
    find_values,
    has_leading_words,
    is_bare,
    joined_values,
    last_value,
    with_percent,
)

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
_CUE_WORDS = (
    "answer",
    "solution",
    "答案",
    "réponse",
    "reponse",
    "respuesta",
    "antwort",
    "risposta",
    "ответ",
    "الإجابة",
)
_MOST_CUES = 8
_ONLY_INTEGER = re.compile(r"[\s*:]*\$?(-?\d{1,18})\$?\**\.?\s*\Z")
"""A region that states an integer and ends: by far the most frequent one."""
_HOPE = re.compile(r"\.?\s*I hope (?:it|this) is correct", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n|[。！？]")
_LABEL_GLUE = re.compile(
    r"[\s$,;.&]*(?:for\s+part\s+\(?\w\)?\s*)?(?:and|or|also)?[\s$,;:&]*(?:(?:\\?[a-zA-Z]+(?:_\{?\w+\}?)?(?:\(\w\))?)\s*=\s*)?"
)
_GLUE_NOISE = re.compile(r"\\(?:quad|qquad|,|;|\(|\)|\[|\]| )|\\text\s*\{([^{}]*)\}")
_CHOICE = re.compile(r"(?<![A-Za-z\\])(?:\(([A-J])\)|([B-HJ])(?![A-Za-z'’])|([AI])(?![A-Za-z'’]|\s+[a-z]))")
_GOLD_CHOICE = re.compile(r"\s*\$?\\?(?:\\text\{)?\(?([A-J])\)?\}?\$?(?:[\s.):,].*)?", re.DOTALL)
_PLAIN = re.compile(r"\s*[-+]?[\d.,/]{1,40}\s*")
_TAIL = 4000


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
    if is_bare(stripped):
        return Extraction(stripped, kind="bare")
    if not policy.last_number:
        return Extraction(None, problem="no answer is boxed or announced")
    last = last_value(stripped[-_TAIL:])
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
    cues = _cues(visible)
    start = cues[-1].end() if cues else 0
    stripped = visible[start:].strip()
    leading = _CHOICE.match(stripped)
    found = leading or (_CHOICE.search(stripped) if cues else None)
    if found is None:
        letters = list(_CHOICE.finditer(visible))
        found = letters[-1] if letters else None
    if found is None:
        return Extraction(None, problem="no option letter was found")
    letter = found[1] or found[2] or found[3]
    return Extraction(letter, kind="announced" if cues else "prose")


# Parts of a text


def _visible(text: str) -> str | None:
    """The text without reasoning and chat markers; `None` if reasoning is opened and never closed."""
    if "<" not in text:
        return text
    start = max((found.end() for found in _THINK_CLOSE.finditer(text)), default=0)
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
        content = with_percent(content, text[end : end + 24])
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
    return statement if is_bare(statement) else last_value(statement[-_TAIL:]) or statement


def _cues(text: str) -> list[re.Match[str]]:
    """The last announcements in a text, in order; words are looked for first, since most texts have few or none."""
    folded = text.lower()
    starts: list[int] = []
    for word in _CUE_WORDS:
        at = len(folded)
        for _ in range(_MOST_CUES):
            at = folded.rfind(word, 0, at)
            if at < 0:
                break
            starts.append(at)
    if len(folded) != len(text):
        # Some letters change their length in lower case; positions would be wrong.
        return list(_CUE.finditer(text))[-_MOST_CUES:]
    found = (_CUE.match(text, start) for start in sorted(starts))
    return [match for match in found if match is not None][-_MOST_CUES:]


def _announced(text: str) -> Extraction | None:
    statements: list[str] = []
    cues = _cues(text)
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
    plain = _ONLY_INTEGER.match(region)
    if plain:
        return plain[1]
    hope = _HOPE.search(region)
    if hope:
        region = region[: hope.start()]
    region = region.lstrip(" \t\r\n*_:\"'")
    values = find_values(region)
    segments = [value for value in values if value.math]
    end = _sentence_end(region, segments)
    sentence = region[:end].strip().strip("*_\"'").strip()
    first = values[0] if values else None
    after = values[1] if len(values) > 1 else None
    if first is not None and not has_leading_words(region[: first.start]):
        if after is None or not are_joined(region, first, after):
            alone = (after is None or after.start >= end) and "not" not in sentence.split()
            if region[:end].strip() == region[first.start : first.end].strip():
                return first.text
            return sentence if sentence and alone and first.end <= end and is_bare(sentence) else first.text
        return joined_values(region, values, 0)
    if sentence and is_bare(sentence):
        return sentence
    inside = [value for value in values if value.start < end]
    return joined_values(region, values, len(inside) - 1) if inside else None


def _sentence_end(text: str, segments: list[Value]) -> int:
    for found in _SENTENCE_END.finditer(text):
        if not any(segment.start <= found.start() < segment.end for segment in segments):
            return found.start()
    return len(text)
