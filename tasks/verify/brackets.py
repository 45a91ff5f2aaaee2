"""Brackets, sets, matrices, sums: everything that stands between an opening and a closing sign."""

from .cursor import Cursor
from .lexer import Token, Unreadable
from .nodes import Node

CLOSING = {"(": ")", "[": "]", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil", "lvert": "rvert", "|": "|"}
_MATRICES = frozenset(["matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "array", "smallmatrix"])


class BracketParser(Cursor):
    """The level of groups."""

    def _argument(self) -> Node:
        """Argument of a command: a group, or the next single sign as TeX reads it."""
        if self.peek_text() == "{":
            self.position += 1
            bars, self.bars = self.bars, 0
            node = self.relation()
            self.bars = bars
            self.expect("}")
            return node
        token = self.peek()
        if token is not None and token.kind == "num" and len(token.text) > 1 and token.text.isdigit():
            self.tokens[self.position : self.position + 1] = [
                Token("num", token.text[0], True),
                Token("num", token.text[1:], False),
            ]
        return self.atom()

    def _items(self, closing: str) -> tuple[Node, ...]:
        bars, self.bars = self.bars, 0
        items: list[Node] = []
        while self.peek_text() != closing:
            token = self.peek()
            if token is None:
                raise Unreadable(f"a {closing!r} is missing")
            if token.text == "," or token.kind == "sep":
                self.position += 1
                continue
            items.append(self.relation())
        self.position += 1
        self.bars = bars
        return tuple(items)

    def _bracket(self, opening: str) -> Node:
        bars, self.bars = self.bars, 0
        items = []
        while True:
            token = self.peek()
            if token is None:
                raise Unreadable("a bracket is never closed")
            if token.kind == "op" and token.text in (")", "]"):
                self.position += 1
                break
            if token.text == "," or token.text == ";":
                self.position += 1
                continue
            items.append(self.relation())
        self.bars = bars
        closing = token.text
        if not items:
            raise Unreadable("a bracket is empty")
        if len(items) == 1 and CLOSING[opening] == closing:
            return items[0]
        return Node("group", tuple(items), opening + closing)

    def _brace(self) -> Node:
        """A TeX group; with commas inside it was meant as a set."""
        here = self.position
        if any(token.text == "choose" for token in self.tokens[here:]):
            top = self.additive()
            if self.peek_text() == "choose":
                self.position += 1
                bottom = self.additive()
                self.expect("}")
                return Node("fn", (top, bottom), "binom")
            self.position = here
        items = self._items("}")
        if len(items) == 1:
            return items[0]
        if not items:
            raise Unreadable("a group is empty")
        return Node("set", items)

    def _bars(self, closing: str) -> Node:
        self.bars += 1
        node = self.additive()
        self.bars -= 1
        self.expect(closing)
        return Node("fn", (node,), "abs")

    def _set(self) -> Node:
        items: list[Node] = []
        bars, self.bars = self.bars, 1
        while True:
            token = self.peek()
            if token is None:
                raise Unreadable("a set is never closed")
            if token.kind == "cmd" and token.text == "}":
                self.position += 1
                break
            if token.text == "," or token.kind == "sep":
                self.position += 1
                continue
            items.append(self.relation())
            if self.peek_text() not in (",", "}") and (self.peek() or token).kind != "sep":
                raise Unreadable("a set is described by a condition")
        self.bars = bars
        return Node("set", tuple(items))

    def _environment(self) -> Node:
        name = self._raw_text()
        if name not in _MATRICES:
            raise Unreadable(f"the environment {name[:20]!r} is not known")
        if name == "array" and self.peek_text() == "{":
            self._raw_group()
        rows: list[list[Node]] = [[]]
        while True:
            text = self.peek_text()
            if text == "end":
                self.position += 1
                self._raw_text()
                break
            if text == "&":
                self.position += 1
            elif text == "\\":
                self.position += 1
                rows.append([])
            elif text == "hline":
                self.position += 1
            elif self.peek() is None:
                raise Unreadable("a matrix is never closed")
            else:
                rows[-1].append(self.relation())
        rows = [row for row in rows if row]
        if not rows or len({len(row) for row in rows}) != 1:
            raise Unreadable("the rows of a matrix differ in length")
        node = Node("matrix", tuple(cell for row in rows for cell in row), (len(rows), len(rows[0])))
        return Node("fn", (node,), "det") if name == "vmatrix" else node

    def _series(self, name: str) -> Node:
        """Sum or product over a bound symbol."""
        self.expect("_")
        lower = self._inner(self._raw_group())
        start = lower.relation()
        if start.op != "rel" or start.value != ("=",) or start.args[0].op not in ("sym", "const"):
            raise Unreadable("the range of a sum cannot be read")
        variable = start.args[0].value
        self.expect("^")
        end = self._argument() if self.peek_text() == "{" else self.atom()
        before = self.bound
        self.bound = before | {variable}
        body = self.term()
        self.bound = before
        return Node(name, (body, start.args[1], end), variable)

    @staticmethod
    def _nonempty(items: tuple[Node, ...]) -> tuple[Node, ...]:
        if not items:
            raise Unreadable("a function has no argument")
        return items
