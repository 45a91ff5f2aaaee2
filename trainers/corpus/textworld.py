"""Text of TextWorld games: rooms, exits, containers, cooking, and the commands of these games."""

from .grammar import words

GRAMMAR: dict[str, list[str]] = {
    "room": words(
        "Kitchen,Pantry,Bedroom,Bathroom,Living Room,Corridor,Garden,Backyard,Shed,Driveway,Street,Supermarket,"
        "Attic,Basement,Cellar,Office,Library,Study,Laundry,Playroom,Garage,Vault,Cookhouse,Scullery,Parlor,Salon,"
        "Lounge,Workshop,Chamber,Spare Room,Steam Room,Sauna"
    ),
    "way": ["north", "south", "east", "west"],
    "colour": words("red,green,yellow,orange,purple,white,black,blue"),
    "food": words(
        "apple,banana,carrot,onion,potato,tomato,hot pepper,bell pepper,cilantro,parsley,lettuce,cheese,egg,flour,milk,"
        "pork chop,chicken wing,chicken leg,chicken breast,tuna,salmon,shrimp,olive oil,vegetable oil,salt,sugar,"
        "black pepper,water,butter,eggplant,zucchini,mushroom,garlic"
    ),
    "item": ["{colour} {food}", "{food}", "block of cheese", "knife", "cookbook", "coin", "{metal} key", "lamp"],
    "metal": words("rusty,small,large,Canadian,Italian style,type A,type B,type C,non-euclidean"),
    "holder": words(
        "fridge,oven,stove,counter,table,kitchen cupboard,cutlery drawer,trash can,toolbox,workbench,bed,sofa,shelf,"
        "showcase,chest,box,safe,locker,dresser,chair,rack,stand,bench,crate,basket,suitcase,toilet,bar,bowl,BBQ,"
        "patio chair,patio table,desk,cabinet,case,trunk,display,couch,plate,saucepan"
    ),
    "door": words("front door,sliding patio door,screen door,frosted-glass door,wooden door,plain door,gate,hatch"),
    "tool": ["stove", "oven", "BBQ"],
    "cut": ["chop", "slice", "dice"],
    "done": ["chopped", "sliced", "diced"],
    "cook": ["fry", "roast", "grill"],
    "cooked": ["fried", "roasted", "grilled", "raw", "burned", "uncut"],
    "text": [
        "-= {room} =-\n{arrive} {see} {exit}", "-= {room} =-\n{arrive} {see} {see} {exit} {exit}",
        "> {command}\n\n{feedback}", "> {command}\n\n{feedback}", "> {command}\n\n{feedback}",
        "Recipe #1\n---------\nGather all following ingredients and follow the directions to prepare this tasty "
        "meal.\n\nIngredients:\n  {item}\n  {item}\n  {item}\n\nDirections:\n  {cut} the {food}\n  {cook} the {food}\n"
        "  prepare meal",
        "You are carrying: a {item} and a {item}.", "You are carrying nothing.",
        "Admissible commands: {command}; {command}; {command}; {command}; look; inventory.",
        "Your score has just gone up by one point.", "*** The End ***\n\nYou scored {1_9} out of a possible {9_17}, in "
        "{5_60} turn(s).", "{thought}",
    ],
    "arrive": [
        "You find yourself in a {room}.", "You are in a {room}.", "You've entered a {room}.",
        "You arrive in a {room}. A typical kind of place.", "You've just walked into a {room}.",
    ],
    "see": [
        "You can see a {holder}.", "You see a closed {holder} in the corner.", "You can make out a {holder}. On the "
        "{holder} you can make out a {item}.", "You see an opened {holder}. The {holder} contains a {item} and a "
        "{item}.", "The {holder} is empty. What a waste.", "On the floor is a {item}.", "There is a {item} on it.",
    ],
    "exit": [
        "There is an exit to the {way}.", "You need an exit without a door? You should try going {way}.",
        "There is a closed {door} leading {way}.", "There is an open {door} leading {way}.",
        "You don't like doors? Why not try going {way}, that entranceway is not blocked by one.",
    ],
    "command": [
        "go {way}", "go {way}", "take {item}", "take {item} from {holder}", "put {item} on {holder}",
        "insert {item} into {holder}", "open {holder}", "open {door}", "close {holder}",
        "unlock {door} with {metal} key",
        "lock {holder} with {metal} key", "examine {item}", "examine cookbook", "look", "inventory", "drop {item}",
        "cook {food} with {tool}", "{cut} {food} with knife", "eat {food}", "prepare meal", "eat meal",
        "drink {food}",
    ],
    "feedback": [
        "You pick up the {item} from the ground.", "You take the {item} from the {holder}.",
        "You put the {item} on the {holder}.", "You put the {item} into the {holder}.", "You open the {holder}.",
        "You open the {holder}, revealing a {item}.", "You close the {door}.", "You unlock the {door}.",
        "You have to unlock the {door} with the {metal} key first.", "That's already open.", "You drop the {item}.",
        "You {cook} the {food} with the {tool}.", "{cooked} {food}: you {cut} the {food}.",
        "Adding the meal to your inventory.", "You eat the meal. Not bad.", "You can't see any such thing.",
        "That's not a verb I recognise.", "You can't go that way.", "You have to open the {door} first.",
        "You need to take the {item} first.", "You lost! You burned the {food}.", "The dish is {cooked} and {done}.",
    ],
    "thought": [
        "The recipe needs a {done} {food} that is {cooked}, so I take the knife and {cut} it.",
        "I have not been {way} yet, so I go {way} to look for the {item}.",
        "The {door} is locked; the {metal} key opens it.",
        "1. Read the cookbook.\n2. Take the {item}.\n3. Cook the {food} with the {tool}.\n4. Prepare and eat the meal.",
    ],
}  # fmt: skip
