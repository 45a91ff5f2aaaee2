"""The table of data sets: what they are called, which files belong to them, and where the Hub has them."""

from typing import NamedTuple

from ..errors import UnknownName
from ..task import Split
from .rows import ROW_SUFFIXES

PROBLEM_FIELDS = ("problem", "question", "Problem", "Question", "prompt")
"""Names under which published math sets keep the problem statement."""

ANSWER_FIELDS = (
    "answer",
    "Answer",
    "final_answer",
    "answers",
    "expected_answer",
    "ground_truth",
    "gold",
    "solution",
    "Solution",
)
"""Names under which published math sets keep the answer; a worked solution ends in `#### x` or a box."""

_MATH_FIELDS = (PROBLEM_FIELDS, ANSWER_FIELDS)


class HubFiles(NamedTuple):
    """Files of one repository on the Hugging Face hub that make up one split."""

    repo: str
    """Repository id, `owner/name`, of type dataset."""
    pattern: str
    """Glob over the repository's paths (`*` also matches `/`)."""
    split: Split


class DataSet(NamedTuple):
    """One data set that an id can read."""

    name: str
    """What `rlvr data add|pull NAME` and the environments call it."""
    family: str
    """The family of tasks it feeds."""
    title: str
    """One phrase for people."""
    files: tuple[tuple[Split, tuple[str, ...]], ...]
    """For each split, globs over the paths in a folder (lower case), most specific first."""
    hub: tuple[HubFiles, ...] = ()
    """Where `pull` gets it; empty where the Hub does not have it."""
    fields: tuple[tuple[str, ...], ...] = ()
    """The fields that every row must have, each with the names it goes by."""
    suffixes: tuple[str, ...] = ROW_SUFFIXES
    """The formats it may come in."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that the set can have."""
        return tuple(split for split, _ in self.files)

    @property
    def remedy(self) -> str:
        """The commands that get it, for messages."""
        add = f"rlvr data add {self.name} FILE_OR_FOLDER"
        return f"run: rlvr data pull {self.name} (or: {add})" if self.hub else f"run: {add}"


_TABLE = (
    DataSet(
        "aime2024",
        "math",
        "AIME 2024, I and II (30 problems)",
        (("test", ("*aime*2024*", "*aime*24*")),),
        (HubFiles("HuggingFaceH4/aime_2024", "data/train-*.parquet", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "aime2025",
        "math",
        "AIME 2025, I and II (30 problems)",
        (("test", ("*aime*2025*", "*aime*25*")),),
        (HubFiles("math-ai/aime25", "test.jsonl", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "aime-history",
        "math",
        "AIME 1983 to 2023",
        (("train", ("*aime*1983*", "*aime*history*")),),
        (HubFiles("gneubig/aime-1983-2024", "AIME_Dataset_1983_2024.csv", "train"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "amc23",
        "math",
        "AMC 12 of 2023 in integer-answer form (40 problems)",
        (("test", ("*amc23*",)),),
        (HubFiles("math-ai/amc23", "*test*", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "math500",
        "math",
        "MATH-500 (500 problems)",
        (("test", ("*math500*", "*math-500*", "*math_500*")),),
        (HubFiles("HuggingFaceH4/MATH-500", "test.jsonl", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "math",
        "math",
        "MATH, train and test (a pulled test split holds MATH-500 too)",
        (("train", ("*math_train*", "*math-train*")), ("test", ("*math_test*", "*math-test*"))),
        (
            HubFiles("EleutherAI/hendrycks_math", "*/train-*.parquet", "train"),
            HubFiles("EleutherAI/hendrycks_math", "*/test-*.parquet", "test"),
        ),
        _MATH_FIELDS,
    ),
    DataSet(
        "gsm8k",
        "math",
        "GSM8K, grade-school word problems (7,473 train, 1,319 test)",
        (("train", ("*gsm8k*train*",)), ("test", ("*gsm8k*test*",))),
        (
            HubFiles("openai/gsm8k", "main/train-*.parquet", "train"),
            HubFiles("openai/gsm8k", "main/test-*.parquet", "test"),
        ),
        _MATH_FIELDS,
    ),
    DataSet(
        "minerva",
        "math",
        "Minerva Math, undergraduate science (272 problems)",
        (("test", ("*minerva*",)),),
        (HubFiles("math-ai/minervamath", "*test*", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "olympiadbench",
        "math",
        "OlympiadBench, open-ended, text only, English competition mathematics (674 problems)",
        (("test", ("*oe_to_maths_en_comp*", "*olympiadbench*")),),
        (HubFiles("Hothan/OlympiadBench", "OE_TO_maths_en_COMP/*.parquet", "test"),),
        _MATH_FIELDS,
    ),
    DataSet(
        "boxoban",
        "sokoban",
        "Boxoban levels (unfiltered, medium, hard), as text or as rows",
        # Whatever names no other split: the hard levels have none.
        (("train", ("*train*",)), ("valid", ("*valid*",)), ("test", ("*",))),
        (),
        (("level",),),
        (*ROW_SUFFIXES, ".txt", ".xsb"),
    ),
    DataSet(
        "microban",
        "sokoban",
        "Microban levels by David W. Skinner, in XSB or as rows",
        (("test", ("*",)),),
        (),
        (("level",),),
        (*ROW_SUFFIXES, ".txt", ".xsb"),
    ),
    DataSet(
        "mazes",
        "maze",
        "Lattice mazes with connection lists, as maze-dataset makes them",
        (("test", ("*lattice*", "*maze*")),),
        (),
        (("connection_list",), ("start",), ("end", "goal")),
    ),
    DataSet(
        "bandits",
        "bandit",
        "EVOLvE's bandit instances (BanditBench)",
        (("test", ("*instances*", "*bandit*")),),
        (),
        (("distribution",), ("action_names",), ("horizon",), ("seed",)),
    ),
)

DATASETS: dict[str, DataSet] = {entry.name: entry for entry in _TABLE}
"""Every data set by name, in the order in which listings print them."""


def data_set(name: str) -> DataSet:
    """Return the table's row; an unknown name is a `UnknownName` that lists the nearest ones."""
    try:
        return DATASETS[name]
    except KeyError:
        raise UnknownName("data set", name, DATASETS) from None
