"""The commands and their options; what they do is in the other modules, loaded when a command runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="rlvr",
    help="A gym for language agents: play, evaluate, verify, compare.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # their tables of local variables could show a key
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Data sets: list them, register a file, pull from the Hub.", no_args_is_help=True)
leaderboard_app = typer.Typer(help="Pages that compare runs.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(leaderboard_app, name="leaderboard")

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Import = Annotated[
    list[str],
    typer.Option("--import", help="Import a module first, so that it can register environments.", metavar="MODULE"),
]
Settings = Annotated[list[str], typer.Option("--set", help="An argument of the environment.", metavar="KEY=VALUE")]


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command("eval")
def eval_command(
    suite: Annotated[str | None, typer.Option(help="A suite's name, or the path of a suite in YAML.")] = None,
    env: Annotated[str | None, typer.Option(help="One environment's id, instead of a suite.")] = None,
    agent: Annotated[str | None, typer.Option(help="Who plays: an agent's name, or MODULE:CLASS.")] = None,
    policy: Annotated[str | None, typer.Option(help="The model behind the agent, such as openai:URL#MODEL.")] = None,
    episodes: Annotated[int | None, typer.Option(help="Tasks to play (100, or a whole data set).", min=1)] = None,
    members: Annotated[int | None, typer.Option(help="Episodes a task, with other sampling seeds.", min=1)] = None,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    difficulty: Annotated[str | None, typer.Option(help="The level of difficulty.")] = None,
    settings: Settings = [],  # noqa: B006 (typer reads it)
    agent_settings: Annotated[
        list[str], typer.Option("--agent-set", help="A setting of the agent.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    policy_settings: Annotated[
        list[str], typer.Option("--policy-set", help="A setting of the policy.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    budget: Annotated[
        list[str], typer.Option(help="A limit on an episode's cost, such as policy_calls=20.", metavar="ITEM=N")
    ] = [],  # noqa: B006
    seed: Annotated[int | None, typer.Option(help="Names the run's seeds; 0 is what leaderboards compare.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder for records; without it scores are only printed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="With --resume: play failed episodes again.")
    ] = False,
    concurrency: Annotated[int | None, typer.Option(help="Episodes under way at once (16).", min=1)] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with these settings; options override it.")] = None,
    modules: Import = [],  # noqa: B006
    json_output: Json = False,
) -> None:
    """Evaluate an agent on a suite or on one environment, and record every episode."""
    from .evaluation import evaluate_command

    code = evaluate_command(
        given={
            "suite": suite,
            "env": env,
            "agent": agent,
            "policy": policy,
            "episodes": episodes,
            "members": members,
            "split": split,
            "difficulty": difficulty,
            "seed": seed,
            "out": out,
            "concurrency": concurrency,
            "resume": resume or None,
            "retry_errors": retry_errors or None,
        },
        pairs={
            "env_kwargs": (settings, "--set"),
            "agent_settings": (agent_settings, "--agent-set"),
            "policy_settings": (policy_settings, "--policy-set"),
            "budget": (budget, "--budget"),
        },
        config=config,
        modules=modules,
        json_output=json_output,
    )
    raise typer.Exit(code)


@app.command("verify")
def verify_command(
    paths: Annotated[list[Path], typer.Argument(help="Run folders or record files.", metavar="RUN|FILE...")],
    data: Annotated[
        list[str], typer.Option(help="A data file to use where a record's own is not here.", metavar="PATH")
    ] = [],  # noqa: B006
    modules: Import = [],  # noqa: B006
    json_output: Json = False,
) -> None:
    """Play every record again and recompute its score; exit code 1 if any is rejected."""
    from .verification import verify_paths

    raise typer.Exit(verify_paths(paths, data, modules, json_output))


@app.command("play")
def play_command(
    env: Annotated[str, typer.Argument(help="The environment's id.", metavar="ID")],
    seed: Annotated[int | None, typer.Option(help="Which task; a new one every time if left out.")] = None,
    split: Annotated[str | None, typer.Option(help="train, valid or test.")] = None,
    difficulty: Annotated[str | None, typer.Option(help="The level of difficulty.")] = None,
    settings: Settings = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="A file to append the record to.")] = None,
    modules: Import = [],  # noqa: B006
) -> None:
    """Play in the terminal."""
    from .playing import play_in_terminal

    play_in_terminal(env, seed=seed, split=split, difficulty=difficulty, settings=settings, out=out, modules=modules)


@app.command("envs")
def envs_command(json_output: Json = False) -> None:
    """List the environments."""
    from .listing import list_envs

    list_envs(json_output)


@app.command("agents")
def agents_command(json_output: Json = False) -> None:
    """List the agents."""
    from .listing import list_agents

    list_agents(json_output)


@app.command("policies")
def policies_command(json_output: Json = False) -> None:
    """List the policies that can be behind an agent, and what each can do."""
    from .listing import list_policies

    list_policies(json_output)


@app.command("suites")
def suites_command(json_output: Json = False) -> None:
    """List the suites and their entries."""
    from .listing import list_suites

    list_suites(json_output)


@app.command("recipes")
def recipes_command(json_output: Json = False) -> None:
    """List the training recipes."""
    from .listing import list_recipes

    list_recipes(json_output)


@app.command("check")
def check_command(
    env: Annotated[str, typer.Argument(help="The environment's id.", metavar="ID")],
    quick: Annotated[bool, typer.Option("--quick", help="Some seconds instead of a minute.")] = False,
    settings: Settings = [],  # noqa: B006
    modules: Import = [],  # noqa: B006
    verbose: Annotated[bool, typer.Option("--verbose", help="Name every check, not only what is broken.")] = False,
) -> None:
    """Test an environment, ours or yours, against the promises that agents rely on; exit code 1 if one is broken."""
    from .checking import check_env

    raise typer.Exit(check_env(env, quick=quick, settings=settings, modules=modules, verbose=verbose))


@app.command("sft")
def sft_command(
    config: Annotated[Path | None, typer.Argument(help="A YAML file with the settings of the run.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="A setting, such as optimizer.clip=0.5.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006
    json_output: Json = False,
) -> None:
    """Train a model on demonstrations; goes on where a run in the same folder stopped."""
    from .training import sft_command as train

    raise typer.Exit(train(config, settings, json_output=json_output))


@data_app.command("list")
def data_list(json_output: Json = False) -> None:
    """List the data sets, and which of them are here."""
    from .datasets import list_data

    list_data(json_output)


@data_app.command("add")
def data_add(
    name: Annotated[str, typer.Argument(help="The data set's name.")],
    path: Annotated[Path, typer.Argument(help="A file or folder (JSONL, CSV, Parquet, or the set's own format).")],
) -> None:
    """Register a file or folder of yours as a data set."""
    from .datasets import add_data

    add_data(name, path)


@data_app.command("pull")
def data_pull(
    name: Annotated[str, typer.Argument(help="The data set's name.")],
) -> None:
    """Download a data set from the Hugging Face hub and register it."""
    from .datasets import pull_data

    pull_data(name)


@data_app.command("experts")
def data_experts(
    out: Annotated[Path, typer.Option(help="The folder for the demonstrations.")],
    mix: Annotated[str, typer.Option(help="What is played: a mix's name, or the path of one in YAML.")] = "tiny",
    episodes: Annotated[int | None, typer.Option(help="Episodes in all (the mix's own number).", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Names all tasks and choices.", min=0)] = 0,
    split: Annotated[str, typer.Option(help="train or valid.")] = "train",
    workers: Annotated[int | None, typer.Option(help="Processes (one a core).", min=1)] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Make nothing; print what a folder holds, in replies and tokens.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Make nothing; prove that a folder holds no task of another split.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Let the experts play through the direct agent's prompts, for a model to learn from; goes on where it stopped."""
    from .experts import experts_command

    experts_command(
        out,
        mix=mix,
        episodes=episodes,
        seed=seed,
        split=split,
        workers=workers,
        count=count,
        check=check,
        json_output=json_output,
    )


@leaderboard_app.command("build")
def leaderboard_build(
    runs: Annotated[list[Path], typer.Argument(help="Run folders or record files.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="The folder for the page.")] = Path("site"),
    workers: Annotated[int, typer.Option(help="Processes to replay in.", min=1)] = 1,
    data: Annotated[
        list[str], typer.Option(help="A data file to use where a record's own is not here.", metavar="PATH")
    ] = [],  # noqa: B006
    modules: Import = [],  # noqa: B006
) -> None:
    """Replay the runs and build a page out of those that replay."""
    from .boards import build_page

    raise typer.Exit(build_page(runs, out, data=data, workers=workers, modules=modules))
