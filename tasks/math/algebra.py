"""Generators of algebra problems."""

from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

from ..rng import Rng
from .generator import Generator, Params, listed, polynomial

AREA = "algebra"

Matrix = list[list[int]]


def _times(a: Matrix, b: Matrix, modulus: int = 0) -> Matrix:
    """Multiply square matrices, modulo `modulus` unless it is zero."""
    size = range(len(a))
    rows = [[sum(a[i][k] * b[k][j] for k in size) for j in size] for i in size]
    return [[x % modulus for x in row] for row in rows] if modulus else rows


def _power(matrix: Matrix, exponent: int, modulus: int = 0) -> Matrix:
    """Raise a square matrix to a power by squaring."""
    result = [[int(i == j) for j in range(len(matrix))] for i in range(len(matrix))]
    while exponent:
        if exponent & 1:
            result = _times(result, matrix, modulus)
        matrix = _times(matrix, matrix, modulus)
        exponent >>= 1
    return result


def _determinant(matrix: Matrix) -> int:
    """Return the determinant of a small integer matrix, by expansion along the first row."""
    if not matrix:
        return 1
    rest = matrix[1:]
    return sum(
        (-1) ** j * x * _determinant([row[:j] + row[j + 1 :] for row in rest]) for j, x in enumerate(matrix[0]) if x
    )


def _companion(coefficients: list[int]) -> Matrix:
    """Return the companion matrix of a monic polynomial, highest power first."""
    degree = len(coefficients) - 1
    return [
        [-coefficients[i + 1] for i in range(degree)]
        if row == 0
        else [int(column == row - 1) for column in range(degree)]
        for row in range(degree)
    ]


class PowerSums(Generator):
    """Sums of powers of the zeros of a polynomial."""

    name = "power_sums"
    area = AREA
    steps = (
        "read the elementary symmetric functions off the coefficients (Vieta)",
        "compute the first power sums with Newton's identities",
        "continue with the recurrence that every zero satisfies (and combine the sums that are asked for)",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        degree = 3 if level == "easy" else rng.integer(3, 4)
        coefficients = [1] + [rng.integer(-7, 7) for _ in range(degree)]
        if 0 in coefficients[1:]:
            return None
        power = rng.integer(*{"easy": (3, 4), "medium": (5, 7), "hard": (6, 9)}[level])
        return {"coefficients": coefficients, "power": power, "second": power - 2 if level == "hard" else 0}

    def statement(self, params: Params) -> str:
        text, power, second = polynomial(params["coefficients"]), params["power"], params["second"]
        degree = len(params["coefficients"]) - 1
        names = ["r", "s", "t", "u"][:degree]
        if second:
            terms = " + ".join(f"{x}^{{{power}}} - {x}^{{{second}}}" for x in names)
        else:
            terms = " + ".join(f"{x}^{{{power}}}" for x in names)
        if params["wording"] == 0:
            return (
                f"Let {listed([f'${x}$' for x in names])} be the complex zeros of the polynomial ${text}$, each listed "
                f"as often as its multiplicity. Find the value of ${terms}$."
            )
        return (
            f"The equation ${text} = 0$ has, counted with multiplicity, the complex solutions "
            f"{listed([f'${x}$' for x in names])}. Evaluate ${terms}$."
        )

    def answer(self, params: Params) -> int:
        coefficients = params["coefficients"]
        degree = len(coefficients) - 1
        sums = [degree]
        for k in range(1, params["power"] + 1):
            value = sum(-coefficients[i] * sums[k - i] for i in range(1, min(k - 1, degree) + 1))
            if k <= degree:
                value -= k * coefficients[k]
            sums.append(value)
        return sums[params["power"]] - (sums[params["second"]] if params["second"] else 0)


class RecurrenceSum(Generator):
    """Sums of a sequence given by a linear recurrence."""

    name = "recurrence_sum"
    area = AREA
    steps = (
        "find a relation between the partial sums and the terms (or a closed form)",
        "find how the terms behave modulo 1000, by doubling or by the period",
        "combine the terms that the sum needs and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        low, high = {"easy": (8, 14), "medium": (20, 90), "hard": (200, 2500)}[level]
        return {
            "start": [rng.integer(1, 9), rng.integer(1, 9)],
            "factors": [rng.integer(1, 4), rng.integer(1, 4)],
            "constant": 0 if level == "easy" else rng.integer(1, 9),
            "last": rng.integer(low, high),
        }

    def statement(self, params: Params) -> str:
        (first, second), (p, q), constant, last = (
            params["start"], params["factors"], params["constant"], params["last"],
        )  # fmt: skip
        rule = f"{'' if p == 1 else p}a_{{n-1}} + {'' if q == 1 else q}a_{{n-2}}"
        if constant:
            rule += f" + {constant}"
        if params["wording"] == 0:
            return (
                f"A sequence is defined by $a_1 = {first}$, $a_2 = {second}$, and $a_n = {rule}$ for all $n \\ge 3$. "
                f"Find the remainder when $a_1 + a_2 + \\cdots + a_{{{last}}}$ is divided by $1000$."
            )
        return (
            f"The terms of the sequence $a_1, a_2, a_3, \\ldots$ satisfy $a_n = {rule}$ for every integer $n > 2$, "
            f"where $a_1 = {first}$ and $a_2 = {second}$. Let $S = \\sum_{{n=1}}^{{{last}}} a_n$. Find the last three "
            "digits of $S$, read as a number from $0$ to $999$."
        )

    def answer(self, params: Params) -> int:
        (first, second), (p, q) = params["start"], params["factors"]
        # state (a_{n+1}, a_n, 1, a_1 + ... + a_n)
        step = [[p, q, params["constant"], 0], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
        state = [second, first, 1, first]
        row = _power(step, params["last"] - 1, 1000)[3]
        return sum(x * y for x, y in zip(row, state, strict=True)) % 1000


class FloorSums(Generator):
    """Sums of integer parts."""

    name = "floor_sums"
    area = AREA
    steps = (
        "split off the integer parts of the slope and of the offset",
        "count the remaining points under the line column by column, then exchange rows and columns",
        "repeat until the slope is gone, add everything (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        terms = []
        for _ in range(2 if level == "hard" else 1):
            denominator = rng.integer(5, 60)
            numerator, offset = rng.integer(2, 90), rng.integer(1, denominator)
            if gcd(numerator, denominator) > 1:
                return None
            terms.append([numerator, 0 if level == "easy" else offset, denominator])
        last = rng.integer(12, 60) if level == "easy" else rng.integer(100, 999)
        return {"terms": terms, "last": last, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        def floor(term: list[int]) -> str:
            numerator, offset, denominator = term
            top = f"{numerator}k" + (f" + {offset}" if offset else "")
            return f"\\left\\lfloor \\frac{{{top}}}{{{denominator}}} \\right\\rfloor"

        parts = [floor(term) for term in params["terms"]]
        inner = parts[0] if len(parts) == 1 else f"\\left( {' + '.join(parts)} \\right)"
        total = f"\\sum_{{k=1}}^{{{params['last']}}} {inner}"
        meaning = "where $\\lfloor x \\rfloor$ denotes the greatest integer less than or equal to $x$"
        if params["wording"] == 0:
            if params["reduce"]:
                return f"Find the remainder when $${total}$$ is divided by $1000$, {meaning}."
            return f"Find the value of $${total},$$ {meaning}."
        ask = "Find the remainder when $S$ is divided by $1000$." if params["reduce"] else "Find $S$."
        return f"Let $$S = {total},$$ {meaning}. {ask}"

    def answer(self, params: Params) -> int:
        def under(n: int, m: int, a: int, b: int) -> int:
            """Return the sum of floor((a k + b) / m) over 0 <= k < n."""
            total = 0
            while True:
                total += (a // m) * n * (n - 1) // 2 + (b // m) * n
                a, b = a % m, b % m
                top = a * n + b
                if top < m:
                    return total
                n, b, m, a = top // m, top % m, a, m

        total = sum(under(params["last"] + 1, m, a, b) - b // m for a, b, m in params["terms"])
        return total % 1000 if params["reduce"] else total


class UnityProduct(Generator):
    """Products of a polynomial over roots of unity."""

    name = "unity_product"
    area = AREA
    steps = (
        "write the polynomial as a product over its own zeros and exchange the two products",
        "evaluate each inner product with the factorization of z^n - 1",
        "find the symmetric function of the n-th powers of the zeros, fix the sign, and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        degree = 3 if level == "hard" else 2
        coefficients = [1] + [rng.integer(-6, 6) for _ in range(degree)]
        if 0 in coefficients[1:]:
            return None
        count = rng.integer(*{"easy": (4, 6), "medium": (7, 14), "hard": (5, 12)}[level])
        return {"coefficients": coefficients, "count": count}

    def statement(self, params: Params) -> str:
        count = params["count"]
        if params["wording"] == 0:
            inner = polynomial(params["coefficients"], "\\omega")
            return (
                f"Let $P$ be the product of the values of ${inner}$ over all complex numbers $\\omega$ with "
                f"$\\omega^{{{count}}} = 1$. Find the remainder when the integer $P$ is divided by $1000$."
            )
        text = polynomial(params["coefficients"], "x")
        return (
            f"Let $f(x) = {text}$, and let $z_1, z_2, \\ldots, z_{{{count}}}$ be the complex solutions of "
            f"$z^{{{count}}} = 1$. The product $f(z_1) f(z_2) \\cdots f(z_{{{count}}})$ is a positive integer. Find "
            "its last three digits, read as a number from $0$ to $999$."
        )

    def answer(self, params: Params) -> int | None:
        coefficients, count = params["coefficients"], params["count"]
        power = _power(_companion(coefficients), count)
        for i in range(len(power)):
            power[i][i] -= 1
        value = (-1) ** (count * (len(coefficients) - 1)) * _determinant(power)
        return value % 1000 if value >= 1000 else None


class MonicInterpolation(Generator):
    """Values of a monic polynomial that is known at few points."""

    name = "monic_interpolation"
    area = AREA
    steps = (
        "subtract the lowest-degree polynomial through the given values",
        "see that the difference is the monic product over the given points",
        "evaluate both parts at the new points and add",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        degree = {"easy": 3, "medium": 4, "hard": 5}[level]
        coefficients = [1, *(rng.integer(-6, 6) for _ in range(degree - 1)), rng.integer(-40, 40)]
        first = rng.integer(-2, 2)
        values = []
        for x in range(first, first + degree):
            value = 0
            for coefficient in coefficients:
                value = value * x + coefficient
            values.append(value)
        if max(map(abs, values)) > 400 or len(set(values)) < degree:
            return None
        after = first + degree + rng.integer(0, 1)
        return {"first": first, "values": values, "at": [after] if level == "easy" else [first - 1, after]}

    def statement(self, params: Params) -> str:
        first, values = params["first"], params["values"]
        known = listed([f"$P({first + i}) = {value}$" for i, value in enumerate(values)])
        asked = " + ".join(f"P({x})" for x in params["at"])
        degree = len(values)
        if params["wording"] == 0:
            return (
                f"Let $P(x)$ be a polynomial of degree ${degree}$ with leading coefficient $1$ such that {known}. "
                f"Find ${asked}$."
            )
        return f"A monic polynomial $P$ of degree ${degree}$ satisfies {known}. What is the value of ${asked}$?"

    def answer(self, params: Params) -> int:
        first, values = params["first"], params["values"]
        differences = [list(values)]
        while len(differences[-1]) > 1:
            row = differences[-1]
            differences.append([b - a for a, b in pairwise(row)])
        total = Fraction(0)
        for x in params["at"]:
            term = Fraction(1)  # the binomial coefficient (x - first choose k)
            product = 1
            for k in range(len(values)):
                total += term * differences[k][0]
                term = term * (x - first - k) / (k + 1)
                product *= x - first - k
            total += product
        return int(total)


class IntegerRoots(Generator):
    """For which parameters a quadratic equation has an integer solution."""

    name = "integer_roots"
    area = AREA
    steps = (
        "solve the equation for the parameter in terms of the integer solution",
        "divide with remainder and list the divisors of the constant that is left, of both signs",
        "compute the parameter for each divisor, keep the positive ones, drop repetitions, and add",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        lead = rng.integer(2, 5) if level == "hard" else 1
        shift = rng.integer(*{"easy": (1, 4), "medium": (5, 15), "hard": (1, 8)}[level])
        return {"lead": lead, "shift": shift, "constant": rng.integer(5, 160)}

    def statement(self, params: Params) -> str:
        lead, shift, constant = params["lead"], params["shift"], params["constant"]
        shown = f"{'' if lead == 1 else lead}x^2 - kx + {'' if shift == 1 else shift}k + {constant} = 0"
        if params["wording"] == 0:
            return (
                f"Find the sum of all positive integers $k$ for which the equation ${shown}$ has at least one integer "
                "solution $x$."
            )
        return (
            f"A positive integer $k$ is called lucky if there is an integer $x$ such that ${shown}$. "
            "Find the sum of all lucky integers."
        )

    def answer(self, params: Params) -> int | None:
        lead, shift, constant = params["lead"], params["shift"], params["constant"]
        # k = lead (x + shift) + rest / (x - shift), so x - shift divides rest
        rest = lead * shift * shift + constant
        found = set()
        for size in range(1, rest + 1):
            if rest % size == 0:
                for d in (size, -size):
                    k = lead * (d + 2 * shift) + rest // d
                    if k > 0:
                        found.add(k)
        return sum(found) if len(found) >= 2 else None


class PolynomialRemainder(Generator):
    """Values of the remainder of a high power modulo a polynomial."""

    name = "polynomial_remainder"
    area = AREA
    steps = (
        "express high powers of x modulo the divisor through lower ones",
        "find the remainder of each power by repeated squaring or through the zeros of the divisor",
        "combine the terms, evaluate at the given point, and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        degree = 3 if level == "hard" else 2
        divisor = [1] + [rng.integer(-6, 6) for _ in range(degree)]
        if 0 in divisor[1:]:
            return None
        low, high = {"easy": (5, 9), "medium": (10, 30), "hard": (8, 25)}[level]
        power = rng.integer(low, high)
        return {
            "divisor": divisor,
            "power": power,
            "lower": [rng.integer(1, 9), rng.integer(3, power - 1)],
            "at": rng.integer(2, 12),
        }

    def statement(self, params: Params) -> str:
        divisor, power, (factor, lower), at = params["divisor"], params["power"], params["lower"], params["at"]
        dividend = f"x^{{{power}}} + {'' if factor == 1 else factor}x^{{{lower}}}"
        if params["wording"] == 0:
            return (
                f"Let $R(x)$ be the remainder when ${dividend}$ is divided by ${polynomial(divisor)}$. Given that "
                f"$R({at})$ is a positive integer, find the remainder when $R({at})$ is divided by $1000$."
            )
        return (
            f"There are unique polynomials $Q$ and $R$ such that ${dividend} = ({polynomial(divisor)}) Q(x) + R(x)$ "
            f"and the degree of $R$ is less than ${len(divisor) - 1}$. The integer $R({at})$ is positive. Find its "
            "remainder upon division by $1000$."
        )

    def answer(self, params: Params) -> int | None:
        divisor, power, (factor, lower), at = params["divisor"], params["power"], params["lower"], params["at"]
        companion = _companion(divisor)
        degree = len(divisor) - 1

        def reduced(exponent: int) -> list[int]:
            """Return the remainder of x^exponent, highest power first: one column of a power of the companion."""
            # The companion's transpose maps a remainder to that of x times it.
            matrix = _power(companion, exponent)
            return matrix[degree - 1]

        total = [a + factor * b for a, b in zip(reduced(power), reduced(lower), strict=True)]
        value = 0
        for coefficient in total:
            value = value * at + coefficient
        return value % 1000 if value > 0 else None


class LogarithmSystem(Generator):
    """Systems of equations between logarithms to powers of one base."""

    name = "logarithm_system"
    area = AREA
    steps = (
        "write all logarithms with the common base of the given bases",
        "solve the linear system for the logarithms of the unknowns",
        "form the exponent that is asked for",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        base = rng.choice((2, 3) if level == "hard" else (2, 3, 5))
        top = 3 if base > 2 else 6
        size = 3 if level == "hard" else 2
        exponents = [rng.sample(range(1, max(top, size) + 1), size) for _ in range(size)]
        if exponents[0] == exponents[1][::-1] or any(len(set(column)) < 2 for column in zip(*exponents, strict=True)):
            return None  # adding or subtracting the equations would do
        unknowns = [lcm(*(row[i] for row in exponents)) * rng.integer(1, 6) for i in range(size)]
        right = [sum(Fraction(u, e) for u, e in zip(unknowns, row, strict=True)) for row in exponents]
        weights = [rng.integer(2 if level == "easy" else 1, 7) for _ in range(size)]
        if any(total.denominator != 1 for total in right) or len(set(weights)) == 1:
            return None
        if _determinant([[lcm(*row) // e for e in row] for row in exponents]) == 0:
            return None
        return {
            "base": base,
            "bases": [[base**e for e in row] for row in exponents],
            "right": [int(total) for total in right],
            "weights": weights,
        }

    def statement(self, params: Params) -> str:
        base, weights = params["base"], params["weights"]
        names = ["x", "y", "z"][: len(weights)]
        equations = [
            " + ".join(f"\\log_{{{b}}} {name}" for b, name in zip(row, names, strict=True)) + f" = {total}"
            for row, total in zip(params["bases"], params["right"], strict=True)
        ]
        product = " ".join(name if w == 1 else f"{name}^{{{w}}}" for name, w in zip(names, weights, strict=True))
        unknowns = listed([f"${name}$" for name in names])
        system = listed([f"${equation}$" for equation in equations])
        if params["wording"] == 0:
            return f"Positive real numbers {unknowns} satisfy {system}. Given that ${product} = {base}^k$, find $k$."
        return (
            f"Suppose that {system} for positive real numbers {unknowns}. Find "
            f"$\\log_{{{base}}}\\left({product}\\right)$."
        )

    def answer(self, params: Params) -> int:
        base = params["base"]

        def exponent(power: int) -> int:
            count = 0
            while power > 1:
                power //= base
                count += 1
            return count

        rows = [
            [*(Fraction(1, exponent(b)) for b in row), Fraction(total)]
            for row, total in zip(params["bases"], params["right"], strict=True)
        ]
        size = len(rows)
        for i in range(size):
            pivot = next(r for r in range(i, size) if rows[r][i])
            rows[i], rows[pivot] = rows[pivot], rows[i]
            rows[i] = [x / rows[i][i] for x in rows[i]]
            for r in range(size):
                if r != i:
                    rows[r] = [x - rows[r][i] * y for x, y in zip(rows[r], rows[i], strict=True)]
        return int(sum(w * row[-1] for w, row in zip(params["weights"], rows, strict=True)))


GENERATORS: tuple[Generator, ...] = (
    PowerSums(),
    RecurrenceSum(),
    FloorSums(),
    UnityProduct(),
    MonicInterpolation(),
    IntegerRoots(),
    PolynomialRemainder(),
    LogarithmSystem(),
)
