"""Configuration errors name the key, the nearest one, the line."""

import pytest
from pydantic import Field

from rlvr.tasks.config import Config, parse_settings, read_config, read_yaml
from rlvr.tasks.errors import UserError


class Inner(Config):
    temperature: float = 1.0
    rounds: int = Field(default=1, ge=1)


class Outer(Config):
    name: str
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    maybe: Inner | None = None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nam": "x"}, "Here: the key 'name' is missing."),
        ({"name": "x", "iner": {}}, "Here: there is no key 'iner'; did you mean 'inner'?"),
        (
            {"name": "x", "inner": {"temprature": 1}},
            "Here: there is no key 'inner.temprature'; did you mean 'temperature'?",
        ),
        (
            {"name": "x", "several": [{}, {"rouns": 1}]},
            "Here: there is no key 'several.1.rouns'; did you mean 'rounds'?",
        ),
        ({"name": "x", "maybe": {"zzz": 1}}, "Here: there is no key 'maybe.zzz'; known keys are rounds, temperature."),
        ({"name": 3}, "Here: name: Input should be a valid string."),
        ({"name": "x", "inner": {"rounds": 0}}, "Here: inner.rounds: Input should be greater than or equal to 1."),
    ],
)
def test_the_first_problem_is_one_sentence(data, message):
    with pytest.raises(UserError) as caught:
        read_config(Outer, data, "Here")
    assert str(caught.value) == message


def test_what_is_right_is_read():
    assert read_config(Outer, {"name": "x", "several": [{"rounds": 2}]}, "Here").several[0].rounds == 2


def test_settings_nest_and_have_types():
    found = parse_settings(["a=1", "b.c=2.5", "b.d=text", "e=true", "f=[1, 2]", "g=x=y", "h=", "i={broken"], "--set")
    assert found == {
        "a": 1,
        "b": {"c": 2.5, "d": "text"},
        "e": True,
        "f": [1, 2],
        "g": "x=y",
        "h": None,
        "i": "{broken",
    }


@pytest.mark.parametrize("pairs", [["novalue"], ["=1"], ["a=1", "a.b=2"]])
def test_a_bad_setting_names_the_option(pairs):
    with pytest.raises(UserError, match="--set"):
        parse_settings(pairs, "--set")


def test_a_file_that_is_no_yaml_names_its_line(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(UserError, match="line 3"):
        read_yaml(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path / "missing.yaml")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_yaml(file)
