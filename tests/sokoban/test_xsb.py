"""Levels as text: what is read, what is written back, what is refused, and files of many levels."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tasks.errors import MalformedData
from rlvr.tasks.rng import Rng
from rlvr.tasks.sokoban.generate import generate, shape
from rlvr.tasks.sokoban.xsb import dump, layout, parse, split_levels

RAGGED = "  #####\n###   #\n#  $# ##\n# #  . #\n# .$ # #\n## #@  #\n #######"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**63), st.sampled_from([(5, 7, 1), (6, 6, 2), (8, 8, 3), (9, 7, 2)]))
def test_a_level_survives_the_round_trip(seed, size):
    position = generate(Rng(seed), shape(*size)).position
    assert parse(dump(position)) == position
    assert dump(parse(dump(position))) == dump(position)


@pytest.mark.parametrize(
    "text",
    [
        RAGGED,
        "#####\n#+$.#\n#  $#\n#####",
        "#####\n#@*$.#\n######",
        "#########\n#@$.#*###\n#########",
    ],
)
def test_ragged_rows_and_every_symbol_are_written_back_as_they_were(text):
    assert dump(parse(text)) == text


def test_other_floor_symbols_trailing_spaces_and_blank_lines_do_not_matter():
    assert parse("\n#####   \n#@$.#\r\n#-_ #\n#####\n\n") == parse("#####\n#@$.#\n#   #\n#####")


def test_equal_levels_are_equal_and_hash_alike_and_pickle():
    parse.cache_clear()
    one = parse(RAGGED)
    parse.cache_clear()
    other = parse(RAGGED)
    assert one.level is not other.level
    assert one == other and hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "3 to 64 rows"),
        ("####\n#@.#\n####", "no box"),
        ("#####\n# $.#\n#####", "no player"),
        ("######\n#@$.@#\n######", "two players, the second in row 2"),
        ("######\n#@$$.#\n######", "2 boxes but 1 goals"),
        ("#####\n#@$.x\n#####", "Row 2, column 5 of the level has 'x'"),
        ("#####\n#@$.#\n## ##", "leave it at row 3, column 3"),
        ("#####\n#@$. \n#####", "3 to 64 rows and columns|not closed"),
        ("#####\n#@$.\n#####", "not closed by walls"),
        ("#######\n#@$.#$#\n#######", "box in row 2, column 6 is out of the player's reach"),
        ("#######\n#@$.#.#\n#######", "goal in row 2, column 6 is out of the player's reach"),
        ("#" * 65 + "\n#@$.#\n" + "#" * 65, "3 rows and 65 columns"),
    ],
)
def test_what_is_no_level_is_refused_with_the_place(text, reason):
    with pytest.raises(MalformedData, match=reason):
        parse(text)


def test_the_layout_is_the_same_for_rotations_and_reflections_and_tells_other_rooms_apart():
    rows = ["######", "#@$ .#", "## ###", "##  ##", "######"]
    turned = ["".join(column) for column in zip(*rows[::-1], strict=True)]
    images = [rows, turned, [row[::-1] for row in rows], turned[::-1]]
    assert len({layout(parse("\n".join(image)).level) for image in images}) == 1
    moved_box = [row.replace("@$ .", " @$.") for row in rows]
    assert layout(parse("\n".join(moved_box)).level) == layout(parse("\n".join(rows)).level)
    moved_goal = [row.replace("@$ .", "@$. ") for row in rows]
    assert layout(parse("\n".join(moved_goal)).level) != layout(parse("\n".join(rows)).level)


A, B = "####\n#@$.#\n####", "#####\n#+$ #\n#  *#\n#####"


@pytest.mark.parametrize(
    ("text", "titles", "lines"),
    [
        (f"; 0\n{A}\n\n; 1\n{B}\n", ["0", "1"], [2, 7]),
        (f"{A}\n\n{B}", ["0", "1"], [1, 5]),
        (f"A collection\nby somebody\n\n{A}\nTitle: First\n\n{B}\nTitle: Second\n", ["First", "Second"], [4, 9]),
        (f"{A}\nTitle: First\nAuthor: x\n\n{B}\nTitle: Second\n", ["First", "Second"], [1, 7]),
        (f"Title: First\n{A}\n\nTitle: Second\n{B}", ["First", "Second"], [2, 7]),
        ("no level at all\n", [], []),
    ],
)
def test_files_of_levels_are_cut_and_titled(text, titles, lines):
    levels = split_levels(text)
    assert [level.title for level in levels] == titles
    assert [level.line for level in levels] == lines
    assert [level.text for level in levels] == [A, B][: len(levels)]
