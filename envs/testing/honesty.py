"""Checks that the task can only be solved by solving it: leaks, privileges, splits, the expert, and cheats."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ...tasks.rng import Rng
from ..info import StepInfo
from .actions import random_text
from .report import NotApplicable, Violation
from .subject import Subject
from .traces import shown

LEAK_TASKS = 12
CHANCE = 1e-4
"""A floor counts as exceeded when a policy at the floor would score so much with less than this chance."""
_ALWAYS_TRIED = ("0", "1", "2", "42", "yes", "A")


def leaks(subject: Subject) -> str:
    """See `Check.LEAKS`.

    Heuristics: the solution of a single-turn task must not stand in what `reset` returns, more often than chance
    would have it; in longer episodes no undocumented key may hold the expert's next action or its whole plan.
    """
    env = subject.bare()
    _, info = env.reset(seed=subject.seed)
    if info["steps_left"] == 1:
        return _leaks_in_one_turn(env, subject)
    return _leaks_in_many_turns(env, subject)


def _leaks_in_one_turn(env: Any, subject: Subject) -> str:
    found: Counter[str] = Counter()
    answers = set()
    for seed in subject.seeds(LEAK_TASKS):
        observation, info = env.reset(seed=seed)
        answer = env.expert_action()
        if answer is None:
            continue
        answers.add(answer)
        for place, text in [("the observation", observation), *_texts(info)]:
            if _stands_in(answer, text):
                found[place] += 1
    if len(answers) < 3:
        raise NotApplicable("there are too few different answers to look for")
    for place, count in found.items():
        if count > LEAK_TASKS // 2:
            raise Violation(f"{place} holds the answer in {count} of {LEAK_TASKS} tasks; only reveal=True may tell it")
    return f"{len(answers)} answers stand neither in the observation nor in info"


def _leaks_in_many_turns(env: Any, subject: Subject) -> str:
    known = set(StepInfo.__annotations__)
    next_action: Counter[str] = Counter()
    looked = 0
    for seed in subject.seeds(min(8, subject.sizes.episodes * 2)):
        _, info = env.reset(seed=seed)
        for _ in range(4):
            action = env.expert_action()
            if action is None:
                break
            looked += 1
            for place, text in _texts(info):
                if place not in {f"info[{key!r}]" for key in known} and _stands_in(action, text):
                    next_action[place] += 1
            _check_plan(env, info, subject)
            _, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                break
    for place, count in next_action.items():
        if looked >= 8 and count > 0.9 * looked:
            raise Violation(f"{place} holds the expert's next action in {count} of {looked} states")
    return f"info does not tell what the expert does next in {looked} states"


def _check_plan(env: Any, info: dict[str, Any], subject: Subject) -> None:
    """Look for the whole plan, joined or as a list, in `info`; `solve` gives it where there are rules."""
    rules = getattr(env, "rules", None)
    if rules is None:
        return
    plan = rules.solve(env.snapshot().state)
    if not plan or len(plan) < 3:
        return
    joined = {separator.join(plan) for separator in (" ", ", ", "\n", "; ", "")}
    for key, value in info.items():
        if key == "legal_actions":
            continue
        if isinstance(value, list | tuple) and [str(item) for item in value] == list(plan):
            raise Violation(f"info[{key!r}] holds the expert's plan; only reveal=True may tell it")
        if isinstance(value, str) and len(plan) > 3 and any(text in value for text in joined):
            raise Violation(f"info[{key!r}] holds the expert's plan as text; only reveal=True may tell it")


def _texts(info: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every value of `info` as text, but those that cannot tell the answer."""
    for key, value in info.items():
        if key not in ("task_uid", "legal_actions", "steps_left", "score", "is_success", "action_is_valid"):
            yield f"info[{key!r}]", value if isinstance(value, str) else repr(value)


def _stands_in(answer: str, text: str) -> bool:
    """Return whether an answer stands in a text as a word of its own."""
    start = text.find(answer)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(answer) : start + len(answer) + 1]
        if not (before.isalnum() or after.isalnum()):
            return True
        start = text.find(answer, start + 1)
    return False


def privileged(subject: Subject) -> str:
    """See `Check.PRIVILEGED`."""
    env = subject.bare()
    _, plain = env.reset(seed=subject.seed)
    env.restore(env.snapshot())
    env.step(env.examples[0])
    if env.privileged:
        raise Violation(f"plain play flagged {', '.join(sorted(env.privileged))} as privileged")
    env.reset(seed=subject.seed)
    env.expert_action()
    if "expert_action" not in env.privileged:
        raise Violation("expert_action() must add 'expert_action' to privileged")
    if hasattr(type(env), "task"):
        _ = env.task
        if "task" not in env.privileged:
            raise Violation("reading the task, which holds the answer, must add 'task' to privileged")
    open_env = subject.bare(reveal=True)
    if "reveal" not in open_env.privileged:
        raise Violation("reveal=True must add 'reveal' to privileged")
    _, told = open_env.reset(seed=subject.seed)
    if not told.keys() - plain.keys():
        raise Violation("reveal=True must add the answer to info")
    return "reveal, expert_action and task are flagged, plain play is not"


def splits(subject: Subject) -> str:
    """See `Check.SPLITS`."""
    env = subject.bare()
    names = subject.splits(env)
    if len(names) < 2:
        raise NotApplicable(f"there is one split only ({', '.join(names) or 'none named'})")
    owner: dict[str, str] = {}
    source = env.source
    if hasattr(source, "find"):
        pairs = ((task.uid, task.split) for task in (source[i] for i in range(len(source))))
    else:
        pairs = (
            (source.sample(seed, split, level).uid, split)
            for level in (source.difficulties[0], source.difficulties[-1])[: len(source.difficulties)]
            for split in names
            for seed in subject.seeds(subject.sizes.tasks)
        )
    for uid, split in pairs:
        if owner.setdefault(uid, split) != split:
            raise Violation(
                f"{uid} is in the splits {owner[uid]!r} and {split!r}; let a hash of the content decide the split"
            )
    return f"{len(owner)} instances belong to one of {len(names)} splits each"


def expert(subject: Subject) -> str:
    """See `Check.EXPERT`."""
    env = subject.bare()
    wanted = subject.documented.expert_score
    scores = []
    starts: list[tuple[int, dict[str, Any]]] = [(seed, {}) for seed in subject.seeds(subject.sizes.episodes)]
    starts += [(subject.seeds(1)[0], {"difficulty": level}) for level in subject.difficulties(env)[1:]]
    for seed, options in starts:
        _, info = env.reset(seed=seed, options=options or None)
        score = _expert_plays(env, info)
        if score is None:
            raise Violation(
                f"expert_action() is None at the start of seed {seed} {options or ''}, but there must be a solution"
            )
        if wanted >= 1.0 and score < 1.0:
            raise Violation(
                f"the expert scored {score:g} on seed {seed} {options or ''}; mend it, or document what it reaches"
            )
        scores.append(score)
    mean = sum(scores) / len(scores)
    if mean < wanted - 0.05:
        raise Violation(f"the expert scored {mean:.3f} on average, the documentation promises {wanted:g}")
    dead_ends = _give_ups(env, subject)
    return f"mean score {mean:.3f} over {len(scores)} tasks; gave up in {dead_ends} states, rightly as far as one sees"


def _expert_plays(env: Any, info: dict[str, Any]) -> float | None:
    """Return the score at the end, None if the expert gives up."""
    while info["stop_reason"] is None:
        action = env.expert_action()
        if action is None:
            return None
        _, _, _, _, info = env.step(action)
        if not info["action_is_valid"]:
            raise Violation(f"the expert's action {shown(action)} was refused: {info['invalid']}")
    return float(info["score"])


def _give_ups(env: Any, subject: Subject) -> int:
    """Count states where the expert gives up; none of them may be solved by playing on at random."""
    gave_up = 0
    for seed in subject.seeds(subject.sizes.episodes):
        walk = subject.walk("give-up", seed, junk=0.0)
        _, info = env.reset(seed=seed)
        for _ in range(6):
            if not info["legal_actions"]:
                break
            _, _, terminated, truncated, info = env.step(walk.choose(env, info))
            if terminated or truncated:
                break
            if env.expert_action() is None:
                gave_up += 1
                saved = env.snapshot()
                for _ in range(4):
                    _, info = env.restore(saved)
                    while info["legal_actions"] and info["stop_reason"] is None:
                        info = env.step(walk.choose(env, info))[4]
                    if info["is_success"]:
                        raise Violation("expert_action() was None in a state from which random play then solved it")
                break
    return gave_up


# Cheating

Policy = Callable[[str, dict[str, Any]], str]


def cheating(subject: Subject) -> str:
    """See `Check.CHEATING`."""
    env = subject.bare()
    floor = max(subject.documented.floor, _one_row(env))
    worst, worst_name = 0.0, "none of them"
    plays = subject.sizes.plays
    starts = []
    for seed in subject.seeds(plays):
        env.reset(seed=seed)
        starts.append(env.snapshot())
    for name, policy in cheats(env, subject):
        scores = [_final_score(env, start, policy) for start in starts]
        mean = sum(scores) / len(scores)
        if exceeds(mean, floor, plays):
            raise Violation(
                f"the policy {name} scored {mean:.3f} over {plays} tasks, more than the documented floor {floor:g}; "
                "make the task or the check stricter, or document a higher floor"
            )
        if mean > worst:
            worst, worst_name = mean, name
    return f"the best cheat ({worst_name}) scored {worst:.3f}, the documented floor is {floor:g}"


def _one_row(env: Any) -> float:
    """What a constant scores on a data set by being the answer of one row of the split: a small set says no more."""
    source: Any = getattr(env, "source", None)
    if not hasattr(source, "find"):
        return 0.0
    split = env.split or source.splits[0]
    return 1.0 / max(1, sum(source[i].split == split for i in range(len(source))))


def exceeds(mean: float, floor: float, plays: int) -> bool:
    """Return whether a mean score is more than luck at the floor: the Chernoff-Hoeffding bound on its chance.

    P(mean >= m) <= exp(-n KL(m || p)) for n independent scores in [0, 1] with expectation p <= m (Hoeffding 1963,
    theorem 1).
    """
    if mean <= floor:
        return False
    if floor <= 0.0 or floor >= 1.0:
        return True
    divergence = mean * math.log(mean / floor)
    if mean < 1.0:
        divergence += (1.0 - mean) * math.log((1.0 - mean) / (1.0 - floor))
    return math.exp(-plays * divergence) < CHANCE


def _final_score(env: Any, start: Any, policy: Policy) -> float:
    observation, info = env.restore(start)
    while info["stop_reason"] is None:
        observation, _, _, _, info = env.step(policy(observation, info))
    return float(info["score"])


def cheats(env: Any, subject: Subject) -> Iterator[tuple[str, Policy]]:
    """Yield policies that do not solve anything, by name."""
    instructions = env.instructions
    rng = Rng.named("spam", subject.seed)
    yield "empty text", lambda observation, info: ""
    yield "echo of the observation", lambda observation, info: observation
    yield "last line of the observation", lambda observation, info: (observation.splitlines() or [""])[-1]
    yield "copy of the prompt", lambda observation, info: f"{instructions}\n\n{observation}"
    yield "invalid spam", lambda observation, info: random_text(rng, [])
    for text in _constants(env, subject):
        yield f"constant {shown(text)}", _constant(text)
    yield "all legal actions at once", _all_legal(" or ")
    yield "all legal actions in lines", _all_legal("\n")
    for name, form in _HEDGES.items():
        if _single_turn(env, subject):
            yield f"hedge {name}", _hedge(env, form, _decoy(env, subject))


def _constant(text: str) -> Policy:
    return lambda observation, info: text


def _all_legal(separator: str) -> Policy:
    return lambda observation, info: separator.join(info["legal_actions"] or ("0", "1"))


_HEDGES = {
    "'right or wrong'": "{right} or {wrong}",
    "'wrong or right'": "{wrong} or {right}",
    "'right. also wrong'": "{right}. also {wrong}",
    "'right, wrong'": "{right}, {wrong}",
}


def _hedge(env: Any, form: str, decoy: Callable[[str], str]) -> Policy:
    """A policy that names the right answer beside a wrong one: that must not count, or listing answers would win."""

    def policy(observation: str, info: dict[str, Any]) -> str:
        right = env.expert_action() or ""
        return form.format(right=right, wrong=decoy(right))

    return policy


def _decoy(env: Any, subject: Subject) -> Callable[[str], str]:
    answers = list(dict.fromkeys(_answers(env, subject)))
    return lambda right: next((answer for answer in answers if answer != right), f"{right}1")


def _single_turn(env: Any, subject: Subject) -> bool:
    return bool(env.reset(seed=subject.seed)[1]["steps_left"] == 1)


def _answers(env: Any, subject: Subject) -> list[str]:
    """The expert's answers to other tasks than those that are played."""
    answers = []
    for seed in range(10_000_000, 10_000_000 + 2 * subject.sizes.plays):
        env.reset(seed=seed)
        answer = env.expert_action()
        if answer is not None:
            answers.append(answer)
    return answers


def _constants(env: Any, subject: Subject) -> list[str]:
    """Texts worth sending every time: examples, usual answers, the commonest right answers, first legal actions."""
    texts = dict.fromkeys([*env.examples, *_ALWAYS_TRIED])
    if _single_turn(env, subject):
        texts.update(dict.fromkeys(text for text, _ in Counter(_answers(env, subject)).most_common(3)))
    _, info = env.reset(seed=subject.seed)
    texts.update(dict.fromkeys((info["legal_actions"] or ())[:6]))
    return list(texts)
