"""Generators of number theory problems."""

import math
from itertools import combinations
from typing import ClassVar

from ..rng import Rng
from .generator import Generator, Params, listed

AREA = "number theory"
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23)


def factorize(n: int) -> dict[int, int]:
    """Return the factorization of a positive integer by trial division."""
    factors: dict[int, int] = {}
    prime = 2
    while prime * prime <= n:
        while n % prime == 0:
            factors[prime] = factors.get(prime, 0) + 1
            n //= prime
        prime += 1
    if n > 1:
        factors[n] = factors.get(n, 0) + 1
    return factors


class ResidueConditions(Generator):
    """How many integers up to a bound satisfy exactly so many of several congruences."""

    name = "residue_conditions"
    area = AREA
    steps = (
        "merge congruences in pairs (and triples) by the Chinese remainder theorem",
        "count the members of every merged class up to the bound",
        "combine the counts by inclusion and exclusion for the wanted number of conditions",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        count, top = {"easy": (3, 6), "medium": (3, 9), "hard": (4, 9)}[level]
        moduli = sorted(rng.sample((3, 4, 5, 7, 8, 9, 11, 13, 17)[:top], count))
        if any(math.gcd(p, q) > 1 for p, q in combinations(moduli, 2)):
            return None
        conditions = [[rng.integer(0, modulus - 1), modulus] for modulus in moduli]
        wanted = 1 if level != "hard" else rng.integer(1, 2)
        exact = level != "easy"
        return {"bound": rng.integer(300, 1400), "conditions": conditions, "wanted": wanted, "exact": exact}

    def statement(self, params: Params) -> str:
        congruences = [rf"$n \equiv {r} \pmod{{{m}}}$" for r, m in params["conditions"]]
        number = {1: "one", 2: "two"}[params["wanted"]]
        how = f"{'exactly' if params['exact'] else 'at least'} {number} of the conditions"
        bound = params["bound"]
        if params["wording"] == 0:
            return f"Find the number of positive integers $n \\le {bound}$ that satisfy {how} {listed(congruences)}."
        return (
            f"Call a positive integer $n$ {'pale' if params['exact'] else 'bright'} if it satisfies {how} "
            f"{listed(congruences)}. How many {'pale' if params['exact'] else 'bright'} integers are there "
            f"among $1, 2, 3, \\ldots, {bound}$?"
        )

    def answer(self, params: Params) -> int:
        bound, conditions, wanted = params["bound"], params["conditions"], params["wanted"]
        # sums[j]: number of pairs (n, set of j conditions that n satisfies)
        sums = [0] * (len(conditions) + 1)
        for size in range(1, len(conditions) + 1):
            for chosen in combinations(conditions, size):
                residue, modulus = 0, 1
                for r, m in chosen:
                    residue += modulus * ((r - residue) * pow(modulus, -1, m) % m)
                    modulus *= m
                first = residue or modulus
                sums[size] += (bound - first) // modulus + 1 if first <= bound else 0
        top = len(conditions)

        def exactly(k: int) -> int:
            return sum((-1) ** (j - k) * math.comb(j, k) * sums[j] for j in range(k, top + 1))

        return exactly(wanted) if params["exact"] else sum(exactly(k) for k in range(wanted, top + 1))


class RemainderCycle(Generator):
    """The sum of the remainders of powers."""

    name = "remainder_cycle"
    area = AREA
    steps = (
        "find the cycle into which the remainders of the powers fall",
        "add the remainders over one full cycle",
        "count the full cycles and add the incomplete rest",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        low, high = {"easy": (7, 23), "medium": (11, 60), "hard": (11, 99)}[level]
        modulus = rng.integer(low, high)
        bases = [rng.integer(2, 30) for _ in range(2 if level == "hard" else 1)]
        last = rng.integer(20, 75) if level == "easy" else rng.integer(200, 2500)
        return {"modulus": modulus, "bases": bases, "last": last, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        modulus, last = params["modulus"], params["last"]
        expression = " + ".join(f"{base}^k" for base in params["bases"])
        ask = "Find the remainder when $S$ is divided by $1000$." if params["reduce"] else "Find $S$."
        if params["wording"] == 0:
            return (
                f"For each positive integer $k$, let $r_k$ be the remainder when ${expression}$ is divided by "
                f"${modulus}$. Let $S = r_1 + r_2 + \\cdots + r_{{{last}}}$. {ask}"
            )
        return (
            f"A clock has ${modulus}$ hours, numbered from $0$ to ${modulus - 1}$. On day $k$ its only hand points "
            f"at the hour that is congruent to ${expression}$ modulo ${modulus}$. Let $S$ be the sum of the hours "
            f"that the hand shows from day $1$ to day ${last}$. {ask}"
        )

    def answer(self, params: Params) -> int | None:
        modulus, last = params["modulus"], params["last"]
        seen: dict[tuple[int, ...], int] = {}
        remainders: list[int] = []
        powers = tuple(base % modulus for base in params["bases"])
        while powers not in seen:
            seen[powers] = len(remainders)
            remainders.append(sum(powers) % modulus)
            powers = tuple(p * base % modulus for p, base in zip(powers, params["bases"], strict=True))
        start = seen[powers]
        cycle = remainders[start:]
        if len(cycle) < 4 or last % len(cycle) == 0 or len(set(cycle)) < 3:
            return None
        full, rest = divmod(last - start, len(cycle))
        total = sum(remainders[:start]) + full * sum(cycle) + sum(cycle[:rest])
        return total % 1000 if params["reduce"] else total


class DigitSums(Generator):
    """Counting integers by their digit sum in a base."""

    name = "digit_sums"
    area = AREA
    steps = (
        "split the integers below the bound by the first digit that is smaller than the bound's",
        "count the free digit blocks with each digit sum",
        "add the blocks whose total digit sum fits the condition",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        if level == "hard":
            base = rng.integer(3, 9)
            divisor = rng.choice([m for m in (3, 4, 5, 6, 7) if (base - 1) % m])
            total, banned = rng.integer(0, divisor - 1), rng.integer(0, base - 1)
        else:
            base = 10 if level == "easy" else rng.integer(4, 9)
            divisor, total, banned = 0, rng.integer(8, 9 + base), -1
        bound = rng.integer(1200, 6000)
        return {"base": base, "bound": bound, "divisor": divisor, "total": total, "banned": banned}

    def statement(self, params: Params) -> str:
        base, bound, divisor, total = params["base"], params["bound"], params["divisor"], params["total"]
        digits = "decimal digits" if base == 10 else f"base-${base}$ digits"
        if divisor:
            rule = f"the sum of the {digits} of $n$ leaves remainder ${total}$ when divided by ${divisor}$"
        else:
            rule = f"the sum of the {digits} of $n$ is ${total}$"
        banned = f" and none of those digits is ${params['banned']}$" if params["banned"] >= 0 else ""
        if params["wording"] == 0:
            return f"Find the number of positive integers $n < {bound}$ for which {rule}{banned}."
        return (
            f"A ledger has entries numbered $1, 2, 3, \\ldots, {bound - 1}$ (written here in base ten). Entry $n$ is "
            f"stamped exactly when {rule}{banned}. How many entries are stamped?"
        )

    def answer(self, params: Params) -> int:
        base, bound, divisor, total = params["base"], params["bound"], params["divisor"], params["total"]
        digits: list[int] = []
        while bound:
            bound, digit = divmod(bound, base)
            digits.append(digit)
        digits.reverse()
        allowed = [digit for digit in range(base) if digit != params["banned"]]
        # free[s]: numbers already below the bound's prefix, leading zeros stripped, with digit sum s
        free: dict[int, int] = {}
        tight: int | None = 0
        for place, top in enumerate(digits):
            grown: dict[int, int] = {}
            for s, ways in free.items():
                for digit in allowed:
                    grown[s + digit] = grown.get(s + digit, 0) + ways
            if place:
                for digit in allowed:
                    if digit:
                        grown[digit] = grown.get(digit, 0) + 1  # the number starts here
            if tight is not None:
                for digit in allowed:
                    if digit < top and (place or digit):
                        grown[tight + digit] = grown.get(tight + digit, 0) + 1
                tight = tight + top if top in allowed else None
            free = grown
        fits = (lambda s: s % divisor == total) if divisor else (lambda s: s == total)
        return sum(ways for s, ways in free.items() if fits(s))


class FactorialPower(Generator):
    """The largest power of a composite number that divides a product of factorials."""

    name = "factorial_power"
    area = AREA
    steps = (
        "factor the base into primes",
        "find the exponent of each prime in the product by Legendre's formula",
        "divide by the exponents in the base and take the smallest quotient",
    )
    bases: ClassVar[tuple[int, ...]] = (12, 18, 20, 24, 28, 36, 40, 44, 45, 48, 50, 52, 54, 60, 63, 72, 75, 80, 84, 90)

    def draw(self, rng: Rng, level: str) -> Params:
        base = rng.choice(self.bases)
        if level == "hard":
            return {"base": base, "tops": [rng.integer(20, 110)], "bottoms": [], "first": rng.integer(2, 15)}
        low, high = (40, 300) if level == "easy" else (200, 900)
        tops = [rng.integer(low, high) for _ in range(2)]
        bottoms = [rng.integer(low // 4, top - low // 4) for top in tops]
        return {"base": base, "tops": tops, "bottoms": bottoms[: 1 if level == "easy" else 2], "first": 0}

    def statement(self, params: Params) -> str:
        base, first = params["base"], params["first"]
        if first:
            what = f"P = {first}! \\cdot {first + 1}! \\cdot {first + 2}! \\cdots {params['tops'][0]}!"
        else:
            top, bottom = (" \\cdot ".join(f"{n}!" for n in params[part]) for part in ("tops", "bottoms"))
            what = f"P = \\dfrac{{{top}}}{{{bottom}}}"
        if params["wording"] == 0:
            return f"Let ${what}$. Find the largest integer $k$ such that ${base}^k$ divides $P$."
        return (
            f"The number ${what}$ is divided by ${base}$, the quotient is divided by ${base}$ again, and so on, "
            "for as long as the result is an integer. How many divisions are made?"
        )

    def answer(self, params: Params) -> int:
        tops, first = params["tops"], params["first"]
        if first:
            tops = range(first, tops[0] + 1)

        def legendre(n: int, prime: int) -> int:
            total = 0
            while n:
                n //= prime
                total += n
            return total

        return min(
            (sum(legendre(n, prime) for n in tops) - sum(legendre(n, prime) for n in params["bottoms"])) // exponent
            for prime, exponent in factorize(params["base"]).items()
        )


class CoprimeSums(Generator):
    """Sums over the integers that share no factor with a number."""

    name = "coprime_sums"
    area = AREA
    steps = (
        "find the primes of the modulus",
        "write the sum over coprime integers by inclusion and exclusion over those primes",
        "evaluate the sums of multiples (of squares of multiples) and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        count = {"easy": 2, "medium": 3, "hard": 3}[level]
        primes = rng.sample(PRIMES[: count + 3], count)
        modulus = math.prod(p ** rng.integer(1, 2 if p < 5 else 1) for p in primes)
        bound = rng.integer(40, 75) if level == "easy" else rng.integer(150, 900)
        return {"modulus": modulus, "bound": bound, "power": 2 if level == "hard" else 1, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        modulus, bound = params["modulus"], params["bound"]
        ask = "Find the remainder when $S$ is divided by $1000$." if params["reduce"] else "Find $S$."
        if params["wording"] == 0:
            term = "the squares of " if params["power"] == 2 else ""
            return (
                f"Let $S$ be the sum of {term}all positive integers that do not exceed ${bound}$ and are relatively "
                f"prime to ${modulus}$. {ask}"
            )
        term = "n^2" if params["power"] == 2 else "n"
        return (
            f"On a list of the integers from $1$ to ${bound}$, every integer that has a common factor greater than "
            f"$1$ with ${modulus}$ is crossed out. Let $S$ be the sum of ${term}$ over the integers $n$ that remain. "
            f"{ask}"
        )

    def answer(self, params: Params) -> int:
        primes = list(factorize(params["modulus"]))
        total = 0
        for size in range(len(primes) + 1):
            for chosen in combinations(primes, size):
                step = math.prod(chosen)
                k = params["bound"] // step
                sums = step * k * (k + 1) // 2
                if params["power"] == 2:
                    sums = step * step * k * (k + 1) * (2 * k + 1) // 6
                total += (-1) ** size * sums
        return total % 1000 if params["reduce"] else total


GENERATORS: tuple[Generator, ...] = (
    ResidueConditions(),
    RemainderCycle(),
    DigitSums(),
    FactorialPower(),
    CoprimeSums(),
)
