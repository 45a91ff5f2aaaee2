"""Pulling arms: the rules, with regret, score, and experts that learn as they go."""

from typing import Any, ClassVar, Literal, NamedTuple, get_args

from ..actions import MAX_ACTION_CHARS, ActionSpec, Param
from ..errors import UnknownName
from ..rng import Rng
from ..rules import Invalid, Rules, StopReason, Transition
from .arms import Bandit, Pull
from .learners import UCB, Greedy, Learner, Oracle, Thompson
from .scenarios import tell
from .task import BanditTask

Instruction = Literal["detailed", "base"]
"""`detailed` adds a paragraph of advice on trying out and making use (EVOLvE's default); `base` leaves it out."""
Reward = Literal["observed", "regret"]
"""`observed`: the arm's reward. `regret`: minus the expected regret of the pull, without noise (for trainers)."""
OnInvalid = Literal["skip", "random"]
"""A text that names no arm: the turn is lost (`skip`), or a random arm is pulled (`random`, EVOLvE's rule)."""
Expert = Literal["ucb", "thompson", "greedy", "oracle"]
"""Who `solve` asks; all but the oracle know nothing but the rewards of the pulls made."""

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("instruction", Instruction),
    ("reward", Reward),
    ("on_invalid", OnInvalid),
    ("expert", Expert),
)


class Played(NamedTuple):
    """How far play has come; as large at the last pull as at the first."""

    bandit: Bandit
    counts: tuple[int, ...]
    """Pulls of each arm."""
    sums: tuple[float, ...]
    """Sum of each arm's rewards."""
    pulls: int = 0
    regret: float = 0.0
    """Sum of the gaps of the arms pulled: the cumulative expected regret."""
    last: Pull | None = None
    """The last pull."""


class BanditRules(Rules[BanditTask, Played, Pull]):
    """Rules of pulling arms.

    Args:
        instruction: See `Instruction`.
        reward: See `Reward`.
        on_invalid: See `OnInvalid`.
        expert: See `Expert`.
    """

    family: ClassVar[str] = "bandit"
    task_type = BanditTask
    exhaustive: ClassVar[bool] = True
    reward_range = (float("-inf"), float("inf"))
    actions = (
        ActionSpec(
            name="choose",
            pattern=r"(?P<name>[^\n]+)",
            template="{name}",
            example="Blue",
            description="write the name of the one you choose",
            params=(Param("name", "string", "one of the names in the task statement"),),
        ),
    )
    instructions = (
        "You choose among several options again and again. Each choice brings a reward at random; some options "
        "bring more than others on average, and only trying them tells which. Your aim is to collect as much reward "
        "as you can over all turns. Answer each turn with nothing but the name of one option."
    )

    def __init__(
        self,
        instruction: Instruction = "detailed",
        reward: Reward = "observed",
        on_invalid: OnInvalid = "skip",
        expert: Expert = "ucb",
    ) -> None:
        chosen = {"instruction": instruction, "reward": reward, "on_invalid": on_invalid, "expert": expert}
        for option, known in _OPTIONS:
            if chosen[option] not in get_args(known):
                raise UnknownName(f"bandit {option}", str(chosen[option]), get_args(known))
        self.detailed = instruction == "detailed"
        self.rewards_regret = reward == "regret"
        self.substitutes = on_invalid == "random"
        self.expert_name = expert
        if self.rewards_regret:
            self.reward_range = (float("-inf"), 0.0)

    def initial(self, task: BanditTask) -> Played:
        """Return the state before the first pull."""
        arms = len(task.names)
        return Played(Bandit(task), (0,) * arms, (0.0,) * arms)

    def parse(self, state: Played, text: str) -> Pull | Invalid:
        """Return the pull of the arm with this name; case and white space around it do not count."""
        pull = state.bandit.by_text.get(text)
        return self._parse_other_spelling(state, text) if pull is None else pull

    def _parse_other_spelling(self, state: Played, text: str) -> Pull | Invalid:
        bandit = state.bandit
        if len(text) <= MAX_ACTION_CHARS:
            pull = bandit.by_text.get(text.strip().casefold())
            if pull is not None:
                return pull
        if self.substitutes:
            return Rng.named("substitute", bandit.key, state.pulls).choice(bandit.by_chance)
        return Invalid(f"this is none of the names {', '.join(bandit.names)}")

    def step(self, state: Played, action: Pull) -> Transition:
        """Pull the arm; the last pull ends the task."""
        bandit, counts, sums, pulls, regret, _ = state
        arm = action.arm
        reward = bandit.reward(arm, pulls)
        gap = bandit.gaps[arm]
        pulls += 1
        new_counts, new_sums = list(counts), list(sums)
        new_counts[arm] += 1
        new_sums[arm] += reward
        after = Played(bandit, tuple(new_counts), tuple(new_sums), pulls, regret + gap, action)
        message = bandit.message(arm, reward)
        if self.rewards_regret:
            reward = -gap
        if pulls >= bandit.horizon:
            return Transition(after, reward, True, StopReason.COMPLETED, message)
        return Transition(after, reward, False, None, message)

    def statement(self, task: BanditTask) -> str:
        """Return the story, the arms' names and the horizon."""
        return tell(task, detailed=self.detailed)

    def view(self, state: Played) -> str:
        """Return nothing: what there is to see is the last reward, which is the step's message."""
        return ""

    def key(self, state: Played) -> str:
        """Return one key for all states: a bandit's dynamics never change."""
        return "bandit"

    def score(self, state: Played) -> float:
        """Return 1 minus the regret over the whole horizon as a share of the worst possible one.

        Pulls not made count as pulls of the worst arm, so neither stopping early nor lost turns pay. If all arms
        are equally good, it is the share of the pulls made.
        """
        bandit, _, _, pulls, regret, _ = state
        widest = bandit.widest
        if not widest:
            return pulls / bandit.horizon
        score = (pulls * widest - regret) / (bandit.horizon * widest)
        return 0.0 if score < 0.0 else min(score, 1.0)

    def is_success(self, state: Played) -> bool:
        """Return whether the regret is at most half of that of uniformly random pulls, lost pulls counted as worst."""
        bandit, _, _, pulls, regret, _ = state
        missing = bandit.horizon - pulls
        return regret + missing * bandit.widest <= bandit.allowance if bandit.widest else missing == 0

    def legal_actions(self, state: Played) -> tuple[str, ...]:
        """Return the arms' names."""
        return state.bandit.names if state.pulls < state.bandit.horizon else ()

    def extra_info(self, state: Played) -> dict[str, Any]:
        """Return the regret.

        Keys: `pulls`; `regret`, the expected regret of the last pull; `cumulative_regret`, its sum so far (over
        pulls: a lost turn has none, but lowers the score); `is_random`, whether the last pull replaced a text that
        named no arm.
        """
        bandit, _, _, pulls, regret, last = state
        return {
            "pulls": pulls,
            "regret": 0.0 if last is None else bandit.gaps[last.arm],
            "cumulative_regret": regret,
            "is_random": last is not None and last.substituted,
        }

    def reveal(self, state: Played) -> dict[str, Any]:
        """Return `best_arm`, the name of the arm with the largest mean, and all `means`."""
        bandit = state.bandit
        return {"best_arm": bandit.names[Oracle(bandit.means).best], "means": bandit.means}

    def expert(self, state: Played) -> str | None:
        """Return the arm that the expert pulls next."""
        bandit = state.bandit
        return bandit.names[self.learner(state).choose()] if state.pulls < bandit.horizon else None

    def solve(self, state: Played) -> list[str] | None:
        """Return what the expert does from here to the end, with the rewards that it will get."""
        bandit = state.bandit
        learner = self.learner(state)
        plan = []
        for index in range(state.pulls, bandit.horizon):
            arm = learner.choose()
            learner.update(arm, bandit.reward(arm, index))
            plan.append(bandit.names[arm])
        return plan or None

    def learner(self, state: Played) -> Learner:
        """Return the expert with what it knows in a state."""
        bandit, counts, sums, *_ = state
        arms = len(counts)
        if self.expert_name == "oracle":
            return Oracle(bandit.means)
        if self.expert_name == "thompson":
            return Thompson(arms, counts, sums, deviation=bandit.deviation, seed=bandit.key)
        if self.expert_name == "greedy":
            return Greedy(arms, counts, sums)
        return UCB(arms, counts, sums)

    def horizon(self, task: BanditTask) -> int:
        """Return the number of pulls."""
        return task.horizon

    def state_to_json(self, state: Played) -> Any:
        """Return the statistics and the last pull."""
        _, counts, sums, pulls, regret, last = state
        return {
            "counts": list(counts),
            "sums": list(sums),
            "pulls": pulls,
            "regret": regret,
            "last": None if last is None else [last.arm, last.substituted],
        }

    def state_from_json(self, task: BanditTask, data: Any) -> Played:
        """Return the state of such statistics."""
        last = data["last"]
        return Played(
            Bandit(task),
            tuple(data["counts"]),
            tuple(data["sums"]),
            data["pulls"],
            data["regret"],
            None if last is None else Pull(*last),
        )
