"""The README as code: its tables are written from the registries, its commands are run as they stand.

`python tests/project/readme.py tables` rewrites the tables; `... commands` runs the shell blocks in an empty folder.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
OWN_STAGES = ("make demo", "make test")
"""Commands that CI runs as stages of their own."""


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def environments_table() -> str:
    """Return one line an id."""
    from rlvr.envs.registry import ENVS

    lines = ["| id | what | levels | steps | data |", "| --- | --- | --- | --- | --- |"]
    for row in ENVS:
        levels = " ".join(f"`{level}`" for level in row.difficulties) or "by the data"
        data = f"`{row.data}`" if row.data else "none needed"
        lines.append(f"| `{row.id}` | {row.summary} | {levels} | {row.horizon} | {data} |")
    return "\n".join(lines)


def agents_table() -> str:
    """Return one line an agent."""
    from rlvr.agents.registry import AGENTS

    lines = ["| name | what |", "| --- | --- |"]
    lines += [f"| `{row.name}` | {row.summary} |" for row in AGENTS]
    return "\n".join(lines)


def policies_table() -> str:
    """Return one line a kind of policy."""
    from rlvr.agents.policies.policy import BACKENDS

    lines = ["| policy | what |", "| --- | --- |"]
    lines += [f"| `{row.form}` | {row.summary} |" for row in BACKENDS]
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """Return the README with its tables written anew."""
    tables = {"environments": environments_table(), "agents": agents_table(), "policies": policies_table()}
    for name, table in tables.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, table=table: f"{found.group(1)}{table}\n{found.group(2)}",
            text,
            flags=re.DOTALL,
        )
    return text


def run_commands() -> None:
    """Run every `bash` block, but for the commands that are stages of their own."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        for block in blocks("bash"):
            commands = "\n".join(line for line in block.splitlines() if not line.startswith(OWN_STAGES))
            if commands.strip():
                print(commands, flush=True)
                subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["tables"]:
        README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
    elif sys.argv[1:] == ["commands"]:
        run_commands()
    else:
        sys.exit(__doc__)
