"""Generators of probability problems."""

import math
from fractions import Fraction

from ..rng import Rng
from .generator import LOWEST_TERMS, Generator, Params, listed, terms_sum

AREA = "probability"


def ending(reduce: bool) -> str:
    """Return the closing sentence after "... is m/n in lowest terms"."""
    return "Find the remainder when $m + n$ is divided by $1000$." if reduce else "Find $m + n$."


def fraction_result(value: Fraction, reduce: bool) -> int | None:
    """Return m + n for a value that is no whole number."""
    if value.denominator == 1:
        return None
    return terms_sum(value) % 1000 if reduce else terms_sum(value)


class DiceRange(Generator):
    """The spread between the highest and the lowest of several dice."""

    name = "dice_range"
    area = AREA
    steps = (
        "fix the lowest number that is rolled",
        "count the rolls with this lowest number that meet the condition, by inclusion and exclusion",
        "add over the lowest numbers, divide by all rolls, and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        dice = {"easy": 3, "medium": rng.integer(4, 5), "hard": rng.integer(3, 4)}[level]
        sides = rng.integer(*{"easy": (4, 30), "medium": (4, 20), "hard": (6, 30)}[level])
        if level == "hard":
            spread, rule = rng.integer(2, 5), "ratio"
        else:
            spread, rule = rng.integer(1, sides - 2), rng.choice(("equal", "at most"))
        return {"dice": dice, "sides": sides, "spread": spread, "rule": rule, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        dice, sides, spread, rule = params["dice"], params["sides"], params["spread"], params["rule"]
        number = {3: "three", 4: "four", 5: "five"}[dice]
        what = {
            "equal": f"the largest minus the smallest number rolled is exactly ${spread}$",
            "at most": f"the largest minus the smallest number rolled is at most ${spread}$",
            "ratio": f"the largest number rolled is at most ${spread}$ times the smallest number rolled",
        }[rule]
        if params["wording"] == 0:
            return (
                f"{number.capitalize()} fair dice, each with ${sides}$ faces numbered from $1$ to ${sides}$, are "
                f"rolled. The probability that {what} is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
            )
        what = what.replace("number rolled", "number chosen")
        return (
            f"{number.capitalize()} players independently choose one of the integers $1, 2, \\ldots, {sides}$ at "
            f"random. Let $\\frac{{m}}{{n}}$, {LOWEST_TERMS}, be the probability that {what}. "
            f"{ending(params['reduce'])}"
        )

    def answer(self, params: Params) -> int | None:
        dice, sides, spread, rule = params["dice"], params["sides"], params["spread"], params["rule"]
        count = 0
        for low in range(1, sides + 1):
            if rule == "equal":
                if low + spread <= sides:
                    count += (spread + 1) ** dice - 2 * spread**dice + (spread - 1) ** dice
            else:
                high = min(sides, low * spread if rule == "ratio" else low + spread)
                count += (high - low + 1) ** dice - (high - low) ** dice
        return fraction_result(Fraction(count, sides**dice), params["reduce"])


class ColorExhausted(Generator):
    """Which color of balls runs out first."""

    name = "color_exhausted"
    area = AREA
    steps = (
        "imagine all balls drawn and look at the order in which the colors end",
        "find the probability of each such order by looking at the last ball, then at the last of the other colors",
        "add the orders that fit and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        colors = 4 if level == "hard" else 3
        counts = [rng.integer(2, {"easy": 10, "medium": 15, "hard": 9}[level]) for _ in range(colors)]
        return {"counts": counts, "place": 2 if level == "medium" else 1, "reduce": level == "hard"}

    def statement(self, params: Params) -> str:
        counts = params["counts"]
        colors = ("red", "blue", "green", "white")[: len(counts)]
        balls = listed([f"${n}$ {color}" for n, color in zip(counts, colors, strict=True)])
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
        others = "exactly one of the other colors still has" if params["place"] == 2 else "every other color still has"
        if params["wording"] == 0:
            return (
                f"An urn contains {balls} balls. Balls are drawn at random one at a time without replacement. The "
                f"probability that at the moment when the last red ball is drawn {others} at least one ball left in "
                f"the urn {end}"
            )
        others = "exactly one of the other kinds is" if params["place"] == 2 else "all other kinds are"
        return (
            f"A deck of cards consists of {balls} cards in random order. The cards are turned over one after another. "
            f"The probability that {others} still represented among the unturned cards when the last red card is "
            f"turned over {end}"
        )

    def answer(self, params: Params) -> int | None:
        counts = params["counts"]

        def chance(order: tuple[int, ...]) -> Fraction:
            """Return the probability that the colors end in this order."""
            value = Fraction(1)
            for i in range(len(order) - 1, 0, -1):
                value *= Fraction(counts[order[i]], sum(counts[j] for j in order[: i + 1]))
            return value

        def orders(rest: tuple[int, ...]) -> list[tuple[int, ...]]:
            if not rest:
                return [()]
            return [(i, *tail) for i in rest for tail in orders(tuple(j for j in rest if j != i))]

        place = params["place"] - 1
        total = sum((chance(o) for o in orders(tuple(range(len(counts)))) if o[place] == 0), start=Fraction(0))
        return fraction_result(total, params["reduce"])


class ExpectedRuns(Generator):
    """Expected numbers of runs in random arrangements."""

    name = "expected_runs"
    area = AREA
    steps = (
        "write the count as a sum of indicators over positions",
        "find the probability of each indicator, at the ends and inside",
        "add the expectations and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        high = {"easy": 9, "medium": 9, "hard": 12}[level]
        counts = [rng.integer(2, high) for _ in range(4 if level == "medium" else 3)]
        return {"counts": counts, "wanted": "single" if level == "hard" else "runs", "reduce": level == "hard"}

    def statement(self, params: Params) -> str:
        counts = params["counts"]
        colors = ("red", "blue", "green", "white")[: len(counts)]
        things = listed([f"${n}$ {color}" for n, color in zip(counts, colors, strict=True)])
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
        if params["wanted"] == "runs":
            if params["wording"] == 0:
                return (
                    f"A row of {things} lamps, in random order, is divided into blocks, where a block is a longest "
                    f"possible group of consecutive lamps of the same color. The expected number of blocks {end}"
                )
            return (
                f"Suppose that {things} beads are put on a straight string in random order. A run is a "
                f"maximal group of neighboring beads of one color. The expected value of the number of runs {end}"
            )
        if params["wording"] == 0:
            return (
                f"A row is formed of {things} lamps in random order. A red lamp is called lonely if no lamp directly "
                f"next to it is red. The expected number of lonely red lamps {end}"
            )
        return (
            f"Suppose that {things} beads are put on a straight string in random order. The expected number "
            f"of red beads that have no red neighbor {end}"
        )

    def answer(self, params: Params) -> int | None:
        counts = params["counts"]
        size = sum(counts)
        if params["wanted"] == "runs":
            different = size * size - sum(n * n for n in counts)
            return fraction_result(1 + Fraction(different, size), params["reduce"])
        red, other = counts[0], size - counts[0]
        at_end = Fraction(red, size) * Fraction(other, size - 1)
        inside = at_end * Fraction(other - 1, size - 2)
        return fraction_result(2 * at_end + (size - 2) * inside, params["reduce"])


class SubsetOverlap(Generator):
    """How much random subsets of a set have in common."""

    name = "subset_overlap"
    area = AREA
    steps = (
        "fix one subset and count the others by what they share with it",
        "multiply binomial coefficients for every possible size of the overlap",
        "add the cases that fit, divide by the number of all choices, and simplify",
    )

    def draw(self, rng: Rng, level: str) -> Params | None:
        size = rng.integer(*{"easy": (7, 16), "medium": (8, 18), "hard": (6, 12)}[level])
        sets = [rng.integer(2, size - 2) for _ in range(3 if level == "hard" else 2)]
        shared = rng.integer(1 if level != "hard" else 0, min(sets) - 1)
        if level != "hard" and shared < sum(sets) - size + (level == "medium"):
            return None
        rule = "at least" if level == "medium" else "exactly"
        return {"size": size, "sets": sets, "shared": shared, "rule": rule, "reduce": level != "easy"}

    def statement(self, params: Params) -> str:
        size, sets, shared, rule = params["size"], params["sets"], params["shared"], params["rule"]
        end = f"is $\\frac{{m}}{{n}}$, {LOWEST_TERMS}. {ending(params['reduce'])}"
        common = f"{rule} ${shared}$ {'element' if shared == 1 else 'elements'}"
        if params["wording"] == 0:
            letters = ("A", "B", "C")[: len(sets)]
            chosen = listed([f"${letter}$ with ${n}$ elements" for letter, n in zip(letters, sets, strict=True)])
            return (
                f"Subsets {chosen} of $\\{{1, 2, \\ldots, {size}\\}}$ are chosen independently and at random. The "
                f"probability that their intersection has {common} {end}"
            )
        people = ("Ida", "Jon", "Kay")[: len(sets)]
        picks = listed([f"{who} picks ${n}$" for who, n in zip(people, sets, strict=True)])
        dishes = f"{rule} ${shared}$ {'dish is' if shared == 1 else 'dishes are'}"
        every = "both" if len(sets) == 2 else "all three"
        return (
            f"From a menu of ${size}$ dishes, independently and at random, {picks} different dishes. The probability "
            f"that {dishes} picked by {every} of them {end}"
        )

    def answer(self, params: Params) -> int | None:
        size, sets, shared = params["size"], params["sets"], params["shared"]
        # spread[k]: number of choices of the later sets whose intersection with the first has k elements
        spread = {sets[0]: 1}
        for other in sets[1:]:
            grown: dict[int, int] = {}
            for k, ways in spread.items():
                for both in range(max(0, other - (size - k)), min(k, other) + 1):
                    more = ways * math.comb(k, both) * math.comb(size - k, other - both)
                    grown[both] = grown.get(both, 0) + more
            spread = grown
        fits = sum(ways for k, ways in spread.items() if k == shared or (params["rule"] == "at least" and k > shared))
        return fraction_result(Fraction(fits, sum(spread.values())), params["reduce"])


GENERATORS: tuple[Generator, ...] = (
    DiceRange(),
    ColorExhausted(),
    ExpectedRuns(),
    SubsetOverlap(),
)
