"""The build: what is refused, what is ranked, what the page holds."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.agents.evaluate import evaluate
from rlvr.agents.run_folder import EPISODES_FILE
from rlvr.leaderboard.build import BuildReport, build
from rlvr.tasks.errors import UserError
from rlvr.tasks.suites import Suite, SuiteEntry, reference

from .conftest import EVIL, page_data, read_records


def copy_of(run: Path, to: Path, drop: slice | None = None) -> Path:
    shutil.copytree(run, to)
    if drop is not None:
        lines = (to / EPISODES_FILE).read_text().splitlines(keepends=True)
        del lines[drop]
        (to / EPISODES_FILE).write_text("".join(lines))
    return to


def test_every_untouched_record_is_accepted_and_every_touched_one_refused_by_name(
    site: BuildReport, runs: Path, tampered: Path
) -> None:
    total = sum(len(read_records(run)) for run in runs.iterdir())
    thinker = read_records(runs / "thinker")
    assert site.replayed == total + len(thinker) - 3
    assert {(record.run, record.key, record.step) for record in site.refused} == {
        ("tampered", thinker[2]["key"], 2),
        ("tampered", thinker[12]["key"], len([e for e in thinker[12]["events"] if e["type"] == "step"])),
        ("tampered", "line 21", None),
    }
    index, _ = page_data(site.page.read_text())
    assert {record["key"] for record in index["refused"]} == {record.key for record in site.refused}
    assert all(record["reason"] for record in index["refused"])


def test_only_honest_complete_runs_without_privileges_are_ranked(site: BuildReport) -> None:
    index, _ = page_data(site.page.read_text())
    status = {run["slug"]: run["status"] for run in index["runs"]}
    assert status == {
        "expert": "reference",
        "random": "reference",
        "scripted": "ranked",
        "tampered": "unranked",
        "thinker": "ranked",
    }
    assert [run.run for run in site.unranked] == ["tampered"]
    assert "3 of its records were refused." in site.unranked[0].reasons


def test_an_expert_behind_another_agent_is_not_ranked(tmp_path: Path) -> None:
    evaluate("rlvr/game24-v0", agent="direct", policy="oracle:0.9", episodes=6, out=tmp_path / "oracle")
    report = build([tmp_path / "oracle"], tmp_path / "site")
    assert report.unranked == (("oracle", ("It used what only experts may: expert_action.",)),)


def test_a_run_that_lacks_episodes_is_not_ranked(runs: Path, tmp_path: Path) -> None:
    """Dropping one's worst records must not pay."""
    short = copy_of(runs / "thinker", tmp_path / "short", drop=slice(0, 5))
    report = build([short], tmp_path / "site")
    total = len(read_records(runs / "thinker"))
    assert report.refused == ()
    assert report.unranked == (("short", (f"It lacks 5 of the {total} episodes.",)),)


def test_runs_of_one_table_must_have_played_as_much_as_each_other(tmp_path: Path) -> None:
    for name, episodes in (("few", 3), ("many", 5)):
        evaluate("rlvr/maze-v0", agent="direct", policy="scripted", episodes=episodes, out=tmp_path / name)
    report = build([tmp_path / "few", tmp_path / "many"], tmp_path / "site")
    assert report.unranked == (("few", ("It lacks 2 of the 5 episodes.",)),)


def test_other_seeds_make_another_table(tmp_path: Path) -> None:
    for seed in (0, 1):
        evaluate("rlvr/maze-v0", agent="random", episodes=2, seed=seed, out=tmp_path / f"seed-{seed}")
    index, _ = page_data(build(tmp_path.glob("seed-*"), tmp_path / "site").page.read_text())
    assert [suite["title"] for suite in index["suites"]] == ["rlvr/maze-v0", "rlvr/maze-v0, seed 1"]


def test_an_episode_that_is_recorded_twice_counts_once(runs: Path, tmp_path: Path) -> None:
    double = copy_of(runs / "scripted", tmp_path / "double")
    lines = (double / EPISODES_FILE).read_text().splitlines(keepends=True)
    (double / EPISODES_FILE).write_text("".join([*lines, lines[0]]))
    report = build([double], tmp_path / "site")
    assert report.replayed == len(lines)
    assert [record.key for record in report.refused] == [json.loads(lines[0])["key"]]
    assert "before it" in report.refused[0].reason
    assert report.unranked[0].run == "double"


def test_the_same_records_give_the_same_bytes_in_any_order_and_with_any_number_of_workers(
    site: BuildReport, runs: Path, tampered: Path, tmp_path: Path
) -> None:
    ticks: list[tuple[int, int]] = []
    folders = [tampered, *sorted(runs.iterdir(), reverse=True), runs / "random"]
    again = build(folders, tmp_path, workers=2, progress=lambda done, total: ticks.append((done, total)))
    assert again.page.read_bytes() == site.page.read_bytes()
    assert ticks[-1] == (site.replayed + 3, site.replayed + 3)


def test_scores_on_the_page_are_those_of_the_records(site: BuildReport, runs: Path) -> None:
    index, _ = page_data(site.page.read_text())
    for run in index["runs"]:
        if run["slug"] == "tampered":
            continue
        records = read_records(runs / run["slug"])
        entries: dict[str, list[float]] = {}
        for record in records:
            entries.setdefault(record["entry"], []).append(record["score"])
        means = {entry: sum(scores) / len(scores) for entry, scores in entries.items()}
        cell = run["tables"][""]
        assert cell["score"][0] == pytest.approx(sum(means.values()) / len(means), abs=1e-5)
        assert cell["score"][1] <= cell["score"][0] <= cell["score"][2]
        assert cell["episodes"] == len(records)
        math = run["tables"]["math"]
        assert math["score"][0] == pytest.approx(means["arithmetic"], abs=1e-5)


def test_references_are_zero_and_one_when_normalised(site: BuildReport) -> None:
    index, _ = page_data(site.page.read_text())
    cells = {run["slug"]: run["tables"][""] for run in index["runs"]}
    assert cells["random"]["norm"][0] == pytest.approx(0.0, abs=1e-6)
    assert cells["expert"]["norm"][0] == pytest.approx(1.0, abs=1e-6)
    assert cells["expert"]["iqm"][0] == pytest.approx(1.0, abs=1e-6)


def test_success_is_always_labelled(site: BuildReport) -> None:
    index, _ = page_data(site.page.read_text())
    run = next(run for run in index["runs"] if run["slug"] == "thinker")
    assert [label for label, _ in run["tables"][""]["labels"]] == ["selected@1"]
    assert [label for label, _ in run["tables"]["game24"]["labels"]] == ["selected@1", "pass@2"]


def test_episodes_are_listed_worst_first_and_packed_where_the_index_says(site: BuildReport) -> None:
    index, chunks = page_data(site.page.read_text())
    for run in index["runs"]:
        scores = [episode["score"] for episode in run["episodes"]]
        assert scores == sorted(scores)
        for episode in run["episodes"]:
            record = chunks[episode["chunk"]][episode["slot"]]
            steps = [item for item in record["items"] if item["kind"] == "step"]
            assert len(steps) == episode["steps"]
            assert sum(step["reward"] for step in steps) == pytest.approx(episode["reward"], abs=1e-4)
            if episode["bad"]:
                assert record["items"][episode["bad"]["step"]]["kind"] == "step"
                assert not episode["success"] or "invalid" in record["items"][episode["bad"]["step"]]
            else:
                assert episode["success"] or not steps


def test_the_page_is_one_file_that_names_no_address_and_lets_records_add_no_markup(site: BuildReport) -> None:
    html = site.page.read_text()
    assert [path.name for path in site.page.parent.iterdir()] == ["index.html"]
    assert EVIL not in html
    assert "<img" not in html
    body = re.sub(r'<script type="(application/json|text/plain)"[^>]*>.*?</script>', "", html, flags=re.DOTALL)
    assert "{{" not in body
    assert {link[:2] for link in re.findall(r'(?:src|href)="([^"]*)"', body.split("<script>")[0])} == {"#/", "#m", "da"}
    assert not re.search(r"https?://", body)
    script = body.split("<script>")[1]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


def test_lone_surrogates_and_control_characters_survive(tmp_path: Path) -> None:
    from rlvr.agents.policies.scripted import ScriptedPolicy

    nasty = "\ud800 \u202e\x00 \u2028 ]]> <!-- é"
    policy = ScriptedPolicy([f"<action>{nasty}</action>"])
    evaluate("rlvr/maze-v0", agent="direct", policy=policy, episodes=1, out=tmp_path / "nasty")
    report = build([tmp_path / "nasty"], tmp_path / "site")
    assert report.refused == ()
    _, chunks = page_data(report.page.read_text())
    assert chunks[0][0]["items"][1]["action"] == nasty


def test_excluded_episodes_are_left_out_and_counted(runs: Path, tmp_path: Path) -> None:
    """A policy that breaks down on some tasks: those count neither for nor against it, and it is not ranked."""
    from rlvr.agents.policies.policy import PolicyError
    from rlvr.agents.policies.scripted import ScriptedPolicy
    from rlvr.agents.types import Request

    def moody(request: Request) -> str:
        if "13" in str(request.messages[-1].content):
            raise PolicyError("the server is down")
        return "<action>1 + 1</action>"

    suite = Suite(name="moody", entries=(SuiteEntry(name="game24", env="rlvr/game24-text-v0", episodes=12),))
    evaluate(suite, agent="direct", policy=ScriptedPolicy(moody), out=tmp_path / "moody")
    index, _ = page_data(build([tmp_path / "moody"], tmp_path / "site").page.read_text())
    run = index["runs"][0]
    broken = [record for record in read_records(tmp_path / "moody") if record["excluded"]]
    assert 0 < len(broken) < 12
    assert run["tables"][""]["excluded"] == len(broken)
    assert run["tables"][""]["episodes"] == 12
    assert run["why"] == [f"{len(broken)} of its 12 episodes are excluded, more than 5%."]
    assert [episode["excluded"] for episode in run["episodes"]][-len(broken) :] == [True] * len(broken)


def test_a_folder_without_a_run_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There are no records at"):
        build([tmp_path], tmp_path / "site")
    with pytest.raises(UserError, match="name at least one run folder"):
        build([], tmp_path / "site")


def test_an_unwritable_place_is_one_clear_sentence(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        build([runs / "random"], tmp_path / "file" / "site")


def test_runs_of_one_table_must_have_played_the_same_tasks(tmp_path: Path) -> None:
    for name, kwargs in (("dfs", {}), ("kruskal", {"generator": "kruskal"})):
        settings = {"agent": "direct", "policy": "scripted", "episodes": 2, "env_kwargs": kwargs}
        evaluate("rlvr/maze-v0", out=tmp_path / name, **settings)
    report = build([tmp_path / "dfs", tmp_path / "kruskal"], tmp_path / "site")
    assert report.unranked == (("kruskal", ("It played other tasks than dfs.",)),)


def test_a_suite_of_ours_is_normalised_by_its_stored_references(tmp_path: Path) -> None:
    evaluate("quick", agent="direct", policy="scripted", out=tmp_path / "alone")
    index, _ = page_data(build([tmp_path / "alone"], tmp_path / "site").page.read_text())
    (suite,) = index["suites"]
    assert suite["source"].startswith("the suite's stored references, version ")
    for entry in suite["entries"]:
        stored = reference("quick@1", entry["name"])
        assert stored is not None and entry["references"] == pytest.approx(stored, abs=1e-6)
    (run,) = index["runs"]
    cells = {suite["entries"][own["entry"]]["name"]: own["cell"] for own in run["entries"]}
    for name, cell in cells.items():
        stored = reference("quick@1", name)
        assert stored is not None
        expected = (cell["score"][0] - stored.random) / (stored.expert - stored.random)
        assert cell["norm"][0] == pytest.approx(expected, abs=1e-4)


def test_the_policy_of_the_page_allows_its_own_script_and_style_and_nothing_else(site: BuildReport) -> None:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', site.page.read_text())
    assert found is not None
    rules = dict(rule.strip().partition(" ")[::2] for rule in found[1].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert re.fullmatch(r"'sha256-[^' ]+'", rules["script-src"]) and re.fullmatch(
        r"'sha256-[^' ]+'", rules["style-src"]
    )
    assert rules["img-src"] == "data:" and len(rules) == 6


def test_reports_of_workers_that_come_late_are_waited_for(runs: Path, tmp_path: Path) -> None:
    """A process of its own, whose workers take their time to report."""
    script = tmp_path / "late.py"
    script.write_text(LATE)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "site"), *(str(runs / name) for name in ("random", "scripted"))],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    total = len(read_records(runs / "random")) + len(read_records(runs / "scripted"))
    assert json.loads(done.stdout) == [total, total]


LATE = """
import json, multiprocessing.queues, sys, time

real = multiprocessing.queues._ForkingPickler


class Late:
    loads = staticmethod(real.loads)

    @staticmethod
    def dumps(value, *rest):
        time.sleep(0.01)
        return real.dumps(value, *rest)


multiprocessing.queues._ForkingPickler = Late

if __name__ == "__main__":
    from rlvr.leaderboard.build import build

    ticks = []
    build(sys.argv[2:], sys.argv[1], workers=2, progress=lambda done, total: ticks.append((done, total)))
    print(json.dumps(ticks[-1]))
"""
