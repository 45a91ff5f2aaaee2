"""The runner: concurrency, resume, repair, and failures that stay with the episode they belong to."""

import asyncio
import json
import threading
import time

import pytest

from rlvr.agents.agent import AgentConfig, ReactiveAgent
from rlvr.agents.evaluate import evaluate, make_plan
from rlvr.agents.policies.policy import Capability, Policy, PolicyError
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.records import read_episodes
from rlvr.agents.runner import Runner
from rlvr.agents.types import Completion, EpisodeEnd
from rlvr.leaderboard.verify_run import verify_run
from rlvr.tasks.errors import MalformedData, UserError
from rlvr.tasks.suites import Suite, SuiteEntry

from .worlds import CountEnv, register

register()
SUITE = Suite(
    name="mixed",
    entries=(
        SuiteEntry(name="count", env="test/count-v0", difficulty="short", episodes=5, members=2),
        SuiteEntry(name="steps", env="rlvr/game24-v0", episodes=6),
        SuiteEntry(name="text", env="rlvr/countdown-v0", episodes=6),
    ),
)


class Jittery(ScriptedPolicy):
    """Answers in another order than asked."""

    async def generate(self, requests):
        await asyncio.sleep((requests[0].seed or 0) % 5 * 0.001)
        return await super().generate(requests)


def without_timing(path):
    rows = [json.loads(line) for line in (path / "episodes.jsonl").read_text(encoding="ascii").splitlines()]
    for row in rows:
        assert row.pop("timing")["wall_s"] >= 0
    return [json.dumps(row) for row in rows]


@pytest.mark.parametrize("agent", ["random", "expert", "direct"])
def test_records_are_identical_for_any_concurrency(tmp_path, agent):
    for concurrency in (1, 3, 16):
        policy = Jittery() if agent == "direct" else None
        evaluate(SUITE, agent=agent, policy=policy, out=tmp_path / str(concurrency), concurrency=concurrency)
    one, three, many = (without_timing(tmp_path / str(concurrency)) for concurrency in (1, 3, 16))
    assert one == three == many
    assert len(one) == 22
    configs = [json.loads((tmp_path / str(n) / "config.json").read_text()) for n in (1, 16)]
    assert configs[0] | {"timing": 0} == configs[1] | {"timing": 0}


def test_members_of_a_group_share_the_task_and_nothing_else():
    episodes = {episode.key: episode for episode in evaluate(SUITE, agent="random").episodes()}
    a, b, c = episodes["count/0/0"], episodes["count/0/1"], episodes["count/1/0"]
    assert a.task_uid == b.task_uid
    assert a.env_seed == b.env_seed != c.env_seed
    assert a.sampling_seed != b.sampling_seed
    assert len({episode.task_uid for episode in episodes.values() if episode.entry == "steps"}) > 3


def test_a_run_can_be_repeated_and_other_seeds_are_other_tasks():
    def play(seed):
        return [episode.task_uid for episode in evaluate(SUITE, agent="random", seed=seed).episodes()]

    assert play(0) == play(0) != play(1)


def test_a_complete_run_resumes_to_itself(tmp_path):
    first = evaluate(SUITE, agent="random", out=tmp_path / "run")
    content = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    again = evaluate(SUITE, agent="random", out=tmp_path / "run", resume=True)
    assert again.resumed == 22 == len(again.rows)
    assert again.rows == first.rows
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == content


@pytest.mark.parametrize("cut", [1, 100, 2_000])
def test_a_torn_last_line_is_cut_off_said_so_and_played_again(tmp_path, cut):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    whole = without_timing(tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - min(cut, len(content.splitlines()[-1]))])
    again = evaluate(SUITE, agent="random", out=tmp_path / "run", resume=True)
    assert again.repaired is not None and "torn" in again.repaired
    assert again.resumed == 21
    assert without_timing(tmp_path / "run") == whole


def test_lines_in_any_order_resume_to_the_runs_own_order(tmp_path):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    whole = without_timing(tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[10:20], *lines[:5], lines[2]]))  # unordered, incomplete, one of them twice
    again = evaluate(SUITE, agent="random", out=tmp_path / "run", resume=True)
    assert again.resumed == 15
    assert without_timing(tmp_path / "run") == whole


def test_a_line_that_is_there_twice_is_kept_once(tmp_path):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole.splitlines(keepends=True)[-1])
    evaluate(SUITE, agent="random", out=tmp_path / "run", resume=True)
    assert file.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = b"damaged\n"
    file.write_bytes(b"".join(lines))
    with pytest.raises(MalformedData, match="line 4"):
        evaluate(SUITE, agent="random", out=tmp_path / "run", resume=True)
    assert file.read_bytes() == b"".join(lines)


def test_a_folder_with_a_run_is_never_overwritten(tmp_path):
    evaluate(SUITE, agent="random", out=tmp_path / "run")
    with pytest.raises(UserError, match="--resume"):
        evaluate(SUITE, agent="random", out=tmp_path / "run")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "episodes.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"no config\.json"):
        evaluate(SUITE, agent="random", out=tmp_path / "odd", resume=True)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"agent": "expert"}, "agent"),
        ({"seed": 1}, "run"),
        ({"budget": {"env_steps": 5}}, "budget.env_steps"),
        ({"agent_settings": {"history": 2}}, "agent_config.history"),
        ({"policy": ScriptedPolicy(["x"], name="other")}, "policy"),
    ],
)
def test_a_resume_with_other_settings_is_refused_and_names_the_key(tmp_path, changes, key):
    settings = {"agent": "direct", "policy": ScriptedPolicy(), "out": tmp_path / "run"}
    evaluate(SUITE, **settings)
    before = (tmp_path / "run" / "episodes.jsonl").read_bytes()
    settings |= changes
    if changes.get("agent") == "expert":
        settings["policy"] = None
    with pytest.raises(UserError, match=rf"another {key} \("):
        evaluate(SUITE, resume=True, **settings)
    assert (tmp_path / "run" / "episodes.jsonl").read_bytes() == before


def test_a_resume_with_other_tasks_names_the_key(tmp_path):
    evaluate("rlvr/game24-v0", agent="random", episodes=3, out=tmp_path / "run")
    with pytest.raises(UserError, match=r"another entries\.0\.episodes \(3 there, 4 now\)"):
        evaluate("rlvr/game24-v0", agent="random", episodes=4, out=tmp_path / "run", resume=True)


def test_a_changed_script_is_another_policy(tmp_path):
    script = tmp_path / "script.yaml"
    script.write_text("- up\n")
    settings = {"agent": "direct", "policy": f"scripted:{script}", "episodes": 2, "out": tmp_path / "run"}
    evaluate("rlvr/game24-v0", **settings)
    script.write_text("- down\n")
    with pytest.raises(UserError, match=r"another policy_settings\.sha256"):
        evaluate("rlvr/game24-v0", resume=True, **settings)


def test_two_runs_cannot_write_into_one_folder(tmp_path):
    class Meeting(ScriptedPolicy):
        async def start(self):
            with pytest.raises(UserError, match="Another run is writing"):
                await asyncio.to_thread(evaluate, SUITE, agent="random", out=tmp_path / "run", resume=True)

    evaluate(SUITE, agent="direct", policy=Meeting(), out=tmp_path / "run")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        evaluate(SUITE, agent="random", out=tmp_path / "file" / "run")


# Failures


class Moody(ScriptedPolicy):
    """Fails for good on some requests."""

    async def generate(self, requests):
        if (requests[0].seed or 0) % 3 == 0:
            raise PolicyError("moody: the server answered 500 (6 attempts)")
        return await super().generate(requests)


def test_policy_errors_stay_with_their_episodes(tmp_path):
    result = evaluate(SUITE, agent="direct", policy=Moody(name="scripted"), out=tmp_path / "run")
    ends = [row.end for row in result.rows]
    assert {EpisodeEnd.POLICY_ERROR, EpisodeEnd.SUBMITTED} <= set(ends)
    for episode in result.episodes():
        failed = episode.end is EpisodeEnd.POLICY_ERROR
        assert episode.excluded is failed
        assert (episode.error == "moody: the server answered 500 (6 attempts)") is failed
    assert result.summary["excluded"] == ends.count(EpisodeEnd.POLICY_ERROR)
    assert verify_run(tmp_path / "run").accepted


def test_errors_are_played_again_only_on_request(tmp_path):
    settings = {"agent": "direct", "out": tmp_path / "run"}
    evaluate(SUITE, policy=Moody(name="scripted"), **settings)
    failed = sum(episode.excluded for episode in read_episodes(tmp_path / "run"))
    kept = evaluate(SUITE, policy=ScriptedPolicy(), resume=True, **settings)
    assert kept.resumed == 22
    again = evaluate(SUITE, policy=ScriptedPolicy(), resume=True, retry_errors=True, **settings)
    assert again.resumed == 22 - failed
    assert again.summary["excluded"] == 0
    evaluate(SUITE, agent="direct", policy=ScriptedPolicy(), out=tmp_path / "clean")
    assert without_timing(tmp_path / "run") == without_timing(tmp_path / "clean")


def test_environment_errors_stay_with_their_episodes(tmp_path):
    result = evaluate(
        "test/count-v0", agent="expert", episodes=30, env_kwargs={"fail_at": 1}, out=tmp_path / "run", concurrency=4
    )
    ends = [row.end for row in result.rows]
    assert set(ends) == {EpisodeEnd.ENV_ERROR, EpisodeEnd.SUBMITTED}
    failed = [episode for episode in result.episodes() if episode.end is EpisodeEnd.ENV_ERROR]
    assert {episode.error for episode in failed} == {"RuntimeError: the engine broke"}
    assert all(episode.excluded for episode in failed)
    assert result.score == 1.0


def test_verdicts_that_were_not_reached_are_excluded(tmp_path):
    result = evaluate("test/count-v0", agent="random", episodes=3, env_kwargs={"verdict": "timeout"})
    assert result.score is None
    assert {(episode.excluded, episode.stop_reason) for episode in result.episodes()} == {(True, "verifier_timeout")}


def test_a_user_error_on_the_way_ends_the_run_but_keeps_what_is_finished(tmp_path):
    class Expiring(ScriptedPolicy):
        calls = 0

        async def generate(self, requests):
            self.calls += 1
            if self.calls > 400:
                raise UserError("The key has expired.")
            return await super().generate(requests)

    with pytest.raises(UserError, match="expired"):
        evaluate(SUITE, agent="direct", policy=Expiring(), out=tmp_path / "run", concurrency=2)
    finished = list(read_episodes(tmp_path / "run"))
    assert 0 < len(finished) < 22
    again = evaluate(SUITE, agent="direct", policy=ScriptedPolicy(), out=tmp_path / "run", resume=True)
    assert again.resumed == len(finished)


def test_a_mistake_in_an_agent_ends_the_run_and_keeps_what_is_finished(tmp_path):
    class Buggy(ReactiveAgent[AgentConfig]):
        name = "buggy"
        config_type = AgentConfig
        needs_policy = False

        async def act(self, observation, info):
            if self.session.spec.group == 4:
                raise ZeroDivisionError("a mistake")
            return info["legal_actions"][0]

    with pytest.raises(ZeroDivisionError):
        evaluate("rlvr/game24-v0", agent=Buggy, episodes=8, concurrency=1, out=tmp_path / "run")
    assert len(list(read_episodes(tmp_path / "run"))) == 4


def test_an_agent_that_sleeps_is_stopped_when_its_time_is_up(tmp_path):
    class Sleeper(ReactiveAgent[AgentConfig]):
        name = "sleeper"
        needs_policy = False

        async def act(self, observation, info):
            if info["score"]:
                await asyncio.sleep(60)
            return info["legal_actions"][0]

    began = time.monotonic()
    result = evaluate("test/count-v0", agent=Sleeper, episodes=2, budget={"wall_s": 0.2}, out=tmp_path / "run")
    assert time.monotonic() - began < 10
    for episode in result.episodes():
        assert (episode.end, episode.exhausted) == (EpisodeEnd.BUDGET, "wall_s")
        assert episode.ledger.env_steps == 1 and episode.score > 0
    assert verify_run(tmp_path / "run").accepted


def test_an_environment_that_is_still_at_work_when_time_is_up_is_not_lent_again(tmp_path):
    settings = {"env_kwargs": {"delay_s": 0.6, "blocking": True}, "budget": {"wall_s": 0.1}, "concurrency": 1}
    result = evaluate("test/count-v0", agent="random", episodes=2, out=tmp_path / "run", **settings)
    first, second = result.episodes()
    assert (first.end, first.exhausted, first.ledger.env_steps) == (EpisodeEnd.BUDGET, "wall_s", 0)
    assert second.end in (EpisodeEnd.BUDGET, EpisodeEnd.ENV_ERROR)  # its reset waits for the only thread
    time.sleep(0.7)  # until that thread is done
    assert verify_run(tmp_path / "run").accepted


def test_time_that_is_up_before_the_agent_began_counts_as_the_start(tmp_path):
    class Late(ReactiveAgent[AgentConfig]):
        name = "late"
        needs_policy = False

        async def run(self, session):
            await asyncio.sleep(60)

        async def act(self, observation, info):
            return None

    (episode,) = evaluate("game24-v0", agent=Late, episodes=1, budget={"wall_s": 0}, out=tmp_path / "run").episodes()
    assert (episode.end, episode.exhausted, episode.score) == (EpisodeEnd.BUDGET, "wall_s", 0.0)
    assert verify_run(tmp_path / "run").accepted


def test_an_agent_that_needs_no_policy_gets_none_and_the_other_way_round():
    with pytest.raises(UserError, match="needs a policy"):
        evaluate(SUITE, agent="direct")
    with pytest.raises(UserError, match="uses no policy"):
        evaluate(SUITE, agent="random", policy="scripted")


def test_an_agent_that_needs_more_than_its_policy_can_is_refused():
    class Scholar(ReactiveAgent[AgentConfig]):
        name = "scholar"
        config_type = AgentConfig
        needs = frozenset({Capability.TEXT, Capability.LOGPROBS})

        async def act(self, observation, info):
            return None

    with pytest.raises(UserError, match="The agent scholar needs logprobs"):
        evaluate(SUITE, agent=Scholar, policy="scripted")


# Budgets, threads, data


def test_budgets_end_episodes_and_the_records_say_which_item(tmp_path):
    result = evaluate(
        SUITE, agent="direct", policy="scripted", budget={"policy_calls": 2}, out=tmp_path / "run", concurrency=4
    )
    for episode in result.episodes():
        assert episode.ledger.policy_calls <= 2
        assert (episode.end is EpisodeEnd.BUDGET) == (episode.exhausted == "policy_calls")
        assert not episode.excluded
    assert {row.end for row in result.rows} == {EpisodeEnd.BUDGET, EpisodeEnd.SUBMITTED}
    assert verify_run(tmp_path / "run").accepted


def _traffic(**kwargs):
    CountEnv.most_in_step = 0
    CountEnv.threads.clear()
    env_kwargs = {"delay_s": 0.005, **kwargs}
    evaluate("test/count-v0", agent="random", episodes=6, env_kwargs=env_kwargs, concurrency=6, budget={"env_steps": 4})
    return CountEnv.most_in_step, set(CountEnv.threads)


def test_slow_steps_run_side_by_side_only_where_that_is_allowed():
    here = threading.get_ident()
    assert _traffic() == (1, {here})
    most, threads = _traffic(blocking=True)
    assert most > 1 and here not in threads
    most, threads = _traffic(blocking=True, thread_safe=False)
    assert most == 1 and len(threads) == 1 and here not in threads


def test_a_slow_step_does_not_stop_the_others():
    class Prompt(Policy):
        name = "prompt"
        times: list[float]

        async def generate(self, requests):
            await asyncio.sleep(0.001)
            return [Completion(text="<action>0</action>") for _ in requests]

    async def go():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.002)
                ticks += 1

        ticking = asyncio.create_task(tick())
        plan = make_plan(
            "test/count-v0",
            policy=Prompt(),
            episodes=2,
            env_kwargs={"delay_s": 0.1, "blocking": True},
            budget={"env_steps": 2},
        )
        await Runner(plan).run()
        ticking.cancel()
        return ticks

    assert asyncio.run(go()) > 10


def test_a_data_set_is_played_through_once_in_a_fixed_order(tmp_path):
    rows = [{"rank": rank, "numbers": [1, 2, 3, rank]} for rank in range(1, 13)]
    file = tmp_path / "puzzles.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"agent": "random", "env_kwargs": {"data": str(file)}, "split": "train"}
    result = evaluate("rlvr/game24-v0", out=tmp_path / "run", **settings)
    items = [episode.events[0].options["item"] for episode in result.episodes()]
    assert sorted(items, key=int) == [str(rank) for rank in range(1, 13)] != items
    again = evaluate("rlvr/game24-v0", episodes=15, **settings)
    assert [episode.events[0].options["item"] for episode in again.episodes()] == items + items[:3]
    (fingerprint,) = {tuple(episode.data.items()) for episode in result.episodes()}
    assert len(fingerprint[0][1]) == 64
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == {"game24-v0": fingerprint[0][1]}


def test_an_environment_is_made_once_and_lent_from_episode_to_episode(monkeypatch):
    made = []
    original = CountEnv.__init__

    def counting(self, **kwargs):
        made.append(1)
        original(self, **kwargs)

    monkeypatch.setattr(CountEnv, "__init__", counting)
    result = evaluate("test/count-v0", agent="random", episodes=40, concurrency=4)
    assert len(result.rows) == 40
    assert len(made) <= 4


def test_use_of_the_expert_does_not_stick_to_the_next_episode():
    class Sometimes(ReactiveAgent[AgentConfig]):
        name = "sometimes"
        config_type = AgentConfig
        needs_policy = False

        async def act(self, observation, info):
            return await self.session.expert_action() if self.session.spec.group % 2 else info["legal_actions"][0]

    result = evaluate("rlvr/game24-v0", agent=Sometimes, episodes=6, concurrency=1)
    assert [bool(episode.privileged) for episode in result.episodes()] == [False, True] * 3


# The Python front


def test_evaluate_works_inside_a_running_loop():
    async def notebook():
        return evaluate("rlvr/game24-v0", agent="expert", episodes=2).score

    assert asyncio.run(notebook()) == 1.0


def test_evaluate_is_there_under_the_packages_name():
    import rlvr

    assert rlvr.evaluate("game24-v0", agent="expert", episodes=2).score == 1.0


def test_errors_inside_a_running_loop_reach_the_caller():
    async def notebook():
        evaluate("rlvr/game42-v0", agent="expert")

    with pytest.raises(UserError, match="rlvr/game24-v0"):
        asyncio.run(notebook())


def test_a_suite_cannot_be_bent():
    with pytest.raises(UserError, match="A suite fixes what is played; difficulty can only"):
        evaluate("quick", agent="random", difficulty="hard")


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_below_one_is_refused(concurrency):
    with pytest.raises(UserError, match="at least 1"):
        evaluate(SUITE, agent="random", concurrency=concurrency)
