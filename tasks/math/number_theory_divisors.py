"""Generators of number theory problems about divisors."""

import math

from ..rng import Rng
from .generator import Generator, Params, factored, listed, polynomial
from .number_theory import AREA, PRIMES, factorize


def _valuation(n: int, prime: int) -> int:
    """Return the exponent of a prime in a positive integer."""
    exponent = 0
    while n % prime == 0:
        n //= prime
        exponent += 1
    return exponent


def _divisors(n: int) -> list[int]:
    """Return the positive divisors of a positive integer, ascending."""
    divisors = [1]
    for prime, exponent in factorize(n).items():
        divisors = [d * prime**k for d in divisors for k in range(exponent + 1)]
    return sorted(divisors)


class DivisorFilter(Generator):
    """How many divisors of a factored number are multiples of one number and avoid some perfect powers."""

    name = "divisor_filter"
    area = AREA
    steps = (
        "describe a divisor by its exponents and count those that are multiples of the given number",
        "count those among them that are perfect squares, cubes, or multiples of the forbidden number",
        "subtract, adding back what was subtracted twice",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        count = {"easy": 3, "medium": 3, "hard": 4}[level]
        primes = sorted(rng.sample(PRIMES[: count + 1], count))
        top = {"easy": 11, "medium": 12, "hard": 7}[level]
        factors = [[prime, rng.integer(3, top)] for prime in primes]
        base = [rng.integer(0, min(2, exponent)) for _, exponent in factors]
        multiple = math.prod(p**e for (p, _), e in zip(factors, base, strict=True))
        avoid = 0
        if level == "easy":
            avoid = math.prod(p ** rng.integer(1, 3) for p in rng.sample(primes, 2))
            if multiple % avoid == 0 or avoid % multiple == 0:
                return None
        return {"factors": factors, "multiple": multiple, "avoid": avoid, "cubes": level == "hard"}

    def statement(self, params: Params) -> str:
        number = factored(params["factors"])
        if params["avoid"]:
            rule = f"are multiples of ${params['multiple']}$ but not multiples of ${params['avoid']}$"
        elif params["cubes"]:
            rule = f"are multiples of ${params['multiple']}$ but are neither perfect squares nor perfect cubes"
        else:
            rule = f"are multiples of ${params['multiple']}$ but are not perfect squares"
        if params["wording"] == 0:
            return f"Let $N = {number}$. How many positive divisors of $N$ {rule}?"
        return f"Among the positive integers that divide ${number}$, find the number of those that {rule}."

    def answer(self, params: Params) -> int | None:
        factors, multiple = params["factors"], params["multiple"]
        if multiple == 1:
            return None

        def count(least: int, power: int) -> int:
            """Count divisors that are multiples of `least` and perfect `power`-th powers."""
            total = 1
            for prime, exponent in factors:
                low = -(-_valuation(least, prime) // power)
                total *= max(0, exponent // power - low + 1)
            return total

        total = count(multiple, 1)
        if params["avoid"]:
            return total - count(math.lcm(multiple, params["avoid"]), 1)
        total -= count(multiple, 2)
        if params["cubes"]:
            total += count(multiple, 6) - count(multiple, 3)
        return total


class LcmTuples(Generator):
    """Counting tuples with a given least common multiple whose members share a factor."""

    name = "lcm_tuples"
    area = AREA
    steps = (
        "turn the least common multiple into the largest exponent of each prime and count the tuples prime by prime",
        "count those in which, for every prime, some exponent is zero, by inclusion and exclusion",
        "subtract (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        size = {"easy": 2, "medium": 3, "hard": 4}[level]
        primes = sorted(rng.sample(PRIMES[:6], 3))
        top = 6 if level == "easy" else 9
        return {"size": size, "factors": [[prime, rng.integer(1, top)] for prime in primes], "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        size, lcm = params["size"], factored(params["factors"])
        tuples = {2: "pairs", 3: "triples", 4: "quadruples"}[size]
        form = f"({', '.join('abcd'[:size])})"
        rule = (
            f"the least common multiple of {listed([f'${x}$' for x in 'abcd'[:size]])} is ${lcm}$ "
            "and their greatest common divisor is greater than $1$"
        )
        if params["wording"] == 0:
            number = f"number of ordered {tuples} ${form}$ of positive integers for which {rule}"
            return f"Find the {f'remainder when the {number} is divided by $1000$' if params['reduce'] else number}."
        return (
            f"Let $T$ be the set of all ordered {tuples} ${form}$ of positive integers such that {rule}. "
            + ("Find the remainder when the number of elements of $T$ is divided by $1000$."
               if params["reduce"] else "How many elements does $T$ have?")
        )  # fmt: skip

    def answer(self, params: Params) -> int:
        size = params["size"]
        exponents = [e for _, e in params["factors"]]
        every = math.prod((e + 1) ** size - e**size for e in exponents)
        coprime = math.prod((e + 1) ** size - 2 * e**size + (e - 1) ** size for e in exponents)
        return (every - coprime) % 1000 if params["reduce"] else every - coprime


class ShiftedDivisor(Generator):
    """For which n a linear expression divides a polynomial."""

    name = "shifted_divisor"
    area = AREA
    steps = (
        "replace n by minus the shift to find the remainder of the polynomial",
        "list the divisors of that remainder that exceed the shift",
        "subtract the shift from each and add",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        shift = rng.integer(2, {"easy": 12, "medium": 16, "hard": 9}[level])
        constant = rng.integer(1, 300)
        linear = 0 if level == "easy" else rng.integer(-9, 9)
        if level == "medium" and not linear:
            return None
        return {"shift": shift, "coefficients": [*([1, 0] if level == "hard" else [1]), linear, constant]}

    def statement(self, params: Params) -> str:
        text = polynomial(params["coefficients"], "n")
        shift = params["shift"]
        if params["wording"] == 0:
            return f"Find the sum of all positive integers $n$ for which $n + {shift}$ divides ${text}$."
        return (
            f"For some positive integers $n$, the fraction $\\dfrac{{{text}}}{{n + {shift}}}$ is an integer. "
            "Find the sum of all such $n$."
        )

    def answer(self, params: Params) -> int | None:
        shift = params["shift"]
        rest = 0
        for coefficient in params["coefficients"]:
            rest = rest * -shift + coefficient
        values = [d - shift for d in _divisors(abs(rest)) if d > shift] if rest else []
        return sum(values) if len(values) >= 3 else None


class SquareValues(Generator):
    """For which n a quadratic takes a square value."""

    name = "square_values"
    area = AREA
    steps = (
        "complete the square and write the equation as a difference of two squares",
        "list the factor pairs with the right parity (and the right residue)",
        "solve for n, keep the positive integers, and add",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        root = 1 if level != "hard" else rng.integer(2, 3)
        linear = 2 * rng.integer(1, 30) if level == "easy" else rng.integer(3, 60)
        constant = rng.integer(-400, 900)
        if not constant:
            return None
        return {"root": root, "linear": linear, "constant": constant}

    def statement(self, params: Params) -> str:
        text = polynomial([params["root"] ** 2, params["linear"], params["constant"]], "n")
        if params["wording"] == 0:
            return f"Find the sum of all positive integers $n$ for which ${text}$ is the square of an integer."
        return (
            f"Let $S$ be the set of all positive integers $n$ such that $\\sqrt{{{text}}}$ is an integer. "
            "Find the sum of the elements of $S$."
        )

    def answer(self, params: Params) -> int | None:
        root, linear, constant = params["root"], params["linear"], params["constant"]
        # (2 q^2 n + k)^2 - (2 q m)^2 = k^2 - 4 q^2 c
        gap = linear * linear - 4 * root * root * constant
        if gap == 0:
            return None
        found = set()
        for small in _divisors(abs(gap)):
            large = gap // small
            for u, v in ((small, large), (-small, -large)):
                if (u + v) % 2 or (v - u) % (4 * root):
                    continue
                top = (u + v) // 2 - linear
                if top > 0 and top % (2 * root * root) == 0:
                    found.add(top // (2 * root * root))
        return sum(found) if len(found) >= 2 else None


GENERATORS: tuple[Generator, ...] = (
    DivisorFilter(),
    LcmTuples(),
    ShiftedDivisor(),
    SquareValues(),
)
