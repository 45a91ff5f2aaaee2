"""The stories around the arms, in our own words, and names for arms."""

from typing import NamedTuple

from ..rng import Rng
from .task import BanditTask, Scenario


class Story(NamedTuple):
    """One scenario."""

    unit: str
    """What one arm is."""
    units: str
    setting: str
    """Who you are and what an arm does."""
    bernoulli: str
    """What a reward of 1 or 0 means."""
    gaussian: str
    """What a real-valued reward means."""
    first: tuple[str, ...]
    """Possible first words of a name."""
    second: tuple[str, ...]
    """Possible second words; where there are none, a name has one word."""


STORIES: dict[Scenario, Story] = {
    "VideoWatching": Story(
        unit="video",
        units="videos",
        setting="You choose which video a streaming site shows to the next visitor on its front page.",
        bernoulli="The reward is 1 if the visitor watches the video to its end, and 0 if not.",
        gaussian="The reward is a number that says how much the visitor enjoyed the video; it may be negative.",
        first=("Paper", "Winter", "Seven", "Silent", "Northern", "Borrowed", "Copper", "Midnight", "Second", "Salt"),
        second=("Rivers", "Kitchen", "Postcards", "Lighthouse", "Engines", "Neighbours", "Orchestra", "Tides",
                "Garden", "Detectives"),
    ),
    "ClothesShopping": Story(
        unit="item",
        units="items",
        setting="You advise the customers of an online clothes shop and recommend one item to each of them.",
        bernoulli="The reward is 1 if the customer buys the item, and 0 if not.",
        gaussian="The reward is a number that says how happy the customer is with the item; it may be negative.",
        first=("Everyday Wool", "Washed Linen", "Heavy Cotton", "Soft Corduroy", "Quilted Nylon", "Raw Denim",
               "Brushed Flannel", "Light Merino", "Waxed Canvas", "Ribbed Jersey"),
        second=("Overshirt", "Scarf", "Cardigan", "Trousers", "Raincoat", "Pullover", "Skirt", "Waistcoat", "Socks",
                "Dungarees"),
    ),
    "ButtonPushing": Story(
        unit="button",
        units="buttons",
        setting="You stand in front of a machine with buttons, each of another colour, and press one of them a turn.",
        bernoulli="The machine answers with a reward of 1 or 0; how often it is 1 depends on the button.",
        gaussian="The machine answers with a number, your reward; how large it tends to be depends on the button.",
        first=("Red", "Orange", "Yellow", "Green", "Blue", "Violet", "Black", "White", "Grey", "Brown", "Pink", "Teal",
               "Maroon", "Olive", "Navy", "Beige", "Crimson", "Indigo", "Lilac", "Amber", "Turquoise", "Magenta",
               "Ivory", "Rust", "Mint", "Peach", "Silver", "Gold", "Ochre", "Plum"),
        second=(),
    ),
    "OnlineAds": Story(
        unit="advertisement",
        units="advertisements",
        setting="You decide which advertisement a web page shows to its next reader.",
        bernoulli="The reward is 1 if the reader clicks on the advertisement, and 0 if not.",
        gaussian="The reward is a number that says what the advertisement earned; it may be negative.",
        first=("Bakery", "Bicycle", "Museum", "Coffee", "Insurance", "Ferry", "Orchard", "Phone", "Theatre", "Hotel"),
        second=("Opening", "Summer Sale", "Newsletter", "Gift Card", "Free Trial", "Weekend", "Anniversary",
                "Prize Draw", "Loyalty Club", "Last Call"),
    ),
}  # fmt: skip

ADVICE = (
    "To earn much, strike a balance: try every one of them often enough to learn what it is worth, and make use of "
    "what you have learned by choosing the ones that did well."
)
"""The paragraph that the detailed instruction adds."""


def draw_names(rng: Rng, scenario: Scenario, count: int) -> tuple[str, ...]:
    """Return different names for that many arms."""
    story = STORIES[scenario]
    names = [f"{a} {b}" for a in story.first for b in story.second] if story.second else list(story.first)
    return tuple(rng.sample(names, count))


def tell(task: BanditTask, *, detailed: bool) -> str:
    """Return the task statement: the story, the arms' names and the horizon; never what an arm is worth."""
    story = STORIES[task.scenario]
    meaning = {"bernoulli": story.bernoulli, "gaussian": story.gaussian}[task.distribution]
    parts = [
        f"{story.setting} {meaning} For each {story.unit} the chances stay the same throughout.",
        f"There are {len(task.names)} {story.units}: {', '.join(task.names)}.",
        f"You choose {task.horizon} times; make the sum of the rewards as large as you can.",
    ]
    return "\n\n".join([*parts, ADVICE] if detailed else parts)
