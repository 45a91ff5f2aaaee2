"""`rlvr play`: a person at the keyboard (or a script in a pipe) plays an episode."""

import asyncio
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..agents.lease import canonical_id, make_text_env
from ..agents.plan import EpisodeSpec, Placement
from ..agents.records import episode_line
from ..agents.session import EnvError, Session
from ..agents.types import EpisodeEnd
from ..tasks.actions import accepted, match_action
from ..tasks.config import parse_settings
from ..tasks.errors import UserError
from ..tasks.task import Split
from .output import import_modules, say

_COMMANDS = (":undo", ":actions", ":hint", ":again", ":help", ":quit")
_HELP = (
    "Type an action and press Enter. :undo takes back a step, :actions lists what is legal, :hint asks the expert, "
    ":again shows the state, :help says this, :quit ends."
)


def play_in_terminal(
    env_id: str,
    *,
    seed: int | None,
    split: Split | str | None,
    difficulty: str | None,
    settings: Sequence[str],
    out: Path | None,
    modules: Sequence[str],
) -> None:
    """Play one episode, action by action from standard input, until it ends or the input does."""
    import_modules(modules, env_id)
    env_id, kwargs = canonical_id(env_id), parse_settings(settings, "--set")
    if seed is not None and seed < 0:
        raise UserError(f"The seed must be 0 or more, not {seed}.")
    env = make_text_env(env_id, kwargs)
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    run, entry = f"play/{seed}", env_id.rpartition("/")[2]
    placement = Placement(env, split=split, difficulty=difficulty, run=run, entry=entry)  # type: ignore[arg-type]
    spec = EpisodeSpec(run, entry, 0, 0, env_id, kwargs, options=placement.options(0))
    session = Session(env, spec, agent="person")
    try:
        asyncio.run(_play(session, seed))
    except EnvError as problem:
        raise UserError(f"The environment failed: {problem}.") from problem
    finally:
        if out is not None and session.info:
            _append(out, session)
        env.close()


async def _play(session: Session, seed: int) -> None:
    print(f"{session.instructions}\n\nAccepted: {accepted(session.actions)}.\n{_HELP}\n(seed {seed})\n")
    observation, _ = await session.reset()
    print(observation)
    back = [await session.snapshot()]
    while not session.over:
        text = _read_line()
        if text is None or text == ":quit":
            print("You stopped.")
            break
        if not text:
            continue  # a bare Enter is no move
        if text.startswith(":"):
            await _command(session, text, back)
            continue
        if f":{text.lower()}" in _COMMANDS and not _is_action(session, text):
            print(f"Did you mean :{text.lower()}? Commands begin with a colon.")
            continue
        observation, reward, _, _, _ = await session.step(text)
        print(observation if not reward else f"{observation}\n(reward {reward:g})")
        if not session.over:
            back.append(await session.snapshot())
    info = session.info
    outcome = "solved" if info["is_success"] else info["stop_reason"] or "not finished"
    print(f"\nScore {info['score']:g} ({outcome}), total reward {session.total_reward:g}, {_steps(session)}.")


def _is_action(session: Session, text: str) -> bool:
    """Say whether a text has the form of an action; a verifier reads any text."""
    rules = session.env.rules
    return rules.judged or text in (session.legal_actions() or ()) or match_action(rules.actions, text) is not None


def _steps(session: Session) -> str:
    count = session.ledger.env_steps
    return f"{count} step{'' if count == 1 else 's'}"


async def _command(session: Session, text: str, back: list[int]) -> None:
    if text == ":undo":
        if len(back) == 1:
            print("There is nothing to take back.")
            return
        back.pop()
        print((await session.restore(back[-1]))[0])
    elif text == ":actions":
        legal: Any = session.legal_actions()
        print(accepted(session.actions) if legal is None else "; ".join(legal) or "Nothing is legal here.")
    elif text == ":hint":
        action = await session.expert_action()
        print("The expert knows no way from here." if action is None else action)
    elif text == ":again":
        print(session.observation)
    else:
        print(_HELP)


def _read_line() -> str | None:
    """Return one line of input without its line break; None at its end. The prompt is shown to people only."""
    if sys.stdin.isatty():
        print("> ", end="", flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _append(out: Path, session: Session) -> None:
    if not session.submitted:
        session.submit()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("ab") as file:
            file.write(episode_line(session.episode(EpisodeEnd.SUBMITTED)))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}.") from None
    say(f"The record is in {out}.")
