"""Multi-armed bandits as a Gymnasium environment."""

from typing import Any, get_args

from ..tasks.bandit.generate import SCENARIOS, BanditSource
from ..tasks.bandit.recorded import load_bandits
from ..tasks.bandit.rules import BanditRules, Expert, Instruction, OnInvalid, Reward
from ..tasks.bandit.task import MAX_HORIZON, BanditTask, Scenario
from ..tasks.errors import UserError
from . import arguments
from .core import TextEnv


class BanditEnv(TextEnv[BanditTask]):
    """A bandit in words: which of several named options pays best?

    ## Description
    Each turn one option (arm) is chosen and pays a random reward. The arms' means are hidden and never change; the
    aim is to earn as much as possible over a fixed number of pulls, so every try has its price. The configurations
    are EVOLvE's (Nie et al. 2024, BanditBench); the sentences and names are ours. What happened before is not
    repeated: keeping (or summing up) the history is the agent's part.

    ## Action space
    Text: the name of one arm; case and white space around it do not count. Any other text is an invalid action:
    the turn is lost, or, with `on_invalid="random"`, a random arm is pulled (flagged in `info["is_random"]`).

    ## Observation space
    Text: at the start the story with the arms' names and the number of pulls, then only the last reward.

    ## Rewards
    - `reward="observed"` (default): what the arm paid; 0 or 1, or any number with Gaussian arms.
    - `reward="regret"`: minus the expected regret of the pull (the best mean minus the arm's), without noise.

    `score` is 1 - R / (T g), where R is the cumulative expected regret, T the number of pulls and g the largest gap
    between two means; pulls not made count as pulls of the worst arm. `is_success`: R, so counted, is at most half
    of what uniformly random pulls expect. `info` also has `pulls`, `regret` (of the last pull), `cumulative_regret`
    and `is_random`. All of these tell how good the last arm was, so an agent must not be shown them.

    ## Starting state
    Levels are `bernoulli-5-easy`, `bernoulli-20-easy`, `bernoulli-5-hard`, `bernoulli-20-hard` and the same with
    `gaussian`. Bernoulli: one arm of mean 0.75, the others 0.25 (easy), or 0.6 and 0.4 (hard). Gaussian: means
    from N(0, s^2), rewards with deviation s; s = 1 (easy), 3 (hard). Splits go by a hash of the arms and their
    names. With `data`, recorded EVOLvE instances, whose rewards repeat numpy's generator.

    ## Episode end
    Terminates after the last pull: 300 (easy) or 1,000 (hard), or `horizon`. Truncates after as many turns if
    some were lost.

    ## Arguments
    - `scenario`: `"VideoWatching"`, `"ClothesShopping"`, `"ButtonPushing"` or `"OnlineAds"`; any if None.
    - `horizon`: number of pulls; the level's or the instance's if None.
    - `instruction`: `"detailed"` adds a paragraph of advice; `"base"` does without.
    - `reward`, `on_invalid`: see above.
    - `expert`: who `expert_action` asks: `"ucb"` (alpha 0.5), `"thompson"`, `"greedy"`, which know only the
      rewards of the episode, or `"oracle"`.
    - `data`: a file or folder of EVOLvE instances, or `"bandits"` for the registered set; generated if None.
    - `split`, `difficulty`, `max_steps`, `invalid_penalty`, `reveal`, `render_mode`: see `TextEnv`.

    ## Version history
    - v0: first release.
    """

    replans = True

    def __init__(
        self,
        *,
        scenario: Scenario | None = None,
        horizon: int | None = None,
        instruction: Instruction = "detailed",
        reward: Reward = "observed",
        on_invalid: OnInvalid = "skip",
        expert: Expert = "ucb",
        data: str | None = None,
        **kwargs: Any,
    ) -> None:
        if scenario is not None:
            arguments.choice("scenario", scenario, SCENARIOS)
        if horizon is not None:
            arguments.whole("horizon", horizon, 1, MAX_HORIZON)
        arguments.choice("instruction", instruction, get_args(Instruction))
        arguments.choice("reward", reward, get_args(Reward))
        arguments.choice("on_invalid", on_invalid, get_args(OnInvalid))
        arguments.choice("expert", expert, get_args(Expert))
        arguments.place(data)
        if data is not None and scenario is not None:
            raise UserError("Recorded bandits bring their own scenario; leave out scenario or data.")
        source = BanditSource(scenario, horizon) if data is None else load_bandits(data, horizon)
        super().__init__(BanditRules(instruction, reward, on_invalid, expert), source, **kwargs)
