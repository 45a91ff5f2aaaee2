"""Generators of counting problems about paths, words and other arrangements."""

import math

from ..rng import Rng
from .combinatorics import AREA, ask_count
from .generator import Generator, Params, listed


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
        low, high = {"easy": (5, 8), "medium": (9, 15), "hard": (8, 15)}[level]
        length = rng.integer(low, high)
        exact = rng.integer(2, 4 if level == "easy" else 5)
        most = rng.integer(2, 4)
        if exact + most > length or 2 * most > length:
            return None
        return {
            "length": length,
            "letters": rng.integer(3, 5 if level == "easy" else 9),
            "exact": exact,
            "most": most,
            "circle": level == "hard",
        }

    def statement(self, params: Params) -> str:
        length, exact, most = params["length"], params["exact"], params["most"]
        letters = [f"${x}$" for x in "ABCDEFGHI"[: params["letters"]]]
        ask = "Find the remainder when $W$ is divided by $1000$."
        if params["circle"]:
            if params["wording"] == 0:
                return (
                    f"The ${length}$ seats of a round table are numbered. Each seat is given one of the labels "
                    f"{listed(letters, 'or')} so that no two neighboring seats both have the label $A$, the label $A$ "
                    f"is used at most ${most}$ times, and the label $B$ is used exactly ${exact}$ times. Let $W$ be "
                    f"the number of ways to do this. {ask}"
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
                f"{listed(letters)} that contain $B$ exactly ${exact}$ times and $A$ at most ${most}$ times and have "
                f"no two adjacent letters $A$. {ask}"
            )
        return (
            f"A signal is a row of ${length}$ flags, each of one of the types {listed(letters, 'or')}. Exactly "
            f"${exact}$ of the flags are of type $B$, at most ${most}$ are of type $A$, and no two flags of type $A$ "
            f"are next to each other. Let $W$ be the number of possible signals. {ask}"
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

    def draw(self, rng: Rng, level: str) -> Params | None:
        counts = [rng.integer(2, 6) for _ in range(2 if level == "easy" else rng.integer(2, 3))]
        rest, free = rng.integer(2, 6), rng.integer(2, 4)
        low, high = {"easy": (6, 9), "medium": (8, 15), "hard": (8, 15)}[level]
        if not low <= sum(counts) + rest <= high:
            return None
        if level == "medium" and math.gcd(*counts, rest) == 1 and rng.below(2):
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
                f"A bracelet is made of ${size}$ beads evenly spaced around a circle. It has exactly {beads} beads, "
                f"and each of its other beads is {others}. Two bracelets are considered the same if one can be "
                f"obtained from the other by a {same}. {ask_count(reduce, 'different bracelets')}"
            )
        turned = "turning or flipping" if params["flips"] else "turning"
        return (
            f"A round table top has ${size}$ equal sectors. Exactly {beads} sectors are to be painted, and each of the "
            f"remaining sectors is painted {others}. Patterns that can be made to coincide by {turned} the table top "
            f"are not distinguished. {ask_count(reduce, 'different patterns')}"
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
        low, high = {"easy": (6, 7), "medium": (7, 9), "hard": (8, 10)}[level]
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
        return {
            "size": size,
            "down": down,
            "up": up,
            "banned": sorted(rng.sample(allowed, 2)),
        }

    def statement(self, params: Params) -> str:
        size, down, up = params["size"], params["down"], params["up"]
        banned = listed([f"$a_{{{i}}} \\ne {value}$" for i, value in params["banned"]])
        if params["wording"] == 0:
            return (
                f"Find the number of permutations $(a_1, a_2, \\ldots, a_{{{size}}})$ of $(1, 2, \\ldots, {size})$ "
                f"such that $i - {down} \\le a_i \\le i + {up}$ for every $i$, and {banned}."
            )
        seats = listed([f"guest ${i}$ may not sit in chair ${value}$" for i, value in params["banned"]])
        return (
            f"Guests numbered from $1$ to ${size}$ sit down on a row of chairs numbered from $1$ to ${size}$, one "
            f"guest to a chair. For each $i$, the number of the chair of guest $i$ is at least $i - {down}$ and at "
            f"most $i + {up}$. Moreover, {seats}. In how many ways can the guests be seated?"
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


class Tilings(Generator):
    """Tilings of a strip with colored tiles."""

    name = "tilings"
    area = AREA
    steps = (
        "split the tilings by the kind of the last tile",
        "set up recurrences for the numbers of tilings with each last tile",
        "run the recurrences up to the length of the strip and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params:
        low, high = {"easy": (5, 9), "medium": (8, 15), "hard": (9, 18)}[level]
        colors = [rng.integer(2, 5) for _ in range(3)]
        rule = {"easy": "none", "medium": "units", "hard": "lengths"}[level]
        return {"length": rng.integer(low, high), "colors": colors, "rule": rule}

    def statement(self, params: Params) -> str:
        length, colors, rule = params["length"], params["colors"], params["rule"]

        a, b, c = (f"${count}$ colors" for count in colors)
        if params["wording"] == 0:
            limit = {
                "none": "",
                "units": " so that no two $1 \\times 1$ tiles are adjacent",
                "lengths": " so that no two tiles of the same size are adjacent",
            }[rule]
            return (
                f"Tiles of size $1 \\times 1$ come in {a}, tiles of size $1 \\times 2$ in {b}, and tiles of size "
                f"$1 \\times 3$ in {c}. A $1 \\times {length}$ strip is to be covered with such tiles{limit}. "
                f"{ask_count(True, 'different coverings')}"
            )
        limit = {
            "none": "",
            "units": " Two notes of length $1$ never follow each other.",
            "lengths": " Two notes of the same length never follow each other.",
        }[rule]
        notes = [f"${count}$ pitches" for count in colors]
        return (
            f"A melody is a sequence of notes. Notes of length $1$ have {notes[0]} to choose from, notes of length $2$ "
            f"have {notes[1]}, and notes of length $3$ have {notes[2]}.{limit} The lengths of the notes in a melody "
            f"add up to ${length}$. {ask_count(True, 'such melodies')}"
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
        return total % 1000


GENERATORS: tuple[Generator, ...] = (
    BlockedPaths(),
    SpacedWords(),
    Necklaces(),
    BandPermutations(),
    Tilings(),
)
