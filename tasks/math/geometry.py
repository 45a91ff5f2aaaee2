"""Generators of geometry problems; all lengths, areas and squared distances are rational."""

import math
from fractions import Fraction

from ..rng import Rng
from .generator import LOWEST_TERMS, Generator, Params, listed, terms_sum

AREA = "geometry"


def fraction_sum(value: Fraction) -> int | None:
    """Return m + n for a proper fraction m/n in lowest terms; None for whole numbers and beyond AIME's range."""
    return terms_sum(value) if value.denominator > 1 and value > 0 else None


class Cevian(Generator):
    """Lengths of cevians and of segments between their points."""

    name = "cevian"
    area = AREA
    steps = (
        "find the two parts of the divided side from the ratio",
        "find the square of the cevian with Stewart's theorem (or the law of cosines in two triangles)",
        "apply it once more to the second point, where there is one, and reduce the fraction",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 12, "medium": 18, "hard": 18}[level]
        a, b, c = (rng.integer(4, high) for _ in range(3))
        if a + b <= c or b + c <= a or a + c <= b or len({a, b, c}) < 3:
            return None
        ratio = [rng.integer(1, 5), rng.integer(1, 5)]
        second = [rng.integer(1, 3), rng.integer(1, 3)] if level == "hard" else []
        if math.gcd(*ratio) > 1 or ratio == [1, 1] or (second and math.gcd(*second) > 1):
            return None
        return {"sides": [a, b, c], "ratio": ratio, "second": second}

    def statement(self, params: Params) -> str:
        (a, b, c), (p, q), second = params["sides"], params["ratio"], params["second"]
        wanted = "BE" if second else "AD"

        def times(factor: int) -> str:
            return "" if factor == 1 else f"{factor} \\cdot "

        extra = f" Point $E$ lies on segment $AD$ with $AE : ED = {second[0]} : {second[1]}$." if second else ""
        end = f"Then ${wanted}^2 = \\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find $m + n$."
        if params["wording"] == 0:
            return (
                f"Triangle $ABC$ has side lengths $AB = {c}$, $BC = {a}$, and $CA = {b}$. Point $D$ lies on side "
                f"$\\overline{{BC}}$ with $BD : DC = {p} : {q}$.{extra} {end}"
            )
        return (
            f"In triangle $ABC$ with $BC = {a}$, $AC = {b}$, and $AB = {c}$, let $D$ be the point on segment $BC$ that "
            f"satisfies ${times(q)}BD = {times(p)}DC$.{extra} {end}"
        )

    def answer(self, params: Params) -> int | None:
        (a, b, c), (p, q), second = params["sides"], params["ratio"], params["second"]

        def stewart(one: Fraction, other: Fraction, base: Fraction, p: int, q: int) -> Fraction:
            """Square of the cevian that ends p : q on the base, from the squares of the three sides.

            `one` belongs to the base's end where the part p begins, `other` to its far end.
            """
            return (q * one + p * other) / (p + q) - Fraction(p * q, (p + q) ** 2) * base

        cevian = stewart(Fraction(c * c), Fraction(b * b), Fraction(a * a), p, q)
        if not second:
            return fraction_sum(cevian)
        part = Fraction(a * p, p + q) ** 2  # BD squared
        return fraction_sum(stewart(Fraction(c * c), part, cevian, *second))


class PerpendicularChords(Generator):
    """A circle in which two chords cross at a right angle."""

    name = "perpendicular_chords"
    area = AREA
    steps = (
        "find the fourth part with the power of the point of intersection",
        "drop perpendiculars from the center to the chords",
        "find the square that is asked for with the Pythagorean theorem",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 12, "medium": 20, "hard": 20}[level]
        a, b, c = (rng.integer(1, high) for _ in range(3))
        if a == b or (a * b % c == 0) != (level == "easy"):
            return None
        return {"parts": [a, b, c], "wanted": "center" if level == "hard" else "radius"}

    def statement(self, params: Params) -> str:
        a, b, c = params["parts"]
        if params["wanted"] == "radius":
            end = f"The square of the radius of $\\omega$ is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find $m + n$."
        else:
            end = f"Let $O$ be the center of $\\omega$. Then $OP^2 = \\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find $m + n$."
        if params["wording"] == 0:
            return (
                "Perpendicular chords $\\overline{AB}$ and $\\overline{CD}$ of a circle $\\omega$ intersect at "
                f"$P$, where $PA = {a}$, $PB = {b}$, and $PC = {c}$. {end}"
            )
        return (
            "Inside a circle $\\omega$ lies a point $P$. Two lines through $P$ that form right angles meet $\\omega$ "
            f"at $A$ and $B$, and at $C$ and $D$, respectively. The distances from $P$ to $A$, $B$, and $C$ are ${a}$, "
            f"${b}$, and ${c}$. {end}"
        )

    def answer(self, params: Params) -> int | None:
        a, b, c = params["parts"]
        d = Fraction(a * b, c)
        if params["wanted"] == "radius":
            return fraction_sum((a * a + b * b + c * c + d * d) / 4)
        return fraction_sum(((a - b) ** 2 + (c - d) ** 2) / 4)


class BoxPlane(Generator):
    """The distance from a corner of a box to a plane through three points on its edges."""

    name = "box_plane"
    area = AREA
    steps = (
        "place the box in coordinates and write the equation of the plane",
        "express the square of the distance from the corner to the plane",
        "simplify to lowest terms and add",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 9, "medium": 7, "hard": 9}[level]
        box = [rng.integer(2, high) for _ in range(3)]
        cuts = list(box) if level == "easy" else [rng.integer(1, edge) for edge in box]
        if level != "easy" and (cuts == box or any(cut == edge for cut, edge in zip(cuts, box, strict=True))):
            return None
        if level == "easy" and len(set(box)) == 1:
            return None
        return {"box": box, "cuts": cuts, "opposite": level != "easy", "reduce": level == "hard"}

    def statement(self, params: Params) -> str:
        (a, b, c), (p, q, r) = params["box"], params["cuts"]
        end = "Find the remainder when $m + n$ is divided by $1000$." if params["reduce"] else "Find $m + n$."
        if not params["opposite"]:
            if params["wording"] == 0:
                return (
                    f"A rectangular box has edges $OA = {a}$, $OB = {b}$, and $OC = {c}$ that meet at the corner $O$. "
                    "Let $d$ be the distance from $O$ to the plane $ABC$. Then $d^2 = \\frac{m}{n}$, "
                    f"{LOWEST_TERMS}. {end}"
                )
            return (
                "In tetrahedron $OABC$ the edges $OA$, $OB$, and $OC$ are pairwise perpendicular and have lengths "
                f"${a}$, ${b}$, and ${c}$. The square of the altitude from $O$ is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. "
                f"{end}"
            )
        if params["wording"] == 0:
            return (
                f"A rectangular box has edges $OA = {a}$, $OB = {b}$, and $OC = {c}$ that meet at the corner $O$, and "
                "$V$ is the corner opposite $O$. Points $P$, $Q$, and $R$ lie on $OA$, $OB$, and $OC$, respectively, "
                f"with $OP = {p}$, $OQ = {q}$, and $OR = {r}$. Let $d$ be the distance from $V$ to the plane $PQR$. "
                f"Then $d^2 = \\frac{{m}}{{n}}$, {LOWEST_TERMS}. {end}"
            )
        return (
            f"A block of wood in the shape of a rectangular box measures ${a} \\times {b} \\times {c}$. A corner is "
            f"sawn off by a plane that meets the edges of length ${a}$, ${b}$, and ${c}$ at this corner at distances "
            f"${p}$, ${q}$, and ${r}$ from it. The square of the distance from this plane to the opposite corner of "
            f"the block is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {end}"
        )

    def answer(self, params: Params) -> int | None:
        box, cuts = params["box"], params["cuts"]
        offset = Fraction(-1)
        if params["opposite"]:
            offset += sum(Fraction(edge, cut) for edge, cut in zip(box, cuts, strict=True))
        square = offset**2 / sum(Fraction(1, cut * cut) for cut in cuts)
        total = fraction_sum(square)
        return total % 1000 if params["reduce"] and total is not None else total


class CyclicQuadrilateral(Generator):
    """Diagonals and circumradius of a cyclic quadrilateral."""

    name = "cyclic_quadrilateral"
    area = AREA
    steps = (
        "write the law of cosines for a diagonal in both triangles, whose angles are supplementary",
        "eliminate the cosine (or use Ptolemy's two relations)",
        "for the radius, find the sine and use the extended law of sines; simplify and add",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 9, "medium": 16, "hard": 9}[level]
        sides = [rng.integer(1, high) for _ in range(4)]
        if 2 * max(sides) >= sum(sides) or len(set(sides)) < 3:
            return None
        return {"sides": sides, "wanted": "radius" if level == "hard" else "diagonal", "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        a, b, c, d = params["sides"]
        end = "Find the remainder when $m + n$ is divided by $1000$." if params["reduce"] else "Find $m + n$."
        radius = params["wanted"] == "radius"
        if params["wording"] == 0:
            what = "The square of the radius of the circle" if radius else "The square of the length of diagonal $AC$"
            return (
                f"Quadrilateral $ABCD$ is inscribed in a circle and has side lengths $AB = {a}$, $BC = {b}$, $CD = "
                f"{c}$, and $DA = {d}$. {what} is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {end}"
            )
        what = "the lake has radius $r$. Then $r^2" if radius else "the distance from $A$ to $C$ is $s$. Then $s^2"
        return (
            "Four villages $A$, $B$, $C$, and $D$ lie in this order on the shore of a circular lake. The distances, "
            f"measured along straight lines, are ${a}$ from $A$ to $B$, ${b}$ from $B$ to $C$, ${c}$ from $C$ to $D$, "
            f"and ${d}$ from $D$ to $A$, and {what} = \\frac{{m}}{{n}}$, {LOWEST_TERMS}. {end}"
        )

    def answer(self, params: Params) -> int | None:
        a, b, c, d = params["sides"]
        if params["wanted"] == "radius":
            s = a + b + c + d
            sixteen_area = (s - 2 * a) * (s - 2 * b) * (s - 2 * c) * (s - 2 * d)
            square = Fraction((a * b + c * d) * (a * c + b * d) * (a * d + b * c), sixteen_area)
        else:
            square = Fraction((a * c + b * d) * (a * d + b * c), a * b + c * d)
        total = fraction_sum(square)
        return total % 1000 if params["reduce"] and total is not None else total


class CevianTriangle(Generator):
    """The triangle that three cevians enclose."""

    name = "cevian_triangle"
    area = AREA
    steps = (
        "find the ratios in which the cevians cut each other (Menelaus, or mass points)",
        "find the areas of the three outer triangles relative to the whole",
        "subtract from the whole, multiply by the given area, simplify, and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        top, bottom = {"easy": (1, 5), "medium": (2, 5), "hard": (5, 5)}[level]
        ratios = [[rng.integer(1, top), rng.integer(1, bottom)] for _ in range(3)]
        if any(math.gcd(p, q) > 1 for p, q in ratios) or max(p for p, _ in ratios) < min(top, 2):
            return None
        if ratios[0] == ratios[1] == ratios[2]:
            return None  # a short formula would do
        if math.prod(p for p, _ in ratios) == math.prod(q for _, q in ratios):
            return None  # the cevians meet in one point
        return {"area": rng.integer(10, 400), "ratios": [list(ratio) for ratio in ratios]}

    def statement(self, params: Params) -> str:
        area, ratios = params["area"], params["ratios"]
        parts = listed(
            [
                f"${one} : {other} = {p} : {q}$"
                for (one, other), (p, q) in zip((("BD", "DC"), ("CE", "EA"), ("AF", "FB")), ratios, strict=True)
            ]
        )
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. Find the remainder when $m + n$ is divided by $1000$."
        if params["wording"] == 0:
            return (
                f"Triangle $ABC$ has area ${area}$. Points $D$, $E$, and $F$ lie on sides $\\overline{{BC}}$, "
                f"$\\overline{{CA}}$, and $\\overline{{AB}}$, respectively, so that {parts}. The area of the triangle "
                f"bounded by the segments $AD$, $BE$, and $CF$ {end}"
            )
        return (
            f"On the sides $BC$, $CA$, and $AB$ of a triangle of area ${area}$ there are points $D$, $E$, and $F$ with "
            f"{parts}. The lines $AD$, $BE$, and $CF$ meet in pairs at three points, and the area of the triangle with "
            f"these three points as vertices {end}"
        )

    def answer(self, params: Params) -> int | None:
        x, y, z = (Fraction(p, q) for p, q in params["ratios"])
        # Routh's theorem
        part = (x * y * z - 1) ** 2 / ((x * y + x + 1) * (y * z + y + 1) * (z * x + z + 1))
        total = fraction_sum(params["area"] * part)
        return None if total is None else total % 1000


GENERATORS: tuple[Generator, ...] = (
    Cevian(),
    PerpendicularChords(),
    BoxPlane(),
    CyclicQuadrilateral(),
    CevianTriangle(),
)
