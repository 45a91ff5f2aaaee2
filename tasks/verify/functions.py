"""Fractions, roots, known functions and the other commands of LaTeX."""

from .brackets import CLOSING
from .cursor import DECORATIONS, FRACTIONS, GREEK_NAMES, ROMAN
from .lexer import Unreadable
from .names import NameParser
from .nodes import IMAGINARY, INFINITY, Node, number, product
from .vocabulary import FUNCTIONS, INVERSE

_ANY_NUMBER = frozenset(["max", "min", "gcd", "lcm"])
_NUMBER_SETS = frozenset("RZNQC")


class FunctionParser(NameParser):
    """The level of commands."""

    def _command(self, name: str) -> Node:
        if name in FRACTIONS:
            return self._fraction()
        if name in FUNCTIONS:
            return self.function(FUNCTIONS[name])
        if name in GREEK_NAMES or name in ("partial", "nabla", "triangle", "star", "mho", "square"):
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
            self._expect_command(CLOSING[name])
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
        if name in ROMAN:
            return self._roman()
        if name in DECORATIONS:
            return self._decorated(DECORATIONS[name])
        if name == "begin":
            return self._environment()
        if name in ("sum", "prod"):
            return self._series(name)
        raise Unreadable(f"the command {name[:20]!r} is not known")

    def _expect_command(self, name: str) -> None:
        self.expect(name)

    def _fraction(self) -> Node:
        here = self.position
        derivative = self._derivative()
        if derivative is not None:
            return derivative
        self.position = here
        top, bottom = self._argument(), self._argument()
        return Node("div", (top, bottom))

    def _derivative(self) -> Node | None:
        r"""`\frac{d^2 x}{dt^2}` is a name of its own, never a quotient in which d cancels."""
        if self.peek_text() != "{":
            return None
        top = "".join(t.text for t in self._raw_group())
        if self.peek_text() != "{" or (top[:1] != "d" and not top.startswith("partial")):
            return None
        bottom = "".join(t.text for t in self._raw_group())
        if (bottom[:1] == "d" and len(bottom) > 1) or bottom.startswith("partial"):
            return Node(
                "sym", (), f"D[{top.replace('{', '').replace('}', '')}/{bottom.replace('{', '').replace('}', '')}]"
            )
        return None

    def function(self, name: str) -> Node:
        """A call of a known function with its base, its exponent and its arguments."""
        base: Node | None = None
        exponent: Node | None = None
        if name == "sqrt" and self.peek_text() == "[":
            self.position += 1
            root = self._items("]")
            if len(root) != 1:
                raise Unreadable("a root has several degrees")
            return Node("fn", (self._argument(), root[0]), "root")
        if name == "binom" and self.peek_text() != "(":
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
        if name not in _ANY_NUMBER and len(args) != (2 if name == "binom" else 1):
            raise Unreadable(f"{name} has a wrong number of arguments")
        if name == "lg":
            name, base = "log", number(10)
        if base is not None:
            if name != "log":
                raise Unreadable(f"the subscript of {name} cannot be read")
            args = (*args, base)
        if exponent is not None and _is_minus_one(exponent) and name in INVERSE:
            return Node("fn", args, INVERSE[name])
        node = Node("pow", (Node("const", (), "e"), args[0])) if name == "exp" else Node("fn", args, name)
        if name == "factorial":
            node = Node("fact", args)
        return node if exponent is None else Node("pow", (node, exponent))

    def _function_arguments(self, name: str) -> tuple[Node, ...]:
        text = self.peek_text()
        if text in ("(", "["):
            self.position += 1
            return self._nonempty(self._items(CLOSING[text]))
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


def _is_minus_one(node: Node) -> bool:
    if node.op == "neg":
        node, sign = node.args[0], -1
    else:
        sign = 1
    return node.op == "num" and node.value.exact * sign == -1
