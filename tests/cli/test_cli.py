"""The command line: what it prints, what it writes, and its exit codes."""

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import rlvr
from rlvr.cli import run
from rlvr.envs.registry import ENVS

RLVR = [sys.executable, "-c", "from rlvr.cli import main; main()"]
ROOT = Path(__file__).resolve().parents[2]


def rlvr_process(*arguments, **options):
    settings = {"capture_output": True, "text": True, "timeout": 120, "cwd": options.pop("cwd", None)}
    return subprocess.run([*RLVR, *map(str, arguments)], **(settings | options))


def ok(capsys, *arguments):
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def refused(capsys, *arguments):
    """Run a call that cannot work; return its one sentence."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 2, captured
    assert captured.out == ""
    assert "Traceback" not in captured.err
    message = captured.err.strip()
    assert "\n" not in message
    assert message.endswith((".", "?", ")."))
    return message


# Listings


def test_the_version_is_printed(capsys):
    assert ok(capsys, "--version").strip() == rlvr.__version__


@pytest.mark.parametrize("command", [["envs"], ["agents"], ["policies"], ["suites"], ["recipes"], ["data", "list"]])
def test_every_listing_has_a_table_and_json(capsys, command):
    table = ok(capsys, *command)
    assert table.strip()
    assert isinstance(json.loads(ok(capsys, *command, "--json")), list)


def test_the_json_of_environments_has_all_that_the_table_of_ids_has(capsys):
    listed = json.loads(ok(capsys, "envs", "--json"))
    assert [entry["id"] for entry in listed] == [row.id for row in ENVS]
    for entry in listed:
        assert {"difficulties", "horizon", "rewards", "data", "summary"} <= set(entry)


def test_recipes_are_an_empty_list_in_this_version(capsys):
    assert json.loads(ok(capsys, "recipes", "--json")) == []


def test_help_is_there_for_every_command(capsys):
    text = ok(capsys, "--help")
    for command in ("eval", "verify", "play", "envs", "agents", "suites", "recipes", "check", "data", "leaderboard"):
        assert command in text
        assert "Usage" in ok(capsys, command, "--help")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom rlvr.cli import run\nrun(['--help'])\n"
        "heavy = ('pydantic', 'sympy', 'httpx', 'math_verify', 'torch')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"


def test_reference_agents_are_listed_as_such(capsys):
    rows = {line.split()[0]: line for line in ok(capsys, "agents").splitlines()}
    assert "reference" in rows["random"] and "reference" in rows["expert"]
    assert "yes" in rows["direct"].split()


# Evaluating and verifying


def test_the_main_job_runs_end_to_end(tmp_path, capsys):
    for name, agent in (
        ("random", ["random"]),
        ("expert", ["expert"]),
        ("scripted", ["direct", "--policy", "scripted"]),
    ):
        out = ok(capsys, "eval", "--suite", "quick", "--agent", *agent, "--out", tmp_path / name)
        assert "aime" in out and "bandit" in out and "all" in out
    table = ok(capsys, "verify", *(tmp_path / name for name in ("random", "expert", "scripted")))
    assert table.count("quick@1") == 3
    out = ok(capsys, "leaderboard", "build", tmp_path / "random", tmp_path / "expert", "--out", tmp_path / "site")
    assert "0 refused" in out
    assert (tmp_path / "site" / "index.html").stat().st_size > 10_000


def test_scores_can_be_had_as_json(capsys):
    summary = json.loads(ok(capsys, "eval", "--env", "game24-v0", "--agent", "expert", "--episodes", 3, "--json"))
    assert summary["score"] == 1.0
    assert summary["entries"]["game24-v0"]["episodes"] == 3


def test_options_reach_environment_agent_and_budget(tmp_path, capsys):
    ok(
        capsys, "eval", "--env", "rlvr/game24-v0", "--agent", "direct", "--policy", "scripted",
        "--difficulty", "medium", "--episodes", 2, "--members", 2, "--split", "train",
        "--set", "division=rational", "--set", "max_steps=5",
        "--agent-set", "history=1", "--agent-set", "sampling.temperature=0.5", "--budget", "policy_calls=2",
        "--budget", "env_steps=9", "--seed", 7, "--concurrency", 2, "--out", tmp_path / "run",
    )  # fmt: skip
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (entry,) = config["entries"]
    assert (entry["env"], entry["difficulty"], entry["split"]) == ("rlvr/game24-v0", "medium", "train")
    assert (entry["episodes"], entry["members"]) == (2, 2)
    assert entry["kwargs"] == {"division": "rational", "max_steps": 5}
    assert config["agent_config"]["history"] == 1
    assert config["agent_config"]["sampling"]["temperature"] == 0.5
    assert (config["budget"]["policy_calls"], config["budget"]["env_steps"]) == (2, 9)
    assert config["run"] == "rlvr/game24-v0/7"
    assert ok(capsys, "verify", tmp_path / "run")


def test_a_configuration_file_holds_the_same_settings_and_options_override_it(tmp_path, capsys):
    file = tmp_path / "eval.yaml"
    file.write_text("env: game24-v0\nagent: random\nepisodes: 5\nbudget: {env_steps: 2}\nenv_kwargs: {max_steps: 4}\n")
    ok(capsys, "eval", "--config", file, "--episodes", 2, "--budget", "policy_calls=1", "--out", tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["entries"][0]["episodes"] == 2
    assert config["entries"][0]["kwargs"] == {"max_steps": 4}
    assert (config["budget"]["env_steps"], config["budget"]["policy_calls"]) == (2, 1)
    file.write_text("agnt: random\n")
    assert "did you mean 'agent'" in refused(capsys, "eval", "--config", file)


def test_a_rejected_record_is_exit_code_1_and_names_the_step(tmp_path, capsys):
    ok(capsys, "eval", "--env", "game24-v0", "--agent", "random", "--episodes", 3, "--out", tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    lines = file.read_text().splitlines()
    record = json.loads(lines[1])
    record["score"], record["is_success"] = 1.0, True
    lines[1] = json.dumps(record)
    file.write_text("\n".join(lines) + "\n")
    assert run(["verify", str(tmp_path / "run")]) == 1
    out = capsys.readouterr().out
    assert record["key"] in out and "at step 3: the final score is 0.0, not 1.0 as recorded" in out
    assert run(["verify", str(tmp_path / "run"), "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert report["failures"][0]["first_difference"] == 3
    assert run(["leaderboard", "build", str(tmp_path / "run"), "--out", str(tmp_path / "site")]) == 1
    assert record["key"] in capsys.readouterr().err


def test_missing_records_are_said_but_are_no_rejection(tmp_path, capsys):
    ok(capsys, "eval", "--env", "game24-v0", "--agent", "random", "--episodes", 3, "--out", tmp_path / "run")
    file = tmp_path / "run" / "episodes.jsonl"
    file.write_text("".join(f"{line}\n" for line in file.read_text().splitlines()[:2]))
    assert run(["verify", str(tmp_path / "run")]) == 0
    assert "1 of 3 episodes have no record" in capsys.readouterr().err


def test_a_torn_line_is_mended_and_said_so(tmp_path, capsys):
    arguments = ["eval", "--env", "game24-v0", "--agent", "random", "--episodes", "3", "--out", str(tmp_path / "run")]
    assert run(arguments) == 0
    file = tmp_path / "run" / "episodes.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    capsys.readouterr()
    assert run([*arguments, "--resume"]) == 0
    err = capsys.readouterr().err
    assert "torn" in err and "2 of 3 episodes were there already" in err
    assert run(["verify", str(tmp_path / "run")]) == 0


def test_environments_and_agents_of_ones_own_are_imported(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import gymnasium as gym\n"
        "from rlvr.agents.agent import AgentConfig, ReactiveAgent\n"
        "from rlvr.envs.game24 import Game24Env\n"
        "gym.register('me/secret-v0', Game24Env)\n"
        "class Last(ReactiveAgent[AgentConfig]):\n"
        "    name, config_type, needs_policy = 'last', AgentConfig, False\n"
        "    async def act(self, observation, info):\n"
        "        return info['legal_actions'][-1]\n"
    )
    common = ("--env", "me/secret-v0", "--import", "mine", "--episodes", "2")
    done = rlvr_process("eval", *common, "--agent", "mine:Last", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = rlvr_process("verify", "run", "--import", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = rlvr_process("verify", "run", cwd=tmp_path)
    assert done.returncode == 1
    assert "unverifiable" in done.stdout and "--import MODULE" in done.stdout


def test_the_readmes_environment_works_by_its_module_from_its_folder(tmp_path):
    spec = importlib.util.spec_from_file_location("readme", ROOT / "tests" / "project" / "readme.py")
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    (snippet,) = (block for block in readme.blocks("python") if "class SecretEnv" in block)
    snippet = "\n".join(line for line in snippet.splitlines() if not line.startswith("print(check("))
    register = 'import gymnasium\ngymnasium.register("me/secret-v0", "secret:SecretEnv")\n'
    (tmp_path / "secret.py").write_text(f"{snippet}\n{register}")
    (tmp_path / "mine.py").write_text(
        "from rlvr.agents.agent import ReactiveAgent\n"
        "class Sweep(ReactiveAgent):\n"
        "    needs_policy = False\n"
        "    async def act(self, observation, info):\n"
        "        return str(500)\n"
    )

    def done(*arguments, **options):
        process = rlvr_process(*arguments, cwd=tmp_path, **options)
        assert process.returncode == 0, process.stdout + process.stderr
        return process

    assert "checks passed" in done("check", "secret:me/secret-v0", "--quick").stdout
    assert "It is" in done("play", "secret:me/secret-v0", input="500\n:quit\n").stdout
    evaluated = done(
        "eval", "--env", "secret:me/secret-v0", "--agent", "mine:Sweep", "--episodes", 2, "--budget", "env_steps=3",
        "--out", "run",
    )  # fmt: skip
    assert "rlvr verify run --import secret replays them" in evaluated.stderr
    done("verify", "run", "--import", "secret")
    refused = rlvr_process("verify", "run", cwd=tmp_path)
    assert refused.returncode == 1 and "add --import secret" in refused.stdout
    assert "no argument 'levl'" in rlvr_process("play", "secret:me/secret-v0", "--set", "levl=1", cwd=tmp_path).stderr
    (tmp_path / "secret.py").write_text("raise SystemExit('a record must not make us import this')\n")
    assert "add --import secret" in rlvr_process("verify", "run", cwd=tmp_path).stdout


def test_a_broken_agent_is_one_sentence_and_its_traceback_is_on_request(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from rlvr.agents.agent import ReactiveAgent\n"
        "class Broken(ReactiveAgent):\n"
        "    needs_policy = False\n"
        "    async def act(self, observation, info):\n"
        "        return info['nothing']\n"
    )
    arguments = ("eval", "--env", "game24-v0", "--agent", "mine:Broken", "--episodes", 2)
    done = rlvr_process(*arguments, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert "mine:Broken failed in the episode game24-v0/0/0 with KeyError: 'nothing'" in line
    assert "mine.py, line 5" in line and "RLVR_DEBUG=1" in line
    done = rlvr_process(*arguments, cwd=tmp_path, env={**os.environ, "RLVR_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "game24-v0/0/0" in done.stderr


@pytest.mark.network_local
def test_a_server_that_always_fails_is_named_with_its_words(tmp_path, capsys):
    class Failing(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"error": {"message": "the prompt is too long"}}'
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = http.server.BaseHTTPRequestHandler.send_error

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        policy = f"openai:http://127.0.0.1:{server.server_address[1]}/v1#m"
        code = run(
            ["eval", "--env", "game24-v0", "--agent", "direct", "--policy", policy, "--policy-set", "probe=false",
             "--episodes", "2", "--out", str(tmp_path / "run")]
        )  # fmt: skip
        server.shutdown()
    captured = capsys.readouterr()
    assert code == 1
    assert "game24-v0/0/0, ended with policy_error" in captured.err and "the prompt is too long" in captured.err


def test_runs_without_records_are_neither_verified_nor_shown(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "episodes.jsonl").write_text("")
    assert run(["verify", str(tmp_path / "run")]) == 1
    assert "holds no records" in capsys.readouterr().out
    assert "no records" in refused(capsys, "leaderboard", "build", tmp_path / "run", "--out", tmp_path / "site")
    assert not (tmp_path / "site").exists()


# Bad input: one sentence, exit code 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("eval --env rlvr/game42-v0 --agent random", "Did you mean rlvr/game24-v0"),
        ("eval --env gme24-v0 --agent random", "rlvr/game24-v0"),
        ("eval --suite quik --agent random", "Did you mean quick"),
        ("eval --suite quick --agent randm", "Did you mean random"),
        ("eval --suite quick --agent direct", "needs a policy"),
        ("eval --suite quick --agent direct --policy scriptd", "Did you mean scripted"),
        ("eval --suite quick --agent random --policy scripted", "uses no policy"),
        ("eval --agent random", "either --suite quick or --env ID"),
        ("eval --suite quick --env game24-v0 --agent random", "either --suite quick or --env ID"),
        ("eval --suite quick --agent random --resume", "--out DIR"),
        ("eval --suite quick --agent random --difficulty easy", "A suite fixes what is played"),
        ("eval --env game24-v0 --agent random --difficulty odd", "easy, medium, hard"),
        ("eval --env game24-v0 --agent random --split exam", "split"),
        ("eval --env game24-v0 --agent random --set divison=exact", "Did you mean 'division'"),
        ("eval --env game24-v0 --agent random --set division", "--set takes key=value"),
        ("eval --env game24-v0 --agent random --budget env_step=3", "did you mean 'env_steps'"),
        ("eval --env game24-v0 --agent random --budget env_steps=many", "budget"),
        ("eval --env game24-v0 --agent direct --policy scripted --agent-set histry=3", "did you mean 'history'"),
        (
            "eval --env game24-v0 --agent direct --policy scripted --policy-set foo=1",
            "has no setting 'foo'; it takes none",
        ),
        ("eval --env game24-v0 --agent direct --policy openai:http://[bad#m", "is not the address of a server"),
        ("eval --env game24-v0 --agent random --seed -1", "must be 0 or more"),
        ("eval --env game24-v0 --agent random --import no-such-module", "not the name of a module"),
        ("eval --env game24-v0 --agent random --import no_such_module", "no module 'no_such_module'"),
        ("eval --env aime2024-v0 --agent random", "rlvr data pull aime2024"),
        ("eval --env aime2024-v0 --agent random --set data=/no/such/file.jsonl", "/no/such/file.jsonl"),
        ("eval --config /no/such/file.yaml", "cannot be read"),
        ("eval --suite /no/such/suite.yaml --agent random", "cannot be read"),
        ("verify /no/such/run", "no records"),
        ("play game42-v0", "rlvr/game24-v0"),
        ("check game42-v0", "rlvr/game24-v0"),
        ("data add aime2042 /tmp", "aime2024"),
        ("data add aime2024 /no/such/file.jsonl", "/no/such/file.jsonl"),
        ("data pull aime2042", "aime2024"),
        ("leaderboard build /no/such/run", "/no/such/run"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(capsys, arguments, words):
    assert words in refused(capsys, *arguments.split())


@pytest.mark.parametrize(
    "arguments", ["--nonsense", "evl", "eval --episodes many", "eval --concurrency 0", "verify", "play"]
)
def test_a_call_that_cannot_be_parsed_is_exit_code_2(capsys, arguments):
    assert run(arguments.split()) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_malformed_data_file_names_line_and_field(tmp_path, capsys):
    file = tmp_path / "problems.jsonl"
    file.write_text('{"problem": "1+1?", "answer": "2"}\n{"problem": "2+2?"}\n')
    message = refused(capsys, "data", "add", "aime2024", file)
    assert "line 2" in message and "answer" in message
    message = refused(capsys, "eval", "--env", "aime2024-v0", "--agent", "random", "--set", f"data={file}")
    assert "line 2" in message and "answer" in message


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    message = refused(capsys, "eval", "--suite", "quick", "--agent", "random", "--out", tmp_path / "file" / "run")
    assert "cannot be written" in message


def test_a_folder_with_another_run_is_one_sentence(tmp_path, capsys):
    ok(capsys, "eval", "--env", "game24-v0", "--agent", "random", "--episodes", 2, "--out", tmp_path / "run")
    common = ("eval", "--env", "game24-v0", "--agent", "random", "--out", tmp_path / "run")
    assert "--resume" in refused(capsys, *common, "--episodes", 2)
    assert "entries.0.episodes" in refused(capsys, *common, "--episodes", 3, "--resume")


# Data


def test_a_registered_data_set_is_listed_and_played(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RLVR_DATA_HOME", str(tmp_path / "home"))
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps({"problem": f"{n}+{n}?", "answer": str(2 * n)}) + "\n" for n in range(4)))
    assert "4 rows" in ok(capsys, "data", "add", "aime2024", file)
    (entry,) = (row for row in json.loads(ok(capsys, "data", "list", "--json")) if row["name"] == "aime2024")
    assert entry["status"] == "registered"
    summary = json.loads(
        ok(capsys, "eval", "--env", "aime2024-v0", "--agent", "expert", "--json", "--out", tmp_path / "run")
    )
    assert summary["episodes"] == 4 and summary["score"] == 1.0
    record = json.loads((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()[0])
    assert list(record["data"].values()) == [entry["sha256"]]
    ok(capsys, "verify", tmp_path / "run")


# Playing


def test_a_script_plays_through_a_pipe(tmp_path):
    done = rlvr_process(
        "play", "game24-v0", "--seed", 3, "--out", "played.jsonl", cwd=tmp_path,
        input=":help\n:actions\nnonsense\n:undo\n:hint\n9 + 9\n:undo\n:undo\n:quit\n",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Make 24 from" in done.stdout
    assert "Invalid action" in done.stdout
    assert "There is nothing to take back" in done.stdout
    assert "Score 0 (not finished)" in done.stdout
    done = rlvr_process("verify", "played.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_game_can_be_won(tmp_path):
    hints = rlvr_process("play", "game24-v0", "--seed", 5, input=":hint\n").stdout
    moves = []
    for _ in range(3):
        moves.append(hints.splitlines()[-4])
        script = "".join(f"{move}\n" for move in moves) + ":hint\n"
        hints = rlvr_process("play", "game24-v0", "--seed", 5, input=script).stdout
    assert "Score 1 (solved), total reward 1, 3 steps." in hints


def test_a_closed_input_ends_politely():
    done = rlvr_process("play", "game24-v0", stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "You stopped." in done.stdout


def test_an_empty_line_and_a_command_without_its_colon_cost_no_turn():
    done = rlvr_process("play", "game24-v0", "--seed", 3, input="\n  \nhelp\nQUIT\n:quit\n")
    assert "Did you mean :help?" in done.stdout and "Did you mean :quit?" in done.stdout
    assert "0 steps." in done.stdout
    assert "must be 0 or more" in rlvr_process("play", "game24-v0", "--seed", -3).stderr


# Checking


def test_a_sound_environment_passes_the_kit(capsys):
    assert "checks passed" in ok(capsys, "check", "game24-v0", "--quick")
