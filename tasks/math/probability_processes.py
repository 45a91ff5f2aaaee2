"""Generators of probability problems about processes in time."""

import math
from fractions import Fraction
from itertools import product

from ..rng import Rng
from .generator import LOWEST_TERMS, Generator, Params, listed
from .probability import AREA, ending, fraction_result


class PatternRace(Generator):
    """Which of two patterns of coin tosses appears first."""

    name = "pattern_race"
    area = AREA
    steps = (
        "list the prefixes of the patterns that the latest tosses can match",
        "write the probability of winning from each prefix as an average over the next toss",
        "solve the system of equations and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        low, high = {"easy": (3, 4), "medium": (4, 5), "hard": (5, 6)}[level]
        patterns = ["".join(rng.choice("HT") for _ in range(rng.integer(low, high))) for _ in range(2)]
        if patterns[0] in patterns[1] or patterns[1] in patterns[0] or patterns[0][:-1] == patterns[1][:-1]:
            return None  # settled at once, or by a single toss
        heads = rng.choice(((1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (2, 5), (3, 5), (1, 5), (4, 5), (1, 6), (5, 6)))
        return {"patterns": patterns, "heads": list(heads), "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        first, second = (" ".join(pattern) for pattern in params["patterns"])
        p, q = params["heads"]
        coin = "fair coin" if (p, q) == (1, 2) else f"coin that shows heads with probability $\\frac{{{p}}}{{{q}}}$"
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
        if params["wording"] == 0:
            return (
                f"A {coin} is tossed repeatedly, and the results are written down in order, $H$ for heads and $T$ for "
                f"tails. The probability that the block ${first}$ of consecutive results appears before the block "
                f"${second}$ {end}"
            )
        return (
            f"Ana and Bo watch a {coin} being tossed again and again. Ana wins as soon as the latest tosses are "
            f"${first}$, in this order, and Bo wins as soon as they are ${second}$; here $H$ stands for heads and $T$ "
            f"for tails. The probability that Ana wins {end}"
        )

    def answer(self, params: Params) -> int | None:
        first, second = params["patterns"]
        heads = Fraction(*params["heads"])

        def leading(one: str, other: str) -> Fraction:
            """Conway's leading number: overlaps of one's end with the other's beginning, by inverse probability."""
            total, weight = Fraction(0), Fraction(1)
            for k, toss in enumerate(other, start=1):
                weight /= heads if toss == "H" else 1 - heads
                if one.endswith(other[:k]):
                    total += weight
            return total

        for_first = leading(second, second) - leading(second, first)
        for_second = leading(first, first) - leading(first, second)
        return fraction_result(for_first / (for_first + for_second), params["reduce"])


class Meeting(Generator):
    """Two people who arrive at random times and wait."""

    name = "meeting"
    area = AREA
    steps = (
        "describe the arrival times by a point of a rectangle",
        "cut off the regions in which one person is gone before the other arrives",
        "divide the remaining area by the whole and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        unit = 5 if level == "easy" else rng.choice((1, 2, 3, 4, 5, 6))
        window = rng.choice((40, 45, 60, 75, 80, 90, 100, 120))
        waits = [unit * rng.integer(1, max(2, 40 // unit)) for _ in range(2)]
        delay, second = 0, window
        if level != "easy":
            delay = unit * rng.integer(1, 6)
        if level == "hard":
            second = rng.choice((30, 36, 40, 45, 50, 60, 72, 80))
        if waits[0] == waits[1] or max(waits) >= min(window, second) or delay >= window:
            return None
        return {"windows": [window, second], "delay": delay, "waits": waits, "reduce": level == "hard"}

    def statement(self, params: Params) -> str:
        (window, second), delay, (one, other) = params["windows"], params["delay"], params["waits"]
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
        if params["wording"] == 0:
            when = f"a random moment of the ${window}$ minutes after noon"
            if delay or second != window:
                when_two = f"a random moment of the ${second}$ minutes that begin ${delay}$ minutes after noon"
                return (
                    f"Kim arrives at a library at {when}. Independently, Lee arrives at {when_two}. Kim stays for "
                    f"exactly ${one}$ minutes and Lee for exactly ${other}$ minutes. The probability that they are at "
                    f"the library at the same time {end}"
                )
            return (
                f"Kim and Lee arrive at a library independently, each at {when}. Kim stays for exactly ${one}$ minutes "
                f"and Lee for exactly ${other}$ minutes. The probability that they are at the library at the same time "
                f"{end}"
            )
        if delay or second != window:
            times = (
                f"a ferry begins to load at a moment chosen uniformly between minute $0$ and minute ${window}$, and a "
                f"freighter at a moment chosen uniformly between minute ${delay}$ and minute ${delay + second}$"
            )
        else:
            times = (
                "a ferry and a freighter begin to load at moments chosen uniformly and independently between minute "
                f"$0$ and minute ${window}$"
            )
        return (
            f"On a certain day {times}{', independently' if delay or second != window else ''}. The ferry loads for "
            f"${one}$ minutes, the freighter for ${other}$ minutes. The probability that at some moment both ships are "
            f"loading {end}"
        )

    def answer(self, params: Params) -> int | None:
        (window, second), delay, (one, other) = params["windows"], params["delay"], params["waits"]

        def region(shift: int) -> Fraction:
            """Return the area where the second arrival is at least `shift` later than the first."""
            # The second arrives at delay + v; integrate over u the length of {v : delay + v >= u + shift}.
            start, stop = delay - shift, delay - shift + second  # u below start: all v; above stop: none
            total = Fraction(second * max(0, min(window, start)))
            low, high = max(0, start), min(window, stop)
            if high > low:
                total += Fraction((stop - low) ** 2 - (stop - high) ** 2, 2)
            return total

        met = region(-other) - region(one)
        return fraction_result(met / (window * second), params["reduce"])


class PolygonBug(Generator):
    """A bug that wanders around a polygon."""

    name = "polygon_bug"
    area = AREA
    steps = (
        "describe the bug's position by a remainder modulo the number of vertices",
        "find the numbers of steps in each direction that lead to the wanted vertex",
        "add their probabilities, simplify, and reduce",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        corners = rng.integer(4, 12)
        moves = rng.integer(*{"easy": (5, 8), "medium": (9, 15), "hard": (6, 12)}[level])
        # chances of clockwise, counterclockwise and staying, in parts of their sum
        parts = [rng.integer(1, 4), rng.integer(1, 4), rng.integer(1, 2) if level == "hard" else 0]
        if parts[0] == parts[1] or math.gcd(*parts) > 1:
            return None
        return {"corners": corners, "moves": moves, "parts": parts, "target": rng.integer(0, corners - 1)}

    def statement(self, params: Params) -> str:
        corners, moves, (clock, counter, stay), target = (
            params["corners"], params["moves"], params["parts"], params["target"],
        )  # fmt: skip
        whole = clock + counter + stay

        def chance(part: int) -> str:
            value = Fraction(part, whole)
            return f"$\\frac{{{value.numerator}}}{{{value.denominator}}}$"

        rule = (
            f"moves to the next vertex clockwise with probability {chance(clock)}, "
            f"{'or' if not stay else ''} to the next vertex counterclockwise with probability {chance(counter)}"
        ).replace(",  ", ", ")
        if stay:
            rule += f", or stays where it is with probability {chance(stay)}"
        where = "back at $V_0$" if target == 0 else f"at $V_{{{target}}}$"
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(True)}"
        if params["wording"] == 0:
            return (
                f"The vertices of a regular polygon with ${corners}$ sides are labeled $V_0, V_1, \\ldots, "
                f"V_{{{corners - 1}}}$ in clockwise order. A bug starts at $V_0$. Every minute it {rule}. The "
                f"probability that after ${moves}$ minutes the bug is {where} {end}"
            )
        return (
            f"On a board with ${corners}$ fields $V_0, V_1, \\ldots, V_{{{corners - 1}}}$ arranged clockwise in a "
            f"circle, a token stands on $V_0$. In each of ${moves}$ rounds it {rule.replace('vertex', 'field')}, "
            f"independently of the other rounds. The probability that the token ends {where.replace('at', 'on')} {end}"
        )

    def answer(self, params: Params) -> int | None:
        corners, moves, (clock, counter, stay), target = (
            params["corners"], params["moves"], params["parts"], params["target"],
        )  # fmt: skip
        total = 0
        for forward in range(moves + 1):
            for back in range(moves - forward + 1):
                idle = moves - forward - back
                if (forward - back - target) % corners == 0 and (stay or not idle):
                    ways = math.comb(moves, forward) * math.comb(moves - forward, back)
                    total += ways * clock**forward * counter**back * stay**idle
        return fraction_result(Fraction(total, (clock + counter + stay) ** moves), True) if total else None


class ShootOut(Generator):
    """Players who take turns until somebody has enough hits."""

    name = "shoot_out"
    area = AREA
    steps = (
        "name the states by who is to play and how many hits are missing",
        "write each winning probability through the states that can follow",
        "solve the equations, beginning with the states that need the fewest hits, and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        players = 3 if level == "medium" else 2
        chances = []
        for _ in range(players):
            bottom = rng.integer(2, 7)
            chances.append([rng.integer(1, bottom - 1), bottom])
        if any(math.gcd(p, q) > 1 for p, q in chances):
            return None
        needs = [1] * players
        if level == "hard":
            needs = [rng.integer(2, 4), rng.integer(2, 4)]
        else:
            needs[rng.below(players)] = 2
        winner = rng.below(players)
        return {"chances": chances, "needs": needs, "winner": winner, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        chances, needs, winner = params["chances"], params["needs"], params["winner"]
        names = ("Nora", "Omar", "Pia")[: len(chances)]
        shown = [f"$\\frac{{{p}}}{{{q}}}$" for p, q in chances]
        probabilities = listed([f"{who}'s with probability {p}" for who, p in zip(names, shown, strict=True)])

        def times(need: int) -> str:
            return {1: "once", 2: "twice"}.get(need, f"${need}$ times")

        end = (
            f"The probability that {names[winner]} wins is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. "
            f"{ending(params['reduce'])}"
        )
        if params["wording"] == 0:
            goal = listed([f"{who} needs ${need}$" for who, need in zip(names, needs, strict=True)])
            return (
                f"{listed(names)} take turns shooting at a basket, in this order, over and over again. Each shot "
                f"scores independently of the others: {probabilities}. The first to have scored often enough wins, "
                f"and to do so {goal} scores in all. {end}"
            )
        goal = listed([f"{times(need)} by {who}" for who, need in zip(names, needs, strict=True)], "or")
        return (
            f"In a game show, {listed(names)} take turns trying to open a safe, in this order and as often as "
            f"necessary. The attempts succeed independently: {probabilities}. The game ends as soon as the safe has "
            f"been opened {goal}, and this player wins. {end}"
        )

    def answer(self, params: Params) -> int | None:
        chances = [Fraction(*chance) for chance in params["chances"]]
        winner, players = params["winner"], len(chances)
        known: dict[tuple[int, ...], list[Fraction]] = {}
        for missing in product(*(range(1, need + 1) for need in params["needs"])):
            # w_i = p_i * (next state after a hit) + (1 - p_i) * w_{i+1}, cyclically
            gains = []
            for i, chance in enumerate(chances):
                left = tuple(m - (i == j) for j, m in enumerate(missing))
                value = Fraction(int(i == winner)) if not left[i] else known[left][(i + 1) % players]
                gains.append(chance * value)
            lap = math.prod((1 - chance for chance in chances), start=Fraction(1))
            first, carry = Fraction(0), Fraction(1)
            for chance, gain in zip(chances, gains, strict=True):
                first += carry * gain
                carry *= 1 - chance
            values = [first / (1 - lap)]
            for i in range(players - 1, 0, -1):  # from the last player back to the second
                values.insert(1, gains[i] + (1 - chances[i]) * values[1 if i < players - 1 else 0])
            known[missing] = values
        return fraction_result(known[tuple(params["needs"])][0], params["reduce"])


GENERATORS: tuple[Generator, ...] = (
    PatternRace(),
    Meeting(),
    PolygonBug(),
    ShootOut(),
)
