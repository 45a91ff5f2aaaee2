"""Second, independent computations of the answers: algebra, geometry and probability."""

import itertools
import math
from fractions import Fraction


def _reduced(value, params):
    return value % 1000 if params.get("reduce") else value


def _terms(value, params):
    """m + n, reduced where the problem says so."""
    value = Fraction(value)
    return _reduced(value.numerator + value.denominator, params)


def _determinant(rows):
    """Gauss elimination over fractions."""
    rows = [[Fraction(x) for x in row] for row in rows]
    value = Fraction(1)
    for i in range(len(rows)):
        pivot = next((r for r in range(i, len(rows)) if rows[r][i]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != i:
            rows[i], rows[pivot] = rows[pivot], rows[i]
            value = -value
        value *= rows[i][i]
        for r in range(i + 1, len(rows)):
            factor = rows[r][i] / rows[i][i]
            rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i], strict=True)]
    return value


def _solve(rows, right):
    """Cramer's rule."""
    whole = _determinant(rows)
    return [
        _determinant([[*row[:i], value, *row[i + 1 :]] for row, value in zip(rows, right, strict=True)]) / whole
        for i in range(len(rows))
    ]


# Algebra


def power_sums(p):
    """Traces of powers of the companion matrix, multiplied out one by one."""
    c = p["coefficients"]
    size = len(c) - 1
    companion = [[int(j == i + 1) for j in range(size)] for i in range(size - 1)] + [[-x for x in c[:0:-1]]]

    def trace(power):
        matrix = [[int(i == j) for j in range(size)] for i in range(size)]
        for _ in range(power):
            matrix = [[sum(row[k] * companion[k][j] for k in range(size)) for j in range(size)] for row in matrix]
        return sum(matrix[i][i] for i in range(size))

    return trace(p["power"]) - (trace(p["second"]) if p["second"] else 0)


def recurrence_sum(p):
    terms = list(p["start"])
    while len(terms) < p["last"]:
        terms.append(p["factors"][0] * terms[-1] + p["factors"][1] * terms[-2] + p["constant"])
    return sum(terms[: p["last"]]) % 1000


def floor_sums(p):
    return _reduced(sum((a * k + b) // m for a, b, m in p["terms"] for k in range(1, p["last"] + 1)), p)


def unity_product(p):
    """The product over n-th roots of unity of f is the determinant of the circulant matrix of f's coefficients."""
    n, c = p["count"], p["coefficients"][::-1]
    row = [0] * n
    for i, x in enumerate(c):
        row[i % n] += x
    value = _determinant([row[-i:] + row[:-i] for i in range(n)])
    assert value.denominator == 1 and value > 0
    return int(value) % 1000


def monic_interpolation(p):
    degree = len(p["values"])
    points = range(p["first"], p["first"] + degree)
    lower = _solve([[x**k for k in range(degree)] for x in points],
                   [value - x**degree for x, value in zip(points, p["values"], strict=True)])  # fmt: skip
    total = sum(x**degree + sum(c * x**k for k, c in enumerate(lower)) for x in p["at"])
    assert total.denominator == 1
    return int(total)


def integer_roots(p):
    total = 0
    for k in range(1, 2500):
        inside = k * k - 4 * p["lead"] * (p["shift"] * k + p["constant"])
        if inside >= 0 and math.isqrt(inside) ** 2 == inside:
            root = math.isqrt(inside)
            if (k + root) % (2 * p["lead"]) == 0 or (k - root) % (2 * p["lead"]) == 0:
                total += k
    return total


def polynomial_remainder(p):
    """Long division."""
    power, (factor, lower), divisor = p["power"], p["lower"], p["divisor"]
    dividend = [0] * (power + 1)  # highest power first
    dividend[0] += 1
    dividend[power - lower] += factor
    for i in range(power + 1 - (len(divisor) - 1)):
        lead = dividend[i]
        for j, x in enumerate(divisor):
            dividend[i + j] -= lead * x
    rest = dividend[-(len(divisor) - 1) :]
    value = sum(x * p["at"] ** (len(rest) - 1 - i) for i, x in enumerate(rest))
    assert value > 0
    return value % 1000


def logarithm_system(p):
    """Search all exponents; there must be just one solution."""
    base = p["base"]
    exponents = [[next(e for e in range(1, 9) if base**e == b) for b in row] for row in p["bases"]]
    common = math.lcm(*(e for row in exponents for e in row))
    rows = [[common // e for e in row] for row in exponents]
    right = [common * total for total in p["right"]]
    assert _determinant(rows) != 0
    found = []
    for head in itertools.product(*(range(1, right[0] // factor + 1) for factor in rows[0][:-1])):
        rest = right[0] - sum(a * u for a, u in zip(rows[0], head, strict=False))
        if rest > 0 and rest % rows[0][-1] == 0:
            all_of = (*head, rest // rows[0][-1])
            if all(sum(a * u for a, u in zip(row, all_of, strict=True)) == r
                   for row, r in zip(rows[1:], right[1:], strict=True)):  # fmt: skip
                found.append(all_of)
    assert len(found) == 1
    return sum(w * u for w, u in zip(p["weights"], found[0], strict=True))


# Geometry


def cevian(p):
    """Coordinates: B = (0, 0), C = (a, 0), and only the square of A's height is needed."""
    a, b, c = p["sides"]
    x = Fraction(a * a + c * c - b * b, 2 * a)
    height = c * c - x * x
    assert height > 0
    foot = Fraction(a * p["ratio"][0], sum(p["ratio"]))
    if not p["second"]:
        return _terms((x - foot) ** 2 + height, p)
    part = Fraction(p["second"][0], sum(p["second"]))
    return _terms((x + (foot - x) * part) ** 2 + height * (1 - part) ** 2, p)


def perpendicular_chords(p):
    """P = (0, 0), A = (a, 0), B = (-b, 0), C = (0, c); the center is equidistant from the three."""
    a, b, c = p["parts"]
    h = Fraction(a - b, 2)  # on the perpendicular bisector of AB
    k = (c * c - a * a + 2 * a * h) / (2 * c)  # as far from C as from A
    radius = (a - h) ** 2 + k * k
    assert radius == (b + h) ** 2 + k * k == h * h + (c - k) ** 2
    return _terms(radius if p["wanted"] == "radius" else h * h + k * k, p)


def box_plane(p):
    """The normal of the plane as a cross product."""
    first, second, third = ([x if i == j else 0 for j in range(3)] for i, x in enumerate(p["cuts"]))
    u = [y - x for x, y in zip(first, second, strict=True)]
    v = [y - x for x, y in zip(first, third, strict=True)]
    normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    corner = p["box"] if p["opposite"] else [0, 0, 0]
    offset = sum(n * (x - y) for n, x, y in zip(normal, corner, first, strict=True))
    return _terms(Fraction(offset**2, sum(n * n for n in normal)), p)


def cyclic_quadrilateral(p):
    """Law of cosines at B, whose angle and D's add up to a straight angle."""
    a, b, c, d = p["sides"]
    cosine = Fraction(a * a + b * b - c * c - d * d, 2 * (a * b + c * d))
    diagonal = a * a + b * b - 2 * a * b * cosine
    assert -1 < cosine < 1 and diagonal == c * c + d * d + 2 * c * d * cosine
    return _terms(diagonal if p["wanted"] == "diagonal" else diagonal / (4 * (1 - cosine**2)), p)


def _cross_point(p1, p2, q1, q2):
    """Intersection of two lines by Cramer's rule on a x + b y = c."""
    lines = []
    for (x1, y1), (x2, y2) in ((p1, p2), (q1, q2)):
        lines.append((y2 - y1, x1 - x2, (y2 - y1) * x1 + (x1 - x2) * y1))
    return tuple(_solve([list(line[:2]) for line in lines], [line[2] for line in lines]))


def cevian_triangle(p):
    """A right triangle with legs 1 has area 1/2; ratios of areas do not depend on the triangle."""
    a, b, c = (Fraction(0), Fraction(0)), (Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))

    def divide(p1, p2, ratio):
        t = Fraction(ratio[0], sum(ratio))
        return tuple(x + t * (y - x) for x, y in zip(p1, p2, strict=True))

    d, e, f = (divide(b, c, p["ratios"][0]), divide(c, a, p["ratios"][1]), divide(a, b, p["ratios"][2]))
    x, y, z = _cross_point(a, d, b, e), _cross_point(b, e, c, f), _cross_point(c, f, a, d)
    twice = (y[0] - x[0]) * (z[1] - x[1]) - (y[1] - x[1]) * (z[0] - x[0])
    return _terms(abs(twice) * p["area"], {"reduce": True})


def lattice_interior(p):
    vertices = p["vertices"]
    sides = list(zip(vertices, vertices[1:] + vertices[:1], strict=True))
    count = 0
    for x in range(-13, 27):
        for y in range(-13, 27):
            turns = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for (ax, ay), (bx, by) in sides]
            count += all(t > 0 for t in turns) or all(t < 0 for t in turns)
    return count


def spiral_walk(p):
    """Step by step; coordinates are (u / 2, v sqrt(3) / 2) for 60 and 120 degrees, plain for 90."""
    steps = {90: [(1, 0), (0, 1), (-1, 0), (0, -1)], 60: [(2, 0), (1, 1), (-1, 1), (-2, 0), (-1, -1), (1, -1)]}
    steps[120] = steps[60][::2]
    directions = steps[p["turn"]]
    first, step, bend = p["growth"]
    u = v = 0
    for k in range(1, p["legs"] + 1):
        length = first + step * (k - 1) + bend * (k - 1) ** 2
        du, dv = directions[(k - 1) % len(directions)]
        u, v = u + length * du, v + length * dv
    square = u * u + v * v if p["turn"] == 90 else (u * u + 3 * v * v) // 4
    return _reduced(square, p)


def triangle_centers(p):
    (ax, ay), (bx, by), (cx, cy) = p["points"][:3]
    if p["wanted"] == "orthocenter":  # two altitudes
        x, y = _solve(
            [[cx - bx, cy - by], [cx - ax, cy - ay]],
            [(cx - bx) * ax + (cy - by) * ay, (cx - ax) * bx + (cy - ay) * by],
        )
    else:  # two perpendicular bisectors
        x, y = _solve(
            [[2 * (bx - ax), 2 * (by - ay)], [2 * (cx - ax), 2 * (cy - ay)]],
            [bx * bx + by * by - ax * ax - ay * ay, cx * cx + cy * cy - ax * ax - ay * ay],
        )
    qx, qy = p["points"][-1]  # a point on the circle where the radius is wanted
    return _terms((x - qx) ** 2 + (y - qy) ** 2, p)


def rectangle_lines(p):
    """Similar triangles, and areas as differences of right triangles."""
    (w, h), (e, f) = p["size"], p["parts"]
    x = h / (Fraction(f, w) + Fraction(h, e))
    y = x * f / w
    areas = {
        "APE": e * y / 2,
        "PEBF": Fraction(w * f, 2) - e * y / 2,
        "PFCD": w * h - Fraction(w * f, 2) - h * x / 2,
    }
    return _terms(areas[p["wanted"]], p)


# Probability


def dice_range(p):
    """Dice one by one; the state is the smallest and the largest number so far."""
    states = {(n, n): 1 for n in range(1, p["sides"] + 1)}
    for _ in range(p["dice"] - 1):
        grown = {}
        for (low, high), ways in states.items():
            for n in range(1, p["sides"] + 1):
                key = (min(low, n), max(high, n))
                grown[key] = grown.get(key, 0) + ways
        states = grown
    spread, rule = p["spread"], p["rule"]
    fits = {
        "equal": lambda low, high: high - low == spread,
        "at most": lambda low, high: high - low <= spread,
        "ratio": lambda low, high: high <= spread * low,
    }[rule]
    return _terms(Fraction(sum(w for (a, b), w in states.items() if fits(a, b)), p["sides"] ** p["dice"]), p)


def color_exhausted(p):
    """Sum over what is left after the last red ball: rows before it times rows after it."""
    red, *others = p["counts"]

    def rows(parts):
        value = math.factorial(sum(parts))
        for part in parts:
            value //= math.factorial(part)
        return value

    count = 0
    for left in itertools.product(*(range(n + 1) for n in others)):
        gone = sum(n == 0 for n in left)
        if gone == p["place"] - 1:
            count += rows([red - 1, *(n - k for n, k in zip(others, left, strict=True))]) * rows(left)
    return _terms(Fraction(count, rows(p["counts"])), p)


def pattern_race(p):
    """One equation for every prefix that the latest tosses can match."""
    patterns, heads = p["patterns"], Fraction(*p["heads"])
    prefixes = sorted({pattern[:k] for pattern in patterns for k in range(len(pattern))})
    rows = [[Fraction(int(i == j)) for j in range(len(prefixes))] for i in range(len(prefixes))]
    right = [Fraction(0)] * len(prefixes)
    for i, prefix in enumerate(prefixes):
        for toss, chance in (("H", heads), ("T", 1 - heads)):
            reached = prefix + toss
            while reached not in prefixes and reached not in patterns:
                reached = reached[1:]
            if reached == patterns[0]:
                right[i] += chance
            elif reached != patterns[1]:
                rows[i][prefixes.index(reached)] -= chance
    replaced = [[value, *row[1:]] for row, value in zip(rows, right, strict=True)]  # the empty prefix comes first
    return _terms(_determinant(replaced) / _determinant(rows), p)


def expected_runs(p):
    """Build all rows bead by bead, carrying the number of rows and the sum of what is counted."""
    counts = tuple(p["counts"])
    if p["wanted"] == "runs":
        states = {(counts, -1): (1, 0)}
        for _ in range(sum(counts)):
            grown = {}
            for (left, last), (ways, total) in states.items():
                for color, n in enumerate(left):
                    if n:
                        key = ((*left[:color], n - 1, *left[color + 1 :]), color)
                        old = grown.get(key, (0, 0))
                        grown[key] = (old[0] + ways, old[1] + total + ways * (color != last))
            states = grown
    else:  # red or not; the state remembers whether the last bead is red and still lonely
        states = {(counts[0], sum(counts[1:]), "other"): (1, 0)}
        for _ in range(sum(counts)):
            grown = {}
            for (red, other, last), (ways, total) in states.items():
                moves = []
                if red:
                    if last == "other":
                        moves.append(((red - 1, other, "lonely"), ways))
                    else:
                        moves.append(((red - 1, other, "pair"), -ways if last == "lonely" else 0))
                if other:
                    moves.append(((red, other - 1, "other"), 0))
                for key, gain in moves:
                    old = grown.get(key, (0, 0))
                    grown[key] = (old[0] + ways, old[1] + total + gain)
            states = grown
    ways = sum(w for w, _ in states.values())
    return _terms(Fraction(sum(t for _, t in states.values()), ways), p)


def meeting(p):
    """Cut the rectangle of arrival times by the two half-planes and measure what is left."""
    (window, second), delay, (one, other) = p["windows"], p["delay"], p["waits"]
    shape = [(0, delay), (window, delay), (window, delay + second), (0, delay + second)]
    # y - x <= one and x - y <= other
    for a, b, c in ((-1, 1, one), (1, -1, other)):
        kept = []
        for (x1, y1), (x2, y2) in zip(shape, shape[1:] + shape[:1], strict=True):
            v1, v2 = a * x1 + b * y1 - c, a * x2 + b * y2 - c
            if v1 <= 0:
                kept.append((x1, y1))
            if v1 * v2 < 0:
                t = Fraction(v1) / (v1 - v2)
                kept.append((x1 + t * (x2 - x1), y1 + t * (y2 - y1)))
        shape = kept
    area = sum((x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(shape, shape[1:] + shape[:1], strict=True)),
               start=Fraction(0)) / 2  # fmt: skip
    return _terms(abs(area) / (window * second), p)


def subset_overlap(p):
    """Element by element: each set takes it or not."""
    states = {((0,) * len(p["sets"]), 0): 1}
    for _ in range(p["size"]):
        grown = {}
        for (sizes, common), ways in states.items():
            for taken in itertools.product((0, 1), repeat=len(sizes)):
                after = tuple(n + t for n, t in zip(sizes, taken, strict=True))
                if all(n <= limit for n, limit in zip(after, p["sets"], strict=True)):
                    key = (after, common + all(taken))
                    grown[key] = grown.get(key, 0) + ways
        states = grown
    final = {common: ways for (sizes, common), ways in states.items() if sizes == tuple(p["sets"])}
    fits = sum(w for k, w in final.items() if (k >= p["shared"] if p["rule"] == "at least" else k == p["shared"]))
    return _terms(Fraction(fits, sum(final.values())), p)


def polygon_bug(p):
    """Distribution after every move."""
    whole, corners = sum(p["parts"]), p["corners"]
    spread = [Fraction(int(i == 0)) for i in range(corners)]
    for _ in range(p["moves"]):
        spread = [
            sum(
                Fraction(part, whole) * spread[(i - shift) % corners]
                for part, shift in zip(p["parts"], (1, -1, 0), strict=True)
            )
            for i in range(corners)
        ]
    value = spread[p["target"]]
    return (value.numerator + value.denominator) % 1000


def shoot_out(p):
    """All states at once as one linear system."""
    players = len(p["chances"])
    states = [
        (turn, missing)
        for missing in itertools.product(*(range(1, need + 1) for need in p["needs"]))
        for turn in range(players)
    ]
    index = {state: i for i, state in enumerate(states)}
    rows = [[Fraction(int(i == j)) for j in range(len(states))] for i in range(len(states))]
    right = [Fraction(0)] * len(states)
    for (turn, missing), i in index.items():
        chance = Fraction(*p["chances"][turn])
        after = tuple(m - (j == turn) for j, m in enumerate(missing))
        following = (turn + 1) % players
        rows[i][index[following, missing]] -= 1 - chance
        if after[turn]:
            rows[i][index[following, after]] -= chance
        else:
            right[i] += chance * (turn == p["winner"])
    whole = _determinant(rows)
    start = index[0, tuple(p["needs"])]
    replaced = [[*row[:start], value, *row[start + 1 :]] for row, value in zip(rows, right, strict=True)]
    return _terms(_determinant(replaced) / whole, p)


PROOFS = {
    proof.__name__: proof
    for proof in (
        power_sums, recurrence_sum, floor_sums, unity_product, monic_interpolation, integer_roots,
        polynomial_remainder, logarithm_system, cevian, perpendicular_chords, box_plane, cyclic_quadrilateral,
        cevian_triangle, lattice_interior, spiral_walk, triangle_centers, rectangle_lines, dice_range,
        color_exhausted, pattern_race, expected_runs, meeting, subset_overlap, polygon_bug, shoot_out,
    )
}  # fmt: skip
