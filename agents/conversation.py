"""The conversations of an episode, each prompt written once: a generation stores what its parent does not hold."""

from collections.abc import Sequence
from typing import Any

from .policies.policy import Policy
from .types import Completion, Generation, Message, Request, Span, reply_message


class Conversations:
    """All generations of an episode, in order."""

    def __init__(self) -> None:
        self.generations: list[Generation] = []
        self._prompts: list[tuple[Message, ...]] = []
        self._tokens: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self.generations)

    def last(self, conversation: int) -> Generation | None:
        """Return the last generation of a conversation."""
        return next((made for made in reversed(self.generations) if made.conversation == conversation), None)

    def add(
        self,
        policy: Policy,
        request: Request,
        completion: Completion,
        *,
        agent: str,
        conversation: int = 0,
        parent: Generation | None = None,
        spans: tuple[Span, ...] = (),
    ) -> Generation:
        """Record an answer; of the prompt, only what does not stand in the parent's conversation already.

        `Episode.prompt` and `Episode.prompt_token_ids` put the whole together again. What only test doubles may
        read is left out.
        """
        prompt = request.messages or ()
        tokens = completion.prompt_token_ids or request.token_ids or ()
        kept = kept_tokens = 0
        if parent is not None:
            kept = _common((*self._prompts[parent.id], reply_message(parent.completion)), prompt)
            kept_tokens = _common((*self._tokens[parent.id], *(parent.completion.token_ids or ())), tokens)
        self._prompts.append(prompt)
        self._tokens.append(tokens)
        own_tokens = tokens[kept_tokens:]
        made = Generation(
            id=len(self.generations),
            agent=agent,
            policy=policy.name,
            conversation=conversation,
            parent=None if parent is None else parent.id,
            kept=kept,
            kept_tokens=kept_tokens,
            request=request.model_copy(
                update={
                    "messages": None if request.messages is None else prompt[kept:],
                    "token_ids": None if request.token_ids is None else own_tokens,
                    "choices": None,
                    "reference": None,
                }
            ),
            completion=completion.model_copy(
                update={"prompt_token_ids": None if completion.prompt_token_ids is None else own_tokens}
            ),
            spans=spans,
            template=policy.template,
        )
        self.generations.append(made)
        return made


def _common(before: Sequence[Any], after: Sequence[Any]) -> int:
    """Return the length of the common beginning."""
    count = 0
    for one, other in zip(before, after, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count
