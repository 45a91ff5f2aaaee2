"""Sums and products of literal matrices, worked out cell by cell."""

from .nodes import Node, product, walk

_MAX_CELLS = 4096
"""Most terms that the cells of a product may have in all."""
_MAX_NODES = 20_000
"""Most nodes that the cells of a product may have in all; a larger product is left as it stands."""


def nested_lists(node: Node) -> Node:
    """`[[1, 2], [3, 4]]` is a matrix."""
    rows = node.args
    if node.op != "group" or node.value != "[]" or any(row.op != "group" or row.value != "[]" for row in rows):
        return node
    if len({len(row.args) for row in rows}) != 1:
        return node
    return Node("matrix", tuple(cell for row in rows for cell in row.args), (len(rows), len(rows[0].args)))


def evaluated_matrix(node: Node) -> Node:
    """Sums and products of literal matrices worked out cell by cell; other nodes unchanged."""
    if node.op == "pow" and node.args[0].op == "matrix":
        return _matrix_power(node)
    if node.op not in ("add", "mul", "neg", "pow") or not any(part.op == "matrix" for part in node.args):
        return node
    if node.op == "pow":
        return node
    if node.op == "neg":
        matrix = node.args[0]
        return matrix._replace(args=tuple(Node("neg", (cell,)) for cell in matrix.args))
    parts = [evaluated_matrix(part) for part in node.args]
    if node.op == "add":
        if any(part.op != "matrix" or part.value != parts[0].value for part in parts):
            return node
        cells = zip(*(part.args for part in parts), strict=True)
        return parts[0]._replace(args=tuple(Node("add", column) for column in cells))
    result = parts[0]
    for part in parts[1:]:
        multiplied = _multiply(result, part)
        if multiplied is None:
            return node
        result = multiplied
    return result


def _matrix_power(node: Node) -> Node:
    """A transpose, or a small positive power; other powers are left to sympy."""
    matrix, exponent = node.args
    rows, columns = matrix.value
    if exponent.op in ("sym", "text") and exponent.value in ("T", "t", "\\top"):
        cells = tuple(matrix.args[i * columns + j] for j in range(columns) for i in range(rows))
        return Node("matrix", cells, (columns, rows))
    if exponent.op == "num" and exponent.value.exact in (2, 3, 4):
        result: Node | None = matrix
        for _ in range(int(exponent.value.exact) - 1):
            result = _multiply(result, matrix) if result is not None else None
        return result if result is not None else node
    return node


def _size(node: Node) -> int:
    return sum(1 for _ in walk(node))


def _multiply(left: Node, right: Node) -> Node | None:
    if left.op != "matrix" and right.op != "matrix":
        return product([left, right])
    if left.op != "matrix":
        return right._replace(args=tuple(product([left, cell]) for cell in right.args))
    if right.op != "matrix":
        return left._replace(args=tuple(product([right, cell]) for cell in left.args))
    (rows, inner), (height, columns) = left.value, right.value
    if (
        inner != height
        or rows * inner * columns > _MAX_CELLS
        or _size(left) * columns + _size(right) * rows > _MAX_NODES
    ):
        return None
    cells = tuple(
        Node("add", tuple(product([left.args[i * inner + k], right.args[k * columns + j]]) for k in range(inner)))
        for i in range(rows)
        for j in range(columns)
    )
    return Node("matrix", cells, (rows, columns))
