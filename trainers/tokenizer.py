"""The embedded model's tokenizer: a byte-level BPE of 2,048 entries, made so that a small model sees grids and digits.

    python -m rlvr.trainers.tokenizer agents/weights/tiny

Text is first cut into pieces, and no token spans two of them. A piece is a word of letters, with at most one capital,
its first, and with the blank before it; everything else is one character a piece: digits, other capitals, signs,
line breaks, blanks. So a number is its digits, and a picture has one token a character, which puts the neighbour
below at a constant distance. Every other character falls back to its bytes, so every text can be written.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .corpus.mixture import corpus

VOCABULARY = 2048
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
"""Ids 0 to 5: a chat template's own, never part of a message's text."""
FORMAT = (
    "<think>", "</think>", "<action>", "</action>", "<plan>", "</plan>", "<sub_done>", "<tool_call>", "</tool_call>",
    "<answer>", "</answer>",
)  # fmt: skip
"""Ids 6 to 16: what agents ask for; they show in decoded text."""
RESERVED = tuple(f"<|reserved_{number}|>" for number in range(32))
"""Ids 17 to 48, for formats to come."""

MERGED = 500
"""Entries that come from merging. Fewer serve the corpus alone a little better (0.1 %), more serve other words."""
PIECE = r" ?[A-Z]?[a-z]+|[\s\S]"
"""What a token may span; the first alternative that fits."""
_PIECE = re.compile(PIECE)

CONTEXT = 8192
"""What `tokenizer_config.json` names as the longest text, in tokens; a model's own limit may be lower."""

RESPONSE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|assistant|>",
    "fields": {"content": {"close": "<|end|>", "content": "text"}},
}
"""Where a reply stands: `transformers serve` would look for Qwen's own markers, and give the prompt as part of it."""

TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
"""The chat template: a role's token, the text, the end token. It never rewrites what has been said."""


def train(texts: Iterable[str], size: int = VOCABULARY, merged: int = MERGED) -> str:
    """Return the tokenizer of these texts as `tokenizer.json` has it; the same texts give the same bytes.

    Plain BPE spends most of a small vocabulary on the halves of long words. So only `merged` entries come from BPE;
    the rest are whole words, those that save the most tokens, which are looked up before anything is merged
    (`ignore_merges`, as in Llama 3's tokenizer).

    Args:
        texts: What to learn from. The format tokens are taken out first, they have ids of their own.
        size: Entries, those fixed at the front included.
        merged: Entries made by merging, for words that are not whole.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    fixed = (*SPECIAL, *FORMAT, *RESERVED)
    counts = _piece_counts(_without(fixed, text) for text in texts)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(fixed) + 256 + merged,
        special_tokens=list(fixed),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for piece, count in counts.items() for _ in range(count)), trainer)
    data = json.loads(tokenizer.to_str())
    for entry in data["added_tokens"]:
        entry["special"] = entry["content"] in SPECIAL
    vocabulary: dict[str, int] = data["model"]["vocab"]
    saved = {piece: count * (len(tokenizer.encode(piece).ids) - 1) for piece, count in counts.items()}
    for piece in sorted(saved, key=lambda piece: (-saved[piece], piece))[: size - len(vocabulary)]:
        (written, _), *_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(piece)
        vocabulary[written] = len(vocabulary)
    data["model"]["ignore_merges"] = True
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _pre_tokenizer() -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECE), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _piece_counts(texts: Iterable[str]) -> dict[str, int]:
    """Return how often each piece occurs, in the order of the alphabet, so that ties are broken the same way."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_PIECE.findall(text))
    return dict(sorted(counts.items()))


def _without(tokens: Iterable[str], text: str) -> str:
    for token in tokens:
        text = text.replace(token, "\n")
    return text


def write(folder: Path, tokenizer: str) -> None:
    """Write the tokenizer's files: what transformers, vLLM and our own code read.

    Args:
        folder: Where to; made if it is not there.
        tokenizer: The text of `tokenizer.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<|pad|>",
        "eos_token": "<|end|>",
        "bos_token": None,
        "unk_token": None,
        "add_bos_token": False,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "model_max_length": CONTEXT,
        "model_input_names": ["input_ids", "attention_mask"],
        "response_template": RESPONSE,
    }
    generation = {"eos_token_id": SPECIAL.index("<|end|>"), "pad_token_id": SPECIAL.index("<|pad|>")}
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(folder / "generation_config.json", {**generation, "do_sample": True, "temperature": 0.7})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    made = train(corpus())
    for name in sys.argv[1:]:
        write(Path(name), made)
