"""Generators of geometry problems that live in coordinates."""

import math
from fractions import Fraction
from typing import NamedTuple

from ..rng import Rng
from .generator import LOWEST_TERMS, Generator, Params, listed
from .geometry import AREA, fraction_sum


class Point(NamedTuple):
    """A point or a vector of the plane with exact coordinates."""

    x: Fraction
    y: Fraction


def _point(x: int | Fraction, y: int | Fraction) -> Point:
    return Point(Fraction(x), Fraction(y))


def _twice_area(points: list[Point]) -> Fraction:
    """Return twice the signed area of a polygon (shoelace formula)."""
    return sum(
        (a.x * b.y - b.x * a.y for a, b in zip(points, points[1:] + points[:1], strict=True)),
        start=Fraction(0),
    )


def _meet(a: Point, b: Point, c: Point, d: Point) -> Point:
    """Return the intersection of the lines ab and cd."""
    rx, ry, sx, sy = b.x - a.x, b.y - a.y, d.x - c.x, d.y - c.y
    t = ((c.x - a.x) * sy - (c.y - a.y) * sx) / (rx * sy - ry * sx)
    return Point(a.x + t * rx, a.y + t * ry)


class LatticeInterior(Generator):
    """Lattice points inside polygons."""

    name = "lattice_interior"
    area = AREA
    steps = (
        "compute the area with the shoelace formula",
        "count the lattice points on every side with greatest common divisors",
        "solve Pick's formula for the number of interior points",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        corners = {"easy": 3, "medium": 4, "hard": 5}[level]
        points = {(rng.integer(-12, 25), rng.integer(-12, 25)) for _ in range(corners)}
        hull = self._hull(sorted(points))
        if len(hull) != corners:
            return None
        return {"vertices": [list(point) for point in hull]}

    @staticmethod
    def _hull(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the strictly convex hull of sorted points, counterclockwise."""

        def chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
            kept: list[tuple[int, int]] = []
            for x, y in points:
                while len(kept) > 1:
                    (ax, ay), (bx, by) = kept[-2:]
                    if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                        break
                    kept.pop()
                kept.append((x, y))
            return kept[:-1]

        return chain(points) + chain(points[::-1])

    def statement(self, params: Params) -> str:
        vertices = params["vertices"]
        points = listed([f"$({x}, {y})$" for x, y in vertices])
        shape = {3: "triangle", 4: "convex quadrilateral", 5: "convex pentagon"}[len(vertices)]
        if params["wording"] == 0:
            return (
                f"Find the number of points with integer coordinates that lie strictly inside the {shape} with "
                f"vertices {points}."
            )
        return (
            f"Trees stand at all points of a plane whose two coordinates are integers. A straight fence runs along the "
            f"sides of the {shape} whose vertices, in order, are {points}. How many trees are inside the fence, "
            "not counting those that touch it?"
        )

    def answer(self, params: Params) -> int:
        vertices = params["vertices"]
        pairs = list(zip(vertices, vertices[1:] + vertices[:1], strict=True))
        area = abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs))
        boundary = sum(math.gcd(bx - ax, by - ay) for (ax, ay), (bx, by) in pairs)
        return (area - boundary + 2) // 2


class SpiralWalk(Generator):
    """Walks that turn by a fixed angle after every stretch."""

    name = "spiral_walk"
    area = AREA
    steps = (
        "add up the lengths that are walked in each direction",
        "combine opposite (or all dependent) directions into two independent ones",
        "find the square of the distance from the components and the angle between them (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        turn = rng.choice({"easy": (90,), "medium": (60, 120), "hard": (60, 90, 120)}[level])
        legs = rng.integer(*{"easy": (7, 30), "medium": (7, 50), "hard": (8, 40)}[level])
        if legs % (360 // turn) == 0:
            return None
        growth = [rng.integer(1, 9), rng.integer(1, 6), rng.integer(1, 3) if level == "hard" else 0]
        return {"turn": turn, "legs": legs, "growth": growth, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        turn, legs, (first, step, bend) = params["turn"], params["legs"], params["growth"]
        length = (
            f"{first}"
            + (f" + {'' if step == 1 else step}(k - 1)")
            + (f" + {'' if bend == 1 else bend}(k - 1)^2" if bend else "")
        )
        end = "Find the remainder when $d^2$ is divided by $1000$." if params["reduce"] else "Find $d^2$."
        if params["wording"] == 0:
            return (
                f"An ant starts at a point $S$ of a plane and walks ${legs}$ straight stretches. The length of the "
                f"$k$-th stretch is ${length}$, and between two stretches the ant turns left by ${turn}^\\circ$. Let "
                f"$d$ be the distance from $S$ to the point where the ant stops. {end}"
            )
        return (
            f"A polygonal path $A_0 A_1 A_2 \\ldots A_{{{legs}}}$ in the plane satisfies $A_{{k-1}} A_k = {length}$ "
            f"for $1 \\le k \\le {legs}$, and each of its segments after the first points in the direction of the "
            f"previous one rotated counterclockwise by ${turn}^\\circ$. Let $d = A_0 A_{{{legs}}}$. {end}"
        )

    def answer(self, params: Params) -> int:
        turn, (first, step, bend) = params["turn"], params["growth"]
        directions = 360 // turn
        sums = [0] * directions
        for k in range(params["legs"]):
            sums[k % directions] += first + step * k + bend * k * k
        if turn == 90:
            square = (sums[0] - sums[2]) ** 2 + (sums[1] - sums[3]) ** 2
        else:
            if turn == 60:  # three pairs of opposite directions
                east, north_east, north_west = (sums[i] - sums[i + 3] for i in range(3))
                u, v = east - north_west, north_east + north_west
                square = u * u + u * v + v * v
            else:
                u, v = sums[0] - sums[2], sums[1] - sums[2]
                square = u * u - u * v + v * v
        return square % 1000 if params["reduce"] else square


class TriangleCenters(Generator):
    """Circumcenters and orthocenters of triangles given by coordinates."""

    name = "triangle_centers"
    area = AREA
    steps = (
        "find the circumcenter from two perpendicular bisectors",
        "find the center that is asked for (the orthocenter from the vertices and the circumcenter)",
        "compute the square of the distance and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 9, "medium": 10, "hard": 12}[level]
        points = [[rng.integer(-3, high), rng.integer(-3, high)] for _ in range(3 if level == "easy" else 4)]
        (ax, ay), (bx, by), (cx, cy) = points[:3]
        if (bx - ax) * (cy - ay) == (by - ay) * (cx - ax) or points[-1] in points[:-1]:
            return None
        return {"points": points, "wanted": {"easy": "radius", "medium": "circumcenter", "hard": "orthocenter"}[level]}

    def statement(self, params: Params) -> str:
        points, wanted = params["points"], params["wanted"]
        triangle = listed([f"${name} = ({x}, {y})$" for name, (x, y) in zip("ABC", points, strict=False)])
        end = f"can be written as $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find $m + n$."
        if wanted == "radius":
            if params["wording"] == 0:
                return f"The square of the radius of the circle through the points {triangle} {end}"
            return f"A circle passes through {triangle}. Its area divided by $\\pi$ {end}"
        x, y = points[3]
        center = (
            "the center of the circle through"
            if wanted == "circumcenter"
            else "the orthocenter of the triangle formed by"
        )
        if params["wording"] == 0:
            return (
                f"Let $X$ be {center} the points {triangle}. The square of the distance from $X$ to "
                f"$Q = ({x}, {y})$ {end}"
            )
        name = "circumcenter" if wanted == "circumcenter" else "orthocenter"
        return (
            f"Triangle $ABC$ has vertices {triangle}, and $X$ is its {name}. For $Q = ({x}, {y})$, "
            f"the number $QX^2$ {end}"
        )

    def answer(self, params: Params) -> int | None:
        a, b, c, *rest = (_point(x, y) for x, y in params["points"])
        norms = [p.x * p.x + p.y * p.y for p in (a, b, c)]
        twice = 2 * _twice_area([a, b, c])
        ox = (norms[0] * (b.y - c.y) + norms[1] * (c.y - a.y) + norms[2] * (a.y - b.y)) / twice
        oy = (norms[0] * (c.x - b.x) + norms[1] * (a.x - c.x) + norms[2] * (b.x - a.x)) / twice
        target = rest[0] if rest else a
        if params["wanted"] == "orthocenter":
            ox, oy = a.x + b.x + c.x - 2 * ox, a.y + b.y + c.y - 2 * oy
        return fraction_sum((ox - target.x) ** 2 + (oy - target.y) ** 2)


class RectangleLines(Generator):
    """Areas cut out of a rectangle by segments between its sides."""

    name = "rectangle_lines"
    area = AREA
    steps = (
        "find where the two segments meet, by similar triangles or coordinates",
        "find the areas of the simple triangles around the region",
        "combine them into the area of the region and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 10, "medium": 14, "hard": 14}[level]
        width, height = rng.integer(3, high), rng.integer(3, high)
        on_ab, on_bc = rng.integer(1, width - 1), rng.integer(1, height - 1)
        wanted = {"easy": "APE", "medium": "PEBF", "hard": "PFCD"}[level]
        return {"size": [width, height], "parts": [on_ab, on_bc], "wanted": wanted}

    def statement(self, params: Params) -> str:
        (width, height), (e, f), wanted = params["size"], params["parts"], params["wanted"]
        shape = "triangle" if len(wanted) == 3 else "quadrilateral"
        end = f"The area of {shape} ${wanted}$ is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find $m + n$."
        if params["wording"] == 0:
            return (
                f"Rectangle $ABCD$ has $AB = {width}$ and $BC = {height}$. Point $E$ lies on $\\overline{{AB}}$ with "
                f"$AE = {e}$, and point $F$ lies on $\\overline{{BC}}$ with $BF = {f}$. Segments $AF$ and $DE$ "
                f"intersect at $P$. {end}"
            )
        return (
            f"Let $ABCD$ be a rectangle with side lengths $AB = {width}$ and $AD = {height}$. The points $E$ on side "
            f"$AB$ and $F$ on side $BC$ are chosen such that $EB = {width - e}$ and $FC = {height - f}$, and $P$ is "
            f"the point where the lines $AF$ and $DE$ cross. {end}"
        )

    def answer(self, params: Params) -> int | None:
        (width, height), (on_ab, on_bc) = params["size"], params["parts"]
        places = {
            "A": _point(0, 0),
            "B": _point(width, 0),
            "C": _point(width, height),
            "D": _point(0, height),
            "E": _point(on_ab, 0),
            "F": _point(width, on_bc),
        }
        places["P"] = _meet(places["A"], places["F"], places["D"], places["E"])
        return fraction_sum(abs(_twice_area([places[name] for name in params["wanted"]])) / 2)


GENERATORS: tuple[Generator, ...] = (
    LatticeInterior(),
    SpiralWalk(),
    TriangleCenters(),
    RectangleLines(),
)
