"""Atoms, and what binds tighter than a product: powers, factorials, percent and degree signs."""

from fractions import Fraction

from .cursor import FRACTIONS
from .functions import FunctionParser
from .lexer import Unreadable
from .literals import literal_number
from .nodes import Decimal, Node, number


class AtomParser(FunctionParser):
    """The level of atoms."""

    def postfix(self) -> Node:
        """An atom with its exponents, factorials, percent and degree signs."""
        base = self.atom()
        while (token := self.peek()) is not None:
            text = token.text
            if token.kind == "op":
                if text in ("^", "**"):
                    self.position += 1
                    base = self._power(base)
                elif text == "!":
                    self.position += 1
                    base = Node("fact", (base,))
                elif text == "%":
                    self.position += 1
                    base = Node("percent", (base,))
                elif text[0] == "'":
                    self.position += 1
                    base = self._primed(base, len(text))
                elif text == "_" and base.op in ("group", "rel", "matrix"):
                    raise Unreadable("it has a subscript after a bracket")
                else:
                    break
            elif token.kind == "cmd" and text == "%":
                self.position += 1
                base = Node("percent", (base,))
            elif token.kind == "cmd" and text in ("circ", "degree") and base.op == "num":
                self.position += 1
                base = Node("degree", (base,))
            else:
                break
        return base

    def _power(self, base: Node) -> Node:
        raw = self._raw_group() if self.peek_text() == "{" else None
        if raw is not None:
            kinds = [token.text for token in raw]
            if kinds in (["circ"], ["degree"]):
                return Node("degree", (base,))
            if kinds and all(kind == "prime" or set(kind) == {"'"} for kind in kinds):
                return self._primed(base, sum(1 if kind == "prime" else len(kind) for kind in kinds))
            if not kinds:
                return base
            inside = self._inner(raw)
            exponent = inside.additive()
            if inside.position < len(raw):
                raise Unreadable("an exponent cannot be read")
            return Node("pow", (base, exponent))
        text = self.peek_text()
        if text in ("circ", "degree"):
            self.position += 1
            return Node("degree", (base,))
        if text == "prime":
            self.position += 1
            return self._primed(base, 1)
        if text in ("-", "+"):
            self.position += 1
            inner = self._power_argument()
            return Node("pow", (base, Node("neg", (inner,)) if text == "-" else inner))
        return Node("pow", (base, self._power_argument()))

    def _power_argument(self) -> Node:
        exponent = self.atom()
        if self.peek_text() in ("^", "**"):
            self.position += 1
            exponent = self._power(exponent)
        return exponent

    def atom(self) -> Node:
        """The smallest readable part."""
        token = self.take()
        kind, text = token.kind, token.text
        if kind == "num":
            return self._number(text)
        if kind == "letter":
            return self._symbol(text)
        if kind == "cmd":
            return self._command(text)
        if kind == "word":
            return self._word(text)
        if kind == "based":
            digits, _, base = text.partition("_")
            return Node("based", (), (digits, int(base.strip("{} "))))
        if kind == "text":
            return Node("text", (), text)
        if text in ("(", "["):
            return self._bracket(text)
        if text == "{":
            return self._brace()
        if text == "|":
            return self._bars("|")
        if text == "." and self._repeating_follows(self.position):
            return self._repeating("0.")
        raise Unreadable(f"there is no value where {text[:20]!r} stands")

    def _number(self, text: str) -> Node:
        if self._repeating_follows(self.position) and "." in text and text.lower().count("e") == 0:
            return self._repeating(text)
        literal = literal_number(text)
        # A whole number straight before a proper numeric fraction is a mixed number.
        if literal.value.places is None and self.peek_text() in FRACTIONS:
            here = self.position
            self.position += 1
            top, bottom = self._argument(), self._argument()
            if (
                top.op == bottom.op == "num"
                and 0 < top.value.exact < bottom.value.exact
                and (top.value.exact.denominator == bottom.value.exact.denominator == 1)
            ):
                exact = literal.value.exact + top.value.exact / bottom.value.exact
                return Node("num", (), Decimal(exact, None, literal.value.significant))
            self.position = here
        return literal

    def _repeating(self, text: str) -> Node:
        r"""`0.1\overline{6}` is exactly 1/6."""
        digits = self.tokens[self.position + 2].text
        self.position += 4
        whole, _, fixed = text.replace(",", "").partition(".")
        start = Fraction(int((whole or "0") + fixed), 10 ** len(fixed))
        return number(start + Fraction(int(digits), (10 ** len(digits) - 1) * 10 ** len(fixed)))
