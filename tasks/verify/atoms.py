"""The lower levels of the answer grammar: atoms, powers, functions, fractions, brackets, matrices."""

from fractions import Fraction
from typing import TYPE_CHECKING

from .lexer import Token, Unreadable
from .nodes import IMAGINARY, INFINITY, Decimal, Node, number, product
from .units import unit_name
from .vocabulary import FUNCTIONS, GREEK, INVERSE

_FRACTIONS = frozenset(["frac", "dfrac", "tfrac", "cfrac", "sfrac"])
_DECORATIONS = {
    "mathbf": "b", "boldsymbol": "b", "bm": "b", "vec": "vec", "hat": "hat", "widehat": "hat", "bar": "bar",
    "tilde": "tilde", "widetilde": "tilde", "dot": "dot", "ddot": "ddot", "mathcal": "cal", "mathfrak": "frak",
    "overline": "bar", "underline": "under", "overrightarrow": "vec", "mathscr": "cal",
}  # fmt: skip
_ROMAN = frozenset(["mathrm", "operatorname", "mathit", "mathsf", "mathtt", "mathnormal", "rm", "unit", "si"])
_GREEK = frozenset(GREEK)
_CLOSING = {"(": ")", "[": "]", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil", "lvert": "rvert", "|": "|"}
_MATRICES = frozenset(["matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "array", "smallmatrix"])
_ATOM_COMMANDS = (
    _FRACTIONS | set(_DECORATIONS) | _ROMAN | _GREEK | set(FUNCTIONS)
    | {"pi", "infty", "infinity", "inf", "oo", "binom", "dbinom", "tbinom", "mathbb", "begin", "{", "lfloor", "lceil",
       "lvert", "vert", "langle", "emptyset", "varnothing", "boxed", "fbox", "dots", "ldots", "cdots", "sum", "prod",
       "angle", "imath", "jmath", "partial", "nabla", "R", "Z", "N", "Q", "C", "degree", "triangle", "ensuremath",
       "|", "bf", "it", "mho", "circ", "square", "star", "infin"}
)  # fmt: skip
_UNKNOWN_FUNCTIONS = frozenset("fghFGH")
_NUMBER_SETS = frozenset("RZNQC")


class AtomParser:
    """A position in a list of tokens, and everything that binds tighter than a product."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.bars = 0
        self.bound: set[str] = set()

    if TYPE_CHECKING:

        def additive(self) -> Node: ...

        def unary(self) -> Node: ...

        def term(self) -> Node: ...

        def relation(self) -> Node: ...

        def set_expression(self) -> Node: ...

    # Tokens

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
            return token.text in _ATOM_COMMANDS
        if token.text == "|":
            return self.bars == 0
        return token.text in ("(", "[", "{") or (token.text == "." and self._repeating_follows(self.position + 1))

    # Powers and marks after an atom

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

    # Atoms

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
        if self._repeating_follows(self.position) and "." in text:
            return self._repeating(text)
        literal = literal_number(text)
        # A whole number straight before a proper numeric fraction is a mixed number.
        if literal.value.places is None and self.peek_text() in _FRACTIONS:
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

    def _repeating_follows(self, position: int) -> bool:
        following = [token.text for token in self.tokens[position : position + 4]]
        return (
            len(following) == 4
            and following[0] in ("overline", "bar", "dot")
            and following[1] == "{"
            and (following[2].isdigit() and following[3] == "}")
        )

    def _repeating(self, text: str) -> Node:
        """`0.1\\overline{6}` is exactly 1/6."""
        digits = self.tokens[self.position + 2].text
        self.position += 4
        whole, _, fixed = text.partition(".")
        start = Fraction(int((whole or "0") + fixed), 10 ** len(fixed))
        return number(start + Fraction(int(digits), (10 ** len(digits) - 1) * 10 ** len(fixed)))

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
        if self.peek_text() == "(" and node.op == "sym" and node.value[0] in _UNKNOWN_FUNCTIONS:
            self.position += 1
            return Node("app", self._items(")"), node.value)
        return node

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

    # Groups

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

    def _inner(self, tokens: list[Token]) -> "AtomParser":
        inside = type(self)(list(tokens))
        inside.bound = self.bound
        return inside

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
        if len(items) == 1 and _CLOSING[opening] == closing:
            return items[0]
        return Node("group", tuple(items), opening + closing)

    def _brace(self) -> Node:
        """A TeX group; with commas inside it was meant as a set."""
        items = self._items("}")
        if self.peek_text() == "choose":
            raise Unreadable("the binomial has no lower part")
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

    # Commands

    def _command(self, name: str) -> Node:
        if name in _FRACTIONS:
            return self._fraction()
        if name in FUNCTIONS:
            return self._function(FUNCTIONS[name])
        if name in _GREEK or name in ("partial", "nabla", "triangle", "star", "mho", "square"):
            return self._symbol("\\" + name)
        simple = {
            "pi": Node("const", (), "pi"), "imath": IMAGINARY, "jmath": IMAGINARY, "infty": INFINITY, "infin": INFINITY,
            "infinity": INFINITY, "inf": INFINITY, "oo": INFINITY, "emptyset": Node("set"), "varnothing": Node("set"),
        }.get(name)  # fmt: skip
        if simple is not None:
            return simple
        if name in ("dots", "ldots", "cdots"):
            return Node("sym", (), "...")
        if name in ("boxed", "fbox", "ensuremath"):
            return self._argument()
        if name in ("binom", "dbinom", "tbinom"):
            return Node("fn", (self._argument(), self._argument()), "binom")
        if name in ("angle", "bf", "it"):
            return self.postfix()
        if name == "{":
            return self._set()
        if name in ("lfloor", "lceil"):
            bars, self.bars = self.bars, 0
            node = self.additive()
            self.bars = bars
            self._expect_command(_CLOSING[name])
            return Node("fn", (node,), "floor" if name == "lfloor" else "ceil")
        if name in ("lvert", "vert"):
            node = self.additive()
            self._expect_command("rvert" if name == "lvert" else "vert")
            return Node("fn", (node,), "abs")
        if name == "langle":
            return Node("group", self._items("rangle"), "()")
        if name == "mathbb" or name in _NUMBER_SETS:
            letter = self._raw_text() if name == "mathbb" else name
            return Node("const", (), letter) if letter in _NUMBER_SETS else Node("sym", (), "bb:" + letter)
        if name in _ROMAN:
            return self._roman()
        if name in _DECORATIONS:
            return self._symbol(_DECORATIONS[name] + ":" + self._raw_text())
        if name == "begin":
            return self._environment()
        if name in ("sum", "prod"):
            return self._series(name)
        raise Unreadable(f"the command {name[:20]!r} is not known")

    def _expect_command(self, name: str) -> None:
        self.expect(name)

    def _raw_text(self) -> str:
        if self.peek_text() == "{":
            return "".join(("\\" if t.kind == "cmd" else "") + t.text for t in self._raw_group())
        return self.take().text

    def _roman(self) -> Node:
        """Upright letters: a function, a constant, or a name."""
        text = self._raw_text().strip()
        if text in FUNCTIONS:
            return self._function(FUNCTIONS[text])
        if len(text) == 1 and text.isalpha():
            return self._symbol(text)
        if text.isdigit():
            return literal_number(text)
        return Node("text", (), text)

    def unit_here(self) -> str | None:
        """The unit that stands at this position after a value, taken with its exponents; `None` if there is none."""
        start = self.position
        parts: list[str] = []
        while (token := self.peek()) is not None:
            if token.kind == "text":
                self.position += 1
                text = token.text
            elif token.kind == "cmd" and token.text in _ROMAN and self.position + 1 < len(self.tokens):
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
            following.kind == "text" or (following.kind == "cmd" and following.text in _ROMAN)
        )

    def _fraction(self) -> Node:
        here = self.position
        derivative = self._derivative()
        if derivative is not None:
            return derivative
        self.position = here
        top, bottom = self._argument(), self._argument()
        return Node("div", (top, bottom))

    def _derivative(self) -> Node | None:
        """`\\frac{d^2 x}{dt^2}` is a name of its own, never a quotient in which d cancels."""
        if self.peek_text() != "{":
            return None
        top = "".join(t.text for t in self._raw_group())
        if self.peek_text() != "{" or top[:1] != "d" and not top.startswith("partial"):
            return None
        bottom = "".join(t.text for t in self._raw_group())
        if bottom[:1] == "d" and len(bottom) > 1 or bottom.startswith("partial"):
            return Node(
                "sym", (), f"D[{top.replace('{', '').replace('}', '')}/{bottom.replace('{', '').replace('}', '')}]"
            )
        return None

    def _function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        if name == "sqrt" and self.peek_text() == "[":
            self.position += 1
            root = self._items("]")
            if len(root) != 1:
                raise Unreadable("a root has several degrees")
            return Node("fn", (self._argument(), root[0]), "root")
        if name == "binom" and self.peek_text() == "{":
            return Node("fn", (self._argument(), self._argument()), "binom")
        while self.peek_text() in ("_", "^", "**"):
            sign = self.take().text
            if sign == "_":
                if name in ("max", "min", "gcd", "lcm"):
                    raise Unreadable(f"the subscript of {name} cannot be read")
                base = self._argument() if self.peek_text() == "{" else self.atom()
            elif self.peek_text() == "-":
                self.position += 1
                exponent = Node("neg", (self._argument(),))
            else:
                exponent = self._argument() if self.peek_text() == "{" else self.atom()
        args = self._function_arguments(name)
        if name == "lg":
            name, base = "log", number(10)
        if base is not None:
            if name != "log":
                raise Unreadable(f"the subscript of {name} cannot be read")
            args = (*args, base)
        if exponent is not None and exponent in (number(-1), Node("neg", (number(1),))) and name in INVERSE:
            return Node("fn", args, INVERSE[name])
        node = Node("pow", (Node("const", (), "e"), args[0])) if name == "exp" else Node("fn", args, name)
        if name == "factorial":
            node = Node("fact", args)
        return node if exponent is None else Node("pow", (node, exponent))

    def _function_arguments(self, name: str) -> tuple[Node, ...]:
        text = self.peek_text()
        if text in ("(", "["):
            self.position += 1
            return self._nonempty(self._items(_CLOSING[text]))
        if text == "{" or name in ("sqrt", "cbrt"):
            if text == "{":
                self.position += 1
                return self._nonempty(self._items("}"))
            return (self.atom(),)
        if text == "|":
            self.position += 1
            return (self._bars("|"),)
        if text == "-":
            self.position += 1
            return (Node("neg", (self.postfix(),)),)
        factors = [self.postfix()]
        while (token := self.peek()) is not None:
            if token.kind == "cmd" and (token.text in FUNCTIONS or token.text in ("sum", "prod")):
                break
            if token.kind == "text" or not self.starts_atom(token) or token.kind in ("num", "based"):
                break
            if token.text in ("(", "["):
                break
            factors.append(self.postfix())
        if self.peek_text() == "/" and all(f.op in ("num", "const") for f in factors):
            following = self.tokens[self.position + 1 : self.position + 2]
            if following and following[0].kind == "num":
                self.position += 1
                return (Node("div", (product(factors), self.atom())),)
        return (product(factors),)

    @staticmethod
    def _nonempty(items: tuple[Node, ...]) -> tuple[Node, ...]:
        if not items:
            raise Unreadable("a function has no argument")
        return items

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


def literal_number(text: str) -> Node:
    """A number literal, thousands separators and exponent included."""
    text = text.replace(",", "")
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    whole, point, decimals = mantissa.partition(".")
    digits = whole + decimals
    if len(exponent) > 5:
        raise Unreadable("an exponent has too many digits")
    scale = int(exponent) if mark else 0
    exact = Fraction(int(digits or "0"))
    shift = scale - len(decimals)
    exact = exact * 10**shift if shift >= 0 else exact / 10**-shift
    places = max(0, -shift) if point or mark else None
    if mark and exact.denominator == 1 and not point:
        places = None
    significant = len(digits.lstrip("0")) or 1
    return Node("num", (), Decimal(exact, places if places else (0 if point else None), significant))
