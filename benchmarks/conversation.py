"""Templating and tokenising a conversation of many turns, against rendering and tokenising all of it at every turn.

Processor time is measured, since the machine may be shared.
"""

import time
from typing import Any

from rlvr.agents.conversation import Conversations
from rlvr.agents.policies.policy import Policy
from rlvr.agents.policies.template import ChatTemplate
from rlvr.agents.policies.tiny import tiny_folder
from rlvr.agents.types import Completion, Generation, Message, Request, Sampling, reply_message

from .harness import Row, interleave

TURNS = (8, 32, 128)
OBSERVATION_TOKENS, REPLY_TOKENS = 120, 16
WORLD = "You are in a kitchen. You see a fridge 1, a cabinet 2 and, on the table, a mug 3; the door leads west. "


class Silent(Policy):
    """Owns a template; its answers are made up."""

    name = "silent"

    def __init__(self, chat: ChatTemplate) -> None:
        self.chat = chat

    async def generate(self, requests: Any) -> list[Completion]:
        """Never asked."""
        raise NotImplementedError


def of_tokens(chat: ChatTemplate, text: str, count: int) -> str:
    """Return a text of so many tokens, made by repeating another."""
    ids = chat.encode(text * (1 + count // len(chat.encode(text))))
    return chat.decode(ids[:count])


def observations(chat: ChatTemplate, turns: int) -> list[Message]:
    """Return one user message a turn."""
    return [
        Message(role="user", content=of_tokens(chat, f"Turn {turn}. {WORLD}", OBSERVATION_TOKENS))
        for turn in range(turns)
    ]


def our_seconds(chat: ChatTemplate, turns: int, *, record: bool) -> float:
    """Return the seconds a session spends on prompts; with `record` also on roles, drift and the record."""
    repeats = TURNS[-1] // turns  # short conversations several times, so that all are measured equally well
    return sum(_our_seconds(chat, turns, record) for _ in range(repeats)) / repeats


def _our_seconds(chat: ChatTemplate, turns: int, record: bool) -> float:
    policy, episode = Silent(chat), Conversations()
    ids = (*chat.encode(of_tokens(chat, "<action>go to cabinet 2</action>", REPLY_TOKENS - 1)), chat.end_ids[0])
    completion = Completion(text=chat.decode(ids[:-1]), token_ids=ids, logprobs=(-0.5,) * len(ids))
    messages: list[Message] = [Message(role="system", content=WORLD)]
    parent: Generation | None = None
    spent = 0.0
    clock = time.process_time
    for said in observations(chat, turns):
        messages.append(said)
        start = clock()
        prepared = episode.prepare(policy, messages, (), parent)
        if not record:
            spent += clock() - start
        assert prepared is not None
        request = Request.model_construct(
            messages=prepared.messages, token_ids=prepared.ids, sampling=Sampling(), seed=0, tools=()
        )
        parent = episode.add(policy, request, completion, agent="direct", parent=parent, prepared=prepared)
        if record:
            spent += clock() - start
        messages.append(reply_message(completion))
    assert len(prepared.ids) > turns * OBSERVATION_TOKENS
    return spent


def their_seconds(tokenizer: Any, chat: ChatTemplate, turns: int) -> float:
    """Return the seconds that transformers spends on the whole history at every turn."""
    reply = of_tokens(chat, "<action>go to cabinet 2</action>", REPLY_TOKENS - 1)
    messages = [{"role": "system", "content": WORLD}]
    spent = 0.0
    clock = time.process_time
    for said in observations(chat, turns):
        messages.append({"role": "user", "content": str(said.content)})
        start = clock()
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        spent += clock() - start
        messages.append({"role": "assistant", "content": reply})
    assert len(ids) > turns * OBSERVATION_TOKENS
    return spent


def run(quick: bool = False) -> list[Row]:
    """Compare at several lengths, and our own cost a turn at the greatest with that at the smallest."""
    from transformers import AutoTokenizer

    folder = tiny_folder("tiny")
    chat = ChatTemplate.from_folder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    our_seconds(chat, 2, record=True)
    rows, whole = [], {}
    for turns in TURNS:
        prompts, everything, theirs = interleave(
            lambda turns=turns: our_seconds(chat, turns, record=False),  # type: ignore[misc]
            lambda turns=turns: our_seconds(chat, turns, record=True),  # type: ignore[misc]
            lambda turns=turns: their_seconds(tokenizer, chat, turns),  # type: ignore[misc]
            rounds=3 if quick else 7,
        )
        whole[turns] = everything
        last = turns == TURNS[-1]
        rows.append(
            Row(
                f"{turns} turns: templating and tokenising", prompts * 1e3, theirs * 1e3, "ms",
                "a 20th" if last else "less", prompts * 20 <= theirs if last else prompts < theirs,
                "transformers apply_chat_template every turn",
            )
        )  # fmt: skip
        rows.append(
            Row(
                f"{turns} turns: the same with roles, drift and the record", everything * 1e3, theirs * 1e3, "ms",
                "less", everything < theirs, "the same",
            )
        )  # fmt: skip
    few, many = TURNS[0], TURNS[-1]
    rows.append(
        Row(
            f"a turn of {many}, record included", whole[many] / many * 1e6, whole[few] / few * 1e6, "us",
            "linear: at most 1.5 times", whole[many] / many <= 1.5 * whole[few] / few, f"a turn of {few}",
        )
    )  # fmt: skip
    return rows
