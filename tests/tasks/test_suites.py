"""Our suites are playable and have references; suites of users are checked."""

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import entry_specs
from rlvr.envs.registry import ENVS
from rlvr.tasks.errors import UnknownName, UserError
from rlvr.tasks.suites import (
    SUITES,
    Reference,
    Suite,
    find_suite,
    known_suite,
    load_suite,
    normalised,
    reference,
    references_version,
)

FAMILIES = {"math", "game24", "sokoban", "maze", "bandit"}
EVERY = [(suite, entry) for suite in SUITES for entry in suite.entries]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_suite_covers_all_five_families(suite):
    families = {row.id: row.family for row in ENVS}
    assert {families[entry.env] for entry in suite.entries} == FAMILIES


def test_the_core_suite_has_three_levels_of_everything():
    core = find_suite("core")
    levels: dict[str, set[str]] = {}
    for entry in core.entries:
        levels.setdefault(entry.env, set()).add(entry.difficulty)
    assert all(len(found) == 3 for found in levels.values())


@pytest.mark.parametrize(("suite", "entry"), EVERY, ids=lambda item: getattr(item, "name", ""))
def test_every_entry_can_be_played_on_its_test_split(suite, entry):
    env = make_text_env(entry.env, entry.kwargs)
    specs = list(entry_specs(f"{suite.label}/0", suite.label, entry, env))
    assert len({spec.key for spec in specs}) == entry.episodes
    for spec in specs[:5]:
        env.reset(seed=spec.env_seed, options=spec.options)
        assert (env.label.split, env.label.difficulty) == ("test", entry.difficulty)


@pytest.mark.parametrize(("suite", "entry"), EVERY, ids=lambda item: getattr(item, "name", ""))
def test_every_entry_has_references_that_differ(suite, entry):
    found = reference(suite.label, entry.name)
    assert found is not None, "run: python -m benchmarks references"
    assert found.expert > found.random >= 0


def test_the_stored_references_are_what_the_expert_reaches():
    summary = evaluate("quick", agent="expert").summary
    assert summary["references"] == references_version() >= 1
    for name, entry in summary["entries"].items():
        assert entry["score"] == pytest.approx(reference("quick@1", name).expert, abs=1e-5), (
            "the tasks or the expert changed; run: python -m benchmarks references"
        )
        assert entry["normalised"] == pytest.approx(1.0, abs=1e-4)


def test_normalised_scores_are_undefined_where_they_say_nothing():
    assert normalised(0.5, Reference(0.0, 1.0)) == 0.5
    assert normalised(0.5, Reference(0.4, 0.6)) == pytest.approx(0.5)
    assert normalised(0.5, Reference(0.5, 0.5)) is None
    assert normalised(0.5, None) is None


def test_suites_are_found_by_name_label_and_file(tmp_path):
    assert find_suite("quick") is find_suite("quick@1") is known_suite("quick@1")
    assert known_suite("quick") is None
    with pytest.raises(UnknownName, match="quick"):
        find_suite("quik")
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nentries:\n- {name: a, env: rlvr/game24-v0, difficulty: easy, episodes: 2}\n")
    suite = find_suite(str(file))
    assert suite.label == "mine@1"
    assert evaluate(str(file), agent="expert").score == 1.0
    assert evaluate(suite, agent="expert").score == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: mine\nentries:\n- {name: a, env: x, dificulty: easy}\n", "did you mean 'difficulty'"),
        ("name: mine\nentrys: []\n", "'entries' is missing"),
        ("name: mine\nentries: []\n", "at least 1"),
        ("name: quick\nentries:\n- {name: a, env: x}\n", "belongs to a suite of ours"),
        ("name: mine\nentries:\n- {name: a, env: x}\n- {name: a, env: y}\n", "two entries are called 'a'"),
        ("name: mine\nentries:\n- {name: a/b, env: x}\n", "entries.0.name"),
        ("- just\n- a list\n", "mine.yaml"),
        ("name: [\n", "not YAML"),
    ],
)
def test_a_bad_suite_is_one_sentence_with_file_and_key(tmp_path, content, words):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(UserError) as caught:
        load_suite(file)
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_an_entry_with_an_unknown_level_is_refused_before_anything_is_played():
    suite = Suite.model_validate(
        {"name": "mine", "entries": [{"name": "a", "env": "rlvr/game24-v0", "difficulty": "odd"}]}
    )
    with pytest.raises(UserError, match="choose one of easy, medium, hard"):
        evaluate(suite, agent="random")
