"""Generators of counting problems."""

import math
from itertools import combinations, product

from ..rng import Rng
from .generator import Generator, Params, listed

AREA = "combinatorics"


def ask_count(reduce: bool, what: str) -> str:
    """Return the closing question for a count."""
    return (
        f"Find the remainder when the number of {what} is divided by $1000$."
        if reduce
        else f"How many {what} are there?"
    )


class BoundedSolutions(Generator):
    """Solutions of a linear equation (or inequality) in bounded integers."""

    name = "bounded_solutions"
    area = AREA
    steps = (
        "shift every variable by its lower bound (and add a slack variable for an inequality)",
        "count the solutions without upper bounds by stars and bars",
        "remove those that exceed upper bounds by inclusion and exclusion",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        count = {"easy": 3, "medium": 4, "hard": 4}[level]
        width = {"easy": 14, "medium": 10, "hard": 8}[level]
        bounds = []
        for _ in range(count):
            low = rng.integer(0, 4)
            bounds.append([low, low + rng.integer(width // 2, width)])
        low, high = sum(b[0] for b in bounds), sum(b[1] for b in bounds)
        middle = (low + high) // 2
        return {"bounds": bounds, "total": rng.integer(middle - 4, middle + 5), "at_most": level == "hard"}

    def statement(self, params: Params) -> str:
        bounds, total = params["bounds"], params["total"]
        names = "wxyz"[4 - len(bounds) :]
        relation = "\\le" if params["at_most"] else "="
        if params["wording"] == 0:
            ranges = listed([f"${low} \\le {x} \\le {high}$" for x, (low, high) in zip(names, bounds, strict=True)])
            return (
                f"Find the number of ordered {'triples' if len(names) == 3 else 'quadruples'} $({', '.join(names)})$ "
                f"of integers such that ${' + '.join(names)} {relation} {total}$ and {ranges}."
            )
        people = ("Ada", "Ben", "Cleo", "Dov")[: len(bounds)]
        shares = "; ".join(
            f"{who} gets at least ${low}$ and at most ${high}$" for who, (low, high) in zip(people, bounds, strict=True)
        )
        handed = "some or all of" if params["at_most"] else "all of"
        return (
            f"A baker hands out {handed} ${total}$ identical rolls to {listed(people)} subject to these rules: "
            f"{shares}. In how many ways can this be done?"
        )

    def answer(self, params: Params) -> int:
        bounds = params["bounds"]
        free = params["total"] - sum(low for low, _ in bounds)
        widths = [high - low for low, high in bounds]
        variables = len(bounds) + params["at_most"]
        total = 0
        for size in range(len(widths) + 1):
            for chosen in combinations(widths, size):
                rest = free - sum(chosen) - size
                if rest >= 0:
                    total += (-1) ** size * math.comb(rest + variables - 1, variables - 1)
        return total


class Committees(Generator):
    """Committees with conditions on how the groups are represented."""

    name = "committees"
    area = AREA
    steps = (
        "list the possible numbers of members from each group",
        "multiply the binomial coefficients of each case",
        "add the cases, take away committees with the forbidden pair (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        low, high = {"easy": (3, 5), "medium": (4, 8), "hard": (5, 9)}[level]
        groups = [rng.integer(low, high) for _ in range(3)]
        size = rng.integer(4, 5 if level == "easy" else 7)
        least = rng.integer(1, 2)
        return {"groups": groups, "size": size, "least": least, "pair": level == "hard", "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        a, b, c = params["groups"]
        size, least, reduce = params["size"], params["least"], params["reduce"]
        if params["wording"] == 0:
            feud = (
                " One of the biologists and one of the physicists refuse to serve together." if params["pair"] else ""
            )
            return (
                f"From ${a}$ biologists, ${b}$ chemists, and ${c}$ physicists, a committee of ${size}$ people is "
                f"chosen that has at least ${least}$ biologist{'s' if least > 1 else ''} and more chemists than "
                f"physicists.{feud} {ask_count(reduce, 'possible committees')}"
            )
        feud = (
            " One particular sonata cannot be played on the same evening as one particular waltz."
            if params["pair"]
            else ""
        )
        return (
            f"A pianist knows ${a}$ sonatas, ${b}$ preludes, and ${c}$ waltzes and selects ${size}$ of these pieces "
            f"for an evening, among them at least ${least}$ sonata{'s' if least > 1 else ''} and more preludes than "
            f"waltzes. The order of the pieces does not matter.{feud} {ask_count(reduce, 'possible selections')}"
        )

    def answer(self, params: Params) -> int:
        (a, b, c), size, least = params["groups"], params["size"], params["least"]

        def count(a: int, b: int, c: int, size: int, taken_a: int, taken_c: int) -> int:
            """Count selections where `taken_a` and `taken_c` members are already in."""
            total = 0
            for i in range(max(0, least - taken_a), size + 1):
                for k in range(size - i + 1):
                    j = size - i - k
                    if j > k + taken_c:
                        total += math.comb(a, i) * math.comb(b, j) * math.comb(c, k)
            return total

        total = count(a, b, c, size, 0, 0)
        if params["pair"]:
            total -= count(a - 1, b, c - 1, size - 2, 1, 1)
        return total % 1000 if params["reduce"] else total


class Shelves(Generator):
    """Distributing distinct objects into distinct boxes of limited size."""

    name = "shelves"
    area = AREA
    steps = (
        "list the possible numbers of objects in the boxes",
        "count the ways of each case with a multinomial coefficient",
        "add the cases and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        count = {"easy": 3, "medium": 3, "hard": 4}[level]
        objects = rng.integer(*{"easy": (6, 8), "medium": (8, 12), "hard": (7, 12)}[level])
        bounds = []
        for _ in range(count):
            low = rng.integer(0, 2)
            bounds.append([low, low + rng.integer(2, 5)])
        least, most = sum(low for low, _ in bounds), sum(high for _, high in bounds)
        if not least + 2 <= objects <= most - 2 or sum(high < objects - least for _, high in bounds) < 2:
            return None
        return {"objects": objects, "bounds": bounds}

    def statement(self, params: Params) -> str:
        objects, bounds = params["objects"], params["bounds"]
        ask = "Find the remainder when $N$ is divided by $1000$."
        names = "ABCD"[: len(bounds)]

        def limits(unit: str) -> str:
            return "; ".join(
                f"{unit} ${name}$ takes at least ${low}$ and at most ${high}$" if low else
                f"{unit} ${name}$ takes at most ${high}$"
                for name, (low, high) in zip(names, bounds, strict=True)
            )  # fmt: skip

        if params["wording"] == 0:
            return (
                f"A librarian puts ${objects}$ different books on the shelves {listed([f'${x}$' for x in names])}, "
                f"paying no attention to the order of the books on a shelf. The rules are: {limits('shelf')}. Let $N$ "
                f"be the number of ways to distribute the books. {ask}"
            )
        return (
            f"Each of ${objects}$ hikers chooses one of the huts {listed([f'${x}$' for x in names])} for the night. "
            f"The wardens insist that {limits('hut')}. Let $N$ be the number of ways in which the hikers can be "
            f"distributed among the huts. {ask}"
        )

    def answer(self, params: Params) -> int:
        objects = params["objects"]
        total = 0
        for sizes in product(*(range(low, high + 1) for low, high in params["bounds"])):
            if sum(sizes) == objects:
                ways = math.factorial(objects)
                for size in sizes:
                    ways //= math.factorial(size)
                total += ways
        return total % 1000


class SubsetSums(Generator):
    """Subsets whose sum has a given remainder."""

    name = "subset_sums"
    area = AREA
    steps = (
        "sort the numbers by their remainders",
        "count the choices by size and by the remainder of the sum, one number after the other",
        "read off (and add, where the sizes vary) the choices with the wanted remainder",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        modulus = rng.integer(3, 9)
        residue = rng.integer(0, modulus - 1)
        if level == "hard":
            return {"first": 1, "last": rng.integer(10, 19), "size": 0, "modulus": modulus, "residue": residue}
        first = rng.integer(2, 40)
        count = rng.integer(9, 13) if level == "easy" else rng.integer(14, 18)
        size = rng.integer(3, 4) if level == "easy" else rng.integer(4, 6)
        return {"first": first, "last": first + count - 1, "size": size, "modulus": modulus, "residue": residue}

    def statement(self, params: Params) -> str:
        first, last, size = params["first"], params["last"], params["size"]
        modulus, residue = params["modulus"], params["residue"]
        rule = (
            f"leaves remainder ${residue}$ when divided by ${modulus}$" if residue else f"is divisible by ${modulus}$"
        )
        if size:
            if params["wording"] == 0:
                return (
                    f"How many ${size}$-element subsets of $\\{{{first}, {first + 1}, \\ldots, {last}\\}}$ have a sum "
                    f"that {rule}?"
                )
            return (
                f"A box holds cards numbered from ${first}$ to ${last}$, one with each number. In how many ways can "
                f"${size}$ of the cards be chosen so that the sum of their numbers {rule}?"
            )
        if params["wording"] == 0:
            return (
                f"A nonempty subset of $\\{{1, 2, 3, \\ldots, {last}\\}}$ is called sparse if it contains no two "
                f"consecutive integers. How many sparse subsets have a sum of elements that {rule}?"
            )
        return (
            f"Some of the lamps numbered $1, 2, 3, \\ldots, {last}$ in a corridor are switched on, at least one of "
            "them, but no two lamps with consecutive numbers. For how many choices is it true that the sum of the "
            f"numbers of the lamps that are on {rule}?"
        )

    def answer(self, params: Params) -> int:
        first, last, size = params["first"], params["last"], params["size"]
        modulus, residue = params["modulus"], params["residue"]
        if size:
            table = [[0] * modulus for _ in range(size + 1)]
            table[0][0] = 1
            for number in range(first, last + 1):
                for count in range(size, 0, -1):
                    for rest in range(modulus):
                        table[count][(rest + number) % modulus] += table[count - 1][rest]
            return table[size][residue]
        off, on = [1] + [0] * (modulus - 1), [0] * modulus
        for number in range(first, last + 1):
            grown = [off[(rest - number) % modulus] for rest in range(modulus)]
            off, on = [x + y for x, y in zip(off, on, strict=True)], grown
        return off[residue] + on[residue] - (residue == 0)  # without the empty choice


GENERATORS: tuple[Generator, ...] = (
    BoundedSolutions(),
    Committees(),
    Shelves(),
    SubsetSums(),
)
