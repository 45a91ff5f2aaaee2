"""Mathematics as Gymnasium environments: one problem, one answer, one verdict."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_type_hints

from ..tasks.errors import UserError
from ..tasks.math.aime import AREAS, AimeSource
from ..tasks.math.arithmetic import ArithmeticSource
from ..tasks.math.rules import MathRules
from ..tasks.math.sets import math_set
from ..tasks.math.task import MathTask
from ..tasks.task import TaskSource
from ..tasks.verify import VerifyPolicy
from . import arguments
from .core import TextEnv


class MathEnv(TextEnv[MathTask]):
    """What all math environments share; the subclasses choose where the problems come from.

    Args:
        source: Where problems come from.
        correct: Reward of a correct answer.
        wrong: Reward of a wrong answer.
        unparsable: Reward of a text without a readable answer; that of a wrong one if None.
        limit_s: Seconds of computing that one verdict may take.
        policy: Conventions of the verifier, such as `{"percent": "unit"}` (fields of `VerifyPolicy`).
        kwargs: `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.
    """

    blocking = True  # a step waits for a verifier process

    def __init__(
        self,
        source: TaskSource[MathTask],
        *,
        correct: float = 1.0,
        wrong: float = 0.0,
        unparsable: float | None = None,
        limit_s: float = 5.0,
        policy: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        arguments.number("correct", correct)
        arguments.number("wrong", wrong)
        if unparsable is not None:
            arguments.number("unparsable", unparsable)
        arguments.number("limit_s", limit_s, above=0)
        if policy is not None:
            _check_policy(policy)
        rules = MathRules(correct=correct, wrong=wrong, unparsable=unparsable, limit_s=limit_s, policy=policy)
        super().__init__(rules, source, **kwargs)


def _check_policy(policy: Any) -> None:
    """Raise a `UserError` unless a policy's values are of the kinds that `VerifyPolicy` has; names are the rules'."""
    if not isinstance(policy, Mapping):
        raise UserError(f"policy must be a mapping of conventions, not {arguments.shown(policy)}.")
    hints = get_type_hints(VerifyPolicy)
    for name, value in policy.items():
        kind = hints.get(name)
        if kind is bool:
            arguments.flag(f"policy.{name}", value)
        elif kind is int:
            arguments.whole(f"policy.{name}", value, 0)
        elif kind is float:
            arguments.number(f"policy.{name}", value)
        elif kind is not None:
            arguments.choice(f"policy.{name}", value, get_args(kind))


class AimeEnv(MathEnv):
    r"""Original competition problems whose answer is an integer from 0 to 999.

    ## Description
    One problem in the format of the American Invitational Mathematics Examination is to be solved. The problems are
    not the examination's: exact generators over number theory, combinatorics, algebra, geometry and probability
    make new ones without end, so no model has seen them.

    ## Action space
    Text: the final answer in `\boxed{}`, with any reasoning before it. Any text is an answer. `042` is `42`.

    ## Observation space
    Text: the problem, in English with LaTeX; after the answer, one sentence on how it was judged.

    ## Rewards
    1 for a correct answer, else 0 (`correct`, `wrong`, `unparsable` change that). `score` is 1 or 0. The best
    constant answer scores about 0.01.

    ## Starting state
    A generator is drawn uniformly, then one of its problems. Levels: `easy`, `medium`, `hard`. Splits go by a hash of
    the generator and its parameters: two phrasings of one problem are never in different splits.

    ## Episode end
    Terminates with the first text: `solved`, `failed`, or, when there is no verdict, `verifier_timeout` or
    `verifier_error`, which keep the episode out of scores.

    ## Arguments
    - `areas`: only these areas, of `number theory`, `combinatorics`, `algebra`, `geometry`, `probability`.
    - `generators`: only these generators, by name.
    - `correct`, `wrong`, `unparsable`, `limit_s`, `policy`: see `MathEnv`.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(
        self, *, areas: Sequence[str] | None = None, generators: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        if areas is not None:
            arguments.listing("areas", areas, AREAS)
        if generators is not None:
            arguments.listing("generators", generators)
        super().__init__(AimeSource(areas, generators), **kwargs)


class ArithmeticEnv(MathEnv):
    r"""Arithmetic with exact answers.

    ## Description
    One expression is to be evaluated exactly.

    ## Action space
    Text: the value in `\boxed{}`, with any reasoning before it. Any text is an answer; fractions need not be in lowest
    terms, but a calculation is no answer.

    ## Observation space
    Text: the expression in LaTeX; after the answer, one sentence on how it was judged.

    ## Rewards
    1 for a correct answer, else 0 (`correct`, `wrong`, `unparsable` change that). `score` is 1 or 0.

    ## Starting state
    Levels: `easy` (one sum or difference of numbers up to 999), `medium` (two or three operations with integer
    results), `hard` (four to six, with brackets), `expert` (three to five, with fractions and powers). Splits go by a
    hash of the expression.

    ## Episode end
    Terminates with the first text.

    ## Arguments
    - `correct`, `wrong`, `unparsable`, `limit_s`, `policy`: see `MathEnv`.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ArithmeticSource(), **kwargs)


class MathDataEnv(MathEnv):
    r"""Problems of a published data set.

    ## Description
    One problem of AIME 2024 or 2025, AIME 1983 to 2023, AMC 2023, MATH-500, MATH, GSM8K, Minerva Math or
    OlympiadBench is to be solved. The data are not part of this package: `rlvr data pull NAME` gets them from the
    Hugging Face hub, `rlvr data add NAME FILE` registers a local copy, and `data` reads one directly.

    ## Action space
    Text: the final answer in `\boxed{}`, with any reasoning before it. Any text is an answer.

    ## Observation space
    Text: the problem as the data set has it; after the answer, one sentence on how it was judged.

    ## Rewards
    1 for an answer that the verifier finds equal to the gold answer, else 0 (`correct`, `wrong`, `unparsable` change
    that). `score` is 1 or 0.

    ## Starting state
    A row of the set, uniformly, or the one that `reset(options={"item": ...})` names by id or position. Levels: for
    MATH `level 1` to `level 5`; for AIME the thirds of the examination `easy`, `medium`, `hard`; without a
    `difficulty` all rows are drawn.

    ## Episode end
    Terminates with the first text: `solved`, `failed`, or, when there is no verdict, `verifier_timeout` or
    `verifier_error`, which keep the episode out of scores.

    ## Arguments
    - `dataset`: the set's name, as `rlvr data list` prints it.
    - `data`: a file or folder (JSONL, JSON, CSV, Parquet); the registered copy if None.
    - `correct`, `wrong`, `unparsable`, `limit_s`, `policy`: see `MathEnv`.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    def __init__(self, *, dataset: str, data: str | None = None, **kwargs: Any) -> None:
        arguments.text("dataset", dataset, "the name of a data set")
        arguments.place(data)
        super().__init__(math_set(dataset, data), **kwargs)
