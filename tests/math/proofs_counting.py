"""Second, independent computations of the answers: number theory and combinatorics, mostly by brute force."""

import itertools
import math


def _reduced(value, params):
    return value % 1000 if params.get("reduce") else value


# Number theory


def residue_conditions(p):
    held = [sum(n % m == r for r, m in p["conditions"]) for n in range(1, p["bound"] + 1)]
    return sum(k == p["wanted"] if p["exact"] else k >= p["wanted"] for k in held)


def remainder_cycle(p):
    total = sum(sum(pow(b, k) for b in p["bases"]) % p["modulus"] for k in range(1, min(p["last"], 60) + 1))
    total += sum(sum(pow(b, k, p["modulus"]) for b in p["bases"]) % p["modulus"] for k in range(61, p["last"] + 1))
    return _reduced(total, p)


def digit_sums(p):
    count = 0
    for n in range(1, p["bound"]):
        digits, rest = [], n
        while rest:
            digits.append(rest % p["base"])
            rest //= p["base"]
        total = sum(digits)
        fits = total % p["divisor"] == p["total"] if p["divisor"] else total == p["total"]
        count += fits and p["banned"] not in digits
    return count


def factorial_power(p):
    if p["first"]:
        number = math.prod(math.factorial(n) for n in range(p["first"], p["tops"][0] + 1))
    else:
        number = math.prod(math.factorial(n) for n in p["tops"])
        bottom = math.prod(math.factorial(n) for n in p["bottoms"])
        assert number % bottom == 0
        number //= bottom
    count = 0
    while number % p["base"] == 0:
        number //= p["base"]
        count += 1
    return count


def coprime_sums(p):
    return _reduced(sum(n ** p["power"] for n in range(1, p["bound"] + 1) if math.gcd(n, p["modulus"]) == 1), p)


def _all_divisors(factors):
    return [
        math.prod(prime**e for (prime, _), e in zip(factors, exponents, strict=True))
        for exponents in itertools.product(*(range(top + 1) for _, top in factors))
    ]


def _is_cube(n):
    low, high = 0, 1
    while high**3 < n:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if middle**3 < n:
            low = middle + 1
        else:
            high = middle
    return low**3 == n


def divisor_filter(p):
    count = 0
    for d in _all_divisors(p["factors"]):
        if d % p["multiple"]:
            continue
        if p["avoid"]:
            count += d % p["avoid"] != 0
        else:
            count += math.isqrt(d) ** 2 != d and not (p["cubes"] and _is_cube(d))
    return count


def lcm_tuples(p):
    """Sum over sets of primes with signs (Moebius), on actual divisors; small cases by enumeration of the tuples."""
    size, number = p["size"], math.prod(prime**e for prime, e in p["factors"])
    divisors = _all_divisors(p["factors"])
    if len(divisors) ** size <= 20_000:
        tuples = itertools.product(divisors, repeat=size)
        return _reduced(sum(math.lcm(*t) == number and math.gcd(*t) > 1 for t in tuples), p)
    primes = [prime for prime, _ in p["factors"]]
    total = 0
    for top in itertools.product((1, 0), repeat=len(primes)):
        removed = math.prod(q for q, used in zip(primes, top, strict=True) if used)
        below = [d for d in divisors if (number // removed) % d == 0]
        total += (-1) ** sum(top) * len(below) ** size
        for bottom in itertools.product((1, 0), repeat=len(primes)):
            forced = math.prod(q for q, used in zip(primes, bottom, strict=True) if used)
            # tuples with greatest common divisor 1 are those of the same lcm, less the multiples of primes
            total -= (-1) ** (sum(top) + sum(bottom)) * sum(d % forced == 0 for d in below) ** size
    return _reduced(total, p)


def shifted_divisor(p):
    found = []
    for n in range(1, 3000):
        value = 0
        for c in p["coefficients"]:
            value = value * n + c
        if value % (n + p["shift"]) == 0:
            found.append(n)
    return sum(found)


def square_values(p):
    found = []
    for n in range(1, 3000):
        value = p["root"] ** 2 * n * n + p["linear"] * n + p["constant"]
        if value >= 0 and math.isqrt(value) ** 2 == value:
            found.append(n)
    return sum(found)


# Combinatorics


def bounded_solutions(p):
    ranges = [range(low, high + 1) for low, high in p["bounds"]]
    sums = [sum(x) for x in itertools.product(*ranges)]
    return sum(s <= p["total"] if p["at_most"] else s == p["total"] for s in sums)


def committees(p):
    """One person after the other is in or out."""
    people = [(group, i == 0) for group in range(3) for i in range(p["groups"][group])]
    states = {(0, 0, 0, 0): 1}  # members of each group, and how many of the two rivals
    for group, first in people:
        grown = dict(states)
        for (a, b, c, rivals), ways in states.items():
            counts = [a, b, c]
            counts[group] += 1
            key = (*counts, rivals + (first and group != 1))
            grown[key] = grown.get(key, 0) + ways
        states = grown
    total = sum(
        ways
        for (a, b, c, rivals), ways in states.items()
        if a + b + c == p["size"] and a >= p["least"] and b > c and not (p["pair"] and rivals == 2)
    )
    return _reduced(total, p)


def shelves(p):
    """One object after the other goes somewhere."""
    states = {(0,) * len(p["bounds"]): 1}
    for _ in range(p["objects"]):
        grown = {}
        for counts, ways in states.items():
            for i in range(len(counts)):
                key = (*counts[:i], counts[i] + 1, *counts[i + 1 :])
                grown[key] = grown.get(key, 0) + ways
        states = grown
    fits = (
        ways
        for counts, ways in states.items()
        if all(low <= n <= high for n, (low, high) in zip(counts, p["bounds"], strict=True))
    )
    return sum(fits) % 1000


def subset_sums(p):
    if p["size"]:
        chosen = itertools.combinations(range(p["first"], p["last"] + 1), p["size"])
        return sum(sum(c) % p["modulus"] == p["residue"] for c in chosen)

    def sparse(n):
        """All sums of subsets of 1..n without neighbors."""
        return [0] if n <= 0 else sparse(n - 1) + [s + n for s in sparse(n - 2)]

    assert p["first"] == 1
    sums = sparse(p["last"])
    sums.remove(0)
    return sum(s % p["modulus"] == p["residue"] for s in sums)


def blocked_paths(p):
    width, height = p["corner"]
    blocked = {tuple(point) for point in p["points"]}
    ways = {}
    for x in range(width + 1):
        for y in range(height + 1):
            if (x, y) == (0, 0):
                ways[x, y] = 1
            else:
                ways[x, y] = 0 if (x, y) in blocked else ways.get((x - 1, y), 0) + ways.get((x, y - 1), 0)
    return _reduced(ways[width, height], p)


def spaced_words(p):
    """Letter by letter; the state knows the counts, whether the last letter is A and whether the first was."""
    states = {}
    for letter, weight in (("A", 1), ("B", 1), ("other", p["letters"] - 2)):
        states[letter == "A", letter == "B", letter == "A", letter == "A"] = weight
        if letter == "other":
            states[0, 0, False, False] = weight
    for _ in range(p["length"] - 1):
        grown = {}
        for (a, b, last, first), ways in states.items():
            for kind, weight in (("A", 1), ("B", 1), ("other", p["letters"] - 2)):
                if kind == "A" and last:
                    continue
                key = (a + (kind == "A"), b + (kind == "B"), kind == "A", first)
                grown[key] = grown.get(key, 0) + ways * weight
        states = grown
    return (
        sum(
            ways
            for (a, b, last, first), ways in states.items()
            if a <= p["most"] and b == p["exact"] and not (p["circle"] and last and first)
        )
        % 1000
    )


def necklaces(p):
    counts, rest, free = p["counts"], p["rest"], p["free"]
    size = sum(counts) + rest
    rows = math.factorial(size)
    for n in (*counts, rest):
        rows //= math.factorial(n)
    exact = len(counts)
    turns = [tuple((i + s) % size for i in range(size)) for s in range(size)]
    if p["flips"]:
        turns += [tuple((s - i) % size for i in range(size)) for s in range(size)]
    if rows * free**rest <= 6000:  # orbits of all rows of beads
        seen, orbits = set(), 0
        for row in _rows(list(counts), rest, free):
            if row not in seen:
                orbits += 1
                seen.update(tuple(row[i] for i in turn) for turn in turns)
        return _reduced(orbits, p)
    total = 0  # colorings that each symmetry fixes, by its explicit cycles
    for turn in turns:
        lengths, left = [], set(range(size))
        while left:
            start = i = left.pop()
            length = 1
            while turn[i] != start:
                i = turn[i]
                left.discard(i)
                length += 1
            lengths.append(length)
        states = {(0,) * exact: 1}
        for length in lengths:
            grown = {}
            for used, ways in states.items():
                grown[used] = grown.get(used, 0) + ways * free
                for c in range(exact):
                    if used[c] + length <= counts[c]:
                        key = (*used[:c], used[c] + length, *used[c + 1 :])
                        grown[key] = grown.get(key, 0) + ways
            states = grown
        total += states.get(tuple(counts), 0)
    assert total % len(turns) == 0
    return _reduced(total // len(turns), p)


def _rows(counts, rest, free):
    """All rows with so many beads of the exact colors 0, 1, ... and the others of colors -1 .. -free."""
    if not rest and not any(counts):
        yield ()
        return
    for color, n in enumerate(counts):
        if n:
            counts[color] -= 1
            for tail in _rows(counts, rest, free):
                yield (color, *tail)
            counts[color] += 1
    if rest:
        for tail in _rows(counts, rest - 1, free):
            for color in range(free):
                yield (-1 - color, *tail)


def band_permutations(p):
    banned = {tuple(pair) for pair in p["banned"]}

    def place(value, taken):
        """Values in turn choose their positions (the generator fills positions in turn)."""
        if value > p["size"]:
            return 1
        return sum(
            place(value + 1, taken | {i})
            for i in range(1, p["size"] + 1)
            if i not in taken and i - p["down"] <= value <= i + p["up"] and (i, value) not in banned
        )

    return place(1, frozenset())


def tilings(p):
    def cover(left, last):
        """Enumerate the sequences of tile sizes."""
        if not left:
            return 1
        total = 0
        for size in (1, 2, 3):
            clash = last == size and (p["rule"] == "lengths" or (p["rule"] == "units" and size == 1))
            if size <= left and not clash:
                total += p["colors"][size - 1] * cover(left - size, size)
        return total

    return cover(p["length"], 0) % 1000


PROOFS = {
    proof.__name__: proof
    for proof in (
        residue_conditions, remainder_cycle, digit_sums, factorial_power, coprime_sums, divisor_filter, lcm_tuples,
        shifted_divisor, square_values, bounded_solutions, committees, shelves, subset_sums, blocked_paths,
        spaced_words, necklaces, band_permutations, tilings,
    )
}  # fmt: skip
