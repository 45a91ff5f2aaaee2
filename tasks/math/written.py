r"""Whether an answer is a number written down, or a computation that is left to the reader.

The verifier asks whether an answer *equals* the gold answer, and `7^{5} \bmod 1000` equals 807. Where the task is to
compute a number, an answer that only repeats the question must not count.
"""

import re
from fractions import Fraction

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|rm)\s*\{([^{}]*)\}")
_DECORATION = re.compile(
    r"\\(?:left|right|big|Big|displaystyle|boldsymbol|quad|qquad|!|,|;|:|\s)|\\\(|\\\)|\\\[|\\\]|\$\$?|~|[\u00a0\u2009\u202f]"
)
_DEGREES = re.compile(r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree|°")
_SIGNS = re.compile(r"\\?[%$£€]|\\(?:pounds|euro)")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]+(?:[-'][A-Za-z]+)*\.?")
_RELATION = re.compile(r"=|\\approx|\\equiv|≈|≡")
_COMPUTES = frozenset(
    "mod modulo choose over times plus minus divided by squared cubed factorial root sum product half twice double"
    " dozen percent of".split()
)
"""Words that make a computation of the numbers around them."""
_INTEGER = r"\d{1,3}(?:(?:\{,\}|,|\s)\d{3})+|\d+"
_NUMBER = re.compile(rf"([-+−]?)\s*(?:(?:{_INTEGER})(?:\.\d*)?|\.\d+)\.?")
_FRACTION = re.compile(
    r"([-+−]?)\s*(\d+\s)?\s*(?:\\[dtc]?frac\s*(?:\{\s*([-−]?\d+)\s*\}|(\d))\s*(?:\{\s*([-−]?\d+)\s*\}|(\d))|(\d+)\s*/\s*(\d+))"
)
_MIXED = re.compile(r"([-+−]?)\s*(\d+)\s*\\[dtc]?frac\s*\{?\s*(\d+)\s*\}?\s*\{?\s*(\d+)\s*\}?")
_SCIENTIFIC = re.compile(r"[-+−]?\s*\d+(?:\.\d+)?\s*(?:(?:\\times|\\cdot|×|·)\s*10\s*\^\s*(?:\{\s*[-−+]?\d+\s*\}|\d)|[eE][-+]?\d+)")
MAX_CHARS = 200
"""A longer text is not a written number."""


def is_written_number(answer: str) -> bool:
    r"""Return whether an answer is one number: an integer, a decimal, a fraction that is no integer, or `a \times 10^n`.

    Units, words, currency and degree signs around it, a name with an equals sign before it, and LaTeX that only
    changes the look do not count.
    """
    if len(answer) > MAX_CHARS:
        return False
    text = _TEXT.sub(r" \1 ", answer)
    text = _DEGREES.sub(" ", _DECORATION.sub(" ", text))
    text = _RELATION.split(text)[-1]
    if any(word.lower().rstrip(".") in _COMPUTES for word in _WORD.findall(text)):
        return False
    if _SCIENTIFIC.fullmatch(text.strip()):
        return True
    text = _SIGNS.sub(" ", _WORD.sub(" ", text)).strip()
    while text[:1] in "({" and text[-1:] in ")}" and len(text) > 1:
        text = text[1:-1].strip()
    return _NUMBER.fullmatch(text) is not None or _is_proper(text)


def _is_proper(text: str) -> bool:
    """Return whether a text is a fraction whose value is not an integer: `84/2` is a computation, `1/2` a number."""
    mixed = _MIXED.fullmatch(text)
    if mixed:
        top, bottom = int(mixed[3]), int(mixed[4])
    else:
        found = _FRACTION.fullmatch(text)
        if found is None:
            return False
        top, bottom = (int((a or b or c).replace("−", "-")) for a, b, c in (found.group(3, 4, 7), found.group(5, 6, 8)))
    return bottom != 0 and Fraction(top, bottom).denominator != 1
