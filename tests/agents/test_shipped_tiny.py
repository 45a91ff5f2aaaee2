"""The models that ship with the package: their folders, what they can do, and that they were not trained on tests."""

import json
import re
import time

import pytest

from rlvr.agents.direct import DirectConfig, system_prompt, user_text
from rlvr.agents.lease import make_text_env
from rlvr.agents.policies.policy import make_policy
from rlvr.agents.policies.tiny import tiny_folder
from rlvr.agents.types import Message, Sampling
from rlvr.trainers.embedded import EASY, examine, trained_on
from rlvr.trainers.experts.play import PLAN

NAMES = ("tiny", "tiny-base")
LEAST = {
    "arithmetic two-digit": 0.6,
    "maze 5x5": 0.5,
    "bandit 5 easy": 0.3,
    "sokoban 6x6-1, 3 pushes": 0.2,
    "game24 easy": 0.02,
}
"""On 20 tasks, as a smoke test; `python -m benchmarks tiny` measures on 200."""


def test_both_together_stay_small():
    size = sum(file.stat().st_size for name in NAMES for file in tiny_folder(name).rglob("*"))
    assert size < 16e6


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_is_transformers_own(name):
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder(name), dtype=torch.float64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folder(name))
    assert 1e6 < sum(weight.numel() for weight in theirs.parameters()) < 8e6
    assert len(tokenizer) <= 2048
    policy = make_policy(name, dtype="float64")
    [answer] = policy.generate_sync(["Compute $17 + 25$."], Sampling(max_tokens=60, logprobs=True))
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Compute $17 + 25$."}], add_generation_prompt=True, return_dict=False
    )
    ids = torch.tensor([[*prompt, *answer.token_ids]])
    with torch.no_grad():
        scores = theirs(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    expected = scores.gather(1, ids[0, len(prompt) :, None])[:, 0]
    assert expected.tolist() == pytest.approx(list(answer.logprobs), abs=1e-5)


def test_it_is_loaded_in_two_seconds():
    one = Sampling(max_tokens=1)
    make_policy("tiny-base").generate_sync(["a"], one)  # torch itself is imported
    began = time.perf_counter()
    make_policy("tiny").generate_sync(["a"], one)
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("level", EASY, ids=lambda level: level.name)
def test_tiny_plays_tasks_that_it_was_not_trained_on(level):
    policy = make_policy("tiny", dtype="float32")
    assert examine(level, policy, instances=20, seen=trained_on(tiny_folder("tiny"))).value >= LEAST[level.name]


def test_the_base_leaves_room_to_learn():
    values = [examine(level, make_policy("tiny-base", dtype="float32"), instances=20).value for level in EASY]
    assert sum(values) / len(values) < 0.35


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_how_it_was_made_and_names_no_folder_of_a_machine(name):
    card = (tiny_folder(name) / "README.md").read_text(encoding="utf-8")
    runs = ["rlvr sft trainers/embedded.yaml"] + ["rlvr sft trainers/embedded-more.yaml"] * (name == "tiny")
    for fact in (*runs, "| seed |", "data fingerprint", "training time", "loss.svg"):
        assert fact in card
    assert not re.search(r'["`](/|[A-Z]:\\)', card)


def test_every_form_of_reply_is_known():
    """A bare command, tags with a thought, a plan with its sub-goals: as the system prompt asks."""
    env = make_text_env("rlvr/sokoban-v0", {})
    observation, info = env.reset(seed=5, options={"difficulty": "6x6-1", "split": "test"})
    policy = make_policy("tiny", dtype="float32")

    def reply(config):
        system = Message(role="system", content=system_prompt(env, config))
        user = Message(role="user", content=user_text(observation, info["legal_actions"], config))
        return policy.generate_sync([[system, user]], Sampling(temperature=0, max_tokens=120))[0].text

    moves = "(up|down|left|right)"
    assert re.fullmatch(moves, reply(DirectConfig(extraction="raw")))
    assert re.fullmatch(f"(<think>[^<]+</think>)?<action>{moves}</action>", reply(DirectConfig()))
    plan = reply(DirectConfig(system=PLAN))
    assert re.match(r"<plan>\n1\. .+\n(\d\. .+\n)*</plan>(<think>|<action>)", plan), json.dumps(plan)
