"""Generators of counting problems."""

import math
from itertools import combinations, product
from typing import ClassVar

from ..rng import Rng
from .generator import Generator, Params, listed

AREA = "combinatorics"


def _ask(reduce: bool, what: str) -> str:
    """Return the closing question for a count."""
    return f"Find the remainder when the number of {what} is divided by $1000$." if reduce else f"How many {what} are there?"


class BlockedPaths(Generator):
    """Lattice paths that avoid some points."""

    name = "blocked_paths"
    area = AREA
    steps = (
        "count all paths with a binomial coefficient",
        "count the paths that meet each forbidden point first, one point after the other",
        "subtract those that go on to the corner (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        holes, low, high = {"easy": (2, 3, 7), "medium": (2, 6, 11), "hard": (3, 7, 13)}[level]
        width, height = rng.integer(low, high), rng.integer(low, high)
        inner = [[x, y] for x in range(width + 1) for y in range(height + 1) if 0 < x + y < width + height]
        points = sorted(rng.sample(inner, holes))
        # every forbidden point must matter: none on the far corners of the grid
        if any(x * (height - y) + y * (width - x) == 0 for x, y in points):
            return None
        return {"corner": [width, height], "points": points, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        width, height = params["corner"]
        points = listed([f"$({x}, {y})$" for x, y in params["points"]])
        none = "neither of the points" if len(params["points"]) == 2 else "none of the points"
        ask = "Find the remainder when $P$ is divided by $1000$." if params["reduce"] else "Find $P$."
        if params["wording"] == 0:
            return (
                f"A path from $(0, 0)$ to $({width}, {height})$ consists of unit steps, each to the right or up. Let "
                f"$P$ be the number of such paths that pass through {none} {points}. {ask}"
            )
        return (
            f"A courier walks from the corner $(0, 0)$ of a city to the corner $({width}, {height})$ along streets "
            "that run through all points with integer coordinates, and always moves east or north. The crossings "
            f"{points} are closed. Let $P$ be the number of different routes that the courier can take. {ask}"
        )

    def answer(self, params: Params) -> int:
        targets = sorted([*params["points"], params["corner"]], key=sum)
        first: list[int] = []  # paths that reach this target before any other one
        for i, (x, y) in enumerate(targets):
            ways = math.comb(x + y, x)
            for (u, v), earlier in zip(targets[:i], first, strict=True):
                if u <= x and v <= y:
                    ways -= earlier * math.comb(x + y - u - v, x - u)
            first.append(ways)
        return first[-1] % 1000 if params["reduce"] else first[-1]


class SpacedWords(Generator):
    """Words with few letters of one kind, no two of them adjacent, and a fixed number of another."""

    name = "spaced_words"
    area = AREA
    steps = (
        "fix the number of letters A and place them in the gaps between (or around) the other letters",
        "choose which of the other places hold the letter with the fixed count and fill the rest freely",
        "sum over the possible numbers of letters A and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        low, high = {"easy": (5, 10), "medium": (9, 14), "hard": (8, 15)}[level]
        length = rng.integer(low, high)
        exact = rng.integer(2, 4 if level == "easy" else 5)
        most = rng.integer(2, 4)
        if exact + most > length or 2 * most > length:
            return None
        return {
            "length": length,
            "letters": rng.integer(3, 5 if level == "easy" else 8),
            "exact": exact,
            "most": most,
            "circle": level == "hard",
        }

    def statement(self, params: Params) -> str:
        length, exact, most = params["length"], params["exact"], params["most"]
        letters = [f"${x}$" for x in "ABCDEFGH"[: params["letters"]]]
        ask = "Find the remainder when $W$ is divided by $1000$."
        if params["circle"]:
            if params["wording"] == 0:
                return (
                    f"The ${length}$ seats of a round table are numbered. Each seat is given one of the labels "
                    f"{listed(letters, 'or')} so that no two neighboring seats both have the label $A$, the label $A$ "
                    f"is used at most ${most}$ times, and the label $B$ is used exactly ${exact}$ times. Let $W$ be the "
                    f"number of ways to do this. {ask}"
                )
            return (
                f"Each of the ${length}$ distinguishable windows in the wall of a round tower is painted in one of "
                f"the colors {listed(letters, 'or')}. Color $B$ occurs exactly ${exact}$ times, color $A$ occurs at "
                f"most ${most}$ times, and no two adjacent windows both have color $A$. Let $W$ be the number of "
                f"possible paintings. {ask}"
            )
        if params["wording"] == 0:
            return (
                f"Let $W$ be the number of words of length ${length}$ over the alphabet consisting of "
                f"{listed(letters)} that contain $B$ exactly ${exact}$ times and $A$ at most ${most}$ times and have no "
                f"two adjacent letters $A$. {ask}"
            )
        return (
            f"A signal is a row of ${length}$ flags, each of one of the types {listed(letters, 'or')}. Exactly "
            f"${exact}$ of the flags are of type $B$, at most ${most}$ are of type $A$, and no two flags of type $A$ are "
            f"next to each other. Let $W$ be the number of possible signals. {ask}"
        )

    def answer(self, params: Params) -> int:
        length, exact, others = params["length"], params["exact"], params["letters"] - 2
        total = 0
        for a in range(params["most"] + 1):
            rest = length - a
            if rest < exact:
                break
            if params["circle"]:  # a places on a circle, no two adjacent
                places = length * math.comb(rest, a) // rest
            else:
                places = math.comb(rest + 1, a)
            total += places * math.comb(rest, exact) * others ** (rest - exact)
        return total % 1000


class Necklaces(Generator):
    """Necklaces with some bead counts given and the other beads free, up to rotation (and reflection)."""

    name = "necklaces"
    area = AREA
    steps = (
        "list the symmetries and the cycles that each makes of the bead positions",
        "count the colorings that obey the given numbers of beads and that each symmetry leaves unchanged",
        "average over the symmetries (Burnside's lemma) and reduce",
    )
    max_arrangements: ClassVar[int] = 30_000
    """Of the beads in a row; keeps the problems within reach of a full enumeration."""

    def draw(self, rng: Rng, level: str) -> Params | None:
        counts = [rng.integer(1, 6) for _ in range(2 if level == "easy" else rng.integer(2, 3))]
        rest, free = rng.integer(2, 6), rng.integer(2, 4)
        low, high = {"easy": (6, 9), "medium": (8, 12), "hard": (8, 12)}[level]
        if not low <= sum(counts) + rest <= high:
            return None
        if self._arrangements([*counts, rest]) * free**rest > self.max_arrangements:
            return None
        if level == "medium" and math.gcd(*counts, rest) == 1 and rng.below(4):
            return None
        return {"counts": counts, "rest": rest, "free": free, "flips": level == "hard", "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        colors = ("red", "blue", "green", "yellow", "white", "black", "orange")
        counts, rest, free, reduce = params["counts"], params["rest"], params["free"], params["reduce"]
        beads = listed([f"${n}$ {color}" for n, color in zip(counts, colors, strict=False)])
        others = listed(colors[len(counts) : len(counts) + free], "or")
        size = sum(counts) + rest
        if params["wording"] == 0:
            same = "rotation or a reflection" if params["flips"] else "rotation"
            return (
                f"A bracelet is made of ${size}$ beads evenly spaced around a circle. It has exactly {beads} beads, and "
                f"each of its other beads is {others}. Two bracelets are considered the same if one can be obtained "
                f"from the other by a {same}. {_ask(reduce, 'different bracelets')}"
            )
        turned = "turning or flipping" if params["flips"] else "turning"
        return (
            f"A round table top has ${size}$ equal sectors. Exactly {beads} sectors are to be painted, and each of the "
            f"remaining sectors is painted {others}. Patterns that can be made to coincide by {turned} the table top "
            f"are not distinguished. {_ask(reduce, 'different patterns')}"
        )

    @staticmethod
    def _arrangements(parts: list[int]) -> int:
        """Return the multinomial coefficient."""
        ways, left = 1, sum(parts)
        for part in parts:
            ways *= math.comb(left, part)
            left -= part
        return ways

    def answer(self, params: Params) -> int:
        free = params["free"]
        parts = [*params["counts"], params["rest"]]  # the last part holds the freely colored beads
        size = sum(parts)

        def unchanged(parts: list[int], length: int) -> int:
            """Count colorings that are constant on cycles of one length."""
            if any(n < 0 or n % length for n in parts):
                return 0
            cycles = [n // length for n in parts]
            return self._arrangements(cycles) * free ** cycles[-1]

        def mirrored(parts: list[int], points: int) -> int:
            """Count colorings that a reflection with so many beads on its axis leaves unchanged."""
            if not points:
                return unchanged(parts, 2)
            total = 0
            for i in range(len(parts)):
                rest = [n - (i == j) for j, n in enumerate(parts)]
                total += (free if i == len(parts) - 1 else 1) * mirrored(rest, points - 1)
            return total

        total = sum(unchanged(parts, size // math.gcd(shift, size)) for shift in range(size))
        if params["flips"]:
            on_axis = (1, 1) if size % 2 else (0, 2)
            total += sum(mirrored(parts, points) for points in on_axis * size) // 2
        count = total // (2 * size if params["flips"] else size)
        return count % 1000 if params["reduce"] else count


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
                f"Find the number of ordered {'triples' if len(names) == 3 else 'quadruples'} $({', '.join(names)})$ of "
                f"integers such that ${' + '.join(names)} {relation} {total}$ and {ranges}."
            )
        people = ("Ada", "Ben", "Cleo", "Dov")[: len(bounds)]
        shares = "; ".join(
            f"{who} gets at least ${low}$ and at most ${high}$"
            for who, (low, high) in zip(people, bounds, strict=True)
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


class BandPermutations(Generator):
    """Permutations that move nothing far."""

    name = "band_permutations"
    area = AREA
    steps = (
        "note which values each position may take",
        "fill the positions from left to right, remembering which of the nearby values are used",
        "add up the ways over these states, leaving out the forbidden placements",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        low, high = {"easy": (5, 6), "medium": (7, 8), "hard": (8, 10)}[level]
        size = rng.integer(low, high)
        down, up = rng.integer(1, 3), rng.integer(1, 3)
        if down == up == 1:
            return None
        allowed = [
            [i, value]
            for i in range(1, size + 1)
            for value in range(max(1, i - down), min(size, i + up) + 1)
            if value != i
        ]
        return {"size": size, "down": down, "up": up, "banned": sorted(rng.sample(allowed, 2 if level == "hard" else 1))}

    def statement(self, params: Params) -> str:
        size, down, up = params["size"], params["down"], params["up"]
        banned = listed([f"$a_{{{i}}} \\ne {value}$" for i, value in params["banned"]])
        if params["wording"] == 0:
            return (
                f"Find the number of permutations $(a_1, a_2, \\ldots, a_{{{size}}})$ of $(1, 2, \\ldots, {size})$ such "
                f"that $i - {down} \\le a_i \\le i + {up}$ for every $i$, and {banned}."
            )
        seats = listed([f"guest ${i}$ may not sit in chair ${value}$" for i, value in params["banned"]])
        return (
            f"Guests numbered from $1$ to ${size}$ sit down on a row of chairs numbered from $1$ to ${size}$, one guest "
            f"to a chair. For each $i$, the number of the chair of guest $i$ is at least $i - {down}$ and at most "
            f"$i + {up}$. Moreover, {seats}. In how many ways can the guests be seated?"
        )

    def answer(self, params: Params) -> int:
        size, down, up = params["size"], params["down"], params["up"]
        banned = {tuple(pair) for pair in params["banned"]}
        ways = {0: 1}  # bit set of the values used so far -> number of ways
        for i in range(1, size + 1):
            grown: dict[int, int] = {}
            for used, count in ways.items():
                for value in range(max(1, i - down), min(size, i + up) + 1):
                    if not used >> value & 1 and (i, value) not in banned:
                        key = used | 1 << value
                        grown[key] = grown.get(key, 0) + count
            ways = grown
        return sum(ways.values())


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
            feud = " One of the biologists and one of the physicists refuse to serve together." if params["pair"] else ""
            return (
                f"From ${a}$ biologists, ${b}$ chemists, and ${c}$ physicists, a committee of ${size}$ people is chosen "
                f"that has at least ${least}$ biologist{'s' if least > 1 else ''} and more chemists than physicists."
                f"{feud} {_ask(reduce, 'possible committees')}"
            )
        feud = (
            " One particular sonata cannot be played on the same evening as one particular waltz." if params["pair"] else ""
        )
        return (
            f"A pianist knows ${a}$ sonatas, ${b}$ preludes, and ${c}$ waltzes and selects ${size}$ of these pieces for an "
            f"evening, among them at least ${least}$ sonata{'s' if least > 1 else ''} and more preludes than waltzes. "
            f"The order of the pieces does not matter.{feud} {_ask(reduce, 'possible selections')}"
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
        "add the cases (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        count = {"easy": 3, "medium": 3, "hard": 4}[level]
        objects = rng.integer(*{"easy": (5, 7), "medium": (7, 11), "hard": (7, 12)}[level])
        bounds = []
        for _ in range(count):
            low = rng.integer(0, 2)
            bounds.append([low, low + rng.integer(2, 5)])
        least, most = sum(low for low, _ in bounds), sum(high for _, high in bounds)
        if not least + 2 <= objects <= most - 2 or sum(high < objects - least for _, high in bounds) < 2:
            return None
        return {"objects": objects, "bounds": bounds, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        objects, bounds = params["objects"], params["bounds"]
        ask = "Find the remainder when $D$ is divided by $1000$." if params["reduce"] else "Find $D$."
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
                f"paying no attention to the order of the books on a shelf. The rules are: {limits('shelf')}. Let $D$ "
                f"be the number of ways to distribute the books. {ask}"
            )
        return (
            f"Each of ${objects}$ hikers chooses one of the huts {listed([f'${x}$' for x in names])} for the night. The "
            f"wardens insist that {limits('hut')}. Let $D$ be the number of ways in which the hikers can be "
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
        return total % 1000 if params["reduce"] else total


class Tilings(Generator):
    """Tilings of a strip with colored tiles."""

    name = "tilings"
    area = AREA
    steps = (
        "split the tilings by the kind of the last tile",
        "set up recurrences for the numbers of tilings with each last tile",
        "run the recurrences up to the length of the strip (and reduce)",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        low, high = {"easy": (4, 9), "medium": (8, 15), "hard": (9, 18)}[level]
        colors = [rng.integer(1, 4 if level == "easy" else 5) for _ in range(3)]
        rule = {"easy": "none", "medium": "units", "hard": "lengths"}[level]
        return {"length": rng.integer(low, high), "colors": colors, "rule": rule, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        length, colors, rule = params["length"], params["colors"], params["rule"]

        def kinds(count: int) -> str:
            return "one color" if count == 1 else f"${count}$ colors"

        a, b, c = (kinds(count) for count in colors)
        reduce = params["reduce"]
        if params["wording"] == 0:
            limit = {
                "none": "",
                "units": " so that no two $1 \\times 1$ tiles are adjacent",
                "lengths": " so that no two tiles of the same size are adjacent",
            }[rule]
            return (
                f"Tiles of size $1 \\times 1$ come in {a}, tiles of size $1 \\times 2$ in {b}, and tiles of size "
                f"$1 \\times 3$ in {c}. A $1 \\times {length}$ strip is to be covered with such tiles{limit}. "
                f"{_ask(reduce, 'different coverings')}"
            )
        limit = {
            "none": "",
            "units": " Two notes of length $1$ never follow each other.",
            "lengths": " Two notes of the same length never follow each other.",
        }[rule]
        notes = [kinds(count).replace("colors", "pitches").replace("color", "pitch") for count in colors]
        return (
            f"A melody is a sequence of notes. Notes of length $1$ have {notes[0]} to choose from, notes of length $2$ "
            f"have {notes[1]}, and notes of length $3$ have {notes[2]}.{limit} The lengths of the notes in a melody add "
            f"up to ${length}$. {_ask(reduce, 'such melodies')}"
        )

    def answer(self, params: Params) -> int:
        length, colors, rule = params["length"], params["colors"], params["rule"]
        # ends[n][s]: coverings of length n whose last tile has size s (s = 0: the empty covering)
        ends = [[1, 0, 0, 0]]
        for n in range(1, length + 1):
            row = [0, 0, 0, 0]
            for size in (1, 2, 3):
                if size <= n:
                    before = ends[n - size]
                    ways = sum(before)
                    if rule == "lengths" or (rule == "units" and size == 1):
                        ways -= before[size]
                    row[size] = colors[size - 1] * ways
            ends.append(row)
        total = sum(ends[length])
        return total % 1000 if params["reduce"] else total


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
            return {"top": rng.integer(10, 19), "size": 0, "modulus": modulus, "residue": residue}
        low, high = (9, 16) if level == "easy" else (12, 18)
        size = rng.integer(3, 4) if level == "easy" else rng.integer(4, 6)
        return {"top": rng.integer(low, high), "size": size, "modulus": modulus, "residue": residue}

    def statement(self, params: Params) -> str:
        top, size, modulus, residue = params["top"], params["size"], params["modulus"], params["residue"]
        rule = f"leaves remainder ${residue}$ when divided by ${modulus}$" if residue else f"is divisible by ${modulus}$"
        if size:
            if params["wording"] == 0:
                return f"How many ${size}$-element subsets of $\\{{1, 2, 3, \\ldots, {top}\\}}$ have a sum that {rule}?"
            return (
                f"A box holds ${top}$ cards numbered from $1$ to ${top}$. In how many ways can ${size}$ of the cards be "
                f"chosen so that the sum of their numbers {rule}?"
            )
        if params["wording"] == 0:
            return (
                f"A nonempty subset of $\\{{1, 2, 3, \\ldots, {top}\\}}$ is called sparse if it contains no two consecutive "
                f"integers. How many sparse subsets have a sum of elements that {rule}?"
            )
        return (
            f"Some of the lamps numbered $1, 2, 3, \\ldots, {top}$ in a corridor are switched on, at least one of them, but "
            f"no two lamps with consecutive numbers. For how many choices is it true that the sum of the numbers of the "
            f"lamps that are on {rule}?"
        )

    def answer(self, params: Params) -> int:
        top, size, modulus, residue = params["top"], params["size"], params["modulus"], params["residue"]
        if size:
            table = [[0] * modulus for _ in range(size + 1)]
            table[0][0] = 1
            for number in range(1, top + 1):
                for count in range(size, 0, -1):
                    for rest in range(modulus):
                        table[count][(rest + number) % modulus] += table[count - 1][rest]
            return table[size][residue]
        off, on = [1] + [0] * (modulus - 1), [0] * modulus
        for number in range(1, top + 1):
            grown = [off[(rest - number) % modulus] for rest in range(modulus)]
            off, on = [x + y for x, y in zip(off, on, strict=True)], grown
        return off[residue] + on[residue] - (residue == 0)  # without the empty choice


GENERATORS: tuple[Generator, ...] = (
    BlockedPaths(),
    SpacedWords(),
    Necklaces(),
    BoundedSolutions(),
    BandPermutations(),
    Committees(),
    Shelves(),
    Tilings(),
    SubsetSums(),
)
