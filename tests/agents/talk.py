"""Chat templates of several habits, and a policy that says what it is told to, in tokens."""

import asyncio
from itertools import groupby
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from rlvr.agents.lease import make_text_env
from rlvr.agents.plan import EpisodeSpec
from rlvr.agents.policies.codec import Codec
from rlvr.agents.policies.policy import Capability, Policy
from rlvr.agents.policies.template import ChatTemplate
from rlvr.agents.policies.tiny import tiny_folder
from rlvr.agents.session import Session
from rlvr.agents.types import Completion, EpisodeEnd, FinishReason, Message, Usage, reply_message

from .worlds import register

register()

OURS = (tiny_folder("tiny") / "chat_template.jinja").read_text(encoding="utf-8")

CHATML = """
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content }}
{%- for call in message.tool_calls or [] -%}
{{ '\n<tool_call>' + call.function | tojson + '</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}
{%- if tools -%}{{ '' }}{%- endif -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""

STRIPPING = """
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- set content = message.content -%}
{%- if message.role == 'assistant' and loop.index0 < last.user and '</think>' in content -%}
{%- set content = content.split('</think>')[-1].lstrip('\n') -%}
{%- endif -%}
{{ '<|im_start|>' + message.role + '\n' + content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""

OPENING_A_THOUGHT = """
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' }}
{{- message.content.split('</think>')[-1].lstrip('\n') if message.role == 'assistant' else message.content }}
{{- '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n<think>\n' }}{%- endif -%}
"""

TOOLS_LAST = """
{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if tools and loop.index0 == last.user -%}{{ '<|im_start|>tools\n' + tools | tojson + '<|im_end|>\n' }}{%- endif -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""

TOOLS_FIRST = """
{%- if tools -%}{{ '<|im_start|>tools\n' + tools | tojson + '<|im_end|>\n' }}{%- endif -%}
""" + CHATML.replace("{%- if tools -%}{{ '' }}{%- endif -%}\n", "")

NO_SYSTEM = (
    """
{%- if messages[0].role == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}
"""
    + CHATML
)

TRIMMING = CHATML.replace("message.content }}", "message.content | trim }}")

STRICT_RESULTS = (
    """
{%- for message in messages -%}
{%- set before = messages[loop.index0 - 1] -%}
{%- if message.role == 'tool' and not before.tool_calls and before.role != 'tool' -%}
{{ raise_exception('A result needs a call') }}
{%- endif -%}
{%- endfor -%}
"""
    + TOOLS_FIRST
)

PARTS = CHATML.replace("message.content }}", "message.content[0].text }}")

TEXT_ARGUMENTS = CHATML.replace("call.function | tojson", "call.function.arguments")

TEMPLATES = {
    "parts": PARTS,
    "text arguments": TEXT_ARGUMENTS,
    "ours": OURS,
    "chatml": CHATML,
    "stripping": STRIPPING,
    "opening a thought": OPENING_A_THOUGHT,
    "tools last": TOOLS_LAST,
    "tools first": TOOLS_FIRST,
    "no system": NO_SYSTEM,
    "trimming": TRIMMING,
    "strict results": STRICT_RESULTS,
}
TOOLS = ({"type": "function", "function": {"name": "look", "description": "Look <|im_end|> around."}},)


def tokenizer() -> Tokenizer:
    """Return tiny's tokenizer with ChatML's control tokens beside its own."""
    made = Tokenizer.from_file(str(tiny_folder("tiny") / "tokenizer.json"))
    made.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in ("<|im_start|>", "<|im_end|>")]
    )
    return made


_codec = Codec.from_tokenizers(tokenizer())


def chat(name: str = "ours", **variables) -> ChatTemplate:
    end = "<|end|>" if name == "ours" else "<|im_end|>"
    return ChatTemplate(_codec, TEMPLATES[name], name=name, end_ids=[_codec.control[end]], variables=variables)


def system(text):
    return Message(role="system", content=text)


def user(text):
    return Message(role="user", content=text)


def assistant(text, **more):
    return Message(role="assistant", content=text, **more)


def result(text):
    return Message(role="tool", content=text, tool_call_id="000000001")


class Cut(str):
    """A reply that stops at its greatest length, without an end token."""


class Speaker(Policy):
    """Says the given replies in turn: texts, or ids as they are."""

    name = "speaker"
    capabilities = frozenset({Capability.TEXT, Capability.TOKEN_IDS, Capability.LOGPROBS})

    def __init__(self, template, replies, context_length=None):
        self.chat = template
        self.replies = list(replies)
        self.context_length = context_length
        self.asked = []

    def sampled(self, reply):
        if not isinstance(reply, str):
            return tuple(reply)
        end = () if isinstance(reply, Cut) else (self.chat.end_of_turn,)
        return (*self.chat.encode(reply), *end)

    async def generate(self, requests):
        made = []
        for request in requests:
            reply = self.replies[len(self.asked) % len(self.replies)]
            self.asked.append(request)
            ids = self.sampled(reply)
            made.append(
                Completion(
                    text=self.chat.decode([number for number in ids if number not in self.chat.end_ids]),
                    token_ids=ids,
                    logprobs=tuple(-0.5 - place - 1000 * len(self.asked) for place in range(len(ids))),
                    prompt_token_ids=request.token_ids,
                    finish_reason=FinishReason.STOP if ids[-1] in self.chat.end_ids else FinishReason.LENGTH,
                    usage=Usage(
                        prompt_tokens=len(request.token_ids or ()), completion_tokens=len(ids), forwarded_tokens=7
                    ),
                )
            )
        return made


def new_session(**kwargs):
    spec = EpisodeSpec("a run", "an entry", 3, 1, "test/count-v0", {}, options={"split": "test"})
    return Session(make_text_env("test/count-v0", {}), spec, agent="tester", **kwargs)


def talk(policy, opening, turns, tools=(), **kwargs):
    """Let a policy answer an opening and then turn after turn; return the recorded episode."""

    async def go():
        session = new_session(**kwargs)
        await session.reset()
        messages = list(opening)
        made = await session.ask(policy, messages, tools=tools)
        for turn in turns:
            messages = [*messages, reply_message(made.completion), *turn]
            made = await session.ask(policy, messages, tools=tools)
        return session.episode(EpisodeEnd.SUBMITTED)

    return asyncio.run(go())


def told(conversation, template, start=0):
    """Return a conversation as stretches of role and text; what was sampled is marked with a star."""
    rows = list(zip(conversation.ids, conversation.roles, conversation.sampled_by, strict=True))[start:]
    stretches = groupby(rows, key=lambda row: (row[1], row[2] is not None))
    return [
        (f"{'*' if sampled else ''}{role}", template.decode([row[0] for row in group]))
        for (role, sampled), group in stretches
    ]


FOLDER = Path(__file__).parent
