"""Values and their units, taken apart."""

from .nodes import Node, product, symbols
from .vocabulary import SINGLE_LETTER_UNITS, UNITS


def split_unit(node: Node) -> tuple[Node, str | None]:
    """Value and unit; the unit is `None` where there is none, `%` for a percentage, `degree` for an angle."""
    if node.op == "quantity":
        value, unit = split_unit(node.args[0])
        if unit == "degree" and node.value in ("C", "F", "K"):
            return value, "deg" + node.value
        return (value, node.value) if unit is None else (node.args[0], node.value)
    if node.op == "percent":
        return node.args[0], "%"
    if node.op == "degree":
        return node.args[0], "degree"
    if node.op == "mul" and len(node.args) == 2 and node.args[0].op == "degree":
        # "1950^\\circ C": the letter names the scale.
        tail = node.args[1]
        if tail.op == "sym" and tail.value in ("C", "F", "K"):
            return node.args[0].args[0], "deg" + tail.value
    if node.op == "neg":
        value, unit = split_unit(node.args[0])
        if unit is not None:
            return Node("neg", (value,)), unit
    return node, None


def with_loose_unit(node: Node, unit: str | None) -> tuple[Node, str | None]:
    """The value and its unit, where a single letter after a number may be the unit."""
    if unit is not None:
        return node, unit
    value = without_letters(node)
    if value is None or symbols(value):
        return node, None
    tail = node.args[-1]
    letter, power = (tail.args[0], tail.args[1]) if tail.op == "pow" else (tail, None)
    name = UNITS.get(letter.value, letter.value.lower() if letter.value == "L" else letter.value)
    if power is not None and power.op == "num":
        name += f"^{power.value.exact}"
    return value, name


def without_letters(node: Node) -> Node | None:
    """The value before a unit in plain letters, or `None` where no such unit stands at the end."""
    if node.op != "mul":
        return None
    tail = node.args[-1]
    if tail.op == "pow" and tail.args[0].op == "sym":
        tail = tail.args[0]
    if tail.op == "word" or (tail.op == "sym" and tail.value in SINGLE_LETTER_UNITS):
        return product(list(node.args[:-1]))
    return None
