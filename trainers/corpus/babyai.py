"""BabyAI-text: what is seen from a grid world's first person, missions, and the six actions."""

from .grammar import words

GRAMMAR: dict[str, list[str]] = {
    "colour": words("red,green,blue,yellow,purple,grey"),
    "type": ["key", "ball", "box"],
    "x": ["{colour} {type}"],
    "side": ["left", "right"],
    "far": ["1 step", "2 steps", "3 steps", "4 steps", "5 steps", "6 steps"],
    "place": ["{far} forward", "{far} {side}", "{far} {side} and {far} forward", "{far} {side} and {far} forward"],
    "door": ["You see an open {colour} door {place}", "You see a closed {colour} door {place}",
             "You see a locked {colour} door {place}"],
    "line": ["You see a {x} {place}", "You see a {x} {place}", "You see a {x} {place}", "{door}",
             "You see a wall {far} forward", "You see a wall {far} {side}", "You carry a {x}"],
    "mission": [
        "go to the {x}", "go to a {x}", "pick up the {x}", "pick up a {x}", "open the {colour} door", "open the door",
        "put the {x} next to the {x}", "put a {x} next to a {x}", "pick up the {x} then go to the {x}",
        "go to the {x} after you pick up the {x}",
    ],
    "action": ["turn left", "turn right", "go forward", "go forward", "pick up", "drop", "toggle"],
    "text": [
        "Goal of the agent: {mission}\n{line}\n{line}\n{line}\n{line}\nAction: {action}",
        "{line}, {line}, {line}, {line}, {line}", "{mission}", "{action}",
        "Possible actions: turn left, turn right, go forward, pick up, drop, toggle.", "{thought}",
    ],
    "thought": [
        "The {x} is {far} to the {side}, so I turn {side} and go forward.",
        "The door is locked, so I need the {colour} key: pick it up, go to the door, toggle it.",
        "1. Go to the {x}.\n2. Pick it up.\n3. Go to the {x}.\n4. Drop it next to the {x}.",
        "A wall is in front of me, so I turn {side}.", "The {x} is in front of me: pick up.",
    ],
}  # fmt: skip
