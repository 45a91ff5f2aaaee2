"""A position in a list of tokens: the base of the grammar's parsers."""

from typing import Self

from .lexer import Token, Unreadable
from .nodes import Node
from .vocabulary import FUNCTIONS, GREEK

FRACTIONS = frozenset(["frac", "dfrac", "tfrac", "cfrac", "sfrac"])
DECORATIONS = {
    "mathbf": "b", "boldsymbol": "b", "bm": "b", "vec": "vec", "hat": "hat", "widehat": "hat", "bar": "bar",
    "tilde": "tilde", "widetilde": "tilde", "dot": "dot", "ddot": "ddot", "mathcal": "cal", "mathfrak": "frak",
    "overline": "bar", "underline": "under", "overrightarrow": "vec", "mathscr": "cal",
}  # fmt: skip
ROMAN = frozenset(["mathrm", "operatorname", "mathit", "mathsf", "mathtt", "mathnormal", "rm", "unit", "si"])
GREEK_NAMES = frozenset(GREEK)
ATOM_COMMANDS = (
    FRACTIONS | set(DECORATIONS) | ROMAN | GREEK_NAMES | set(FUNCTIONS)
    | {"pi", "infty", "infinity", "inf", "oo", "binom", "dbinom", "tbinom", "mathbb", "begin", "{", "lfloor", "lceil",
       "lvert", "vert", "langle", "emptyset", "varnothing", "boxed", "fbox", "dots", "ldots", "cdots", "sum", "prod",
       "angle", "imath", "jmath", "partial", "nabla", "R", "Z", "N", "Q", "C", "degree", "triangle", "ensuremath",
       "|", "bf", "it", "mho", "circ", "square", "star", "infin"}
)  # fmt: skip


class Cursor:
    """Tokens, a position, and what every level of the grammar needs to look around.

    The levels are stacked as base classes, each in a file of its own; what a lower level calls of a higher one is
    declared here.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.bars = 0
        self.bound: set[str] = set()

    def peek(self) -> Token | None:
        """The next token, or `None` at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def peek_text(self) -> str:
        """Text of the next operator or command; empty at the end and for all others."""
        if self.position < len(self.tokens):
            token = self.tokens[self.position]
            if token.kind in ("op", "cmd"):
                return token.text
        return ""

    def take(self) -> Token:
        """The next token; the position moves on."""
        if self.position >= len(self.tokens):
            raise Unreadable("it ends too early")
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, text: str) -> None:
        """Takes the token `text` or gives up."""
        if self.take().text != text:
            raise Unreadable(f"a {text!r} is missing")

    def starts_atom(self, token: Token) -> bool:
        """Whether a factor can begin with this token."""
        if token.kind in ("num", "based", "letter", "word", "text"):
            return True
        if token.kind == "cmd":
            return token.text in ATOM_COMMANDS
        if token.text == "|":
            return self.bars == 0
        return token.text in ("(", "[", "{") or (token.text == "." and self._repeating_follows(self.position + 1))

    def _repeating_follows(self, position: int) -> bool:
        following = [token.text for token in self.tokens[position : position + 4]]
        return (
            len(following) == 4
            and following[0] in ("overline", "bar", "dot")
            and following[1] == "{"
            and (following[2].isdigit() and following[3] == "}")
        )

    # Levels above

    def relation(self) -> Node:
        """A chain of relations or a plain value."""
        raise NotImplementedError

    def additive(self) -> Node:
        """A sum."""
        raise NotImplementedError

    def term(self) -> Node:
        """A product."""
        raise NotImplementedError

    def unary(self) -> Node:
        """A factor with its sign."""
        raise NotImplementedError

    def postfix(self) -> Node:
        """An atom with exponents and marks."""
        raise NotImplementedError

    def atom(self) -> Node:
        """The smallest readable part."""
        raise NotImplementedError

    # Raw text

    def _raw_group(self) -> list[Token]:
        """Tokens between the brace that comes next and its partner."""
        self.expect("{")
        start = self.position
        depth = 1
        while depth:
            token = self.take()
            if token.kind == "op":
                depth += (token.text == "{") - (token.text == "}")
        return self.tokens[start : self.position - 1]

    def _raw_text(self) -> str:
        if self.peek_text() == "{":
            return "".join(("\\" if t.kind == "cmd" else "") + t.text for t in self._raw_group())
        return self.take().text

    def _inner(self: Self, tokens: list[Token]) -> Self:
        inside = type(self)(list(tokens))
        inside.bound = self.bound
        return inside
