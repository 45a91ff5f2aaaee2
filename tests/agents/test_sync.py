"""The synchronous front: for scripts, notebooks, several threads."""

import asyncio
import threading

import pytest

from rlvr.agents.policies.policy import Policy
from rlvr.agents.policies.scripted import ScriptedPolicy
from rlvr.agents.types import Completion, Message, Request, Sampling
from rlvr.tasks.errors import MissingData


class Bound(Policy):
    """Binds itself to the loop it is started in, as connections do."""

    name = "bound"

    def __init__(self, failures=0):
        self.failures = failures
        self.starts = 0
        self.asked = []

    async def start(self):
        self.starts += 1
        await asyncio.sleep(0.01)
        if self.starts <= self.failures:
            raise MissingData("there is no model yet")
        self.loop = asyncio.get_running_loop()

    async def generate(self, requests):
        assert asyncio.get_running_loop() is self.loop
        self.asked += requests
        return [Completion(text=request.messages[-1].content.upper()) for request in requests]


def test_one_prompt_or_several_of_any_form():
    policy = Bound()
    messages = [Message(role="system", content="x"), Message(role="user", content="b")]
    request = Request(messages=messages, sampling=Sampling(max_tokens=3))
    assert [made.text for made in policy.generate_sync("a")] == ["A"]
    assert [made.text for made in policy.generate_sync(messages)] == ["B"]
    assert [made.text for made in policy.generate_sync(["a", messages, request], Sampling(max_tokens=7))] == [*"ABB"]
    assert [made.text for made in policy.generate_sync(request)] == ["B"]
    assert policy.generate_sync([]) == []
    assert [asked.sampling.max_tokens for asked in policy.asked[2:]] == [7, 7, 3, 3]
    assert policy.starts == 1


def test_it_works_inside_a_running_loop():
    async def cell():
        return ScriptedPolicy(["hello"]).generate_sync("hi")

    assert asyncio.run(cell())[0].text == "hello"


def test_threads_share_one_start():
    policy = Bound()
    threads = [threading.Thread(target=policy.generate_sync, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (policy.starts, len(policy.asked)) == (1, 8)


def test_a_start_that_failed_is_tried_again():
    policy = Bound(failures=1)
    with pytest.raises(MissingData):
        policy.generate_sync("a")
    assert policy.generate_sync("a")[0].text == "A"
