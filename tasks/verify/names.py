"""Names: symbols with subscripts and primes, decorated and upright letters, words, units after a value."""

from .brackets import BracketParser
from .cursor import ROMAN
from .lexer import Token, Unreadable
from .literals import literal_number
from .nodes import IMAGINARY, Node
from .units import unit_name
from .vocabulary import FUNCTIONS

_UNKNOWN_FUNCTIONS = frozenset("fghFGH")


class NameParser(BracketParser):
    """The level of names."""

    def function(self, name: str) -> Node:
        """A call of a known function, its name already taken."""
        raise NotImplementedError

    def _word(self, text: str) -> Node:
        """Letters side by side: a unit after a number, otherwise symbols multiplied."""
        following = self.peek()
        at_end = following is None or following.kind == "sep" or following.text in (",", ")", "]", "=")
        previous = self.tokens[self.position - 2] if self.position > 1 else None
        if len(text) >= 3 and at_end and (previous is None or previous.kind in ("num", "word")):
            return Node("word", (), text)
        self.tokens[self.position - 1 : self.position] = [
            Token("letter", letter, index == 0) for index, letter in enumerate(text)
        ]
        self.position -= 1
        return self.atom()

    def _symbol(self, name: str) -> Node:
        text = self.peek_text()
        if text == "_":
            self.position += 1
            node = self._subscript(name)
        elif name in self.bound or text in ("prime",) or text.startswith("'"):
            node = Node("sym", (), name)
        elif name == "e":
            return Node("const", (), "e")
        elif name == "i":
            return IMAGINARY
        else:
            node = Node("sym", (), name)
        primes = self.peek_text()
        while primes.startswith("'"):
            self.position += 1
            node = self._primed(node, len(primes))
            primes = self.peek_text()
        if node.op == "sym" and self._is_defined_here():
            self.position += 1
            return Node("app", self._items(")"), node.value)
        if name == "\\Gamma" and self.peek_text() == "(":
            self.position += 1
            return Node("fn", self._nonempty(self._items(")")), "gamma")
        if self.peek_text() == "(" and node.op == "sym" and node.value[0] in _UNKNOWN_FUNCTIONS:
            self.position += 1
            return Node("app", self._items(")"), node.value)
        return node

    def _is_defined_here(self) -> bool:
        """Whether `(t) =` follows: the name is a function's, whatever its letter."""
        following = self.tokens[self.position : self.position + 4]
        return (
            len(following) == 4
            and [token.text for token in (following[0], following[2], following[3])] == ["(", ")", "="]
            and following[1].kind in ("letter", "num")
        )

    def _subscript(self, name: str) -> Node:
        raw = self._raw_group() if self.peek_text() == "{" else [self.take()]
        letters = {letter for token in raw if token.kind in ("letter", "word") for letter in token.text}
        plain = all(token.kind in ("letter", "word", "num", "text", "cmd") or token.text in "*'" for token in raw)
        if plain and not letters & self.bound:
            return Node("sym", (), name + "_" + "".join(token.text.strip() for token in raw))
        inside = self._inner(raw)
        try:
            index = inside.additive()
        except Unreadable:
            inside.position = -1
            index = IMAGINARY
        if inside.position < len(raw):
            return Node("sym", (), name + "_" + "".join(token.text.strip() for token in raw))
        return Node("index", (index,), name)

    @staticmethod
    def _primed(base: Node, count: int) -> Node:
        if base.op == "sym":
            return Node("sym", (), base.value + "'" * count)
        if base.op == "app":
            return base._replace(value=base.value + "'" * count)
        if base.op == "const" and base.value in ("e", "i"):
            return Node("sym", (), base.value + "'" * count)
        if base.op == "num" and count <= 2:
            return Node("quantity", (base,), "arcmin" if count == 1 else "arcsec")
        raise Unreadable("a prime stands after something that is no name")

    def _roman(self) -> Node:
        """Upright letters: a function, a constant, or a name."""
        text = self._raw_text().strip().lstrip("\\")
        if text in FUNCTIONS:
            return self.function(FUNCTIONS[text])
        if len(text) == 1 and text.isalpha():
            return self._symbol(text)
        if text.isdigit():
            return literal_number(text)
        return Node("text", (), text)

    def _decorated(self, mark: str) -> Node:
        """A bold or marked name; around anything else the decoration says nothing."""
        start = self.position
        text = self._raw_text()
        if text.isalpha() or mark not in ("b", "under"):
            return self._symbol(f"{mark}:{text}")
        self.position = start
        return self._argument()

    def unit_here(self) -> str | None:
        """The unit that stands at this position after a value, taken with its exponents; `None` if there is none."""
        start = self.position
        parts: list[str] = []
        while (token := self.peek()) is not None:
            if token.kind == "text":
                self.position += 1
                text = token.text
            elif token.kind == "cmd" and token.text in ROMAN and self.position + 1 < len(self.tokens):
                self.position += 1
                text = self._raw_text()
                if text.strip() in FUNCTIONS or (text.strip() in ("e", "i", "d") and not parts):
                    self.position = start
                    return None
            elif token.kind == "op" and token.text == "/" and parts and self._unit_follows():
                self.position += 1
                parts.append("/")
                continue
            else:
                break
            if self.peek_text() == "^":
                self.position += 1
                exponent = self._raw_text()
                text += "^" + exponent
            parts.append(text)
        if not parts:
            return None
        return unit_name(" ".join(parts))

    def _unit_follows(self) -> bool:
        following = self.tokens[self.position + 1] if self.position + 1 < len(self.tokens) else None
        return following is not None and (
            following.kind == "text" or (following.kind == "cmd" and following.text in ROMAN)
        )
