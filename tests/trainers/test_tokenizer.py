import json
import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

from rlvr.trainers.corpus.grammar import expand
from rlvr.trainers.corpus.mixture import GRAMMARS, corpus
from rlvr.trainers.tokenizer import FORMAT, PIECE, RESERVED, SPECIAL, VOCABULARY, train, write


def weights_folder(name):
    return Path(str(resources.files("rlvr.agents"))) / "weights" / name


NAMES = ("tiny", "tiny-base")
TEXT = "Find the way to the exit.\n\n#####\n#@ E#\n#####\n√X_ 3 + 47 = 50 Red button\r\n\tGrüße 漢字 👍🏽 \x00"


@pytest.fixture(scope="module")
def ours():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(weights_folder("tiny") / "tokenizer.json"))


@pytest.fixture(scope="module")
def theirs():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(weights_folder("tiny"))


def test_the_vocabulary_has_2048_entries_and_the_fixed_ones_stand_in_front(ours):
    fixed = (*SPECIAL, *FORMAT, *RESERVED)
    assert ours.get_vocab_size() == VOCABULARY == 2048
    assert [ours.id_to_token(number) for number in range(len(fixed))] == list(fixed)
    assert sorted(ours.get_vocab().values()) == list(range(VOCABULARY))


def test_both_folders_hold_the_same_tokenizer():
    tiny, base = (weights_folder(name) for name in NAMES)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tiny / name).read_bytes() == (base / name).read_bytes()


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=80) | st.lists(st.sampled_from([*FORMAT, "#", " ", "\n", "Up", "12", "√"])).map("".join))
def test_every_text_comes_back_and_transformers_reads_the_same_ids(ours, theirs, text):
    ids = ours.encode(text).ids
    assert ours.decode(ids) == text
    assert theirs.encode(text) == ids
    assert theirs.decode(ids) == text


def test_special_tokens_are_hidden_in_decoded_text_and_format_tokens_are_not(ours):
    ids = ours.encode("<|user|>Go<|end|><think>up</think>").ids
    assert ours.decode(ids) == "Go<think>up</think>"
    assert ours.decode(ids, skip_special_tokens=False) == "<|user|>Go<|end|><think>up</think>"


def test_a_picture_and_a_number_have_one_token_a_character(ours):
    for text in ("#####\n#@# #\n# #E#\n#####", "#_X√\n#PSO\n", "4096 + 17", "(0,1) (10,2)", "A B"):
        assert len(ours.encode(text).ids) == len(text)


def test_words_take_the_blank_before_them_and_one_capital(ours):
    pieces = re.findall(PIECE, "You see  McDonald's AbC 3 up")
    assert pieces == ["You", " see", " ", " Mc", "Donald", "'", "s", " Ab", "C", " ", "3", " up"]
    tokens = [ours.decode([number]) for number in ours.encode("up Up down left.The").ids]
    assert "".join(tokens) == "up Up down left.The" and tokens[0] == "up" and tokens[-2:] == [".", "The"]


def test_no_token_could_span_two_pieces(ours):
    whole = re.compile(r"(?: ?[A-Z]?[a-z]*|[\s\S])\Z")
    for number in range(len(SPECIAL) + len(FORMAT) + len(RESERVED), VOCABULARY):
        text = ours.decode([number])
        assert "\ufffd" in text or whole.match(text), text


def test_the_words_of_the_environments_are_single_tokens(ours):
    for text in ("up", "down", "left", "right", " maze", " exit", " box", " target", " reward", "Numbers", " fridge"):
        assert len(ours.encode(text).ids) == 1, text


def test_the_chat_template_is_append_only_and_costs_two_tokens_a_message(theirs):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": TEXT},
        {"role": "assistant", "content": "<think>hm</think><action>up</action>"},
        {"role": "tool", "content": [{"type": "text", "text": "4"}, {"type": "text", "text": "2"}]},
    ]
    before = ""
    for count in range(1, len(messages) + 1):
        text = theirs.apply_chat_template(messages[:count], tokenize=False)
        assert text.startswith(before)
        before = text
    assert before.endswith("<|tool|>42<|end|>")
    prompt = theirs.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert prompt == f"<|system|>Be brief.<|end|><|user|>{TEXT}<|end|><|assistant|>"
    ids = theirs.apply_chat_template(messages[:1])["input_ids"]
    assert ids[0] == 2 and ids[-1] == 1 and len(ids) == 2 + len(theirs.encode("Be brief."))


def test_training_again_gives_the_same_bytes_and_only_the_texts_decide():
    texts = list(corpus(seed=3, characters=3_000))
    first = train(texts, size=700, merged=100)
    assert train(reversed(texts), size=700, merged=100) == first
    assert train(texts[: len(texts) // 2], size=700, merged=100) != first
    assert len(json.loads(first)["model"]["vocab"]) == 700


def test_the_corpus_is_the_same_every_time_and_names_change_it():
    assert list(corpus(1, 500)) == list(corpus(1, 500)) != list(corpus(2, 500))


@pytest.mark.parametrize("name", GRAMMARS)
def test_every_symbol_of_a_grammar_can_be_expanded(name):
    from rlvr.tasks.rng import Rng

    rng = Rng.named("test", name)
    for symbol in GRAMMARS[name]:
        for _ in range(2 * len(GRAMMARS[name][symbol])):
            assert not re.search(r"\{[a-z]\w*\}", expand(GRAMMARS[name], symbol, rng).replace(r"\boxed", ""))


def test_a_written_folder_loads(tmp_path):
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    write(tmp_path / "new", train(["some text"], size=400, merged=10))
    loaded = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert isinstance(loaded, PreTrainedTokenizerFast)
    assert (loaded.pad_token_id, loaded.eos_token_id, loaded.bos_token_id) == (0, 1, None)
    assert loaded.decode(loaded.encode(TEXT)) == TEXT
