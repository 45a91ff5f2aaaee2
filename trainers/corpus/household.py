"""Household text in ALFWorld's grammar: commands, feedback sentences, tasks, and an agent's remarks."""

from .grammar import words

_RECEPTACLES = words(
    "armchair,bathtubbasin,bed,cabinet,cart,coffeemachine,coffeetable,countertop,desk,diningtable,drawer,dresser,fridge,"
    "garbagecan,handtowelholder,laundryhamper,microwave,ottoman,safe,shelf,sidetable,sinkbasin,sofa,stoveburner,"
    "toaster,toilet,toiletpaperhanger,towelholder,tvstand"
)
_OBJECTS = words(
    "alarmclock,apple,baseballbat,basketball,book,boots,bowl,box,bread,butterknife,candle,cd,cellphone,cloth,"
    "creditcard,cup,desklamp,dishsponge,egg,floorlamp,fork,glassbottle,handtowel,houseplant,kettle,keychain,knife,"
    "ladle,laptop,lettuce,mirror,mug,newspaper,painting,pan,papertowelroll,pen,pencil,peppershaker,pillow,plate,"
    "plunger,poster,pot,potato,remotecontrol,saltshaker,scrubbrush,showerdoor,soapbar,soapbottle,spatula,spoon,"
    "spraybottle,statue,teddybear,television,tennisracket,tissuebox,toiletpaper,toiletpaperroll,tomato,towel,vase,"
    "watch,wateringcan,window,winebottle,lightswitch,blinds,curtains,footstool,chair"
)
_ROOMS = words("kitchen,bedroom,bathroom,livingroom")

GRAMMAR: dict[str, list[str]] = {
    "r": [f"{name} {{1_12}}" for name in _RECEPTACLES],
    "o": [f"{name} {{1_4}}" for name in _OBJECTS],
    "type": _OBJECTS,
    "place": _RECEPTACLES,
    "room": _ROOMS,
    "seen": ["nothing", "a {o}", "a {o}, and a {o}", "a {o}, a {o}, and a {o}", "a {o}, a {o}, a {o}, and a {o}"],
    "rooms": ["a {r}, a {r}, a {r}, a {r}, a {r}, a {r}, a {r}, a {r}, and a {r}"],
    "state": ["hot", "cool", "clean", "cold", "hot and clean", "sliced", "normal"],
    "text": [
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see "
        "{rooms}.\n\nYour task is to: {task}.",
        "{command}\n{feedback}",
        "{command}\n{feedback}",
        "{command}\n{feedback}",
        "Admissible actions: {command}; {command}; {command}; {command}; inventory; look; help.",
        "{thought}",
    ],
    "task": [
        "put a {type} in {place}", "put some {type} on {place}", "look at {type} under the desklamp",
        "examine the {type} with the desklamp", "put a clean {type} in {place}", "clean some {type} and put it in "
        "{place}", "put a hot {type} in {place}", "heat some {type} and put it in {place}", "put a cool {type} in "
        "{place}", "cool some {type} and put it in {place}", "put two {type} in {place}", "find two {type} and put "
        "them in {place}",
    ],
    "command": [
        "go to {r}", "go to {r}", "take {o} from {r}", "move {o} to {r}", "put {o} in/on {r}", "open {r}",
        "close {r}", "examine {r}", "examine {o}", "use {o}", "heat {o} with {r}", "cool {o} with {r}",
        "clean {o} with {r}", "slice {o} with {o}", "inventory", "look", "help",
    ],
    "feedback": [
        "You arrive at {r}. On the {r}, you see {seen}.", "On the {r}, you see {seen}.",
        "The {r} is open. In it, you see {seen}.", "The {r} is closed.", "You arrive at {r}. The {r} is closed.",
        "You open the {r}. The {r} is open. In it, you see {seen}.", "You close the {r}.",
        "You pick up the {o} from the {r}.", "You move the {o} to the {r}.", "You put the {o} in/on the {r}.",
        "You heat the {o} using the {r}.", "You cool the {o} using the {r}.", "You clean the {o} using the {r}.",
        "You turn on the {o}.", "You sliced the {o} with the {o}.", "There's nothing special about {o}.",
        "This is a {state} {o}.", "You are carrying: a {o}.", "You are not carrying anything.",
        "You are facing the {r}, and {r}. Next to it, you see {seen}.", "Nothing happens.",
    ],
    "thought": [
        "I need to find a {type} first. It is likely to be on a {place} or in a {place}. I will check the {r}.",
        "The {o} is on the {r}. Now I take it, then I {way} it with the {r}.",
        "There is no {type} here. Next I look in the {r}.",
        "1. Find a {type}.\n2. Take the {type}.\n3. Go to the {place} and {way} it.\n4. Put it in the {place}.",
        "I have the {o}. The task says to put it in the {place}, so I go to the {r}.",
        "The {room} has a {place}, where a {type} could be.",
    ],
    "way": ["heat", "cool", "clean", "slice", "use", "move"],
}  # fmt: skip
