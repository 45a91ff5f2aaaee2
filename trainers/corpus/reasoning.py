"""What an agent says between observation and action: thoughts, plans, remarks on its history; general verbs."""

from ...tasks.bandit.scenarios import STORIES

GRAMMAR: dict[str, list[str]] = {
    "way": ["up", "down", "left", "right"],
    "n": ["{0_99}"],
    "op": ["+", "-", "*", "/"],
    "count": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    "arm": [
        f"{{{name}First}} {{{name}Second}}" if story.second else f"{{{name}First}}" for name, story in STORIES.items()
    ],
    "story": [f"{story.setting} {story.bernoulli} {story.gaussian}" for story in STORIES.values()],
    "text": [
        "Summary of the {2_30} turns so far:\n- {arm}: {1_9} times, mean reward 0.{10_99}\n- {arm}: 0 times\n"
        "- {arm}: {1_20} times, mean reward -1.{10_99}", "{arm}", "{arm}", "{arm}", "{arm}", "{story}",
        "The way to the exit is {way}, {way}, {way}, {way}, {way}.", "Way: {way} {way} {way} {way}. First {way}.",
        "I am in row {0_9}, column {0_9}; the exit is in row {0_9}, column {0_9}.",
        "Dead end. Go back to the last fork, then {way}.", "There is a wall {way}, so I go {way} instead.",
        "The box is at row {0_9}, column {0_9}; the target is {count} cells {way}. Push it {way} {count} times, "
        "then {way} {count} times. I must stand below it first.",
        "Push the box {way}, {way}, {way}. Walk {way}, {way} to the other side of the box, then push {way}.",
        "The box stands in a corner, so it cannot be moved any more.", "Box in the way: walk around it.",
        "Ones: {0_9} + {0_9} = {0_18}, write {0_9}, carry 1. Tens: {0_9} + {0_9} + 1 = {0_19}. Hundreds: {0_9}.",
        "Ones: {0_9} - {0_9} needs a borrow: 1{0_9} - {0_9} = {0_9}. Tens: {0_9} - {0_9} = {0_9}.",
        "The result is negative, so subtract the smaller from the larger: {n} - {n} = {n}.",
        "First the product: {n} * {n} = {n}. Then {n} + {n} = {n}. The answer is \\boxed{{n}}.",
        "{n} {op} {n} = {n}, {n} {op} {n} = {n}, {n} {op} {n} = 24.", "Left: {n} {n} {n}. {n} {op} {n} = {n}.",
        "Plan: {n} {op} {n}, then {n} {op} {n}, then {n} {op} {n}.", "The target cannot be reached from here.",
        "Not tried yet: one option. Try it once.", "All options have been tried. The largest average is 0.{10_99} and "
        "the bonus for few tries is 0.{10_99}; in sum {1_2}.{10_99} is the best.",
        "Best index: 0.{10_99} + 0.{10_99} = 1.{10_99}.", "Untried options come first.",
        "You have chosen {2_30} times. Average rewards so far: 0.{10_99} ({1_20} times), 0.{10_99} ({1_20} times), "
        "not tried yet.", "So far: {1_20} times, average reward 0.{10_99}.",
        "({2_30} earlier turns left out.)", "Legal actions: {way}; {way}; {way}",
        "1. Go {way} to the fork.\n2. Go {way} along the corridor.\n3. Reach the exit.",
        "1. Push the first box onto the target.\n2. Walk around the second box.\n3. Push it {way} onto the target.",
        "1. Make {n} from {n} and {n}.\n2. Make {n} from {n} and {n}.\n3. Make 24.",
        "The first sub-goal is reached. Next: sub-goal {1_9}.", "Sub-goal {1_9} of {1_9} is done, go on with the plan.",
        "I think step by step. What do I know, what is asked, and which action brings me closer to the goal?",
        "My last attempt failed because I went {way} too early. Next time I should first check the other side.",
        "Reflection: the plan was wrong at step {1_9}. I will try another way.", "Repeat the last action.",
        "Question: what should be done next? Answer: {way}.", "Observation: nothing has changed. Thought: try again.",
        "Is this state better than the last one? Yes. No. Maybe. Value: 0.{1_9}. Score: {0_10}.",
        "You are a helpful agent. Be brief. Think first, then act. Reply with one action only.",
        "The observation shows what happened after your last action; use it before you decide again.",
        "Tool call: name and arguments as JSON. Result of the tool: error, try again with other arguments.",
        "Use at most {2_9} steps. Steps left: {1_50}. Reward: {0_1}.{0_9}. Total reward: {0_9}.{0_9}.",
    ],
}  # fmt: skip
for _name, _story in STORIES.items():
    GRAMMAR[f"{_name}First"], GRAMMAR[f"{_name}Second"] = list(_story.first), list(_story.second)
