"""The conventions of answer checking on which test suites disagree, each one a switch with a strict default."""

from typing import Literal, NamedTuple


class VerifyPolicy(NamedTuple):
    r"""Conventions under which an answer equals a gold answer; hashable, and cheap to make and to send.

    What is plain mathematics (1/2 = 0.5, commuting terms, notation) is not a convention and has no switch.

    Attributes:
        percent: `exact`: 42% is the number 0.42. `unit`: the sign is a unit, so 42% = 42. `either`: both.
        units: `optional`: a unit may be left out on one side, but two known different units differ.
            `required`: both sides carry the same unit or none. `ignored`: units never matter.
        list_order: `any`: a bare list or several values may come in any order (sets always may, tuples never).
            `same`: the order of a bare list counts.
        tolerance: Greatest relative difference between two numbers that still counts as equal; 0 is exact.
        approx_digits: A decimal with at least this many significant digits may stand for a value that it rounds
            or truncates (0.333333 for 1/3); 0 never lets it.
        decimal_comma: `1,22` may also be read as 1.22.
        space_thousands: `1 000` may also be read as 1000 (a LaTeX thin space always may).
        choice_letters: Where the gold is one option letter A-J, the answer's option letter is taken out of its prose.
        relation_as_interval: `-2 <= x <= 7` equals `[-2, 7]`.
        set_as_tuple: `{1, 3}`, `(1, 3)` and `[1, 3]` are all the same finite collection in the given order or, for
            a set, in any order.
        base_subscript: `required`: 52_8 is not 52. `optional`: the subscript may be left out on one side.
        time_of_day: `20:34:00` equals `20:34`.
        box_required: Only a `\boxed{}` answer counts.
        several_boxes: `agree`: several boxed (or otherwise final) answers must be equal, else the answer hedges and
            is wrong. `last`: the last one counts, whatever was said before.
        literal_numbers: Where the gold is a number, the answer must be written as one (digits; for a gold fraction also
            a fraction), so that copying an expression out of the question is no answer.
        last_number: In prose without any box or announced answer, the last value counts; without the switch such a
            text has no answer.
    """

    percent: Literal["exact", "unit", "either"] = "exact"
    units: Literal["optional", "required", "ignored"] = "optional"
    list_order: Literal["any", "same"] = "any"
    tolerance: float = 0.0
    approx_digits: int = 6
    decimal_comma: bool = False
    space_thousands: bool = False
    choice_letters: bool = False
    relation_as_interval: bool = False
    set_as_tuple: bool = False
    base_subscript: Literal["required", "optional"] = "required"
    time_of_day: bool = False
    box_required: bool = False
    several_boxes: Literal["agree", "last"] = "agree"
    literal_numbers: bool = False
    last_number: bool = True
