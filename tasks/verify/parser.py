"""Tokens of an answer to an expression tree: a recursive-descent parser for LaTeX and calculator notation.

Only structure is read here; nothing is computed. What the grammar does not know raises `Unreadable`, and the caller
then compares texts or asks math-verify.
"""

from fractions import Fraction

from .atoms import AtomParser
from .cursor import ATOM_COMMANDS
from .lexer import Token, UnknownConstruct, Unreadable, clean, tokenize
from .nodes import Decimal, Node, negate, product
from .vocabulary import FILLERS, RELATIONS

__all__ = ["parse_answer", "parse_clean"]

_BEYOND = frozenset(["int", "iint", "iiint", "oint", "lim", "limsup", "liminf", "sup", "displaylimits"])
"""Commands whose formulas are put to math-verify as texts."""
_BINARY = frozenset(["cdot", "times", "div", "pm", "to", "rightarrow", "rfloor", "rceil", "rvert", "prime"])


def parse_answer(text: str) -> Node:
    """Reads one answer (already cut out of its surroundings).

    Args:
        text: The answer; LaTeX, plain notation or a word.

    Returns:
        The expression tree.

    Raises:
        Unreadable: The grammar does not know this text; `UnknownConstruct` where it is mathematics all the same.
    """
    return parse_clean(clean(text))


def parse_clean(cleaned: str, *, space_thousands: bool = False) -> Node:
    """`parse_answer` for a text that `lexer.clean` has made uniform; optionally reads `1 000` as one number."""
    tokens = tokenize(cleaned, space_thousands=space_thousands)
    if not tokens:
        raise Unreadable("it is empty")
    words = _only_words(tokens)
    if words is not None:
        return words
    if any(token.kind == "cmd" and token.text in _BEYOND for token in tokens):
        if _well_formed(tokens):
            raise UnknownConstruct("it has an integral, a limit or the like")
        raise Unreadable("it has an integral, a limit or the like inside something else")
    parser = AnswerParser(tokens)
    node = parser.answer()
    if parser.position < len(parser.tokens):
        raise Unreadable(f"it goes on after its end with {parser.tokens[parser.position].text[:20]!r}")
    return node


def _well_formed(tokens: list[Token]) -> bool:
    """Whether the tokens are one formula: known signs only, brackets in pairs, no words."""
    stack: list[str] = []
    for token in tokens:
        if token.kind in ("sep", "text", "based"):
            return False
        if token.kind == "word" and "d" not in token.text:
            return False
        if token.kind == "cmd" and not (token.text in ATOM_COMMANDS or token.text in _BEYOND or token.text in _BINARY):
            return False
        if token.kind == "op" and token.text in "([{":
            stack.append(token.text)
        elif token.kind == "op" and token.text in ")]}":
            if not stack or "([{".index(stack.pop()) != ")]}".index(token.text):
                return False
        elif token.kind == "op" and token.text not in ("+", "-", "*", "/", "^", "_", "'", "|", ",", "!", "**"):
            return False
    return not stack


def _only_words(tokens: list[Token]) -> Node | None:
    """The tree of an answer that has words and nothing to compute; `None` for all others."""
    if any(
        token.kind not in ("word", "letter", "text", "sep") and token.text not in ("-", "'", ".", ",")
        for token in tokens
    ):
        return None
    if any(token.kind == "text" for token in tokens):
        if len(tokens) == 1 or not any(token.text in (",", ";") for token in tokens):
            return Node("text", (), " ".join(token.text for token in tokens))
        return None
    if len(tokens) == 1 and tokens[0].kind == "word":
        return Node("word", (), tokens[0].text)
    if any(token.kind == "word" and len(token.text) > 2 for token in tokens) and not any(
        token.text in ("-", ",", ";", "'") for token in tokens
    ):
        return Node("text", (), " ".join(token.text for token in tokens))
    return None


class AnswerParser(AtomParser):
    """The upper levels of the grammar: several values, relations, sets, ratios, sums and products."""

    def answer(self) -> Node:
        """Several values, separated by commas, semicolons or words, or a single one."""
        groups: list[list[Node]] = [[]]
        strong = False
        while True:
            while (token := self.peek()) is not None and (token.kind == "sep" or token.text == ","):
                self.position += 1
                if token.kind == "sep" and groups[-1]:
                    groups.append([])
                    strong = True
            if self.peek() is None:
                break
            groups[-1].append(self.relation())
            token = self.peek()
            if token is None:
                break
            if token.kind != "sep" and token.text != ",":
                return self._finish(groups, strong)
        return self._finish(groups, strong)

    @staticmethod
    def _finish(groups: list[list[Node]], strong: bool) -> Node:
        groups = [group for group in groups if group]
        if not groups:
            raise Unreadable("it is empty")
        if strong and len(groups) > 1 and all(len(group) > 1 and _assigns(group) for group in groups):
            # "p = 5, q = 2 and p = 7, q = 2": each part is one solution.
            names = [[item.args[0] for item in group] for group in groups]
            if all(name == names[0] for name in names):
                return Node("list", tuple(Node("list", tuple(group)) for group in groups))
        items = [item for group in groups for item in group]
        return items[0] if len(items) == 1 else Node("list", tuple(items))

    def relation(self) -> Node:
        """A chain of relations, or a plain value."""
        self.skip_fillers()
        sides = [self.set_expression()]
        signs: list[str] = []
        while (token := self.peek()) is not None:
            sign = RELATIONS.get(token.text) if token.kind in ("op", "cmd") else None
            if sign is None and token.kind == "op":
                sign = {"<=": "<=", ">=": ">=", "=<": "<=", "=>": "=>", "!=": "!=", "==": "=", ":=": "="}.get(
                    token.text
                )
            if sign is None and token.text == "not" and token.kind == "cmd":
                self.position += 1
                sign = {"=": "!=", "in": "notin"}.get(self.take().text)
                self.position -= 1
            if sign is None:
                break
            self.position += 1
            if sign == "=" and self.peek_text() in (">", "<"):
                sign = ">=" if self.take().text == ">" else "<="
            if sign in ("=>", "<=>"):
                # What was derived counts, not what it was derived from.
                sides, signs = [self.set_expression()], []
                continue
            signs.append(sign)
            sides.append(self.set_expression())
        if "==" in signs and sides[-1].op == "fn" and sides[-1].value == "mod":
            # "x = 3 mod 7" with the sign of a congruence: the modulus is meant for both sides.
            modulus = sides[-1].args[1]
            sides = [Node("fn", (side, modulus), "mod") for side in (*sides[:-1], sides[-1].args[0])]
        if self.peek_text() == "pmod":
            # A congruence: both sides are residues.
            self.position += 1
            modulus = self._argument() if self.peek_text() == "{" else self.atom()
            if not signs:
                return Node("group", (sides[0], modulus), "mod")
            sides = [Node("fn", (side, modulus), "mod") for side in sides]
        return sides[0] if not signs else Node("rel", tuple(sides), tuple(signs))

    def skip_fillers(self) -> None:
        """Steps over words and signs that introduce a value without changing it."""
        if self.peek_text() in ("approx", "="):
            self.position += 1
        while (token := self.peek()) is not None:
            if token.kind == "text" or (token.kind == "word" and token.text.lower() in FILLERS):
                following = self.tokens[self.position + 1] if self.position + 1 < len(self.tokens) else None
                if following is None or following.kind == "sep" or following.text in (",", "=", ")"):
                    return
                if not all(word.strip(".:,").lower() in FILLERS for word in token.text.split()):
                    return
                self.position += 1
                if self.peek_text() == ":":
                    self.position += 1
            else:
                return

    def set_expression(self) -> Node:
        """Unions, intersections and differences of sets."""
        left = self.ratio()
        while (token := self.peek()) is not None and token.kind == "cmd":
            op = {"cup": "union", "cap": "inter", "setminus": "minus", "backslash": "minus", "bigcup": "union"}.get(
                token.text
            )
            if op is None:
                break
            self.position += 1
            right = self.ratio()
            if left.op == op and op != "minus":
                left = left._replace(args=(*left.args, right))
            else:
                left = Node(op, (left, right))
        return left

    def ratio(self) -> Node:
        """`7 : 32`."""
        parts = [self.additive()]
        while self.peek_text() in (":", "colon"):
            self.position += 1
            parts.append(self.additive())
        return parts[0] if len(parts) == 1 else Node("ratio", tuple(parts))

    def additive(self) -> Node:
        """Terms with plus, minus and plus-minus signs."""
        terms: list[Node] = []
        result: Node | None = None
        sign = "+"
        if self.peek_text() in ("+", "-", "pm", "mp"):
            sign = self.take().text
        while True:
            term = self.term()
            if sign == "-" and term.op == "fn" and term.value == "mod":
                # A sign binds tighter than the remainder.
                term = term._replace(args=(negate(term.args[0]), term.args[1]))
            elif sign == "-":
                term = negate(term)
            if sign in ("pm", "mp"):
                before = () if not terms and result is None else (self._sum(terms, result),)
                result = Node("pm", (*before, term), "+-" if sign == "pm" else "-+")
                terms = []
            else:
                terms.append(term)
            token = self.peek()
            if token is None or token.text not in ("+", "-", "pm", "mp") or token.kind not in ("op", "cmd"):
                break
            sign = self.take().text
            if sign == "+" and self.peek_text() == "-":
                sign = self.take().text
        return self._sum(terms, result)

    @staticmethod
    def _sum(terms: list[Node], before: Node | None) -> Node:
        parts = ([] if before is None else [before]) + terms
        if len(parts) == 1:
            return parts[0]
        units = {part.value for part in parts if part.op == "quantity"}
        if len(units) == 1 and parts[-1].op == "quantity":
            bare = tuple(part.args[0] if part.op == "quantity" else part for part in parts)
            return Node("quantity", (Node("add", bare),), units.pop())
        return Node("add", tuple(parts))

    def term(self) -> Node:
        """Factors, written side by side or with signs; a unit at the end belongs to the whole term."""
        factors = [self.unary()]
        result: Node | None = None
        while (token := self.peek()) is not None:
            text, kind = token.text, token.kind
            if kind == "cmd" and text in ("bmod", "mod"):
                self.position += 1
                result, factors = Node("fn", (self._product(factors, result), self._modulus()), "mod"), []
                continue
            if (kind == "op" and text in "*/") or (kind == "cmd" and text in ("cdot", "times", "div", "ast")):
                self.position += 1
                if text in ("/", "div"):
                    left = self._product(factors, result)
                    unit = self.unit_here() if left.op == "quantity" else None
                    if unit is not None:
                        result, factors = left._replace(value=f"{left.value}/{unit}"), []
                        continue
                    result, factors = Node("div", (left, self.unary())), []
                else:
                    factors.append(self.unary())
                continue
            unit = self.unit_here()
            if unit is not None:
                result, factors = quantity(self._product(factors, result), unit), []
                continue
            if not self.starts_atom(token):
                break
            if kind in ("num", "based"):
                factors.append(self._number_after(factors, token))
            else:
                factors.append(self.postfix())
        return self._product(factors, result)

    def _modulus(self) -> Node:
        """Factors side by side after `mod`: `8y`, but no quotient."""
        factors = [self.unary()]
        while (token := self.peek()) is not None and self.starts_atom(token) and token.kind not in ("num", "text"):
            factors.append(self.postfix())
        return product(factors)

    @staticmethod
    def _product(factors: list[Node], before: Node | None) -> Node:
        if before is None:
            return product(factors)
        if not factors:
            return before
        if before.op == "quantity":
            raise Unreadable("it goes on after its unit")
        return product([before, *factors])

    def _number_after(self, factors: list[Node], token: Token) -> Node:
        """A number straight after another factor: the fraction of a mixed number, or a mistake."""
        previous = self.tokens[self.position - 1]
        after = [t.text for t in self.tokens[self.position + 1 : self.position + 3]]
        if (
            previous.kind == "num"
            and previous.text.isdigit()
            and token.text.isdigit()
            and len(after) == 2
            and after[0] == "/"
            and after[1].isdigit()
            and len(factors) == 1
        ):
            top, bottom = int(token.text), int(after[1])
            if 0 < top < bottom:
                self.position += 3
                whole = factors.pop()
                return mixed(whole, Fraction(top, bottom))
        if previous.kind in ("num", "based"):
            raise Unreadable("two numbers stand side by side")
        return self.postfix()

    def unary(self) -> Node:
        """Signs before a factor."""
        text = self.peek_text()
        if text == "-":
            self.position += 1
            return negate(self.unary())
        if text == "+":
            self.position += 1
            return self.unary()
        return self.postfix()


def quantity(value: Node, unit: str) -> Node:
    """A value with a unit; a second unit multiplies the first."""
    if unit == "%":
        return Node("percent", (value,))
    if value.op == "quantity":
        return value._replace(value=f"{value.value} {unit}")
    return Node("quantity", (value,), unit)


def mixed(whole: Node, part: Fraction) -> Node:
    """`8 3/4`; the sign of the whole part covers the fraction."""
    exact: Fraction = whole.value.exact
    total = exact - part if exact < 0 else exact + part
    return Node("num", (), Decimal(total, None, whole.value.significant))


def _assigns(group: list[Node]) -> bool:
    return all(item.op == "rel" and item.value == ("=",) and item.args[0].op == "sym" for item in group)
